//! Objects of Kubernetes, a file each, with a kustomization: a Deployment a type.
//!
//! What looks like a secret is only referred to: the Secret is for its owner to create, and an example shows how. The
//! rest is a ConfigMap. Neither is expanded by Kubernetes, unlike a value that stands in the Deployment itself.

mod objects;
mod probes;

use std::collections::BTreeMap;
use std::time::Duration;

use crate::export::app::Port;
use crate::export::kubernetes::objects::{
    ConfigMap, Container, ContainerPort, Deployment, EnvFrom, Example, ImageOverride, Job, JobSpec,
    Kustomization, Metadata, PodSpec, SecurityContext, Selector, Service, ServicePort, ServiceSpec, Spec,
    Template, Variable,
};
use crate::export::kubernetes::probes::Probes;
use crate::export::names::{check_distinct, dns_label};
use crate::export::probe::{Address, address};
use crate::export::quote;
use crate::export::secret::is_secret;
use crate::export::supervision::{Again, Aspect, notes};
use crate::export::unit;
use crate::export::yaml::document;
use crate::export::{Access, App, ExportError, File, Format, Process, refuse_nul};
use crate::policy::{self, Health, Kind, Restart, Sign};

const FORMAT: Format = Format::Kubernetes;

/// The component, and the file, of the release phase.
const RELEASE: &str = "release";

/// The name of a container's port.
const PORT: &str = "app";

/// Returns the files.
pub fn render(app: &App) -> Result<Vec<File>, ExportError> {
    refuse_nul(app, FORMAT)?;
    let names = Names::new(app)?;
    refuse_unkept(app)?;
    let mut files = Vec::new();
    let mut add = |file: &str, access, content: String| {
        files.push(File { path: file.into(), content, access });
    };
    let (secrets, plain): (Vec<_>, Vec<_>) =
        app.variables.iter().cloned().partition(|(name, value)| is_secret(name, value));
    let names_of_secrets: Vec<&str> = secrets.iter().map(|(name, _)| name.as_str()).collect();
    let environment = Environment { has_config: !plain.is_empty(), secrets: &names_of_secrets };
    let mut resources = Vec::new();
    if environment.has_config {
        let map = ConfigMap::new(names.metadata(None), plain);
        resources.push("configmap.yaml".to_owned());
        add("configmap.yaml", Access::Secret, document(FORMAT, &header(app), &map)?);
    }
    if !secrets.is_empty() {
        let empty = names_of_secrets.iter().map(|name| ((*name).to_owned(), String::new()));
        let example = Example::new(Metadata { name: names.secret(), labels: None }, empty);
        let comment = header(app) + &secret_comment(&names.secret());
        add("secret.example.yaml", Access::Public, document(FORMAT, &comment, &example)?);
    }
    if let Some(release) = &app.release {
        let name = Variable::plain("PS", release.first_name().to_owned());
        let object = one_shot(app, &names, release, RELEASE, name, environment);
        let file = format!("{RELEASE}-job.yaml");
        let comment = header(app) + &release_comment(&names.app, environment) + &lines(app, release);
        add(&file, Access::Public, document(FORMAT, &comment, &object)?);
        resources.push(file);
    }
    for process in &app.processes {
        let component = names.component(&process.name);
        if process.supervision.kind == Kind::OneShot {
            let file = format!("{component}-job.yaml");
            let name = Variable::pod_name("PS");
            let object = one_shot(app, &names, process, component, name, environment);
            let comment =
                header(app) + &one_shot_comment(app, process, &format!("{}-{component}", names.app));
            add(&file, Access::Public, document(FORMAT, &comment, &object)?);
            resources.push(file);
            continue;
        }
        let file = format!("{component}-deployment.yaml");
        let object = deployment(app, &names, process, component, environment);
        add(&file, Access::Public, document(FORMAT, &(header(app) + &pod_comment(app, process)), &object)?);
        resources.push(file);
        if process.port == Port::Bound {
            let file = format!("{component}-service.yaml");
            let object = service(&names, process, component);
            add(&file, Access::Public, document(FORMAT, &header(app), &object)?);
            resources.push(file);
        }
    }
    let images = vec![ImageOverride { name: names.app.clone(), new_tag: "latest" }];
    let kustomization = Kustomization::new(resources, images);
    let comment = header(app) + &kustomization_comment(!secrets.is_empty(), &names.app);
    add("kustomization.yaml", Access::Public, document(FORMAT, &comment, &kustomization)?);
    Ok(files)
}

/// What an app and its types are called in a cluster.
struct Names<'a> {
    app: String,
    components: BTreeMap<&'a str, String>,
}

impl<'a> Names<'a> {
    fn new(app: &'a App) -> Result<Names<'a>, ExportError> {
        let name = dns_label(&app.name, "the app", FORMAT)?;
        let mut components = BTreeMap::new();
        for process in &app.processes {
            let what = format!("the type `{}`", process.name);
            let component = dns_label(&process.name, &what, FORMAT)?;
            // The longest name of an object has to be one as well.
            dns_label(&format!("{name}-{component}"), &what, FORMAT)?;
            components.insert(process.name.as_str(), component);
        }
        // Or the Deployment and the Service of a type would take the pods of the release phase for theirs.
        let release = app.release.iter().map(|release| (release.name.as_str(), RELEASE));
        let labels = components.iter().map(|(name, label)| (*name, label.as_str()));
        check_distinct(release.chain(labels), FORMAT)?;
        for (variable, _) in &app.variables {
            check_variable(variable)?;
        }
        dns_label(&format!("{name}-{RELEASE}"), "the app", FORMAT)?;
        Ok(Names { app: name, components })
    }

    fn component(&self, process: &str) -> &str {
        self.components.get(process).map_or("", String::as_str)
    }

    fn secret(&self) -> String {
        format!("{}-secrets", self.app)
    }

    fn config(&self) -> String {
        format!("{}-config", self.app)
    }

    fn labels(&self, component: &str) -> BTreeMap<&'static str, String> {
        let mut labels = BTreeMap::new();
        labels.insert("app.kubernetes.io/name", self.app.clone());
        labels.insert("app.kubernetes.io/component", component.to_owned());
        labels
    }

    fn metadata(&self, component: Option<&str>) -> Metadata {
        let (name, mut labels) = match component {
            Some(component) => (format!("{}-{component}", self.app), self.labels(component)),
            None => (self.config(), self.labels("config")),
        };
        labels.insert("app.kubernetes.io/managed-by", "procman".to_owned());
        Metadata { name, labels: Some(labels) }
    }
}

/// Refuses a name that older clusters do not take for a variable's, or that is no key of a ConfigMap
/// (IsEnvVarName and IsConfigMapKey in apimachinery's validation).
fn check_variable(name: &str) -> Result<(), ExportError> {
    let begins = !name.starts_with(|first: char| first.is_ascii_digit());
    let is_key = name != "." && !name.starts_with("..") && name.len() <= 253;
    if begins && is_key {
        return Ok(());
    }
    let why =
        "a name there begins with no digit, is not `.`, begins not with `..`, and has at most 253 characters";
    Err(ExportError::Inexpressible {
        format: FORMAT,
        what: format!("the variable `{name}`"),
        why: why.to_owned(),
    })
}

/// Refuses texts that Kustomize loses on their way through it: it reads them and writes them again, and what its writer
/// (go-yaml) takes for a line's end, or does not escape, comes out as something else or not at all.
fn refuse_unkept(app: &App) -> Result<(), ExportError> {
    let unkept = |character: char| {
        matches!(character, '\u{7f}'..='\u{9f}' | '\u{2028}' | '\u{2029}' | '\u{fffe}' | '\u{ffff}')
    };
    // The value of a secret is not written.
    let written = App {
        variables: app.variables.iter().filter(|(name, value)| !is_secret(name, value)).cloned().collect(),
        ..app.clone()
    };
    match written.texts().find(|(_, text)| text.contains(unkept)) {
        Some((what, _)) => {
            let why = "it has a control character, or another that Kustomize does not keep".to_owned();
            Err(ExportError::Inexpressible { format: FORMAT, what, why })
        }
        None => Ok(()),
    }
}

/// Where the variables of the environment files are.
#[derive(Clone, Copy)]
struct Environment<'a> {
    has_config: bool,
    secrets: &'a [&'a str],
}

fn deployment(
    app: &App,
    names: &Names<'_>,
    process: &Process,
    component: &str,
    environment: Environment<'_>,
) -> Deployment {
    let port = process.first_port();
    let bound = process.port == Port::Bound;
    let own = vec![Variable::plain("PORT", port.to_string()), Variable::pod_name("PS")];
    let probes = Probes::of(process);
    let tty = process.supervision.has_terminal;
    let container = Container {
        stdin: tty,
        tty,
        ports: bound.then(|| vec![ContainerPort { name: PORT, container_port: port }]),
        startup_probe: probes.startup,
        readiness_probe: probes.readiness,
        liveness_probe: probes.liveness,
        ..container(names, component, &process.command, own, environment)
    };
    let spec = Spec {
        replicas: process.instances.len(),
        selector: Selector { match_labels: names.labels(component) },
        template: template(app, process.supervision.grace, names, component, container, None),
    };
    Deployment::new(names.metadata(Some(component)), spec)
}

/// Returns the Job of a type that does one thing and ends, or of the release phase; `name` is its `PS`.
fn one_shot(
    app: &App,
    names: &Names<'_>,
    process: &Process,
    component: &str,
    name: Variable,
    environment: Environment<'_>,
) -> Job {
    let supervision = &process.supervision;
    let own = vec![Variable::plain("PORT", process.first_port().to_string()), name];
    let tty = supervision.has_terminal;
    let container =
        Container { stdin: tty, tty, ..container(names, component, &process.command, own, environment) };
    let several = Some(process.instances.len()).filter(|count| *count > 1);
    let spec = JobSpec {
        completions: several,
        parallelism: several,
        backoff_limit: match supervision.again() {
            // One that failed is for people to look at, not to be tried again.
            Again::AsUsual | Again::Never => 0,
            Again::OnFailure | Again::Always => supervision.limit() - 1,
        },
        template: template(app, supervision.grace, names, component, container, Some("Never")),
    };
    Job::new(names.metadata(Some(component)), spec)
}

fn container(
    names: &Names<'_>,
    component: &str,
    command: &str,
    mut env: Vec<Variable>,
    environment: Environment<'_>,
) -> Container {
    let secrets = environment.secrets.iter().map(|name| Variable::secret(name, names.secret()));
    env.extend(secrets);
    Container {
        name: component.to_owned(),
        image: names.app.clone(),
        command: ["/bin/sh".to_owned(), "-c".to_owned(), quote::kubernetes(command)],
        env_from: environment.has_config.then(|| vec![EnvFrom::config_map(names.config())]),
        env,
        stdin: false,
        tty: false,
        ports: None,
        startup_probe: None,
        readiness_probe: None,
        liveness_probe: None,
    }
}

fn template(
    app: &App,
    grace: Duration,
    names: &Names<'_>,
    component: &str,
    container: Container,
    restart_policy: Option<&'static str>,
) -> Template {
    let user = app.user.as_deref().and_then(|user| user.parse().ok());
    let spec = PodSpec {
        // A remainder of a second is a second: it is better to wait too long than to kill too early.
        termination_grace_period_seconds: unit::seconds(grace),
        // As process 1 a program would not be ended by a signal that it does not handle.
        share_process_namespace: true,
        // Or the cluster would set variables that no file of the app has, for each of its Services.
        enable_service_links: false,
        restart_policy,
        security_context: user.map(|run_as_user| SecurityContext { run_as_user }),
        containers: [container],
    };
    Template { metadata: objects::Labels { labels: names.labels(component) }, spec }
}

fn service(names: &Names<'_>, process: &Process, component: &str) -> Service {
    let ports = [ServicePort { name: PORT, port: process.first_port(), target_port: PORT }];
    Service::new(names.metadata(Some(component)), ServiceSpec { selector: names.labels(component), ports })
}

fn header(app: &App) -> String {
    format!("Written by procman for the app {}, as kubernetes; the next export overwrites it.\n", app.name)
}

fn pod_comment(app: &App, process: &Process) -> String {
    let mut comment = "\nThe image's working directory has to be the app root.\n\
                       Pods of a type share one PORT, for each has an address of its own; PS is the pod's name.\n"
        .to_owned();
    comment.push_str(match process.port {
        Port::Bound => {
            "The process has to listen on all addresses, not on 127.0.0.1, to be reached from outside of its pod.\n"
        }
        Port::Unused => {
            "It has no port: the type is not called web, and its command does not name PORT with a dollar sign.\n"
        }
    });
    if app.user.as_deref().is_some_and(|user| user.parse::<i64>().is_err()) {
        comment.push_str("Kubernetes knows users by their numbers only: the user is the image's.\n");
    }
    comment + &lines(app, process)
}

fn one_shot_comment(app: &App, process: &Process, name: &str) -> String {
    format!(
        "\nThe image's working directory has to be the app root. PS is the pod's name.\n\
         It runs once. A Job cannot be changed, so before it is applied again:\n  \
         kubectl delete job {name} --ignore-not-found\n{}",
        lines(app, process)
    )
}

/// Returns what is to be said of what a type's policy says and its pods have not.
fn lines(app: &App, process: &Process) -> String {
    let why = |aspect: Aspect<'_>| match (process.supervision.kind, aspect) {
        // A Job has a place for either.
        (Kind::OneShot, Aspect::Restart(_) | Aspect::Budget) => None,
        (Kind::OneShot | Kind::LongLived, aspect) => unplaced(aspect),
    };
    notes(app, process, why).iter().map(|note| format!("{note}\n")).collect()
}

fn unplaced(aspect: Aspect<'_>) -> Option<&'static str> {
    let elsewhere = |probe: &policy::Probe| match probe {
        policy::Probe::Http { target, .. } if address(target) == Address::Elsewhere => {
            Some("the kubelet asks the pod itself alone")
        }
        policy::Probe::Http { .. } | policy::Probe::Port | policy::Probe::Exec(_) => None,
    };
    match aspect {
        Aspect::Restart(Restart::Never) => Some("a Deployment starts again whatever has ended"),
        Aspect::Restart(Restart::OnFailure) => Some("a Deployment starts again what has ended well, too"),
        Aspect::StopSignal(_) => Some("it is the image's: say STOPSIGNAL in the Dockerfile"),
        Aspect::Needs => {
            Some("Kubernetes starts everything at once, and once more what has failed for want of it")
        }
        Aspect::Release => Some("Kubernetes starts everything at once: see release-job.yaml"),
        Aspect::Services => Some("Kubernetes waits for nothing; `procman wait` can, before the command"),
        Aspect::Ready(Sign::Notify | Sign::Log(_)) => Some("the kubelet asks, and is not told"),
        Aspect::Ready(Sign::Probe(probe)) | Aspect::Health(Health { probe, .. }) => elsewhere(probe),
        Aspect::Status(probe, _) if elsewhere(probe).is_some() => None,
        Aspect::Status(_, status) if probes::GOOD_STATUSES.contains(&status) => {
            Some("every status from 200 to 399 is right")
        }
        Aspect::Status(..) => {
            Some("to the kubelet every status but 200 to 399 is a failure, so the port alone is asked")
        }
        Aspect::Budget => Some("a Deployment has no limit, only ever longer pauses"),
        Aspect::StopsAll => Some("the end of one leaves the others alone"),
        Aspect::Restart(Restart::Always) | Aspect::Terminal | Aspect::OneShot => None,
    }
}

fn release_comment(app: &str, environment: Environment<'_>) -> String {
    let secret = match environment.secrets {
        [] => "",
        [_, ..] => "The Secret has to be there before: see secret.example.yaml.\n",
    };
    let config = if environment.has_config { "  kubectl apply -f configmap.yaml\n" } else { "" };
    format!(
        "\n{secret}Kubernetes starts everything at once. To have the release phase first, as it should be (with a\n\
         directory of your own in place of the dot, if you have one: see kustomization.yaml):\n{config}  \
         kubectl delete job {app}-{RELEASE} --ignore-not-found\n  \
         kubectl apply -k . -l app.kubernetes.io/component={RELEASE}\n  \
         kubectl wait --for=condition=complete --timeout=10m job/{app}-{RELEASE}\n  \
         kubectl apply -k .\n"
    )
}

fn secret_comment(secret: &str) -> String {
    format!(
        "\nThe values that look like secrets are not exported. Copy this to a place of your own, fill it in, and\n  \
         kubectl apply -f COPY\n\
         or have whatever keeps your secrets make a Secret called {secret} with these keys.\n"
    )
}

fn kustomization_comment(has_secrets: bool, app: &str) -> String {
    let mut comment = format!(
        "\nTo run it: kubectl apply -k .\n\
         After a change of configmap.yaml: kubectl rollout restart deployment -l app.kubernetes.io/name={app}\n\
         \n\
         The next export undoes what is changed here. To run another image, have a kustomization.yaml of your own in a\n\
         directory beside this one, and apply that directory instead:\n  \
         resources: [../THIS_DIRECTORY]\n  \
         images: [{{name: {app}, newName: REGISTRY/NAME, newTag: \"TAG\"}}]\n"
    );
    if has_secrets {
        comment.push_str("\nThe Secret has to be there before: see secret.example.yaml.\n");
    }
    comment
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::{App, render};
    use crate::export::app::tests::{torture, torture_in};

    #[track_caller]
    fn check_refused(change: impl FnOnce(&mut App), expected: &str) {
        let mut app = torture();
        change(&mut app);
        let error = render(&app).unwrap_err().to_string();
        assert!(error.starts_with(expected), "{error}");
    }

    fn file(app: &App, name: &str) -> String {
        let files = render(app).unwrap();
        files.into_iter().find(|file| file.path.as_os_str() == name).unwrap().content
    }

    #[test]
    fn names_that_a_cluster_cannot_hold_are_refused() {
        check_refused(|app| app.name = "_".to_owned(), "the app cannot be written for kubernetes: ");
        check_refused(|app| app.processes[0].name = "A_B-c".to_owned(), "the type `");
        check_refused(|app| app.processes[0].name = "x".repeat(60), "the type `xxx");
        for name in ["1ST", ".", "..A"] {
            let change = |app: &mut App| app.variables.push((name.to_owned(), String::new()));
            check_refused(change, &format!("the variable `{name}` cannot be written for kubernetes: "));
        }
    }

    #[test]
    fn what_kustomize_does_not_keep_is_refused() {
        for text in ["\u{7f}", "\u{85}", "\u{2028}", "\u{ffff}"] {
            let change = |app: &mut App| app.variables.push(("A".to_owned(), text.to_owned()));
            check_refused(change, "the variable `A` cannot be written for kubernetes: ");
            let change = |app: &mut App| app.processes[0].command.push_str(text);
            check_refused(change, "the command of `web` cannot be written for kubernetes: ");
        }
        let mut app = torture();
        app.variables.push(("TOKEN".to_owned(), "\u{7f}".to_owned()));
        assert!(render(&app).is_ok());
    }

    #[test]
    fn a_user_is_a_number() {
        let mut app = torture();
        assert!(!file(&app, "web-deployment.yaml").contains("runAsUser"));
        app.user = Some("1000".to_owned());
        assert!(file(&app, "web-deployment.yaml").contains("runAsUser: 1000\n"));
    }

    #[test]
    fn a_part_of_a_second_is_a_second() {
        let app = torture_in(Duration::from_millis(1500));
        assert!(file(&app, "web-deployment.yaml").contains("terminationGracePeriodSeconds: 2\n"));
    }
}
