//! One client: lines in, answers out, each within a limit of time.

use std::io::{self, ErrorKind};
use std::time::Duration;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::task::yield_now;
use tokio::time::{sleep, timeout};

use crate::control::protocol::{Answer, Call, Typed};
use crate::control::wire::{self, LONGEST_CALL, Lines, WireError};
use crate::sys::child::has_writer;

/// How much is read at once.
const PIECE: usize = 8 * 1024;

/// How often to look whether a client that has said that it will say no more is there at all.
const LOOK_AGAIN: Duration = Duration::from_secs(1);

/// A connection to a client.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    lines: Lines,
    /// How long it may leave an answer unread.
    patience: Duration,
}

/// The client has gone, or has been given up.
#[derive(Debug)]
pub struct Gone;

impl Connection {
    /// Returns the connection of a client that has said nothing.
    pub fn new(stream: UnixStream, patience: Duration) -> Connection {
        Connection { stream, lines: Lines::new(LONGEST_CALL), patience }
    }

    /// Lets the client leave answers unread for another time from now on.
    pub fn wait_for(&mut self, patience: Duration) {
        self.patience = patience;
    }

    /// Returns what the client asks; nothing if it has left instead.
    ///
    /// The end of what it says ends its line too.
    pub async fn call(&mut self) -> Result<Option<Call>, WireError> {
        loop {
            if let Some(line) = self.lines.next_line()? {
                return wire::decode_call(line).map(Some);
            }
            let mut piece = [0; PIECE];
            match read(&self.stream, &mut piece).await {
                Ok(0) if self.lines.rest().is_empty() => return Ok(None),
                Ok(0) => return wire::decode_call(self.lines.rest()).map(Some),
                Ok(length) => self.lines.push(&piece[..length]),
                Err(_) => return Ok(None),
            }
        }
    }

    /// Sends an answer. A client that takes nothing for too long is gone.
    pub async fn send(&self, answer: &Answer) -> Result<(), Gone> {
        write(&self.stream, &wire::encode(answer), self.patience).await
    }

    /// Sends many answers at once, and lets others have their turn.
    pub async fn send_all(&self, answers: impl Iterator<Item = Answer>) -> Result<(), Gone> {
        let mut lines = Vec::new();
        answers.for_each(|answer| lines.extend(wire::encode(&answer)));
        write(&self.stream, &lines, self.patience).await?;
        // Nothing else here waits as long as there is something to send and room for it.
        yield_now().await;
        Ok(())
    }

    /// Waits until the client has left, or says something though it is not its turn.
    pub async fn left(&self) {
        let mut piece = [0; 1];
        // It may have closed its side alone, as the end of a pipe into it does, and still wait for answers.
        if let Ok(0) = read(&self.stream, &mut piece).await {
            hung_up(&self.stream).await;
        }
    }

    /// Returns whether the client has left: not only said that it has nothing more to say.
    pub fn is_gone(&self) -> bool {
        !has_writer(&self.stream)
    }

    /// Returns its two directions, for both at once.
    pub fn split(&mut self) -> (Screen<'_>, Keyboard<'_>) {
        let Connection { stream, lines, patience } = self;
        (Screen { stream, patience: *patience }, Keyboard { stream, lines })
    }

    /// Says a last word, if the client takes it at once, and closes.
    pub fn part(self, answer: &Answer) {
        // A stream that has just been accepted is not known to be writable, so the descriptor itself is asked.
        if let Ok(stream) = self.stream.into_std() {
            let _ = io::Write::write(&mut &stream, &wire::encode(answer));
        }
    }
}

/// What an attached client sees.
#[derive(Clone, Copy, Debug)]
pub struct Screen<'a> {
    stream: &'a UnixStream,
    patience: Duration,
}

impl Screen<'_> {
    /// Sends an answer, and lets others have their turn.
    pub async fn show(self, answer: &Answer) -> Result<(), Gone> {
        write(self.stream, &wire::encode(answer), self.patience).await?;
        yield_now().await;
        Ok(())
    }
}

/// What an attached client types.
#[derive(Debug)]
pub struct Keyboard<'a> {
    stream: &'a UnixStream,
    lines: &'a mut Lines,
}

impl Keyboard<'_> {
    /// Returns what is typed next; nothing if the client has left. May be dropped while it waits.
    pub async fn typed(&mut self) -> Result<Option<Typed>, WireError> {
        loop {
            if let Some(line) = self.lines.next_line()? {
                return wire::decode_typed(line).map(Some);
            }
            let mut piece = [0; PIECE];
            match read(self.stream, &mut piece).await {
                Ok(0) | Err(_) => return Ok(None),
                Ok(length) => self.lines.push(&piece[..length]),
            }
        }
    }

    /// Waits until the client has closed the connection, without listening to it.
    pub async fn hung_up(&self) {
        hung_up(self.stream).await;
    }
}

/// Returns the answer to what is not done.
pub fn refused(message: String, hint: Option<String>) -> Answer {
    Answer::Refused { message, hint }
}

async fn read(stream: &UnixStream, piece: &mut [u8]) -> io::Result<usize> {
    loop {
        stream.readable().await?;
        match stream.try_read(piece) {
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
            result => return result,
        }
    }
}

async fn write(stream: &UnixStream, mut unsent: &[u8], patience: Duration) -> Result<(), Gone> {
    while !unsent.is_empty() {
        match stream.try_write(unsent) {
            Ok(sent) => unsent = &unsent[sent..],
            Err(error) if error.kind() == ErrorKind::WouldBlock => {
                timeout(patience, stream.writable()).await.map_err(|_| Gone)?.map_err(|_| Gone)?;
            }
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return Err(Gone),
        }
    }
    Ok(())
}

/// Waits until the other side has closed the connection. The system tells that only to who asks.
async fn hung_up(stream: &UnixStream) {
    loop {
        match stream.ready(Interest::WRITABLE).await {
            Ok(ready) if !ready.is_write_closed() => sleep(LOOK_AGAIN).await,
            Ok(_) | Err(_) => return,
        }
    }
}
