//! Errands: orders that take their time. Each is a task of the loop's one thread, which tells the loop what has come of
//! it.
//!
//! A task may have told something that nobody has heard when it is called off. So each errand has a ticket, and what is
//! told with one that is not valid any more is not heard.

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};

use tokio::sync::mpsc::{self, Receiver, Sender};
use tokio::task::AbortHandle;

use crate::control::notify::Word;
use crate::formation::InstanceId;
use crate::policy::{Policy, Probe, Service, Sign};
use crate::process::{Exit, Pid, Signal};
use crate::runtime::Runtime;
use crate::runtime::probe::{self, Subject};
use crate::runtime::reach::reach;
use crate::runtime::word::listen;
use crate::supervisor::{Event, Purpose, Trouble, Verdict};
use crate::sys::child::Child;
use crate::sys::link::FromSupervisor;
use crate::sys::notify::Notices;
use crate::sys::signals;

/// How much may wait to be heard. Whoever has more to tell waits.
const ROOM: usize = 64;

/// What tells one errand from another.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Ticket(u64);

/// What has come of an errand.
#[derive(Debug)]
pub enum News {
    /// A probe has come to its end.
    Probed { ticket: Ticket, id: InstanceId, verdict: Verdict },
    /// The leader of a probe's command has ended, and whatever it has left has been killed.
    CommandEnded { ticket: Ticket, id: InstanceId, child: Child, exit: Exit },
    /// A backing service has been tried.
    Tried { ticket: Ticket, service: Service, result: Result<(), Trouble> },
    /// An instance says something of itself.
    Said { ticket: Ticket, id: InstanceId, words: Vec<Word> },
}

/// All errands that are under way.
#[derive(Debug)]
pub struct Errands {
    sender: Sender<News>,
    news: Receiver<News>,
    last: u64,
    probes: BTreeMap<InstanceId, Probing>,
    /// The groups of the commands that have not been reaped, be it that nobody waits for them any more.
    commands: Vec<Pid>,
    services: BTreeMap<Service, (Ticket, AbortHandle)>,
    listening: BTreeMap<InstanceId, Listening>,
    /// Where the sockets are that have to be somewhere.
    directory: PathBuf,
}

/// A probe that is under way.
#[derive(Debug)]
struct Probing {
    ticket: Ticket,
    /// The leader of its instance.
    pid: Pid,
    purpose: Purpose,
    way: Way,
}

/// By what is probed.
#[derive(Debug)]
enum Way {
    Connection(AbortHandle),
    /// This group.
    Command(Pid),
}

/// An instance that may say something of itself.
#[derive(Debug)]
struct Listening {
    ticket: Ticket,
    pid: Pid,
    /// What it does, as it says.
    status: String,
    task: AbortHandle,
}

impl Errands {
    /// Returns no errands. Sockets that have to be in a directory are in this one.
    pub fn new(directory: Option<&Path>) -> Self {
        let (sender, news) = mpsc::channel(ROOM);
        let directory = directory.map_or_else(std::env::temp_dir, Path::to_path_buf);
        Errands {
            sender,
            news,
            last: 0,
            probes: BTreeMap::new(),
            commands: Vec::new(),
            services: BTreeMap::new(),
            listening: BTreeMap::new(),
            directory,
        }
    }

    /// Waits for news. May be dropped while it waits.
    pub async fn next(&mut self) -> Option<News> {
        self.news.recv().await
    }

    /// Returns the leaders of commands, which are children of this process and no instances.
    pub fn leaders(&self) -> impl Iterator<Item = Pid> {
        self.commands.iter().copied()
    }

    /// Returns what an instance says that it does, fit to be shown.
    pub fn status_of(&self, id: &InstanceId) -> Option<&str> {
        self.listening.get(id).map(|listening| listening.status.as_str()).filter(|status| !status.is_empty())
    }

    /// Returns a socket for what one instance says of itself.
    pub fn socket(&self) -> std::io::Result<Notices> {
        Notices::listen(&self.directory)
    }

    /// Listens to an instance that has just been started.
    pub fn listen(&mut self, id: &InstanceId, pid: Pid, socket: Notices) {
        let (ticket, sender) = self.ticket();
        let task = tokio::spawn(listen(socket, pid, ticket, id.clone(), sender)).abort_handle();
        self.listening.insert(id.clone(), Listening { ticket, pid, status: String::new(), task });
    }

    /// Tries to reach a service until it is reached.
    pub fn reach(&mut self, service: Service) {
        if self.services.contains_key(&service) {
            return;
        }
        let (ticket, sender) = self.ticket();
        let task = tokio::spawn(reach(service.clone(), ticket, sender)).abort_handle();
        self.services.insert(service, (ticket, task));
    }

    /// Tries no more.
    pub fn let_go(&mut self, service: &Service) {
        if let Some((_, task)) = self.services.remove(service) {
            task.abort();
        }
    }

    /// Gives up everything about an instance that has ended.
    pub fn forget(&mut self, id: &InstanceId) {
        self.stop_probe(id);
        if let Some(listening) = self.listening.remove(id) {
            listening.task.abort();
        }
    }

    /// Kills whatever an errand has started.
    pub fn end(&mut self) {
        self.commands.iter().for_each(|group| kill(*group));
    }

    fn stop_probe(&mut self, id: &InstanceId) -> Option<Probing> {
        let probing = self.probes.remove(id)?;
        match &probing.way {
            Way::Connection(task) => task.abort(),
            // Its task waits for its end.
            Way::Command(group) if self.commands.contains(group) => kill(*group),
            Way::Command(_) => {}
        }
        Some(probing)
    }

    /// Returns a new ticket, and what tells with it.
    pub fn ticket(&mut self) -> (Ticket, Sender<News>) {
        self.last += 1;
        (Ticket(self.last), self.sender.clone())
    }

    /// Takes what came of a probe, if it is the one that is waited for.
    fn probed(&mut self, ticket: Ticket, id: InstanceId, verdict: Verdict) -> Option<Event> {
        self.probes.get(&id).filter(|probing| probing.ticket == ticket)?;
        let Probing { pid, .. } = self.probes.remove(&id)?;
        Some(Event::Probed { id, pid, verdict })
    }

    fn tried(&mut self, ticket: Ticket, service: Service, result: Result<(), Trouble>) -> Option<Event> {
        self.services.get(&service).filter(|(valid, _)| *valid == ticket)?;
        Some(match result {
            Ok(()) => {
                self.services.remove(&service);
                Event::Reached { service }
            }
            Err(trouble) => Event::NotReached { service, trouble },
        })
    }

    fn said(&mut self, ticket: Ticket, id: &InstanceId, words: Vec<Word>) -> Vec<Event> {
        let Some(listening) = self.listening.get_mut(id).filter(|listening| listening.ticket == ticket)
        else {
            return Vec::new();
        };
        let pid = listening.pid;
        let mut events = Vec::new();
        for word in words {
            let id = id.clone();
            match word {
                Word::Ready => events.push(Event::Ready { id, pid }),
                Word::Stopping => events.push(Event::EndsSoon { id, pid }),
                Word::Extend(by) => events.push(Event::Extended { id, pid, by }),
                Word::Status(status) => listening.status = status,
            }
        }
        events
    }
}

impl Runtime<'_> {
    /// Begins a probe of an instance, if that is still the one that was meant.
    pub fn probe(&mut self, id: InstanceId, pid: Pid, purpose: Purpose) {
        if self.instances.get(&id).is_none_or(|live| live.group != pid || live.exit.is_some()) {
            return;
        }
        self.errands.stop_probe(&id);
        let policy = self.plan.policies().get(&id.process);
        let Some((probe, limit)) = policy.and_then(|policy| probe_for(policy, purpose)) else { return };
        let port = self.plan.port_of(&id).unwrap_or_default();
        let (ticket, sender) = self.errands.ticket();
        let subject = match probe {
            Probe::Port => Subject::port(port),
            Probe::Http { target, status } => Subject::http(target, *status, port),
            Probe::Exec(command) => {
                match self.start_command(&id, command) {
                    Ok(child) => {
                        let group = child.pid();
                        self.tell_guard(FromSupervisor::GroupStarted(group));
                        tokio::spawn(probe::by_command(child, limit, ticket, id.clone(), sender));
                        self.errands.commands.push(group);
                        let way = Way::Command(group);
                        self.errands.probes.insert(id, Probing { ticket, pid, purpose, way });
                    }
                    Err(exit) => {
                        let verdict = Verdict::Failed(Trouble::Ended(exit));
                        self.facts.push(Event::Probed { id, pid, verdict });
                    }
                }
                return;
            }
        };
        let task = tokio::spawn(probe::by_connection(subject, limit, ticket, id.clone(), sender));
        let way = Way::Connection(task.abort_handle());
        self.errands.probes.insert(id, Probing { ticket, pid, purpose, way });
    }

    /// Begins all probes anew: while procman was asleep, so was what they wait for.
    pub fn probe_anew(&mut self) {
        let ids: Vec<_> = self.errands.probes.keys().cloned().collect();
        for id in ids {
            if let Some(Probing { pid, purpose, .. }) = self.errands.stop_probe(&id) {
                self.probe(id, pid, purpose);
            }
        }
    }

    /// Returns what news mean.
    pub fn heard_of(&mut self, news: News) -> Vec<Event> {
        match news {
            News::Probed { ticket, id, verdict } => {
                self.errands.probed(ticket, id, verdict).into_iter().collect()
            }
            News::CommandEnded { ticket, id, child, exit } => {
                let group = child.pid();
                self.errands.commands.retain(|other| *other != group);
                child.release();
                self.tell_guard(FromSupervisor::GroupEnded(group));
                let is_well = exit == Exit::Code(0);
                let verdict = if is_well { Verdict::Passed } else { Verdict::Failed(Trouble::Ended(exit)) };
                self.errands.probed(ticket, id, verdict).into_iter().collect()
            }
            News::Tried { ticket, service, result } => {
                self.errands.tried(ticket, service, result).into_iter().collect()
            }
            News::Said { ticket, id, words } => self.errands.said(ticket, &id, words),
        }
    }
}

/// Returns what a purpose is probed by, and how long that may take.
fn probe_for(policy: &Policy, purpose: Purpose) -> Option<(&Probe, std::time::Duration)> {
    match purpose {
        Purpose::Readiness => policy.ready.as_ref().and_then(|ready| match &ready.sign {
            Sign::Probe(probe) => Some((probe, ready.timeout)),
            Sign::Log(_) | Sign::Notify => None,
        }),
        Purpose::Health => policy.health.as_ref().map(|health| (&health.probe, health.timeout)),
    }
}

/// Kills a group. What is left of it cannot say no.
pub fn kill(group: Pid) {
    let _ = signals::signal_group(group, Signal::KILL);
}
