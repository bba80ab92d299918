//! How far the pump is: what it reports, and whether it goes on.

use std::io;
use std::time::Duration;

use crate::output::StreamKey;
use crate::sys::terminal::Hold;

/// What the pump has to report.
#[derive(Debug)]
pub enum Note {
    /// What was looked for in this stream has been found.
    Found(StreamKey),
    /// Nobody reads standard output any more.
    Closed,
    /// Standard output cannot be written to; what cannot be written is dropped.
    Failed(io::Error),
    /// The log file cannot be begun anew, and grows.
    TooLarge(io::Error),
    /// This has become of the terminal that standard output is.
    Terminal(Hold),
    /// Everything that was there to be written is written.
    Drained,
}

/// Whether the pump goes on.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Progress {
    /// It has nothing to do before something happens.
    Idle,
    /// There is more to do.
    Busy,
    /// It waits for the end of a flowing line, until this time at most.
    Waiting(Duration),
    /// It has drained.
    Done,
}

impl Progress {
    /// Returns what two parts of a turn make together, neither of which has drained.
    pub fn and(self, other: Progress) -> Progress {
        match (self, other) {
            (Progress::Busy, _) | (_, Progress::Busy) => Progress::Busy,
            (Progress::Waiting(one), Progress::Waiting(other)) => Progress::Waiting(one.min(other)),
            (Progress::Waiting(until), _) | (_, Progress::Waiting(until)) => Progress::Waiting(until),
            (Progress::Idle | Progress::Done, Progress::Idle | Progress::Done) => Progress::Idle,
        }
    }
}
