//! The terminal of an instance, for a client that has one too: both ways at once, so that what is typed is never behind
//! what is shown.

use std::time::Duration;

use tokio::time::timeout;

use crate::control::protocol::{self, Answer, Formation, Instance, State, Typed};
use crate::control::wire::{self, LONGEST_CALL, WireError};
use crate::formation::listed;
use crate::quote::excerpt;
use crate::runtime::history::{History, Tail, TailPiece};
use crate::runtime::pump::Holder;
use crate::runtime::server::connection::{Connection, Gone, Keyboard, Screen, refused};
use crate::runtime::server::ending::{Finished, ended};
use crate::runtime::{Attachment, Terminals};
use crate::sys::pty::Size;

/// How much of what the instance has written already is written to the client's screen: what a large one shows.
const REPLAYED: u64 = 16 * 1024;

/// How long to wait for the record of an instance that has just been started.
const AWAITED: Duration = Duration::from_secs(5);

/// The instance that a client is attached to.
pub struct Attached<'a> {
    name: &'a str,
    pid: i32,
    attachment: Attachment,
    tail: Tail,
    _held: Held<'a>,
}

/// Holds an instance's lines back on procman's own screen for as long as it is there.
struct Held<'a> {
    holder: &'a Holder,
    name: &'a str,
}

impl Drop for Held<'_> {
    fn drop(&mut self) {
        self.holder.release(self.name);
    }
}

/// Returns the instance that a name stands for: its own, or that of its type if there is one to attach to.
pub fn find<'a>(name: &str, formation: &'a Formation) -> Result<&'a Instance, Answer> {
    let named = formation.instances.iter().find(|instance| instance.name == name);
    if let Some(instance) = named {
        let has_terminal = instance.terminal && instance.pid.is_some();
        return if has_terminal { Ok(instance) } else { Err(not_up(instance)) };
    }
    if !formation.types.iter().any(|process| process == name) {
        let instances: Vec<&str> =
            formation.instances.iter().map(|instance| instance.name.as_str()).collect();
        let hint = (!instances.is_empty()).then(|| format!("known are {}", listed(&instances)));
        return Err(refused(format!("unknown process `{}`", excerpt(name)), hint));
    }
    let of_type = |instance: &&Instance| instance.process == name;
    let all: Vec<&Instance> = formation.instances.iter().filter(of_type).collect();
    let has_terminal = |instance: &&Instance| instance.terminal && instance.pid.is_some();
    let running: Vec<&Instance> = all.iter().copied().filter(has_terminal).collect();
    match (&running[..], &all[..]) {
        ([], [instance]) => Err(not_up(instance)),
        ([], _) => Err(no_terminal(name)),
        ([instance], _) => Ok(instance),
        _ => {
            let names: Vec<&str> = running.iter().map(|instance| instance.name.as_str()).collect();
            let message = format!("`{name}` has {} instances to attach to", names.len());
            Err(refused(message, Some(format!("say which: {}", listed(&names)))))
        }
    }
}

/// Says of an instance without a terminal how it is, if that is why.
fn not_up(instance: &Instance) -> Answer {
    let name = &instance.name;
    match instance.state {
        State::Running | State::Stopping => no_terminal(name),
        State::Waiting => refused(format!("`{name}` waits for {}", instance.waits_for.join(", ")), None),
        State::Starting => refused(format!("`{name}` is about to be started"), None),
        State::BackingOff => refused(format!("`{name}` has ended, and is started again in a while"), None),
        State::Down => refused(format!("`{name}` is down"), Some(format!("`procman up {name}` starts it"))),
    }
}

fn no_terminal(name: &str) -> Answer {
    let hint = "an instance has a terminal while it runs and was started with `--pty`".to_owned();
    refused(format!("`{name}` has no terminal"), Some(hint))
}

impl<'a> Attached<'a> {
    /// Attaches to an instance, and returns the refusal if that cannot be.
    pub async fn new(
        instance: &'a Instance,
        size: protocol::Size,
        history: &History,
        terminals: &Terminals,
        holder: &'a Holder,
    ) -> Result<Attached<'a>, Answer> {
        let name = instance.name.as_str();
        let pid = instance.pid.ok_or_else(|| no_terminal(name))?;
        let attachment = terminals
            .attach(name, terminal_size(size))
            .map_err(|error| refused(format!("cannot attach to `{name}`: {error}"), None))?;
        holder.hold(name);
        let _held = Held { holder, name };
        // The pump may not have heard of one that has just been started.
        let tail = timeout(AWAITED, history.tail(name, REPLAYED)).await.ok().flatten();
        let tail = tail.ok_or_else(|| no_terminal(name))?;
        Ok(Attached { name, pid, attachment, tail, _held })
    }

    /// Passes on what is typed and what is shown until one of both sides goes.
    pub async fn serve(mut self, mut connection: Connection, mut end: Finished) {
        let attached = Answer::Attached { instance: self.name.to_owned(), pid: self.pid };
        if connection.send(&attached).await.is_err() {
            return;
        }
        let (screen, keyboard) = connection.split();
        let last = tokio::select! {
            biased;
            shown = show(screen, &mut self.tail, &self.attachment) => match shown {
                Ok(Shown::Ended) => Some(Answer::Done {}),
                Ok(Shown::All) => ended(&mut end).await.map(|status| Answer::Finished { status }),
                Err(Gone) => None,
            },
            wrong = take_typed(keyboard, &self.attachment) => {
                wrong.map(|error| refused(error.to_string(), error.hint()))
            }
        };
        // Whoever attaches next need not wait for this one to read, and this one knows that one can when it is closed.
        drop(self);
        if let Some(last) = last {
            let _ = connection.send(&last).await;
        }
    }
}

fn terminal_size(protocol::Size { rows, columns }: protocol::Size) -> Size {
    Size { rows, columns }
}

/// Why there is nothing more to show.
enum Shown {
    /// The instance has ended.
    Ended,
    /// The formation has.
    All,
}

async fn show(screen: Screen<'_>, tail: &mut Tail, attachment: &Attachment) -> Result<Shown, Gone> {
    while let Some(piece) = tail.next().await {
        match piece {
            TailPiece::Bytes(bytes) => screen.show(&Answer::Output { base64: wire::base64(&bytes) }).await?,
            TailPiece::Missed(bytes) => screen.show(&Answer::Missed { bytes }).await?,
            // It has lost its terminal by then; else it is the end of the one before.
            TailPiece::Ended(text) if attachment.is_over() => {
                screen.show(&Answer::Ended { exit: text }).await?;
                return Ok(Shown::Ended);
            }
            TailPiece::Ended(_) | TailPiece::Said(_) => {}
        }
    }
    Ok(Shown::All)
}

/// How far a client has typed ahead of what the instance reads.
#[derive(Clone, Copy)]
enum Ahead {
    Somewhat,
    TooFar,
}

/// Takes what is typed until the client leaves, or says what cannot be understood.
async fn take_typed(mut keyboard: Keyboard<'_>, attachment: &Attachment) -> Option<WireError> {
    // What the instance has not read. Nobody types ahead that far.
    let mut unread: Vec<u8> = Vec::new();
    loop {
        let ahead = if unread.len() < LONGEST_CALL { Ahead::Somewhat } else { Ahead::TooFar };
        tokio::select! {
            biased;
            typed = next_typed(&mut keyboard, ahead) => match typed {
                Ok(Some(Typed::Input { base64 })) => match wire::bytes(&base64) {
                    Ok(bytes) => unread.extend(bytes),
                    Err(error) => return Some(error),
                },
                Ok(Some(Typed::Resize { size })) => {
                    // The instance may be gone, which will be told.
                    let _ = attachment.resize(terminal_size(size));
                }
                Ok(None) => return None,
                Err(error) => return Some(error),
            },
            written = attachment.write(&unread), if !unread.is_empty() => match written {
                Ok(length) => {
                    unread.drain(..length);
                }
                Err(_) => unread.clear(),
            },
        }
    }
}

/// Returns what is typed next, or when nothing is.
async fn next_typed(keyboard: &mut Keyboard<'_>, ahead: Ahead) -> Result<Option<Typed>, WireError> {
    match ahead {
        Ahead::Somewhat => keyboard.typed().await,
        Ahead::TooFar => {
            keyboard.hung_up().await;
            Ok(None)
        }
    }
}
