//! Exported units, read by the real systemd: its own checker, and a user's manager that runs them.
//!
//! A manager of its own is more than a test can have; where the user has one, the units are linked into it until it is
//! restarted at the latest, under a name that no other run has.

use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use procman::export::app::Port;
use procman::export::template::Templates;
use procman::export::{App, Instance, Process, Supervision, systemd};
use procman::policy::{Need, Policy};
use procman::procfile::ProcessType;

use crate::support::{self, is_installed, skipped, wait_until};

/// Values with all that is special to systemd, a shell or a file of variables.
const VALUES: [(&str, &str); 12] = [
    ("V_BACKSLASH", r"C:\dir\app\"),
    ("V_COLON", "a:b=c,d;e"),
    ("V_DASH", "--x"),
    ("V_DOLLAR", "pa$$w0rd $HOME ${HOME} $(id) `id`"),
    ("V_EMPTY", ""),
    ("V_HASH", "a #b#"),
    ("V_JSON", r#"{"a": [1, "x"]}"#),
    ("V_LINES", "one\ntwo\n\tthree\\\n"),
    ("V_PERCENT", "100% %h %% %n"),
    ("V_QUOTES", r#"it's "so""#),
    ("V_SPACES", "  a  b  "),
    ("V_UNICODE", "Grüße 日本 🚀"),
];

/// Says everything that it was given, in a file that appears all at once.
const COMMAND: &str = r#"printf '[%s]\n' "$PORT" "$PS" "$PWD" "$V_BACKSLASH" "$V_COLON" "$V_DASH" "$V_DOLLAR" "$V_EMPTY" "$V_HASH" "$V_JSON" "$V_LINES" "$V_PERCENT" "$V_QUOTES" "$V_SPACES" "$V_UNICODE" 100% %h 'it'"'"'s' "C:\\dir" "\$\$" "$(echo '$x')" é  -a# >"$OUT/$PS.new"; mv "$OUT/$PS.new" "$OUT/$PS"; exec sleep 1000 # the 'end' of \"#;

#[test]
fn systemd_finds_nothing_to_say_about_the_units() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let runtime = directory.path().join("runtime");
    std::fs::DirBuilder::new().mode(0o700).create(&runtime).unwrap();
    let app = app("shop", directory.path(), Path::new("/nowhere"));
    for (manager, user) in [("--system", Some("root".to_owned())), ("--user", None)] {
        let units = write(&App { user, ..app.clone() }, &directory.path().join(manager));
        let mut command = Command::new("systemd-analyze");
        command.env("XDG_RUNTIME_DIR", &runtime).args([manager, "verify", "--man=no"]);
        let output = command.args(&units).output().unwrap();
        assert_eq!((said(&output), output.status.code()), (String::new(), Some(0)), "{manager}");
    }
}

#[test]
fn units_run_what_start_runs() {
    if !has_manager() {
        return;
    }
    let root = support::App::new(&format!("web: {COMMAND}\na-b_c: {COMMAND}\n"));
    let started = root.root().join("started");
    let exported = root.root().join("exported");
    for folder in [&started, &exported] {
        std::fs::create_dir(folder).unwrap();
    }
    let instances = ["web.1", "web.2", "a-b_c.1"];

    let out = [("OUT", started.to_str().unwrap())];
    let quoted = VALUES.iter().chain(&out).map(|(name, value)| format!("{name}={}\n", dotenv(value)));
    root.file(".env", quoted.collect::<String>() + "PORT=5000\n");
    let start = root.start(&["-m", "web=2,a-b_c=1"]);
    for name in instances {
        wait_until("start has run it", || started.join(name).exists());
    }
    start.signal(nix::sys::signal::Signal::SIGTERM);
    start.finish();

    let name = format!("procman-test-{}", std::process::id());
    let units = write(&app(&name, root.root(), &exported), &root.root().join("units"));
    let linked = Linked { target: format!("{name}.target"), units };
    linked.begin();
    for name in instances {
        wait_until("systemd has run it", || exported.join(name).exists());
        let text = |folder: &PathBuf| std::fs::read_to_string(folder.join(name)).unwrap();
        assert_eq!(text(&exported), text(&started), "{name}");
    }
    assert_eq!(linked.active(), 3);
    systemctl(&["stop", &linked.target]);
    assert_eq!(linked.active(), 0);
}

#[test]
fn whatever_a_text_is_it_reaches_the_process() {
    if !has_manager() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let mut random = fastrand::Rng::with_seed(6);
    let special: Vec<char> =
        "%$\"'\\`#;=-~:@!+| \t\n\r{}[]()<>nxu0\u{85}\u{a0}é🚀\u{1b}\u{7f}\u{1}".chars().collect();
    let mut text = || -> String {
        let length = random.usize(0..12);
        let mut one =
            || if random.bool() { special[random.usize(..special.len())] } else { random.char(' '..='~') };
        (0..length).map(|_| one()).collect()
    };
    let words: Vec<String> = (0..200).map(|_| text()).collect();
    let values: Vec<String> = (0..200).map(|_| text()).collect();
    let variables = values.iter().enumerate().map(|(number, value)| (format!("V_{number}"), value.clone()));
    let mut command = "{ printf '%s\\0'".to_owned();
    for word in &words {
        command += &format!(" {}", procman::export::quote::sh(word));
    }
    for (name, _) in variables.clone() {
        command += &format!(" \"${name}\"");
    }
    command += "; } >new; mv new out; exec sleep 1000";
    let name = format!("procman-test-text-{}", std::process::id());
    let mut app = app(&name, directory.path(), directory.path());
    app.variables = variables.collect();
    app.processes.truncate(1);
    app.processes[0].instances.truncate(1);
    app.processes[0].command = command;

    let units = write(&app, &directory.path().join("units"));
    let linked = Linked { target: format!("{name}.target"), units };
    linked.begin();
    let out = directory.path().join("out");
    wait_until("systemd has run it", || out.exists());
    let found = std::fs::read(out).unwrap();
    let found: Vec<_> = found.split(|byte| *byte == 0).map(String::from_utf8_lossy).collect();
    let expected: Vec<_> = words.iter().chain(&values).collect();
    assert_eq!(found.len(), expected.len() + 1);
    for (found, expected) in found.iter().zip(expected) {
        assert_eq!(found, expected);
    }
}

#[test]
fn a_crash_of_what_is_needed_ends_nothing_else() {
    if !has_manager() {
        return;
    }
    let directory = tempfile::tempdir().unwrap();
    let name = format!("procman-test-crash-{}", std::process::id());
    let mut app = app(&name, directory.path(), directory.path());
    for process in &mut app.processes {
        process.command = "exec sleep 1000".to_owned();
        process.instances.truncate(1);
    }
    let [needed, other] = &mut app.processes[..] else { panic!("there are two types") };
    other.supervision.needs = vec![Need::Process(ProcessType::new(&needed.name).unwrap())];
    let units = write(&app, &directory.path().join("units"));
    let linked = Linked { target: format!("{name}.target"), units };
    linked.begin();
    let [needed, other] = ["web-1", "a-b_c-1"].map(|service| format!("{name}-{service}.service"));
    wait_until("both run", || linked.active() == 2);
    let before = shown(&other, "MainPID");

    systemctl(&["kill", "--signal=KILL", &needed]);
    wait_until("it runs again", || shown(&needed, "NRestarts") == "1" && linked.active() == 2);
    assert_eq!(shown(&other, "MainPID"), before);
}

/// Returns whether there is a manager of the user's that takes units; says why a test is left out where there is none.
pub fn has_manager() -> bool {
    let output = Command::new("systemctl").args(["--user", "show-environment"]).output();
    let found = output.is_ok_and(|output| output.status.success());
    if !found {
        skipped("no user's systemd can be spoken to");
    }
    found
}

/// Units that the user's manager knows for a while.
struct Linked {
    target: String,
    units: Vec<PathBuf>,
}

impl Linked {
    fn begin(&self) {
        let units: Vec<_> = self.units.iter().map(|path| path.to_str().unwrap()).collect();
        systemctl(&[&["link", "--runtime"], &*units].concat());
        systemctl(&["start", &self.target]);
    }

    /// Returns how many of the services run.
    fn active(&self) -> usize {
        let states = self.services().map(|name| {
            let command = ["--user", "is-active", &name];
            said(&Command::new("systemctl").args(command).output().unwrap())
        });
        states.filter(|state| state.trim() == "active").count()
    }

    fn services(&self) -> impl Iterator<Item = String> {
        let names = self.units.iter().map(|path| path.file_name().unwrap().to_str().unwrap().to_owned());
        names.filter(|name| name.ends_with(".service"))
    }
}

impl Drop for Linked {
    fn drop(&mut self) {
        let names: Vec<_> = self.services().chain([self.target.clone()]).collect();
        for verb in [&["stop"][..], &["disable", "--runtime"], &["reset-failed"]] {
            let _ = Command::new("systemctl").arg("--user").args(verb).args(&names).output();
        }
        let _ = Command::new("systemctl").args(["--user", "daemon-reload"]).output();
    }
}

#[track_caller]
fn systemctl(arguments: &[&str]) {
    let output = Command::new("systemctl").arg("--user").args(arguments).output().unwrap();
    assert!(output.status.success(), "systemctl {arguments:?}: {}", said(&output));
}

/// Returns what the manager knows of a service under this name.
fn shown(service: &str, property: &str) -> String {
    let command = ["--user", "show", "--value", "--property", property, service];
    said(&Command::new("systemctl").args(command).output().unwrap()).trim().to_owned()
}

/// Returns an app with two types, whose processes write into a directory.
fn app(name: &str, root: &Path, out: &Path) -> App {
    let process = |name: &str, count: u32, base: u16| Process {
        name: name.to_owned(),
        command: COMMAND.to_owned(),
        port: Port::Unused,
        instances: (1..=count)
            .zip(base..)
            .map(|(number, port)| Instance { number, name: format!("{name}.{number}"), port })
            .collect(),
        supervision: Supervision::new(&Policy::new(Duration::from_secs(5))),
    };
    let out = [("OUT", out.to_str().unwrap())];
    App {
        name: name.to_owned(),
        root: root.to_owned(),
        user: None,
        log: root.join("log"),
        run: root.join("run"),
        grace: Duration::from_secs(5),
        variables: out.iter().chain(&VALUES).map(|(name, value)| ((*name).into(), (*value).into())).collect(),
        processes: vec![process("web", 2, 5000), process("a-b_c", 1, 5100)],
        release: None,
    }
}

/// Writes the units of an app into a directory, and returns their paths.
fn write(app: &App, directory: &Path) -> Vec<PathBuf> {
    std::fs::create_dir(directory).unwrap();
    let files = systemd::render(app, &Templates::built_in()).unwrap();
    for file in &files {
        let path = directory.join(&file.path);
        let mut options = std::fs::OpenOptions::new();
        let mut opened = options.write(true).create_new(true).mode(file.access.mode()).open(path).unwrap();
        std::io::Write::write_all(&mut opened, file.content.as_bytes()).unwrap();
    }
    let units = files.iter().filter(|file| file.path.extension().is_some_and(|extension| extension != "env"));
    units.map(|file| directory.join(&file.path)).collect()
}

/// Returns a value as a `.env` file has it.
fn dotenv(value: &str) -> String {
    let escaped = value.replace('\\', r"\\").replace('"', "\\\"").replace('$', r"\$");
    format!("\"{escaped}\"")
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}
