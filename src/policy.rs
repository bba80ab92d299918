//! How each type is supervised: when it is started again, what it waits for, how it is known to be ready.
//!
//! These are plain values with their defaults. What the user writes about them is read by
//! [`config`](crate::config) and put together by [`plan`](crate::plan); what follows from them is decided by the
//! [`supervisor`](crate::supervisor).

use std::collections::BTreeMap;
use std::fmt;
use std::path::PathBuf;
use std::time::Duration;

use thiserror::Error;

use crate::process::Signal;
use crate::procfile::ProcessType;

/// The policies of all types of a Procfile.
pub type Policies = BTreeMap<ProcessType, Policy>;

/// How the instances of one type are supervised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether they are to run until they are stopped.
    pub kind: Kind,
    /// When one that has ended by itself is started again.
    pub restart: Restart,
    /// How many ends in a row are too many for that, at least 1.
    pub budget: u32,
    /// What an end means for the others, once it is not started again.
    pub on_exit: OnExit,
    /// What asks one to end.
    pub stop_signal: Signal,
    /// How long that may take.
    pub grace: Duration,
    /// What has to be there before one is started.
    pub needs: Vec<Need>,
    /// How one is known to be ready; `None` is as soon as it has been spawned, or for a one-shot, has ended well.
    pub ready: Option<Readiness>,
    /// How one is known to be well after that; `None` is as long as it runs.
    pub health: Option<Health>,
}

impl Policy {
    /// How many ends in a row are too many, where nothing is said.
    pub const BUDGET: u32 = 10;
    /// How long an end may take, where nothing is said.
    pub const GRACE: Duration = Duration::from_secs(5);

    /// Returns the policy of a type of which nothing is said.
    pub fn new(grace: Duration) -> Policy {
        Policy {
            kind: Kind::LongLived,
            restart: Restart::Never,
            budget: Policy::BUDGET,
            on_exit: OnExit::StopAll,
            stop_signal: Signal::TERM,
            grace,
            needs: Vec::new(),
            ready: None,
            health: None,
        }
    }
}

/// Whether instances are to run until they are stopped.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// They are.
    LongLived,
    /// They do one thing and end, such as a migration.
    OneShot,
}

/// When an instance that has ended by itself is started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Restart {
    /// Not at all.
    #[default]
    Never,
    /// When it has failed: with another code than 0, or by a signal.
    OnFailure,
    /// However it has ended; a one-shot only when it has failed.
    Always,
}

/// What the end of an instance means for the others, once it is not started again.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum OnExit {
    /// They are stopped: foreman's rule. The end of a one-shot that went well means nothing.
    #[default]
    StopAll,
    /// Nothing: they live on.
    Ignore,
}

/// What has to be there before an instance is started.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Need {
    /// Every instance of this type that the formation has is ready.
    Process(ProcessType),
    /// This accepts a connection.
    Service(Service),
}

/// A backing service, by the name that the user gives it.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Service {
    /// The name of a variable, or the service's own address.
    pub name: String,
    /// Where it is.
    pub endpoint: Result<Endpoint, NoEndpoint>,
}

impl fmt::Display for Service {
    /// Shows nothing of the value of a variable but the endpoint, for there may be a password in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.endpoint {
            Ok(endpoint) if endpoint.to_string() == self.name => f.write_str(&self.name),
            Ok(endpoint) => write!(f, "{} ({endpoint})", self.name),
            Err(_) => f.write_str(&self.name),
        }
    }
}

/// Where a connection is accepted.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Endpoint {
    /// At a port of a host.
    Tcp {
        /// A name, or an address; one of IPv6 without brackets.
        host: String,
        /// The port.
        port: u16,
    },
    /// At a socket of this machine.
    Unix(PathBuf),
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Endpoint::Tcp { host, port } if host.contains(':') => write!(f, "[{host}]:{port}"),
            Endpoint::Tcp { host, port } => write!(f, "{host}:{port}"),
            Endpoint::Unix(path) => path.display().fmt(f),
        }
    }
}

/// Why it is not known where a service is. Nothing of a variable's value is in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Error)]
pub enum NoEndpoint {
    /// There is no such variable.
    #[error("is not set")]
    Unset,
    /// Its value is no URL.
    #[error("is not a URL")]
    NoUrl,
    /// Its URL names no host.
    #[error("names no host to connect to")]
    NoHost,
    /// Its URL names a service of the DNS, which tells the hosts.
    #[error("names a DNS service, which procman does not look up")]
    Srv,
    /// Its URL names no port, and its scheme has none of its own.
    #[error("names no port, and its scheme has none that is usual")]
    NoPort,
}

/// How an instance is known to be ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Readiness {
    /// By what.
    pub sign: Sign,
    /// How long after one probe the next one follows.
    pub interval: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
    /// How long after its spawn it has to be ready.
    pub deadline: Duration,
}

/// By what an instance is known to be ready.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Sign {
    /// A probe succeeds.
    Probe(Probe),
    /// It writes a line in which this regular expression is found.
    Log(String),
    /// It says so, by sd_notify(3).
    Notify,
}

impl Readiness {
    /// How long after one probe the next one follows, where nothing is said.
    pub const INTERVAL: Duration = Duration::from_millis(500);
    /// How long a probe may take, where nothing is said.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// How long after its spawn an instance has to be ready, where nothing is said.
    pub const DEADLINE: Duration = Duration::from_secs(60);
}

/// How an instance is known to be well.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// By what.
    pub probe: Probe,
    /// How long after one probe the next one follows.
    pub interval: Duration,
    /// How long a probe may take.
    pub timeout: Duration,
    /// How many failures in a row mean that it is not well, and is started anew.
    pub failures: u32,
}

impl Health {
    /// How long after one probe the next one follows, where nothing is said.
    pub const INTERVAL: Duration = Duration::from_secs(10);
    /// How long a probe may take, where nothing is said.
    pub const TIMEOUT: Duration = Duration::from_secs(5);
    /// How many failures in a row are too many, where nothing is said.
    pub const FAILURES: u32 = 3;
}

/// Something to be tried.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Probe {
    /// A connection to the instance's `PORT` on this machine is accepted.
    Port,
    /// A GET over HTTP/1.1 is answered.
    Http {
        /// A path at the instance's `PORT` on this machine, such as `/health`, or a whole `http://` URL.
        target: String,
        /// The status that is right; `None` is any from 200 to 399.
        status: Option<u16>,
    },
    /// A command, run by `/bin/sh -c` where and with what the instance has, exits with 0.
    Exec(String),
}

/// Where a GET goes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Place<'a> {
    /// To the instance's own port, for this path.
    Own(&'a str),
    /// To the server of a URL.
    Url {
        /// A name, or an address; one of IPv6 in brackets.
        host: &'a str,
        /// The port.
        port: u16,
        /// Both, as they are written.
        authority: &'a str,
        /// What follows, which may be nothing.
        path: &'a str,
    },
}

impl Place<'_> {
    /// The port of a URL that names none.
    const PORT: u16 = 80;

    /// Returns what the target of a GET means. It has been looked at when it was read, and may not be a URL of another
    /// scheme.
    pub fn of(target: &str) -> Place<'_> {
        let Some(url) = target.strip_prefix("http://") else { return Place::Own(target) };
        let (authority, path) = url.split_at(url.find(['/', '?', '#']).unwrap_or(url.len()));
        let (host, port) = match authority.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().unwrap_or(Place::PORT)),
            Some(_) | None => (authority, Place::PORT),
        };
        Place::Url { host, port, authority, path }
    }
}
