//! An app as the services that a manager without types runs: one for each instance, and one for the release phase.

use std::time::Duration;

use crate::export::supervision::{Again, Aspect, Note, notes};
use crate::export::{App, Process, Release, unit};
use crate::policy::{Kind, Policy};
use crate::process::Signal;

/// What one service runs.
#[derive(Clone, Debug)]
pub struct Job<'a> {
    /// Its name, such as `shop-web-1`.
    pub name: String,
    /// Its type.
    pub process: &'a str,
    /// Its `PS`.
    pub instance: &'a str,
    /// Its `PORT`.
    pub port: u16,
    /// What `/bin/sh -c` is given.
    pub command: &'a str,
    /// When it is started.
    pub start: Start,
    /// The type, but of the release phase.
    pub supervised: Option<&'a Process>,
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
        self.supervised.map_or(Again::Never, |process| process.supervision.again())
    }

    /// Returns how many failures in a row are too many for that.
    pub fn limit(&self) -> u32 {
        self.supervised.map_or(Policy::BUDGET, |process| process.supervision.limit())
    }

    /// Returns whether it does one thing and ends.
    pub fn is_one_shot(&self) -> bool {
        self.supervised.is_none_or(|process| process.supervision.kind == Kind::OneShot)
    }

    /// Returns what a file of it says of what the format has no place for.
    pub fn notes<N: Into<Note>>(&self, app: &App, why: impl Fn(Aspect<'_>) -> Option<N>) -> Vec<String> {
        self.supervised.map_or_else(Vec::new, |process| notes(app, process, why))
    }
}

/// Returns the services of an app, the release phase last.
pub fn jobs(app: &App) -> impl Iterator<Item = Job<'_>> {
    let instances = app.processes.iter().flat_map(move |process| {
        process.instances.iter().map(move |instance| Job {
            name: unit::name(app, process, instance),
            process: &process.name,
            instance: &instance.name,
            port: instance.port,
            command: &process.command,
            start: Start::Always,
            supervised: Some(process),
            grace: process.supervision.grace,
            stop_signal: process.supervision.stop_signal,
        })
    });
    let release = app.release.iter().map(|release| Job {
        name: unit::release_name(app),
        process: "release",
        instance: Release::NAME,
        port: release.port,
        command: &release.command,
        start: Start::Asked,
        supervised: None,
        grace: app.grace,
        stop_signal: Signal::TERM,
    });
    instances.chain(release)
}
