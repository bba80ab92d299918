//! What the main loop is asked, and the way back for its answers.

use std::sync::Arc;

use tokio::sync::OwnedSemaphorePermit;
use tokio::sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel};

use crate::control::protocol::{Answer, Request};

/// A request about the formation.
#[derive(Debug)]
pub struct Ask {
    /// What is asked.
    pub request: Request,
    /// Whom to answer.
    pub answers: Answers,
}

/// Where the answers to a request go, the last of which closes the connection.
///
/// As long as one of these is kept the client has its place, be it gone itself. So there are never more requests on
/// their way than clients may be.
#[derive(Clone, Debug)]
pub struct Answers {
    sender: UnboundedSender<Answer>,
    _place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Answers {
    /// Returns a handle that leads to no client but to the receiver.
    pub fn channel() -> (Answers, UnboundedReceiver<Answer>) {
        let (sender, receiver) = unbounded_channel();
        (Answers { sender, _place: None }, receiver)
    }

    /// Returns a handle that keeps a client's place, and what is answered.
    pub(super) fn of(place: Arc<OwnedSemaphorePermit>) -> (Answers, UnboundedReceiver<Answer>) {
        let (sender, receiver) = unbounded_channel();
        (Answers { sender, _place: Some(place) }, receiver)
    }

    /// Sends an answer without waiting. What comes after the last one, or to a client that has gone, is lost.
    pub fn send(&self, answer: Answer) {
        let _ = self.sender.send(answer);
    }

    /// Returns whether the client is still there.
    pub fn is_heard(&self) -> bool {
        !self.sender.is_closed()
    }
}
