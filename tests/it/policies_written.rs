//! What the user writes about supervision: tables of `procman.toml` and options of `start`, read, checked and explained.

use nix::sys::signal::Signal;
use nix::sys::stat::Mode;
use nix::unistd::mkfifo;
use serde_json::Value;

use crate::support::{App, bless_or_compare, repository};

const PROCFILE: &str = "web: touch spawned; sleep 60\nworker: sleep 60\ndb: sleep 60\n";

/// Checks what these commands say about a `procman.toml`, which is no secret.
#[track_caller]
fn check_faults(commands: &[&str], toml: &str, env: &str, expected: &str) {
    let app = App::new(PROCFILE);
    app.file("procman.toml", toml);
    app.file(".env", env);
    for command in commands {
        let end = app.done(&[command]);
        assert_eq!(
            (end.stderr.as_str(), end.status, end.stdout.as_str()),
            (expected, Some(1), ""),
            "{command}"
        );
        assert!(!app.root().join("spawned").exists());
    }
}

#[test]
fn a_fault_of_a_table_has_line_and_column() {
    let both = ["start", "check"];
    check_faults(
        &both,
        "port = 3000\n[process.web]\nrestrat = 'always'\n",
        "",
        "procman: procman.toml:3:1: unknown key `restrat`, did you mean `restart`\n",
    );
    check_faults(
        &both,
        "[process.web]\nneeds = ['db']\n[process.db]\nneeds = ['wroker', 'web']\n[process.wbe]\n",
        "",
        "procman: procman.toml:2:10: needs go round in a circle: web → db → web\n\
         procman: procman.toml:4:10: unknown process `wroker`, did you mean `worker`; the Procfile has `web`, \
         `worker`, `db`\n\
         procman: procman.toml:5:10: unknown process `wbe`, did you mean `web`; the Procfile has `web`, `worker`, \
         `db`\n",
    );
}

#[test]
fn faults_of_grammar_and_of_meaning_are_told_together() {
    check_faults(
        &["start", "check"],
        "color = 'yellow'\n[process.wbe]\ncount = 1\n[process.web]\nneeds = ['x', 1]\ngrace = -1\n",
        "",
        "procman: procman.toml:1:9: `yellow` is not `auto`, `always` or `never`\n\
         procman: procman.toml:2:10: unknown process `wbe`, did you mean `web`; the Procfile has `web`, `worker`, \
         `db`\n\
         procman: procman.toml:5:10: unknown process `x`; the Procfile has `web`, `worker`, `db`\n\
         procman: procman.toml:5:15: expected a text in quotes\n\
         procman: procman.toml:6:9: `-1` is not a number of seconds from 0 to 31536000\n",
    );
}

#[test]
fn where_the_procfile_is_may_be_the_fault() {
    let app = App::new("");
    std::fs::remove_file(app.root().join("Procfile")).unwrap();
    app.file("procman.toml", "procfile = 3\n");
    let end = app.done(&["check"]);
    let words = "procman: procman.toml:1:12: expected a path in quotes\nprocman: no Procfile at `Procfile`\n";
    assert!(end.stderr.starts_with(words), "{end:?}");
}

#[test]
fn a_formation_of_a_file_is_wrong_there() {
    for (file, text) in [("procman.toml", "formation = '%'"), (".foreman", "formation: %")] {
        let app = App::new("web: true\n");
        for (formation, words) in [
            ("web=x", "`x` is not a count of `web`: use a whole number from 0"),
            ("wbe=1", "unknown process `wbe`, did you mean `web`; the Procfile has `web`"),
        ] {
            app.file(file, text.replace('%', formation));
            let end = app.done(&["check"]);
            assert_eq!(end.stderr, format!("procman: {file}: formation: {words}\n"));
        }
        let end = app.done(&["start", "-m", "wbe=1"]);
        assert!(end.stderr.starts_with("procman: unknown process `wbe`"), "{end:?}");
    }
}

#[test]
fn a_file_of_defaults_that_says_nothing_is_not_passed_over() {
    let app = App::new("web: true\n");
    let path = app.root().join("procman.toml");
    std::os::unix::fs::symlink("nowhere", &path).unwrap();
    let told = || app.done(&["check"]).stderr;
    assert_eq!(told(), "procman: cannot read `procman.toml`: it is a link that leads nowhere\n");
    std::fs::remove_file(&path).unwrap();
    mkfifo(&path, Mode::S_IRWXU).unwrap();
    assert_eq!(told(), "procman: cannot read `procman.toml`: it is a pipe\n");
}

#[test]
fn counts_of_procman_toml_win_over_the_formation_of_foreman() {
    let app = App::new("web: ./web\ndb: ./db\n");
    app.file("procman.toml", "[process.web]\ncount = 2\n");
    app.file(".foreman", "formation: web=1,db=1\n");
    let explained = || app.done(&["check", "--explain"]).stdout;
    assert!(explained().contains("\nweb: 2 instances\n") && explained().contains("\ndb: 1 instance\n"));
    app.file("procman.toml", "formation = 'web=3'\n[process.web]\ncount = 2\n");
    assert!(explained().contains("\nweb: 3 instances\n") && explained().contains("\ndb: 0 instances\n"));
    app.file("procman.toml", "[process.web]\ngrace = 2\n");
    assert!(explained().contains("\nweb: 1 instance\n"));
}

#[test]
fn a_variable_that_leads_nowhere_is_a_fault_where_it_would_be_waited_for() {
    let toml = "[process.web]\nneeds = ['env:UNSET_URL', 'env:BAD_URL']\n";
    let env = "BAD_URL=s3cret\n";
    check_faults(
        &["start", "check"],
        toml,
        env,
        "procman: procman.toml:2:10: the variable `UNSET_URL` is not set\n\
         procman: procman.toml:2:27: the variable `BAD_URL` is not a URL\n",
    );
    let app = App::new("web: true\n");
    app.file("procman.toml", toml);
    app.file(".env", env);
    for arguments in [&["export", "systemd", "-"][..], &["run", "true"]] {
        let end = app.done(arguments);
        assert_eq!((end.stderr.as_str(), end.status), ("", Some(0)), "{arguments:?}");
    }
}

#[test]
fn counts_are_the_formation_where_nothing_else_says_one() {
    let app = App::new("web: echo is $PS; exec sleep 60\nworker: echo is $PS; exec sleep 60\n");
    app.file("procman.toml", "[process.web]\ncount = 2\n");
    let all = ["web.1", "web.2", "worker.1"];
    for (arguments, expected) in
        [(&[][..], &all[..]), (&["web"], &all[..1]), (&["-m", "worker=1"], &all[2..])]
    {
        let running = app.start(arguments);
        expected.iter().for_each(|name| running.wait_for(&format!("is {name}\n")));
        running.signal(Signal::SIGTERM);
        let output = running.finish().stdout;
        assert_eq!(output.matches("| is ").count(), expected.len(), "{output}");
    }
}

#[test]
fn a_type_has_the_terminal_that_its_table_says() {
    let app = App::new(
        "web: test -t 1 && echo terminal || echo pipe; exec sleep 60\nworker: test -t 1 || echo pipe; exec sleep 60\n",
    );
    app.file("procman.toml", "[process.web]\npty = 'always'\n");
    let running = app.start(&["--no-timestamp"]);
    running.wait_for("web.1    | terminal\n");
    running.wait_for("worker.1 | pipe\n");
    running.signal(Signal::SIGTERM);
    running.finish();
    let running = app.start(&["--no-timestamp", "--pty=never"]);
    running.wait_for("web.1    | pipe\n");
    running.signal(Signal::SIGTERM);
    running.finish();
}

#[test]
fn a_need_that_the_formation_lacks_is_said() {
    let app = App::new("web: echo runs; exec sleep 60\ndb: sleep 60\n");
    app.file("procman.toml", "[process.web]\nneeds = ['db']\n");
    let running = app.start(&["web"]);
    running.wait_for("| web needs db, which this formation does not have\n");
    running.signal(Signal::SIGTERM);
    running.finish();
}

/// Everything that a table can say, and what is said at the top.
const SUPERVISED: &str = r#"
timeout = 10
keep-going = true
wait-timeout = 90

[process.web]
count = 2
restart = "on-failure"
on-exit = "stop-all"
needs = ["migrate", "cache", "env:DATABASE_URL"]
ready = { http = "/health", status = 200 }
health = { http = "/health", interval = 5 }
pty = "always"

[process.worker]
restart = "always"
stop-signal = "QUIT"
grace = 30
needs = ["migrate", "redis://:s3cret@cache.example/0"]
ready = { log = "ready to work", deadline = 20 }

[process.cache]
ready = "port"
health = { exec = "./ping", failures = 1 }

[process.migrate]
one-shot = true
on-exit = "stop-all"
"#;

#[test]
fn an_explanation_says_how_every_type_is_supervised() {
    let app = App::new("web: ./web\nworker: ./work\ncache: ./cache\nmigrate: ./migrate\nclock: ./tick\n");
    app.file("procman.toml", SUPERVISED);
    app.file(".env", "DATABASE_URL=postgres://me:s3cret@db.example/shop\n");
    let end = app.done(&["check", "--explain"]);
    assert_eq!((end.stderr.as_str(), end.status), ("", Some(0)));
    assert!(!end.stdout.contains("s3cret"));
    bless_or_compare(&repository().join("tests/golden/explain.txt"), &end.stdout);
    assert_eq!(app.done(&["check"]).stdout, "valid procfile detected (web, worker, cache, migrate, clock)\n");
}

#[test]
fn what_health_does_is_explained_with_the_budget_that_it_uses_up() {
    let app = App::new("web: ./web\n");
    for (policy, expected) in [
        ("restart = 'on-failure'\nrestart-budget = 1", "3 failures in a row end it\n"),
        (
            "restart = 'never'\nrestart-budget = 2",
            "3 failures in a row start it anew, until it has ended 2 times in a row\n",
        ),
        ("restart = 'always'\nrestart-budget = 2", "3 failures in a row start it anew\n"),
    ] {
        app.file("procman.toml", format!("[process.web]\nhealth = 'port'\n{policy}\n"));
        let explained = app.done(&["check", "--explain"]).stdout;
        assert!(explained.contains(expected), "{explained}");
    }
}

#[test]
fn an_explanation_marks_what_nobody_has_said_and_knows_the_variables_of_start() {
    let app = App::new("web: ./web\ndb: ./db\n");
    let explained = |variables: &[(&str, &str)]| {
        let mut command = app.procman(&["check", "--explain"]);
        command.envs(variables.iter().copied());
        app.run(command).finish().stdout
    };
    let (ended, stopped) = ("all others are stopped", "by SIGTERM, and by SIGKILL after 5 s");
    let usual = explained(&[]);
    assert!(usual.contains(&format!("{ended} (default)")) && usual.contains(&format!("{stopped} (default)")));
    app.file("procman.toml", "restart = 'never'\ntimeout = 5\n[process.web]\nneeds = ['db']\n");
    let said = explained(&[]);
    assert!(said.contains(&format!("{ended}\n")) && said.contains(&format!("{stopped}\n")), "{said}");
    assert!(said.contains("  starts      when db is ready\n"), "{said}");
    let variables = [("PROCMAN_RESTART", "always"), ("PROCMAN_TIMEOUT", "7"), ("PROCMAN_FORMATION", "web=1")];
    let given = explained(&variables);
    assert!(given.contains("is started again") && given.contains("after 7 s\n"), "{given}");
    assert!(
        given.contains("  starts      at once\n              (db is not in this formation)\n"),
        "{given}"
    );
}

#[test]
fn every_url_of_the_environment_is_waited_for_when_asked() {
    let app = App::new("web: ./web\n");
    app.file(
        ".env",
        "A_URL=postgres://me:s3cret@db/x\nB_URL=http://localhost:5000/\nC_URL=s3cret\nD=redis://h\nE_URL=sqlite:x\n",
    );
    app.file("procman.toml", "wait-services = true\n[process.web]\nneeds = ['env:A_URL']\n");
    let end = app.done(&["check", "--explain"]);
    assert!(
        end.stdout
            .contains("  starts      when A_URL (db:5432) accepts connections, within 60 s\n  is ready"),
        "{end:?}"
    );
    assert!(end.stdout.contains("\nnothing waits for B_URL: it is a port of this formation\n"), "{end:?}");
}

#[test]
fn options_of_supervision_are_options_as_all_others() {
    let app = App::new("web: true\n");
    let end = app.done(&["start", "--restart=alway"]);
    let expected = "procman: `--restart`: `alway` is not `never`, `on-failure` or `always`\nhint: did you mean `always`\n";
    assert_eq!((end.stderr.as_str(), end.status), (expected, Some(2)));
    let mut command = app.procman(&["start"]);
    command.env("PROCMAN_KEEP_GOING", "perhaps");
    let end = app.run(command).finish();
    assert!(
        end.stderr.starts_with("procman: `--keep-going`: `perhaps` is not `true` or `false`\n"),
        "{end:?}"
    );
    assert_eq!(end.status, Some(2));
    let mut command = app.procman(&["start"]);
    command.env("PROCMAN_RESTART", "alwyas");
    let end = app.run(command).finish();
    assert!(
        end.stderr.ends_with("hint: did you mean `always`; `PROCMAN_RESTART` in the environment says so\n")
    );
    let mut command = app.procman(&["start", "--keep-going", "--wait-services=false", "--wait-timeout=1"]);
    command.env("PROCMAN_RESTART", "never");
    let end = app.run(command).finish();
    assert_eq!((end.stderr.as_str(), end.status), ("", Some(0)));
}

#[test]
fn the_schema_is_printed_for_editors() {
    let end = App::new("").done(&["schema"]);
    let schema: Value = serde_json::from_str(&end.stdout).unwrap();
    let web = &schema["$defs"]["process"]["properties"];
    assert!(web["needs"]["description"].is_string() && web["ready"].is_object(), "{schema}");
    assert_eq!((end.status, schema["title"].as_str()), (Some(0), Some("procman.toml")));
}
