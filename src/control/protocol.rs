//! The values that go over the control socket, one JSON object a line.
//!
//! A client sends a [`Call`] and gets [`Answer`]s, of which the last one is [`Answer::Done`], [`Answer::Refused`] or
//! [`Answer::Finished`]. Only while a client is attached does it send more, as [`Typed`]. Names and counts travel as
//! the user writes them, and are judged by the parser that reads them everywhere else. Nothing that can be asked
//! carries a path, a command or a variable.

use serde::{Deserialize, Serialize};

/// The version of this protocol. It changes when a client of the one before would misunderstand.
pub const VERSION: u32 = 1;

/// What a client sends first.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Call {
    /// The version that the client speaks: [`VERSION`].
    pub version: u32,
    /// What it asks.
    pub request: Request,
}

/// What one can ask. No name at all means every instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Request {
    /// How every instance is: one [`Answer::Formation`].
    Ps {},
    /// How every instance is when the formation has ended: then one [`Answer::Formation`], and [`Answer::Finished`].
    Last {},
    /// Let so many instances of some types be.
    Scale {
        /// Such as `web=3`, `web+1`, `all=0`.
        changes: Vec<String>,
        /// When to answer.
        wait: Wait,
    },
    /// Stop instances and start them again.
    Restart {
        /// Such as `web` or `web.2`.
        names: Vec<String>,
        /// When to answer.
        wait: Wait,
    },
    /// Stop instances; the others go on.
    Stop {
        /// Such as `web` or `web.2`.
        names: Vec<String>,
        /// When to answer.
        wait: Wait,
    },
    /// Start instances that have been stopped.
    Up {
        /// Such as `web` or `web.2`.
        names: Vec<String>,
        /// When to answer.
        wait: Wait,
    },
    /// Send a signal to the groups of instances.
    Signal {
        /// Such as `USR1`, `SIGUSR1` or `10`.
        signal: String,
        /// Such as `web` or `web.2`.
        names: Vec<String>,
    },
    /// Stop the formation, and with it procman.
    Quit {
        /// When to answer.
        wait: Wait,
    },
    /// What instances have written: [`Answer::Line`] and [`Answer::Skipped`].
    Logs {
        /// Such as `web`, `web.2` or `system`.
        names: Vec<String>,
        /// How many of the last lines of each to begin with; all that are kept if it is missing.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        lines: Option<u64>,
        /// Whether to go on with those to come.
        follow: Follow,
    },
    /// The terminal of an instance, both ways: [`Answer::Attached`], then [`Answer::Output`].
    Attach {
        /// Such as `web.1`; `web` if it has one instance.
        name: String,
        /// The size of the client's terminal.
        size: Size,
    },
}

/// When a request is answered.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Wait {
    /// When all that was asked has come about, with an [`Answer::Outcome`] for each instance.
    Outcome,
    /// As soon as it has been accepted.
    Accepted,
}

/// Whether logs end with what there is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Follow {
    /// They go on until the client leaves or the formation ends.
    On,
    /// They end with what there is.
    Off,
}

/// The size of a terminal, in characters.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Size {
    /// Its height.
    pub rows: u16,
    /// Its width.
    pub columns: u16,
}

/// What an attached client sends.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case", deny_unknown_fields)]
pub enum Typed {
    /// Bytes for the instance.
    Input {
        /// The bytes, as base64.
        base64: String,
    },
    /// The client's terminal has another size now.
    Resize {
        /// The new one.
        size: Size,
    },
}

/// What procman answers.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Answer {
    /// How every instance is.
    Formation(Formation),
    /// What has become of one instance.
    Outcome(Outcome),
    /// All that was asked has come about, or has been accepted.
    Done {},
    /// Nothing was done.
    Refused {
        /// Why, in words for people.
        message: String,
        /// What to do about it, if there is something.
        #[serde(default, skip_serializing_if = "Option::is_none")]
        hint: Option<String>,
    },
    /// The formation has ended.
    Finished {
        /// What procman exits with.
        status: i32,
    },
    /// A line that an instance, or procman, has written.
    Line(Line),
    /// Lines that are lost for this client, which was too slow.
    Skipped {
        /// Whose.
        process: String,
        /// How many.
        lines: u64,
    },
    /// The client's terminal is the instance's from now on.
    Attached {
        /// Which one.
        instance: String,
        /// Its leader.
        pid: i32,
    },
    /// What the instance has written to its terminal.
    Output {
        /// The bytes, as base64.
        base64: String,
    },
    /// Bytes of the terminal that are lost for this client, which was too slow.
    Missed {
        /// How many.
        bytes: u64,
    },
    /// The instance has ended.
    Ended {
        /// How, in words for people.
        exit: String,
    },
}

/// A running formation.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Formation {
    /// The process that the user started.
    pub pid: i32,
    /// The app root.
    pub root: String,
    /// Whether it is being stopped.
    pub stopping: bool,
    /// All types of the Procfile, in its order.
    pub types: Vec<String>,
    /// All instances, by type in the Procfile's order, then by number.
    pub instances: Vec<Instance>,
}

/// How one instance is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Instance {
    /// Such as `web.1`.
    pub name: String,
    /// Its type.
    pub process: String,
    /// Its number, from 1.
    pub number: u32,
    /// What it is doing.
    pub state: State,
    /// Whether it is ready, as far as it has to be: one that runs and is as its type is when ready, or one that had one
    /// thing to do and has done it. Nothing for one that is down otherwise, or about to be.
    #[serde(default)]
    pub ready: Option<bool>,
    /// What has to be there before it is started: types such as `db`, and services such as `DATABASE_URL`.
    #[serde(default)]
    pub waits_for: Vec<String>,
    /// In how many seconds it is started again, if it waits for that.
    #[serde(default)]
    pub returns_in: Option<f64>,
    /// What it says of itself, by `STATUS` of sd_notify(3).
    #[serde(default)]
    pub status: Option<String>,
    /// Its leader and group, if it has one.
    pub pid: Option<i32>,
    /// For how many seconds it has been running.
    pub uptime: Option<f64>,
    /// How often it has been started again.
    pub restarts: u32,
    /// Its `PORT`.
    pub port: Option<u16>,
    /// How many seconds of processor its group has used, where that can be told.
    pub cpu: Option<f64>,
    /// How many bytes of memory its group has, where that can be told.
    pub memory: Option<u64>,
    /// How it has ended the last time, in words for people.
    pub last_exit: Option<String>,
    /// Whether it has a terminal, so that one can attach to it.
    pub terminal: bool,
}

/// What an instance is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum State {
    /// Something has to be there before it is started.
    Waiting,
    /// It is about to be started.
    Starting,
    /// Its leader runs.
    Running,
    /// It has been asked to end.
    Stopping,
    /// It waits to be started again.
    BackingOff,
    /// Nothing of it is alive.
    Down,
}

/// What has become of one instance.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Outcome {
    /// Such as `web.1`.
    pub instance: String,
    /// Whether that is what was asked for.
    pub ok: bool,
    /// Whether something had to be done for it.
    pub changed: bool,
    /// What it is, in words for people, such as `started with pid 77`.
    pub text: String,
}

/// A line that somebody has written.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Line {
    /// When it came, as RFC 3339 with microseconds.
    pub time: String,
    /// Whose it is: an instance, or `system` for procman.
    pub process: String,
    /// The position of its type in the Procfile; none for procman.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub position: Option<usize>,
    /// The instance's leader.
    pub pid: i32,
    /// Whether procman says it of the instance.
    #[serde(default, skip_serializing_if = "is_false")]
    pub own: bool,
    /// Whether the line goes on with the next one of this instance.
    #[serde(default, skip_serializing_if = "is_false")]
    pub partial: bool,
    /// The line without its newline, if it is UTF-8.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub message: Option<String>,
    /// The same as base64, if it is not.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub base64: Option<String>,
}

fn is_false(value: &bool) -> bool {
    !value
}
