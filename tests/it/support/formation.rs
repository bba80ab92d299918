//! A formation that runs, as its clients see it.

use std::fs;
use std::path::Path;

use nix::unistd::Pid;
use serde_json::Value;

use crate::support::{App, End, Running, wait_until};

/// What an instance runs that does nothing, and ends when it is asked to.
pub const RESTS: &str = "sh -c 'echo ready; exec sleep 1000' & wait";

/// What `procman ps --json` says of one instance.
#[derive(Clone, Debug, PartialEq)]
pub struct Seen {
    /// Such as `web.1`.
    pub name: String,
    /// Such as `running`.
    pub state: String,
    /// Its leader, or 0.
    pub pid: i32,
    /// Its `PORT`.
    pub port: u64,
}

impl App {
    /// Starts a formation whose instances say `ready`, and waits until so many have.
    #[track_caller]
    pub fn start_ready(&self, arguments: &[&str], instances: usize) -> Running {
        let running = self.start(&[&["--no-timestamp"], arguments].concat());
        running.wait_for_times("| ready\n", instances);
        running
    }

    /// Asks the formation, and returns what it says. Fails if that is not what was asked for.
    #[track_caller]
    pub fn ask(&self, arguments: &[&str]) -> String {
        let End { status, stdout, stderr, .. } = self.done(arguments);
        assert_eq!((status, stderr.as_str()), (Some(0), ""), "{arguments:?}: {stdout}");
        stdout
    }

    /// Asks the formation for what it refuses, and returns what it says.
    #[track_caller]
    pub fn ask_in_vain(&self, arguments: &[&str]) -> String {
        let before = self.seen();
        let End { status, stdout, stderr, .. } = self.done(arguments);
        assert_eq!((status, stdout.as_str()), (Some(1), ""), "{arguments:?}: {stderr}");
        assert_eq!(self.seen(), before, "{arguments:?}");
        stderr.trim_end().to_owned()
    }

    /// Returns what `ps --json` says.
    #[track_caller]
    pub fn formation(&self) -> Value {
        serde_json::from_str(&self.ask(&["ps", "--json"])).unwrap()
    }

    /// Returns what there is.
    #[track_caller]
    pub fn seen(&self) -> Vec<Seen> {
        let formation = self.formation();
        let instances = formation["instances"].as_array().unwrap();
        let text = |value: &Value| value.as_str().unwrap().to_owned();
        let seen = |instance: &Value| Seen {
            name: text(&instance["name"]),
            state: text(&instance["state"]),
            pid: i32::try_from(instance["pid"].as_i64().unwrap_or(0)).unwrap(),
            port: instance["port"].as_u64().unwrap_or(0),
        };
        instances.iter().map(seen).collect()
    }

    /// Returns the names of the instances that run.
    #[track_caller]
    pub fn running(&self) -> Vec<String> {
        let runs = self.seen().into_iter().filter(|seen| seen.state == "running");
        runs.map(|seen| seen.name).collect()
    }

    /// Returns the leader of an instance.
    #[track_caller]
    pub fn leader(&self, name: &str) -> Pid {
        let seen = self.seen().into_iter().find(|seen| seen.name == name);
        Pid::from_raw(seen.unwrap().pid)
    }

    /// Ends a formation as its user does, and returns what it wrote.
    #[track_caller]
    pub fn quit(&self, running: Running) -> End {
        self.ask(&["quit"]);
        let end = running.finish();
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{}", end.stdout);
        self.assert_nothing_is_left();
        assert!(!self.socket().exists());
        end
    }

    /// Ends a formation beside which there is another one of this app.
    #[track_caller]
    pub fn quit_other(&self, running: Running) {
        self.ask(&["quit"]);
        assert_eq!(running.finish().status, Some(0));
        assert!(!self.socket().exists());
    }

    /// Ends a formation in the background.
    #[track_caller]
    pub fn quit_background(&self) {
        self.ask(&["quit"]);
        self.wait_until_nothing_is_left();
        assert!(!self.socket().exists());
    }
}

/// Returns what is open in a process: each number, and where it leads.
pub fn descriptors(process: Pid) -> Vec<(u32, String)> {
    let entries = fs::read_dir(format!("/proc/{process}/fd")).unwrap();
    let leads = |path: &Path| fs::read_link(path).unwrap_or_default().to_string_lossy().into_owned();
    let mut all: Vec<(u32, String)> = entries
        .map(|entry| entry.unwrap().path())
        .map(|path| (path.file_name().unwrap().to_str().unwrap().parse().unwrap(), leads(&path)))
        .collect();
    all.sort();
    all
}

/// Waits until a process has so many descriptors.
#[track_caller]
pub fn wait_for_descriptors(process: Pid, count: usize) {
    wait_until("the descriptors are closed", || descriptors(process).len() == count);
}
