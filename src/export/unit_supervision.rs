//! A type's policy in the words of systemd, for its own units and for those that Podman makes.

use serde::Serialize;

use crate::export::probe::shortcoming;
use crate::export::supervision::{Again, Aspect, Note, notes, signal_word};
use crate::export::unit::{name, timeout};
use crate::export::{App, Process};
use crate::policy::{Health, Kind, Probe, Readiness, Sign};
use crate::process::Signal;

/// What a template knows of how an instance is supervised.
#[derive(Clone, Debug, Serialize)]
pub struct UnitSupervision {
    /// A line each for what has no place.
    pub notes: Vec<String>,
    /// The services that have to be up before, in the order of the Procfile.
    pub needs: Vec<String>,
    /// Those of them that do one thing and end.
    pub needed_one_shots: Vec<String>,
    /// Whether the instance does one thing and ends.
    pub is_one_shot: bool,
    /// The value of `Restart=`.
    pub restart: &'static str,
    /// The signal that asks it to end.
    pub stop_signal: String,
    /// Whether that is another than SIGTERM.
    pub is_other_signal: bool,
    /// That signal, if to die of it is a failure to systemd and yet what happens to one that is asked to end.
    pub deadly_signal: Option<String>,
    /// Whether it says by sd_notify(3) that it is ready.
    pub notifies: bool,
    /// How long its start may take, where something is said of when it is ready.
    pub start_timeout: Option<String>,
}

impl UnitSupervision {
    /// Returns how an instance of a type is supervised; `health` says what its health lacks.
    pub fn new(app: &App, process: &Process, health: impl Fn(&Health) -> Option<Note>) -> UnitSupervision {
        let supervision = &process.supervision;
        let of = |process| move |instance| name(app, process, instance);
        let needs = app.needed(supervision).flat_map(|needed| needed.instances.iter().map(of(needed)));
        let one_shots = app.needed(supervision).filter(|needed| needed.supervision.kind == Kind::OneShot);
        let one_shots = one_shots.flat_map(|needed| needed.instances.iter().map(of(needed)));
        let unplaced = |why| Some(Note::Unplaced(why));
        let why = |aspect: Aspect<'_>| match aspect {
            Aspect::Release => unplaced("nothing but a person starts the release phase"),
            Aspect::Services => {
                unplaced("systemd waits for units alone; `procman wait` can, before the command")
            }
            Aspect::Ready(Sign::Log(_)) => {
                unplaced("systemd reads no lines, so one that has been started is ready")
            }
            Aspect::Ready(Sign::Probe(probe)) => shortcoming(probe),
            Aspect::Health(said) => health(said),
            Aspect::StopsAll => unplaced("the end of one leaves the others alone"),
            Aspect::Terminal => unplaced("what is written goes to the journal"),
            Aspect::Restart(_)
            | Aspect::Budget
            | Aspect::StopSignal(_)
            | Aspect::OneShot
            | Aspect::Needs
            | Aspect::Ready(Sign::Notify)
            | Aspect::Status(..) => None,
        };
        let ready = supervision.ready.as_ref();
        UnitSupervision {
            notes: notes(app, process, why),
            needs: needs.collect(),
            needed_one_shots: one_shots.collect(),
            is_one_shot: supervision.kind == Kind::OneShot,
            restart: match supervision.again() {
                Again::Never => "no",
                Again::AsUsual | Again::OnFailure => "on-failure",
                Again::Always => "always",
            },
            stop_signal: signal_word(supervision.stop_signal),
            is_other_signal: supervision.stop_signal != Signal::TERM,
            deadly_signal: deadly_signal(process),
            notifies: ready.is_some_and(|ready| ready.sign == Sign::Notify),
            start_timeout: ready.filter(|ready| has_end(ready)).map(|ready| timeout(ready.deadline, 0)),
        }
    }
}

/// Returns the signal that a long-lived instance is asked to end by, if systemd does not take dying of it for a good end
/// by itself (systemd.service(5), "SuccessExitStatus="). A one-shot that dies of it has not done what it should.
///
/// It is always a name: a number would be a status.
fn deadly_signal(process: &Process) -> Option<String> {
    const GOOD: [&str; 4] = ["SIGHUP", "SIGINT", "SIGTERM", "SIGPIPE"];
    let name = process.supervision.stop_signal.to_string();
    let is_asked = process.supervision.kind == Kind::LongLived;
    (is_asked && name.starts_with("SIG") && !GOOD.contains(&&*name)).then_some(name)
}

/// Returns whether the start of one that is ready by this sign has an end of its own.
fn has_end(ready: &Readiness) -> bool {
    match ready.sign {
        Sign::Notify | Sign::Probe(Probe::Port | Probe::Http { .. } | Probe::Exec(_)) => true,
        Sign::Log(_) => false,
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeSet;

    use super::deadly_signal;
    use crate::export::app::tests::{supervised, torture};
    use crate::export::{Format, Templates, render};
    use crate::policy::Kind;
    use crate::process::Signal;

    /// An end of what is required stops what requires it, and its restart is a restart of that too (systemd.unit(5),
    /// "Requires="): a crash of a database would end healthy workers, and count against their limit of starts.
    #[test]
    fn only_what_ends_by_itself_is_required() {
        for format in [Format::Systemd, Format::Quadlet] {
            let mut files = render(format, &supervised(), &Templates::built_in()).unwrap();
            files.retain(|file| file.path.extension().is_some_and(|extension| extension != "target"));
            let is_need = |line: &&str| line.starts_with("Requires=") || line.starts_with("Wants=");
            let found: BTreeSet<_> =
                files.iter().flat_map(|file| file.content.lines().filter(is_need)).collect();
            let expected = BTreeSet::from([
                "Requires=shop-migrate-1.service",
                "Wants=shop-cache-1.service",
                "Wants=shop-cache-2.service",
                "Wants=shop-work-1.service",
            ]);
            assert_eq!(found, expected, "{format}");
        }
    }

    #[test]
    fn who_dies_of_the_signal_that_asks_it_to_end_has_not_failed() {
        let mut process = torture().processes.remove(0);
        for (signal, kind, expected) in [
            ("TERM", Kind::LongLived, None),
            ("INT", Kind::LongLived, None),
            ("QUIT", Kind::LongLived, Some("SIGQUIT")),
            ("USR1", Kind::LongLived, Some("SIGUSR1")),
            ("RTMIN", Kind::LongLived, Some("SIGRTMIN")),
            ("RTMIN+2", Kind::LongLived, Some("SIGRTMIN+2")),
            ("QUIT", Kind::OneShot, None),
        ] {
            process.supervision.stop_signal = signal.parse::<Signal>().unwrap();
            process.supervision.kind = kind;
            assert_eq!(deadly_signal(&process).as_deref(), expected, "{signal} {kind:?}");
        }
    }
}
