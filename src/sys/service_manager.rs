//! The service manager that has started procman, which is told how things are as sd_notify(3) has it.
//!
//! The manager knows the process that it has started, and by default listens to no other; so it is the guard that
//! speaks, as soon as the supervisor has let it know. What cannot be told changes nothing but what the manager knows.

use std::env;
use std::ffi::{OsStr, OsString};
use std::io;
use std::os::unix::ffi::OsStrExt;
use std::os::unix::net::{SocketAddr, UnixDatagram};
use std::time::Duration;

use crate::process::Pid;
use crate::sys::census;
use crate::sys::stdio::{plain, write_stderr_unless_stuck};

/// How long the manager may be too busy to take a message. Who tells hears nothing else meanwhile, so once is enough.
const PATIENCE: Duration = Duration::from_secs(1);

/// The least time between two signs of life.
const LEAST_INTERVAL: Duration = Duration::from_millis(100);

/// What the manager is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum News {
    /// Everything is ready.
    Ready,
    /// procman is about to end.
    Stopping,
    /// So many of so many are ready.
    Progress {
        /// Those that are.
        ready: i32,
        /// All that are to be.
        of: i32,
    },
    /// The supervisor's loop goes round.
    Alive,
}

/// A service manager that wants to be told.
#[derive(Debug)]
pub struct ServiceManager {
    /// A path, or a name behind an `@`.
    address: OsString,
    /// How long it may hear nothing before it takes procman for dead.
    watchdog: Option<Duration>,
    has_failed: bool,
}

impl ServiceManager {
    /// Returns the manager of which the environment tells. To be asked in the process that it has started.
    pub fn of_environment() -> Option<ServiceManager> {
        let address = env::var_os("NOTIFY_SOCKET").filter(|address| !address.is_empty())?;
        let [limit, whose] = ["WATCHDOG_USEC", "WATCHDOG_PID"].map(|name| env::var(name).ok());
        let watchdog = watchdog(limit.as_deref(), whose.as_deref(), census::own_pid());
        Some(ServiceManager { address, watchdog, has_failed: false })
    }

    /// Returns how often it is to hear that procman is alive, if it wants to: twice in the time that it waits, and never so
    /// often that there is time for nothing else.
    pub fn feeding_interval(&self) -> Option<Duration> {
        self.watchdog.map(|limit| (limit / 2).max(LEAST_INTERVAL))
    }

    /// Tells it. The first failure is said, and no other.
    pub fn tell(&mut self, news: News) {
        let Err(error) = self.send(news) else { return };
        if news == News::Alive && error.kind() == io::ErrorKind::WouldBlock {
            // What it has yet to read says so already.
            return;
        }
        if !std::mem::replace(&mut self.has_failed, true) {
            let error = plain(&error);
            write_stderr_unless_stuck(&format!(
                "procman: warning: cannot tell the service manager at `NOTIFY_SOCKET`: {error}"
            ));
        }
    }

    fn send(&self, news: News) -> io::Result<()> {
        let socket = UnixDatagram::unbound()?;
        if self.has_failed || news == News::Alive {
            socket.set_nonblocking(true)?;
        } else {
            socket.set_write_timeout(Some(PATIENCE))?;
        }
        let (text, address) = (words(news), address(&self.address)?);
        loop {
            match socket.send_to_addr(text.as_bytes(), &address) {
                // A signal has come, which is heard afterwards.
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => return result.map(drop),
            }
        }
    }
}

fn words(news: News) -> String {
    match news {
        News::Ready => "READY=1".to_owned(),
        News::Stopping => "STOPPING=1\nSTATUS=stopping".to_owned(),
        News::Progress { ready, of } => format!("STATUS={ready} of {of} ready"),
        News::Alive => "WATCHDOG=1".to_owned(),
    }
}

/// Returns how long the manager waits, if that is for the process that is asked: sd_watchdog_enabled(3).
fn watchdog(limit: Option<&str>, whose: Option<&str>, own: Pid) -> Option<Duration> {
    let is_own = whose.is_none_or(|whose| whose.is_empty() || whose.parse() == Ok(own.0));
    let limit = limit?.parse().ok().filter(|limit| *limit > 0 && is_own);
    limit.map(Duration::from_micros)
}

/// Returns the address that a value means: a path, or a name of Linux's own space of names behind an `@`.
fn address(value: &OsStr) -> io::Result<SocketAddr> {
    match value.as_bytes() {
        [b'/', ..] => SocketAddr::from_pathname(value),
        [b'@', name @ ..] => address_of_name(name),
        _ => Err(io::Error::new(io::ErrorKind::Unsupported, "it is no path, and no name behind `@`")),
    }
}

#[cfg(target_os = "linux")]
fn address_of_name(name: &[u8]) -> io::Result<SocketAddr> {
    use std::os::linux::net::SocketAddrExt;
    SocketAddr::from_abstract_name(name)
}

#[cfg(not(target_os = "linux"))]
fn address_of_name(_: &[u8]) -> io::Result<SocketAddr> {
    Err(io::Error::from(io::ErrorKind::Unsupported))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsString;
    use std::os::unix::net::UnixDatagram;
    use std::time::Duration;

    use super::{News, ServiceManager, address, watchdog};
    use crate::process::Pid;

    #[test]
    fn a_sign_of_life_is_due_twice_in_the_time_and_not_all_the_time() {
        for (limit, interval) in [(1, 100_000), (200_000, 100_000), (3_000_000, 1_500_000)] {
            let watchdog = Some(Duration::from_micros(limit));
            let manager = ServiceManager { address: OsString::new(), watchdog, has_failed: false };
            assert_eq!(manager.feeding_interval(), Some(Duration::from_micros(interval)), "{limit}");
        }
    }

    #[track_caller]
    fn check(value: OsString) {
        let listener = UnixDatagram::bind_addr(&address(&value).unwrap()).unwrap();
        let mut manager = ServiceManager { address: value, watchdog: None, has_failed: false };
        let told = [News::Progress { ready: 3, of: 4 }, News::Ready, News::Alive, News::Stopping];
        told.into_iter().for_each(|news| manager.tell(news));
        let heard = || {
            let mut buffer = [0; 64];
            let length = listener.recv(&mut buffer).unwrap();
            String::from_utf8_lossy(&buffer[..length]).into_owned()
        };
        let heard: Vec<String> = told.iter().map(|_| heard()).collect();
        assert_eq!(heard, ["STATUS=3 of 4 ready", "READY=1", "WATCHDOG=1", "STOPPING=1\nSTATUS=stopping"]);
        assert!(!manager.has_failed);
    }

    #[test]
    fn it_is_told_at_a_path() {
        let directory = tempfile::tempdir().unwrap();
        check(directory.path().join("notify").into_os_string());
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn it_is_told_at_a_name_without_a_file() {
        check(format!("@procman-test-{}", std::process::id()).into());
    }

    #[test]
    fn where_nobody_listens_nothing_happens() {
        for address in ["/nowhere/notify", "relative", "vsock:2:1234", "@"] {
            let mut manager = ServiceManager { address: address.into(), watchdog: None, has_failed: false };
            manager.tell(News::Ready);
            manager.tell(News::Stopping);
            assert!(manager.has_failed, "{address}");
        }
    }

    /// Else the guard would be deaf to requests for a second each time.
    #[test]
    fn one_that_does_not_listen_is_waited_for_once() {
        let directory = tempfile::tempdir().unwrap();
        let address = directory.path().join("notify");
        let _listener = UnixDatagram::bind(&address).unwrap();
        let mut manager = ServiceManager { address: address.into(), watchdog: None, has_failed: false };
        (0..10_000).for_each(|_| manager.tell(News::Alive));
        assert!(!manager.has_failed);
        (0..10_000).for_each(|ready| manager.tell(News::Progress { ready, of: ready }));
        assert!(manager.has_failed);
    }

    #[test]
    fn the_watchdog_is_that_of_the_process_that_was_started() {
        let two = Some(Duration::from_secs(2));
        for (limit, whose, expected) in [
            (Some("2000000"), None, two),
            (Some("2000000"), Some(""), two),
            (Some("2000000"), Some("7"), two),
            (Some("2000000"), Some("8"), None),
            (Some("0"), None, None),
            (Some("soon"), None, None),
            (Some("-1"), None, None),
            (None, Some("7"), None),
        ] {
            assert_eq!(watchdog(limit, whose, Pid(7)), expected, "{limit:?} {whose:?}");
        }
    }
}
