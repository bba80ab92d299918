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
    positions: BTreeMap<ProcessType, u32>,
    /// In the order of their places. There is hardly a fact for which all of them are not looked at.
    members: Vec<(Place, Member)>,
}

/// The position of a type in the Procfile, and the number of an instance of it.
type Place = (u32, u32);

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
        let mut positions = BTreeMap::new();
        positions.extend(types.iter().cloned().zip(0..));
        Roster { types, positions, members: Vec::new() }
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
        self.members.iter().map(|(_, member)| member)
    }

    /// Returns every member, to be changed.
    pub fn members_mut(&mut self) -> impl Iterator<Item = &mut Member> {
        self.members.iter_mut().map(|(_, member)| member)
    }

    /// Returns the members of one type, by their numbers.
    pub fn members_of(&self, process: &ProcessType) -> impl Iterator<Item = &Member> {
        let of_position = |position: u32| {
            let from = self.members.partition_point(|(place, _)| place.0 < position);
            self.members.iter().skip(from).take_while(move |(place, _)| place.0 == position)
        };
        let position = self.positions.get(process).copied();
        position.map(of_position).into_iter().flatten().map(|(_, member)| member)
    }

    /// Returns a member by its name.
    pub fn get(&self, id: &InstanceId) -> Option<&Member> {
        let index = self.find(self.place(id)?).ok()?;
        self.members.get(index).map(|(_, member)| member)
    }

    /// Returns a member by its name, to be changed.
    pub fn get_mut(&mut self, id: &InstanceId) -> Option<&mut Member> {
        let index = self.find(self.place(id)?).ok()?;
        self.members.get_mut(index).map(|(_, member)| member)
    }

    /// Returns the member of this name, new if there is none; nothing if the Procfile has no such type.
    pub fn enlist(&mut self, id: &InstanceId) -> Option<&mut Member> {
        let place = self.place(id)?;
        let index = self.find(place).unwrap_or_else(|index| {
            let state = Instance::Down(Cause::Asked);
            let new = Member { id: id.clone(), state, spawns: 0, last_exit: None, ends: 0 };
            self.members.insert(index, (place, new));
            index
        });
        self.members.get_mut(index).map(|(_, member)| member)
    }

    /// Takes a member out.
    pub fn remove(&mut self, id: &InstanceId) {
        let found = self.place(id).and_then(|place| self.find(place).ok());
        if let Some(index) = found {
            self.members.remove(index);
        }
    }

    /// Returns the names of all members for which something holds, in their order.
    pub fn which(&self, holds: impl Fn(&Instance) -> bool) -> Vec<InstanceId> {
        self.members().filter(|member| holds(&member.state)).map(|member| member.id.clone()).collect()
    }

    fn place(&self, id: &InstanceId) -> Option<Place> {
        Some((*self.positions.get(&id.process)?, id.number))
    }

    /// Returns at which index a member is, or else would be.
    fn find(&self, place: Place) -> Result<usize, usize> {
        self.members.binary_search_by_key(&place, |(place, _)| *place)
    }
}
