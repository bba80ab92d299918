//! The ledger's book about policies: how each instance does, what has to be there for it, and what its end means.
//!
//! It reads policies by itself and keeps what follows from them in its own, plainer way.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use crate::formation::InstanceId;
use crate::policy::{Kind, Need, OnExit, Policy, Restart, Service, Sign};
use crate::process::{Exit, Pid};
use crate::procfile::ProcessType;
use crate::supervisor::tests::ledger::{Body, Ledger, Sent, ensure};
use crate::supervisor::tests::wishes::Want;
use crate::supervisor::{
    Action, Announcement, Audience, Notice, Purpose, Settings, Standing, Status, Supervisor, Time, Verdict,
    Who,
};

/// The pauses after each end of a row, in seconds; after one more there is none.
const PAUSES: [u64; 9] = [1, 2, 4, 8, 16, 30, 30, 30, 30];

/// A run as long as this ends a row.
const STEADY: Duration = Duration::from_secs(10);

/// What is known of how instances do.
#[derive(Clone, Debug)]
pub struct Courses {
    pub settings: Settings,
    runs: BTreeMap<InstanceId, Run>,
    /// How many ends in a row each has had.
    rows: BTreeMap<InstanceId, u32>,
    /// What follows for those that go, or whose group does, without having been asked to.
    pub sentences: BTreeMap<InstanceId, Fate>,
    done: BTreeSet<InstanceId>,
    /// Those that have ended by themselves and do not come back.
    ended: BTreeSet<InstanceId>,
    /// Those that were given up in this step for lack of a service.
    pub lacking: BTreeSet<InstanceId>,
    /// The first failure of those that the others survived.
    failure: i32,
    /// What the last start in this step that was asked for in vain has come to.
    pub in_vain: i32,
    /// The services that are being tried, and since when.
    reaches: BTreeMap<Service, Time>,
    /// Those of them that are known not to be there.
    troubles: BTreeSet<Service>,
    /// What has not been reached since each that waits has begun to.
    unreached: BTreeMap<InstanceId, BTreeSet<Service>>,
    /// When those are asked to end at the latest that others need.
    turns: BTreeMap<ProcessType, Time>,
    /// When the formation's end began.
    stopped_at: Option<Time>,
    /// What this step has brought to its end by itself.
    ends: u32,
    begun: u32,
    progress: Option<(usize, usize)>,
    announced: u32,
}

/// What is to become of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fate {
    Done,
    Again,
    Stays,
    EndsAll,
}

/// How it has come to that.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum End {
    Exited(Exit),
    NotStarted(Exit),
    Late,
    Unwell,
}

/// One life of an instance.
#[derive(Clone, Debug)]
struct Run {
    since: Time,
    state: Shape,
    next_probe: Option<Time>,
    probing: Option<Purpose>,
    failures: u32,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shape {
    Unready {
        due: Time,
    },
    Ready,
    /// It works, or is ending.
    Busy,
}

impl Run {
    fn be_ready(&mut self, now: Time, policy: &Policy) {
        self.state = Shape::Ready;
        self.next_probe = policy.health.as_ref().map(|health| now + health.interval);
    }
}

impl Courses {
    pub fn new(settings: Settings) -> Self {
        Courses {
            settings,
            runs: BTreeMap::new(),
            rows: BTreeMap::new(),
            sentences: BTreeMap::new(),
            done: BTreeSet::new(),
            ended: BTreeSet::new(),
            lacking: BTreeSet::new(),
            failure: 0,
            in_vain: 0,
            reaches: BTreeMap::new(),
            troubles: BTreeSet::new(),
            unreached: BTreeMap::new(),
            turns: BTreeMap::new(),
            stopped_at: None,
            ends: 0,
            begun: 0,
            progress: None,
            announced: 0,
        }
    }

    pub fn policy(&self, process: &ProcessType) -> Policy {
        let usual = || Policy::new(self.settings.grace);
        self.settings.policies.get(process).cloned().unwrap_or_else(usual)
    }

    /// A request has named an instance that was like this.
    pub fn asked(&mut self, id: &InstanceId, want: Want, body: Option<Body>) {
        match (want, body) {
            (Want::Told, _) => {}
            (Want::Down | Want::Away, _) => {
                self.sentences.remove(id);
            }
            (Want::Start | Want::Up | Want::Anew, None | Some(Body::Gone | Body::Pausing(_))) => {
                self.rows.remove(id);
                self.done.remove(id);
                self.ended.remove(id);
            }
            (Want::Start | Want::Up, Some(Body::Leader(_, Sent::Nothing))) => {}
            (Want::Start | Want::Up | Want::Anew, Some(Body::Leader(..) | Body::Leftovers(..))) => {
                self.rows.remove(id);
                self.sentences.remove(id);
            }
            (
                Want::Anew,
                Some(Body::Waiting | Body::Ordered | Body::LostLeader(_) | Body::LostLeftovers(_)),
            ) => {
                self.rows.remove(id);
            }
            (
                Want::Start | Want::Up,
                Some(Body::Waiting | Body::Ordered | Body::LostLeader(_) | Body::LostLeftovers(_)),
            ) => {}
        }
    }

    pub fn start_asked(&mut self) {
        self.begun = 1;
    }

    pub fn spawned(&mut self, now: Time, id: &InstanceId) {
        let policy = self.policy(&id.process);
        let mut run = Run { since: now, state: Shape::Busy, next_probe: None, probing: None, failures: 0 };
        match (&policy.ready, policy.kind) {
            (Some(ready), _) => {
                run.state = Shape::Unready { due: now + ready.deadline };
                run.next_probe = matches!(ready.sign, Sign::Probe(_)).then_some(now);
            }
            (None, Kind::OneShot) => {}
            (None, Kind::LongLived) => run.be_ready(now, &policy),
        }
        self.runs.insert(id.clone(), run);
    }

    /// Returns how long the last run of an instance has been.
    pub fn ran(&self, now: Time, id: &InstanceId) -> Duration {
        self.runs.get(id).map_or(Duration::ZERO, |run| now - run.since)
    }

    /// Judges an instance that has ended without having been asked to, or has to.
    pub fn judge(&mut self, id: &InstanceId, end: End, ran: Duration) -> Fate {
        let policy = self.policy(&id.process);
        let success = End::Exited(Exit::Code(0));
        if policy.kind == Kind::OneShot && end == success {
            return Fate::Done;
        }
        let comes_back = match policy.restart {
            Restart::Never => end == End::Unwell,
            Restart::OnFailure => end != success,
            Restart::Always => true,
        };
        if comes_back {
            let row = self.rows.entry(id.clone()).or_default();
            if ran >= STEADY && end != End::Late {
                *row = 0;
            }
            *row += 1;
            if *row < policy.budget {
                return Fate::Again;
            }
        }
        if policy.on_exit == OnExit::StopAll {
            return Fate::EndsAll;
        }
        let status = match end {
            End::Exited(exit) | End::NotStarted(exit) => exit.status(),
            End::Late | End::Unwell => 1,
        };
        if self.failure == 0 {
            self.failure = status;
        }
        Fate::Stays
    }

    pub fn postpone(&mut self, by: Duration) {
        for run in self.runs.values_mut() {
            run.since += by;
            run.next_probe = run.next_probe.map(|at| at + by);
            if let Shape::Unready { due } = &mut run.state {
                *due += by;
            }
        }
        self.reaches.values_mut().for_each(|since| *since += by);
        self.turns.values_mut().for_each(|turn| *turn += by);
    }

    fn needs(&self, process: &ProcessType) -> Vec<ProcessType> {
        let needs = self.policy(process).needs.into_iter();
        needs
            .filter_map(|need| match need {
                Need::Process(process) => Some(process),
                Need::Service(_) => None,
            })
            .collect()
    }

    fn services(&self, process: &ProcessType) -> BTreeSet<Service> {
        let needs = self.policy(process).needs.into_iter();
        needs
            .filter_map(|need| match need {
                Need::Service(service) => Some(service),
                Need::Process(_) => None,
            })
            .collect()
    }

    /// Returns whether the first of two types needs the second, directly or by way of others.
    fn depends(&self, process: &ProcessType, on: &ProcessType) -> bool {
        self.needs(process).iter().any(|need| need == on || self.depends(need, on))
    }

    fn depth(&self, process: &ProcessType, alive: &BTreeSet<ProcessType>) -> u32 {
        let dependents = alive.iter().filter(|dependent| self.depends(dependent, process));
        dependents.map(|dependent| self.depth(dependent, alive) + 1).max().unwrap_or(0)
    }

    pub fn known_service(&self, service: &Service) -> bool {
        self.reaches.contains_key(service)
    }

    pub fn knows_trouble(&self, service: &Service) -> bool {
        self.troubles.contains(service)
    }

    pub fn not_reached(&mut self, service: &Service) {
        self.troubles.insert(service.clone());
    }

    pub fn reached(&mut self, service: &Service) {
        self.let_go(service);
        self.unreached.values_mut().for_each(|services| {
            services.remove(service);
        });
    }

    fn let_go(&mut self, service: &Service) -> bool {
        self.troubles.remove(service);
        self.reaches.remove(service).is_some()
    }

    pub fn reach(&mut self, now: Time, service: &Service) -> Result<(), String> {
        let before = self.reaches.insert(service.clone(), now);
        ensure(before.is_none(), "a service is tried by one at a time")
    }

    pub fn leave(&mut self, service: &Service) -> Result<(), String> {
        ensure(self.let_go(service), "only what is tried is let go")
    }
}

impl Ledger {
    /// Returns whether the running leader has a probe that has not come to its end.
    pub fn is_probed(&self, id: &InstanceId, pid: Pid) -> bool {
        let probing = self.courses.runs.get(id).and_then(|run| run.probing);
        self.runs_as(id, pid) && probing.is_some()
    }

    /// Returns whether the leader's sign of being ready would be one.
    pub fn awaits_sign(&self, id: &InstanceId, pid: Pid) -> bool {
        let ready = self.courses.policy(&id.process).ready;
        let is_awaited = ready.is_some_and(|ready| !matches!(ready.sign, Sign::Probe(_)));
        let run = self.courses.runs.get(id);
        let is_unready = run.is_some_and(|run| matches!(run.state, Shape::Unready { .. }));
        self.runs_as(id, pid) && is_awaited && is_unready
    }

    /// Returns whether the instance runs with this leader, and nothing ends it.
    pub fn runs_as(&self, id: &InstanceId, pid: Pid) -> bool {
        !self.is_stopping() && self.bodies.get(id) == Some(&Body::Leader(pid, Sent::Nothing))
    }

    pub fn became_ready(&mut self, now: Time, id: &InstanceId) {
        let policy = self.courses.policy(&id.process);
        if let Some(run) = self.courses.runs.get_mut(id) {
            run.be_ready(now, &policy);
        }
    }

    pub fn ends_soon(&mut self, id: &InstanceId) {
        if let Some(run) = self.courses.runs.get_mut(id) {
            *run = Run { since: run.since, state: Shape::Busy, next_probe: None, probing: None, failures: 0 };
        }
    }

    pub fn extended(&mut self, now: Time, id: &InstanceId, by: Duration) {
        let latest = self.deadline().unwrap_or(Duration::MAX);
        match self.bodies.get(id) {
            Some(Body::Leader(_, Sent::Nothing)) => {
                if let Some(Run { state: Shape::Unready { due }, .. }) = self.courses.runs.get_mut(id)
                    && self.stop.is_none()
                {
                    *due = (now + by).max(*due);
                }
            }
            Some(Body::Leader(_, Sent::Term)) => {
                let due = self.due.get_mut(id).unwrap();
                *due = (now + by).min(latest).max(*due);
            }
            _ => {}
        }
    }

    pub fn probed(&mut self, now: Time, id: &InstanceId, verdict: Verdict) {
        let policy = self.courses.policy(&id.process);
        let Some(run) = self.courses.runs.get_mut(id) else { return };
        match (run.probing.take(), verdict) {
            (None, _) => {}
            (Some(Purpose::Readiness), Verdict::Passed) => run.be_ready(now, &policy),
            (Some(Purpose::Readiness), Verdict::Failed(_)) => {
                run.next_probe = Some(now + policy.ready.unwrap().interval);
            }
            (Some(Purpose::Health), verdict) => {
                let health = policy.health.unwrap();
                run.failures = if verdict == Verdict::Passed { 0 } else { run.failures + 1 };
                run.next_probe = Some(now + health.interval);
                if run.failures == health.failures {
                    self.reject(now, id, End::Unwell);
                }
            }
        }
    }

    /// One that runs has to go, and not because anybody has asked.
    fn reject(&mut self, now: Time, id: &InstanceId, end: End) {
        let ran = self.courses.ran(now, id);
        match self.courses.judge(id, end, ran) {
            Fate::EndsAll => self.begin_stop(now, 1, None),
            fate @ (Fate::Done | Fate::Again | Fate::Stays) => self.sentence(id, fate),
        }
    }

    pub fn sentence(&mut self, id: &InstanceId, fate: Fate) {
        self.wishes.doom(id);
        self.courses.sentences.insert(id.clone(), fate);
    }

    /// Lets follow what has to when nothing of the instance is left.
    pub fn settle(&mut self, id: &InstanceId, fate: Fate) {
        let (body, set) = match fate {
            Fate::Again => return self.enter(id, Body::Pausing(None)),
            Fate::Done => (Body::Gone, &mut self.courses.done),
            Fate::Stays => (Body::Gone, &mut self.courses.ended),
            Fate::EndsAll => return self.enter(id, Body::Gone),
        };
        set.insert(id.clone());
        self.courses.ends += 1;
        self.enter(id, body);
        self.wishes.give_up(id);
    }

    /// What was given up has ended after all.
    pub fn ended_after_all(&mut self, id: &InstanceId) {
        self.courses.ended.insert(id.clone());
    }

    pub fn begin_step(&mut self) {
        self.courses.lacking.clear();
        self.courses.in_vain = 0;
        self.courses.ends = 0;
    }

    /// Lets time do what it does to a formation that runs.
    pub fn pass(&mut self, now: Time, actions: &[Action]) {
        if self.stop.is_some() {
            return;
        }
        for id in self.all(|body| matches!(body, Body::Pausing(Some(until)) if *until <= now)) {
            self.enter(&id, Body::Waiting);
            self.wishes.make_essential(&id);
        }
        for id in self.all(|body| matches!(body, Body::Leader(_, Sent::Nothing))) {
            let due = match self.courses.runs.get(&id).map(|run| run.state) {
                Some(Shape::Unready { due }) => due,
                Some(Shape::Ready | Shape::Busy) | None => continue,
            };
            if due <= now && !self.wishes.is_doomed(&id) {
                self.reject(now, &id, End::Late);
            }
        }
        self.count_waiting();
        let patience = self.courses.settings.patience;
        let is_late = |(service, since): &(&Service, &Time)| {
            // One that was let go and is tried anew begins anew.
            **since + patience <= now && !actions.contains(&Action::Reach((*service).clone()))
        };
        let late = self.courses.reaches.iter().filter(is_late);
        let overdue: Vec<Service> = late.map(|(service, _)| service.clone()).collect();
        for id in self.all(|body| *body == Body::Waiting) {
            let unreached = self.courses.unreached.get(&id).cloned().unwrap_or_default();
            if !overdue.iter().any(|service| unreached.contains(service)) {
                continue;
            }
            self.courses.lacking.insert(id.clone());
            let is_essential = self.wishes.is_essential(&id);
            match self.courses.policy(&id.process).on_exit {
                OnExit::StopAll if is_essential => self.begin_stop(now, 1, None),
                OnExit::Ignore if is_essential => {
                    if self.courses.failure == 0 {
                        self.courses.failure = 1;
                    }
                    self.settle(&id, Fate::Stays);
                }
                OnExit::StopAll | OnExit::Ignore => {
                    self.courses.in_vain = 1;
                    self.wishes.give_up(&id);
                    self.enter(&id, Body::Gone);
                }
            }
        }
    }

    /// Enters who has begun to wait, and takes out who does not any more.
    pub fn count_waiting(&mut self) {
        let waiting = self.all(|body| *body == Body::Waiting);
        self.courses.unreached.retain(|id, _| waiting.contains(id));
        for id in waiting {
            let services = self.courses.services(&id.process);
            self.courses.unreached.entry(id).or_insert(services);
        }
        let bodies = &self.bodies;
        self.courses.rows.retain(|id, _| bodies.contains_key(id));
        self.courses.done.retain(|id| bodies.get(id) == Some(&Body::Gone));
        self.courses.ended.retain(|id| bodies.get(id) == Some(&Body::Gone));
    }

    fn members(&self, process: &ProcessType) -> Vec<(&InstanceId, &Body)> {
        let of = self.bodies.iter().filter(|(id, _)| id.process == *process);
        of.filter(|(id, _)| !self.wishes.is_leaving(id)).collect()
    }

    fn is_ready(&self, id: &InstanceId) -> bool {
        match self.bodies.get(id) {
            Some(Body::Leader(_, Sent::Nothing)) => {
                self.courses.runs.get(id).is_some_and(|run| run.state == Shape::Ready)
            }
            Some(Body::Gone) => self.courses.done.contains(id),
            _ => false,
        }
    }

    fn lacks_processes(&self, process: &ProcessType) -> bool {
        let needs = self.courses.needs(process);
        needs.iter().any(|need| self.members(need).iter().any(|(id, _)| !self.is_ready(id)))
    }

    /// Returns whether something is missing that the instance has to wait for.
    pub fn is_held(&self, id: &InstanceId) -> bool {
        let unreached = self.courses.unreached.get(id).is_some_and(|services| !services.is_empty());
        unreached || self.lacks_processes(&id.process)
    }

    /// Returns whether it is known that this takes longer.
    pub fn is_kept(&self, id: &InstanceId) -> bool {
        let unreached = self.courses.unreached.get(id);
        let is_missing = unreached.is_some_and(|services| !services.is_disjoint(&self.courses.troubles));
        is_missing || self.lacks_processes(&id.process)
    }

    fn is_lost(&self, id: &InstanceId, body: &Body) -> bool {
        match body {
            Body::LostLeader(_) | Body::LostLeftovers(_) => true,
            Body::Waiting
            | Body::Ordered
            | Body::Leader(..)
            | Body::Leftovers(..)
            | Body::Pausing(_)
            | Body::Gone => self.courses.ended.contains(id),
        }
    }

    fn is_hopeless(&self, process: &ProcessType) -> bool {
        self.courses.needs(process).iter().any(|need| {
            self.members(need)
                .iter()
                .any(|(id, body)| self.is_lost(id, body) || **body == Body::Waiting && self.is_hopeless(need))
        })
    }

    /// Begins the end if the last instance has ended by itself.
    pub fn end_if_over(&mut self, now: Time, supervisor: &Supervisor) -> Result<(), String> {
        let mut in_vain = self.courses.in_vain;
        for (id, body) in &self.bodies {
            match body {
                Body::Gone | Body::LostLeader(_) | Body::LostLeftovers(_) => {}
                Body::Waiting if self.is_hopeless(&id.process) => in_vain = in_vain.max(1),
                Body::Waiting | Body::Ordered | Body::Leader(..) | Body::Leftovers(..) | Body::Pausing(_) => {
                    return Ok(());
                }
            }
        }
        if self.stop.is_some() {
            return Ok(());
        }
        if supervisor.is_stopping() {
            let status = if self.courses.failure == 0 { in_vain } else { self.courses.failure };
            self.begin_stop(now, status, None);
        }
        ensure(
            self.courses.ends == 0 || self.stop.is_some(),
            "the formation ends with the last that ends by itself",
        )
    }

    /// A stop begins: shares the time out.
    pub fn plan_stop(&mut self, now: Time) -> Time {
        let alive = self.all_alive();
        self.plan_stop_of(now, alive)
    }

    fn all_alive(&self) -> Vec<InstanceId> {
        self.all(|body| matches!(body, Body::Ordered | Body::Leader(..) | Body::Leftovers(..)))
    }

    /// Plans a stop anew that may have begun after something was given up in the same step.
    pub fn plan_stop_again(&mut self, now: Time, supervisor: &Supervisor) {
        let is_given_up =
            |id: &InstanceId| self.sent(id) == Sent::Kill && self.due.get(id).is_some_and(|at| *at <= now);
        let (given_up, alive): (Vec<InstanceId>, Vec<InstanceId>) =
            self.all_alive().into_iter().partition(is_given_up);
        if given_up.is_empty() || self.courses.stopped_at != Some(now) {
            return;
        }
        let deadline = self.plan_stop_of(now, alive);
        if supervisor.stop_deadline() != Some(deadline) {
            self.plan_stop(now);
            return;
        }
        if let Some(stop) = &mut self.stop {
            stop.deadline = deadline;
        }
        self.limit_dues(deadline);
    }

    /// Nothing that was asked to end has longer than all.
    pub fn limit_dues(&mut self, deadline: Time) {
        let is_asked =
            |body: &Body| matches!(body, Body::Leader(_, Sent::Term) | Body::Leftovers(_, Sent::Term));
        for id in self.all(is_asked) {
            let due = self.due.get_mut(&id).unwrap();
            *due = deadline.min(*due);
        }
    }

    fn plan_stop_of(&mut self, now: Time, alive: Vec<InstanceId>) -> Time {
        let alive: BTreeSet<ProcessType> = alive.into_iter().map(|id| id.process).collect();
        let graces = alive.iter().map(|process| self.courses.policy(process).grace);
        let total = graces.max().unwrap_or(self.courses.settings.grace);
        let depths: Vec<(ProcessType, u32)> =
            alive.iter().map(|process| (process.clone(), self.courses.depth(process, &alive))).collect();
        self.courses.stopped_at = Some(now);
        let levels = depths.iter().map(|(_, depth)| depth + 1).max().unwrap_or(1);
        let turn = |depth: u32| now + total / levels * depth;
        self.courses.turns = depths.into_iter().map(|(process, depth)| (process, turn(depth))).collect();
        now + total
    }

    /// Returns whether an instance may run on although the formation stops.
    pub fn is_needed(&self, now: Time, id: &InstanceId) -> bool {
        let before = self.courses.turns.get(&id.process).is_some_and(|turn| now < *turn);
        let is_alive = |body: &Body| matches!(body, Body::Ordered | Body::Leader(..) | Body::Leftovers(..));
        let alive = self.all(is_alive);
        before && alive.iter().any(|other| self.courses.depends(&other.process, &id.process))
    }

    pub fn probe(&mut self, now: Time, id: &InstanceId, pid: Pid, purpose: Purpose) -> Result<(), String> {
        // A stop may begin in the same step.
        let may = self.courses.stopped_at.is_none_or(|at| at == now);
        let runs = self.bodies.get(id) == Some(&Body::Leader(pid, Sent::Nothing));
        ensure(may && runs, "only what runs is probed")?;
        let run = self.courses.runs.get_mut(id).unwrap();
        ensure(run.probing.is_none(), "an instance is probed once at a time")?;
        let is_ready = run.state == Shape::Ready;
        ensure(is_ready == (purpose == Purpose::Health), "health is what is ready")?;
        ensure(run.next_probe.take().is_some_and(|at| at <= now), "no probe comes early")?;
        run.probing = Some(purpose);
        Ok(())
    }

    pub fn announced(&mut self, announcement: Announcement) -> Result<(), String> {
        ensure(self.courses.settings.audience == Audience::Supervisor, "nobody else is told")?;
        match announcement {
            Announcement::Stopping => ensure(self.stop.is_some(), "only a stop is announced as one"),
            Announcement::Ready => {
                self.courses.announced += 1;
                let all = self.courses.progress.is_some_and(|(ready, of)| ready == of);
                ensure(all && self.courses.announced == 1, "once all are ready that is announced once")
            }
            Announcement::Progress { ready, of } => {
                ensure(self.courses.progress != Some((ready, of)), "what has not changed is not announced")?;
                self.courses.progress = Some((ready, of));
                Ok(())
            }
        }
    }

    fn counts(&self) -> (usize, usize) {
        let there = self.bodies.iter().filter(|(id, _)| !self.wishes.is_leaving(id));
        let is_to_be = |(id, body): &(&InstanceId, &Body)| match body {
            Body::Gone => self.courses.done.contains(*id),
            Body::LostLeader(_) | Body::LostLeftovers(_) => false,
            Body::Waiting | Body::Ordered | Body::Leader(..) | Body::Leftovers(..) | Body::Pausing(_) => true,
        };
        let all: Vec<_> = there.filter(is_to_be).collect();
        (all.iter().filter(|(id, _)| self.is_ready(id)).count(), all.len())
    }

    /// Enters what a notice about policies says.
    pub fn hear_of_policies(&mut self, now: Time, notice: &Notice) -> Result<(), String> {
        // What was true may have been overtaken in the same step.
        if self.courses.stopped_at == Some(now) {
            return Ok(());
        }
        let is = |id: &InstanceId, fate| self.courses.sentences.get(id) == Some(&fate);
        match notice {
            Notice::Ready { id, after } => {
                let since = self.courses.runs.get(id).map(|run| run.since);
                ensure(since == Some(now - *after) && self.is_ready(id), "who is said to be ready is")
            }
            Notice::Restarting { id, .. } => ensure(is(id, Fate::Again), "only what comes back is restarted"),
            Notice::StartsAgain { id, pause, ends, .. } => {
                ensure(self.bodies.get(id) == Some(&Body::Pausing(None)), "only what comes back pauses")?;
                ensure(self.courses.rows.get(id) == Some(ends), "ends in a row are counted")?;
                let most = usize::try_from(*ends).unwrap() - 1;
                let Some(least) = PAUSES.get(most) else {
                    return Err("broken: a budget is ten at most".into());
                };
                ensure(*ends < self.courses.policy(&id.process).budget, "there is budget left")?;
                let least = Duration::from_secs(*least);
                let most = if self.courses.settings.seed.is_some() { least * 5 / 4 } else { least };
                ensure((least..=most).contains(pause), "a pause is what the table says")?;
                self.enter(id, Body::Pausing(Some(now + *pause)));
                Ok(())
            }
            Notice::UsedUp { id, ends, .. } => {
                let budget = self.courses.policy(&id.process).budget;
                ensure(*ends == budget, "as many ends as there may be use up the budget")?;
                ensure(self.courses.rows.get(id) == Some(ends), "ends in a row are counted")
            }
            Notice::OthersGoOn { id, .. } => {
                let stays = is(id, Fate::Stays) || self.courses.ended.contains(id);
                ensure(stays, "others go on without what stays down")
            }
            Notice::Rejected { id, .. } => ensure(is(id, Fate::Stays), "only what stays down is rejected"),
            Notice::Waits { who, needs } => {
                let process = match who {
                    Who::Instance(id) => &id.process,
                    Who::Type(process) => process,
                };
                let are_needs = needs.iter().all(|need| self.courses.needs(process).contains(need));
                ensure(are_needs && self.lacks_processes(process), "what is waited for is missing")
            }
            Notice::WaitsInVain { id, .. } => {
                let body = self.bodies.get(id).ok_or("broken: what is waited for was there")?;
                ensure(self.is_lost(id, body), "only what does not come back is waited for in vain")
            }
            Notice::NotReached { service, .. } => {
                ensure(self.courses.knows_trouble(service), "what is not there is said not to be")
            }
            Notice::Missing(services) => {
                let is_tried = |service| self.courses.reaches.contains_key(service);
                let is_late = !self.courses.lacking.is_empty();
                ensure(
                    is_late && services.iter().all(|(service, _)| is_tried(service)),
                    "patience has its time",
                )
            }
            Notice::NeverStarted(ids) => ensure(
                ids.iter().all(|id| self.courses.lacking.contains(id)),
                "only what lacks a service is never started",
            ),
            Notice::TurnHasCome(_) | Notice::Reached { .. } => Ok(()),
            Notice::Stopping(..)
            | Notice::Forced(_)
            | Notice::Overdue { .. }
            | Notice::Stopped { .. }
            | Notice::OutOfMemory { .. }
            | Notice::EscapeesOverdue
            | Notice::Leftovers { .. }
            | Notice::Unkillable { .. } => Ok(()),
        }
    }

    /// Checks what must hold about a formation that runs whenever all orders have been carried out.
    pub fn check_courses(&self, now: Time) -> Result<(), String> {
        let bodies = self.bodies.iter();
        for (id, body) in bodies {
            ensure(*body != Body::Pausing(None), &format!("whoever comes back is told when, {id} too"))?;
            let Body::Leader(_, Sent::Nothing) = body else { continue };
            let next = self.courses.runs.get(id).and_then(|run| run.next_probe);
            ensure(next.is_none_or(|at| at > now), &format!("{id} is probed in time"))?;
        }
        let mut wanted = BTreeSet::new();
        for (id, services) in &self.courses.unreached {
            if self.bodies.get(id) == Some(&Body::Waiting) {
                wanted.extend(services);
            }
        }
        ensure(
            wanted.into_iter().eq(self.courses.reaches.keys()),
            "what is waited for is tried, and nothing else",
        )?;
        if self.courses.settings.audience == Audience::Supervisor && self.courses.begun > 0 {
            let counts = self.counts();
            ensure(self.courses.progress == Some(counts), "progress is announced")?;
            let is_over = self.courses.announced > 0;
            ensure(counts.0 != counts.1 || is_over, "that all are ready is announced")?;
        }
        Ok(())
    }

    /// Checks that nothing is tried any more once the formation stops.
    pub fn check_stopped_courses(&self) -> Result<(), String> {
        ensure(self.courses.reaches.is_empty(), "what nobody waits for is let go")
    }

    /// Returns when something has to happen by itself in a formation that runs.
    pub fn next_of_courses(&self) -> Option<Time> {
        let patience = self.courses.settings.patience;
        let late = self.courses.reaches.values().map(|since| *since + patience);
        let mut all: Vec<Time> = late.collect();
        for (id, body) in &self.bodies {
            match body {
                Body::Pausing(until) => all.extend(until),
                Body::Leader(_, Sent::Nothing) => {
                    let Some(run) = self.courses.runs.get(id) else { continue };
                    all.extend(run.next_probe);
                    if let Shape::Unready { due } = run.state {
                        all.push(due);
                    }
                }
                Body::Waiting
                | Body::Ordered
                | Body::Leader(..)
                | Body::Leftovers(..)
                | Body::LostLeader(_)
                | Body::LostLeftovers(_)
                | Body::Gone => {}
            }
        }
        all.into_iter().min()
    }

    /// Returns whether what is told of an instance's readiness is so.
    pub fn is_standing(&self, status: &Status) -> bool {
        let policy = self.courses.policy(&status.id.process);
        let is_ready = self.is_ready(&status.id);
        match status.standing {
            Standing::NotAsked => policy.kind == Kind::LongLived && policy.ready.is_none(),
            Standing::Ready => is_ready && !self.courses.done.contains(&status.id),
            Standing::Unready => !is_ready,
            Standing::Done => self.courses.done.contains(&status.id),
        }
    }
}
