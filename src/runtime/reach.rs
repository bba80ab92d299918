//! Whether a backing service accepts a connection.

use std::io::{self, ErrorKind};
use std::pin::pin;
use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::{sleep, timeout};

use crate::policy::{Endpoint, Service};
use crate::runtime::errands::{News, Ticket};
use crate::supervisor::Trouble;
use crate::sys::connect::{Destination, connect, connect_blocking};

/// How long an address may take to accept.
const LIMIT: Duration = Duration::from_secs(5);
/// After how long without an answer that is told of, though the attempt goes on.
const SILENCE: Duration = Duration::from_secs(1);
/// How long after one attempt the next one follows.
const AGAIN: Duration = Duration::from_millis(500);

/// Tries once to connect, within so long, and returns why that has failed. It blocks.
pub fn try_to_reach(endpoint: &Endpoint, limit: Duration) -> Result<(), Trouble> {
    connect_blocking(destination(endpoint), limit).map_err(|error| trouble(&error))
}

/// Tries to connect until that works, and tells of it, and of the first failure or silence.
pub async fn reach(service: Service, ticket: Ticket, news: Sender<News>) {
    let tell = async |result| {
        let _ = news.send(News::Tried { ticket, service: service.clone(), result }).await;
    };
    let Ok(endpoint) = &service.endpoint else {
        // Nothing is started that needs it.
        return tell(Err(Trouble::NotFound)).await;
    };
    let mut is_first = true;
    loop {
        let mut attempt = pin!(connect(destination(endpoint), LIMIT));
        let result = match timeout(SILENCE, &mut attempt).await {
            Ok(result) => result,
            // Something swallows the connection, or a name server takes its time: whoever waits is to know for what.
            Err(_) => {
                if std::mem::take(&mut is_first) {
                    tell(Err(Trouble::TimedOut)).await;
                }
                attempt.await
            }
        };
        match result {
            Ok(()) => return tell(Ok(())).await,
            Err(error) if std::mem::take(&mut is_first) => tell(Err(trouble(&error))).await,
            Err(_) => {}
        }
        sleep(AGAIN).await;
    }
}

/// What errors mean. Whatever else may be wrong is for none to remedy but whoever runs the network.
const MEANINGS: [(ErrorKind, Trouble); 5] = [
    (ErrorKind::ConnectionRefused, Trouble::Refused),
    (ErrorKind::TimedOut, Trouble::TimedOut),
    // A socket of this machine says so when too many wait already.
    (ErrorKind::WouldBlock, Trouble::TimedOut),
    (ErrorKind::NotFound, Trouble::NotFound),
    (ErrorKind::NotADirectory, Trouble::NotFound),
];

/// Returns what an error of a connection means.
pub fn trouble(error: &io::Error) -> Trouble {
    let known = MEANINGS.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or(Trouble::Unreachable, |(_, trouble)| *trouble)
}

fn destination(endpoint: &Endpoint) -> Destination<'_> {
    match endpoint {
        Endpoint::Tcp { host, port } => Destination::Tcp(host, *port),
        Endpoint::Unix(path) => Destination::Unix(path),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::net::TcpListener;

    use tokio::sync::mpsc;

    use super::reach;
    use crate::policy::{Endpoint, NoEndpoint, Service};
    use crate::runtime::errands::{Errands, News};
    use crate::supervisor::Trouble;

    /// Tries to reach a service, hands each result to `then`, and returns all.
    fn results(
        endpoint: Result<Endpoint, NoEndpoint>,
        mut then: impl FnMut(Result<(), Trouble>),
    ) -> Vec<Result<(), Trouble>> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        runtime.block_on(async {
            let (sender, mut news) = mpsc::channel(1);
            let service = Service { name: "DATABASE_URL".to_owned(), endpoint };
            tokio::spawn(reach(service, Errands::new(None).ticket().0, sender));
            let mut results = Vec::new();
            while let Some(News::Tried { result, .. }) = news.recv().await {
                results.push(result);
                then(result);
            }
            results
        })
    }

    #[test]
    fn a_service_that_comes_late_is_told_of_twice() {
        let path = tempfile::tempdir().unwrap().path().join("socket");
        let directory = path.parent().unwrap().to_owned();
        let mut listener = None;
        let told = results(Ok(Endpoint::Unix(path.clone())), |result| {
            if result.is_err() {
                std::fs::create_dir(&directory).unwrap();
                listener = Some(std::os::unix::net::UnixListener::bind(&path).unwrap());
            }
        });
        assert_eq!(told, [Err(Trouble::NotFound), Ok(())]);
        std::fs::remove_dir_all(directory).unwrap();
    }

    #[test]
    #[cfg(target_os = "linux")]
    fn a_service_that_swallows_connections_is_told_of_before_it_is_given_up() {
        use std::net::TcpStream;
        use std::time::Duration;

        use nix::sys::socket::{Backlog, listen};

        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        listen(&listener, Backlog::new(0).unwrap()).unwrap();
        let address = listener.local_addr().unwrap();
        // Where no more may wait, the kernel says nothing.
        let connect = || TcpStream::connect_timeout(&address, Duration::from_millis(100)).ok();
        let waiting: Vec<TcpStream> = std::iter::from_fn(connect).collect();
        let endpoint = Endpoint::Tcp { host: "127.0.0.1".to_owned(), port: address.port() };
        let told = results(Ok(endpoint), |result| {
            if result.is_err() {
                waiting.iter().for_each(|_| drop(listener.accept().unwrap()));
            }
        });
        assert_eq!(told, [Err(Trouble::TimedOut), Ok(())]);
    }

    #[test]
    fn a_service_that_is_there_is_told_of_once() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let endpoint = Endpoint::Tcp { host: "localhost".to_owned(), port };
        assert_eq!(results(Ok(endpoint), |_| ()), [Ok(())]);
    }

    #[test]
    fn a_service_that_is_nowhere_is_not_tried() {
        assert_eq!(results(Err(NoEndpoint::Unset), |_| ()), [Err(Trouble::NotFound)]);
    }
}
