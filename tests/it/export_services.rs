//! Formations exported for supervisord, runit and s6, run by these: they do what `procman start` does.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::fs::{Permissions, create_dir_all, set_permissions};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use nix::sys::signal::Signal;

use procman::export::app::Port;
use procman::export::{self, Format, Instance, Process, Supervision, Templates};
use procman::policy::Policy;

use crate::support::http::{free_port, get};
use crate::support::{App, Running, procman, repository, skipped, wait_until};

/// What reads an export.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Manager {
    Supervisord,
    Runit,
    S6,
}

impl Manager {
    /// Returns whether it is installed; says so if it is not.
    fn is_installed(self) -> bool {
        let programs: &[&str] = match self {
            Manager::Supervisord => &["supervisord", "supervisorctl"],
            Manager::Runit => &["runsvdir", "runsv", "sv", "chpst", "svlogd"],
            Manager::S6 => &["s6-svscan", "s6-supervise", "s6-svc", "s6-svstat", "s6-envdir", "s6-log"],
        };
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let is_there =
            |program: &&&str| std::env::split_paths(&folders).any(|path| path.join(program).is_file());
        let missing = programs.iter().find(|program| !is_there(program));
        if let Some(program) = missing {
            skipped(&format!("there is no {program}"));
        }
        missing.is_none()
    }

    fn format(self) -> Format {
        match self {
            Manager::Supervisord => Format::Supervisord,
            Manager::Runit => Format::Runit,
            Manager::S6 => Format::S6,
        }
    }
}

/// Writes an app in the format of a manager, as the command does: so many of each type, from a base port on.
#[track_caller]
fn export(app: &App, manager: Manager, root: &Path, counts: &[(&str, u32)], port: u16, more: &[&str]) {
    let (location, log) = (location(app), log(app));
    create_dir_all(&log).unwrap();
    let counts: Vec<_> = counts.iter().map(|(name, count)| format!("{name}={count}")).collect();
    let (root, counts, port) = (root.to_str().unwrap(), counts.join(","), port.to_string());
    let grace: &[&str] = if more.contains(&"-t") { &[] } else { &["-t", "1"] };
    let arguments = [
        "export",
        manager.format().name(),
        location.to_str().unwrap(),
        "-d",
        root,
        "-a",
        "shop",
        "-l",
        log.to_str().unwrap(),
        "-m",
        &counts,
        "-p",
        &port,
    ];
    let end = app.done(&[&arguments, grace, more].concat());
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""));
}

fn location(app: &App) -> PathBuf {
    app.root().join("location")
}

fn log(app: &App) -> PathBuf {
    app.root().join("log of it's")
}

/// An exported app that its manager runs.
struct Managed<'a> {
    app: &'a App,
    manager: Manager,
    /// The instances as the manager calls them.
    names: Vec<String>,
    location: PathBuf,
    log: PathBuf,
    running: Running,
}

impl<'a> Managed<'a> {
    /// Starts the manager of what has been exported: so many of each type.
    fn start(app: &'a App, manager: Manager, counts: &[(&str, u32)]) -> Managed<'a> {
        let location = location(app);
        let command = match manager {
            Manager::Supervisord => {
                let root = app.root().to_str().unwrap();
                let main = app.file(
                    "supervisord.conf",
                    format!(
                        "[supervisord]\nnodaemon=true\npidfile={root}/pid\nlogfile={root}/supervisord.log\n\
                         [unix_http_server]\nfile={root}/socket\n\
                         [rpcinterface:supervisor]\n\
                         supervisor.rpcinterface_factory=supervisor.rpcinterface:make_main_rpcinterface\n\
                         [supervisorctl]\nserverurl=unix://{root}/socket\n\
                         [include]\nfiles={root}/location/*.conf\n"
                    ),
                );
                let mut command = app.command("supervisord");
                command.arg("-c").arg(main);
                command
            }
            Manager::Runit => {
                let mut command = app.command("runsvdir");
                command.arg(&location);
                command
            }
            Manager::S6 => {
                let mut command = app.command("s6-svscan");
                command.arg(&location);
                command
            }
        };
        let names = counts
            .iter()
            .flat_map(|(name, count)| (1..=*count).map(move |number| format!("shop-{name}-{number}")));
        Managed { app, manager, names: names.collect(), location, log: log(app), running: app.run(command) }
    }

    /// Returns what a tool of the manager answers, and whether it succeeded.
    fn ask(&self, program: &str, arguments: &[&str]) -> (String, bool) {
        let output = self.app.command(program).current_dir(&self.location).args(arguments).output().unwrap();
        (String::from_utf8_lossy(&output.stdout).into_owned(), output.status.success())
    }

    /// Returns how many instances run, as the manager says.
    fn count(&self) -> usize {
        match self.manager {
            Manager::Supervisord => self
                .ask("supervisorctl", &["-c", "../supervisord.conf", "status"])
                .0
                .matches(" RUNNING ")
                .count(),
            Manager::Runit => {
                let is_up =
                    |name: &&String| self.ask("sv", &["status", &format!("./{name}")]).0.starts_with("run:");
                self.names.iter().filter(is_up).count()
            }
            Manager::S6 => {
                let is_up =
                    |name: &&String| self.ask("s6-svstat", &[&format!("./{name}")]).0.starts_with("up ");
                self.names.iter().filter(is_up).count()
            }
        }
    }

    /// Waits until every instance runs.
    #[track_caller]
    fn wait_until_all_run(&self) {
        wait_until("all instances run", || self.count() == self.names.len());
    }

    /// Runs the release phase, as its file says.
    #[track_caller]
    fn release(&self) {
        let (told, is_done) = match self.manager {
            Manager::Supervisord => {
                let (told, is_done) =
                    self.ask("supervisorctl", &["-c", "../supervisord.conf", "start", "shop-release"]);
                // One that has ended before supervisord looks again is called so, and has run.
                let was_quick = told.contains("ERROR (abnormal termination)");
                (told, is_done || was_quick)
            }
            Manager::Runit => {
                // Nothing comes of it while the one before is still ending.
                let is_down = || self.ask("sv", &["status", "./shop-release"]).0.starts_with("down:");
                wait_until("no release phase runs", is_down);
                self.ask("sv", &["once", "./shop-release"])
            }
            Manager::S6 => {
                assert!(self.ask("s6-svc", &["-wu", "-o", "./shop-release"]).1);
                self.ask("s6-svwait", &["-D", "./shop-release"])
            }
        };
        assert!(is_done, "{told}");
    }

    /// Has an instance end and started again, as its file says.
    #[track_caller]
    fn restart(&self, name: &str) {
        let folder = format!("./{name}");
        let (told, is_done) = match self.manager {
            Manager::Supervisord => {
                let name = format!("shop:{name}");
                self.ask("supervisorctl", &["-c", "../supervisord.conf", "restart", &name])
            }
            Manager::Runit => self.ask("sv", &["-w", "60", "restart", &folder]),
            Manager::S6 => {
                assert!(self.ask("s6-svc", &["-wD", "-d", &folder]).1);
                self.ask("s6-svc", &["-u", &folder])
            }
        };
        assert!(is_done, "{told}");
    }

    /// Stops every instance, and returns when they have ended.
    #[track_caller]
    fn stop(&self) {
        match self.manager {
            Manager::Supervisord => {
                let (told, _) = self.ask("supervisorctl", &["-c", "../supervisord.conf", "stop", "shop:*"]);
                assert_eq!(told.matches(": stopped").count(), self.names.len(), "{told}");
            }
            Manager::Runit => {
                let names: Vec<_> = self.names.iter().map(|name| format!("./{name}")).collect();
                let names: Vec<_> = names.iter().map(String::as_str).collect();
                let (told, is_done) = self.ask("sv", &[&["-w", "60", "stop"], &names[..]].concat());
                assert!(is_done, "{told}");
            }
            Manager::S6 => {
                for name in &self.names {
                    assert!(self.ask("s6-svc", &["-d", &format!("./{name}")]).1);
                }
                for name in &self.names {
                    assert!(self.ask("s6-svwait", &["-D", "-t", "60000", &format!("./{name}")]).1);
                }
            }
        }
        assert_eq!(self.count(), 0);
    }

    /// Ends the manager, which leaves nothing behind.
    #[track_caller]
    fn end(self) {
        match self.manager {
            Manager::Supervisord | Manager::S6 => self.running.signal(Signal::SIGTERM),
            Manager::Runit => self.running.signal(Signal::SIGHUP),
        }
        self.running.finish();
        self.app.wait_until_nothing_is_left();
    }

    /// Returns what an instance has written, without the times of the manager's own log.
    fn written(&self, name: &str) -> Vec<u8> {
        let read = |path: PathBuf| std::fs::read(path).unwrap_or_default();
        let (log, stamp) = match self.manager {
            Manager::Supervisord => return read(self.log.join(format!("{name}.log"))),
            Manager::Runit => (read(self.log.join(name).join("current")), "2026-01-01_00:00:00.00000 ".len()),
            Manager::S6 => {
                (read(self.log.join(name).join("current")), "2026-01-01 00:00:00.000000000  ".len())
            }
        };
        let lines = log.split_inclusive(|byte| *byte == b'\n');
        lines.flat_map(|line| line.get(stamp..).unwrap_or_default()).copied().collect()
    }

    /// Waits until an instance has written a line.
    #[track_caller]
    fn wait_for(&self, name: &str, line: &str) {
        let line = format!("{line}\n");
        wait_until(&format!("{name} says {line:?}"), || {
            memchr::memmem::find(&self.written(name), line.as_bytes()).is_some()
        });
    }
}

/// Everything that has a meaning to some reader between here and the process.
const ENV: &str = r##"
APOSTROPHES="'so'"
BACKSLASH='C:\dir\app\'
BLANKS='  a  b  '
BOTH="it's \"so\""
COLON='a:b=c,d;e'
DASH='-n -e --'
DOLLAR='pa$$w0rd $HOME ${HOME} $(id) `id`'
EMPTY=
EXPANDED='%(here)s %%(here)s %(ENV_PATH)s %(nothing)s'
HASH='a #b# ;c	#d'
JSON='{"a": [1, "x"]}'
LINE="\n"
LINES="one\ntwo\n\tthree\n\n"
PASSWORD=hunter2
PERCENT='100% %h %% %n %s'
PORT=1
PS=none
QUOTED='"so"'
QUOTES='say "so" now'
RETURN="a\rb"
SECTION="x\n[program:y]\ncommand=/bin/false\n"
TAB="a	"
UNICODE='Grüße 日本 🚀 é'
dotted.name=x
"##;

/// Says with which arguments and variables it was started.
const SHOW: &str = r#"
printf 'argument <%s>\n' "$@"
for name in PORT PS APOSTROPHES BACKSLASH BLANKS BOTH COLON DASH DOLLAR EMPTY EXPANDED HASH JSON LINE LINES \
    PASSWORD PERCENT QUOTED QUOTES RETURN SECTION TAB UNICODE dotted.name
do
    echo "$name is"
    printenv "$name"
done
pwd
echo ready
"#;

/// As many kinds of quoting as a line has room for, an end that is announced, and one that has to be enforced.
fn torture() -> App {
    let app = App::new("");
    let tag = app.tag();
    app.file(
        "Procfile",
        format!(
            r##"web: sh ./show 'it'"'"'s' "say \"$PS\" at $PORT" 100% %h %%n '%(here)s' C:\\dir\\ '$HOME' "$DOLLAR" $QUOTED; exec sleep {tag}
a-b_c: trap 'echo bye; exit' TERM; X='a "b" #c'; sh ./show -n --dash "$X" `echo "back tick" \$PS` $((1+1)) 'a # b ; c' *.none a:b=c,d Grüße' 🚀' \#; sleep {tag} & wait # 'comment'
stubborn: trap '' TERM; sh ./show '' "" " " '	'	 ';' \; "#;" '\' "'"; while :; do sleep {tag}; done
"##
        ),
    );
    app.file(".env", ENV);
    app.file("show", SHOW);
    app
}

/// Returns what each instance writes until it is ready, when procman runs it.
fn written_by_procman(app: &App, names: &[&str], arguments: &[&str]) -> Vec<Vec<u8>> {
    let running = app.start(arguments);
    running.wait_for_times("ready\n", names.len());
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert_eq!(end.status, Some(0), "{}", end.stderr);
    let of = |name: &&str| {
        let prefix = format!("{name:<10} | ");
        let lines = end.bytes.split_inclusive(|byte| *byte == b'\n');
        let lines = lines.filter_map(|line| line.strip_prefix(prefix.as_bytes())).skip(1);
        until_ready(&lines.flatten().copied().collect::<Vec<_>>())
    };
    names.iter().map(of).collect()
}

fn until_ready(written: &[u8]) -> Vec<u8> {
    let end = memchr::memmem::find(written, b"ready\n").unwrap();
    written[..end].to_owned()
}

#[track_caller]
fn check_torture(manager: Manager) {
    if !manager.is_installed() {
        return;
    }
    let app = torture();
    let counts = [("web", 2), ("a-b_c", 1), ("stubborn", 1)];
    let port = free_port();
    let instances = ["web.1", "web.2", "a-b_c.1", "stubborn.1"];
    let arguments = ["-m", "web=2,a-b_c=1,stubborn=1", "-p", &port.to_string(), "--no-timestamp", "-t", "1"];
    let expected = written_by_procman(&app, &instances, &arguments);
    app.wait_until_nothing_is_left();

    export(&app, manager, app.root(), &counts, port, &[]);
    let managed = Managed::start(&app, manager, &counts);
    managed.wait_until_all_run();
    for (instance, expected) in instances.iter().zip(expected) {
        let name = format!("shop-{}", instance.replace('.', "-"));
        managed.wait_for(&name, "ready");
        let written = until_ready(&managed.written(&name));
        assert!(expected.starts_with(b"argument <"));
        let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
        assert_eq!(text(&written), text(&expected), "{instance}");
        assert_eq!(written, expected);
    }
    wait_until("all are asleep", || app.sleepers().len() == instances.len());
    managed.stop();
    assert_eq!(app.sleepers(), []);
    assert!(managed.written("shop-a-b_c-1").ends_with(b"ready\nbye\n"));
    managed.end();
}

#[test]
fn supervisord_runs_what_procman_runs() {
    check_torture(Manager::Supervisord);
}

#[test]
fn runit_runs_what_procman_runs() {
    check_torture(Manager::Runit);
}

#[test]
fn s6_runs_what_procman_runs() {
    check_torture(Manager::S6);
}

/// Checks an end of the manager itself, with a process that has to be killed.
#[track_caller]
fn check_end(manager: Manager) {
    if !manager.is_installed() {
        return;
    }
    let app = torture();
    let counts = [("a-b_c", 1), ("stubborn", 2)];
    export(&app, manager, app.root(), &counts, free_port(), &[]);
    let managed = Managed::start(&app, manager, &counts);
    managed.wait_until_all_run();
    wait_until("all are asleep", || app.sleepers().len() == 3);
    managed.end();
}

#[test]
fn supervisord_leaves_nothing_behind() {
    check_end(Manager::Supervisord);
}

#[test]
fn runit_leaves_nothing_behind() {
    check_end(Manager::Runit);
}

#[test]
fn s6_leaves_nothing_behind() {
    check_end(Manager::S6);
}

/// A kill that comes with the end took `finish` from runsv, so that what was left behind lived on, or met the next process,
/// which was then taken for one that had ended by itself.
#[test]
fn runit_leaves_nothing_behind_where_there_is_no_grace() {
    if !Manager::Runit.is_installed() {
        return;
    }
    let app = App::new("");
    let tag = app.tag();
    app.file("Procfile", format!("web: sh -c \"trap '' TERM; sleep {tag}; :\" & exec sleep {tag}\n"));
    app.file("procman.toml", "[process.web]\nrestart = \"never\"\n");
    let counts = [("web", 4)];
    export(&app, Manager::Runit, app.root(), &counts, free_port(), &["-t", "0"]);
    let managed = Managed::start(&app, Manager::Runit, &counts);
    managed.wait_until_all_run();
    wait_until("all are asleep", || app.sleepers().len() == 8);
    for name in &managed.names {
        managed.restart(name);
    }
    wait_until("all are asleep again", || managed.count() == 4 && app.sleepers().len() == 8);
    managed.stop();
    wait_until("none is asleep", || app.sleepers().is_empty());
    managed.end();
}

/// Checks that words and values that chance has made arrive as they were.
#[track_caller]
fn check_chance(manager: Manager) {
    const CHARACTERS: &str = "ab Z09\t'\"\\%$`#;:=,.-_/(){}[]<>|&*?!~^@+\n\r\u{1}\u{b}\u{c}\u{1c}\u{7f}\u{85}\u{a0}é\u{301}日\u{2028}🚀";
    if !manager.is_installed() {
        return;
    }
    let characters: Vec<char> = CHARACTERS.chars().collect();
    let mut chance = fastrand::Rng::with_seed(6);
    let mut text = |lines: bool| -> String {
        let length = chance.usize(..24);
        let characters = std::iter::repeat_with(|| characters[chance.usize(..characters.len())]);
        characters.filter(|character| lines || !"\n\r".contains(*character)).take(length).collect()
    };
    let variables: Vec<_> = (100..400).map(|number| (format!("V{number}"), text(true))).collect();
    let words: Vec<_> = (0..300).map(|_| text(false)).collect();

    let app = App::new("web: true");
    let mut command = "printf '%s\\0'".to_owned();
    for word in &words {
        write!(command, " '{}'", word.replace('\'', r"'\''")).unwrap();
    }
    write!(command, " >words; env -0 >variables; echo ready; exec sleep {}", app.tag()).unwrap();
    let instances = vec![Instance { number: 1, name: "web.1".to_owned(), port: 7000 }];
    let supervision = Supervision::new(&Policy::new(Duration::from_secs(5)));
    let (name, port) = ("web".to_owned(), Port::Unused);
    let processes = vec![Process { name, command, port, instances, supervision }];
    let exported = export::App {
        name: "shop".to_owned(),
        root: app.root().to_owned(),
        user: None,
        log: log(&app),
        run: app.root().join("run"),
        grace: Duration::from_secs(1),
        variables: variables.clone(),
        processes,
        release: None,
    };
    create_dir_all(&exported.log).unwrap();
    for file in export::render(manager.format(), &exported, &Templates::built_in()).unwrap() {
        let path = location(&app).join(&file.path);
        create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(&path, &file.content).unwrap();
        set_permissions(&path, Permissions::from_mode(file.access.mode())).unwrap();
    }
    let managed = Managed::start(&app, manager, &[("web", 1)]);
    managed.wait_until_all_run();
    managed.wait_for("shop-web-1", "ready");
    let read = |name: &str| std::fs::read_to_string(app.root().join(name)).unwrap();
    let (found_words, found) = (read("words"), read("variables"));
    assert_eq!(found_words.split_terminator('\0').collect::<Vec<_>>(), words);
    let found: BTreeMap<_, _> =
        found.split_terminator('\0').map(|pair| pair.split_once('=').unwrap()).collect();
    for (name, value) in &variables {
        assert_eq!(found.get(name.as_str()), Some(&value.as_str()), "{name}");
    }
    assert_eq!((found["PORT"], found["PS"]), ("7000", "web.1"));
    managed.end();
}

#[test]
fn supervisord_passes_on_any_text() {
    check_chance(Manager::Supervisord);
}

#[test]
fn runit_passes_on_any_text() {
    check_chance(Manager::Runit);
}

#[test]
fn s6_passes_on_any_text() {
    check_chance(Manager::S6);
}

/// Checks that a process runs as a user, with variables that this user could not read from a file; `id` says who that is.
#[track_caller]
fn check_user(manager: Manager, user: &str, id: &str, expected: &str) {
    if !manager.is_installed() {
        return;
    }
    let app = App::new(&format!("web: {id}; printenv SECRET; echo ready; exec sleep 1000"));
    if app.root().metadata().unwrap().uid() != 0 {
        skipped("only root can run processes as somebody else");
        return;
    }
    app.file(".env", "SECRET=\"one\ntwo  \"");
    set_permissions(app.root(), Permissions::from_mode(0o755)).unwrap();
    let counts = [("web", 1)];
    export(&app, manager, app.root(), &counts, 7000, &["-u", user]);
    let managed = Managed::start(&app, manager, &counts);
    managed.wait_until_all_run();
    managed.wait_for("shop-web-1", "ready");
    let written = String::from_utf8(managed.written("shop-web-1")).unwrap();
    assert_eq!(written, format!("{expected}\none\ntwo  \nready\n"));
    managed.stop();
    managed.end();
}

#[test]
fn supervisord_runs_as_a_user() {
    check_user(Manager::Supervisord, "nobody", "id -un", "nobody");
}

#[test]
fn runit_runs_as_a_user() {
    check_user(Manager::Runit, "nobody", "id -un", "nobody");
}

#[test]
fn runit_runs_as_a_number_that_is_nobodys() {
    check_user(Manager::Runit, "61234", "id -u; id -G", "61234\n61234");
}

#[test]
fn s6_runs_as_a_user() {
    check_user(Manager::S6, "nobody", "id -un", "nobody");
}

#[test]
fn s6_runs_as_a_number_that_is_nobodys() {
    check_user(Manager::S6, "61234", "id -u; id -G", "61234\n61234");
}

/// Checks that an example answers on its port.
#[track_caller]
fn check_http(manager: Manager) {
    let app = App::new("");
    if !manager.is_installed() || !crate::support::is_installed("python3") {
        return;
    }
    let example = repository().join("examples/twelve-factor");
    assert!(app.command("cp").arg("-R").arg(example).arg(".").status().unwrap().success());
    let root = app.root().join("twelve-factor");
    let release = app.command(procman()).args(["run", "release"]).current_dir(&root).output().unwrap();
    assert!(release.status.success(), "{release:?}");

    let port = free_port();
    let counts = [("web", 2), ("worker", 1), ("clock", 1)];
    export(&app, manager, &root, &counts, port, &[]);
    let managed = Managed::start(&app, manager, &counts);
    managed.wait_until_all_run();
    for number in 1..=2 {
        let port = port + number - 1;
        managed.wait_for(&format!("shop-web-{number}"), &format!("listening on http://127.0.0.1:{port}"));
        let page = get(port, "/");
        let greeting = format!("It's a fine day for a twelve-factor app\ninstance: web.{number}\n");
        assert!(page.contains(&greeting), "{page}");
    }
    managed.wait_for("shop-worker-1", "worker.1 is waiting for jobs");
    managed.wait_for("shop-clock-1", " seconds");
    managed.stop();
    for name in ["shop-web-1", "shop-web-2", "shop-clock-1"] {
        assert!(managed.written(name).ends_with(b"stopped\n"), "{name}");
    }
    managed.end();

    // Once more with one web less: what belonged to it is gone, and nothing else.
    let held = exported(&app, manager);
    let counts = [("web", 1), ("worker", 1), ("clock", 1)];
    export(&app, manager, &root, &counts, port, &[]);
    let left = exported(&app, manager);
    let is_gone = |name: &&String| !left.contains(name);
    assert_eq!(held.iter().filter(is_gone).collect::<Vec<_>>(), ["shop-web-2"]);
    assert_eq!(left, ["shop-clock-1", "shop-release", "shop-web-1", "shop-worker-1"]);
}

/// Checks that what ends well is not started again, unless it was asked to end, that what fails is, and that the release
/// phase runs once and when it is asked for.
#[track_caller]
fn check_ends(manager: Manager) {
    if !manager.is_installed() {
        return;
    }
    let app = App::new("");
    let tag = app.tag();
    // A second is what supervisord takes for a start.
    app.file(
        "Procfile",
        format!(
            "web: echo up; trap 'exit 0' TERM; sleep {tag} & wait\n\
             done: echo up; sleep 1.5\n\
             failing: echo up; sleep 1.5; exit 3\n\
             release: echo $PS at $PORT; echo released\n"
        ),
    );
    let (counts, port) = ([("web", 1), ("done", 1), ("failing", 1)], free_port());
    export(&app, manager, app.root(), &counts, port, &[]);
    let managed = Managed::start(&app, manager, &counts);
    let ups = |name: &str| String::from_utf8(managed.written(name)).unwrap().matches("up\n").count();
    wait_until("the failing one has run three times", || ups("shop-failing-1") >= 3);
    assert_eq!((ups("shop-done-1"), ups("shop-web-1")), (1, 1));

    assert_eq!(managed.written("shop-release"), b"");
    for times in 1..=2 {
        managed.release();
        let expected = format!("release.1 at {}\nreleased\n", port + 300).repeat(times);
        wait_until("it is released", || managed.written("shop-release") == expected.as_bytes());
    }
    managed.restart("shop-web-1");
    wait_until("it is up again", || ups("shop-web-1") == 2);
    let failures = ups("shop-failing-1");
    wait_until("time has passed", || ups("shop-failing-1") > failures + 1);
    assert_eq!((ups("shop-done-1"), ups("shop-web-1")), (1, 2));
    assert_eq!(managed.written("shop-release").split(|byte| *byte == b'\n').count(), 5);
    managed.end();
}

#[test]
fn supervisord_starts_what_failed_and_releases_once() {
    check_ends(Manager::Supervisord);
}

#[test]
fn runit_starts_what_failed_and_releases_once() {
    check_ends(Manager::Runit);
}

#[test]
fn s6_starts_what_failed_and_releases_once() {
    check_ends(Manager::S6);
}

/// Returns the instances that are in an export, ordered by name.
fn exported(app: &App, manager: Manager) -> Vec<String> {
    let mut names: Vec<String> = match manager {
        Manager::Supervisord => {
            let text = std::fs::read_to_string(location(app).join("shop.conf")).unwrap();
            let names = text.lines().filter_map(|line| line.strip_prefix("[program:")?.strip_suffix(']'));
            names.map(str::to_owned).collect()
        }
        Manager::Runit | Manager::S6 => {
            let entries = std::fs::read_dir(location(app)).unwrap().map(|entry| entry.unwrap());
            let services = entries.filter(|entry| entry.path().join("run").is_file());
            services.map(|entry| entry.file_name().into_string().unwrap()).collect()
        }
    };
    names.sort();
    names
}

#[test]
fn supervisord_serves_an_example() {
    check_http(Manager::Supervisord);
}

#[test]
fn runit_serves_an_example() {
    check_http(Manager::Runit);
}

#[test]
fn s6_serves_an_example() {
    check_http(Manager::S6);
}
