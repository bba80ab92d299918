//! The line between guard and supervisor: small messages over a socket pair.
//!
//! A signal passed on as a message keeps its origin and is not merged with the next one, and the end of the
//! socket tells either side that the other is gone. A message is three numbers, 16 bytes.

use std::io::{self, Read, Write};
use std::os::fd::{AsFd, BorrowedFd};
use std::os::unix::net::UnixStream;

use crate::process::{Pid, Sender, Signal};
use crate::sys::ready::Left;
use crate::sys::service_manager::News;
use crate::sys::signals::{Received, coalesced};
use crate::sys::terminal::{Hold, Screen};

/// What the supervisor tells the guard.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FromSupervisor {
    /// A process group of this number exists from now on.
    GroupStarted(Pid),
    /// That group is gone, and its number may mean somebody else soon.
    GroupEnded(Pid),
    /// No group is left: those are to be asked to end that had left theirs.
    TerminateEscapees,
    /// The formation stops: everything must be gone in this many milliseconds.
    StopWithin(u32),
    /// procman runs in the background: standard error is what standard output is from now on.
    LeaveStderr,
    /// This has become of the terminal that standard output is.
    Terminal(Hold),
    /// The service manager is to be told this.
    Announce(News),
}

/// One end of the line.
#[derive(Debug)]
pub struct Link {
    socket: UnixStream,
    /// Bytes of a message whose rest has not arrived.
    partial: Vec<u8>,
    /// Bytes that the socket would not take yet.
    unsent: Vec<u8>,
}

/// Whether the other side still is there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Peer {
    /// It is.
    Present,
    /// It has gone.
    Gone,
}

const MESSAGE: usize = 16;

/// How many signals wait for a supervisor that does not listen.
const MOST_UNSENT: usize = 1024;
/// How much is read at once.
const PIECE: usize = 256 * MESSAGE;

impl Link {
    /// Returns the two ends of a new line.
    pub fn pair() -> io::Result<(Link, Link)> {
        let (one, other) = UnixStream::pair()?;
        one.set_nonblocking(true)?;
        other.set_nonblocking(true)?;
        let link = |socket| Link { socket, partial: Vec::new(), unsent: Vec::new() };
        Ok((link(one), link(other)))
    }

    /// Tells the supervisor of a signal that came to the guard, without waiting.
    ///
    /// While the supervisor does not listen, the same signal is told once, and what would wait beyond `MOST_UNSENT`
    /// not at all: a request has long been told by then.
    pub fn tell_supervisor(&mut self, Received { signal, sender }: Received) {
        let message = encode(match sender {
            Sender::Kernel => [1, signal.0, 0, 0],
            Sender::Process(pid) => [1, signal.0, 1, pid.0],
        });
        // Of the first one, a part may have been sent.
        let (_, waiting) = self.unsent.as_rchunks::<MESSAGE>();
        if waiting.len() < MOST_UNSENT && !waiting.contains(&message) {
            self.unsent.extend_from_slice(&message);
        }
        self.flush();
    }

    /// Lets the guard be told something with the next [`Link::flush`]: each wakes it.
    pub fn tell_guard(&mut self, message: FromSupervisor) {
        self.send(match message {
            FromSupervisor::GroupStarted(leader) => [1, leader.0, 0, 0],
            FromSupervisor::GroupEnded(leader) => [2, leader.0, 0, 0],
            FromSupervisor::StopWithin(milliseconds) => [3, milliseconds.cast_signed(), 0, 0],
            FromSupervisor::TerminateEscapees => [4, 0, 0, 0],
            FromSupervisor::LeaveStderr => [5, 0, 0, 0],
            FromSupervisor::Announce(News::Ready) => [6, 0, 0, 0],
            FromSupervisor::Announce(News::Stopping) => [7, 0, 0, 0],
            FromSupervisor::Announce(News::Progress { ready, of }) => [8, ready, of, 0],
            FromSupervisor::Announce(News::Alive) => [9, 0, 0, 0],
            FromSupervisor::Terminal(Hold::Free) => [10, 0, 0, 0],
            FromSupervisor::Terminal(Hold::Taken(Screen::Ordinary)) => [11, 0, 0, 0],
            FromSupervisor::Terminal(Hold::Taken(Screen::Alternate)) => [12, 0, 0, 0],
        });
    }

    /// Returns signals that came to the guard, and whether it is still there. Where many came, some are left.
    pub fn hear_guard(&mut self) -> ((Vec<Received>, Peer), Left) {
        let (messages, peer, left) = self.receive(1);
        let meaning = |message: [i32; 4]| match message {
            [1, signal, 0, _] => Some(Received { signal: Signal(signal), sender: Sender::Kernel }),
            [1, signal, _, pid] => {
                Some(Received { signal: Signal(signal), sender: Sender::Process(Pid(pid)) })
            }
            _ => None,
        };
        ((coalesced(messages.into_iter().filter_map(meaning).collect()), peer), left)
    }

    /// Returns what the supervisor has told, and whether it is still there.
    pub fn hear_supervisor(&mut self) -> (Vec<FromSupervisor>, Peer) {
        let (messages, peer, _) = self.receive(usize::MAX);
        let meaning = |message: [i32; 4]| match message {
            [1, leader, ..] => Some(FromSupervisor::GroupStarted(Pid(leader))),
            [2, leader, ..] => Some(FromSupervisor::GroupEnded(Pid(leader))),
            [3, milliseconds, ..] => Some(FromSupervisor::StopWithin(milliseconds.cast_unsigned())),
            [4, ..] => Some(FromSupervisor::TerminateEscapees),
            [5, ..] => Some(FromSupervisor::LeaveStderr),
            [6, ..] => Some(FromSupervisor::Announce(News::Ready)),
            [7, ..] => Some(FromSupervisor::Announce(News::Stopping)),
            [8, ready, of, _] => Some(FromSupervisor::Announce(News::Progress { ready, of })),
            [9, ..] => Some(FromSupervisor::Announce(News::Alive)),
            [10, ..] => Some(FromSupervisor::Terminal(Hold::Free)),
            [11, ..] => Some(FromSupervisor::Terminal(Hold::Taken(Screen::Ordinary))),
            [12, ..] => Some(FromSupervisor::Terminal(Hold::Taken(Screen::Alternate))),
            _ => None,
        };
        (messages.into_iter().filter_map(meaning).collect(), peer)
    }

    /// Returns whether something waits to be sent, be it until the socket is writable.
    pub fn has_unsent(&self) -> bool {
        !self.unsent.is_empty()
    }

    /// Returns how many messages wait to be sent.
    pub fn unsent(&self) -> usize {
        self.unsent.len().div_ceil(MESSAGE)
    }

    /// Sends what the socket would not take before, as far as it takes it now.
    pub fn flush(&mut self) {
        while !self.unsent.is_empty() {
            match self.socket.write(&self.unsent) {
                Ok(sent) => {
                    self.unsent.drain(..sent);
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => return,
                // The other side is gone, which reading will tell.
                Err(_) => self.unsent.clear(),
            }
        }
    }

    fn send(&mut self, words: [i32; 4]) {
        self.unsent.extend_from_slice(&encode(words));
    }

    /// Reads what has come, in so many pieces at most.
    fn receive(&mut self, pieces: usize) -> (Vec<[i32; 4]>, Peer, Left) {
        let (mut peer, mut left) = (Peer::Present, Left::Something);
        let mut buffer = [0; PIECE];
        for _ in 0..pieces {
            match self.socket.read(&mut buffer) {
                Ok(length @ 1..) => self.partial.extend_from_slice(&buffer[..length]),
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) if error.kind() == io::ErrorKind::WouldBlock => {
                    left = Left::Nothing;
                    break;
                }
                Ok(0) | Err(_) => {
                    (peer, left) = (Peer::Gone, Left::Nothing);
                    break;
                }
            }
        }
        let (whole, partial) = self.partial.as_chunks::<MESSAGE>();
        let messages = whole.iter().map(decode).collect();
        self.partial = partial.to_vec();
        (messages, peer, left)
    }
}

fn encode(words: [i32; 4]) -> [u8; MESSAGE] {
    std::array::from_fn(|byte| words[byte / 4].to_ne_bytes()[byte % 4])
}

fn decode(message: &[u8; MESSAGE]) -> [i32; 4] {
    std::array::from_fn(|word| i32::from_ne_bytes(std::array::from_fn(|byte| message[word * 4 + byte])))
}

impl AsFd for Link {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.socket.as_fd()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::{FromSupervisor, Link, Peer};
    use crate::process::{Pid, Sender, Signal};
    use crate::sys::service_manager::News;
    use crate::sys::signals::Received;
    use crate::sys::terminal::{Hold, Screen};

    #[test]
    fn messages_arrive_as_they_were_told() {
        let (mut guard, mut supervisor) = Link::pair().unwrap();
        let told = [
            Received { signal: Signal::TERM, sender: Sender::Process(Pid(77)) },
            Received { signal: Signal::INT, sender: Sender::Kernel },
        ];
        told.iter().for_each(|message| guard.tell_supervisor(*message));
        assert_eq!(supervisor.hear_guard().0, (told.to_vec(), Peer::Present));

        let told = [
            FromSupervisor::GroupStarted(Pid(12)),
            FromSupervisor::GroupEnded(Pid(12)),
            FromSupervisor::StopWithin(u32::MAX),
            FromSupervisor::TerminateEscapees,
            FromSupervisor::LeaveStderr,
            FromSupervisor::Announce(News::Ready),
            FromSupervisor::Announce(News::Stopping),
            FromSupervisor::Announce(News::Progress { ready: 3, of: 4 }),
            FromSupervisor::Announce(News::Alive),
            FromSupervisor::Terminal(Hold::Free),
            FromSupervisor::Terminal(Hold::Taken(Screen::Ordinary)),
            FromSupervisor::Terminal(Hold::Taken(Screen::Alternate)),
        ];
        told.iter().for_each(|message| supervisor.tell_guard(*message));
        assert_eq!(guard.hear_supervisor(), (Vec::new(), Peer::Present));
        supervisor.flush();
        assert_eq!(guard.hear_supervisor(), (told.to_vec(), Peer::Present));
    }

    #[test]
    fn the_end_of_one_side_is_seen_by_the_other() {
        let (guard, mut supervisor) = Link::pair().unwrap();
        drop(guard);
        assert_eq!(supervisor.hear_guard().0, (Vec::new(), Peer::Gone));
    }

    #[test]
    fn what_does_not_fit_is_sent_later() {
        let (mut guard, mut supervisor) = Link::pair().unwrap();
        let mut told = Vec::new();
        while !guard.has_unsent() {
            let sender = Sender::Process(Pid(i32::try_from(told.len()).unwrap()));
            told.push(Received { signal: Signal::HUP, sender });
            guard.tell_supervisor(*told.last().unwrap());
        }
        let mut heard = Vec::new();
        while heard.len() < told.len() {
            heard.extend(supervisor.hear_guard().0.0);
            guard.flush();
        }
        assert_eq!(heard, told);
    }

    /// A storm of them used to pile up, and went on when it was over.
    #[test]
    fn a_storm_of_one_signal_leaves_no_more_than_it_must() {
        let (mut guard, mut supervisor) = Link::pair().unwrap();
        let signal = Received { signal: Signal::HUP, sender: Sender::Kernel };
        while !guard.has_unsent() {
            guard.tell_supervisor(signal);
        }
        let unsent = guard.unsent();
        (0..1000).for_each(|_| guard.tell_supervisor(signal));
        assert_eq!(guard.unsent(), unsent);
        assert_eq!(supervisor.hear_guard().0, (vec![signal], Peer::Present));
    }
}
