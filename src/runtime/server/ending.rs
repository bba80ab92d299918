//! The end of the formation, for all whom it is told.

use tokio::sync::watch;

use crate::control::protocol::{Answer, Formation};
use crate::runtime::server::connection::Connection;

/// How a formation has ended.
#[derive(Clone, Debug, PartialEq)]
pub struct Ending {
    /// What procman exits with.
    pub status: i32,
    /// How every instance is by then.
    pub last: Formation,
}

/// Where the end is told: nothing before it.
pub type Finished = watch::Receiver<Option<Ending>>;

/// Waits for the end, and returns the status that procman ends with if it is known.
pub async fn ended(finished: &mut Finished) -> Option<i32> {
    let ending = finished.wait_for(Option::is_some).await.ok()?;
    ending.as_ref().map(|ending| ending.status)
}

/// Tells a client how everything is when the formation has ended.
pub async fn tell_last(connection: Connection, mut finished: Finished) {
    tokio::select! {
        biased;
        _ = ended(&mut finished) => {}
        () = connection.left() => return,
    }
    let ending = finished.borrow().clone();
    if let Some(Ending { status, last }) = ending {
        let answers = [Answer::Formation(last), Answer::Finished { status }];
        let _ = connection.send_all(answers.into_iter()).await;
    }
}
