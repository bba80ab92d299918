//! `procman attach`: the terminal of an instance in this one, both ways.

use std::io::{self, ErrorKind, Read, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixStream;
use std::time::{Duration, Instant};

use crate::cli::args::{self, Common};
use crate::cli::client::{self, Connection};
use crate::cli::error::Failure;
use crate::cli::keys::{self, DetachKey, Search};
use crate::control::protocol::{Answer, Request, Size, Typed};
use crate::control::wire::{self, Lines};
use crate::quote::escaped;
use crate::sys::stdio::write_stderr;
use crate::sys::terminal::{self, Hold, Missing, Notice, Notices, Saved, Screen, Wanted, Watch};

/// How much may wait to be sent before what is typed is dropped. It is still read, for the keys that detach.
const UNSENT: usize = 64 * 1024;

/// How much that was typed is sent at once: as base64 it stays far below the longest line.
const PIECE: usize = 16 * 1024;

/// How long what was typed before the keys that detach may take on its way, and how long a goodbye.
const PARTING: Duration = Duration::from_millis(200);

/// A terminal of which nothing is known has this size: that of a VT100.
const USUAL: Size = Size { rows: 24, columns: 80 };

/// Attaches, and returns when the instance has ended or the user has had enough.
pub fn run(common: Common, attach: &args::Attach) -> Result<i32, Failure> {
    check_terminal()?;
    let keys = attach.detach_key.clone().unwrap_or_default();
    let path = client::path(common, &attach.client)?;
    let request = Request::Attach { name: attach.name.clone(), size: size() };
    let attached = attached(Connection::ask(&path, request)?)?;
    terminal::keep(move |saved, mut notices| match take_terminal(attached, keys, saved, &mut notices) {
        Ok(left) => left.status(),
        Err(failure) => {
            write_stderr(&failure.to_string());
            failure.status()
        }
    })
    .map_err(Failure::Terminal)
}

/// Attaches where procman itself is at the other end of a stream: for `start --attach`. Returns when it is over.
pub fn run_within(
    stream: UnixStream,
    name: String,
    keys: DetachKey,
    saved: &Saved,
    notices: &mut Notices,
) -> Result<Left, Failure> {
    let connection = Connection::ask_on(stream, Request::Attach { name, size: size() })?;
    take_terminal(attached(connection)?, keys, saved, notices)
}

/// Checks that there is a terminal to attach with.
pub fn check_terminal() -> Result<(), Failure> {
    terminal::check().map_err(|missing| match missing {
        Missing::Input => Failure::NoTerminal("standard input"),
        Missing::Output => Failure::NoTerminal("standard output"),
        Missing::Foreground => Failure::Background,
    })
}

/// A conversation in which an instance has been attached to.
#[derive(Debug)]
struct Attached {
    instance: String,
    stream: UnixStream,
    lines: Lines,
}

/// Waits for the answer to the request.
fn attached(mut connection: Connection) -> Result<Attached, Failure> {
    let answer = connection.next()?;
    let Answer::Attached { instance, .. } = answer else { return Err(client::unexpected(answer)) };
    let (stream, lines) = connection.into_parts();
    Ok(Attached { instance: escaped(&instance), stream, lines })
}

/// Gives the terminal to an instance until there is a reason to stop, and then puts it back. Says when it begins and why
/// it ends.
///
/// Who gives the notices says what has happened to the terminal, and ends this by giving that up.
fn take_terminal(
    Attached { instance, stream, lines }: Attached,
    keys: DetachKey,
    saved: &Saved,
    notices: &mut Notices,
) -> Result<Left, Failure> {
    write_stderr(&greeting(&instance, &keys));
    notices.tell(Hold::Taken(Screen::Ordinary));
    let mut session = Session {
        stream,
        lines,
        search: Search::new(keys),
        unsent: Vec::new(),
        line: Line::Fresh,
        watch: Watch::begin(),
    };
    let left = session.relay(saved, notices);
    saved.restore(session.watch.screen());
    notices.tell(Hold::Free);
    if session.line == Line::Begun {
        let _ = terminal::write(b"\n");
    }
    if let Ok(left) = &left {
        write_stderr(&farewell(&instance, left));
    }
    session.close();
    left
}

/// Returns the line that says how to detach.
fn greeting(instance: &str, keys: &DetachKey) -> String {
    format!("attached to {instance}; {keys} detaches")
}

/// Returns the line that says why one is not attached any more.
fn farewell(instance: &str, left: &Left) -> String {
    match left {
        Left::Detached => format!("detached from {instance}"),
        Left::Ended(exit) => format!("{instance} {}", escaped(exit)),
        Left::Finished => "the formation has ended".to_owned(),
        Left::Gone => format!("procman: the procman that ran {instance} has gone"),
        Left::Over => {
            format!("procman: detached from {instance}, for the process in charge of this terminal is gone")
        }
        Left::NoTerminal => format!("procman: detached from {instance}, for this terminal is gone"),
    }
}

/// Why one is not attached any more.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Left {
    /// The keys were typed.
    Detached,
    /// The instance has ended, and how.
    Ended(String),
    /// The formation has ended.
    Finished,
    /// procman is not there any more.
    Gone,
    /// Whoever gave notices said so, or has gone.
    Over,
    /// The terminal cannot be read any more.
    NoTerminal,
}

impl Left {
    fn status(&self) -> i32 {
        match self {
            Left::Detached | Left::Ended(_) | Left::Finished => 0,
            Left::Gone | Left::Over | Left::NoTerminal => 1,
        }
    }
}

/// One conversation of a terminal with an instance.
#[derive(Debug)]
struct Session {
    stream: UnixStream,
    lines: Lines,
    search: Search,
    /// What has not been sent yet.
    unsent: Vec<u8>,
    line: Line,
    watch: Watch,
}

/// Where the cursor is, as far as can be told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Line {
    /// At the beginning of a line.
    Fresh,
    /// Behind something.
    Begun,
}

impl Session {
    /// Makes the terminal raw, and passes on what comes on either side until there is a reason to stop. Who calls puts
    /// the terminal back.
    fn relay(&mut self, saved: &Saved, notices: &mut Notices) -> Result<Left, Failure> {
        self.stream.set_nonblocking(true).map_err(Failure::Conversation)?;
        saved.make_raw().map_err(Failure::Terminal)?;
        loop {
            if let Some(left) = self.show(notices)? {
                return Ok(left);
            }
            let wanted = Wanted { sendable: !self.unsent.is_empty() };
            let came = terminal::wait(&self.stream, notices, wanted).map_err(Failure::Terminal)?;
            if came.noticed
                && let Some(left) = self.heed(&notices.pending(), saved)?
            {
                return Ok(left);
            }
            if came.typed
                && let Some(left) = self.take_typed()?
            {
                return Ok(left);
            }
            if came.sendable || !self.unsent.is_empty() {
                self.send()?;
            }
            if came.received && self.receive()? == 0 {
                // What came before the end is still to be shown.
                return Ok(self.show(notices)?.unwrap_or(Left::Gone));
            }
        }
    }

    /// Shows what the instance has written.
    fn show(&mut self, notices: &mut Notices) -> Result<Option<Left>, Failure> {
        while let Some(line) = self.lines.next_line().map_err(Failure::Answer)? {
            match wire::decode_answer(line).map_err(Failure::Answer)? {
                Answer::Output { base64 } => {
                    let bytes = wire::bytes(&base64).map_err(Failure::Answer)?;
                    if let Some(last) = bytes.last() {
                        self.line = if *last == b'\n' { Line::Fresh } else { Line::Begun };
                    }
                    let before = self.watch.screen();
                    self.watch.take(&bytes);
                    if self.watch.screen() != before {
                        notices.tell(Hold::Taken(self.watch.screen()));
                    }
                    if terminal::write(&bytes).is_err() {
                        return Ok(Some(Left::NoTerminal));
                    }
                }
                Answer::Missed { bytes } => {
                    write_stderr(&format!(
                        "\nprocman: {bytes} bytes are missing here: this terminal is too slow"
                    ));
                }
                Answer::Ended { exit } => return Ok(Some(Left::Ended(exit))),
                Answer::Finished { .. } => return Ok(Some(Left::Finished)),
                Answer::Done {} => return Ok(Some(Left::Detached)),
                other @ (Answer::Refused { .. }
                | Answer::Formation(_)
                | Answer::Outcome(_)
                | Answer::Line(_)
                | Answer::Skipped { .. }
                | Answer::Attached { .. }) => return Err(client::unexpected(other)),
            }
        }
        Ok(None)
    }

    fn heed(&mut self, notices: &[Notice], saved: &Saved) -> Result<Option<Left>, Failure> {
        for notice in notices {
            match notice {
                Notice::Over => return Ok(Some(Left::Over)),
                // In the background the terminal is somebody else's.
                Notice::Continued if !terminal::is_foreground() => {}
                Notice::Continued => {
                    saved
                        .make_raw()
                        .and_then(|()| terminal::enter(self.watch.screen()))
                        .map_err(Failure::Terminal)?;
                    // Another size makes a program draw everything again, the same one does not.
                    let size = size();
                    self.say(&Typed::Resize {
                        size: Size { rows: size.rows.saturating_sub(1).max(1), ..size },
                    });
                    self.say(&Typed::Resize { size });
                }
                Notice::Resized => self.say(&Typed::Resize { size: size() }),
            }
        }
        Ok(None)
    }

    fn take_typed(&mut self) -> Result<Option<Left>, Failure> {
        let mut piece = [0; PIECE];
        let Some(typed) = terminal::read(&mut piece).ok().filter(|length| *length > 0) else {
            return Ok(Some(Left::NoTerminal));
        };
        match self.search.take(piece.get(..typed).unwrap_or_default()) {
            keys::Typed::Bytes(bytes) => {
                self.type_in(&bytes);
                Ok(None)
            }
            keys::Typed::Detach(bytes) => {
                self.type_in(&bytes);
                self.part();
                Ok(Some(Left::Detached))
            }
        }
    }

    fn type_in(&mut self, bytes: &[u8]) {
        if !bytes.is_empty() && self.unsent.len() < UNSENT {
            self.say(&Typed::Input { base64: wire::base64(bytes) });
        }
    }

    fn say(&mut self, typed: &Typed) {
        self.unsent.extend(wire::encode(typed));
    }

    /// Sends what the stream takes. That it takes nothing any more, reading will tell.
    fn send(&mut self) -> Result<(), Failure> {
        match self.stream.write(&self.unsent) {
            Ok(sent) => drop(self.unsent.drain(..sent)),
            Err(error) if is_for_now(&error) => {}
            Err(error) if error.kind() == ErrorKind::BrokenPipe => self.unsent.clear(),
            Err(error) => return Err(Failure::Conversation(error)),
        }
        Ok(())
    }

    /// Sends the rest, and does not wait long for that.
    fn part(&mut self) {
        if self.stream.set_nonblocking(false).and(self.stream.set_write_timeout(Some(PARTING))).is_ok() {
            let _ = self.stream.write_all(&self.unsent);
        }
        self.unsent.clear();
    }

    /// Closes the conversation, and waits a moment for procman to do so: nobody is attached to the instance then, and its
    /// lines may be shown.
    fn close(self) {
        let until = Instant::now() + PARTING;
        let is_open = self.stream.shutdown(Shutdown::Write).and(self.stream.set_nonblocking(false)).is_ok();
        let mut piece = [0; PIECE];
        while is_open
            && let Some(left) = until.checked_duration_since(Instant::now()).filter(|left| !left.is_zero())
            && self.stream.set_read_timeout(Some(left)).is_ok()
            && (&self.stream).read(&mut piece).is_ok_and(|length| length > 0)
        {}
    }

    /// Reads what has come, and returns how much; 0 at the end.
    fn receive(&mut self) -> Result<usize, Failure> {
        let mut piece = [0; PIECE];
        match self.stream.read(&mut piece) {
            Ok(length) => {
                self.lines.push(piece.get(..length).unwrap_or_default());
                Ok(length)
            }
            // As if something had come: there is more to wait for.
            Err(error) if is_for_now(&error) => Ok(1),
            Err(error) if error.kind() == ErrorKind::ConnectionReset => Ok(0),
            Err(error) => Err(Failure::Conversation(error)),
        }
    }
}

fn is_for_now(error: &io::Error) -> bool {
    matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted)
}

fn size() -> Size {
    terminal::size().map_or(USUAL, |size| Size { rows: size.rows, columns: size.columns })
}

#[cfg(test)]
mod tests {
    use super::{Left, farewell, greeting};
    use crate::cli::keys::DetachKey;

    #[test]
    fn entering_and_leaving_is_one_line_each() {
        assert_eq!(greeting("web.1", &DetachKey::default()), "attached to web.1; ctrl-] detaches");
        for (left, expected) in [
            (Left::Detached, "detached from web.1"),
            (Left::Ended("exited with code 0".to_owned()), "web.1 exited with code 0"),
            (Left::Gone, "procman: the procman that ran web.1 has gone"),
        ] {
            assert_eq!(farewell("web.1", &left), expected);
        }
    }
}
