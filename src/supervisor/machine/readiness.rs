//! Whether an instance that runs is ready, and then whether it is well.

use crate::formation::InstanceId;
use crate::policy::{Kind, Policy, Sign};
use crate::process::Pid;
use crate::supervisor::event::{Action, Purpose, Time, Trouble, Verdict};
use crate::supervisor::instance::{Condition, Force, Instance, Leader, Probing};
use crate::supervisor::machine::Supervisor;
use crate::supervisor::notice::{Notice, Why};
use crate::supervisor::phase::Phase;

impl Supervisor {
    /// Returns how an instance does that has been spawned just now.
    pub(super) fn condition_at_first(&self, now: Time, id: &InstanceId) -> Condition {
        let policy = self.rules.of(&id.process);
        match (&policy.ready, policy.kind) {
            (Some(ready), _) => {
                let probing = match ready.sign {
                    Sign::Probe(_) => Probing::At(now),
                    Sign::Log(_) | Sign::Notify => Probing::Never,
                };
                Condition::Unready { due: now.saturating_add(ready.deadline), probing, trouble: None }
            }
            (None, Kind::OneShot) => Condition::AtWork,
            (None, Kind::LongLived) => ready(now, policy),
        }
    }

    /// The sign of being ready has been seen, which is no probe.
    pub(super) fn became_ready(&mut self, now: Time, id: &InstanceId, pid: Pid, actions: &mut Vec<Action>) {
        if let Some((since, Condition::Unready { probing: Probing::Never, .. })) = self.running(id, pid) {
            self.is_ready(now, id, pid, since, actions);
        }
    }

    pub(super) fn probed(
        &mut self,
        now: Time,
        id: &InstanceId,
        pid: Pid,
        verdict: Verdict,
        actions: &mut Vec<Action>,
    ) {
        let Some((since, condition)) = self.running(id, pid) else { return };
        let policy = self.rules.of(&id.process);
        let interval = match (condition, &policy.ready, &policy.health) {
            (Condition::Unready { probing: Probing::UnderWay, .. }, Some(ready), _) => ready.interval,
            (Condition::Ready { probing: Probing::UnderWay, .. }, _, Some(health)) => health.interval,
            (
                Condition::Unready { .. } | Condition::Ready { .. } | Condition::AtWork | Condition::Ending,
                _,
                _,
            ) => return,
        };
        let most = policy.health.as_ref().map_or(1, |health| health.failures);
        let probing = Probing::At(now.saturating_add(interval));
        let condition = match (condition, verdict) {
            (Condition::Unready { .. }, Verdict::Passed) => {
                return self.is_ready(now, id, pid, since, actions);
            }
            (Condition::Unready { due, .. }, Verdict::Failed(trouble)) => {
                Condition::Unready { due, probing, trouble: Some(trouble) }
            }
            (Condition::Ready { .. }, Verdict::Passed) => Condition::Ready { probing, failures: 0 },
            (Condition::Ready { failures, .. }, Verdict::Failed(trouble)) => {
                let failures = failures.saturating_add(1);
                if failures >= most {
                    let why = Why::Unwell { failures, trouble };
                    return self.reject(now, id, why, now.saturating_sub(since), actions);
                }
                Condition::Ready { probing, failures }
            }
            (Condition::AtWork | Condition::Ending, Verdict::Passed | Verdict::Failed(_)) => return,
        };
        self.enter(id, Instance::Running { pid, since, condition });
    }

    /// The instance asks for more time: to become ready, or to end. While all end, none has more than all have.
    pub(super) fn extended(&mut self, now: Time, id: &InstanceId, pid: Pid, by: Time) {
        let at = now.saturating_add(by);
        let latest = match self.phase {
            Phase::Stopping { deadline, .. } => deadline,
            Phase::Running { .. } | Phase::Draining { .. } | Phase::Finished => Time::MAX,
        };
        match self.roster.get_mut(id).map(|member| &mut member.state) {
            Some(Instance::Running { pid: own, condition: Condition::Unready { due, .. }, .. })
                if *own == pid =>
            {
                *due = at.max(*due);
            }
            Some(Instance::Stopping {
                pid: own,
                leader: Leader::Alive,
                force: Force::Terminated { kill_at, .. },
                ..
            }) if *own == pid => *kill_at = at.min(latest).max(*kill_at),
            Some(
                Instance::Running { .. }
                | Instance::Needed { .. }
                | Instance::Stopping { .. }
                | Instance::Waiting { .. }
                | Instance::Held { .. }
                | Instance::Starting { .. }
                | Instance::Unkillable { .. }
                | Instance::BackingOff { .. }
                | Instance::Down(_),
            )
            | None => {}
        }
    }

    /// The instance says that it is ending: it is ready for nobody any more.
    pub(super) fn ends_soon(&mut self, id: &InstanceId, pid: Pid) {
        if let Some((since, _)) = self.running(id, pid) {
            self.enter(id, Instance::Running { pid, since, condition: Condition::Ending });
        }
    }

    /// Orders a probe of an instance that runs.
    pub(super) fn probe(&mut self, id: &InstanceId, pid: Pid, actions: &mut Vec<Action>) {
        let Some(member) = self.roster.get_mut(id) else { return };
        let Instance::Running { condition, .. } = &mut member.state else { return };
        let (probing, purpose) = match condition {
            Condition::Unready { probing, .. } => (probing, Purpose::Readiness),
            Condition::Ready { probing, .. } => (probing, Purpose::Health),
            Condition::AtWork | Condition::Ending => return,
        };
        *probing = Probing::UnderWay;
        actions.push(Action::Probe { id: id.clone(), pid, purpose });
    }

    /// The instance had so long to become ready and is not.
    pub(super) fn too_late(
        &mut self,
        now: Time,
        id: &InstanceId,
        within: Time,
        trouble: Option<Trouble>,
        actions: &mut Vec<Action>,
    ) {
        self.reject(now, id, Why::Late { within, trouble }, within, actions);
    }

    fn is_ready(&mut self, now: Time, id: &InstanceId, pid: Pid, since: Time, actions: &mut Vec<Action>) {
        let condition = ready(now, self.rules.of(&id.process));
        self.enter(id, Instance::Running { pid, since, condition });
        let after = now.saturating_sub(since);
        actions.push(Action::Say(Notice::Ready { id: id.clone(), after }));
    }

    /// Returns since when an instance runs with this leader, and how it does.
    fn running(&self, id: &InstanceId, pid: Pid) -> Option<(Time, Condition)> {
        match self.roster.get(id)?.state {
            Instance::Running { pid: own, since, condition } if own == pid => Some((since, condition)),
            Instance::Running { .. }
            | Instance::Waiting { .. }
            | Instance::Held { .. }
            | Instance::Starting { .. }
            | Instance::Needed { .. }
            | Instance::Stopping { .. }
            | Instance::Unkillable { .. }
            | Instance::BackingOff { .. }
            | Instance::Down(_) => None,
        }
    }
}

/// Returns how one does that has become ready just now.
fn ready(now: Time, policy: &Policy) -> Condition {
    let first = |interval| Probing::At(now.saturating_add(interval));
    let probing = policy.health.as_ref().map_or(Probing::Never, |health| first(health.interval));
    Condition::Ready { probing, failures: 0 }
}
