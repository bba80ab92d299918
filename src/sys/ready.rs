//! Waiting for a descriptor on the runtime's one thread.

use std::io;
use std::os::fd::{AsFd, AsRawFd, RawFd};

use tokio::io::Interest;
use tokio::io::unix::AsyncFd;

/// Something with a descriptor that the runtime waits for.
#[derive(Debug)]
pub struct Ready<T: AsFd>(AsyncFd<Descriptor<T>>);

/// Whether there may be more to read at once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Left {
    /// There is none.
    Nothing,
    /// There may be.
    Something,
}

/// Something that may have to wait before it takes more.
#[derive(Debug)]
pub struct Writable<T: AsFd>(AsyncFd<Descriptor<T>>);

impl<T: AsFd> Writable<T> {
    /// Registers `inner`, which never waits, with the runtime that this is called in.
    pub fn new(inner: T) -> io::Result<Self> {
        // SAFETY: as with `Ready`.
        let descriptor = unsafe { AsyncFd::register_with_interest(Descriptor(inner), Interest::WRITABLE)? };
        Ok(Writable(descriptor))
    }

    /// Returns what `write` makes of it, as soon as that is not `WouldBlock`. May be dropped while it waits.
    pub async fn write<R>(&self, mut write: impl FnMut(&T) -> io::Result<R>) -> io::Result<R> {
        self.0.async_io(Interest::WRITABLE, |inner| write(&inner.0)).await
    }

    /// Returns what is waited for.
    pub fn get(&self) -> &T {
        &self.0.get_ref().0
    }
}

#[derive(Debug)]
struct Descriptor<T>(T);

impl<T: AsFd> AsRawFd for Descriptor<T> {
    fn as_raw_fd(&self) -> RawFd {
        self.0.as_fd().as_raw_fd()
    }
}

impl<T: AsFd> Ready<T> {
    /// Registers `inner` with the runtime that this is called in.
    pub fn new(inner: T) -> io::Result<Self> {
        // SAFETY: `inner` is owned, never replaced, and everything in `sys` that is waited for keeps one
        // descriptor for all its life.
        let descriptor = unsafe { AsyncFd::register_with_interest(Descriptor(inner), Interest::READABLE)? };
        Ok(Ready(descriptor))
    }

    /// Waits until the descriptor is readable and returns what `read` makes of it.
    ///
    /// May be dropped while it waits: nothing is lost. `read` has to read everything there is, for only
    /// what comes afterwards wakes it again.
    pub async fn read<R>(&mut self, read: impl FnOnce(&mut T) -> R) -> io::Result<R> {
        let mut ready = self.0.readable_mut().await?;
        ready.clear_ready();
        Ok(read(&mut ready.get_inner_mut().0))
    }

    /// As [`Ready::read`], but `read` may leave something for the next call, and says so.
    pub async fn read_some<R>(&mut self, read: impl FnOnce(&mut T) -> (R, Left)) -> io::Result<R> {
        let mut ready = self.0.readable_mut().await?;
        let (result, left) = read(&mut ready.get_inner_mut().0);
        match left {
            Left::Nothing => ready.clear_ready(),
            Left::Something => ready.retain_ready(),
        }
        Ok(result)
    }

    /// Gives back what was waited for.
    pub fn into_inner(self) -> T {
        self.0.into_inner().0
    }

    /// Returns what is waited for.
    pub fn get_mut(&mut self) -> &mut T {
        &mut self.0.get_mut().0
    }
}
