//! The ledger's book about requests: what is wanted of each instance, and who is owed what for it.
//!
//! It reads requests by itself, so that it cannot share the machine's errors.

use std::collections::{BTreeMap, BTreeSet};

use crate::formation::{Amount, Change, InstanceId, Target};
use crate::process::Exit;
use crate::procfile::ProcessType;
use crate::supervisor::tests::ledger::{Body, Sent, ensure};
use crate::supervisor::{Event, Outcome, Reply, Request, RequestId};

/// More instances of one type are refused.
const MOST: i64 = 10_000;

#[derive(Clone, Debug)]
pub struct Wishes {
    types: Vec<ProcessType>,
    /// What the last request about each instance of the formation wants.
    wanted: BTreeMap<InstanceId, Wanted>,
    /// Those whose present process, be it a spawn under way, has to end.
    doomed: BTreeSet<InstanceId>,
    /// Those whose spawn has to succeed.
    essential: BTreeSet<InstanceId>,
    /// The outcomes that are owed.
    claims: BTreeMap<RequestId, BTreeMap<InstanceId, Want>>,
    quitters: BTreeSet<RequestId>,
    /// Requests that have to be refused.
    refused: BTreeSet<RequestId>,
}

/// What is to become of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wanted {
    Up,
    Down,
    Away,
}

/// What a request wants of an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Want {
    Start,
    Up,
    Anew,
    Down,
    Away,
    Told,
}

/// What follows when nothing of an instance is alive any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// Somebody has asked for it.
    For,
    /// Nobody has.
    ByNobody,
}

impl Wishes {
    pub fn new(types: Vec<ProcessType>) -> Self {
        Wishes {
            types,
            wanted: BTreeMap::new(),
            doomed: BTreeSet::new(),
            essential: BTreeSet::new(),
            claims: BTreeMap::new(),
            quitters: BTreeSet::new(),
            refused: BTreeSet::new(),
        }
    }

    pub fn owe_nothing(&self) -> bool {
        self.claims.is_empty() && self.quitters.is_empty() && self.refused.is_empty()
    }

    pub fn is_quitter(&self, by: RequestId) -> bool {
        self.quitters.contains(&by)
    }

    pub fn is_doomed(&self, id: &InstanceId) -> bool {
        self.doomed.contains(id)
    }

    pub fn is_essential(&self, id: &InstanceId) -> bool {
        self.essential.contains(id)
    }

    /// Orders instances as the formation does: by type, then by number.
    pub fn place(&self, id: &InstanceId) -> (Option<usize>, u32) {
        (self.types.iter().position(|process| *process == id.process), id.number)
    }

    /// Takes a request to a formation that runs.
    pub fn asked(
        &mut self,
        by: RequestId,
        request: &Request,
        bodies: &mut BTreeMap<InstanceId, Body>,
    ) -> BTreeMap<InstanceId, Want> {
        match self.read(request) {
            _ if *request == Request::Quit => self.quit(by, bodies),
            None => self.asked_too_late(by),
            Some(meant) => {
                for (id, want) in &meant {
                    self.want(id, *want, bodies);
                }
                self.claims.insert(by, meant.clone());
                return meant;
            }
        }
        BTreeMap::new()
    }

    /// Returns whether it is there only until it has ended.
    pub fn is_leaving(&self, id: &InstanceId) -> bool {
        self.wanted.get(id) == Some(&Wanted::Away)
    }

    /// Takes the news that procman itself wants it to be spawned.
    pub fn make_essential(&mut self, id: &InstanceId) {
        self.essential.insert(id.clone());
    }

    pub fn quit(&mut self, by: RequestId, bodies: &BTreeMap<InstanceId, Body>) {
        let is_alive = |body: &Body| matches!(body, Body::Ordered | Body::Leader(..) | Body::Leftovers(..));
        let alive = bodies.iter().filter(|(_, body)| is_alive(body));
        self.claims.insert(by, alive.map(|(id, _)| (id.clone(), Want::Down)).collect());
        self.quitters.insert(by);
    }

    pub fn asked_too_late(&mut self, by: RequestId) {
        self.refused.insert(by);
    }

    fn want(&mut self, id: &InstanceId, want: Want, bodies: &mut BTreeMap<InstanceId, Body>) {
        let before = self.wanted.get(id).copied();
        let body = bodies.get(id).copied();
        let wanted = match (want, body) {
            (Want::Told, _) => return,
            (Want::Start | Want::Up | Want::Anew, None | Some(Body::Gone | Body::Pausing(_))) => {
                bodies.insert(id.clone(), Body::Waiting);
                self.set_essential(id, want);
                Wanted::Up
            }
            (Want::Start | Want::Up, Some(Body::Ordered)) => {
                if before != Some(Wanted::Up) {
                    self.doomed.remove(id);
                    self.set_essential(id, want);
                }
                Wanted::Up
            }
            (Want::Start | Want::Up | Want::Anew, Some(Body::Waiting)) => Wanted::Up,
            (Want::Start | Want::Up, Some(Body::Leader(..) | Body::Leftovers(..))) => Wanted::Up,
            (Want::Anew, Some(Body::Ordered | Body::Leader(..) | Body::Leftovers(..))) => {
                self.doom(id);
                Wanted::Up
            }
            (Want::Start | Want::Up | Want::Anew, Some(Body::LostLeader(_) | Body::LostLeftovers(_))) => {
                Wanted::Down
            }
            (Want::Down, None | Some(Body::Waiting | Body::Pausing(_) | Body::Gone)) => {
                bodies.insert(id.clone(), Body::Gone);
                Wanted::Down
            }
            (Want::Away, None | Some(Body::Waiting | Body::Pausing(_) | Body::Gone)) => {
                bodies.remove(id);
                self.wanted.remove(id);
                return;
            }
            (Want::Down | Want::Away, Some(Body::LostLeader(_) | Body::LostLeftovers(_))) => {
                if want == Want::Away || before == Some(Wanted::Away) { Wanted::Away } else { Wanted::Down }
            }
            (Want::Down | Want::Away, Some(Body::Ordered | Body::Leader(..) | Body::Leftovers(..))) => {
                self.doom(id);
                if want == Want::Away || before == Some(Wanted::Away) { Wanted::Away } else { Wanted::Down }
            }
        };
        self.wanted.insert(id.clone(), wanted);
    }

    fn set_essential(&mut self, id: &InstanceId, want: Want) {
        if want == Want::Start {
            self.essential.insert(id.clone());
        } else {
            self.essential.remove(id);
        }
    }

    pub fn doom(&mut self, id: &InstanceId) {
        self.doomed.insert(id.clone());
        self.essential.remove(id);
    }

    /// Takes the news that nothing of an instance of a running formation is alive, and lets follow what is wanted.
    pub fn gone(&mut self, id: &InstanceId, bodies: &mut BTreeMap<InstanceId, Body>) -> Asked {
        let asked = if self.doomed.remove(id) { Asked::For } else { Asked::ByNobody };
        let next = match (asked, self.wanted.get(id)) {
            (Asked::ByNobody, Some(Wanted::Up | Wanted::Down)) | (Asked::For, Some(Wanted::Down)) => {
                Body::Gone
            }
            (Asked::For, Some(Wanted::Up)) => Body::Waiting,
            (Asked::ByNobody | Asked::For, Some(Wanted::Away) | None) => {
                bodies.remove(id);
                self.wanted.remove(id);
                return asked;
            }
        };
        bodies.insert(id.clone(), next);
        asked
    }

    /// Takes the news that a request, or more than that, was in vain.
    pub fn give_up(&mut self, id: &InstanceId) {
        self.doomed.remove(id);
        if let Some(wanted @ Wanted::Up) = self.wanted.get_mut(id) {
            *wanted = Wanted::Down;
        }
    }

    /// Returns what a request wants of which instances; nothing if it has to be refused.
    fn read(&self, request: &Request) -> Option<BTreeMap<InstanceId, Want>> {
        let each = |ids: Vec<InstanceId>, want| Some(ids.into_iter().map(|id| (id, want)).collect());
        match request {
            Request::Start(ids) => {
                let known = ids.iter().all(|id| self.types.contains(&id.process));
                if known { each(ids.clone(), Want::Start) } else { None }
            }
            Request::Scale(changes) => self.read_changes(changes),
            Request::Restart(targets) => each(self.select(targets, Wanted::Down)?, Want::Anew),
            Request::Up(targets) => each(self.select(targets, Wanted::Down)?, Want::Up),
            Request::Stop(targets) => each(self.select(targets, Wanted::Away)?, Want::Down),
            Request::Signal(_, targets) => each(self.select(targets, Wanted::Away)?, Want::Told),
            Request::Quit => Some(BTreeMap::new()),
        }
    }

    /// Returns those that are named, but none of which less than `least` is wanted.
    fn select(&self, targets: &[Target], least: Wanted) -> Option<Vec<InstanceId>> {
        let counts = |wanted: Wanted| wanted != Wanted::Away || least == Wanted::Away;
        let there = self.wanted.iter().filter(|(_, wanted)| counts(**wanted)).map(|(id, _)| id);
        if targets.is_empty() {
            return Some(there.cloned().collect());
        }
        let mut all = Vec::new();
        for target in targets {
            let is_meant = |id: &&&InstanceId| match target {
                Target::Type(process) => id.process == *process,
                Target::Instance(wanted) => **id == wanted,
            };
            let there: Vec<&InstanceId> = there.clone().collect();
            let meant: Vec<InstanceId> = there.iter().filter(is_meant).copied().cloned().collect();
            if meant.is_empty() {
                return None;
            }
            all.extend(meant);
        }
        Some(all)
    }

    fn read_changes(&self, changes: &[Change]) -> Option<BTreeMap<InstanceId, Want>> {
        let of = |process: Option<&ProcessType>| {
            let mut of = changes.iter().filter(|change| change.process.as_ref() == process);
            (of.next(), of.next())
        };
        let is_known = |change: &Change| change.process.as_ref().is_none_or(|name| self.types.contains(name));
        if !changes.iter().all(is_known) || of(None).1.is_some() {
            return None;
        }
        let mut meant = BTreeMap::new();
        for process in &self.types {
            let there = self.wanted.iter().filter(|(id, _)| id.process == *process);
            let present = there.clone().filter(|(_, wanted)| **wanted != Wanted::Away).count() as i64;
            let all = if process.as_str() == "release" && present == 0 { None } else { of(None).0 };
            let count = match of(Some(process)) {
                (Some(_), Some(_)) => return None,
                (own, None) => match own.or(all).map(|change| change.amount) {
                    Some(Amount::Exactly(count)) => i64::from(count),
                    Some(Amount::More(count)) => present + i64::from(count),
                    Some(Amount::Fewer(count)) => 0.max(present - i64::from(count)),
                    None => continue,
                },
                (None, Some(_)) => unreachable!("the first comes first"),
            };
            if count > MOST {
                return None;
            }
            let count = u32::try_from(count).unwrap();
            meant.extend(there.filter(|(id, _)| id.number > count).map(|(id, _)| (id.clone(), Want::Away)));
            let id = |number| InstanceId { process: process.clone(), number };
            meant.extend((1..=count).map(|number| (id(number), Want::Up)));
        }
        Some(meant)
    }

    /// Enters a reply; an error is the promise that it breaks.
    pub fn replied(
        &mut self,
        by: RequestId,
        reply: &Reply,
        event: &Event,
        world: &World,
    ) -> Result<(), String> {
        match reply {
            Reply::Refused(_) => ensure(self.refused.remove(&by), "what can be is not refused"),
            // Whoever is still alive then is left to the guard.
            Reply::Done if self.quitters.remove(&by) => {
                self.claims.remove(&by).map(drop).ok_or("broken: to quit has one last reply".to_owned())
            }
            Reply::Done => {
                let owed = self.claims.remove(&by).ok_or("broken: a request has one last reply")?;
                ensure(owed.is_empty(), "the last reply comes when nothing is owed")
            }
            Reply::Outcome(id, outcome) => {
                let claim = self.claims.get_mut(&by).and_then(|claim| claim.remove(id));
                let want = claim.ok_or("broken: a request has one outcome for each of its instances")?;
                let promise = format!("an outcome is true, {outcome:?} of {id} too");
                ensure(self.is_true(want, id, *outcome, event, world), &promise)
            }
        }
    }

    fn is_true(&self, want: Want, id: &InstanceId, outcome: Outcome, event: &Event, world: &World) -> bool {
        let body = world.bodies.get(id).copied();
        let is_asked = matches!(event, Event::Asked { .. });
        let has_group = matches!(body, Some(Body::Leader(..) | Body::Leftovers(..)));
        let is_lost = matches!(body, Some(Body::LostLeader(_) | Body::LostLeftovers(_)));
        let is_down = matches!(body, Some(Body::Gone) | None);
        let wants_up = matches!(want, Want::Start | Want::Up | Want::Anew);
        let wants_down = matches!(want, Want::Down | Want::Away);
        match outcome {
            Outcome::Running { pid } => {
                let arrived = matches!(event, Event::Spawned { id: arrived, .. } if arrived == id);
                wants_up && arrived && body == Some(Body::Leader(pid, Sent::Nothing))
            }
            Outcome::RunsAlready { pid } => {
                let may = matches!(want, Want::Start | Want::Up);
                may && is_asked && body == Some(Body::Leader(pid, Sent::Nothing))
            }
            Outcome::Stopped { exit } => wants_down && is_down && world.exits.get(id) == Some(&exit),
            Outcome::DownAlready | Outcome::NotAgain => wants_down && is_down,
            Outcome::Signalled => want == Want::Told && has_group,
            Outcome::NotSignalled => want == Want::Told && !has_group,
            Outcome::NotStarted { exit } => {
                let failed = Event::SpawnFailed { id: id.clone(), exit };
                let lacks = world.lacking.contains(id) && exit == Exit::Code(1);
                wants_up && (*event == failed || lacks)
            }
            Outcome::Held => {
                let is_over = world.is_stopping || world.lacking.contains(id);
                wants_up && (body == Some(Body::Waiting) || is_over)
            }
            Outcome::Overtaken => {
                let wanted = self.wanted.get(id).copied();
                let contrary = match want {
                    Want::Start | Want::Up | Want::Anew => wanted != Some(Wanted::Up),
                    Want::Down | Want::Away => wanted == Some(Wanted::Up),
                    Want::Told => false,
                };
                contrary || world.is_stopping
            }
            Outcome::Unkillable => is_lost,
        }
    }

    /// Checks what must hold whenever all orders have been carried out.
    pub fn check_rest(&self, world: &World) -> Result<(), String> {
        ensure(self.refused.is_empty(), "what cannot be is refused at once")?;
        for (id, want) in self.claims.values().flatten() {
            let is_open = match (want, world.bodies.get(id)) {
                (Want::Start | Want::Up | Want::Anew, Some(body)) => match body {
                    Body::Waiting | Body::Ordered | Body::Leftovers(..) => !world.is_stopping,
                    Body::Leader(_, sent) => *sent != Sent::Nothing && !world.is_stopping,
                    Body::Pausing(_) | Body::LostLeader(_) | Body::LostLeftovers(_) | Body::Gone => false,
                },
                (Want::Down | Want::Away, Some(body)) => match body {
                    Body::Ordered | Body::Leftovers(..) => true,
                    // Others may need it until then.
                    Body::Leader(_, sent) => *sent != Sent::Nothing || world.is_stopping,
                    Body::Waiting
                    | Body::Pausing(_)
                    | Body::LostLeader(_)
                    | Body::LostLeftovers(_)
                    | Body::Gone => false,
                },
                (Want::Told, _) | (_, None) => false,
            };
            ensure(is_open, &format!("whoever waits for {id} is answered as soon as can be"))?;
        }
        if world.is_stopping {
            return Ok(());
        }
        for (id, wanted) in &self.wanted {
            let may_be = match (wanted, world.bodies.get(id)) {
                (Wanted::Up, Some(body)) => {
                    !matches!(body, Body::Gone | Body::LostLeader(_) | Body::LostLeftovers(_))
                }
                (Wanted::Down, Some(body)) => !matches!(body, Body::Waiting | Body::Pausing(_)),
                (Wanted::Away, Some(body)) => !matches!(body, Body::Waiting | Body::Pausing(_) | Body::Gone),
                (Wanted::Up | Wanted::Down | Wanted::Away, None) => false,
            };
            ensure(may_be, &format!("what is asked for comes about, {wanted:?} for {id} too"))?;
            let is_spared = matches!(world.bodies.get(id), Some(Body::Leader(_, Sent::Nothing)));
            let has_to_go = *wanted != Wanted::Up || self.is_doomed(id);
            ensure(!(is_spared && has_to_go), &format!("what has to go is terminated, {id} too"))?;
        }
        ensure(world.bodies.keys().eq(self.wanted.keys()), "nothing else is in the formation")
    }
}

/// What the ledger knows besides.
pub struct World<'a> {
    pub bodies: &'a BTreeMap<InstanceId, Body>,
    pub exits: &'a BTreeMap<InstanceId, Exit>,
    pub is_stopping: bool,
    /// Those that a service was missing for until now.
    pub lacking: &'a BTreeSet<InstanceId>,
}
