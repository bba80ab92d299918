//! The clients that have not asked anything yet, oldest first.

use std::collections::BTreeMap;
use std::sync::{Mutex, PoisonError};

use tokio::sync::oneshot;

/// Those clients, each with the way to tell it that it has to make room.
#[derive(Debug, Default)]
pub struct Waiting(Mutex<Queue>);

#[derive(Debug, Default)]
struct Queue {
    next: u64,
    clients: BTreeMap<u64, oneshot::Sender<()>>,
}

impl Waiting {
    /// Adds a client, and returns its number and what tells it to go. Nothing is told to one that has left.
    pub fn enter(&self) -> (u64, oneshot::Receiver<()>) {
        self.with(|queue| {
            let (dismiss, dismissed) = oneshot::channel();
            let number = queue.next;
            queue.next += 1;
            queue.clients.insert(number, dismiss);
            (number, dismissed)
        })
    }

    /// Removes a client, which has asked or has gone.
    pub fn leave(&self, number: u64) {
        self.with(|queue| queue.clients.remove(&number));
    }

    /// Tells the oldest to go, and returns whether there was one.
    pub fn dismiss_oldest(&self) -> bool {
        self.with(|queue| queue.clients.pop_first().is_some_and(|(_, dismiss)| dismiss.send(()).is_ok()))
    }

    fn with<T>(&self, what: impl FnOnce(&mut Queue) -> T) -> T {
        what(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
