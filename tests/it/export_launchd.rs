//! Exported property lists, read by a reader that has nothing to do with what writes them: Python's.

use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use procman::export::app::Port;
use procman::export::{App, Instance, Process, Supervision, launchd};
use procman::policy::Policy;

use crate::support::python;

/// Prints all texts of a property list, in its order.
const READ: &str = "
import plistlib, sys
def show(value):
    if isinstance(value, dict):
        for key in value:
            print(repr(key)); show(value[key])
    elif isinstance(value, list):
        for item in value: show(item)
    else: print(repr(value))
show(plistlib.load(open(sys.argv[1], 'rb')))
";

#[test]
fn python_reads_back_what_was_written() {
    let Some(python) = python() else { return };
    let command = "echo \"it's <b>&amp;\" ]]> 'x' \\ \t$HOME é🚀 <!-- -->";
    let value = "  one\n\ttwo --> ]]> &lt; \"it's\" \u{85}\u{2028}é🚀\n";
    let app = App {
        name: "shop".to_owned(),
        root: "/srv/my <shop>".into(),
        user: None,
        log: "/var/log".into(),
        run: PathBuf::from("/run"),
        grace: Duration::from_secs(5),
        variables: vec![("A".to_owned(), value.to_owned())],
        processes: vec![Process {
            name: "web".to_owned(),
            command: command.to_owned(),
            port: Port::Bound,
            instances: vec![Instance { number: 1, name: "web.1".to_owned(), port: 5000 }],
            supervision: Supervision::new(&Policy::new(Duration::from_secs(5))),
        }],
        release: None,
    };
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("list");
    std::fs::write(&path, &launchd::render(&app).unwrap()[0].content).unwrap();
    let output = Command::new(python).args(["-c", READ]).arg(path).output().unwrap();
    let told = String::from_utf8_lossy(&output.stdout);
    let repr = |text: &str| {
        let script = "import sys; print(repr(sys.argv[1]))";
        let output = Command::new(python).args(["-c", script, text]).output().unwrap();
        String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
    };
    let texts = |texts: &[&str]| texts.iter().map(|text| repr(text)).collect::<Vec<_>>();
    let mut expected = texts(&["Label", "shop-web-1", "ProgramArguments", "/bin/sh", "-c", command]);
    expected.extend(texts(&["WorkingDirectory", "/srv/my <shop>", "EnvironmentVariables", "A", value]));
    expected.extend(texts(&["PORT", "5000", "PS", "web.1", "RunAtLoad"]));
    expected.extend(["True".to_owned(), repr("KeepAlive"), repr("SuccessfulExit"), "False".to_owned()]);
    expected.extend([repr("ExitTimeOut"), "5".to_owned()]);
    let log = "/var/log/shop-web-1.log";
    expected.extend(texts(&["StandardOutPath", log, "StandardErrorPath", log]));
    assert_eq!(told.lines().collect::<Vec<_>>(), expected, "{}", String::from_utf8_lossy(&output.stderr));
}
