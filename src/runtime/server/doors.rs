//! Where clients come from, and what tells that they cannot come any more.

use std::future::pending;
use std::io;
use std::os::unix::net;

use tokio::net::{UnixListener, UnixStream};

use crate::sys::socket::{Listener, Watch};

/// Where clients come from.
#[derive(Debug)]
pub struct Doors {
    /// Where all who may ask connect.
    pub listener: Option<Listener>,
    /// The connection of procman's own client, which has come first.
    pub own: Option<net::UnixStream>,
}

impl Doors {
    /// Returns what the control thread waits for.
    pub(super) fn open(&mut self) -> io::Result<(Option<UnixListener>, Option<UnixStream>)> {
        let incoming = self.listener.as_ref().map(Listener::incoming).transpose()?;
        let own = self.own.take().map(|own| {
            own.set_nonblocking(true)?;
            UnixStream::from_std(own)
        });
        Ok((incoming, own.transpose()?))
    }
}

/// Waits until something has gone from where the socket is; for ever where nobody can tell.
pub(super) async fn something_went(watch: &mut Option<Watch>) {
    if let Some(watch) = watch
        && watch.something_went().await.is_ok()
    {
        return;
    }
    pending().await
}
