//! Who belongs to the formation, in the order of the Procfile and then by number.

use std::collections::BTreeMap;

use crate::formation::InstanceId;
use crate::process::Exit;
use crate::procfile::ProcessType;
use crate::supervisor::instance::{Cause, Instance};

/// Every instance of the formation, and those that have yet to leave it.
#[derive(Clone, Debug)]
pub struct Roster {
    /// The types of the Procfile, in its order.
    types: Vec<ProcessType>,
    positions: BTreeMap<ProcessType, usize>,
    members: BTreeMap<Place, Member>,
}

/// The position of a type in the Procfile, and the number of an instance of it.
type Place = (usize, u32);

/// One instance of a formation.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Member {
    /// Which one.
    pub id: InstanceId,
    /// What it is doing.
    pub state: Instance,
    /// How often it has been spawned.
    pub spawns: u32,
    /// How it ended the last time.
    pub last_exit: Option<Exit>,
    /// How many ends in a row it was to be started again after.
    pub ends: u32,
}

impl Roster {
    /// Returns the roster of a formation without instances.
    pub fn new(types: Vec<ProcessType>) -> Self {
        let positions = types.iter().cloned().zip(0..).collect();
        Roster { types, positions, members: BTreeMap::new() }
    }

    /// Returns the types of the Procfile, in its order.
    pub fn types(&self) -> &[ProcessType] {
        &self.types
    }

    /// Returns whether the Procfile has this type.
    pub fn has_type(&self, process: &ProcessType) -> bool {
        self.positions.contains_key(process)
    }

    /// Returns every member in its order.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.members.values()
    }

    /// Returns every member, to be changed.
    pub fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.values_mut()
    }

    /// Returns the members of one type, by their numbers.
    pub fn members_of(&self, process: &ProcessType) -> impl Iterator<Item = &Member> {
        let position = self.positions.get(process).copied();
        let range = position.map(|position| self.members.range((position, 0)..=(position, u32::MAX)));
        range.into_iter().flatten().map(|(_, member)| member)
    }

    /// Returns a member by its name.
    pub fn get(&self, id: &InstanceId) -> Option<&Member> {
        self.members.get(&self.place(id)?)
    }

    /// Returns a member by its name, to be changed.
    pub fn get_mut(&mut self, id: &InstanceId) -> Option<&mut Member> {
        let place = self.place(id)?;
        self.members.get_mut(&place)
    }

    /// Returns the member of this name, new if there is none; nothing if the Procfile has no such type.
    pub fn enlist(&mut self, id: &InstanceId) -> Option<&mut Member> {
        let place = self.place(id)?;
        let new = || {
            let state = Instance::Down(Cause::Asked);
            Member { id: id.clone(), state, spawns: 0, last_exit: None, ends: 0 }
        };
        Some(self.members.entry(place).or_insert_with(new))
    }

    /// Takes a member out.
    pub fn remove(&mut self, id: &InstanceId) {
        if let Some(place) = self.place(id) {
            self.members.remove(&place);
        }
    }

    /// Returns the names of all members for which something holds, in their order.
    pub fn which(&self, holds: impl Fn(&Instance) -> bool) -> Vec<InstanceId> {
        self.members().filter(|member| holds(&member.state)).map(|member| member.id.clone()).collect()
    }

    fn place(&self, id: &InstanceId) -> Option<Place> {
        Some((*self.positions.get(&id.process)?, id.number))
    }
}
