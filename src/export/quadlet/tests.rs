//! The containers of the app with every kind of trouble, and what a reader of the rules of systemd and Podman makes of any.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use proptest::collection::vec;
use proptest::{prop_assert, prop_assert_eq, proptest};

use super::render;
use crate::export::app::tests::{torture, torture_in};
use crate::export::template::Templates;
use crate::export::tests::golden;
use crate::export::tests::reader::{settings, text, variables_of, words};
use crate::export::{Access, App, File, Format};
use crate::policy::{Health, Probe, Readiness, Sign};
use crate::trials::trials;

#[test]
fn the_containers_are_the_golden_ones() {
    golden::check(Format::Quadlet, &files(&torture()));
}

#[test]
fn only_files_of_variables_hold_values() {
    for file in files(&torture()) {
        let is_of_variables = file.path.extension().unwrap() == "env";
        assert_eq!(file.access == Access::Secret, is_of_variables, "{}", file.path.display());
        assert!(is_of_variables || !file.content.contains("hunter2"), "{}", file.path.display());
    }
}

#[test]
fn an_app_with_simple_values_needs_one_file_for_them() {
    let app = App { variables: vec![("A".to_owned(), "b c=$d%".to_owned())], ..torture() };
    assert!(files(&app).iter().all(|file| file.path.to_str() != Some("shop.service.env")));
    assert!(files(&app).iter().all(|file| !file.content.contains("%E")));
}

#[test]
fn a_port_is_published_where_one_is_bound() {
    let app = torture();
    let published = |path| settings(&content(&app, path)).get("PublishPort").cloned();
    assert_eq!(published("shop-web-2.container"), Some(vec!["5001:5001".to_owned()]));
    assert_eq!(published("shop-a-b_c-1.container"), None);
}

#[test]
fn podman_has_more_time_than_the_container_and_it_more_than_none() {
    for (grace, container, service) in [
        (Duration::ZERO, "0", "10s"),
        (Duration::from_millis(5500), "6", "16s"),
        (Duration::MAX, "2147483647", "infinity"),
    ] {
        let unit = settings(&content(&torture_in(grace), "shop-web-1.container"));
        let stop = format!("--stop-signal=SIGTERM --stop-timeout={container}");
        assert!(unit["PodmanArgs"].contains(&stop), "{:?}", unit["PodmanArgs"]);
        assert_eq!(unit["TimeoutStopSec"], [service]);
    }
}

#[test]
fn what_cannot_be_held_is_refused() {
    for (name, value, what) in [
        ("A", "\0", "it contains a NUL or another character that systemd does not read"),
        ("A.B", "a\nb", "neither Podman nor systemd takes such a value for such a name from a file"),
    ] {
        let app = App { variables: vec![(name.to_owned(), value.to_owned())], ..torture() };
        let error = render(&app, &Templates::built_in()).unwrap_err().to_string();
        assert_eq!(error, format!("the variable `{name}` cannot be written for quadlet: {what}"));
    }
    let mut app = torture();
    app.processes[0].command = "\u{80}".to_owned();
    assert!(render(&app, &Templates::built_in()).is_err());
}

proptest! {
    #![proptest_config(trials(500))]

    #[test]
    fn podman_and_systemd_read_back_what_was_written(command in text(), values in vec(text(), 0..6)) {
        let variables = values.into_iter().enumerate().map(|(number, value)| (format!("V{number}"), value));
        let variables = variables.filter(|(_, value)| !value.contains('\u{80}')).collect();
        let mut app = App { variables, ..torture() };
        app.processes[0].command = command.replace('\u{80}', "");

        let unit = settings(&content(&app, "shop-web-2.container"));
        prop_assert_eq!(&*words(&unit["Exec"][0]), ["-c", &app.processes[0].command]);
        let seconds = Duration::from_secs(1);
        let probe = Probe::Exec(app.processes[0].command.clone());
        let ready = Readiness { sign: Sign::Probe(probe.clone()), interval: seconds, timeout: seconds, deadline: seconds };
        app.processes[0].supervision.ready = Some(ready);
        app.processes[0].supervision.health = Some(Health { probe, interval: seconds, timeout: seconds, failures: 1 });
        let unit = settings(&content(&app, "shop-web-2.container"));
        let post = words(&unit["ExecStartPost"][0].replace("%N", ""));
        prop_assert_eq!((&*post[3], &post[4]), ("systemd-", &app.processes[0].command));
        let health = unit["PodmanArgs"].iter().find(|value| value.contains("--health-cmd=")).unwrap();
        let health = words(health).remove(0);
        let read: Vec<String> = serde_json::from_str(health.strip_prefix("--health-cmd=").unwrap()).unwrap();
        prop_assert_eq!(&*read, ["/bin/sh", "-c", &app.processes[0].command]);

        let files = files(&app);
        let text = |path: &str| files.iter().find(|file| file.path.to_str() == Some(path)).map(|file| &*file.content);
        let rest = text("shop.service.env").map(variables_of).unwrap_or_default();
        for (name, _) in &rest {
            let is_passed_on = unit["PodmanArgs"].contains(&format!("--env={name}"));
            prop_assert!(is_passed_on);
        }
        let mut found = podmans(text("shop.env").unwrap());
        found.extend(rest);
        found.sort();
        prop_assert_eq!(found, app.variables);
    }
}

fn files(app: &App) -> Vec<File> {
    render(app, &Templates::built_in()).unwrap()
}

fn content(app: &App, path: &str) -> String {
    files(app).into_iter().find(|file| file.path.to_str() == Some(path)).unwrap().content
}

/// Reads a file that `podman run --env-file` names: a line a variable, comments, no quotes (podman-run(1)).
fn podmans(file: &str) -> Vec<(String, String)> {
    let lines = file.split('\n').map(|line| line.trim_start_matches([' ', '\t']));
    let lines = lines.filter(|line| !line.is_empty() && !line.starts_with('#'));
    lines.map(|line| line.split_once('=').map(|(name, value)| (name.into(), value.into())).unwrap()).collect()
}
