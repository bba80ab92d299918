//! What `procman export` does to a directory: all of it or nothing, and nothing to what is not its own.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::Command;

use nix::sys::signal::Signal;

use crate::support::{App, End, NOBODY, procman, run_by, skipped, wait_until};

const PROCFILE: &str = "web: exec ./web -p $PORT\nwork: ./work\nrelease: ./migrate\n";

/// Returns an app called `shop`, with a secret.
fn shop() -> App {
    let app = App::new(PROCFILE);
    app.file(".env", "PASSWORD=hunter2\nPORT=6000\n");
    app.file("procman.toml", "app = 'shop'\n");
    app
}

/// Exports to `out`.
#[track_caller]
fn export(app: &App, format: &str, arguments: &[&str]) -> End {
    app.done(&[&["export", format, "out"], arguments].concat())
}

/// Exports to `out`, which has to go well.
#[track_caller]
fn exported(app: &App, format: &str, arguments: &[&str]) -> String {
    let end = export(app, format, arguments);
    assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{end:?}");
    end.stdout
}

/// Returns everything below `out`: a file with its mode and content, a directory with its mode, a link with its target.
fn tree(app: &App) -> BTreeMap<String, String> {
    let root = app.root().join("out");
    let mut tree = BTreeMap::new();
    let mut folders = vec![root.clone()];
    while let Some(folder) = folders.pop() {
        for entry in fs::read_dir(&folder).into_iter().flatten() {
            let path = entry.unwrap().path();
            let metadata = path.symlink_metadata().unwrap();
            let mode = metadata.permissions().mode() & 0o7777;
            let what = if metadata.is_symlink() {
                format!("-> {}", fs::read_link(&path).unwrap().display())
            } else if metadata.is_dir() {
                folders.push(path.clone());
                format!("{mode:o}/")
            } else {
                format!("{mode:o} {}", fs::read_to_string(&path).unwrap())
            };
            tree.insert(path.strip_prefix(&root).unwrap().to_str().unwrap().to_owned(), what);
        }
    }
    tree
}

/// Checks that an export fails with these words and leaves everything as it is.
#[track_caller]
fn check_refused(app: &App, format: &str, expected: &[&str]) {
    let before = tree(app);
    for arguments in [&[][..], &["--dry-run"], &["--diff"], &["--check"]] {
        let end = export(app, format, arguments);
        assert_eq!((end.status, end.stdout.as_str()), (Some(1), ""), "{end:?}");
        for words in expected {
            assert!(end.stderr.contains(words), "{words:?} in {:?}", end.stderr);
        }
        assert_eq!(tree(app), before);
    }
}

#[test]
fn fewer_instances_remove_their_files_and_no_other() {
    let app = shop();
    exported(&app, "runit", &["-m", "web=2,work=1"]);
    exported(&app, "supervisord", &[]);
    // Those of another app whose name begins with this one's, and whatever else is there.
    exported(&app, "runit", &["-a", "shop-web", "-m", "web=2"]);
    app.file("out/shop-web-2/more", "mine");
    app.file("out/shop-web-9.conf", "mine");
    let before = tree(&app);
    let told = exported(&app, "runit", &["-m", "web=1"]);
    let after = tree(&app);
    let gone: Vec<&String> = before.keys().filter(|path| !after.contains_key(*path)).collect();
    let was_written = |path: &str| {
        let of_web = path.starts_with("shop-web-2/") && path != "shop-web-2/more";
        of_web || path.starts_with("shop-work-1")
    };
    let expected: Vec<&String> = before.keys().filter(|path| was_written(path)).collect();
    assert!(expected.len() > 10, "{before:?}");
    assert_eq!(gone, expected);
    for path in gone {
        assert!(told.contains(&format!("removed out/{path}\n")), "{path} in {told}");
    }
    assert!(told.contains("left out/shop-web-2, for there is more in it\n"), "{told}");
    for (path, what) in after.iter().filter(|(path, _)| *path != ".procman-shop-runit.json") {
        assert_eq!(before.get(path), Some(what), "{path}");
    }
    assert_eq!(exported(&app, "runit", &["-m", "web=1"]), "`out` is up to date\n");
    // That the directory was made for the export is remembered.
    fs::remove_file(app.root().join("out/shop-web-2/more")).unwrap();
    exported(&app, "runit", &["-m", "web=1"]);
    assert!(!app.root().join("out/shop-web-2").exists());
}

#[test]
fn a_directory_that_a_supervisor_keeps_is_said_to_be_its() {
    for (format, stop) in [("runit", "sv down"), ("s6", "s6-svc -d")] {
        let app = shop();
        exported(&app, format, &["-m", "web=2"]);
        for file in ["out/shop-web-2/log/supervise/lock", "out/shop-web-2/supervise/lock"] {
            fs::create_dir(app.root().join(file).parent().unwrap()).unwrap();
            app.file(file, "");
        }
        let told = exported(&app, format, &["-m", "web=1"]);
        let left: Vec<&str> = told.lines().filter(|line| line.starts_with("left ")).collect();
        let [line] = left.as_slice() else { panic!("{told}") };
        let words = "left out/shop-web-2, for its supervisor has `supervise` in it: ";
        assert!(line.starts_with(words) && line.contains(&format!("`{stop} ./out/shop-web-2`")), "{line}");
        // It may still run what is no longer exported, so it is not as it should be.
        assert_eq!(exported(&app, format, &["-m", "web=1"]), format!("{line}\n"));
        let end = export(&app, format, &["-m", "web=1", "--check"]);
        assert!(end.status == Some(1) && end.stderr.contains(line), "{end:?}");
        fs::remove_dir_all(app.root().join("out/shop-web-2")).unwrap();
        assert_eq!(exported(&app, format, &["-m", "web=1", "--check"]), "");
        exported(&app, format, &["-m", "web=1"]);
    }
}

/// FAULTS 123.
#[test]
fn what_procman_has_not_written_is_neither_overwritten_nor_removed() {
    let app = shop();
    fs::create_dir(app.root().join("out")).unwrap();
    app.file("out/shop.conf", "mine");
    app.file("out/application.target", "mine");
    let hint = "hint: nothing was written; move it away, or export to another directory\n";
    let words = "procman: `out/shop.conf` is not a file that procman has exported for this app and format\n";
    check_refused(&app, "supervisord", &[words, hint]);
    // One that procman has written is as foreign when nothing says so.
    fs::remove_file(app.root().join("out/shop.conf")).unwrap();
    exported(&app, "supervisord", &[]);
    fs::remove_file(app.root().join("out/.procman-shop-supervisord.json")).unwrap();
    check_refused(&app, "supervisord", &[words]);
    assert_eq!(fs::read_to_string(app.root().join("out/application.target")).unwrap(), "mine");
}

/// FAULTS 124.
#[test]
fn no_link_and_no_directory_is_written_to() {
    let app = shop();
    let outside = app.file("outside", "mine");
    let out = app.root().join("out");
    for (target, words) in [
        ("shop.conf", "procman: `out/shop.conf` is a symbolic link\n"),
        (".procman-shop-supervisord.json", "`out/.procman-shop-supervisord.json` is a symbolic link\n"),
    ] {
        fs::create_dir(&out).unwrap();
        symlink(&outside, out.join(target)).unwrap();
        check_refused(&app, "supervisord", &[words]);
        fs::remove_dir_all(&out).unwrap();
    }
    fs::create_dir_all(out.join("shop.conf/x")).unwrap();
    check_refused(&app, "supervisord", &["procman: `out/shop.conf` is a directory\n"]);
    fs::remove_dir_all(&out).unwrap();
    // A directory on the way that leads elsewhere, and one that is none; both are named at once.
    fs::create_dir_all(&out).unwrap();
    let elsewhere = app.root().join("elsewhere");
    fs::create_dir(&elsewhere).unwrap();
    symlink(&elsewhere, out.join("shop-web-1")).unwrap();
    app.file("out/shop-work-1", "mine");
    let words = ["`out/shop-web-1` is a symbolic link\n", "`out/shop-work-1` is not a directory\n"];
    check_refused(&app, "runit", &words);
    assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
    assert_eq!(fs::read_to_string(outside).unwrap(), "mine");
    // The location itself may be a link: the user has named it.
    fs::remove_dir_all(&out).unwrap();
    symlink(&elsewhere, &out).unwrap();
    exported(&app, "supervisord", &[]);
    assert!(elsewhere.join("shop.conf").exists());
}

#[test]
fn notes_that_lead_elsewhere_are_refused() {
    let app = shop();
    exported(&app, "supervisord", &[]);
    let victim = app.file("victim", "mine");
    let notes = "out/.procman-shop-supervisord.json";
    let text = fs::read_to_string(app.root().join(notes)).unwrap();
    for (notes_now, words) in [
        (text.replace("\"shop.conf\"", "\"../victim\""), "it names a path that leads out of the location"),
        ("x".to_owned(), "it is no manifest of procman"),
        (
            text.replace("\"version\": 1", "\"version\": 2"),
            "it is a manifest of version 2, and this procman knows 1",
        ),
    ] {
        app.file(notes, notes_now);
        let words = format!("procman: `{notes}` cannot be used: {words}\nhint: ");
        check_refused(&app, "supervisord", &[&words]);
    }
    assert!(victim.exists());
}

/// FAULTS 125.
#[test]
fn modes_are_what_they_should_be_whatever_the_umask() {
    // One that takes everything from the owner too is root's alone to have.
    let odd = if is_root() { "777" } else { "027" };
    for umask in ["000", "077", odd] {
        let app = shop();
        fs::create_dir(app.root().join("out")).unwrap();
        let mut command = app.command("sh");
        command.args(["-c", &format!("umask {umask}; exec \"$0\" export runit out")]).arg(procman());
        let end = app.run(command).finish();
        assert_eq!((end.status, end.stderr.as_str()), (Some(0), ""), "{end:?}");
        let tree = tree(&app);
        let mode = |path: &str| tree[path].split([' ', '/']).next().unwrap().to_owned();
        assert_eq!(mode("shop-web-1"), "755");
        assert_eq!(mode("shop-web-1/run"), "755");
        assert_eq!(mode("shop-web-1/env/PASSWORD"), "600");
        assert_eq!(mode(".procman-shop-runit.json"), "644");
    }
}

#[test]
fn a_mode_that_gives_a_secret_away_is_set_right() {
    let app = shop();
    exported(&app, "supervisord", &[]);
    let file = app.root().join("out/shop.conf");
    fs::set_permissions(&file, fs::Permissions::from_mode(0o644)).unwrap();
    assert_eq!(export(&app, "supervisord", &["--check"]).status, Some(1));
    assert_eq!(exported(&app, "supervisord", &["--diff"]), "mode of shop.conf: 0644 -> 0600\n");
    assert_eq!(exported(&app, "supervisord", &[]), "wrote out/shop.conf\n");
    assert_eq!(file.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    assert_eq!(exported(&app, "supervisord", &["--check"]), "");
}

/// FAULTS 125.
#[test]
fn a_secret_is_written_but_never_printed() {
    let app = shop();
    let check = |end: End| {
        let all = format!("{}{}", end.stdout, end.stderr);
        assert!(!all.contains("hunter"), "{all}");
        all
    };
    for format in ["supervisord", "runit"] {
        for arguments in [&["--dry-run"][..], &["--diff"], &["--check"], &[]] {
            check(export(&app, format, arguments));
        }
    }
    assert!(tree(&app).values().any(|what| what.contains("hunter2")));
    for (path, what) in tree(&app) {
        assert!(!what.contains("hunter2") || what.starts_with("600 "), "{path}");
    }
    // Neither what it was nor what it becomes.
    app.file(".env", "PASSWORD=hunter3\n");
    let all = check(export(&app, "supervisord", &["--diff"]));
    assert_eq!(all, "Files a/shop.conf and b/shop.conf differ (not shown: they hold secrets)\n");
    let all = check(export(&app, "runit", &["-m", "work=1", "--diff"]));
    assert!(all.contains("Only in the location: shop-web-1/env/PASSWORD (not shown"), "{all}");
    app.file(".env", "PASSWORD='hunter2\n");
    check(export(&app, "supervisord", &[]));
}

#[test]
fn what_would_change_is_shown_and_nothing_is_written() {
    let app = shop();
    let all = ["--dry-run", "--diff", "--check"];
    let end = export(&app, "runit", &all);
    assert_eq!(end.status, Some(1));
    assert!(end.stdout.contains("would write out/shop-web-1/"), "{end:?}");
    assert!(end.stdout.contains("--- /dev/null\n+++ b/shop-web-1/run\n"), "{end:?}");
    assert!(end.stderr.starts_with("procman: `out` is out of date\nwould be written: out/"), "{end:?}");
    assert!(!app.root().join("out").exists());
    exported(&app, "runit", &[]);
    let before = tree(&app);
    assert_eq!(exported(&app, "runit", &all), "");
    app.file("Procfile", PROCFILE.replace("./web", "./server"));
    let end = export(&app, "runit", &all);
    assert!(end.stdout.contains("would write out/shop-web-1/run\n"), "{end:?}");
    assert!(end.stdout.contains("\n-exec ") && end.stdout.contains("\n+exec "), "{end:?}");
    assert!(end.stderr.contains("would be written: out/shop-web-1/run\nhint: `--diff` shows"), "{end:?}");
    assert_eq!(tree(&app), before);
    assert_eq!(exported(&app, "runit", &[]), "wrote out/shop-web-1/run\n");
}

#[test]
fn standard_output_gets_what_a_file_would_have() {
    let app = shop();
    exported(&app, "supervisord", &[]);
    let end = app.done(&["export", "supervisord", "-"]);
    assert_eq!(end.stdout, fs::read_to_string(app.root().join("out/shop.conf")).unwrap());
    let several = app.done(&["export", "runit", "-"]).stdout;
    assert!(several.contains("\n# shop-web-1/run\n#!/bin/sh\n"), "{several}");
    assert!(!app.root().join("-").exists());
    for option in ["--dry-run", "--diff", "--check"] {
        let end = app.done(&["export", "runit", "-", option]);
        let words = "procman: standard output has nothing that could change: name a directory\n";
        assert_eq!((end.status, end.stderr.as_str()), (Some(2), words));
    }
}

#[test]
fn what_is_said_of_a_type_is_carried_or_commented_on() {
    let app = App::new("web: exec ./web\nworker: exec ./work\n");
    let said = "[process.web]\non-exit = 'stop-all'\npty = 'always'\nrestart-budget = 3\n\
                [process.worker]\non-exit = 'ignore'\npty = 'never'\nrestart-budget = 10\n";
    app.file("procman.toml", said);
    exported(&app, "systemd", &["-a", "shop", "-m", "all=1"]);
    let tree = tree(&app);
    let about = |instance: &str| {
        let (_, unit) =
            tree.iter().find(|(path, _)| path.ends_with(&format!("shop-{instance}.service"))).unwrap();
        let lines = unit
            .lines()
            .filter(|line| line.starts_with("# procman: ") || line.starts_with("StartLimitBurst"));
        lines.map(str::to_owned).collect::<Vec<_>>()
    };
    assert_eq!(
        about("web-1"),
        [
            "# procman: `on-exit = \"stop-all\"` of web has no place here: the end of one leaves the others alone",
            "# procman: `pty = \"always\"` of web has no place here: what is written goes to the journal",
            "StartLimitBurst=3",
        ]
    );
    assert_eq!(about("worker-1"), ["StartLimitBurst=10"]);
}

#[test]
fn a_wait_for_all_services_is_commented_on_as_a_need_for_each() {
    let app = App::new("web: exec ./web\nworker: exec ./work\n");
    app.file(".env", "DATABASE_URL=postgres://db.internal/shop\nCACHE_URL=redis://localhost\nPLAIN=1\n");
    app.file("procman.toml", "wait-services = true\n[process.web]\nneeds = ['env:CACHE_URL']\n");
    for format in
        ["systemd", "launchd", "supervisord", "runit", "s6", "compose", "kubernetes", "nomad", "quadlet"]
    {
        let text = app.done(&["export", format, "-", "-a", "shop"]).stdout;
        for needs in [
            "`needs` (CACHE_URL, DATABASE_URL) of web has",
            "`needs` (CACHE_URL, DATABASE_URL) of worker has",
        ] {
            assert_eq!(text.matches(needs).count(), 1, "{format}: {text}");
        }
    }
}

#[test]
fn variables_for_start_say_nothing_of_what_is_exported() {
    let app = shop();
    app.file("procman.toml", "restart = 'on-failure'\n");
    let text = |variables: &[(&str, &str)]| {
        let mut command = app.procman(&["export", "compose", "-"]);
        command.envs(variables.iter().copied());
        app.run(command).finish().stdout
    };
    let usual = text(&[]);
    let of_start = [
        ("PROCMAN_RESTART", "always"),
        ("PROCMAN_PTY", "always"),
        ("PROCMAN_KEEP_GOING", "false"),
        ("PROCMAN_WAIT_SERVICES", "true"),
    ];
    assert_eq!(text(&of_start), usual);
    assert_ne!(text(&[("PROCMAN_TIMEOUT", "7")]), usual);
}

#[test]
fn procman_s_own_environment_is_not_exported() {
    let app = shop();
    app.file(".env", "A=${HOME}/a\n");
    let mut command = app.procman(&["export", "supervisord", "-"]);
    command.env("OUTER", "outer-value").env("PORT", "7000").env("HOME", "/home/x");
    command.env("PROCMAN_USER", "deploy").env("PROCMAN_APP", "other").env("PROCMAN_LOG", "log");
    let text = app.run(command).finish().stdout;
    assert!(!text.contains("outer-value") && !text.contains("7000"), "{text}");
    assert!(text.contains("5000") && text.contains("/home/x/a"), "{text}");
    assert!(text.contains("deploy") && text.contains("other-web-1"), "{text}");
    let log = app.root().canonicalize().unwrap().join("log");
    assert!(text.contains(log.to_str().unwrap()), "{text}");
}

#[test]
fn the_root_is_written_as_it_was_given_but_without_steps_up() {
    let app = shop();
    fs::create_dir(app.root().join("release-1")).unwrap();
    fs::create_dir(app.root().join("beside")).unwrap();
    app.file("release-1/Procfile", PROCFILE);
    symlink("release-1", app.root().join("current")).unwrap();
    let root = app.root().canonicalize().unwrap();
    for (directory, expected) in [
        ("current", "current"),
        ("./current/", "current"),
        ("current/../release-1", "release-1"),
        ("beside/../current", "current"),
        ("beside/../current/../current/.", "current"),
        ("release-1/../beside/..//current/", "current"),
    ] {
        let text = app.done(&["export", "supervisord", "-", "-d", directory]).stdout;
        let line = format!("\ndirectory={}/{expected}\n", root.display());
        assert!(text.contains(&line), "{directory}: {text}");
        let procfile = format!("{directory}/Procfile");
        assert_eq!(app.done(&["export", "supervisord", "-", "-f", &procfile]).stdout, text, "{procfile}");
    }
    // Where a link leads is what a step up from it starts at.
    fs::create_dir_all(app.root().join("releases/2")).unwrap();
    symlink("releases/2", app.root().join("newest")).unwrap();
    symlink("2", app.root().join("releases/kept")).unwrap();
    app.file("releases/2/Procfile", PROCFILE);
    let text = app.done(&["export", "supervisord", "-", "-d", "newest/../kept"]).stdout;
    assert!(text.contains(&format!("\ndirectory={}/releases/kept\n", root.display())), "{text}");
}

/// FAULTS 120.
#[test]
fn a_name_that_leads_elsewhere_names_no_app() {
    let app = shop();
    let words = "`../../x` is not a name of at most 64 letters, digits, `-` and `_` that no `-` begins";
    let end = export(&app, "runit", &["-a", "../../x"]);
    assert_eq!((end.status, end.stderr), (Some(2), format!("procman: `--app`: {words}\n")));
    let end = export(&app, "runit", &["-m", "../x=1"]);
    assert!(end.status == Some(1) && end.stderr.starts_with("procman: formation: "), "{end:?}");
    app.file("procman.toml", "app = '../../x'\n");
    let end = export(&app, "runit", &[]);
    assert!(end.stderr.contains(words) && end.status == Some(1), "{end:?}");
    fs::remove_file(app.root().join("procman.toml")).unwrap();
    fs::create_dir(app.root().join("日本")).unwrap();
    let end = export(&app, "runit", &["-d", "日本", "-f", "Procfile"]);
    assert!(end.stderr.ends_with("日本` is no name for an app\nhint: `-a NAME` gives it one\n"), "{end:?}");
    fs::create_dir(app.root().join("My shop")).unwrap();
    let end = export(&app, "runit", &["-d", "My shop", "-f", "Procfile", "--dry-run"]);
    assert!(end.stdout.contains("out/My-shop-web-1/run"), "{end:?}");
    app.file("Procfile", "../../etc/x: cmd\n");
    let end = export(&app, "runit", &["-a", "x"]);
    assert!(end.stderr.starts_with("procman: Procfile:1:"), "{end:?}");
    assert!(!app.root().join("out").exists());
}

#[test]
fn faults_of_the_files_stop_it() {
    let app = shop();
    app.file("Procfile", "web: true\nnot a process\n");
    let end = export(&app, "runit", &[]);
    assert!(end.stderr.starts_with("procman: Procfile:2:1: warning: "), "{end:?}");
    assert!(end.stderr.ends_with("\nprocman: not exported because of the above\n"), "{end:?}");
    assert_eq!(end.status, Some(1));
    app.file("Procfile", PROCFILE);
    for (arguments, words) in [
        (&["-m", "wbe=1"][..], "procman: unknown process `wbe`, did you mean `web`"),
        (&["-p", "65535"], "procman: `work.1` would get port 65635, and 65535 is the last"),
        (&["-m", "web"], "procman: formation: `web` is not `name=count`"),
        (&["-e", "none"], "procman: cannot read `none`: "),
    ] {
        let end = export(&app, "runit", arguments);
        assert!(end.stderr.starts_with(words) && end.status == Some(1), "{end:?}");
    }
    assert!(!app.root().join("out").exists());
}

#[test]
fn types_that_differ_only_in_case_are_told_apart_or_named() {
    let app = shop();
    app.file("Procfile", "web: true\nWeb: true\n");
    let refused = ["systemd", "launchd", "supervisord", "runit", "s6", "compose", "kubernetes", "quadlet"];
    for format in refused {
        let end = export(&app, format, &[]);
        assert_eq!(end.status, Some(1), "{end:?}");
        for words in ["procman: the type `", "` cannot be written for ", "`web`", "`Web`"] {
            assert!(end.stderr.contains(words), "{end:?}");
        }
    }
    // Groups of its have no files and no hosts, and services of one name only if both types listen.
    exported(&app, "nomad", &[]);
}

#[test]
fn what_is_no_format_is_told_which_there_are() {
    let app = shop();
    for (format, words) in [
        ("docks", "procman: `docks` is no format; there is systemd, launchd, supervisord, "),
        ("systmd", "procman: `systmd` is no format, did you mean `systemd`; there is systemd, "),
        ("Systemd", "procman: `Systemd` is no format, did you mean `systemd`; there is systemd, "),
        ("k8s", "procman: `k8s` is no format, did you mean `kubernetes`; there is systemd, "),
        (
            "docker-compose",
            "procman: `docker-compose` is no format, did you mean `compose`; there is systemd, ",
        ),
        ("upstart", "procman: `upstart` is a thing of the past, use `systemd` instead; there is systemd, "),
    ] {
        let end = export(&app, format, &[]);
        assert!(end.stderr.starts_with(words) && end.status == Some(2), "{end:?}");
    }
}

#[test]
fn a_template_of_the_user_takes_the_place_of_one_that_is_built_in() {
    let app = shop();
    fs::create_dir(app.root().join("mine")).unwrap();
    let end = export(&app, "runit", &["--template", "mine"]);
    assert!(end.stderr.starts_with("procman: no template for runit in `mine`\nhint: runit has `"), "{end:?}");
    app.file("mine/run", "#!/bin/sh\n# mine\nexec {{ command | sh }}\n");
    exported(&app, "runit", &["--template", "mine"]);
    let text = fs::read_to_string(app.root().join("out/shop-work-1/run")).unwrap();
    assert_eq!(text, "#!/bin/sh\n# mine\nexec 'exec ./work'\n");
    let before = tree(&app);
    app.file("mine/run", "a\n{{ nope }}\n");
    let end = export(&app, "runit", &["--template", "mine"]);
    assert_eq!(end.stderr, "procman: template `mine/run`: line 2: undefined value in `{{ nope }}`\n");
    assert_eq!(tree(&app), before);
    // A directory of templates that is said for all formats is none for those that have none.
    let end = export(&app, "compose", &["--template", "mine"]);
    assert_eq!(
        (end.status, &*end.stderr),
        (Some(1), "procman: compose has no templates to replace\nhint: leave `--template mine` out\n")
    );
    let mut command = app.procman(&["export", "compose", "-"]);
    command.env("PROCMAN_TEMPLATE", "mine");
    assert_eq!(app.run(command).finish().status, Some(0));
    app.file("procman.toml", "template = 'mine'\n");
    assert_eq!(app.done(&["export", "compose", "-"]).status, Some(0));
    let end = app.done(&["export", "runit", "-"]);
    assert!(end.stderr.starts_with("procman: template `mine/run`: "), "{end:?}");
}

#[test]
fn an_export_that_is_killed_is_made_good_by_the_next() {
    let app = shop();
    exported(&app, "runit", &["-m", "web=2"]);
    let whole = tree(&app);
    // As one leaves it that had put its notes and some of its files in place.
    let waiting = app.root().join("out/.procman-shop-runit.new");
    fs::create_dir(&waiting).unwrap();
    fs::set_permissions(&waiting, fs::Permissions::from_mode(0o700)).unwrap();
    app.file("out/.procman-shop-runit.new/new-3", "half");
    fs::remove_file(app.root().join("out/shop-web-2/run")).unwrap();
    app.file("out/shop-web-1/run", "old");
    exported(&app, "runit", &["-m", "web=2"]);
    assert_eq!(tree(&app), whole);
}

/// Returns the directory in which files wait for an export of `shop` for runit.
fn staging(app: &App) -> PathBuf {
    app.root().join("out/.procman-shop-runit.new")
}

#[test]
fn a_signal_half_way_waits_until_everything_is_in_place() {
    for signal in [Signal::SIGINT, Signal::SIGTERM, Signal::SIGHUP] {
        let app = shop();
        exported(&app, "runit", &["-m", "web=1"]);
        app.file("Procfile", PROCFILE.replace("./web", "./server"));
        // So many that most of them are not yet there when the signal comes.
        let running = app.run(app.procman(&["export", "runit", "out", "-m", "web=40"]));
        wait_until("the export begins", || staging(&app).exists());
        running.signal(signal);
        let end = running.finish();
        // It may have come too late to end anything.
        assert!(end.signal == Some(signal as i32) || end.status == Some(0), "{end:?}");
        assert!(!staging(&app).exists(), "{signal}");
        assert_eq!(exported(&app, "runit", &["-m", "web=40", "--check"]), "", "{signal}");
    }
}

#[test]
fn a_place_for_waiting_files_that_is_somebody_elses_is_named() {
    let app = shop();
    fs::create_dir(app.root().join("out")).unwrap();
    let check = |words: &str| {
        let before = tree(&app);
        let end = export(&app, "runit", &[]);
        let words = format!("procman: `out/.procman-shop-runit.new` {words}\nhint: nothing was written; ");
        assert!(end.status == Some(1) && end.stderr.starts_with(&words), "{end:?}");
        assert_eq!(tree(&app), before);
    };
    symlink(app.root(), staging(&app)).unwrap();
    check("is not a directory");
    fs::remove_file(staging(&app)).unwrap();
    fs::write(staging(&app), "mine").unwrap();
    check("is not a directory");
    fs::remove_file(staging(&app)).unwrap();
    fs::create_dir(staging(&app)).unwrap();
    fs::set_permissions(staging(&app), fs::Permissions::from_mode(0o770)).unwrap();
    check("can be used by others");
}

#[test]
fn what_may_not_be_read_is_left_alone() {
    if !is_root() {
        return skipped("only root has files that another user may not read");
    }
    let app = shop();
    exported(&app, "supervisord", &[]);
    let before = tree(&app);
    if !app.belongs_to(NOBODY) {
        return;
    }
    app.file(".env", "PASSWORD=hunter4\n");
    // What is in it still belongs to root, and the secret cannot be read.
    let end = app.run(run_by(NOBODY, app.procman(&["export", "supervisord", "out", "-m", "web=1"]))).finish();
    assert_eq!(end.status, Some(1), "{end:?}");
    assert!(end.stderr.ends_with("permission denied\n"), "{end:?}");
    assert_eq!(tree(&app), before);
}

/// Returns whether these tests have root's rights.
fn is_root() -> bool {
    procman::sys::files::own_user() == 0
}

/// A disk of its own, which is small.
struct SmallDisk(PathBuf);

impl SmallDisk {
    /// Mounts it, if this test may.
    fn new(path: &Path) -> Option<SmallDisk> {
        fs::create_dir(path).unwrap();
        let mount =
            Command::new("mount").args(["-t", "tmpfs", "-o", "size=320k", "tmpfs"]).arg(path).output();
        let mounted = mount.is_ok_and(|output| output.status.success());
        if !mounted {
            skipped("a disk that can be filled takes root");
        }
        mounted.then(|| SmallDisk(path.to_owned()))
    }
}

impl Drop for SmallDisk {
    fn drop(&mut self) {
        let _ = Command::new("umount").arg("-l").arg(&self.0).status();
    }
}

/// FAULTS 124.
#[test]
fn a_disk_that_is_full_half_way_leaves_everything_as_it_was() {
    let app = shop();
    let Some(_disk) = SmallDisk::new(&app.root().join("out")) else { return };
    exported(&app, "runit", &["-m", "web=1"]);
    let before = tree(&app);
    // It has 80 blocks; the less there are left, the sooner the export fails.
    let mut failed = 0;
    for blocks in [0, 16, 32, 48, 52, 54, 55, 56, 57, 58] {
        app.file("Procfile", PROCFILE.replace("./web", "./server"));
        app.file("out/filler", "x".repeat(blocks * 4096));
        let filled = tree(&app);
        let end = export(&app, "runit", &["-m", "web=2"]);
        if end.status == Some(0) {
            // There was room.
            app.file("Procfile", PROCFILE);
            exported(&app, "runit", &["-m", "web=1"]);
        } else {
            failed += 1;
            let words = "no space left on device\nhint: nothing was changed\n";
            let told = end.stderr.strip_prefix("procman: cannot write `out/");
            assert!(told.is_some_and(|told| told.ends_with(words)), "{end:?}");
            assert_eq!(tree(&app), filled);
        }
        fs::remove_file(app.root().join("out/filler")).unwrap();
        assert_eq!(tree(&app), before);
    }
    assert!(failed > 1 && failed < 10, "{failed} of 10");
}

#[test]
fn a_location_that_cannot_be_is_named() {
    let app = shop();
    app.file("out", "a file");
    let end = export(&app, "runit", &[]);
    assert!(end.stderr.starts_with("procman: cannot write to `out`: "), "{end:?}");
    assert_eq!(end.status, Some(1));
    symlink("gone", app.root().join("link")).unwrap();
    for (location, why) in [
        ("link", "it is a link that leads nowhere"),
        ("link/", "it is a link that leads nowhere"),
        ("link/a/b", "a link on the way leads nowhere"),
    ] {
        let end = app.done(&["export", "runit", location]);
        assert_eq!(end.stderr, format!("procman: cannot write to `{location}`: {why}\n"));
        let end = app.done(&["export", "runit", location, "--dry-run"]);
        assert_eq!(end.stderr, format!("procman: cannot read `{location}`: {why}\n"));
    }
    let end = app.done(&["export", "runit", "a/b/c"]);
    assert_eq!(end.status, Some(0), "{end:?}");
    assert!(app.root().join("a/b/c/shop-web-1/run").exists());
}
