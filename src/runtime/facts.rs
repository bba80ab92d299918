//! What comes in from outside, as facts for the supervisor.

use std::future::pending;
use std::io;
use std::time::Instant;

use crate::process::{Sender, Signal};
use crate::runtime::Runtime;
use crate::runtime::pump::Note;
use crate::supervisor::{Event, Receiver};
use crate::sys::link::{FromSupervisor, Link, Peer};
use crate::sys::ready::Ready;
use crate::sys::signals::{self, Received};
use crate::sys::stdio;

/// Waits for the guard; for ever once it is gone.
pub async fn hear(link: &mut Option<Ready<Link>>) -> io::Result<(Vec<Received>, Peer)> {
    match link {
        Some(link) => link.read_some(Link::hear_guard).await,
        None => pending().await,
    }
}

impl Runtime<'_> {
    /// Returns what a note of the pump means. What has failed of the output is said, and means nothing more.
    pub fn noted(&mut self, note: Note) -> Vec<Event> {
        match note {
            Note::Closed => vec![Event::OutputClosed],
            Note::Drained => vec![Event::Drained],
            Note::Found(stream) => {
                let found = self.instances.iter().filter(|(_, live)| live.stream == stream);
                found.map(|(id, live)| Event::Ready { id: id.clone(), pid: live.group }).collect()
            }
            Note::Terminal(hold) => {
                self.tell_guard(FromSupervisor::Terminal(hold));
                Vec::new()
            }
            Note::Failed(error) => {
                let reason = stdio::plain(&error);
                stdio::write_stderr_unless_stuck(&format!(
                    "procman: cannot write to standard output: {reason}"
                ));
                // Standard error may be the same, but what is said is kept for those who ask for it.
                self.pump.say(format!("cannot write to standard output: {reason}"));
                Vec::new()
            }
            Note::TooLarge(error) => {
                let reason = stdio::plain(&error);
                self.pump.say(format!("the log file cannot be begun anew, so it grows: {reason}"));
                Vec::new()
            }
        }
    }

    /// Returns what signals mean that have come to this process: `received`, and what else has come until now.
    ///
    /// What has continued this process comes before what is due because it stood still, whatever it was doing when it
    /// was stopped. So this looks each time, and all that is handled next happens just before the look: of a stop
    /// that comes later, nothing is due yet, and the next look finds its end.
    pub fn received(&mut self, mut received: Vec<Received>) -> Vec<Event> {
        let is_continue = |received: &Received| received.signal == Signal::CONT;
        let mut now = Instant::now();
        let mut late = self.signals.get_mut().pending();
        if late.iter().any(is_continue) {
            now = Instant::now();
            late.extend(self.signals.get_mut().pending());
        }
        received.extend(late);
        let since = std::mem::replace(&mut self.now, now);
        let mut events = Vec::new();
        if received.iter().any(is_continue) {
            if self.told.is_some() || self.supervisor.next_deadline().is_some() {
                // How long it stood still is not known, only that it did not longer than this.
                events.push(Event::Resumed { asleep: now.saturating_duration_since(since) });
            }
            self.probe_anew();
        }
        if received.iter().any(|received| received.signal == Signal::CHLD) {
            self.see_to_children_soon();
        }
        received.iter().for_each(|received| self.continue_guard(*received));
        let news = self.resized(received).into_iter();
        events.extend(news.map(|received| signalled(received, Receiver::Supervisor)));
        events
    }

    /// Continues the guard, which stopped with this process, when somebody has continued this process alone.
    ///
    /// The guard itself passes on whatever continues it, and must not be told in turn.
    fn continue_guard(&self, Received { signal, sender }: Received) {
        if let (Signal::CONT, Sender::Process(pid)) = (signal, sender)
            && self.link.is_some()
            && pid != self.guard
        {
            let _ = signals::signal_process(self.guard, Signal::CONT);
        }
    }

    /// Returns what the guard has told means.
    pub fn heard(&mut self, received: Vec<Received>, peer: Peer) -> Vec<Event> {
        let signal = |received| signalled(received, Receiver::Guard);
        let mut events: Vec<Event> = self.resized(received).into_iter().map(signal).collect();
        if peer == Peer::Gone {
            self.link = None;
            events.push(Event::GuardLost);
        }
        events
    }
}

/// Returns a signal as a fact.
fn signalled(received: Received, receiver: Receiver) -> Event {
    Event::Signalled { signal: received.signal, sender: received.sender, receiver }
}
