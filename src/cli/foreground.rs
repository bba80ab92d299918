//! `procman start --attach`: the terminal is an instance's first, and shows the formation afterwards.

use std::env;

use thiserror::Error;

use crate::cli::args;
use crate::cli::attach::{check_terminal, run_within};
use crate::cli::error::Failure;
use crate::cli::keys::DetachKey;
use crate::config::PtyChoice;
use crate::formation::{Formation, InstanceId, listed};
use crate::procfile::ProcessType;
use crate::quote::excerpt;
use crate::runtime::Foreground;
use crate::sys::stdio::write_stderr;
use crate::sys::terminal::Custody;

/// Why `start` cannot begin attached to something.
#[derive(Debug, PartialEq, Eq, Error)]
pub enum BeginError {
    #[error("unknown process `{name}` to attach to; the formation has {}", listed(known))]
    Unknown { name: String, known: Vec<InstanceId> },
    #[error("`{name}` has {} instances to attach to", instances.len())]
    Several { name: String, instances: Vec<InstanceId> },
    #[error("with `--pty never` there is no terminal to attach to")]
    NoPty,
}

impl BeginError {
    /// Returns what to do about it.
    pub fn hint(&self) -> Option<String> {
        match self {
            BeginError::Several { instances, .. } => Some(format!("say which: {}", listed(instances))),
            BeginError::Unknown { .. } | BeginError::NoPty => None,
        }
    }
}

/// Whom to attach to at the start, and how.
#[derive(Debug)]
pub struct Beginning {
    instance: InstanceId,
    keys: DetachKey,
}

/// Returns what the options ask for, once it is certain that it can be.
pub fn wanted(
    start: &args::Start,
    formation: &Formation,
    pty: impl Fn(&ProcessType) -> PtyChoice,
) -> Result<Option<Beginning>, Failure> {
    let Some(name) = &start.attach else { return Ok(None) };
    let instance = find(name, formation).map_err(Failure::Attach)?;
    if pty(&instance.process) == PtyChoice::Never {
        return Err(Failure::Attach(BeginError::NoPty));
    }
    check_terminal()?;
    Ok(Some(Beginning { instance, keys: keys()? }))
}

/// Returns the keys that detach, which are an option of `attach` alone: `start` has enough of them.
fn keys() -> Result<DetachKey, Failure> {
    const VARIABLE: &str = "PROCMAN_DETACH_KEY";
    let Some(value) = env::var_os(VARIABLE).filter(|value| !value.is_empty()) else {
        return Ok(DetachKey::default());
    };
    value.to_string_lossy().parse().map_err(|error| Failure::Usage(format!("{VARIABLE}: {error}")))
}

impl Beginning {
    /// Takes note of how the terminal is, and returns what is to be done with it by each of procman's two processes. To
    /// be called before there are two.
    pub fn prepare(self) -> Result<(Custody, Foreground), Failure> {
        let (custody, saved, mut notices) = Custody::take().map_err(Failure::Terminal)?;
        let name = self.instance.to_string();
        let foreground = Foreground::new(self.instance, move |stream| {
            if let Err(failure) = run_within(stream, name, self.keys, &saved, &mut notices) {
                write_stderr(&failure.to_string());
            }
        });
        Ok((custody, foreground))
    }
}

/// Returns the instance that a name stands for: its own, or that of its type if there is one.
fn find(name: &str, formation: &Formation) -> Result<InstanceId, BeginError> {
    let named = |id: &InstanceId| id.to_string() == name || id.process.as_str() == name;
    let instances: Vec<InstanceId> = formation.instances().filter(named).collect();
    match &instances[..] {
        [] => Err(BeginError::Unknown { name: excerpt(name), known: formation.instances().collect() }),
        [instance] => Ok(instance.clone()),
        _ => Err(BeginError::Several { name: excerpt(name), instances }),
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::find;
    use crate::formation::Formation;
    use crate::procfile::ProcessType;

    #[track_caller]
    fn check(name: &str, expected: &str) {
        let types = ["web", "worker", "clock"].map(|name| ProcessType::new(name).unwrap());
        let request = "web=2,worker=1".parse().unwrap();
        let formation = Formation::resolve(&types, Some(&request), &[]).unwrap();
        let found = find(name, &formation);
        assert_eq!(found.map_or_else(|error| error.to_string(), |id| id.to_string()), expected);
    }

    #[test]
    fn a_type_stands_for_its_only_instance() {
        check("web.2", "web.2");
        check("worker", "worker.1");
        check("web", "`web` has 2 instances to attach to");
        for unknown in ["clock", "web.3", "wep", ""] {
            let known = "the formation has `web.1`, `web.2`, `worker.1`";
            check(unknown, &format!("unknown process `{unknown}` to attach to; {known}"));
        }
    }
}
