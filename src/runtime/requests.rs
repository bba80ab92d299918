//! Requests of clients: from the words of the protocol to those of the supervisor, and back.
//!
//! What a request means is the supervisor's decision, and whether there is room for what it adds is the plan's and the
//! system's. The connections belong to the [`server`](crate::runtime::server), on a thread of its own.

use std::collections::BTreeMap;
use std::io;
use std::str::FromStr;

use crate::control::protocol::{self, Answer, Wait};
use crate::formation::InstanceId;
use crate::process::Signal;
use crate::quote::escaped_path;
use crate::runtime::Runtime;
use crate::runtime::failed::{Shortage, check_more_open_files};
use crate::runtime::foreground::Reserved;
use crate::runtime::reason;
use crate::runtime::server::{Answers, Ask, Doors, Limits, Server, Services};
use crate::supervisor::{
    Event, Notice, Outcome, Reply, Request, RequestId, Standing, State, Status, StopCause, Why,
};
use crate::sys::link::FromSupervisor;
use crate::sys::socket::Listener;
use crate::sys::stdio::plain;

/// The request that procman begins with, which no client has made.
pub const BEGINNING: RequestId = RequestId(0);

/// The requests that have not been answered to the end.
#[derive(Debug, Default)]
pub struct Requests {
    last: u64,
    open: BTreeMap<RequestId, (Answers, Wait)>,
    /// Why the last instance that was asked for could not be started.
    reason: Option<String>,
    /// The last that was said of services that have not come.
    missing: Option<String>,
}

/// What the protocol's words mean.
enum Meaning {
    /// A question, which changes nothing.
    Ps,
    /// A request to the supervisor.
    Request(Request, Wait),
}

impl Requests {
    fn add(&mut self, answers: Answers, wait: Wait) -> RequestId {
        self.last += 1;
        let id = RequestId(self.last);
        self.open.insert(id, (answers, wait));
        id
    }

    fn reply(&mut self, id: RequestId, reply: Reply) {
        let Some((answers, _)) = self.open.get(&id) else { return };
        let (answer, is_last) = match reply {
            Reply::Outcome(instance, outcome) => {
                let (instance, ok) = (instance.to_string(), outcome.is_success());
                let reason =
                    if matches!(outcome, Outcome::NotStarted { .. }) { self.reason.take() } else { None };
                let text = match (outcome, reason) {
                    (Outcome::NotStarted { .. }, Some(reason)) => format!("could not be started: {reason}"),
                    (outcome, _) => outcome.to_string(),
                };
                let changed = outcome.is_change();
                (Answer::Outcome(protocol::Outcome { instance, ok, changed, text }), false)
            }
            Reply::Done => (Answer::Done {}, true),
            Reply::Refused(refusal) => (Answer::Refused { message: refusal.to_string(), hint: None }, true),
        };
        answers.send(answer);
        if is_last {
            self.open.remove(&id);
        }
    }

    /// Answers a request that has not been refused, if its client waits for no more than that.
    pub fn accepted(&mut self, id: RequestId) {
        if let Some((answers, Wait::Accepted)) = self.open.get(&id) {
            answers.send(Answer::Done {});
            self.open.remove(&id);
        }
    }
}

/// How the start of the formation has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Beginning {
    /// Everything has been spawned.
    Done,
    /// It was stopped before.
    BrokenOff,
}

/// Those who may ask.
#[derive(Debug)]
pub enum Clients {
    /// Not everything has been spawned: nothing else may delay that, and they wait to be accepted.
    Awaited { listener: Option<Listener>, reserved: Option<Reserved>, services: Services },
    /// They are served, and the one who is the first comes when there is something to attach to.
    Served { server: Option<Server>, reserved: Option<Reserved> },
}

impl Clients {
    /// Begins to serve them. Fails if nobody can be served.
    fn admit(&mut self, beginning: Beginning) -> io::Result<()> {
        let Clients::Awaited { listener, reserved, services } =
            std::mem::replace(self, Clients::Served { server: None, reserved: None })
        else {
            return Ok(());
        };
        let mut reserved = match beginning {
            Beginning::Done => reserved,
            // Nobody attaches to what is being stopped.
            Beginning::BrokenOff => None,
        };
        if listener.is_some() || reserved.is_some() {
            let doors = Doors { listener, own: reserved.as_mut().map(Reserved::door) };
            let server = Some(Server::start(doors, services, Limits::default())?);
            *self = Clients::Served { server, reserved };
        }
        Ok(())
    }

    /// Lets nobody in any more, and returns who tells all who are still there how the formation has ended.
    pub fn part(&mut self) -> Option<Server> {
        match std::mem::replace(self, Clients::Served { server: None, reserved: None }) {
            Clients::Served { server, .. } => server,
            Clients::Awaited { .. } => None,
        }
    }
}

impl Runtime<'_> {
    /// Passes a reply of the supervisor on to the client that has asked.
    pub fn reply(&mut self, id: RequestId, reply: Reply) {
        if id != BEGINNING {
            self.requests.reply(id, reply);
        }
    }

    /// Serves clients as soon as everything has been spawned that need not wait for anything, and lets who waits go when
    /// all the rest has been as well. If the start is broken off, the end will tell.
    pub fn see_to_beginning(&mut self) {
        match self.clients {
            Clients::Awaited { .. } if !self.supervisor.is_spawning() => self.serve(),
            Clients::Awaited { .. } | Clients::Served { .. } => {}
        }
        self.see_to_reserved();
        if self.starter.is_some()
            && !self.supervisor.is_stopping()
            && !self.supervisor.is_starting()
            && let Some(starter) = self.starter.take()
        {
            self.tell_guard(FromSupervisor::LeaveStderr);
            self.flush();
            starter.release();
        }
    }

    /// Lets the client begin that has the terminal first, unless its instance is still to be started. One that is not to
    /// be any more is told of it as any client is.
    fn see_to_reserved(&mut self) {
        let Clients::Served { reserved, .. } = &mut self.clients else { return };
        let Some(mut waiting) = reserved.take().filter(|_| !self.supervisor.is_stopping()) else { return };
        if self.supervisor.is_to_come(waiting.instance()) {
            if waiting.stand_back() {
                self.pump.say(format!("{} is attached to when it is started", waiting.instance()));
            }
            *reserved = Some(waiting);
            return;
        }
        let instance = waiting.instance().clone();
        match waiting.begin() {
            Ok(stage) => stage.into_iter().for_each(|stage| self.stage = stage),
            Err(error) => self.pump.say(format!("cannot attach to {instance}: {}", plain(&error))),
        }
    }

    fn serve(&mut self) {
        let is_stopping = self.supervisor.is_stopping();
        let beginning = if is_stopping { Beginning::BrokenOff } else { Beginning::Done };
        match self.clients.admit(beginning) {
            Err(error) if !is_stopping => {
                self.pump.say(format!("nobody can talk to this procman: {}", plain(&error)));
            }
            Ok(()) | Err(_) => {}
        }
    }

    /// Says something, and keeps it if it may be a reason to end.
    pub fn say(&mut self, notice: &Notice) {
        let text = notice.to_string();
        if let Notice::Missing(_) = notice {
            self.requests.missing = Some(text.clone());
        }
        self.pump.say(text);
    }

    /// Returns why the formation has ended, if that is procman's own verdict, or if somebody waits for its start, who sees
    /// nothing of what is said.
    pub fn reason_of_end(&mut self) -> Option<String> {
        let cause = self.supervisor.stop_cause()?;
        match cause {
            StopCause::Ended(_)
            | StopCause::Failed(_, Why::Ended(_) | Why::NotStarted(_))
            | StopCause::NothingLeft
            | StopCause::Signal(_)
            | StopCause::Quit
            | StopCause::NotStarted(_)
            | StopCause::OutputClosed
            | StopCause::GuardLost
                if self.starter.is_none() =>
            {
                None
            }
            StopCause::Missing(_) if self.requests.missing.is_some() => self.requests.missing.take(),
            StopCause::Ended(id) => {
                let ended = self.supervisor.status().into_iter().find(|status| status.id == *id);
                let exit = ended.and_then(|status| status.last_exit);
                exit.map(|exit| format!("{id} {}", reason::of_end(self.plan, id, exit)))
            }
            StopCause::Failed(id, Why::Ended(exit)) => {
                Some(format!("{id} {}", reason::of_end(self.plan, id, *exit)))
            }
            StopCause::GivenUp(id, why) => Some(format!("{id} {why}")),
            StopCause::Missing(_)
            | StopCause::InVain { .. }
            | StopCause::NothingLeft
            | StopCause::Signal(_)
            | StopCause::Quit
            | StopCause::NotStarted(_)
            | StopCause::Failed(..)
            | StopCause::OutputClosed
            | StopCause::GuardLost => Some(cause.to_string()),
        }
    }

    /// Says that an instance could not be started.
    ///
    /// Where the formation goes on, it says why, to the client too that may have asked for it. Else that is what procman
    /// ends with.
    pub fn tell_failure(&mut self, id: &InstanceId) {
        let failure = if self.supervisor.is_stopping() { None } else { self.failure.take() };
        let reason = failure.map(|(_, error)| (self.explain)(&error));
        let why = reason.as_ref().map_or_else(String::new, |reason| format!(": {reason}"));
        self.pump.say(format!("{id} could not be started{why}"));
        self.requests.reason = reason.or_else(|| self.requests.reason.take());
    }

    /// Takes a request, and returns the fact that it is for the supervisor. One that cannot be is answered here.
    pub fn asked(&mut self, Ask { request, answers }: Ask) -> Option<Event> {
        if !answers.is_heard() {
            return None;
        }
        match self.meaning(request) {
            Ok(Meaning::Request(request, wait)) => {
                let by = self.requests.add(answers, wait);
                Some(Event::Asked { by, request })
            }
            Ok(Meaning::Ps) => {
                answers.send(Answer::Formation(self.formation()));
                answers.send(Answer::Done {});
                None
            }
            Err(message) => {
                answers.send(Answer::Refused { message, hint: None });
                None
            }
        }
    }

    fn meaning(&self, request: protocol::Request) -> Result<Meaning, String> {
        let (request, wait) = match request {
            protocol::Request::Ps {} => return Ok(Meaning::Ps),
            protocol::Request::Scale { changes, wait } => {
                (Request::Scale(read(&one_by_one(&changes))?), wait)
            }
            protocol::Request::Restart { names, wait } => (Request::Restart(read(&names)?), wait),
            protocol::Request::Stop { names, wait } => (Request::Stop(read(&names)?), wait),
            protocol::Request::Up { names, wait } => (Request::Up(read(&names)?), wait),
            protocol::Request::Signal { signal, names } => {
                let signal = signal.parse::<Signal>().map_err(|error| error.to_string())?;
                (Request::Signal(signal, read(&names)?), Wait::Outcome)
            }
            protocol::Request::Quit { wait } => (Request::Quit, wait),
            protocol::Request::Last {}
            | protocol::Request::Logs { .. }
            | protocol::Request::Attach { .. } => {
                return Err("that is not for the formation".to_owned());
            }
        };
        self.check_room(&request)?;
        Ok(Meaning::Request(request, wait))
    }

    /// Checks that the instances that a request adds can have their ports and descriptors.
    fn check_room(&self, request: &Request) -> Result<(), String> {
        let added = self.supervisor.additions(request);
        if added.is_empty() {
            return Ok(());
        }
        let there = self.supervisor.status().into_iter().map(|status| status.id);
        let all = there.chain(added.iter().cloned());
        self.plan.check_ports(all).map_err(|error| error.to_string())?;
        check_more_open_files(self.plan, &added).map_err(|Shortage { needed, limit, .. }| {
            format!("that needs {needed} open files, and the limit is {limit}")
        })
    }

    /// Returns how everything is.
    pub fn formation(&self) -> protocol::Formation {
        protocol::Formation {
            pid: self.guard.0,
            root: escaped_path(self.plan.root()),
            stopping: self.supervisor.is_stopping(),
            types: self.plan.types().iter().map(ToString::to_string).collect(),
            instances: self.supervisor.status().iter().map(|status| self.instance(status)).collect(),
        }
    }

    fn instance(&self, status: &Status) -> protocol::Instance {
        let Status { id, state, standing, waits_for, restarts, last_exit } = status;
        let (word, pid, since) = match *state {
            State::Held => (protocol::State::Waiting, None, None),
            State::Starting => (protocol::State::Starting, None, None),
            State::Running { pid, since } => (protocol::State::Running, Some(pid), Some(since)),
            State::Stopping { pid } => (protocol::State::Stopping, Some(pid), None),
            State::BackingOff { .. } => (protocol::State::BackingOff, None, None),
            State::Down => (protocol::State::Down, None, None),
        };
        let returns_in = match *state {
            State::BackingOff { until } => Some(until.saturating_sub(self.began.elapsed()).as_secs_f64()),
            State::Held | State::Starting | State::Running { .. } | State::Stopping { .. } | State::Down => {
                None
            }
        };
        protocol::Instance {
            name: id.to_string(),
            process: id.process.to_string(),
            number: id.number,
            state: word,
            ready: is_ready(state, *standing),
            waits_for: waits_for.clone(),
            returns_in,
            status: self.errands.status_of(id).map(str::to_owned),
            pid: pid.map(|pid| pid.0),
            uptime: since.map(|since| self.began.elapsed().saturating_sub(since).as_secs_f64()),
            restarts: *restarts,
            port: self.plan.port_of(id),
            // The control thread looks for them, where that delays nobody but clients.
            cpu: None,
            memory: None,
            last_exit: last_exit.map(|exit| exit.to_string()),
            terminal: self.terminals.contains(&id.to_string()),
        }
    }
}

/// Returns whether an instance is ready, as far as it has to be.
fn is_ready(state: &State, standing: Standing) -> Option<bool> {
    match (state, standing) {
        (State::Down, Standing::Done) => Some(true),
        (State::Stopping { .. } | State::Down, _) => None,
        (State::Held | State::Starting | State::BackingOff { .. }, _) => Some(false),
        (State::Running { .. }, Standing::Unready) => Some(false),
        (State::Running { .. }, Standing::NotAsked | Standing::Ready | Standing::Done) => Some(true),
    }
}

/// Returns changes as `-m` joins them, one by one.
fn one_by_one(changes: &[String]) -> Vec<String> {
    changes.iter().flat_map(|change| change.split(',')).map(|change| change.trim().to_owned()).collect()
}

fn read<T: FromStr>(words: &[String]) -> Result<Vec<T>, String>
where
    T::Err: ToString,
{
    words.iter().map(|word| word.parse().map_err(|error: T::Err| error.to_string())).collect()
}
