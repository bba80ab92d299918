//! What the service manager above procman is told: how the formation is, and that the loop goes round.
//!
//! The guard passes it on. Being alive is told by the loop itself, as one of its deadlines: one that is blocked, or
//! stands still, tells nothing, and a thread of its own would go on telling.

use std::time::{Duration, Instant};

use crate::runtime::Runtime;
use crate::supervisor::Announcement;
use crate::sys::link::FromSupervisor;
use crate::sys::service_manager::News;

/// When to tell again that the loop goes round.
#[derive(Debug)]
pub struct Watchdog {
    interval: Duration,
    at: Instant,
}

impl Watchdog {
    /// Returns one that is fed at once, and then so often.
    pub fn new(interval: Duration) -> Watchdog {
        Watchdog { interval, at: Instant::now() }
    }

    /// Returns whether it is to be fed now; if so, it is taken to have been.
    fn is_due(&mut self, now: Instant) -> bool {
        let is_due = self.at <= now;
        if is_due {
            self.at = now + self.interval;
        }
        is_due
    }
}

impl Runtime<'_> {
    /// Tells whoever supervises procman.
    pub fn announce(&mut self, announcement: Announcement) {
        let number = |count: usize| i32::try_from(count).unwrap_or(i32::MAX);
        self.tell_guard(FromSupervisor::Announce(match announcement {
            Announcement::Ready => News::Ready,
            Announcement::Stopping => News::Stopping,
            Announcement::Progress { ready, of } => News::Progress { ready: number(ready), of: number(of) },
        }));
    }

    /// Tells that the loop goes round, if it is time to, and returns when it will be again.
    pub fn feed(&mut self) -> Option<Instant> {
        if self.watchdog.as_mut()?.is_due(Instant::now()) {
            self.tell_guard(FromSupervisor::Announce(News::Alive));
        }
        self.watchdog.as_ref().map(|watchdog| watchdog.at)
    }
}

#[cfg(test)]
mod tests {
    use std::time::{Duration, Instant};

    use super::Watchdog;

    #[test]
    fn it_is_fed_once_an_interval_however_often_the_loop_goes_round() {
        let began = Instant::now();
        let after = |milliseconds| began + Duration::from_millis(milliseconds);
        let mut watchdog = Watchdog { interval: Duration::from_millis(100), at: began };
        let fed: Vec<u64> =
            (0..40).map(|round| round * 10).filter(|at| watchdog.is_due(after(*at))).collect();
        assert_eq!(fed, [0, 100, 200, 300]);
        // What was missed while procman stood still is not made up for.
        let fed: Vec<u64> =
            (100..120).map(|round| round * 10).filter(|at| watchdog.is_due(after(*at))).collect();
        assert_eq!(fed, [1000, 1100]);
    }
}
