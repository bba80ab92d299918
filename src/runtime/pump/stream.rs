//! The pipe or terminal of an instance as the pump reads it: whether it has ended, and whether it has to hold more.

use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::output::{Fold, Found, Sought};
use crate::sys::child::{Output, grow_pipe, has_writer, waiting_bytes};
use crate::sys::pty::Master;

/// How much of a pipe is read at once. No terminal holds as much.
pub const READ: usize = 128 * 1024;
/// What a pipe holds that has been found full again and again. A new one holds 64 KiB.
const HOT_PIPE: i32 = 256 * 1024;
/// How often a pipe must have been found full to count as hot.
const HOT: u32 = 8;

/// One pipe or terminal.
#[derive(Debug)]
pub struct Stream {
    output: Arc<Output>,
    /// What its terminal has made of the ends of lines.
    fold: Fold,
    /// What is looked for, until it has been found.
    sought: Option<Sought>,
    full_reads: u32,
    size: Size,
    end: End,
    /// Whether it stands in the queue of those that are ready.
    pub queued: Queued,
}

/// What a pipe holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Size {
    Standard,
    Grown,
}

/// Whether everything that can ever be read has been read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    Ahead,
    Reached,
}

/// Whether a stream stands in the queue of those that are ready.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Queued {
    /// It does.
    Yes,
    /// It does not.
    No,
}

impl Stream {
    /// Returns the stream of what is new, in which something may be looked for.
    pub fn new(output: Arc<Output>, sought: Option<Sought>) -> Self {
        Stream {
            output,
            fold: Fold::default(),
            sought,
            full_reads: 0,
            size: Size::Standard,
            end: End::Ahead,
            queued: Queued::No,
        }
    }

    /// Has it announced when there is something to read.
    pub fn register(&self, registry: &Registry, token: Token) -> std::io::Result<()> {
        registry.register(&mut SourceFd(&self.output.as_fd().as_raw_fd()), token, Interest::READABLE)
    }

    /// Has it announced no more.
    pub fn deregister(&self, registry: &Registry) {
        // Fails only where registering has failed.
        let _ = registry.deregister(&mut SourceFd(&self.output.as_fd().as_raw_fd()));
    }

    /// Returns how many bytes can be read now, or more.
    pub fn waiting(&self) -> usize {
        match (self.end, &*self.output) {
            (End::Ahead, Output::Pipe(pipe)) => waiting_bytes(pipe),
            // A terminal only tells of some.
            (End::Ahead, Output::Terminal(_)) => READ,
            (End::Reached, _) => 0,
        }
    }

    /// Returns whether anybody can still write into it.
    pub fn has_writer(&self) -> bool {
        self.end == End::Ahead && has_writer(&*self.output)
    }

    /// Reads at most what the buffer holds and returns how many bytes came; less means that no more is there.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        match &*self.output {
            Output::Pipe(pipe) => match read_pipe(pipe, buffer) {
                Some(length) => self.note(length),
                // Nothing is there; the next byte is announced.
                None => 0,
            },
            Output::Terminal(master) => read_terminal(master, buffer),
        }
    }

    /// Takes note of a read from a pipe.
    fn note(&mut self, length: usize) -> usize {
        if length == 0 {
            self.end = End::Reached;
        }
        // A new pipe is full with 64 KiB, and its writer goes on as soon as a page of it is empty.
        if length < READ / 4 {
            self.full_reads = 0;
        } else {
            self.full_reads = self.full_reads.saturating_add(1);
        }
        length
    }

    /// Returns what has been read as the instance has meant it, in two parts; nothing where that is what was read.
    pub fn meant<'a>(&mut self, read: &'a mut [u8]) -> Option<[&'a [u8]; 2]> {
        match *self.output {
            Output::Pipe(_) => None,
            Output::Terminal(_) => Some(self.fold.fold(read).into()),
        }
    }

    /// Returns what has been kept of that, for nothing follows.
    pub fn rest(&mut self) -> &'static [u8] {
        self.fold.rest()
    }

    /// Looks at what has just been read. What has been found is found once.
    pub fn look(&mut self, read: &[u8]) -> Found {
        let found = self.sought.as_mut().map_or(Found::NotYet, |sought| sought.look(read));
        self.note_found(found)
    }

    /// Looks at a line that has paused, in the same way.
    pub fn look_paused(&mut self) -> Found {
        let found = self.sought.as_ref().map_or(Found::NotYet, Sought::pause);
        self.note_found(found)
    }

    fn note_found(&mut self, found: Found) -> Found {
        if found == Found::Yes {
            self.sought = None;
        }
        found
    }

    /// Returns whether it should hold more.
    pub fn is_hot(&self) -> bool {
        self.size == Size::Standard && self.full_reads >= HOT
    }

    /// Returns whether it has been made larger.
    pub fn is_grown(&self) -> bool {
        self.size == Size::Grown
    }

    /// Makes it larger.
    pub fn grow(&mut self) {
        self.size = Size::Grown;
        grow_pipe(&*self.output, HOT_PIPE);
    }
}

/// Reads once. Nothing means that nothing is there now, and 0 that nothing ever will be.
fn read_pipe(mut pipe: &PipeReader, buffer: &mut [u8]) -> Option<usize> {
    loop {
        match pipe.read(buffer) {
            Ok(length) => return Some(length),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => return None,
        }
    }
}

/// Reads until nothing is there, which may not be for ever, or the buffer is full.
fn read_terminal(master: &Master, buffer: &mut [u8]) -> usize {
    let mut filled = 0;
    while filled < buffer.len() {
        match master.read(&mut buffer[filled..]) {
            Ok(0) => break,
            Ok(length) => filled += length,
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(_) => break,
        }
    }
    filled
}
