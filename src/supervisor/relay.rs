//! Tells a second signal from a second copy of the same one.
//!
//! procman is two processes. A signal sent to their process group, or to every process of that name,
//! arrives twice, and the instances must see it once.

use crate::process::{SAME_REQUEST, Sender, Signal};
use crate::supervisor::event::{Receiver, Time};

/// One signal as one process of procman got it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Heard {
    /// Which signal.
    pub signal: Signal,
    /// Who sent it.
    pub sender: Sender,
    /// Which process got it.
    pub receiver: Receiver,
    /// When.
    pub at: Time,
}

/// The signals of the last half second whose copy may still come.
#[derive(Clone, Debug, Default)]
pub struct Relay {
    recent: Vec<Heard>,
    guard: Guard,
}

/// Whether there are two processes that hear.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Guard {
    #[default]
    Present,
    Lost,
}

impl Relay {
    /// Returns false for the copy that the other process got of a signal that was heard before.
    pub fn is_news(&mut self, heard: Heard) -> bool {
        // What the terminal sends reaches both processes for certain: the guard's copy counts, if there is one.
        if heard.sender == Sender::Kernel {
            return heard.receiver == Receiver::Guard || self.guard == Guard::Lost;
        }
        self.recent.retain(|old| heard.at.saturating_sub(old.at) <= SAME_REQUEST);
        let copy = self.recent.iter().position(|old| {
            old.signal == heard.signal && old.sender == heard.sender && old.receiver != heard.receiver
        });
        match copy {
            Some(index) => {
                self.recent.swap_remove(index);
                false
            }
            None => {
                self.recent.push(heard);
                true
            }
        }
    }

    /// Takes the news that the guard hears nothing any more.
    pub fn guard_lost(&mut self) {
        self.guard = Guard::Lost;
    }

    /// Counts the time that procman stood still for nothing: the copy of the signal that stopped it may
    /// have waited all the while.
    pub fn postpone(&mut self, by: Time) {
        self.recent.iter_mut().for_each(|old| old.at = old.at.saturating_add(by));
    }
}
