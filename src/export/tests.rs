//! What all formats have in common; and the torture app as those for clusters write it, compared with what was read and
//! found good before.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

pub mod golden;
pub mod reader;

use crate::export::app::tests::{release, supervised, torture};
use crate::export::{
    Access, ExportError, File, Format, Process, Templates, as_one, check_paths, compose, kubernetes, nomad,
    render,
};

#[test]
fn compose_is_as_it_was() {
    golden::check(Format::Compose, &compose::render(&torture()).unwrap());
}

#[test]
fn kubernetes_is_as_it_was() {
    golden::check(Format::Kubernetes, &kubernetes::render(&torture()).unwrap());
}

#[test]
fn nomad_is_as_it_was() {
    golden::check(Format::Nomad, &nomad::render(&torture()).unwrap());
}

#[test]
fn policies_are_carried_as_they_were() {
    for format in Format::ALL {
        let files = render(format, &supervised(), &Templates::built_in()).unwrap();
        golden::check_below("policies", format, &files);
    }
}

#[test]
fn values_are_for_their_owner_only() {
    for files in
        [compose::render, kubernetes::render, nomad::render].map(|render| render(&torture()).unwrap())
    {
        for file in files {
            let has_values = file.content.contains("Grüße");
            assert_eq!(has_values, file.access == Access::Secret, "{}", file.path.display());
        }
    }
}

#[test]
fn no_secret_is_written_for_kubernetes() {
    for file in kubernetes::render(&torture()).unwrap() {
        assert!(!file.content.contains("hunter2"), "{}", file.path.display());
    }
}

#[test]
fn a_nul_is_refused_wherever_it_stands() {
    let mut apps = [torture(), torture(), torture(), torture()];
    apps[0].variables[0].1.push('\0');
    apps[1].processes[0].command.push('\0');
    apps[2].release = Some(release("\0"));
    apps[3].user = Some("\0".to_owned());
    let whats = ["the variable `BACKSLASH`", "the command of `web`", "the command of `release`", "the user"];
    for (app, expected) in apps.iter().zip(whats) {
        for render in [compose::render, kubernetes::render, nomad::render] {
            let Err(ExportError::Inexpressible { what, .. }) = render(app) else {
                panic!("{expected}: written")
            };
            assert_eq!(what, expected);
        }
    }
}

/// The Deployment and the Service of such a type would take the pods of the release phase for theirs.
#[test]
fn a_type_that_a_cluster_would_take_for_the_release_phase_is_refused() {
    let mut app = torture();
    app.processes[1].name = "Release".to_owned();
    let error = kubernetes::render(&app).unwrap_err().to_string();
    let words = "it would be called `release`, as `release` is";
    assert_eq!(error, format!("the type `Release` cannot be written for kubernetes: {words}"));
    app.release = None;
    assert!(kubernetes::render(&app).is_ok());
}

/// Returns a file.
pub fn file(path: &str, content: &str, access: Access) -> File {
    File { path: path.into(), content: content.to_owned(), access }
}

#[test]
fn what_is_no_format_is_told_which_there_are() {
    for format in Format::ALL {
        assert_eq!(format.name().parse(), Ok(format));
    }
    let all = "systemd, launchd, supervisord, runit, s6, compose, kubernetes, nomad, quadlet";
    for (text, words) in [
        ("x", "`x` is no format"),
        ("", "`` is no format"),
        ("upstart", "`upstart` is a thing of the past, use `systemd` instead"),
        ("inittab", "`inittab` is a thing of the past, use `systemd` instead"),
        ("daemon", "`daemon` is a thing of the past, use `systemd` instead"),
        ("bluepill", "`bluepill` is a thing of the past, use `supervisord` instead"),
    ] {
        let error = text.parse::<Format>().unwrap_err();
        assert_eq!(error.to_string(), format!("{words}; there is {all}"));
    }
}

#[test]
fn a_nul_is_refused_everywhere() {
    let mut app = torture();
    app.variables.push(("Z".to_owned(), "a\0b".to_owned()));
    for format in Format::ALL {
        let error = render(format, &app, &Templates::built_in()).unwrap_err();
        let words = format!("the variable `Z` cannot be written for {format}: it contains a NUL");
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn types_whose_names_would_be_taken_for_one_are_refused() {
    let mut app = torture();
    let other = Process { name: "WEB".to_owned(), ..app.processes[0].clone() };
    app.processes.insert(0, other);
    let files = "its files and those of `WEB` would differ only in case, which some disks ignore";
    for (format, why) in [
        (Format::Systemd, files),
        (Format::Launchd, files),
        (Format::Supervisord, files),
        (Format::Runit, files),
        (Format::S6, files),
        (Format::Compose, "its hosts and those of `WEB` would differ only in case, which resolvers ignore"),
        (Format::Kubernetes, "it would be called `web`, as `WEB` is"),
        (Format::Nomad, "it would be called `shop-web`, as `WEB` is"),
        (Format::Quadlet, files),
    ] {
        let error = render(format, &app, &Templates::built_in()).unwrap_err();
        let words = format!("the type `web` cannot be written for {format}: {why}");
        assert_eq!(error.to_string(), words);
    }
}

#[test]
fn no_file_leads_out_of_the_location_or_takes_the_place_of_another() {
    let check = |paths: &[&str]| {
        let files: Vec<File> = paths.iter().map(|path| file(path, "", Access::Public)).collect();
        check_paths(Format::Systemd, &files)
    };
    assert_eq!(check(&["a", "b/run", "b/c"]), Ok(()));
    for paths in [&["../a"][..], &["/a"], &["a/../b"], &["."], &[""], &["a\nb"], &["a", "A"], &["a", "a"]] {
        assert!(matches!(check(paths), Err(ExportError::Path { .. })), "{paths:?}");
    }
    // The names of variables, which differ in their case alone.
    let files = ["env/http_proxy", "env/HTTP_PROXY"].map(|path| file(path, "", Access::Secret));
    assert_eq!(check_paths(Format::Runit, &files), Ok(()));
}

#[test]
fn several_files_are_one_text_with_their_names() {
    let files = [file("a", "1\n", Access::Public), file("b/--c", "2", Access::Public)];
    assert_eq!(as_one(Format::Systemd, &files[1..]), "2");
    assert_eq!(as_one(Format::Systemd, &files), "# a\n1\n# b/--c\n2\n");
    assert_eq!(as_one(Format::Launchd, &files), "<!-- a -->\n1\n<!-- b/- -c -->\n2\n");
    assert_eq!(as_one(Format::Kubernetes, &files), "---\n# a\n1\n---\n# b/--c\n2\n");
}

#[test]
fn a_mode_may_be_that_of_a_copy_but_never_gives_a_secret_away() {
    for access in [Access::Public, Access::Secret, Access::Executable] {
        assert!(access.is_met_by(access.mode()));
        assert!(!access.is_met_by(0o666) && !access.is_met_by(0o777) && !access.is_met_by(0));
    }
    assert!(Access::Public.is_met_by(0o664) && Access::Executable.is_met_by(0o775));
    assert!(!Access::Public.is_met_by(0o600) && !Access::Public.is_met_by(0o755));
    assert!(!Access::Secret.is_met_by(0o640) && !Access::Executable.is_met_by(0o644));
    assert!(Access::Secret.is_met_by(0o400));
}
