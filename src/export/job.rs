//! An app as the services that a manager without types runs: one for each instance, and one for the release phase.

use std::time::Duration;

use crate::export::supervision::{Again, Aspect, Note, notes};
use crate::export::{App, Instance, Process, unit};
use crate::policy::{Kind, Restart};
use crate::process::Signal;

/// What one service runs.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// Its name, such as `shop-web-1`.
    pub name: String,
    /// Its `PS`.
    pub instance: &'a str,
    /// Its `PORT`.
    pub port: u16,
    /// What `/bin/sh -c` is given.
    pub command: &'a str,
    /// When it is started.
    pub start: Start,
    /// Its type, or the release phase.
    pub process: &'a Process,
    /// How long it has between being asked to end and being killed.
    pub grace: Duration,
    /// What asks it to end.
    pub stop_signal: Signal,
}

/// When a manager starts a service.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Start {
    /// As soon as it knows it, and again whenever it fails.
    Always,
    /// When somebody says so, and once: it belongs to a release and not to a boot.
    Asked,
}

impl Job<'_> {
    /// Returns its computed variables.
    pub fn computed(&self) -> [(&'static str, String); 2] {
        [("PORT", self.port.to_string()), ("PS", self.instance.to_owned())]
    }

    /// Returns when it is started again once it has ended by itself.
    pub fn again(&self) -> Again {
        match self.start {
            Start::Always => self.process.supervision.again(),
            Start::Asked => Again::Never,
        }
    }

    /// Returns how many failures in a row are too many for that.
    pub fn limit(&self) -> u32 {
        self.process.supervision.limit()
    }

    /// Returns whether it does one thing and ends.
    pub fn is_one_shot(&self) -> bool {
        self.process.supervision.kind == Kind::OneShot
    }

    /// Returns what a file of it says of what the format has no place for.
    pub fn notes<N: Into<Note>>(&self, app: &App, why: impl Fn(Aspect<'_>) -> Option<N>) -> Vec<String> {
        notes(app, self.process, |aspect| match (self.start, aspect) {
            (Start::Asked, Aspect::Restart(Restart::OnFailure | Restart::Always) | Aspect::Budget) => {
                Some(Note::Unplaced("what a person starts runs once"))
            }
            (Start::Asked | Start::Always, aspect) => why(aspect).map(Into::into),
        })
    }
}

/// Returns the services of an app, the release phase last.
pub fn jobs(app: &App) -> impl Iterator<Item = Job<'_>> {
    let instances = app.processes.iter().flat_map(move |process| {
        let job = move |instance| job(process, instance, unit::name(app, process, instance), Start::Always);
        process.instances.iter().map(job)
    });
    instances.chain(release(app))
}

/// Returns the service that is the release phase, if there is one.
pub fn release(app: &App) -> Option<Job<'_>> {
    let process = app.release.as_ref()?;
    let instance = process.instances.first()?;
    Some(job(process, instance, unit::release_name(app), Start::Asked))
}

fn job<'a>(process: &'a Process, instance: &'a Instance, name: String, start: Start) -> Job<'a> {
    Job {
        name,
        instance: &instance.name,
        port: instance.port,
        command: &process.command,
        start,
        process,
        grace: process.supervision.grace,
        stop_signal: process.supervision.stop_signal,
    }
}
