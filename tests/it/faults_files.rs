//! What users and others have put into files, variables and arguments: section 2.9 of the catalogue of faults.

use std::ffi::OsStr;
use std::fs::{File, Permissions};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use nix::sys::resource::Resource;
use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;

use crate::support::{App, IDLE, arguments, limit, limit_environment, skipped};

#[test]
fn a_name_that_is_none_is_refused_with_its_place() {
    let long = "x".repeat(10_000);
    let words = "is not a process name: use letters, digits, `_` and `-`";
    let cut = format!("`{}…` has 10000 characters, more than 63", "x".repeat(64));
    for (name, expected) in [
        ("../../etc/x", format!("warning: line ignored: `../../etc/x` {words}")),
        ("a/b", format!("warning: line ignored: `a/b` {words}")),
        ("a\0b", format!(r"warning: line ignored: `a\0b` {words}")),
        ("a\rb", format!(r"warning: line ignored: `a\rb` {words}")),
        ("\x1b[2J", format!(r"warning: line ignored: `\u{{1b}}[2J` {words}")),
        ("\u{202e}bew", format!(r"warning: line ignored: `\u{{202e}}bew` {words}")),
        (&long, format!("process name {cut}")),
    ] {
        let app = App::new(&format!("web: true\n{name}: touch spawned\n"));
        let end = app.done(&["check"]);
        assert_eq!((end.stderr, end.status), (format!("procman: Procfile:2:1: {expected}\n"), Some(1)));
    }
    for (name, expected) in [
        ("../x", format!("`../x` {words}")),
        ("a/b", format!("`a/b` {words}")),
        ("a\nb", format!(r"`a\nb` {words}")),
        (&long, format!("process name {cut}")),
    ] {
        let app = App::new("web: touch spawned\n");
        let end = app.start(&["-m", &format!("{name}=1")]).finish();
        let first = end.stderr.lines().next().unwrap();
        assert_eq!((first, end.status), (format!("procman: formation: {expected}").as_str(), Some(1)));
        assert!(!app.root().join("spawned").exists());
    }
}

/// A terminal would obey these.
const HOSTILE: &str = "\x1b[31m\x1b]0;title\x07\u{9b}2J\r\u{202e}";

/// The reason that jiff gives against a time format used to be followed by the format as it was.
#[test]
fn nothing_that_a_terminal_would_obey_is_in_any_message() {
    let app = App::new("web: true\n");
    let with = |before: &str| format!("{before}{HOSTILE}");
    app.file(&with("Procfile"), format!("{HOSTILE}: x\n{HOSTILE}\nweb: x\nweb: {HOSTILE}\n {HOSTILE}: x\n"));
    app.file(&with("env"), format!("{HOSTILE}=1\nA{HOSTILE}=1\nB='{HOSTILE}'{HOSTILE}\nPORT={HOSTILE}\n"));
    app.file(&with("open"), format!("A='{HOSTILE}\n"));
    app.file(&with("nul"), format!("A={HOSTILE}\0\n"));
    app.program("script", format!("#!{}\n", with("/no/such")));
    app.program(&with("script"), format!("#!{}\n", with("/no/such")));
    app.file("interpreter", "web: ./script\n");
    for (name, text) in [("procman.toml", " = 1\n"), ("procman.toml", "\n"), (".foreman", ": 1\n")] {
        app.file(name, format!("\"{HOSTILE}\"{text}port: {HOSTILE}\n"));
        check_harmless(&app.done(&["check"]).stderr, 1);
        std::fs::remove_file(app.root().join(name)).unwrap();
    }
    for (arguments, least) in [
        (&["check", "-f", &with("Procfile")][..], 4),
        (&["check", "-e", &with("env")], 4),
        (&["check", "-e", &with("open")], 1),
        (&["check", "-e", &with("nul")], 1),
        (&["start", "-f", HOSTILE], 1),
        (&["start", "-d", HOSTILE, "-f", "Procfile"], 1),
        (&["start", "-e", HOSTILE], 1),
        (&["start", "-m", HOSTILE], 1),
        (&["start", "-m", &with("web=")], 1),
        (&["start", "-p", HOSTILE], 1),
        (&["start", "-t", HOSTILE], 1),
        (&["start", HOSTILE], 1),
        (&["start", &with("--")], 1),
        (&["start", &with("-")], 1),
        (&["start", &with("--color=")], 1),
        (&["start", &with("--log-format=")], 1),
        (&["start", &with("--no-color=")], 1),
        (&["start", &with("--timestamp=%")], 1),
        (&["start", "--timestamp=%\x1b"], 1),
        (&["start", "-f", "interpreter"], 0),
        (&["run", HOSTILE], 1),
        (&["run", &with("./script")], 1),
        (&["run", &with("./")], 1),
        (&["run", &with("/")], 1),
        (&[HOSTILE], 1),
        (&["help", HOSTILE], 1),
        (&["completions", HOSTILE], 1),
    ] {
        let end = app.done(arguments);
        check_harmless(&end.stderr, least);
        check_harmless(&end.stdout, 0);
    }
    for name in ["PORT", "PROCMAN_PORT", "PROCMAN_FORMATION", "PROCMAN_COLOR", "PROCMAN_PROCFILE", "TZ"] {
        let mut command = app.procman(&["start"]);
        command.env(name, HOSTILE);
        check_harmless(&app.run(command).finish().stderr, usize::from(name != "TZ"));
    }
    // The largest of variables that are too large together.
    app.file("large", (0..3).map(|n| format!("A{n}={}\n", "x".repeat(120_000))).collect::<String>());
    let mut command = app.procman(&["run", "-e", "large", "true"]);
    command.env(HOSTILE, "x".repeat(130_000));
    limit_environment(&mut command);
    check_harmless(&app.run(command).finish().stderr, 1);
}

/// Checks that a text has so many lines at least, and nothing that a terminal would obey.
#[track_caller]
fn check_harmless(text: &str, least: usize) {
    let harmful = text
        .chars()
        .find(|character| (character.is_control() && *character != '\n') || *character == '\u{202e}');
    assert_eq!(harmful, None, "{text:?}");
    assert!(text.lines().count() >= least, "{text:?}");
}

const SECRET: &str = "hunter2";

#[test]
fn a_secret_is_in_no_message_and_no_argument() {
    let app = App::new(&format!("web: {IDLE}\n"));
    app.file(".env", format!("PASSWORD={SECRET}\n"));
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("ready");
    let processes = app.left();
    assert!(processes.len() >= 4, "{processes:?}");
    for process in processes {
        assert!(!arguments(process.as_raw()).concat().contains(SECRET));
    }
    // Not even in the environment of procman itself.
    for process in [running.pid(), running.supervisor()] {
        let environment = std::fs::read(format!("/proc/{process}/environ")).unwrap();
        assert!(!String::from_utf8_lossy(&environment).contains(SECRET));
    }
    running.signal(Signal::SIGTERM);
    let end = running.finish();
    assert!(!format!("{end:?}").contains(SECRET));

    let large: String = (0..3).map(|n| format!("P{n}={}\n", SECRET.repeat(18_000))).collect();
    app.file("large", large);
    app.file("too-large", format!("P={}\n", SECRET.repeat(20_000)));
    app.file(
        "odd",
        format!("{SECRET}\n {SECRET} x\nP=\"a\" {SECRET}\nPORT={SECRET}\n={SECRET}\nP='{SECRET}\n"),
    );
    app.file("nul", format!("P={SECRET}\0\n"));
    app.file("bytes", [b"P=", SECRET.as_bytes(), b"\xff\n"].concat());
    app.file("script", "#!/no/such\n");
    for arguments in [
        &["start", "-e", "large"][..],
        &["run", "-e", "large", "true"],
        &["start", "-e", "too-large"],
        &["start", "-e", "odd"],
        &["check", "-e", "odd"],
        &["check", "-e", "nul"],
        &["check", "-e", "bytes"],
        &["run", "no-such"],
        &["run", "./script"],
        &["start", "no-such"],
        &["start", "-p", "65536"],
    ] {
        let mut command = app.procman(arguments);
        limit_environment(&mut command);
        let end = app.run(command).finish();
        assert!(!format!("{end:?}").contains(SECRET), "{arguments:?}: {}", end.stderr);
        assert!(end.status != Some(0) && !end.stderr.is_empty(), "{arguments:?}");
    }
}

#[test]
fn an_environment_file_that_every_user_may_write_to_is_a_warning() {
    let app = App::new("web: echo $A\n");
    let env = app.file(".env", "A=1\n");
    let words = "procman: .env: warning: every user may write to it (mode 0666)\n";
    for (mode, expected) in [(0o666, words), (0o664, ""), (0o600, "")] {
        std::fs::set_permissions(&env, Permissions::from_mode(mode)).unwrap();
        for arguments in [&["start"][..], &["run", "web"]] {
            let end = app.done(arguments);
            assert_eq!((end.stderr.as_str(), end.status), (expected, Some(0)));
            assert!(end.stdout.contains("1\n"));
        }
        let end = app.done(&["check"]);
        assert_eq!((end.stderr.as_str(), end.status), (expected, Some(i32::from(!expected.is_empty()))));
    }
}

#[test]
fn an_environment_file_of_somebody_else_is_a_warning() {
    let app = App::new("web: true\n");
    let env = app.file(".env", "A=1\n");
    if env.metadata().unwrap().uid() != 0 || chown(&env, Some(1234), None).is_err() {
        return skipped("only root can give a file away");
    }
    let end = app.done(&["start"]);
    let words =
        "procman: .env: warning: it belongs to user 1234, who is neither you nor the owner of the Procfile\n";
    assert_eq!((end.stderr.as_str(), end.status), (words, Some(0)));
    // Whoever the Procfile belongs to decides what is run anyway: a directory mounted into a container.
    chown(app.root().join("Procfile"), Some(1234), None).unwrap();
    assert_eq!(app.done(&["start"]).stderr, "");
}

#[test]
fn an_environment_file_that_is_no_file_blocks_nothing() {
    let app = App::new("web: echo $A\n");
    let env = app.root().join(".env");
    mkfifo(&env, Mode::S_IRWXU).unwrap();
    let end = app.done(&["start"]);
    let words = "procman: .env: warning: nothing came out of this pipe\n";
    assert_eq!((end.stderr.as_str(), end.status), (words, Some(0)));
    for (target, expected) in [
        ("/dev/null", ""),
        ("/dev/zero", "procman: cannot read `.env`: larger than 16 MiB\n"),
        ("/dev", "procman: cannot read `.env`: is a directory\n"),
        (".env", "procman: cannot read `.env`: too many levels of symbolic links\n"),
        // Nobody has asked for a `.env`.
        ("no-such", ""),
    ] {
        std::fs::remove_file(&env).unwrap();
        symlink(target, &env).unwrap();
        let end = app.done(&["start"]);
        assert_eq!((end.stderr.as_str(), end.status), (expected, Some(i32::from(!expected.is_empty()))));
    }
}

#[test]
fn huge_files_are_read_or_refused_in_bounded_memory() {
    let app = App::new("web: true\n");
    File::create(app.root().join("huge")).unwrap().set_len(100 * 1024 * 1024).unwrap();
    app.file("comments", format!("{}web: true\n", "# c\n".repeat(1_000_000)));
    app.file("entries", (0..30_000).map(|n| format!("a{n}: x\n")).collect::<String>());
    app.file("variables", (0..30_000).map(|n| format!("A{n}=x\n")).collect::<String>());
    app.file("line", format!("web: {}\n", "x".repeat(10_000_000)));
    for (arguments, expected, status) in [
        (&["-f", "huge"][..], "procman: cannot read `huge`: larger than 16 MiB\n", 1),
        (&["-f", "/dev/zero"], "procman: cannot read `/dev/zero`: larger than 16 MiB\n", 1),
        (&["-e", "huge"], "procman: cannot read `huge`: larger than 16 MiB\n", 1),
        (&["-f", "comments"], "", 0),
        (&["-f", "entries"], "procman: `a606.1` would get port 65600, and 65535 is the last\n", 1),
        (&["-e", "variables"], "", 0),
        (
            &["-f", "line"],
            "procman: the command of `web` has 10000000 bytes, more than a process can be given (131071)\n",
            1,
        ),
    ] {
        let mut command = app.procman(&[&["check"], arguments].concat());
        limit(&mut command, Resource::RLIMIT_AS, 256 * 1024 * 1024);
        let end = app.run(command).finish();
        assert_eq!((end.stderr.as_str(), end.status), (expected, Some(status)), "{arguments:?}");
    }
}

#[test]
fn an_environment_that_is_no_text_is_passed_on_byte_for_byte() {
    let app = App::new("web: exec env -0\n");
    let odd = [(&b"A"[..], &b"\xff\n B=\x01"[..]), (b"BASH_FUNC_x%%", b"() { :\n}"), (b"\xfe", b"1")];
    let has = |output: &[u8], (name, value): &(&[u8], &[u8])| {
        output.split(|byte| *byte == 0).any(|variable| variable == [name, &b"="[..], value].concat())
    };
    let all = |arguments: &[&str]| {
        let mut command = app.procman(arguments);
        command.envs(odd.map(|(name, value)| (OsStr::from_bytes(name), OsStr::from_bytes(value))));
        app.run(command).finish().bytes
    };
    let output = all(&["run", "env", "-0"]);
    assert!(odd.iter().all(|variable| has(&output, variable)), "{}", String::from_utf8_lossy(&output));
    // A shell passes only on what it takes for a variable.
    assert!(has(&all(&["start", "--log-format", "raw"]), &odd[0]));
}

#[test]
fn what_is_meant_for_procman_reaches_no_instance_unless_a_file_says_so() {
    let names = [
        "LISTEN_FDNAMES",
        "LISTEN_FDS",
        "LISTEN_PID",
        "NOTIFY_SOCKET",
        "PROCMAN_PORT",
        "WATCHDOG_PID",
        "WATCHDOG_USEC",
    ];
    let app = App::new("web: exec env\n");
    let seen = |arguments: &[&str]| {
        let mut command = app.procman(arguments);
        command.envs(names.map(|name| (name, "6000")));
        let output = app.run(command).finish().stdout;
        let mut seen: Vec<String> = output
            .lines()
            .filter(|line| names.iter().any(|name| line.starts_with(name)))
            .map(str::to_owned)
            .collect();
        seen.sort();
        seen
    };
    let [start, run] = [&["start", "--log-format", "raw"][..], &["run", "web"]];
    assert_eq!((seen(start), seen(run)), (vec![], vec![]));
    app.file(".env", names.map(|name| format!("{name}=7\n")).concat());
    let asked = names.map(|name| format!("{name}=7"));
    assert_eq!((seen(start), seen(run)), (asked.to_vec(), asked.to_vec()));
}

#[test]
fn a_variable_that_begins_like_a_computed_one_is_another() {
    let app = App::new("web: echo $PSQL ${PS}QL $PORTAL $PORT\n");
    app.file(".env", "PSQL=psql\nPORTAL=portal\n");
    let end = app.start(&["--no-timestamp"]).finish();
    assert_eq!(end.lines_of("web.1")[1], "psql web.1QL portal 5000");
}

#[test]
fn no_message_is_without_end() {
    let long = "x".repeat(100_000);
    let app = App::new("web: true\n");
    app.file("many", (0..5000).map(|n| format!("a{n}: true\n")).collect::<String>());
    app.file("names", format!("{long}='1'x\n{long}='1\n"));
    let with = |before: &str| format!("{before}{long}");
    for arguments in [
        &["run", &long][..],
        &["run", &with("./")],
        &["start", "-f", &long],
        &["start", "-d", &long],
        &["start", "-e", &long],
        &["start", "-p", &long],
        &["start", "-t", &long],
        &["start", "-m", &long],
        &["start", "-m", &with("web=")],
        &["start", "--color", &long],
        &["start", &format!("--timestamp={long}%")],
        &["start", &with("--")],
        &["start", &long],
        &["start", "-f", "many", "no-such"],
        &["check", "-e", "names"],
        &["completions", &long],
        &[&long],
    ] {
        let end = app.done(arguments);
        let longest = end.stderr.lines().map(str::len).max();
        assert!(longest.is_some_and(|longest| longest < 4300), "{}: {longest:?}", arguments[0]);
        assert!(end.status != Some(0));
    }
    for (name, text) in [(".foreman", ": 1\n"), ("procman.toml", " = 1\n")] {
        app.file(name, format!("{long}{text}port: {long}\n"));
        let end = app.done(&["check"]);
        assert!((1..5000).contains(&end.stderr.len()), "{}", end.stderr.len());
        std::fs::remove_file(app.root().join(name)).unwrap();
    }
    let end = app.done(&["run", &long]);
    assert_eq!(end.stderr, format!("procman: cannot run `{}…`: file name too long\n", &long[..64]));
    // A path that can be is whole.
    let path = format!("{}no-such", "directory/".repeat(400));
    let end = app.done(&["start", "-f", &path]);
    assert!(end.stderr.starts_with(&format!("procman: no Procfile at `{path}`\n")), "{}", end.stderr);
}
