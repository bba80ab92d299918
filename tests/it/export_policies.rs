//! What is exported of policies, read by those who would run it, and kept by those who do.
//!
//! The files are the golden ones, `tests/golden/policies/<format>`, which a test beside the formats compares with what is
//! written.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Output};
use std::time::Duration;

use nix::sys::signal::Signal;
use serde_json::{Value, from_str};
use tempfile::TempDir;

use procman::export::app::Port;
use procman::export::{self, Format, Instance, Process, Supervision, Templates};
use procman::policy::{Kind, Policy, Restart};

use crate::support::{App, is_installed, repository, skipped, wait_until};

/// A copy of the files of a format.
struct Tree {
    folder: TempDir,
    files: Vec<PathBuf>,
}

impl Tree {
    fn of(format: Format) -> Tree {
        let folder = tempfile::tempdir().unwrap();
        let golden = repository().join("tests/golden/policies").join(format.name());
        let mut files = Vec::new();
        let mut folders = vec![golden.clone()];
        while let Some(next) = folders.pop() {
            for entry in fs::read_dir(next).unwrap() {
                let path = entry.unwrap().path();
                let copy = folder.path().join(path.strip_prefix(&golden).unwrap());
                if path.is_dir() {
                    fs::create_dir(&copy).unwrap();
                    folders.push(path);
                } else {
                    fs::copy(&path, &copy).unwrap();
                    files.push(copy);
                }
            }
        }
        files.sort();
        Tree { folder, files }
    }

    fn root(&self) -> &Path {
        self.folder.path()
    }

    /// Returns what a reader says, which has to be good.
    #[track_caller]
    fn ask(&self, program: &str, arguments: &[&str]) -> String {
        let output = Command::new(program).args(arguments).current_dir(self.root()).output().unwrap();
        assert!(output.status.success(), "{program} {arguments:?}: {}", said(&output));
        String::from_utf8(output.stdout).unwrap()
    }
}

fn said(output: &Output) -> String {
    String::from_utf8_lossy(&[&*output.stdout, &*output.stderr].concat()).into_owned()
}

/// Returns whether a reader is there; says so if it is not.
fn has(program: &str, arguments: &[&str]) -> bool {
    let has = Command::new(program).args(arguments).output().is_ok_and(|output| output.status.success());
    if !has {
        skipped(&format!("`{program} {}` does not work here", arguments.join(" ")));
    }
    has
}

#[test]
fn systemd_finds_nothing_to_say_about_exported_policies() {
    if !is_installed("systemd-analyze") {
        return;
    }
    let tree = Tree::of(Format::Systemd);
    let units = tree.files.iter().filter(|file| file.extension().is_some_and(|extension| extension != "env"));
    let units: Vec<_> = units.collect();
    let runtime = tempfile::tempdir().unwrap();
    for manager in ["--system", "--user"] {
        let mut command = Command::new("systemd-analyze");
        command.env("XDG_RUNTIME_DIR", runtime.path()).args([manager, "verify", "--man=no"]).args(&units);
        let output = command.output().unwrap();
        assert_eq!((said(&output), output.status.code()), (String::new(), Some(0)), "{manager}");
    }
}

#[test]
fn compose_reads_exported_policies() {
    let tree = Tree::of(Format::Compose);
    let arguments: &[&str] = &["--file", "compose.yaml", "config", "--format", "json"];
    let is_plugin = Command::new("docker").args(["compose", "version"]).output();
    let answer = if is_plugin.is_ok_and(|output| output.status.success()) {
        tree.ask("docker", &[&["compose"], arguments].concat())
    } else if has("docker-compose", &["version"]) {
        tree.ask("docker-compose", arguments)
    } else {
        return;
    };
    let services = &from_str::<Value>(&answer).unwrap()["services"];
    let needs = |name: &str, need: &str| services[name]["depends_on"][need]["condition"].clone();
    assert_eq!(needs("web", "cache"), "service_healthy");
    assert_eq!(needs("web", "migrate"), "service_completed_successfully");
    assert_eq!(needs("web", "release"), "service_completed_successfully");
    assert_eq!([&services["work"]["restart"], &services["cache"]["restart"]], ["no", "on-failure:2"]);
    assert_eq!(
        [&services["web"]["stop_signal"], &services["web"]["stop_grace_period"]],
        ["SIGQUIT", "12.5s"]
    );
    let check = services["work"]["healthcheck"]["test"][3].as_str().unwrap().replace("$$", "$");
    assert_eq!(check, r#"test "$(./ask '100% ${A} {{ b }}')" = 'it'"'"'s' # x"#);
}

#[test]
fn kubernetes_knows_every_field_of_exported_policies() {
    let tree = Tree::of(Format::Kubernetes);
    if has("kubernetes-validate", &["--version"]) {
        for file in tree.files.iter().filter(|file| !file.ends_with("kustomization.yaml")) {
            tree.ask("kubernetes-validate", &["--strict", file.to_str().unwrap()]);
        }
    }
    let built = if Command::new("kustomize").arg("version").output().is_ok() {
        tree.ask("kustomize", &["build", "."])
    } else if has("kubectl", &["version", "--client"]) {
        tree.ask("kubectl", &["kustomize", "."])
    } else {
        return;
    };
    assert_eq!(built.matches("kind: Job").count(), 3, "{built}");
}

#[test]
fn readers_of_hcl_read_exported_policies() {
    let tree = Tree::of(Format::Nomad);
    if has("python3", &["-c", "import hcl2"]) {
        let script = "import json, sys, hcl2; print(json.dumps(hcl2.load(open(sys.argv[1]))))";
        let job = from_str::<Value>(&tree.ask("python3", &["-c", script, "shop-seed.nomad.hcl"])).unwrap();
        assert_eq!(job["job"][0]["\"shop-seed\""]["group"][0]["\"seed\""]["restart"][0]["attempts"], 3);
    }
    if has("node", &["-e", "require('@cdktf/hcl2json')"]) {
        let script = "const read = require('@cdktf/hcl2json').parse; const file = process.argv[1]; \
                      read(file, require('fs').readFileSync(file, 'utf8')).then(job => console.log(JSON.stringify(job)))";
        let job = from_str::<Value>(&tree.ask("node", &["-e", script, "shop.nomad.hcl"])).unwrap();
        let check = &job["job"]["shop"][0]["group"]["web"][0]["service"][0]["check"][0];
        assert_eq!(check["path"], "/health?a='$(id)'&b=[1]%20");
    }
}

#[test]
fn python_reads_exported_policies_of_launchd() {
    let tree = Tree::of(Format::Launchd);
    if !has("python3", &["-c", "import plistlib"]) {
        return;
    }
    let script = "import plistlib, sys; print([plistlib.load(open(path, 'rb')).get('KeepAlive') for path in sys.argv[1:]])";
    let lists = ["web-1", "cache-1", "work-1"].map(|name| format!("shop-{name}.plist"));
    let arguments = [&["-c", script][..], &lists.each_ref().map(String::as_str)].concat();
    assert_eq!(tree.ask("python3", &arguments).trim(), "[True, {'SuccessfulExit': False}, None]");
}

#[test]
fn supervisord_takes_exported_policies() {
    let tree = Tree::of(Format::Supervisord);
    // Debian's module is that of Debian's Python.
    let python = Path::new("/usr/bin/python3");
    let script = "from supervisor.options import ServerOptions; options = ServerOptions(); \
                  options.realize(['-c', 'main.conf']); \
                  group, = options.process_group_configs[:1]; \
                  print([(p.name, p.priority, p.stopsignal.name) for p in group.process_configs])";
    if !python.exists() || !has("/usr/bin/python3", &["-W", "ignore", "-c", "import supervisor.options"]) {
        return skipped("there is no supervisor");
    }
    let path = tree.root().join("shop.conf");
    let text = fs::read_to_string(&path).unwrap().replace("/var/log/shop", tree.root().to_str().unwrap());
    fs::write(path, text).unwrap();
    fs::write(tree.root().join("main.conf"), "[supervisord]\nuser=root\n[include]\nfiles=shop.conf\n")
        .unwrap();
    let told = tree.ask("/usr/bin/python3", &["-W", "ignore", "-c", script]);
    for expected in ["('shop-cache-1', 1, 'SIGTERM')", "('shop-web-1', 2, 'SIGQUIT')", "('shop-clock-1', 3,"]
    {
        assert!(told.contains(expected), "{told}");
    }
}

#[test]
fn a_shell_reads_exported_policies() {
    for format in [Format::Runit, Format::S6] {
        let tree = Tree::of(format);
        for file in tree.files.iter().filter(|file| fs::read(file).unwrap().starts_with(b"#!/bin/sh")) {
            tree.ask("/bin/sh", &["-n", file.to_str().unwrap()]);
        }
    }
}

/// Checks that a manager starts what is to run for ever again, and what is not to be does not.
#[track_caller]
fn check_kept(format: Format, programs: &[&str], start: impl Fn(&App, &Path) -> Command, end: Signal) {
    let folders = std::env::var_os("PATH").unwrap_or_default();
    let is_there = |program: &&&str| std::env::split_paths(&folders).any(|path| path.join(program).is_file());
    if let Some(program) = programs.iter().find(|program| !is_there(program)) {
        return skipped(&format!("there is no {program}"));
    }
    let app = App::new("");
    let process = |name: &str, command: &str, kind, restart| {
        let policy = Policy { kind, budget: 3, ..Policy::new(Duration::from_secs(1)) };
        Process {
            name: name.to_owned(),
            command: format!("echo x >>{name}; {command}"),
            port: Port::Unused,
            instances: vec![Instance { number: 1, name: format!("{name}.1"), port: 5000 }],
            supervision: Supervision { restart, ..Supervision::new(&policy) },
        }
    };
    let exported = export::App {
        name: "shop".to_owned(),
        root: app.root().to_owned(),
        user: None,
        log: app.root().join("log"),
        run: app.root().join("run"),
        grace: Duration::from_secs(1),
        variables: Vec::new(),
        processes: vec![
            // A second, which is what supervisord takes for a start.
            process("always", "sleep 1.1", Kind::LongLived, Some(Restart::Always)),
            process("never", "exit 1", Kind::LongLived, Some(Restart::Never)),
            process("once", "exit 1", Kind::OneShot, None),
            // Good at the second try, and never.
            process("mended", "test $(wc -l <mended) = 2", Kind::OneShot, Some(Restart::OnFailure)),
            process("broken", "exit 1", Kind::OneShot, Some(Restart::Always)),
            // Done at once, which is no reason to do it again.
            process("done", "true", Kind::OneShot, Some(Restart::Always)),
        ],
        release: None,
    };
    let location = app.root().join("location");
    fs::create_dir(&exported.log).unwrap();
    for file in export::render(format, &exported, &Templates::built_in()).unwrap() {
        let path = location.join(&file.path);
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(&path, &file.content).unwrap();
        let mode = std::os::unix::fs::PermissionsExt::from_mode(file.access.mode());
        fs::set_permissions(&path, mode).unwrap();
    }
    let running = app.run(start(&app, &location));
    let starts = |name: &str| fs::read_to_string(app.root().join(name)).unwrap_or_default().lines().count();
    let counts = [("always", 3), ("never", 1), ("once", 1), ("mended", 2), ("broken", 3), ("done", 1)];
    for (name, count) in counts {
        wait_until(&format!("{name} has been started"), || starts(name) >= count);
    }
    // Whatever is started once more has been, by then.
    let before = starts("always");
    wait_until("more time has gone by", || starts("always") >= before + 2);
    assert_eq!(["never", "once", "mended", "done"].map(starts), [1, 1, 2, 1], "{format}");
    let has_budget = format == Format::Supervisord;
    assert!(!has_budget || starts("broken") == 3, "{}", starts("broken"));
    running.signal(end);
    running.finish();
    app.wait_until_nothing_is_left();
}

#[test]
fn supervisord_starts_again_what_is_to_be() {
    let start = |app: &App, location: &Path| {
        let (root, location) = (app.root().to_str().unwrap(), location.to_str().unwrap());
        let main = format!(
            "[supervisord]\nnodaemon=true\npidfile={root}/pid\nlogfile={root}/supervisord.log\n[include]\n\
             files={location}/*.conf\n"
        );
        let mut command = app.command("supervisord");
        command.arg("-c").arg(app.file("supervisord.conf", main));
        command
    };
    check_kept(Format::Supervisord, &["supervisord"], start, Signal::SIGTERM);
}

#[test]
fn runit_starts_again_what_is_to_be() {
    let start = |app: &App, location: &Path| {
        let mut command = app.command("runsvdir");
        command.arg(location);
        command
    };
    check_kept(Format::Runit, &["runsvdir", "chpst", "svlogd"], start, Signal::SIGHUP);
}

#[test]
fn s6_starts_again_what_is_to_be() {
    let start = |app: &App, location: &Path| {
        let mut command = app.command("s6-svscan");
        command.arg(location);
        command
    };
    check_kept(Format::S6, &["s6-svscan", "s6-envdir", "s6-log"], start, Signal::SIGTERM);
}
