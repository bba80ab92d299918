//! Whether a backing service accepts a connection.

use std::io::{self, ErrorKind};
use std::time::Duration;

use crate::policy::Endpoint;
use crate::supervisor::Trouble;
use crate::sys::connect::{Target, connect_blocking};

/// Tries once to connect, within so long, and returns why that has failed. It blocks.
pub fn try_to_reach(endpoint: &Endpoint, limit: Duration) -> Result<(), Trouble> {
    connect_blocking(target(endpoint), limit).map_err(|error| trouble(&error))
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
fn trouble(error: &io::Error) -> Trouble {
    let known = MEANINGS.iter().find(|(kind, _)| *kind == error.kind());
    known.map_or(Trouble::Unreachable, |(_, trouble)| *trouble)
}

fn target(endpoint: &Endpoint) -> Target<'_> {
    match endpoint {
        Endpoint::Tcp { host, port } => Target::Tcp(host, *port),
        Endpoint::Unix(path) => Target::Unix(path),
    }
}
