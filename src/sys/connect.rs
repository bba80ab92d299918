//! Connections to whoever accepts them, made only to see that somebody does or to ask one thing.
//!
//! Nothing is decided here: not how long to wait, and not what a failure means.

use std::future::Future;
use std::io::{self, ErrorKind};
use std::net::{Ipv4Addr, Ipv6Addr, SocketAddr};
use std::path::Path;
use std::time::Duration;

use tokio::net::{TcpStream, UnixStream, lookup_host};
use tokio::time::timeout;

/// Where to connect to.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Destination<'a> {
    /// A port of a host, which is a name or an address; one of IPv6 without brackets.
    Tcp(&'a str, u16),
    /// A socket of this machine.
    Unix(&'a Path),
}

/// Connects, and fails with what the last address has said if none accepts. Each has so long; the look-up of a name has
/// as long as it takes, for whoever gives it up leaves a thread behind that goes on.
///
/// An unknown name is `NotFound`.
pub async fn connect(destination: Destination<'_>, each: Duration) -> io::Result<()> {
    match destination {
        Destination::Tcp(host, port) => tcp(host, port, each).await.map(drop),
        Destination::Unix(path) => within(each, UnixStream::connect(path)).await.map(drop),
    }
}

/// Does the same where there is no runtime, within so long as a whole. What looks a name up may go on after that.
pub fn connect_blocking(destination: Destination<'_>, limit: Duration) -> io::Result<()> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let result = runtime.block_on(async { within(limit, connect(destination, limit)).await });
    runtime.shutdown_background();
    result
}

/// Connects to a port of a host as [`connect`] does.
pub async fn tcp(host: &str, port: u16, each: Duration) -> io::Result<TcpStream> {
    let addresses = lookup_host((host, port)).await.map_err(|_| ErrorKind::NotFound)?;
    let mut last = ErrorKind::NotFound.into();
    for address in addresses {
        match within(each, to(address)).await {
            Ok(stream) => return Ok(stream),
            Err(error) => last = error,
        }
    }
    Err(last)
}

/// Connects to a port of this machine: at `127.0.0.1`, or where that is refused, at `::1`.
pub async fn local(port: u16) -> io::Result<TcpStream> {
    match to((Ipv4Addr::LOCALHOST, port).into()).await {
        // What the other address says is of no interest: there may be no such address at all.
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => {
            to((Ipv6Addr::LOCALHOST, port).into()).await.map_err(|_| error)
        }
        result => result,
    }
}

async fn to(address: SocketAddr) -> io::Result<TcpStream> {
    let stream = TcpStream::connect(address).await?;
    // Where nobody listens on a port that the system may pick for a client, it now and then picks that very one, and
    // the connection is to itself (simultaneous open, RFC 9293, 3.5).
    if stream.local_addr()? == stream.peer_addr()? {
        return Err(ErrorKind::ConnectionRefused.into());
    }
    Ok(stream)
}

async fn within<T>(limit: Duration, result: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    timeout(limit, result).await.unwrap_or_else(|_| Err(ErrorKind::TimedOut.into()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
pub mod tests {
    //! A port at which nobody listens, for other tests too.

    use std::io::ErrorKind;
    use std::net::{Ipv6Addr, TcpListener};
    use std::os::unix::net::UnixListener;
    use std::path::Path;
    use std::time::Duration;

    use tokio::net::{TcpSocket, UnixSocket};

    use super::{Destination, connect_blocking, local};

    /// Far more than any of this takes.
    const LIMIT: Duration = Duration::from_secs(60);

    #[track_caller]
    fn check(destination: Destination<'_>, expected: Result<(), ErrorKind>) {
        assert_eq!(
            connect_blocking(destination, LIMIT).map_err(|error| error.kind()),
            expected,
            "{destination:?}"
        );
    }

    /// Returns a port at which nobody listens, and what keeps it from everybody else. (One that somebody has just left may
    /// live on for a moment in a process that is being started.)
    pub fn deaf_port() -> (TcpSocket, u16) {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    }

    #[test]
    fn a_host_is_an_address_or_a_name() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        check(Destination::Tcp("127.0.0.1", port), Ok(()));
        check(Destination::Tcp("localhost", port), Ok(()));
        let (_socket, deaf) = deaf_port();
        check(Destination::Tcp("127.0.0.1", deaf), Err(ErrorKind::ConnectionRefused));
        // No name server is asked for such a name.
        check(Destination::Tcp("no..name", port), Err(ErrorKind::NotFound));
        check(Destination::Tcp("", port), Err(ErrorKind::NotFound));
    }

    #[test]
    fn a_socket_of_this_machine_is_there_or_not() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("socket");
        check(Destination::Unix(&path), Err(ErrorKind::NotFound));
        let _listener = UnixListener::bind(&path).unwrap();
        check(Destination::Unix(&path), Ok(()));
        let deaf = directory.path().join("deaf");
        let socket = UnixSocket::new_stream().unwrap();
        socket.bind(&deaf).unwrap();
        check(Destination::Unix(&deaf), Err(ErrorKind::ConnectionRefused));
        check(Destination::Unix(Path::new("/etc/passwd/socket")), Err(ErrorKind::NotADirectory));
    }

    #[test]
    fn a_port_of_this_machine_is_looked_for_at_both_addresses() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let local = |port| runtime.block_on(local(port)).map(drop).map_err(|error| error.kind());
        // Without IPv6 there is nothing to see.
        if let Ok(listener) = TcpListener::bind((Ipv6Addr::LOCALHOST, 0)) {
            assert_eq!(local(listener.local_addr().unwrap().port()), Ok(()));
        }
        let (_socket, deaf) = deaf_port();
        assert_eq!(local(deaf), Err(ErrorKind::ConnectionRefused));
    }
}
