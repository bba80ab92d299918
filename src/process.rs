//! The words everybody shares: a signal, how a process ended, which process it was.
//!
//! These are plain values. Sending a signal or waiting for an end is [`sys`](crate::sys)'s work.

use std::fmt;
use std::str::FromStr;
use std::time::Duration;

use thiserror::Error;

use crate::quote::{excerpt, nearest};

/// Copies of one signal, and requests that mean the same, arrive within this time: Ctrl-C, a process
/// manager or `kill` with a group may tell both processes of procman, or one of them through two ways.
pub const SAME_REQUEST: Duration = Duration::from_millis(500);

/// A process that outlives SIGKILL by this much sits in the kernel; nothing can be done about it.
pub const UNKILLABLE: Duration = Duration::from_secs(2);

/// A process id, as the kernel counts them. The id of a process group is the id of its leader.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Pid(pub i32);

impl fmt::Display for Pid {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// A signal by its number on this machine.
///
/// Displays as its name, `SIGTERM`, or as `SIGRTMIN+2` or `signal 77` where it has none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Signal(pub i32);

impl Signal {
    /// The terminal hung up.
    pub const HUP: Signal = Signal(1);
    /// Ctrl-C.
    pub const INT: Signal = Signal(2);
    /// Ends a process without asking it.
    pub const KILL: Signal = Signal(9);
    /// The polite request to end.
    pub const TERM: Signal = Signal(15);
    /// Continues a stopped process.
    pub const CONT: Signal = Signal(numbers::CONT);
    /// Stops a process without asking it.
    pub const STOP: Signal = Signal(numbers::STOP);
    /// Ctrl-Z.
    pub const TSTP: Signal = Signal(numbers::TSTP);
    /// A process reads the terminal in the background.
    pub const TTIN: Signal = Signal(21);
    /// A process writes to the terminal or changes it in the background.
    pub const TTOU: Signal = Signal(22);
    /// The terminal has another size.
    pub const WINCH: Signal = Signal(28);
    /// A child ended or stopped.
    pub const CHLD: Signal = Signal(numbers::CHLD);
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match numbers::NAMES.iter().find(|(number, _)| *number == self.0) {
            Some((_, name)) => write!(f, "SIG{name}"),
            None if numbers::REAL_TIME.contains(&self.0) => match self.0 - numbers::REAL_TIME.start() {
                0 => f.write_str("SIGRTMIN"),
                above => write!(f, "SIGRTMIN+{above}"),
            },
            None => write!(f, "signal {}", self.0),
        }
    }
}

impl FromStr for Signal {
    type Err = SignalError;

    /// Returns the signal that `text` names: `USR1`, `SIGUSR1`, `rtmin+2` or a number.
    fn from_str(text: &str) -> Result<Signal, SignalError> {
        let upper = text.to_ascii_uppercase();
        let name = upper.strip_prefix("SIG").unwrap_or(&upper);
        let named = numbers::NAMES.iter().find(|(_, known)| *known == name).map(|(number, _)| *number);
        let real_time = || {
            let above = name.strip_prefix("RTMIN")?;
            let above = if above.is_empty() { 0 } else { above.strip_prefix('+')?.parse().ok()? };
            numbers::REAL_TIME.start().checked_add(above)
        };
        let is_signal = |number: &i32| (1..=31).contains(number) || numbers::REAL_TIME.contains(number);
        let number = named.or_else(real_time).or_else(|| name.parse().ok()).filter(is_signal);
        number.map(Signal).ok_or_else(|| {
            let meant = nearest(name, &numbers::NAMES, |(_, known)| *known).map(|(_, known)| *known);
            SignalError { name: excerpt(text), meant }
        })
    }
}

/// Why a text names no signal. `name` is already fit to be shown.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("`{name}` is no signal{}", meant.map_or_else(String::new, |meant| format!(", did you mean `{meant}`")))]
pub struct SignalError {
    /// What was written.
    pub name: String,
    /// What was probably meant.
    pub meant: Option<&'static str>,
}

/// Where a signal came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sender {
    /// The terminal or the kernel itself: every process of a foreground job gets it.
    Kernel,
    /// A process, by its id; 0 when it is in another pid namespace.
    Process(Pid),
}

/// Signal numbers of Linux: signal(7), the column for x86 and ARM.
#[cfg(not(target_os = "macos"))]
mod numbers {
    use std::ops::RangeInclusive;

    pub const CONT: i32 = 18;
    pub const STOP: i32 = 19;
    pub const TSTP: i32 = 20;
    pub const CHLD: i32 = 17;
    /// The C library keeps 32 and 33 for itself.
    pub const REAL_TIME: RangeInclusive<i32> = 34..=64;
    #[rustfmt::skip]
    pub const NAMES: [(i32, &str); 31] = [
        (1, "HUP"), (2, "INT"), (3, "QUIT"), (4, "ILL"), (5, "TRAP"), (6, "ABRT"), (7, "BUS"), (8, "FPE"),
        (9, "KILL"), (10, "USR1"), (11, "SEGV"), (12, "USR2"), (13, "PIPE"), (14, "ALRM"), (15, "TERM"),
        (16, "STKFLT"), (17, "CHLD"), (18, "CONT"), (19, "STOP"), (20, "TSTP"), (21, "TTIN"), (22, "TTOU"),
        (23, "URG"), (24, "XCPU"), (25, "XFSZ"), (26, "VTALRM"), (27, "PROF"), (28, "WINCH"), (29, "IO"),
        (30, "PWR"), (31, "SYS"),
    ];
}

/// Signal numbers of macOS: its signal(3).
#[cfg(target_os = "macos")]
mod numbers {
    use std::ops::RangeInclusive;

    pub const CONT: i32 = 19;
    pub const STOP: i32 = 17;
    pub const TSTP: i32 = 18;
    pub const CHLD: i32 = 20;
    /// macOS has no real-time signals: an empty range.
    #[allow(clippy::reversed_empty_ranges)]
    pub const REAL_TIME: RangeInclusive<i32> = 1..=0;
    #[rustfmt::skip]
    pub const NAMES: [(i32, &str); 31] = [
        (1, "HUP"), (2, "INT"), (3, "QUIT"), (4, "ILL"), (5, "TRAP"), (6, "ABRT"), (7, "EMT"), (8, "FPE"),
        (9, "KILL"), (10, "BUS"), (11, "SEGV"), (12, "SYS"), (13, "PIPE"), (14, "ALRM"), (15, "TERM"),
        (16, "URG"), (17, "STOP"), (18, "TSTP"), (19, "CONT"), (20, "CHLD"), (21, "TTIN"), (22, "TTOU"),
        (23, "IO"), (24, "XCPU"), (25, "XFSZ"), (26, "VTALRM"), (27, "PROF"), (28, "WINCH"), (29, "INFO"),
        (30, "USR1"), (31, "USR2"),
    ];
}

/// How a process ended.
///
/// Displays as `exited with code 3` or `terminated by SIGTERM`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Exit {
    /// It returned this code, 0 to 255.
    Code(i32),
    /// This signal killed it.
    Signal(Signal),
}

impl Exit {
    /// Returns the exit status a shell would show: the code itself, or 128 + n when signal n killed it.
    pub fn status(self) -> i32 {
        match self {
            Exit::Code(code) => code,
            Exit::Signal(signal) => 128 + signal.0,
        }
    }
}

impl fmt::Display for Exit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Exit::Code(code) => write!(f, "exited with code {code}"),
            Exit::Signal(signal) => write!(f, "terminated by {signal}"),
        }
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::Signal;

    #[test]
    fn a_signal_has_a_name_and_a_number() {
        for text in ["TERM", "SIGTERM", "sigterm", "term", "15"] {
            assert_eq!(text.parse(), Ok(Signal::TERM), "{text}");
        }
        for number in 1..=64 {
            if let Ok(signal) = number.to_string().parse::<Signal>() {
                assert_eq!(signal.to_string().parse(), Ok(signal));
            }
        }
        for text in ["", "SIG", "NOPE", "0", "-1", "65", "1000", "RTMIN-1", "RTMIN+", "RTMIN+99999999999"] {
            assert!(text.parse::<Signal>().is_err(), "{text}");
        }
        for (text, words) in [
            ("QIUT", "`QIUT` is no signal, did you mean `QUIT`"),
            ("SIGTREM", "`SIGTREM` is no signal, did you mean `TERM`"),
            ("nonsense", "`nonsense` is no signal"),
        ] {
            assert_eq!(text.parse::<Signal>().map_err(|error| error.to_string()), Err(words.to_owned()));
        }
    }
}
