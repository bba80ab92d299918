//! A file for Docker Compose and Podman Compose: a service a type.
//!
//! Variables stand in the file itself. Of an `env_file` each version of Compose reads another dialect (as it is, like a
//! shell, or like dotenv with variables put in), while the only rule for `environment` is that a dollar sign is doubled.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::Serialize;

use crate::export::app::Port;
use crate::export::names::dns_label;
use crate::export::quote;
use crate::export::yaml::document;
use crate::export::{Access, App, ExportError, File, Format, Process, Release, refuse_nul};

/// The service of the release phase.
const RELEASE: &str = "release";

/// Returns the file.
pub fn render(app: &App) -> Result<Vec<File>, ExportError> {
    refuse_nul(app, Format::Compose)?;
    let release =
        app.release.as_ref().filter(|_| app.processes.iter().all(|process| process.name != RELEASE));
    let name = dns_label(&app.name, "the app", Format::Compose)?;
    let types = app
        .processes
        .iter()
        .map(|process| (process.name.as_str(), service(app, &name, process, release.is_some())));
    let first = release.map(|release| (RELEASE, release_service(app, &name, release)));
    let compose = Compose { services: Ordered(first.into_iter().chain(types).collect()), name };
    let content = document(Format::Compose, &comment(app, release.is_some()), &compose)?;
    let access = if app.variables.is_empty() { Access::Public } else { Access::Secret };
    Ok(vec![File { path: "compose.yaml".into(), content, access }])
}

fn comment(app: &App, has_release: bool) -> String {
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
    if has_release {
        comment.push_str("release runs at each `up`, and the others wait until it has ended well.\n");
    }
    comment
}

fn service(app: &App, image: &str, process: &Process, has_release: bool) -> Service {
    let port = process.first_port();
    let shared_name = match process.instances.as_slice() {
        [only] => &only.name,
        [] | [_, ..] => &process.name,
    };
    let own = [("PORT", port.to_string()), ("PS", shared_name.clone())];
    let succeeded = DependsOn { condition: "service_completed_successfully" };
    let bound = process.port == Port::Bound;
    Service {
        depends_on: has_release.then(|| BTreeMap::from([(RELEASE, succeeded)])),
        deploy: Some(Deploy { replicas: process.instances.len() }),
        ports: bound.then(|| vec![published(process)]),
        healthcheck: bound.then(|| healthcheck(port)),
        // Containers come back after a restart of the machine, which `on-failure` does not do.
        ..container(app, image, &process.command, &own, "unless-stopped")
    }
}

fn release_service(app: &App, image: &str, release: &Release) -> Service {
    container(app, image, &release.command, &release.computed(), "no")
}

fn container(
    app: &App,
    image: &str,
    command: &str,
    own: &[(&str, String)],
    restart: &'static str,
) -> Service {
    let own = own.iter().map(|(name, value)| ((*name).to_owned(), value.clone()));
    let shared = app.variables.iter().map(|(name, value)| (name.clone(), quote::compose(value)));
    Service {
        image: image.to_owned(),
        build: Build { context: "." },
        // Both, for an entry point of the image would get the command as its arguments.
        entrypoint: ["/bin/sh", "-c"],
        command: [quote::compose(command)],
        user: app.user.as_deref().map(quote::compose),
        environment: shared.chain(own).collect(),
        // As process 1 a program would not be ended by a signal that it does not handle.
        init: true,
        restart,
        stop_grace_period: duration(app.grace),
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

/// Returns a check that something listens on the port. Whoever has a shell has grep, but not always curl, wget or nc;
/// the kernel lists the port as four digits, base 16, with the state 0A (proc_net_tcp in the kernel's documentation).
fn healthcheck(port: u16) -> Healthcheck {
    let listens = format!(":{port:04X} [0-9A-F]*:0000 0A ");
    let test = ["CMD", "grep", "-qs", &listens, "/proc/net/tcp", "/proc/net/tcp6"].map(str::to_owned);
    Healthcheck { test, interval: "10s", timeout: "5s", retries: 3, start_period: "30s" }
}

/// Returns a time as Compose reads it.
fn duration(time: Duration) -> String {
    if time.subsec_nanos() == 0 { format!("{}s", time.as_secs()) } else { format!("{}ms", time.as_millis()) }
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
    #[serde(skip_serializing_if = "Option::is_none")]
    depends_on: Option<BTreeMap<&'static str, DependsOn>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    deploy: Option<Deploy>,
    #[serde(skip_serializing_if = "Option::is_none")]
    ports: Option<Vec<Published>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    healthcheck: Option<Healthcheck>,
    restart: &'static str,
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
    test: [String; 6],
    interval: &'static str,
    timeout: &'static str,
    retries: u32,
    start_period: &'static str,
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::{duration, healthcheck, render};
    use crate::export::Access;
    use crate::export::app::tests::torture;

    #[test]
    fn a_grace_period_keeps_its_fraction() {
        assert_eq!(duration(Duration::from_secs(5)), "5s");
        assert_eq!(duration(Duration::from_millis(1500)), "1500ms");
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
