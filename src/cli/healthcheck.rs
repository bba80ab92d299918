//! `procman healthcheck`: whether every instance is ready that has to be, for those who watch a container.

use std::io::ErrorKind;
use std::time::Duration;

use crate::cli::args::{self, Common};
use crate::cli::error::Failure;
use crate::cli::{client, print, ready};

/// How long the procman may take for its answer. One whose loop is stuck is not well.
const PATIENCE: Duration = Duration::from_secs(5);

/// Says so, and fails if any is not.
pub fn run(common: Common, healthcheck: &args::Healthcheck) -> Result<i32, Failure> {
    let path = client::path(common, &healthcheck.client)?;
    let formation = client::formation(&path, Some(PATIENCE)).map_err(silence)?;
    if formation.stopping {
        return Err(Failure::NotReady("the formation is being stopped".to_owned()));
    }
    match ready::lacking(&formation) {
        (missing, _) if !missing.is_empty() => {
            Err(Failure::NotReady(format!("not ready: {}", ready::list(&missing))))
        }
        (_, 0) => print("no instance has to be ready\n"),
        (_, 1) => print("1 instance is ready\n"),
        (_, all) => print(&format!("all {all} instances are ready\n")),
    }
}

/// Says of a procman that does not answer just that: the system's words would be of something that is not available.
fn silence(failure: Failure) -> Failure {
    let is_silence = |kind| matches!(kind, ErrorKind::WouldBlock | ErrorKind::TimedOut);
    if matches!(&failure, Failure::Conversation(error) if is_silence(error.kind())) {
        let after = PATIENCE.as_secs();
        return Failure::NotReady(format!(
            "the procman that runs this app has not answered within {after} s"
        ));
    }
    failure
}
