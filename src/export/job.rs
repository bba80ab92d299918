//! An app as the services that a manager without types runs: one for each instance, and one for the release phase.

use crate::export::{App, Release, unit};

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
        })
    });
    let release = app.release.iter().map(|release| Job {
        name: unit::release_name(app),
        process: "release",
        instance: Release::NAME,
        port: release.port,
        command: &release.command,
        start: Start::Asked,
    });
    instances.chain(release)
}
