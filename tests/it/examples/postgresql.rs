//! The twelve-factor example with a real PostgreSQL: it waits for it, loses it, and gets it back.

use std::fs::File;
use std::os::unix::fs::{MetadataExt, chown};
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use crate::examples::{assert_calm, can_run, copy, has_python};
use crate::support::http::{free_port, post};
use crate::support::{App, NOBODY, is_alive, parent, processes, run_by, skipped, wait_until};

/// What must never be seen.
const PASSWORD: &str = "pa55-w0rd";
/// As many as keep a worker busy for a second or two.
const JOBS: usize = 8;

#[test]
fn twelve_factor_waits_for_postgresql_and_gets_over_its_loss() {
    let app = App::new("");
    let Some(mut database) = Postgresql::new() else { return };
    if !has_python(&app) || !can_run(&app, "python3", &["-c", "import ctypes; ctypes.CDLL('libpq.so.5')"]) {
        return;
    }
    let root = copy(&app, "twelve-factor");
    // What is in the middle of a job when it is killed cannot give it back: the clock has to.
    let variables = format!("DATABASE_URL={}\nHEARTBEAT_SECONDS=1\nABANDONED_SECONDS=1\n", database.url());
    app.file("twelve-factor/.env", variables);
    let root = root.to_str().unwrap();
    let port = free_port();
    let service = format!("DATABASE_URL (127.0.0.1:{})", database.port);

    let running = app.start(&["-d", root, "-p", &port.to_string(), "--no-timestamp"]);
    running.wait_for(&format!("web, worker and 2 others wait for {service}: connection refused\n"));
    assert!(!running.output().contains("started with pid"), "{}", running.output());
    database.start();
    running.wait_for(&format!("{service} accepts connections after "));
    running.wait_for("web.1 is ready");
    running.wait_for("worker.1 is waiting for jobs\n");
    let output = running.output();
    let (before, after) = output.split_once("release.1 | the database went from version 0 to 2\n").unwrap();
    for name in ["web.1", "worker.1", "clock.1"] {
        let started = format!("{name:9} | started with pid ");
        assert!(!before.contains(&started) && after.contains(&started), "{output}");
    }

    for number in 1..=JOBS {
        let answer = post(port, "/jobs", &format!(r#"{{"text": "watering {number}"}}"#));
        assert!(answer.lines().next().unwrap().contains(" 201 "), "{answer}");
    }
    running.wait_for(r#"done: "watering 1""#);
    database.kill();
    running.wait_for("worker.1 exited with code 1, starts again in ");
    // Said once, of whoever is to start again first.
    running.wait_for_times(&format!(" for {service}: connection refused\n"), 2);
    let answer = post(port, "/jobs", r#"{"text": "too early"}"#);
    assert!(answer.lines().next().unwrap().contains(" 503 "), "{answer}");

    database.start();
    running.wait_for_times(&format!("{service} accepts connections after "), 2);
    for number in 1..=JOBS {
        running.wait_for(&format!(r#"done: "watering {number}""#));
    }
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert!(end.stdout.contains("web.1     | stopped\n"), "{}", end.stdout);
    assert_eq!(end.stdout.matches("web.1     | started with pid ").count(), 1, "{}", end.stdout);
    assert!(!end.stdout.contains(PASSWORD), "{}", end.stdout);
    assert_calm(&app, &end);
}

/// A database server of a test's own.
struct Postgresql {
    /// Its files, and what tells its processes from others.
    place: App,
    programs: PathBuf,
    port: u16,
    server: Option<Child>,
}

impl Postgresql {
    /// Returns one that does not run yet; says why not where there is none.
    fn new() -> Option<Postgresql> {
        let Some(programs) = programs() else {
            skipped("PostgreSQL's server is not installed");
            return None;
        };
        let place = App::new("");
        if place.root().metadata().unwrap().uid() == 0 {
            chown(place.root(), Some(NOBODY), Some(NOBODY)).unwrap();
        }
        place.file("password", PASSWORD);
        let database = Postgresql { place, programs, port: free_port(), server: None };
        let mut command = database.command("initdb");
        command.args(["-D", "data", "-U", "app", "-A", "scram-sha-256", "--pwfile=password"]);
        let output = command.args(["--no-sync", "-E", "UTF8", "--locale=C"]).output().unwrap();
        if !output.status.success() {
            skipped(&format!("initdb fails here: {}", String::from_utf8_lossy(&output.stderr)));
            return None;
        }
        Some(database)
    }

    /// Returns one of its programs, which refuse to be run by root.
    fn command(&self, program: &str) -> Command {
        let mut command = self.place.command(self.programs.join(program));
        command.stdout(Stdio::null()).stderr(File::create(self.place.root().join("log")).unwrap());
        match self.place.root().metadata().unwrap().uid() {
            NOBODY => run_by(NOBODY, command),
            _ => command,
        }
    }

    fn url(&self) -> String {
        format!("postgresql://app:{PASSWORD}@127.0.0.1:{}/postgres", self.port)
    }

    /// Starts the server, which listens a little later.
    fn start(&mut self) {
        let mut command = self.command("postgres");
        command.args(["-D", "data", "-k", "", "-h", "127.0.0.1", "-p", &self.port.to_string()]);
        self.server = Some(command.spawn().unwrap());
    }

    /// Kills the server, and waits until what belongs to it has seen that.
    fn kill(&mut self) {
        let mut server = self.server.take().unwrap();
        let leader = Pid::from_raw(server.id().cast_signed());
        // While it stands still it begins no other process.
        kill(leader, Signal::SIGSTOP).unwrap();
        let all: Vec<_> =
            processes().into_iter().filter(|pid| parent(*pid) == Some(leader.as_raw())).collect();
        kill(leader, Signal::SIGKILL).unwrap();
        server.wait().unwrap();
        wait_until("the database is gone", || !all.iter().any(|pid| is_alive(*pid)));
    }
}

impl Drop for Postgresql {
    /// Ends the server at once, but so that it takes its processes and its shared memory along.
    fn drop(&mut self) {
        if let Some(server) = &mut self.server {
            let _ = kill(Pid::from_raw(server.id().cast_signed()), Signal::SIGQUIT);
            let _ = server.wait();
        }
    }
}

/// Returns where the programs of a server are: on `PATH`, or where Debian has them.
fn programs() -> Option<PathBuf> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let debian = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten();
    let debian = debian.map(|version| version.unwrap().path().join("bin"));
    std::env::split_paths(&path).chain(debian).find(|folder| folder.join("initdb").is_file())
}
