//! What comes in from outside, as facts for the supervisor.

use std::future::pending;
use std::io;

use crate::runtime::pump::{Note, Pump};
use crate::supervisor::{Event, Receiver};
use crate::sys::link::{Link, Peer};
use crate::sys::ready::Ready;
use crate::sys::signals::Received;
use crate::sys::stdio;

/// Waits for the guard; for ever once it is gone.
pub async fn hear(link: &mut Option<Ready<Link>>) -> io::Result<(Vec<Received>, Peer)> {
    match link {
        Some(link) => link.read_some(Link::hear_guard).await,
        None => pending().await,
    }
}

/// Returns a signal as a fact.
pub fn signalled(received: Received, receiver: Receiver) -> Event {
    Event::Signalled { signal: received.signal, sender: received.sender, receiver }
}

/// Returns what a note of the pump means. What has failed of the output is said, and means nothing more.
pub fn noted(note: Note, pump: &mut Pump) -> Vec<Event> {
    match note {
        Note::Closed => vec![Event::OutputClosed],
        Note::Drained => vec![Event::Drained],
        Note::Failed(error) => {
            let reason = stdio::plain(&error);
            stdio::write_stderr_unless_stuck(&format!("procman: cannot write to standard output: {reason}"));
            // Standard error may be the same, but what is said is kept for those who ask for it.
            pump.say(format!("cannot write to standard output: {reason}"));
            Vec::new()
        }
        Note::TooLarge(error) => {
            let reason = stdio::plain(&error);
            pump.say(format!("the log file cannot be begun anew, so it grows: {reason}"));
            Vec::new()
        }
    }
}
