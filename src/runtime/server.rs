//! The control thread: it accepts clients, reads what they ask, and passes answers on.
//!
//! The main loop gets an [`Ask`] and answers into a handle that never waits; all that is slow or hostile stays here.
//! Everything about a client is bounded: how many there are, how long each may take to say what it wants, and how long
//! it may leave an answer unread.

mod asks;
mod attach;
mod connection;
mod doors;
mod ending;
mod logs;
mod usage;
mod waiting;

use std::future::pending;
use std::io;
use std::sync::Arc;
use std::thread::{self, JoinHandle};
use std::time::Duration;

use tokio::net::{UnixListener, UnixStream};
use tokio::sync::mpsc::UnboundedSender;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, oneshot, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::control::protocol::{Answer, Call, Follow, Formation, Request, Size};
use crate::runtime::Terminals;
use crate::runtime::history::{self, History};
use crate::runtime::pump::Holder;
use crate::runtime::server::attach::Attached;
use crate::runtime::server::connection::{Connection, refused};
use crate::runtime::server::doors::{own_client, something_went};
use crate::runtime::server::ending::{Finished, ended, tell_last};
use crate::runtime::server::usage::Usages;
use crate::runtime::server::waiting::Waiting;
use crate::sys::files;
use crate::sys::socket::Listener;

pub use crate::runtime::server::asks::{Answers, Ask};
pub use crate::runtime::server::doors::Doors;
pub use crate::runtime::server::ending::Ending;

/// How soon to accept again when the system would not, as when too many files are open.
const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// What procman's own lines are called.
const SYSTEM: &str = "system";

/// What clients may take.
#[derive(Clone, Copy, Debug)]
pub struct Limits {
    /// How many of them there are at once. A newcomer takes the place of the oldest that has not asked anything yet.
    pub connections: usize,
    /// How many of these may stay for as long as they like, for logs, a terminal or the end: the others are soon done, and
    /// somebody must always be able to ask.
    pub staying: usize,
    /// How long one may take to say what it asks, from its connecting on.
    pub request: Duration,
    /// How long one may leave an answer unread before it is given up.
    pub answer: Duration,
    /// How long one that follows may: somebody may have stopped to read.
    pub follower: Duration,
    /// How long all of them may take together, at the end, to be told that it is the end.
    pub farewell: Duration,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            connections: 64,
            staying: 60,
            request: Duration::from_secs(5),
            answer: Duration::from_secs(5),
            follower: Duration::from_secs(600),
            farewell: Duration::from_millis(200),
        }
    }
}

/// Who answers what.
#[derive(Clone, Debug)]
pub struct Services {
    /// Where requests about the formation go.
    pub asks: UnboundedSender<Ask>,
    /// Where logs come from. It is to be closed before [`Server::finish`].
    pub history: History,
    /// What one can attach to.
    pub terminals: Terminals,
    /// What holds an instance's lines back meanwhile.
    pub holder: Holder,
}

/// The control thread. When this is dropped it ends, and the socket is removed.
#[derive(Debug)]
pub struct Server {
    finish: Option<watch::Sender<Option<Ending>>>,
    thread: Option<JoinHandle<()>>,
}

impl Server {
    /// Lets a thread serve all who connect from now on, or have connected already.
    ///
    /// It gets its signal mask from the thread that calls this.
    pub fn start(doors: Doors, services: Services, limits: Limits) -> io::Result<Server> {
        let (begun, begins) = std::sync::mpsc::sync_channel(1);
        let (finish, finished) = watch::channel(None);
        let host = Host {
            services,
            limits,
            places: Arc::new(Semaphore::new(limits.connections)),
            staying: Arc::new(Semaphore::new(limits.staying)),
            waiting: Arc::default(),
            usages: Arc::default(),
            finished,
        };
        // The runtime is built and dropped on that thread: the one that calls this may be within a runtime of its own.
        let thread = thread::Builder::new().name("control".to_owned()).spawn(move || {
            let runtime =
                match tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build() {
                    Ok(runtime) => runtime,
                    Err(error) => return drop(begun.send(Err(error))),
                };
            runtime.block_on(async {
                match doors.open() {
                    Ok(incoming) => {
                        let _ = begun.send(Ok(()));
                        host.serve(incoming, doors).await;
                    }
                    Err(error) => drop(begun.send(Err(error))),
                }
            });
            runtime.shutdown_background();
        })?;
        let server = Server { finish: Some(finish), thread: Some(thread) };
        begins.recv().unwrap_or_else(|_| Err(io::ErrorKind::BrokenPipe.into())).map(|()| server)
    }

    /// Tells every client that still waits how the formation has ended, and ends.
    pub fn finish(mut self, ending: Ending) {
        if let Some(finish) = self.finish.take() {
            let _ = finish.send(Some(ending));
        }
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.finish = None;
        if let Some(thread) = self.thread.take() {
            let _ = thread.join();
        }
    }
}

/// What every connection knows.
#[derive(Clone, Debug)]
struct Host {
    services: Services,
    limits: Limits,
    places: Arc<Semaphore>,
    staying: Arc<Semaphore>,
    /// Those who have not asked anything yet.
    waiting: Arc<Waiting>,
    usages: Arc<Usages>,
    finished: Finished,
}

impl Host {
    async fn serve(self, mut incoming: Option<UnixListener>, doors: Doors) {
        let Doors { mut listener, mut own } = doors;
        let mut clients = JoinSet::new();
        let mut watch = listener.as_ref().and_then(Listener::watch);
        // Of what went before, nobody tells.
        if watch.is_some()
            && let Some(renewed) = self.renewed(listener.as_ref())
        {
            (incoming, listener) = (renewed.incoming().ok(), Some(renewed));
        }
        let mut end = self.finished.clone();
        loop {
            tokio::select! {
                biased;
                _ = ended(&mut end) => break,
                Some(_) = clients.join_next() => {}
                own = own_client(&mut own) => self.admit(own, &mut clients).await,
                accepted = accept(incoming.as_ref()) => match accepted {
                    Ok(stream) => self.admit(stream, &mut clients).await,
                    Err(_) => sleep(ACCEPT_AGAIN).await,
                },
                () = something_went(&mut watch) => {
                    if let Some(renewed) = self.renewed(listener.as_ref()) {
                        (incoming, listener) = (renewed.incoming().ok(), Some(renewed));
                    }
                }
            }
        }
        // Whoever starts procman here next need not wait for those who are told goodbye.
        drop(incoming);
        drop(listener);
        let _ = timeout(self.limits.farewell, async { while clients.join_next().await.is_some() {} }).await;
    }

    /// Returns a socket in place of one that has been removed, and says so: without it nobody would find this procman, and
    /// a second one would be started beside it.
    fn renewed(&self, listener: Option<&Listener>) -> Option<Listener> {
        let listener = listener.filter(|listener| !listener.is_in_place())?;
        match listener.renewed() {
            Ok(renewed) => {
                self.services.holder.say("the socket has been removed, and is there again".to_owned());
                Some(renewed)
            }
            Err(error) => {
                self.services.holder.say(format!("the socket has been removed: {error}"));
                None
            }
        }
    }

    /// Gives a client a place, if it is somebody who may ask and if there is one.
    async fn admit(&self, stream: UnixStream, clients: &mut JoinSet<()>) {
        let may_ask = stream.peer_cred().is_ok_and(|peer| may_ask(peer.uid(), files::own_user()));
        if !may_ask {
            return;
        }
        let places = Arc::clone(&self.places);
        let place = match Arc::clone(&places).try_acquire_owned() {
            Ok(place) => Ok(place),
            // Who has to go does so at once, and does not wait to be read.
            Err(_) if self.waiting.dismiss_oldest() => places.acquire_owned().await.map_err(|_| ()),
            Err(_) => Err(()),
        };
        let connection = Connection::new(stream, self.limits.answer);
        match place {
            Ok(place) => {
                let (number, dismissed) = self.waiting.enter();
                let host = self.clone();
                clients.spawn(async move {
                    host.meet(connection, number, dismissed, Arc::new(place)).await;
                    host.waiting.leave(number);
                });
            }
            Err(()) => connection.part(&too_many(self.limits.connections)),
        }
    }

    /// Hears what a client asks, and sees to it.
    async fn meet(
        &self,
        mut connection: Connection,
        number: u64,
        dismissed: oneshot::Receiver<()>,
        place: Arc<OwnedSemaphorePermit>,
    ) {
        let mut end = self.finished.clone();
        let call = tokio::select! {
            biased;
            status = ended(&mut end) => return status.map_or((), |status| connection.part(&Answer::Finished { status })),
            Ok(()) = dismissed => return connection.part(&too_many(self.limits.connections)),
            call = timeout(self.limits.request, connection.call()) => call,
        };
        match call {
            Ok(Ok(Some(call))) => {
                self.waiting.leave(number);
                self.answer(connection, call, place).await;
            }
            // It has left, or has only looked whether somebody is here.
            Ok(Ok(None)) => {}
            Ok(Err(error)) => connection.part(&refused(error.to_string(), error.hint())),
            Err(_) => {
                let limit = self.limits.request.as_secs_f64();
                connection.part(&refused(format!("no whole request has come within {limit} s"), None));
            }
        }
    }

    async fn answer(&self, connection: Connection, call: Call, place: Arc<OwnedSemaphorePermit>) {
        // Nobody waits any more for what was asked while procman stood still.
        if connection.is_gone() {
            return;
        }
        let stays = matches!(call.request, Request::Last {} | Request::Logs { .. } | Request::Attach { .. });
        let staying = if stays { Some(self.staying.try_acquire()) } else { None };
        if let Some(Err(_)) = staying {
            return connection.part(&too_many(self.limits.staying));
        }
        match call.request {
            Request::Logs { names, lines, follow } => {
                self.log(connection, names, lines, follow, place).await;
            }
            Request::Attach { name, size } => self.attach(connection, &name, size, place).await,
            Request::Last {} => tell_last(connection, self.finished.clone()).await,
            request @ (Request::Ps {}
            | Request::Scale { .. }
            | Request::Restart { .. }
            | Request::Stop { .. }
            | Request::Up { .. }
            | Request::Signal { .. }
            | Request::Quit { .. }) => self.relay(connection, request, place).await,
        }
    }

    async fn log(
        &self,
        mut connection: Connection,
        names: Vec<String>,
        lines: Option<u64>,
        follow: Follow,
        place: Arc<OwnedSemaphorePermit>,
    ) {
        if !names.is_empty() {
            let Some(formation) = self.formation(&connection, &place).await else { return };
            if let Err(refusal) = logs::check_names(&names, &formation, &self.services.history.names()) {
                return connection.part(&refusal);
            }
        }
        let names = (!names.is_empty()).then_some(names);
        let follow = match follow {
            Follow::On => history::Follow::On,
            Follow::Off => history::Follow::Off,
        };
        if follow == history::Follow::On {
            connection.wait_for(self.limits.follower);
        }
        let follower = self.services.history.follow(names, lines, follow);
        logs::serve(connection, follower, follow, self.finished.clone()).await;
    }

    async fn attach(
        &self,
        mut connection: Connection,
        name: &str,
        size: Size,
        place: Arc<OwnedSemaphorePermit>,
    ) {
        let Some(formation) = self.formation(&connection, &place).await else { return };
        let Services { history, terminals, holder, .. } = &self.services;
        let attached = match attach::find(name, &formation) {
            Ok(instance) => Attached::new(instance, size, history, terminals, holder).await,
            Err(refusal) => Err(refusal),
        };
        match attached {
            Ok(attached) => {
                connection.wait_for(self.limits.follower);
                attached.serve(connection, self.finished.clone()).await;
            }
            Err(refusal) => connection.part(&refusal),
        }
    }

    /// Asks the main loop what there is; it tells the client if that has ended.
    async fn formation(
        &self,
        connection: &Connection,
        place: &Arc<OwnedSemaphorePermit>,
    ) -> Option<Formation> {
        let (answers_to, mut answers) = Answers::of(Arc::clone(place));
        let _ = self.services.asks.send(Ask { request: Request::Ps {}, answers: answers_to });
        let mut end = self.finished.clone();
        loop {
            tokio::select! {
                biased;
                Some(answer) = answers.recv() => {
                    if let Answer::Formation(formation) = answer {
                        return Some(formation);
                    }
                }
                status = ended(&mut end) => {
                    if let Some(status) = status {
                        let _ = connection.send(&Answer::Finished { status }).await;
                    }
                    return None;
                }
                () = connection.left() => return None,
            }
        }
    }

    /// Lets the main loop answer.
    async fn relay(&self, connection: Connection, request: Request, place: Arc<OwnedSemaphorePermit>) {
        let (handle, mut answers) = Answers::of(place);
        let ask = Ask { request, answers: handle };
        let mut end = self.finished.clone();
        let mut answered = self.services.asks.send(ask).is_ok();
        let status = loop {
            tokio::select! {
                biased;
                answer = answers.recv(), if answered => match answer {
                    Some(mut answer) => {
                        let is_last = is_last(&answer);
                        if let Answer::Formation(formation) = &mut answer {
                            self.usages.fill(formation);
                        }
                        if connection.send(&answer).await.is_err() || is_last {
                            return;
                        }
                    }
                    // The loop has ended, and how will be known in a moment.
                    None => answered = false,
                },
                status = ended(&mut end) => break status,
                () = connection.left() => return,
            }
        };
        // The answers that were given before the end are told before it.
        let finished = status.map(|status| Answer::Finished { status });
        let rest = std::iter::from_fn(|| answers.try_recv().ok()).chain(finished);
        for answer in rest {
            if connection.send(&answer).await.is_err() || is_last(&answer) {
                return;
            }
        }
    }
}

/// Waits for somebody to connect.
async fn accept(incoming: Option<&UnixListener>) -> io::Result<UnixStream> {
    match incoming {
        Some(incoming) => Ok(incoming.accept().await?.0),
        None => pending().await,
    }
}

/// Returns whether a user's requests are heeded: they are as powerful as the account that procman runs under.
fn may_ask(user: u32, own: u32) -> bool {
    user == own || user == 0
}

fn is_last(answer: &Answer) -> bool {
    matches!(answer, Answer::Done {} | Answer::Refused { .. } | Answer::Finished { .. })
}

fn too_many(connections: usize) -> Answer {
    refused(format!("more than {connections} clients at once"), Some("try again in a moment".to_owned()))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests;
