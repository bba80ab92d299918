//! The runtime: one loop in which facts come in and orders go out.
//!
//! Here the deciding (`supervisor`, `output`) and the doing (`sys`) meet. The loop waits for signals, for the guard, for
//! ends of instances, for the pump, for the supervisor's deadline, for what has come of probes and of attempts to reach a
//! service, and for clients; it hands every fact to the supervisor and carries out what that orders. It decides nothing
//! itself.

mod children;
mod errands;
mod escapees;
mod facts;
mod failed;
mod foreground;
mod groups;
pub mod history;
mod http;
mod instances;
mod order;
mod probe;
pub mod pump;
mod reach;
mod reason;
mod requests;
pub mod server;
mod sink;
mod terminals;
mod watchdog;
mod word;

use std::collections::BTreeMap;
use std::future::ready;
use std::io;
use std::time::{Duration, Instant};

use jiff::Timestamp;
use tokio::sync::mpsc::{self, UnboundedReceiver, UnboundedSender};
use tokio::task::yield_now;
use tokio::time::sleep_until;

use crate::formation::InstanceId;
use crate::output::{Source, Style};
use crate::plan::Plan;
use crate::process::Pid;
use crate::procfile::ProcessType;
use crate::runtime::children::End;
use crate::runtime::errands::Errands;
use crate::runtime::escapees::Escapees;
use crate::runtime::facts::hear;
use crate::runtime::foreground::{Drain, Stage};
use crate::runtime::groups::Groups;
use crate::runtime::history::History;
use crate::runtime::instances::Live;
use crate::runtime::pump::{Note, Pump};
use crate::runtime::requests::{BEGINNING, Clients, Requests};
use crate::runtime::server::{Ask, Ending, Services};
use crate::runtime::terminals::Prefix;
use crate::runtime::watchdog::Watchdog;
use crate::supervisor::{Action, Event, Request, Settings, Supervisor, Time};
use crate::sys::child::{self, SpawnError};
use crate::sys::cleanup::Cleanup;
use crate::sys::daemon::Starter;
use crate::sys::link::{FromSupervisor, Link, Peer};
use crate::sys::logfile::LogFile;
use crate::sys::memory::OutOfMemory;
use crate::sys::ready::Ready;
use crate::sys::signals::Signals;
use crate::sys::socket::Listener;
use crate::sys::startup::Inherited;
use crate::sys::{census, signals};

pub use crate::runtime::failed::{Failed, Shortage};
pub use crate::runtime::foreground::Foreground;
pub use crate::runtime::order::with_order;
pub use crate::runtime::reach::try_to_reach;
pub use crate::runtime::terminals::{AttachError, Attachment, Terminals, Wanted};

/// How soon to try again to tell the guard something when it has been told faster than it listens.
const FLUSH_AGAIN: Duration = Duration::from_millis(10);

/// How many messages to the guard are sent together, while one spawn follows the other. Where there is no `/proc`, a
/// supervisor that is killed right then leaves groups that the guard does not know; so it is not all of them.
const TOGETHER: usize = 32;

/// Everything that a formation needs to be run.
#[derive(Debug)]
pub struct Job<'a> {
    /// What the instances are.
    pub plan: &'a Plan,
    /// How they are supervised.
    pub settings: Settings,
    /// How their output looks.
    pub style: Style,
    /// What the instances of each type are to write to.
    pub wanted: Vec<(ProcessType, Wanted)>,
    /// What standard output is, if procman has opened it.
    pub log_file: Option<LogFile>,
    /// Who waits for it to run in the background.
    pub starter: Option<Starter>,
    /// The words for why an instance could not be started.
    pub explain: fn(&SpawnError) -> String,
    /// Where it takes requests.
    pub listener: Option<Listener>,
    /// Who has the terminal first, before lines are shown there.
    pub foreground: Option<Foreground>,
    /// Where what the instances write is recorded.
    pub history: History,
    /// Lines of procman's own to show first.
    pub notices: Vec<String>,
    /// What procman was started with.
    pub inherited: Inherited,
    /// How often the guard is to hear that the loop goes round, if it wants to.
    pub feeding: Option<Duration>,
    /// The guard.
    pub guard: Pid,
    /// The line to it.
    pub link: Link,
}

/// How a formation has ended.
#[derive(Debug)]
pub struct Outcome {
    /// The exit status.
    pub status: i32,
    /// The instance that could not be started, and why.
    pub failure: Option<(InstanceId, SpawnError)>,
    /// Why it has ended, where the exit status does not say it for an instance.
    pub reason: Option<String>,
    /// Bytes of output that were dropped because nobody took them.
    pub dropped: usize,
    /// Whether the guard is still there to end what has escaped.
    pub guard: Peer,
    /// Until when that may take.
    pub deadline: Instant,
    /// The signals that may still come.
    pub signals: Signals,
}

/// Runs a formation until it has ended.
pub fn run(job: Job<'_>) -> Result<Outcome, Failed> {
    failed::check_open_files(job.plan)?;
    child::make_room(job.plan.formation().instances().count());
    let runtime = tokio::runtime::Builder::new_current_thread().enable_io().enable_time().build()?;
    let outcome = runtime.block_on(async { Runtime::new(job)?.run().await });
    // Tasks that wait for ends have nothing to finish.
    runtime.shutdown_background();
    Ok(outcome?)
}

struct Runtime<'a> {
    plan: &'a Plan,
    began: Instant,
    supervisor: Supervisor,
    /// Every instance that has been spawned and of which something may be alive.
    instances: BTreeMap<InstanceId, Live>,
    groups: Groups,
    wanted: Vec<(ProcessType, Wanted)>,
    has_lacked_terminal: bool,
    terminals: Terminals,
    prefix: Prefix,
    /// Watched from the first spawn on, which does not wait for it.
    memory: Option<OutOfMemory>,
    pump: Pump,
    stage: Stage,
    notes: UnboundedReceiver<Note>,
    signals: Ready<Signals>,
    guard: Pid,
    /// `None` once the guard is gone.
    link: Option<Ready<Link>>,
    ends: UnboundedReceiver<End>,
    end_sender: UnboundedSender<End>,
    /// Ends that have not been seen to.
    ended: Vec<End>,
    errands: Errands,
    /// When to see to the children, once one has changed its state.
    children_at: Option<Instant>,
    /// Facts that came of carrying orders out. They are told after a look at what has come in, so that a
    /// signal is heard between two spawns.
    facts: Vec<Event>,
    next_stream: usize,
    open_files: u64,
    failure: Option<(InstanceId, SpawnError)>,
    explain: fn(&SpawnError) -> String,
    requests: Requests,
    asks: UnboundedReceiver<Ask>,
    clients: Clients,
    /// Who is told when everything has been spawned.
    starter: Option<Starter>,
    escapees: Escapees,
    /// The deadline that the guard knows.
    told: Option<Time>,
    watchdog: Option<Watchdog>,
    /// When what is handled happens. That this process stood still before then is known.
    now: Instant,
}

impl<'a> Runtime<'a> {
    fn new(job: Job<'a>) -> io::Result<Self> {
        let own = census::own_pid();
        let system = Source { name: "system".to_owned(), pid: own.0, position: None };
        let prefix = Prefix::new(&job.style, Timestamp::now());
        let (mut pump, notes) = Pump::start(job.style, system, job.history.clone(), job.log_file)?;
        job.notices.into_iter().for_each(|notice| pump.say(notice));
        let (stage, reserved) = Stage::new(job.foreground, pump.holder());
        let errands = Errands::new(job.listener.as_ref().and_then(|listener| listener.path().parent()));
        let (end_sender, ends) = mpsc::unbounded_channel();
        let (asker, asks) = mpsc::unbounded_channel();
        let terminals = Terminals::new(prefix.size_beside());
        let services = Services {
            asks: asker,
            history: job.history,
            terminals: terminals.clone(),
            holder: pump.holder(),
        };
        Ok(Runtime {
            plan: job.plan,
            began: Instant::now(),
            supervisor: Supervisor::new(job.settings, job.plan.types()),
            instances: BTreeMap::new(),
            groups: Groups::new(),
            wanted: job.wanted,
            has_lacked_terminal: false,
            terminals,
            prefix,
            memory: None,
            pump,
            stage,
            notes,
            signals: Ready::new(Signals::listen(job.inherited.hangup)?)?,
            guard: job.guard,
            link: Some(Ready::new(job.link)?),
            ends,
            end_sender,
            ended: Vec::new(),
            errands,
            children_at: None,
            facts: vec![Event::Asked {
                by: BEGINNING,
                request: Request::Start(job.plan.formation().instances().collect()),
            }],
            next_stream: 0,
            open_files: job.inherited.open_files,
            failure: None,
            explain: job.explain,
            requests: Requests::default(),
            asks,
            starter: job.starter,
            clients: Clients::Awaited { listener: job.listener, reserved, services },
            escapees: Escapees::None,
            told: None,
            watchdog: job.feeding.map(Watchdog::new),
            now: Instant::now(),
        })
    }

    async fn run(mut self) -> io::Result<Outcome> {
        loop {
            let events = self.next().await?;
            // What has been done is told before what came in meanwhile: a signal is for those that run.
            let facts = std::mem::take(&mut self.facts);
            for event in facts.into_iter().chain(events) {
                if let Some(status) = self.handle(event) {
                    return Ok(self.outcome(status));
                }
            }
        }
    }

    fn outcome(mut self, status: i32) -> Outcome {
        self.errands.end();
        self.flush();
        if let Some(server) = self.clients.part() {
            server.finish(Ending { status, last: self.formation() });
        }
        let reason = self.reason_of_end();
        Outcome {
            status,
            reason,
            failure: self.failure,
            dropped: self.pump.missing(),
            guard: if self.link.is_some() { Peer::Present } else { Peer::Gone },
            deadline: self.told.map_or_else(Instant::now, |at| self.began + at),
            signals: self.signals.into_inner(),
        }
    }

    /// Waits until something has happened, and returns it as facts.
    async fn next(&mut self) -> io::Result<Vec<Event>> {
        // Lets what has come in from outside be seen, and those who wait for ends go on, whatever else comes.
        yield_now().await;
        while let Ok(end) = self.ends.try_recv() {
            self.ended.push(end);
            self.see_to_children_soon();
        }
        let children_are_due = self.children_at.is_some_and(|at| at <= Instant::now());
        // Facts are told before anything is waited for, and to find the deadline every instance is looked at.
        let supervisor = if self.facts.is_empty() { self.supervisor.next_deadline() } else { None };
        let supervisor = supervisor.map(|at| self.began + at);
        let feed_at = self.feed();
        let unsent = self.link.as_mut().map_or(0, |link| link.get_mut().unsent());
        let may_gather = !self.facts.is_empty() && unsent < TOGETHER;
        let flush_again = if may_gather { None } else { self.flush() };
        let deadlines = [
            supervisor,
            self.children_at,
            self.groups.look_at(),
            flush_again,
            self.stage.drain_by(),
            feed_at,
        ];
        let deadline = deadlines.into_iter().flatten().min();
        let mut time_is_up = false;
        let (received, news) = tokio::select! {
            biased;
            received = self.signals.read_some(|signals| (signals.pending(), signals.left())) => {
                (received?, Vec::new())
            }
            heard = hear(&mut self.link) => {
                let (received, peer) = heard?;
                (Vec::new(), self.heard(received, peer))
            }
            () = ready(()), if children_are_due || !self.facts.is_empty() => <_>::default(),
            _ = self.ends.recv_many(&mut self.ended, usize::MAX) => {
                self.see_to_children_soon();
                <_>::default()
            }
            drain = self.stage.left() => {
                if drain != Drain::No {
                    self.pump.drain();
                }
                <_>::default()
            }
            Some(note) = self.notes.recv() => (Vec::new(), self.noted(note)),
            () = sleep_until(deadline.unwrap_or(self.began).into()), if deadline.is_some() => {
                time_is_up = true;
                <_>::default()
            }
            // No deadline waits for what instances say of themselves.
            Some(news) = self.errands.next() => (Vec::new(), self.heard_of(news)),
            // Last, for clients may ask faster than they are answered.
            Some(ask) = self.asks.recv() => (Vec::new(), self.asked(ask).into_iter().collect()),
        };
        let mut events = self.received(received);
        events.extend(news);
        // However many signals come, and facts below.
        if children_are_due || (time_is_up && self.children_at.is_some()) {
            events.extend(self.see_to_children());
        }
        if time_is_up {
            events.extend(self.emptied());
            if self.stage.drain_by().is_some_and(|by| by <= Instant::now()) {
                self.stage = Stage::Free;
                self.pump.drain();
            }
            events.push(Event::TimePassed);
        }
        Ok(events)
    }

    /// Returns the time for the supervisor.
    fn time(&self) -> Time {
        self.now.saturating_duration_since(self.began)
    }

    /// Hands a fact to the supervisor and does what it orders. Returns the status if that was to finish.
    fn handle(&mut self, event: Event) -> Option<i32> {
        let by = if let Event::Asked { by, .. } = event { Some(by) } else { None };
        let failed = if let Event::SpawnFailed { id, .. } = &event { Some(id.clone()) } else { None };
        let actions = self.supervisor.handle(self.time(), event);
        failed.into_iter().for_each(|id| self.tell_failure(&id));
        let mut status = None;
        for action in actions {
            match action {
                Action::Spawn(id) => self.spawn(id),
                Action::Signal(id, signal) => self.signal(&id, signal),
                Action::Say(notice) => self.say(&notice),
                Action::Probe { id, pid, purpose } => self.probe(id, pid, purpose),
                Action::Reach(service) => self.errands.reach(service),
                Action::LetGo(service) => self.errands.let_go(&service),
                Action::Announce(announcement) => self.announce(announcement),
                Action::Reply(id, reply) => self.reply(id, reply),
                // Nothing that has come in the meantime may be told before that procman was asleep.
                Action::Suspend => {
                    self.flush();
                    let resumed = self.suspend();
                    status = self.handle(resumed);
                }
                Action::TerminateEscapees if self.link.is_none() => {
                    Cleanup::new(census::own_pid()).terminate_escapees(census::own_pid());
                }
                Action::TerminateEscapees => self.tell_guard(FromSupervisor::TerminateEscapees),
                Action::Drain if self.stage.may_drain() => self.pump.drain(),
                // The terminal is still somebody's.
                Action::Drain => {}
                Action::Finish(code) => status = Some(code),
            }
        }
        by.into_iter().for_each(|id| self.requests.accepted(id));
        self.see_to_beginning();
        let deadline = self.supervisor.stop_deadline();
        if let Some(at) = deadline
            && self.told != deadline
        {
            self.told = deadline;
            let within = at.saturating_sub(self.time()).as_millis();
            self.tell_guard(FromSupervisor::StopWithin(u32::try_from(within).unwrap_or(u32::MAX)));
        }
        status
    }

    /// Stands still until somebody continues procman.
    fn suspend(&mut self) -> Event {
        signals::stop_self();
        let since = std::mem::replace(&mut self.now, Instant::now());
        Event::Resumed { asleep: self.now - since }
    }

    /// Lets the pump and the guard know what they have been told, and returns when to try again if the guard cannot take
    /// that.
    pub fn flush(&mut self) -> Option<Instant> {
        self.pump.announce();
        let link = self.link.as_mut()?.get_mut();
        link.flush();
        link.has_unsent().then(|| Instant::now() + FLUSH_AGAIN)
    }

    pub fn tell_guard(&mut self, message: FromSupervisor) {
        if let Some(link) = &mut self.link {
            link.get_mut().tell_guard(message);
        }
    }
}
