//! The units of the app with every kind of trouble, and what a reader of systemd's documented rules makes of any.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::time::Duration;

use proptest::collection::vec;
use proptest::strategy::Strategy;
use proptest::{prop_assert_eq, proptest};

use super::render;
use crate::export::app::tests::{release, torture, torture_in};
use crate::export::template::Templates;
use crate::export::tests::reader::{directory, settings, text, variables_of, words};
use crate::export::tests::{golden, reader};
use crate::export::{Access, App, File, Format};
use crate::trials::trials;

#[test]
fn the_units_are_the_golden_ones() {
    golden::check(Format::Systemd, &files(&torture()));
}

#[test]
fn only_the_variables_are_secret() {
    let secret = files(&torture()).into_iter().filter(|file| file.access == Access::Secret);
    assert_eq!(
        secret.map(|file| file.path).collect::<Vec<_>>(),
        ["shop.env".into()] as [std::path::PathBuf; 1]
    );
    for file in files(&torture()) {
        assert_eq!(
            file.content.contains("hunter2"),
            file.access == Access::Secret,
            "{}",
            file.path.display()
        );
    }
}

#[test]
fn an_app_without_a_user_leaves_that_to_the_manager() {
    let app = App { user: None, ..torture() };
    assert!(files(&app).iter().all(|file| !file.content.contains("User=")));
}

#[test]
fn systemd_waits_longer_than_the_grace_period() {
    for (grace, expected) in [
        (Duration::ZERO, "1s"),
        (Duration::from_secs(5), "6s"),
        (Duration::from_millis(5500), "7s"),
        (Duration::MAX, "infinity"),
    ] {
        let app = torture_in(grace);
        assert_eq!(settings(&content(&app, "shop-web-1.service"))["TimeoutStopSec"], [expected]);
    }
}

#[test]
fn what_systemd_cannot_hold_is_refused() {
    let variable =
        |name: &str, value: &str| App { variables: vec![(name.to_owned(), value.to_owned())], ..torture() };
    let unread = "it contains a NUL or another character that systemd does not read";
    let name = "systemd takes only letters of ASCII, digits and `_` in a name, and no digit at its beginning";
    check_refused(variable("A", "a\0b"), "the variable `A`", unread);
    check_refused(variable("A", "\u{ffff}"), "the variable `A`", unread);
    check_refused(variable("A", "\u{feff}x"), "the variable `A`", unread);
    check_refused(variable("A.B", "x"), "the variable `A.B`", name);
    check_refused(variable("1A", "x"), "the variable `1A`", name);
    check_refused(App { release: Some(release("\0")), ..torture() }, "the command of `release`", unread);
    check_refused(
        App { root: "/a\nExecStartPre=/bin/x".into(), ..torture() },
        "the app root",
        "it contains a control character",
    );
    for user in ["a b", "a\nRoot=x", "%i", "-x", "", "a:b"] {
        let app = App { user: Some(user.to_owned()), ..torture() };
        check_refused(app, &format!("the user `{}`", user.escape_debug()), "systemd takes no such name");
    }
    check_refused(
        App { name: "multi-user".to_owned(), ..torture() },
        "the app `multi-user`",
        "its target would take the place of systemd's own",
    );
}

proptest! {
    #![proptest_config(trials(500))]

    #[test]
    fn systemd_reads_back_what_was_written(
        command in text(),
        values in vec(text(), 0..4),
        root in text().prop_map(|text| text.replace(char::is_control, "")),
    ) {
        let root = format!("/srv/my{}", root.replace('/', "\\"));
        let variables = values.into_iter().enumerate().map(|(number, value)| (format!("V{number}"), value));
        let mut app = App { root: root.clone().into(), variables: variables.collect(), ..torture() };
        app.processes[0].command.clone_from(&command);
        app.release = Some(release(&command));

        let unit = settings(&content(&app, "shop-web-2.service"));
        let words = words(&unit["ExecStart"][0]);
        prop_assert_eq!(words, ["/usr/bin/env", "PORT=5001", "PS=web.2", "/bin/sh", "-c", &command]);
        let directory = directory(&unit["WorkingDirectory"][0]);
        prop_assert_eq!(directory, &*root);
        let release = settings(&content(&app, "shop-release.service"));
        let words = reader::words(&release["ExecStart"][0]);
        prop_assert_eq!(words, ["/usr/bin/env", "PORT=5200", "PS=release.1", "/bin/sh", "-c", &command]);
        let harmless = settings(&content(&torture(), "shop-web-2.service"));
        prop_assert_eq!(unit.keys().collect::<Vec<_>>(), harmless.keys().collect::<Vec<_>>());
        prop_assert_eq!(variables_of(&content(&app, "shop.env")), app.variables);
    }
}

fn files(app: &App) -> Vec<File> {
    render(app, &Templates::built_in()).unwrap()
}

fn content(app: &App, path: &str) -> String {
    files(app).into_iter().find(|file| file.path.to_str() == Some(path)).unwrap().content
}

#[track_caller]
fn check_refused(app: App, what: &str, why: &str) {
    let error = render(&app, &Templates::built_in()).unwrap_err().to_string();
    assert_eq!(error, format!("{what} cannot be written for systemd: {why}"));
}
