//! Starting an instance's program at once where its shell would only execute it.
//!
//! The program is looked for as a shell does it, and what a shell tells it besides is told to it. Whatever then goes
//! wrong is left to the shell, which has words and exit codes for it.

use std::borrow::Cow;
use std::ffi::OsStr;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::{Component, Path, PathBuf};

use crate::process::Pid;
use crate::sys::child::{Order, prepare, set_aside};
use crate::sys::interpreter::Search;
use crate::sys::{spawn, wait};

/// Starts the ordered process, all signals being blocked.
pub fn start(order: &Order<'_>, streams: spawn::Streams<'_>) -> io::Result<(Pid, io::Result<wait::Watch>)> {
    let arguments: Vec<_> = [&order.program].into_iter().chain(order.arguments).copied().collect();
    let shell = spawn::Candidate { program: order.program, arguments: &arguments };
    let mut candidates = vec![shell];
    let mut environment = Cow::Borrowed(order.environment);
    let direct = order.words.and_then(|words| {
        let search = Search::new(order.directory, order.environment.iter().copied());
        let program = search.find(words.first()?)?;
        keeps_last_directory(order).then_some((words, program, shells_directory(order)?))
    });
    if let Some((words, program, directory)) = &direct {
        candidates.insert(0, spawn::Candidate { program: program.as_os_str(), arguments: words });
        environment.to_mut().retain(|(name, _)| *name != "PWD");
        environment.to_mut().push((OsStr::new("PWD"), directory.as_os_str()));
    }
    let image = spawn::Image {
        candidates: &candidates,
        environment: &environment,
        directory: order.directory,
        streams,
    };
    let (parent, open_files) = (std::process::id(), order.open_files);
    // SAFETY: the caller has blocked all signals, and `prepare` makes system calls alone.
    let (pid, pidfd) = unsafe { spawn::start(image, &|| prepare(parent, open_files)) }?;
    let pidfd = pidfd.map(set_aside);
    Ok((pid, pidfd.map_or_else(|| wait::Watch::new(pid), wait::Watch::over)))
}

/// Returns what a shell says in `PWD`: what it has found there if that is its working directory, and the path without
/// links otherwise. Shells differ about a path with dots in it.
fn shells_directory(order: &Order<'_>) -> Option<PathBuf> {
    let identity = |path: &Path| path.metadata().ok().map(|metadata| (metadata.dev(), metadata.ino()));
    match path_in(order, "PWD")
        .filter(|given| given.is_absolute() && identity(given) == identity(order.directory))
    {
        Some(given) => {
            let is_plain = given.components().all(|component| component != Component::ParentDir);
            let plain: PathBuf = given.components().collect();
            (is_plain && plain.as_os_str() == given.as_os_str()).then_some(plain)
        }
        None => order.directory.canonicalize().ok(),
    }
}

/// Returns whether every shell passes `OLDPWD` on: bash drops what is no directory.
fn keeps_last_directory(order: &Order<'_>) -> bool {
    path_in(order, "OLDPWD").is_none_or(|path| path.is_absolute() && path.is_dir())
}

fn path_in<'a>(order: &Order<'a>, variable: &str) -> Option<&'a Path> {
    order.environment.iter().find(|(name, _)| *name == variable).map(|(_, value)| Path::new(*value))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsStr;
    use std::io::{self, Read};
    use std::os::fd::AsFd;
    use std::os::unix::fs::{PermissionsExt, symlink};
    use std::path::Path;

    use super::{shells_directory, start};
    use crate::process::Pid;
    use crate::sys::child::Order;
    use crate::sys::signals::while_blocked;
    use crate::sys::spawn::Streams;
    use crate::sys::wait;

    const SHELL: &str = "/bin/sh";

    /// Returns what a shell's command writes, its variables in order, or its words where those are given.
    fn run(
        shell: &Path,
        command: &str,
        words: Option<&[&str]>,
        environment: &[(&str, &str)],
        directory: &Path,
    ) -> Vec<String> {
        let environment: Vec<_> =
            environment.iter().map(|(name, value)| (OsStr::new(name), OsStr::new(value))).collect();
        let words: Option<Vec<_>> = words.map(|words| words.iter().map(OsStr::new).collect());
        let order = Order {
            program: shell.as_os_str(),
            arguments: &[OsStr::new("-c"), OsStr::new(command)],
            words: words.as_deref(),
            directory,
            environment: &environment,
            open_files: 100,
        };
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        let (mut reader, writer) = io::pipe().unwrap();
        let (Pid(pid), _watch) = runtime
            .block_on(async { while_blocked(|| start(&order, Streams::Pipe(writer.as_fd()))) })
            .unwrap()
            .unwrap();
        drop(writer);
        let mut text = Vec::new();
        reader.read_to_end(&mut text).unwrap();
        wait::reap(Pid(pid));
        let text = String::from_utf8(text).unwrap();
        let mut parts: Vec<_> = text.split('\0').map(str::to_owned).collect();
        parts.sort();
        parts
    }

    #[test]
    fn a_program_is_told_what_its_shell_would_tell_it() {
        let directory = tempfile::tempdir().unwrap();
        let (real, link) = (directory.path().join("real"), directory.path().join("link"));
        std::fs::create_dir(&real).unwrap();
        symlink(&real, &link).unwrap();
        let (real_text, link_text) = (real.to_str().unwrap(), link.to_str().unwrap());
        let shells = [SHELL, "/bin/bash", "/bin/dash", "/bin/busybox"].map(Path::new);
        for (shell, number) in shells.into_iter().filter(|shell| shell.exists()).zip(1..) {
            let named_sh = directory.path().join(number.to_string());
            std::fs::create_dir(&named_sh).unwrap();
            let named_sh = named_sh.join("sh");
            symlink(shell, &named_sh).unwrap();
            for root in [&real, &link] {
                for given in [None, Some(real_text), Some(link_text), Some("/"), Some("real"), Some("")] {
                    for last in [None, Some("/"), Some("/no/such"), Some("real"), Some("")] {
                        let mut environment = vec![("PATH", "/no/such:/usr/bin:/bin"), ("A", "b  c")];
                        environment.extend(given.map(|given| ("PWD", given)));
                        environment.extend(last.map(|last| ("OLDPWD", last)));
                        let (command, words) = (
                            "exec cat /proc/self/cmdline /proc/self/environ nosuch",
                            ["cat", "/proc/self/cmdline", "/proc/self/environ", "nosuch"],
                        );
                        let mut by_shell = run(&named_sh, command, None, &environment, root);
                        // Shells count themselves or do not, whatever is asked of them.
                        by_shell.retain(|variable| !variable.starts_with("SHLVL="));
                        let direct = |fallback| run(&named_sh, fallback, Some(&words), &environment, root);
                        let mut with_command = direct(command);
                        with_command.retain(|variable| !variable.starts_with("SHLVL="));
                        assert_eq!(with_command, by_shell, "{shell:?} {root:?} {given:?} {last:?}");
                        let is_certain = last.is_none_or(|last| last == "/");
                        assert_eq!(direct("exit 9") != [""], is_certain, "{given:?} {last:?}");
                    }
                }
            }
        }
    }

    #[test]
    fn the_depth_of_shells_stays_what_it_was() {
        for environment in [&[("SHLVL", "3"), ("PATH", "/bin")][..], &[("PATH", "/bin")]] {
            let words = ["cat", "/proc/self/environ"];
            let said = run(Path::new(SHELL), "exit 9", Some(&words), environment, Path::new("/"));
            assert_eq!(said.contains(&"SHLVL=3".to_owned()), environment.len() == 2, "{said:?}");
            assert!(said.contains(&"PWD=/".to_owned()), "{said:?}");
        }
    }

    #[test]
    fn what_cannot_be_executed_is_left_to_the_shell() {
        let directory = tempfile::tempdir().unwrap();
        let file = |name: &str, content: &str, mode| {
            std::fs::write(directory.path().join(name), content).unwrap();
            std::fs::set_permissions(directory.path().join(name), PermissionsExt::from_mode(mode)).unwrap();
        };
        file("odd-script", "echo script", 0o755);
        file("odd-data", "echo data", 0o644);
        file("odd-windows", "#!/bin/sh\r\n", 0o755);
        std::fs::create_dir(directory.path().join("odd-folder")).unwrap();
        for program in [
            "./odd-script",
            "./odd-data",
            "./odd-windows",
            "./odd-folder",
            "./odd-none",
            "odd-none",
            "odd-script",
            "odd-data",
            "odd-folder",
        ] {
            let path = format!(":{}", directory.path().to_str().unwrap());
            for path in ["/bin", &path] {
                let command = format!("echo shell; exec {program}");
                let environment = [("PATH", path)];
                let shell = Path::new(SHELL);
                let expected = run(shell, &command, None, &environment, directory.path());
                assert_eq!(
                    run(shell, &command, Some(&[program]), &environment, directory.path()),
                    expected,
                    "{program}"
                );
                assert!(expected[0].contains("shell"));
            }
        }
    }

    #[test]
    fn of_a_path_with_dots_shells_say_different_things() {
        for (given, expected) in [
            ("/tmp", Some("/tmp")),
            ("/", Some("/tmp")),
            ("tmp", Some("/tmp")),
            ("/tmp/.", None),
            ("/tmp/", None),
            ("//tmp", None),
            ("/tmp/../tmp", None),
        ] {
            let order = Order {
                program: OsStr::new("/bin/sh"),
                arguments: &[],
                words: None,
                directory: Path::new("/tmp"),
                environment: &[(OsStr::new("PWD"), OsStr::new(given))],
                open_files: 100,
            };
            assert_eq!(shells_directory(&order).as_deref(), expected.map(Path::new), "{given}");
        }
    }
}
