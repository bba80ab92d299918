//! Processes that have left the group of their instance and have come home to the supervisor.

use crate::process::Pid;
use crate::supervisor::Event;

/// Whether there are any, as the supervisor has been told.
#[derive(Debug, PartialEq, Eq)]
pub enum Escapees {
    /// None are known.
    None,
    /// Some are.
    Left,
}

impl Escapees {
    /// Looks once no instance is alive, and returns what is new: whatever is a child of this process then has escaped.
    pub fn look(&mut self, orphans: Option<&[Pid]>) -> Option<Event> {
        let found =
            if orphans.is_some_and(|orphans| !orphans.is_empty()) { Escapees::Left } else { Escapees::None };
        match (std::mem::replace(self, found), &*self) {
            (Escapees::None, Escapees::Left) => Some(Event::EscapeesLeft),
            (Escapees::Left, Escapees::None) => Some(Event::EscapeesGone),
            (Escapees::None, Escapees::None) | (Escapees::Left, Escapees::Left) => None,
        }
    }
}
