//! Instances that are waited for: how each is now, or was when its formation ended.

use std::path::Path;
use std::sync::mpsc::Sender;
use std::thread;
use std::time::Duration;

use crate::cli::args::{Client, Common};
use crate::cli::client::{self, Ending, Told};
use crate::cli::error::Failure;
use crate::cli::ready;
use crate::cli::wait::{Awaited, Known, PAUSE, Seen, limit_of_attempt};
use crate::control::protocol::{self, Instance, State};
use crate::formation::Target;
use crate::procfile::ProcessType;
use crate::quote::escaped;

/// Asks how the formation is until all instances that are waited for are ready, or once if there is no patience.
pub fn watch_instances(
    all: &[Awaited],
    known: Known,
    common: Common,
    client: &Client,
    patience: Duration,
    sender: &Sender<Seen>,
) -> Result<(), Failure> {
    let mut targets: Vec<(usize, Target)> = Vec::new();
    for (at, one) in all.iter().enumerate() {
        match one {
            Awaited::Instances(target) => targets.push((at, target.clone())),
            Awaited::Service(..) => {}
        }
    }
    if targets.is_empty() {
        return Ok(());
    }
    let (path, sender) = (client::path(common, client)?, sender.clone());
    thread::spawn(move || {
        let tell = |seen: Result<Vec<Seen>, Failure>| {
            seen.unwrap_or_else(|failure| vec![Seen::Never(failure)])
                .into_iter()
                .all(|seen| sender.send(seen).is_ok())
        };
        let (mut ending, mut absent) = (None, "not running".to_owned());
        loop {
            if ending.is_none() && !patience.is_zero() {
                ending = Ending::watch(&path).ok();
            }
            if !tell(look(&path, limit_of_attempt(patience), &mut targets, &known, &absent))
                || targets.is_empty()
                || patience.is_zero()
            {
                return;
            }
            // What comes about between two looks and is the end of all would never be seen.
            match ending.take().map(|ending| ending.within(PAUSE)) {
                Some(Ok(Told::NotYet(same))) => ending = Some(same),
                Some(Ok(Told::Ended(last, status))) => {
                    absent = format!("not running, ended with {status}");
                    if !tell(see(&last, &mut targets, &known, Some(status))) || targets.is_empty() {
                        return;
                    }
                }
                Some(Err(_)) | None => thread::sleep(PAUSE),
            }
        }
    });
    Ok(())
}

/// Returns what is seen of the targets now, and forgets those that are ready.
fn look(
    path: &Path,
    limit: Duration,
    targets: &mut Vec<(usize, Target)>,
    known: &Known,
    absent: &str,
) -> Result<Vec<Seen>, Failure> {
    let none = |why: &str| targets.iter().map(|(at, _)| Seen::NotThere(*at, why.to_owned())).collect();
    match client::formation(path, Some(limit)) {
        Ok(formation) => see(&formation, targets, known, None),
        Err(Failure::NothingRuns | Failure::Gone | Failure::Finished(_)) => {
            targets.iter().try_for_each(|(_, target)| known.is_to_come(target))?;
            Ok(none(absent))
        }
        Err(Failure::Conversation(_)) => Ok(none("procman does not answer")),
        Err(failure) => Err(failure),
    }
}

/// Returns what is seen of the targets in a formation, be it one that has ended with a status, and forgets those that are
/// ready.
pub fn see(
    formation: &protocol::Formation,
    targets: &mut Vec<(usize, Target)>,
    known: &Known,
    ended: Option<i32>,
) -> Result<Vec<Seen>, Failure> {
    let mut seen = Vec::new();
    for (at, target) in std::mem::take(targets) {
        let why = match (lack(formation, &target, known), ended) {
            (Ok(None), _) => None,
            // It was told to end, which is no failure of what it had to do.
            (Ok(Some(_)) | Err(Failure::NotReady(_)), Some(status @ 0)) | (Ok(Some(_)), Some(status)) => {
                Some(format!("ended with {status}"))
            }
            (lack, _) => lack?,
        };
        match why {
            None => seen.push(Seen::There(at)),
            Some(why) => {
                seen.push(Seen::NotThere(at, why));
                targets.push((at, target));
            }
        }
    }
    Ok(seen)
}

/// Returns what a target lacks to be ready. Fails if there is no such type, or if it had one thing to do and has failed.
pub fn lack(
    formation: &protocol::Formation,
    target: &Target,
    known: &Known,
) -> Result<Option<String>, Failure> {
    let (process, number) = match target {
        Target::Type(process) => (process, None),
        Target::Instance(id) => (&id.process, Some(id.number)),
    };
    if !formation.types.iter().any(|name| name == process.as_str()) {
        let types: Vec<ProcessType> =
            formation.types.iter().flat_map(|name| ProcessType::new(name)).collect();
        return Err(known.unknown(process, &types));
    }
    let is_meant =
        |one: &&Instance| one.process == process.as_str() && number.is_none_or(|number| number == one.number);
    let meant: Vec<&Instance> = formation.instances.iter().filter(is_meant).collect();
    let missing: Vec<&Instance> = meant.iter().copied().filter(|one| !ready::is_ready(one)).collect();
    if known.one_shots.contains(process) {
        let mut ended = missing.iter().filter(|one| one.state == State::Down);
        let failed = ended.find_map(|one| Some(format!("`{}` {}", one.name, one.last_exit.as_ref()?)));
        failed.map_or(Ok(()), |failed| Err(Failure::NotReady(escaped(&failed))))?;
    }
    Ok(match (target, missing.as_slice()) {
        _ if meant.is_empty() => Some("no such instance".to_owned()),
        (_, []) => None,
        (Target::Instance(_), [one, ..]) => Some(ready::how(one)),
        (Target::Type(_), missing) => Some(ready::list(missing)),
    })
}
