//! Podman's containers under systemd: a `.container` file an instance, which Podman's generator makes a service of.
//!
//! Variables go into files that only their owner may read, never into a unit or a command line, which others see. Podman
//! reads one of them, with rules that have changed from version to version, so only what all versions read alike is in
//! it; the rest is in one that systemd reads, and reaches the container through Podman's own environment. The image is
//! one that the user builds from the app root.

use std::time::Duration;

use serde::Serialize;

use crate::export::app::Port;
use crate::export::probe::{command, shortcoming, waiting};
use crate::export::supervision::Supervision;
use crate::export::template::Templates;
use crate::export::unit_supervision::UnitSupervision;
use crate::export::{Access, App, ExportError, File, Format, unit};

/// How long Podman may take for its own part of an end, in seconds.
const PODMANS_PART: u64 = 10;

/// What the templates of an instance and of the release phase know.
#[derive(Serialize)]
struct ContainerContext<'a> {
    app: &'a str,
    name: &'a str,
    services: &'a [String],
    ps: &'a str,
    port: u16,
    is_bound: bool,
    command: &'a str,
    root: &'a str,
    image: &'a str,
    /// The variables that Podman gets from systemd and passes on.
    passed_on: &'a [&'a str],
    limit: u32,
    limit_interval: u64,
    stop_timeout: u64,
    service_stop_timeout: &'a str,
    /// How it is supervised.
    supervision: Option<&'a UnitSupervision>,
    ready: Option<&'a Ready>,
    /// What Podman is told of its health.
    health: &'a [String],
}

/// How an instance is known to be ready.
#[derive(Serialize)]
struct Ready {
    /// A script that comes to its end when it is, with its container as `$0` and the check as `$1`.
    script: String,
    check: String,
}

/// What the templates of the variables know.
#[derive(Serialize)]
struct EnvironmentContext<'a> {
    app: &'a str,
    variables: Vec<Variable<'a>>,
}

#[derive(Clone, Copy, Serialize)]
struct Variable<'a> {
    name: &'a str,
    value: &'a str,
}

/// Returns the containers of an app.
pub fn render(app: &App, templates: &Templates) -> Result<Vec<File>, ExportError> {
    check(app)?;
    let variables = app.variables.iter().map(|(name, value)| Variable { name, value });
    let (plain, rest): (Vec<_>, Vec<_>) = variables.partition(|variable| is_plain(variable.value));
    if let Some(variable) = rest.iter().find(|variable| !unit::is_systemd_variable(variable.name)) {
        let why = "neither Podman nor systemd takes such a value for such a name from a file";
        return Err(unit::inexpressible(Format::Quadlet, unit::variable(variable.name), why));
    }
    let passed_on: Vec<_> = rest.iter().map(|variable| variable.name).collect();
    let services = services(app);
    let image = unit::image(app);
    // What every container of the app has; an instance says the rest.
    let base = ContainerContext {
        app: &app.name,
        name: "",
        services: &services,
        ps: "",
        port: 0,
        is_bound: false,
        command: "",
        root: unit::root(app, Format::Quadlet)?,
        image: &image,
        passed_on: &passed_on,
        limit: 0,
        limit_interval: 0,
        stop_timeout: 0,
        service_stop_timeout: "",
        supervision: None,
        ready: None,
        health: &[],
    };
    let mut files = Vec::new();
    let mut file = |path: String, content: String, access: Access| {
        files.push(File { path: path.into(), content, access });
    };
    for process in &app.processes {
        let supervision = UnitSupervision::new(app, process, |health| shortcoming(&health.probe));
        let service_stop_timeout = unit::timeout(process.supervision.grace, PODMANS_PART);
        for instance in &process.instances {
            let name = unit::name(app, process, instance);
            let (ready, health) =
                (ready(&process.supervision, instance.port), health(&process.supervision, instance.port));
            let context = ContainerContext {
                name: &name,
                ps: &instance.name,
                port: instance.port,
                is_bound: process.port == Port::Bound,
                command: &process.command,
                limit: process.supervision.limit(),
                limit_interval: unit::limit_interval(process.supervision.limit()),
                stop_timeout: stop_timeout(process.supervision.grace),
                service_stop_timeout: &service_stop_timeout,
                supervision: Some(&supervision),
                ready: ready.as_ref(),
                health: &health,
                ..base
            };
            let content = templates.render("quadlet/process.container", context)?;
            file(format!("{name}.container"), content, Access::Public);
        }
    }
    if let Some(release) = &app.release {
        let name = unit::release_name(app);
        let (grace, limit) = (release.supervision.grace, release.supervision.limit());
        let context = ContainerContext {
            name: &name,
            ps: release.first_name(),
            port: release.first_port(),
            command: &release.command,
            limit,
            limit_interval: unit::limit_interval(limit),
            stop_timeout: stop_timeout(grace),
            service_stop_timeout: &unit::timeout(grace, PODMANS_PART),
            supervision: Some(&UnitSupervision::new(app, release, |health| shortcoming(&health.probe))),
            ..base
        };
        let content = templates.render("quadlet/release.container", context)?;
        file(format!("{name}.container"), content, Access::Public);
    }
    let context = EnvironmentContext { app: &app.name, variables: plain };
    file(format!("{}.env", app.name), templates.render("quadlet/environment", context)?, Access::Secret);
    if !rest.is_empty() {
        let context = EnvironmentContext { app: &app.name, variables: rest };
        let content = templates.render("quadlet/service.environment", context)?;
        file(format!("{}.service.env", app.name), content, Access::Secret);
    }
    Ok(files)
}

/// Returns a grace period for Podman, which counts in 32 bits, and takes 0 for an end without any time.
fn stop_timeout(grace: Duration) -> u64 {
    unit::seconds(grace).min(u64::from(i32::MAX.unsigned_abs()))
}

/// Returns how an instance is known to be ready, if that can be tried in its container.
fn ready(supervision: &Supervision, port: u16) -> Option<Ready> {
    let (ready, probe) = supervision.ready_probe()?;
    let most = unit::seconds(ready.timeout).max(1);
    let check = format!("timeout {most} podman exec \"$0\" /bin/sh -c \"$1\"");
    Some(Ready { script: waiting(&check, ready.interval), check: command(probe, port, ready.timeout) })
}

/// Returns what Podman is told of an instance's health: what is not well is killed, and so started again.
fn health(supervision: &Supervision, port: u16) -> Vec<String> {
    let Some(health) = &supervision.health else { return Vec::new() };
    // As a list, whose words are not read once more; without Podman's own word `CMD` in it, with which older ones would
    // divide its text at the blanks (makeHealthCheckFromCli in pkg/specgenutil).
    let words = ["/bin/sh", "-c", &command(&health.probe, port, health.timeout)].map(serde_json::Value::from);
    let mut arguments = vec![
        format!("--health-cmd={}", serde_json::Value::from(words.to_vec())),
        format!("--health-interval={}", unit::time(health.interval)),
        // A part of a second is none to Podman.
        format!("--health-timeout={}s", unit::seconds(health.timeout).max(1)),
        format!("--health-retries={}", health.failures),
        "--health-on-failure=kill".to_owned(),
    ];
    let start = supervision.ready.as_ref().map(|ready| unit::time(ready.deadline));
    arguments.extend(start.map(|start| format!("--health-start-period={start}")));
    arguments
}

fn services(app: &App) -> Vec<String> {
    let of = |process| move |instance| unit::name(app, process, instance);
    app.processes.iter().flat_map(|process| process.instances.iter().map(of(process))).collect()
}

/// Refuses what no file of systemd can hold, and what Podman's generator gets wrong.
fn check(app: &App) -> Result<(), ExportError> {
    // The generator writes U+0080 as a byte of that number, which is not UTF-8 (charNeedEscape in
    // pkg/systemd/parser/split.go of Podman compares with 128).
    let takes = |character: char| character != '\u{80}' && unit::is_systemd_character(character);
    unit::check(
        app,
        Format::Quadlet,
        takes,
        "it contains a NUL or another character that systemd does not read",
    )
}

/// Returns whether every version of Podman reads this value from a file as it is.
///
/// `--env-file` has no quotes (podman-run(1)), but for a while it had: values could be quoted, span lines and end in a
/// comment. Longer lines than 64 KiB are too long for the reader of lines that it has.
fn is_plain(value: &str) -> bool {
    let is_trimmed = value.trim() == value;
    let is_special = |next: char| next.is_control() || matches!(next, '"' | '\'' | '`' | '#' | '\\');
    is_trimmed && !value.is_empty() && value.len() < 32 * 1024 && !value.contains(is_special)
}

#[cfg(test)]
mod tests;
