//! Where clients come from, and what tells that they cannot come any more.

use std::future::pending;
use std::io;
use std::os::unix::net;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::oneshot;

use crate::sys::socket::{Listener, Watch};

/// Where clients come from.
#[derive(Debug)]
pub struct Doors {
    /// Where all who may ask connect.
    pub listener: Option<Listener>,
    /// The connection of procman's own client, which comes when there is something for it.
    pub own: Option<oneshot::Receiver<net::UnixStream>>,
}

impl Doors {
    /// Returns what the control thread waits for.
    pub(super) fn open(&self) -> io::Result<Option<UnixListener>> {
        self.listener.as_ref().map(Listener::incoming).transpose()
    }
}

/// Waits for procman's own client.
pub(super) async fn own_client(own: &mut Option<oneshot::Receiver<net::UnixStream>>) -> UnixStream {
    if let Some(receiver) = own {
        let came = receiver.await;
        *own = None;
        let ready = |stream: net::UnixStream| stream.set_nonblocking(true).and(UnixStream::from_std(stream));
        if let Some(Ok(stream)) = came.ok().map(ready) {
            return stream;
        }
    }
    pending().await
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
