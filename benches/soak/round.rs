//! What a round is: formation, roles, reader, events, how it ends, and what procman has to exit with.

use std::collections::BTreeMap;
use std::time::Duration;

/// One life of a procman.
#[derive(Debug)]
pub struct Round {
    /// What all rounds of a soak share.
    pub seed: u64,
    /// Which of them this is; 0 is the one that lasts.
    pub number: u64,
    pub format: Format,
    pub place: Place,
    pub pace: Pace,
    /// In seconds.
    pub grace: u32,
    pub types: Vec<Type>,
    pub roles: BTreeMap<String, Role>,
    pub reader: Reader,
    /// What happens once all instances are ready, each after a pause.
    pub events: Vec<(Duration, Event)>,
    /// How long after that the end comes.
    pub pause: Duration,
    pub ending: Ending,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Format {
    Text,
    TextWithTime,
    Json,
    /// For a single instance only: its lines have no names.
    Raw,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place {
    Here,
    /// As PID 1 of a namespace.
    Init,
}

/// Whether what happens waits until every instance is ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    Calm,
    /// It does not, and nothing happens but the end.
    Hurried,
}

/// A line of the Procfile.
#[derive(Debug)]
pub struct Type {
    pub name: &'static str,
    pub count: u32,
    pub shell: Shell,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Shell {
    GetsOutOfTheWay,
    Stays,
}

/// What an instance does.
#[derive(Clone, Debug)]
pub struct Role {
    /// How much it writes before it idles.
    pub bytes: u64,
    pub longest_line: usize,
    /// How much goes out at once.
    pub batch: usize,
    /// The longest pause between two writes.
    pub pause: Duration,
    pub last_line: LastLine,
    pub on_term: OnTerm,
    pub end: Option<(Duration, End)>,
    pub company: Vec<Company>,
    /// After how many batches it leaves another orphan; for the round that lasts.
    pub orphan_every: Option<u64>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LastLine {
    Whole,
    WithoutNewline,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum OnTerm {
    Die,
    /// Write so many lines more and exit with 0.
    SayBye(u64),
    Ignore,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exit(i32),
    Signal(i32),
}

/// A process that an instance starts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Company {
    /// In its group, with its pipe.
    Background,
    /// As that, and writes lines too.
    Chatty,
    Session,
    /// In a session of its own, its parent gone, its streams closed.
    Daemon,
    /// In a session of its own, without environment.
    Wiped,
    /// In a session of its own, and ignores SIGTERM.
    Stubborn,
    /// Its parent goes, and soon it ends with 9.
    Orphan,
}

#[derive(Clone, Copy, Debug)]
pub enum Reader {
    Steady,
    Slow { bytes: usize, pause: Duration },
    Stalls { every: usize, pause: Duration },
}

/// What happens to procman, without ending it.
#[derive(Clone, Copy, Debug)]
pub enum Event {
    /// A signal that is passed on.
    PassedOn(i32),
    /// SIGSTOP to the guard, SIGCONT later.
    FreezeGuard(Duration),
    /// SIGSTOP to the supervisor, SIGCONT to the guard later.
    FreezeSupervisor(Duration),
    /// SIGTSTP, SIGCONT later.
    Suspend(Duration),
}

/// Why the round ends.
#[derive(Clone, Debug)]
pub enum Ending {
    Asked(i32),
    /// Asked twice, with more than half a second in between.
    Forced(i32),
    /// These instances end by themselves, about at the same time.
    Crash(Vec<String>),
    /// As that, and somebody asks about at the same time.
    CrashAndAsked(String, i32),
    KillInstance(String),
    KillSupervisor,
    KillGuard,
    ReaderLeaves,
}

impl End {
    pub fn status(self) -> i32 {
        match self {
            End::Exit(code) => code,
            End::Signal(signal) => 128 + signal,
        }
    }
}

impl Round {
    /// Returns the exit statuses that the contract allows.
    pub fn statuses(&self) -> Vec<i32> {
        let end_of =
            |name: &String| self.roles.get(name).and_then(|role| role.end).map(|(_, end)| end.status());
        let ignores = self.roles.values().any(|role| role.on_term == OnTerm::Ignore);
        match &self.ending {
            Ending::Asked(_) | Ending::ReaderLeaves => vec![0],
            // Without one that ignores the first request, all may be over before the second.
            Ending::Forced(signal) if self.pace == Pace::Calm && ignores => vec![128 + signal],
            Ending::Forced(signal) => vec![0, 128 + signal],
            Ending::Crash(names) => names.iter().filter_map(end_of).collect(),
            Ending::CrashAndAsked(name, _) => end_of(name).into_iter().chain([0]).collect(),
            Ending::KillInstance(_) | Ending::KillSupervisor | Ending::KillGuard => vec![137],
        }
    }

    pub fn procfile(&self) -> String {
        let writer = format!("\"$SOAK\" writer {} {} \"$SOAK_MARK\"", self.seed, self.number);
        let line = |one: &Type| match one.shell {
            Shell::GetsOutOfTheWay => format!("{}: exec {writer}\n", one.name),
            // What the shell itself has to say about ends is no line of the instance.
            Shell::Stays => format!(
                "{}: exec 3>&1 4>&2 >/dev/null 2>&1; trap : USR1 USR2 QUIT; (exec {writer} >&3 2>&4 3>&- 4>&-); exit $?\n",
                one.name
            ),
        };
        self.types.iter().map(line).collect()
    }

    pub fn formation(&self) -> String {
        let counts: Vec<String> =
            self.types.iter().map(|one| format!("{}={}", one.name, one.count)).collect();
        counts.join(",")
    }
}
