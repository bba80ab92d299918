//! What whoever supervises procman is told of the formation.

use crate::formation::InstanceId;
use crate::supervisor::event::{Action, Announcement};
use crate::supervisor::instance::{Cause, Instance};
use crate::supervisor::machine::{Audience, Supervisor};
use crate::supervisor::phase::Phase;
use crate::supervisor::roster::Member;

/// What has been announced.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Announced {
    beginning: Beginning,
    /// How many of how many were ready.
    progress: Option<(usize, usize)>,
}

/// How far the formation has come that procman was started for.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Beginning {
    /// Nobody has asked for one yet.
    #[default]
    Ahead,
    /// It is not ready yet.
    UnderWay,
    /// It was ready, and that was announced.
    Over,
}

/// How an instance counts.
enum Count {
    Ready,
    OnItsWay,
    /// It is not to be, or not any more.
    Not,
}

impl Supervisor {
    /// Returns whether a spawn is under way, or follows at once.
    pub fn is_spawning(&self) -> bool {
        self.spawning.is_some() || !self.waiting.is_empty()
    }

    /// Returns whether an instance has not been started yet and is still to be. One that waits in vain is not.
    pub fn is_starting(&self) -> bool {
        self.roster.members().any(|member| self.is_ahead(member))
    }

    /// Returns whether that holds of this one.
    pub fn is_to_come(&self, id: &InstanceId) -> bool {
        self.roster.get(id).is_some_and(|member| self.is_ahead(member))
    }

    fn is_ahead(&self, member: &Member) -> bool {
        match member.state {
            Instance::Held { .. } => member.spawns == 0 && !self.is_hopeless(&member.id),
            Instance::Waiting { .. } | Instance::Starting { .. } | Instance::BackingOff { .. } => {
                member.spawns == 0
            }
            Instance::Running { .. }
            | Instance::Needed { .. }
            | Instance::Stopping { .. }
            | Instance::Unkillable { .. }
            | Instance::Down(_) => false,
        }
    }

    /// Takes the news that procman's own request has been made.
    pub(super) fn begun(&mut self) {
        if self.announced.beginning == Beginning::Ahead {
            self.announced.beginning = Beginning::UnderWay;
        }
    }

    /// Announces that the formation is being stopped.
    pub(super) fn announce_stop(&self, actions: &mut Vec<Action>) {
        match self.settings.audience {
            Audience::Supervisor => actions.push(Action::Announce(Announcement::Stopping)),
            Audience::Nobody => {}
        }
    }

    /// Announces how many are ready, if that has changed, and once that all are.
    pub(super) fn announce(&mut self, actions: &mut Vec<Action>) {
        match (self.settings.audience, self.phase, self.announced.beginning) {
            (Audience::Nobody, _, _)
            | (_, Phase::Stopping { .. } | Phase::Draining { .. } | Phase::Finished, _)
            | (_, _, Beginning::Ahead) => return,
            (Audience::Supervisor, Phase::Running { .. }, Beginning::UnderWay | Beginning::Over) => {}
        }
        let (mut ready, mut of) = (0, 0);
        for member in self.roster.members() {
            match count(&member.state) {
                Count::Ready => (ready, of) = (ready + 1, of + 1),
                Count::OnItsWay => of += 1,
                Count::Not => {}
            }
        }
        if self.announced.progress.replace((ready, of)) != Some((ready, of)) {
            actions.push(Action::Announce(Announcement::Progress { ready, of }));
        }
        if self.announced.beginning == Beginning::UnderWay && ready == of {
            self.announced.beginning = Beginning::Over;
            actions.push(Action::Announce(Announcement::Ready));
        }
    }
}

fn count(instance: &Instance) -> Count {
    match instance {
        instance if instance.is_vanishing() => Count::Not,
        instance if instance.is_ready() => Count::Ready,
        Instance::Down(Cause::Asked | Cause::Ended) | Instance::Unkillable { .. } => Count::Not,
        Instance::Down(Cause::Done)
        | Instance::Waiting { .. }
        | Instance::Held { .. }
        | Instance::Starting { .. }
        | Instance::Running { .. }
        | Instance::Needed { .. }
        | Instance::Stopping { .. }
        | Instance::BackingOff { .. } => Count::OnItsWay,
    }
}
