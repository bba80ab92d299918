//! Probes where a format has no kind of its own for them: as commands of a shell.
//!
//! Whatever runs services has a shell and grep, but not always curl, wget or nc.

use std::time::Duration;

use crate::export::quote;
use crate::export::supervision::Note;
use crate::export::unit::seconds;
use crate::policy::{Place, Probe};

/// Where HTTP is asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address<'a> {
    /// At the process's own port, for this path.
    Own {
        /// Begins with a slash.
        path: &'a str,
    },
    /// At a port of this machine, or of the container, for this path.
    Here {
        /// The port.
        port: u16,
        /// Begins with a slash.
        path: String,
    },
    /// Elsewhere.
    Elsewhere,
}

/// Returns where a path, or a whole `http://` URL, leads to.
pub fn address(target: &str) -> Address<'_> {
    match Place::of(target) {
        Place::Own(path) => Address::Own { path },
        Place::Url { host: "localhost" | "127.0.0.1" | "[::1]", port, path, .. } => {
            let slash = if path.starts_with('/') { "" } else { "/" };
            Address::Here { port, path: format!("{slash}{path}") }
        }
        Place::Url { .. } => Address::Elsewhere,
    }
}

/// Returns whether a probe asks the process's own port.
pub fn asks_own_port(probe: &Probe) -> bool {
    match probe {
        Probe::Port => true,
        Probe::Http { target, .. } => matches!(address(target), Address::Own { .. }),
        Probe::Exec(_) => false,
    }
}

/// Returns what grep looks for in `/proc/net/tcp` to see whether a port is listened on: the kernel lists it as four
/// digits, base 16, with the state 0A (proc_net_tcp in the kernel's documentation).
pub fn listens(port: u16) -> String {
    format!(":{port:04X} [0-9A-F]*:0000 0A ")
}

/// Where grep looks for that.
pub const TABLES: [&str; 2] = ["/proc/net/tcp", "/proc/net/tcp6"];

/// Returns a command for `/bin/sh` that succeeds if the probe of a process with this port does.
///
/// HTTP is asked with curl, or else with wget, which cannot tell one good status from another; where neither is there,
/// that something listens has to do. curl asks at both addresses of this machine, as procman does; of wget only some do.
pub fn command(probe: &Probe, port: u16, timeout: Duration) -> String {
    let listening = |port: u16| format!("grep -qs '{}' {}", listens(port), TABLES.join(" "));
    let (target, status) = match probe {
        Probe::Port => return listening(port),
        Probe::Exec(command) => return command.clone(),
        Probe::Http { target, status } => (target, status),
    };
    let (url, otherwise) = match address(target) {
        Address::Own { path } => (format!("http://localhost:{port}{path}"), listening(port)),
        Address::Here { port, .. } => (target.clone(), listening(port)),
        Address::Elsewhere => (target.clone(), "false".to_owned()),
    };
    let first = match address(target) {
        Address::Own { path } => quote::sh(&format!("http://127.0.0.1:{port}{path}")),
        Address::Here { .. } | Address::Elsewhere => quote::sh(target),
    };
    // With -f a status of 400 and more is a failure; -g takes brackets and braces for themselves.
    let (url, most) = (quote::sh(&url), seconds(timeout).max(1));
    let curl = format!("curl -gs -m {most} -o /dev/null");
    let has = |program: &str| format!("command -v {program} >/dev/null");
    match status {
        Some(status) => format!(
            "if {}; then [ \"$({curl} -w '%{{http_code}}' {url})\" = {status} ]; else {otherwise}; fi",
            has("curl")
        ),
        None => format!(
            "if {}; then {curl} -f {url}; elif {}; then wget -q -T {most} -O /dev/null {first}; else {otherwise}; fi",
            has("curl"),
            has("wget")
        ),
    }
}

/// Returns what is to be said of a probe that is a command of a shell, where it is more than that.
pub fn shortcoming(probe: &Probe) -> Option<Note> {
    let (target, status) = match probe {
        Probe::Http { target, status } => (target, status),
        Probe::Port | Probe::Exec(_) => return None,
    };
    let is_elsewhere = address(target) == Address::Elsewhere;
    Some(Note::Otherwise(match (status, is_elsewhere) {
        (None, false) => "is asked by curl, or else wget; without them it is enough that something listens",
        (None, true) => "is asked by curl, or else wget; without them it fails",
        (Some(_), false) => "is asked by curl; without it, it is enough that something listens",
        (Some(_), true) => "is asked by curl; without it, it fails",
    }))
}

/// Returns a command that takes no longer than `timeout`, which the one of a probe by itself may.
pub fn timed_command(probe: &Probe, port: u16, timeout: Duration) -> String {
    let command = command(probe, port, timeout);
    match probe {
        // Whatever it is, it stands in the middle of others.
        Probe::Exec(_) => format!("timeout {} /bin/sh -c {}", seconds(timeout).max(1), quote::sh(&command)),
        Probe::Port | Probe::Http { .. } => command,
    }
}

/// Returns a command for `ExecStartPost=` of systemd that comes to its end when `check` has succeeded, however often it
/// has to be tried, and fails as soon as the service's process is gone: systemd itself would notice that only when the
/// time for its start is over.
pub fn waiting(check: &str, interval: Duration) -> String {
    // No shorter than a tenth of a second, of which 0 would be none.
    let tenths = interval.as_millis().div_ceil(100).max(1);
    format!("until {check}; do kill -0 $MAINPID || exit; sleep {}.{}; done", tenths / 10, tenths % 10)
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::process::Command;
    use std::time::Duration;

    use super::{Address, address, command, shortcoming, waiting};
    use crate::export::supervision::Note;
    use crate::policy::Probe;

    #[test]
    fn a_target_is_ones_own_or_here_or_elsewhere() {
        let here = |port, path: &str| Address::Here { port, path: path.to_owned() };
        for (target, expected) in [
            ("/health", Address::Own { path: "/health" }),
            ("http://localhost", here(80, "/")),
            ("http://127.0.0.1:81?a", here(81, "/?a")),
            ("http://[::1]/a", here(80, "/a")),
            ("http://[::1]:8000/a:b", here(8000, "/a:b")),
            ("http://example.com/", Address::Elsewhere),
        ] {
            assert_eq!(address(target), expected, "{target}");
        }
    }

    #[test]
    fn a_command_holds_whatever_a_target_is() {
        let shell = |probe: Probe, more: &str| {
            let text = command(&probe, 1, Duration::from_secs(1)) + more;
            Command::new("/bin/sh").args(["-c", &text]).env("PATH", "/nowhere").output().unwrap()
        };
        for status in [None, Some(204)] {
            let target = "/'; touch x; $(touch x) `touch x` \"".to_owned();
            let output = shell(Probe::Http { target, status }, " 2>/dev/null; echo $?");
            assert_eq!(output.stdout, b"127\n");
        }
        let output = shell(Probe::Http { target: "http://other/".to_owned(), status: None }, "; echo $?");
        assert_eq!(output.stdout, b"1\n");
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "the gate counts what was skipped")]
    fn a_status_is_told_from_another() {
        let has_curl = Command::new("curl").arg("--version").output().is_ok();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let answers = std::thread::spawn(move || {
            for _ in 0..4 {
                let (mut stream, _) = listener.accept().unwrap();
                let _ = stream.read(&mut [0; 4096]);
                stream
                    .write_all(b"HTTP/1.1 204 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n")
                    .unwrap();
            }
        });
        let succeeds = |status| {
            let probe = Probe::Http { target: "/a?b=[1]".to_owned(), status };
            let text = command(&probe, port, Duration::from_secs(60));
            Command::new("/bin/sh").args(["-c", &text]).status().unwrap().success()
        };
        if !has_curl {
            return eprintln!("skipped: there is no curl");
        }
        assert_eq!([None, Some(204), Some(200), Some(404)].map(succeeds), [true, true, false, false]);
        answers.join().unwrap();
    }

    #[test]
    #[allow(clippy::print_stderr, reason = "the gate counts what was skipped")]
    fn what_listens_at_the_second_address_alone_is_found() {
        let Ok(listener) = TcpListener::bind("[::1]:0") else {
            return eprintln!("skipped: there is no IPv6");
        };
        if Command::new("curl").arg("--version").output().is_err() {
            return eprintln!("skipped: there is no curl");
        }
        let port = listener.local_addr().unwrap().port();
        let answer = std::thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let _ = stream.read(&mut [0; 4096]);
            stream.write_all(b"HTTP/1.1 200 x\r\nContent-Length: 0\r\nConnection: close\r\n\r\n").unwrap();
        });
        let probe = Probe::Http { target: "/".to_owned(), status: Some(200) };
        let text = command(&probe, port, Duration::from_secs(60));
        assert!(Command::new("/bin/sh").args(["-c", &text]).status().unwrap().success());
        answer.join().unwrap();
    }

    #[test]
    fn what_is_said_of_a_probe_is_what_its_command_does() {
        for target in ["/", "http://localhost:81/", "http://other/"] {
            for status in [None, Some(204)] {
                let probe = Probe::Http { target: target.to_owned(), status };
                let Some(Note::Otherwise(said)) = shortcoming(&probe) else {
                    panic!("nothing is said of {target}");
                };
                let text = command(&probe, 80, Duration::from_secs(1));
                assert_eq!(said.contains("wget"), text.contains("wget"), "{said}: {text}");
                assert_eq!(said.ends_with("it fails"), text.ends_with("else false; fi"), "{said}: {text}");
            }
        }
        assert_eq!(shortcoming(&Probe::Port), None);
    }

    #[test]
    fn waiting_ends_with_the_process_that_is_waited_for() {
        let mut gone = Command::new("true").spawn().unwrap();
        gone.wait().unwrap();
        let text = waiting("false", Duration::from_secs(60));
        let mut shell = Command::new("/bin/sh");
        let output = shell.args(["-c", &text]).env("MAINPID", gone.id().to_string()).output().unwrap();
        assert_eq!(output.status.code(), Some(1));
    }

    #[test]
    fn waiting_is_never_without_a_pause() {
        for (interval, expected) in [(0, "0.1"), (500, "0.5"), (1050, "1.1"), (60_000, "60.0")] {
            let text = waiting("x", Duration::from_millis(interval));
            assert_eq!(text, format!("until x; do kill -0 $MAINPID || exit; sleep {expected}; done"));
        }
    }
}
