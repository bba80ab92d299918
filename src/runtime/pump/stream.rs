//! The pipe of an instance as the pump reads it: whether it has ended, and whether it has to hold more.

use std::io::{ErrorKind, PipeReader, Read};
use std::os::fd::AsRawFd;
use std::sync::Arc;

use mio::unix::SourceFd;
use mio::{Interest, Registry, Token};

use crate::sys::child::{grow_pipe, has_writer, waiting_bytes};

/// How much of a pipe is read at once.
pub const READ: usize = 128 * 1024;
/// What a pipe holds that has been found full again and again. A new one holds 64 KiB.
const HOT_PIPE: i32 = 256 * 1024;
/// How often a pipe must have been found full to count as hot.
const HOT: u32 = 8;

/// One pipe.
#[derive(Debug)]
pub struct Stream {
    pipe: Arc<PipeReader>,
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
    /// Returns the stream of a pipe that is new.
    pub fn new(pipe: Arc<PipeReader>) -> Self {
        Stream { pipe, full_reads: 0, size: Size::Standard, end: End::Ahead, queued: Queued::No }
    }

    /// Has it announced when there is something to read.
    pub fn register(&self, registry: &Registry, token: Token) -> std::io::Result<()> {
        registry.register(&mut SourceFd(&self.pipe.as_raw_fd()), token, Interest::READABLE)
    }

    /// Has it announced no more.
    pub fn deregister(&self, registry: &Registry) {
        // Fails only where registering has failed.
        let _ = registry.deregister(&mut SourceFd(&self.pipe.as_raw_fd()));
    }

    /// Returns how many bytes can be read now.
    pub fn waiting(&self) -> usize {
        match self.end {
            End::Ahead => waiting_bytes(&*self.pipe),
            End::Reached => 0,
        }
    }

    /// Returns whether anybody can still write into it.
    pub fn has_writer(&self) -> bool {
        self.end == End::Ahead && has_writer(&*self.pipe)
    }

    /// Reads at most what the buffer holds and returns how many bytes came; less means that no more is there.
    pub fn read(&mut self, buffer: &mut [u8]) -> usize {
        let length = loop {
            match (&*self.pipe).read(buffer) {
                Ok(length) => break length,
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // Nothing is there; the next byte is announced.
                Err(_) => return 0,
            }
        };
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
        grow_pipe(&*self.pipe, HOT_PIPE);
    }
}
