//! A file for Docker Compose and Podman Compose: a service a type.
//!
//! Variables stand in the file itself. Of an `env_file` each version of Compose reads another dialect (as it is, like a
//! shell, or like dotenv with variables put in), while the only rule for `environment` is that a dollar sign is doubled.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::export::app::Port;
use crate::export::names::dns_label;
use crate::export::probe::{self, TABLES, listens, shortcoming};
use crate::export::quote;
use crate::export::supervision::{Again, Aspect, Note, all_notes, notes, signal_word};
use crate::export::unit;
use crate::export::yaml::document;
use crate::export::{Access, App, ExportError, File, Format, Process, Supervision, refuse_nul};
use crate::policy::{Health, Kind, Probe, Readiness, Restart, Sign};
use crate::process::Signal;

/// The service of the release phase.
const RELEASE: &str = "release";

/// Returns the file.
pub fn render(app: &App) -> Result<Vec<File>, ExportError> {
    refuse_nul(app, Format::Compose)?;
    let name = dns_label(&app.name, "the app", Format::Compose)?;
    let types = app.processes.iter().map(|process| (process.name.as_str(), service(app, &name, process)));
    let first =
        app.release.as_ref().map(|release| (RELEASE, container(app, &name, release, shared(release))));
    let compose = Compose { services: Ordered(first.into_iter().chain(types).collect()), name };
    let content = document(Format::Compose, &comment(app), &compose)?;
    let access = if app.variables.is_empty() { Access::Public } else { Access::Secret };
    Ok(vec![File { path: "compose.yaml".into(), content, access }])
}

fn comment(app: &App) -> String {
    let mut comment = format!(
        "Written by procman for the app {}, as compose; the next export overwrites it.\n\
         \n\
         It belongs beside the Dockerfile, in the app root: docker compose up --build --detach\n\
         The image's working directory has to be the app root. A process has to listen on all addresses, not on\n\
         127.0.0.1, to be reached from outside of its container.\n\
         Replicas of a type share one PORT, for each has a network of its own, and one PS, which is the type's name;\n\
         a type with a single instance has that instance's PS.\n",
        app.name
    );
    if !app.variables.is_empty() {
        comment
            .push_str("The values of the environment files are in here: keep it out of version control.\n");
    }
    if app.release.is_some() {
        comment.push_str("release runs at each `up`, and the others wait until it has ended well.\n");
    }
    let why = |process: &Process, aspect: Aspect<'_>| note(&process.supervision, aspect);
    let of_release =
        app.release.iter().flat_map(|release| notes(app, release, |aspect| why(release, aspect)));
    for note in all_notes(app, why).into_iter().chain(of_release) {
        comment.push_str(&format!("{note}\n"));
    }
    comment
}

fn service(app: &App, image: &str, process: &Process) -> Service {
    let port = process.first_port();
    let own = shared(process);
    let supervision = &process.supervision;
    let bound = process.port == Port::Bound;
    let released = app.release.as_ref().map(|_| (RELEASE, "service_completed_successfully"));
    let needed = app.needed(supervision).map(|needed| (needed.name.as_str(), condition(&needed.supervision)));
    let depends_on = released.into_iter().chain(needed);
    let depends_on = depends_on.map(|(name, condition)| (name.to_owned(), DependsOn { condition }));
    let mut all = BTreeMap::new();
    all.extend(depends_on);
    Service {
        depends_on: (!all.is_empty()).then_some(all),
        deploy: Some(Deploy { replicas: process.instances.len() }),
        ports: bound.then(|| vec![published(process)]),
        healthcheck: said_healthcheck(supervision, port)
            .or_else(|| (bound && supervision.kind == Kind::LongLived).then(|| healthcheck(port))),
        ..container(app, image, process, own)
    }
}

/// Returns when a container is started again.
fn restart(supervision: &Supervision) -> String {
    match supervision.again() {
        // Containers come back after a restart of the machine, which `on-failure` does not do.
        Again::AsUsual | Again::Always => "unless-stopped".to_owned(),
        Again::OnFailure => match supervision.own_budget() {
            None => "on-failure".to_owned(),
            // No number, and 0, would be no limit.
            Some(1) => "no".to_owned(),
            Some(budget) => format!("on-failure:{}", budget - 1),
        },
        Again::Never => "no".to_owned(),
    }
}

/// Returns what those wait for that need a type: that it is ready.
fn condition(supervision: &Supervision) -> &'static str {
    match supervision.kind {
        Kind::OneShot => "service_completed_successfully",
        Kind::LongLived if supervision.ready_probe().is_some() => "service_healthy",
        Kind::LongLived => "service_started",
    }
}

fn note(supervision: &Supervision, aspect: Aspect<'_>) -> Option<Note> {
    match aspect {
        Aspect::Services => Some(Note::Unplaced(
            "Compose waits for services of its own; `procman wait` can, before the command",
        )),
        Aspect::Ready(Sign::Notify | Sign::Log(_)) => {
            Some(Note::Unplaced("Compose asks by commands alone, so one that has been started is ready"))
        }
        Aspect::Ready(Sign::Probe(probe)) => shortcoming(probe),
        Aspect::Health(_) if supervision.ready_probe().is_some() => {
            Some(Note::Unplaced("a container has one check, which is that of `ready`"))
        }
        Aspect::Health(_) => Some(Note::Otherwise("is only shown: what is not well is not started again")),
        Aspect::Restart(Restart::OnFailure) => match supervision.own_budget() {
            None => {
                Some(Note::Otherwise("is there, but without a limit, and not after a restart of the machine"))
            }
            Some(_) => Some(Note::Otherwise("is there, but not after a restart of the machine")),
        },
        Aspect::Budget => match supervision.again() {
            Again::OnFailure => {
                Some(Note::Otherwise("is there, but counts all failures, not those in a row"))
            }
            Again::AsUsual | Again::Always | Again::Never => {
                Some(Note::Unplaced("Compose has a limit for `on-failure` alone"))
            }
        },
        Aspect::StopsAll => Some(Note::Unplaced("`docker compose up --abort-on-container-exit` does that")),
        Aspect::Restart(Restart::Never | Restart::Always)
        | Aspect::Terminal
        | Aspect::StopSignal(_)
        | Aspect::OneShot
        | Aspect::Needs
        | Aspect::Release
        | Aspect::Status(..) => None,
    }
}

/// Returns the computed variables, which the replicas of a type share.
fn shared(process: &Process) -> [(&'static str, String); 2] {
    let name = match process.instances.as_slice() {
        [only] => &only.name,
        [] | [_, ..] => &process.name,
    };
    [("PORT", process.first_port().to_string()), ("PS", name.clone())]
}

fn container(app: &App, image: &str, process: &Process, own: [(&str, String); 2]) -> Service {
    let supervision = &process.supervision;
    let is_other = supervision.stop_signal != Signal::TERM;
    let own = own.map(|(name, value)| (name.to_owned(), value));
    let shared = app.variables.iter().map(|(name, value)| (name.clone(), quote::compose(value)));
    let mut environment = BTreeMap::new();
    environment.extend(shared.chain(own));
    Service {
        image: image.to_owned(),
        build: Build { context: "." },
        // Both, for an entry point of the image would get the command as its arguments.
        entrypoint: ["/bin/sh", "-c"],
        command: [quote::compose(&process.command)],
        user: app.user.as_deref().map(quote::compose),
        environment,
        // As process 1 a program would not be ended by a signal that it does not handle.
        init: true,
        tty: supervision.has_terminal,
        restart: restart(supervision),
        stop_signal: is_other.then(|| signal_word(supervision.stop_signal)),
        stop_grace_period: unit::time(supervision.grace),
        depends_on: None,
        deploy: None,
        ports: None,
        healthcheck: None,
    }
}

/// Returns a port of the machine for each replica: Compose takes the next free one of a range.
fn published(process: &Process) -> Published {
    let ports = || process.instances.iter().map(|instance| instance.port);
    let (first, last) = (process.first_port(), ports().max().unwrap_or_default());
    let published = if first == last { first.to_string() } else { format!("{first}-{last}") };
    Published { target: first, published }
}

/// Returns a check that something listens on the port.
fn healthcheck(port: u16) -> Healthcheck {
    let [four, six] = TABLES;
    let test = ["CMD", "grep", "-qs", &listens(port), four, six].map(str::to_owned).to_vec();
    let [interval, timeout, start_period] = ["10s", "5s", "30s"].map(str::to_owned);
    Healthcheck { test, interval, timeout, retries: 3, start_period: Some(start_period) }
}

/// Returns the check that is said: a container has only one, and that it is ready is what others wait for.
fn said_healthcheck(supervision: &Supervision, port: u16) -> Option<Healthcheck> {
    let ready = supervision.ready_probe();
    let health = supervision.health.as_ref();
    let test = |probe: &Probe, timeout| {
        let command = quote::compose(&probe::command(probe, port, timeout));
        ["CMD", "/bin/sh", "-c", &command].map(str::to_owned).to_vec()
    };
    // It is asked for as long as the container runs, and so not as often as somebody who waits would.
    let calm = |ready: &Readiness| ready.interval.max(Duration::from_secs(2));
    let (probe, interval, timeout) = match (ready, health) {
        (Some((ready, probe)), _) => (probe, calm(ready), ready.timeout),
        (None, Some(Health { probe, interval, timeout, .. })) => (probe, *interval, *timeout),
        (None, None) => return None,
    };
    Some(Healthcheck {
        test: test(probe, timeout),
        interval: unit::time(interval),
        timeout: unit::time(timeout),
        retries: health.map_or(Health::FAILURES, |health| health.failures),
        start_period: supervision.ready.as_ref().map(|ready| unit::time(ready.deadline)),
    })
}

#[derive(Serialize)]
struct Compose<'a> {
    name: String,
    services: Ordered<'a>,
}

/// The services in the Procfile's order.
struct Ordered<'a>(Vec<(&'a str, Service)>);

impl Serialize for Ordered<'_> {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_map(self.0.iter().map(|(name, service)| (name, service)))
    }
}

#[derive(Serialize)]
struct Service {
    image: String,
    build: Build,
    entrypoint: [&'static str; 2],
    command: [String; 1],
    #[serde(skip_serializing_if = "Option::is_none")]
    user: Option<String>,
    environment: BTreeMap<String, String>,
    init: bool,
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    tty: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    depends_on: Option<BTreeMap<String, DependsOn>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deploy: Option<Deploy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<Vec<Published>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Healthcheck>,
    restart: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    stop_signal: Option<String>,
    stop_grace_period: String,
}

#[derive(Serialize)]
struct Build {
    context: &'static str,
}

#[derive(Serialize)]
struct DependsOn {
    condition: &'static str,
}

#[derive(Serialize)]
struct Deploy {
    replicas: usize,
}

#[derive(Serialize)]
struct Published {
    target: u16,
    published: String,
}

#[derive(Serialize)]
struct Healthcheck {
    test: Vec<String>,
    interval: String,
    timeout: String,
    retries: u32,
    #[serde(skip_serializing_if = "Option::is_none")]
    start_period: Option<String>,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::{healthcheck, render};
    use crate::export::app::tests::torture;
    use crate::export::{Access, unit};

    #[test]
    fn a_grace_period_keeps_its_fraction() {
        assert_eq!(unit::time(Duration::from_secs(5)), "5s");
        assert_eq!(unit::time(Duration::from_millis(1500)), "1500ms");
    }

    #[test]
    fn a_port_is_looked_for_as_the_kernel_writes_it() {
        assert_eq!(healthcheck(80).test[3], ":0050 [0-9A-F]*:0000 0A ");
    }

    #[test]
    fn a_single_instance_keeps_its_name() {
        let text = render(&torture()).unwrap().remove(0).content;
        assert!(text.contains("PS: web\n") && text.contains("PS: a-b_c.1\n"), "{text}");
    }

    #[test]
    fn without_variables_there_is_nothing_to_hide() {
        let mut app = torture();
        app.variables.clear();
        assert_eq!(render(&app).unwrap()[0].access, Access::Public);
    }
}
