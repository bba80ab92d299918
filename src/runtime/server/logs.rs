//! What instances have written, for a client that reads at its own pace.

use std::collections::BTreeSet;

use crate::control::protocol::{self, Answer, Formation};
use crate::control::wire;
use crate::formation::listed;
use crate::quote::excerpt;
use crate::runtime::history::{Follow, Follower, LogLine, Piece};
use crate::runtime::server::SYSTEM;
use crate::runtime::server::connection::{Connection, refused};
use crate::runtime::server::ending::{Finished, ended};

/// Returns the refusal of the first name that stands for nothing. `recorded` are the names of what there is a record of,
/// be it in the formation no more.
pub fn check_names(names: &[String], formation: &Formation, recorded: &[String]) -> Result<(), Answer> {
    let instances = formation.instances.iter().map(|instance| &instance.name);
    let known: BTreeSet<&str> =
        instances.chain(&formation.types).chain(recorded).map(String::as_str).collect();
    match names.iter().find(|name| *name != SYSTEM && !known.contains(name.as_str())) {
        Some(name) => Err(unknown(name, formation)),
        None => Ok(()),
    }
}

/// Returns the refusal of a name that stands for nothing.
fn unknown(name: &str, formation: &Formation) -> Answer {
    let instances = formation.instances.iter().map(|instance| &instance.name);
    let known: Vec<&str> = formation.types.iter().chain(instances).map(String::as_str).collect();
    let hint = format!("known are {}, `{SYSTEM}`", listed(&known));
    refused(format!("unknown process `{}`", excerpt(name)), Some(hint))
}

/// Sends lines until there are no more, and says why there are none.
///
/// The history has to be closed before the server finishes: what is in it then is still sent.
pub async fn serve(connection: Connection, mut follower: Follower, follow: Follow, mut end: Finished) {
    loop {
        tokio::select! {
            biased;
            pieces = follower.next() => match pieces {
                Some(pieces) => {
                    if connection.send_all(pieces.into_iter().map(answer)).await.is_err() {
                        return;
                    }
                }
                None => break,
            },
            () = connection.left() => return,
        }
    }
    let last = match follow {
        Follow::Off => Answer::Done {},
        Follow::On => {
            let status = tokio::select! {
                status = ended(&mut end) => status,
                () = connection.left() => None,
            };
            let Some(status) = status else { return };
            Answer::Finished { status }
        }
    };
    let _ = connection.send(&last).await;
}

fn answer(piece: Piece) -> Answer {
    match piece {
        Piece::Line(line) => Answer::Line(written(line)),
        Piece::Skipped { name, lines } => Answer::Skipped { process: name.to_string(), lines },
    }
}

fn written(line: LogLine) -> protocol::Line {
    let (message, base64) = match String::from_utf8(line.bytes) {
        Ok(text) => (Some(text), None),
        Err(error) => (None, Some(wire::base64(error.as_bytes()))),
    };
    protocol::Line {
        time: format!("{:.6}", line.time),
        process: line.name.to_string(),
        position: line.position,
        pid: line.pid,
        own: line.own,
        partial: line.partial,
        message,
        base64,
    }
}
