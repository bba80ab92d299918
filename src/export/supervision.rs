//! How a type is supervised elsewhere: what its policy says, and in which words a file says what a format has no place for.
//!
//! A policy of which nothing is said leaves everything to the format: whoever runs services in production starts a
//! failed one again without being told so, which `procman start` does not.

use std::time::Duration;

use crate::export::{App, Process};
use crate::formation::RELEASE;
use crate::plan::policies::Stated;
use crate::policy::{Health, Kind, Need, OnExit, Policy, Probe, Readiness, Restart, Sign};
use crate::process::Signal;

/// How the instances of a type are supervised.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Supervision {
    /// Whether they are to run until they are stopped.
    pub kind: Kind,
    /// When one that has ended by itself is started again; `None` if nothing is said of it.
    pub restart: Option<Restart>,
    /// How many failures in a row are too many for that, at least 1.
    pub budget: u32,
    /// Whether it is said that the end of one is that of all others.
    pub stops_all: bool,
    /// Whether it is said that they have terminals.
    pub has_terminal: bool,
    /// What asks one to end.
    pub stop_signal: Signal,
    /// How long that may take.
    pub grace: Duration,
    /// What has to be there before one is started.
    pub needs: Vec<Need>,
    /// How one is known to be ready.
    pub ready: Option<Readiness>,
    /// How one is known to be well after that.
    pub health: Option<Health>,
}

/// When a service that has ended by itself is started again.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Again {
    /// As the format has it where nothing is said.
    AsUsual,
    /// Not at all.
    Never,
    /// When it has failed.
    OnFailure,
    /// However it has ended.
    Always,
}

/// Something that is said of a type, and that a format may have no place for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Aspect<'a> {
    /// When one is started again.
    Restart(Restart),
    /// How many failures in a row are too many, if that is another number than usual, and one would be started again.
    Budget,
    /// The end of one is that of all others.
    StopsAll,
    /// They have terminals.
    Terminal,
    /// Another signal than SIGTERM.
    StopSignal(Signal),
    /// It does one thing and ends.
    OneShot,
    /// It needs other types.
    Needs,
    /// It needs the release phase.
    Release,
    /// It needs what is not of the app.
    Services,
    /// How one is known to be ready.
    Ready(&'a Sign),
    /// How one is known to be well.
    Health(&'a Health),
    /// Which status of HTTP is right to this probe.
    Status(&'a Probe, u16),
}

impl Supervision {
    /// Returns what a policy says. That it says `never` may mean that nothing is said: that is for its reader to know.
    pub fn new(policy: &Policy) -> Supervision {
        let restart = match policy.restart {
            Restart::Never => None,
            Restart::OnFailure | Restart::Always => Some(policy.restart),
        };
        Supervision {
            kind: policy.kind,
            restart,
            budget: policy.budget,
            stops_all: false,
            has_terminal: false,
            stop_signal: policy.stop_signal,
            grace: policy.grace,
            needs: policy.needs.clone(),
            ready: policy.ready.clone(),
            health: policy.health.clone(),
        }
    }

    /// Returns what a policy says together with what somebody has said.
    pub fn stated(policy: &Policy, stated: Stated) -> Supervision {
        let said = Supervision::new(policy);
        let stops_all = match stated.on_exit {
            Some(OnExit::StopAll) => true,
            Some(OnExit::Ignore) | None => false,
        };
        let restart = said.restart.or(stated.restart);
        Supervision { restart, stops_all, has_terminal: stated.has_terminal, ..said }
    }

    /// Returns how many failures in a row are too many, if that is another number than usual, and one would be started
    /// again.
    pub fn own_budget(&self) -> Option<u32> {
        let is_started_again = match self.again() {
            Again::Never => false,
            Again::AsUsual | Again::OnFailure | Again::Always => true,
        };
        (is_started_again && self.budget != Policy::BUDGET).then_some(self.budget)
    }

    /// Returns how many failures in a row are too many.
    pub fn limit(&self) -> u32 {
        self.own_budget().unwrap_or(Policy::BUDGET)
    }

    /// Returns when one that has ended by itself is started again: a one-shot never, or when it has failed.
    pub fn again(&self) -> Again {
        match (self.kind, self.restart) {
            (Kind::OneShot, None) | (_, Some(Restart::Never)) => Again::Never,
            (Kind::OneShot, Some(Restart::Always)) | (_, Some(Restart::OnFailure)) => Again::OnFailure,
            (Kind::LongLived, Some(Restart::Always)) => Again::Always,
            (Kind::LongLived, None) => Again::AsUsual,
        }
    }

    /// Returns the probe by which one is known to be ready, if it is one.
    pub fn ready_probe(&self) -> Option<(&Readiness, &Probe)> {
        let ready = self.ready.as_ref()?;
        match &ready.sign {
            Sign::Probe(probe) => Some((ready, probe)),
            Sign::Log(_) | Sign::Notify => None,
        }
    }

    /// Returns every probe.
    pub fn probes(&self) -> impl Iterator<Item = &Probe> {
        let ready = self.ready_probe().map(|(_, probe)| probe);
        ready.into_iter().chain(self.health.as_ref().map(|health| &health.probe))
    }

    fn aspects<'a>(&'a self, app: &App) -> Vec<Aspect<'a>> {
        let mut aspects = Vec::new();
        aspects.extend(self.restart.map(Aspect::Restart));
        aspects.extend(self.own_budget().map(|_| Aspect::Budget));
        let said = [(self.stops_all, Aspect::StopsAll), (self.has_terminal, Aspect::Terminal)];
        aspects.extend(said.into_iter().filter_map(|(is_said, aspect)| is_said.then_some(aspect)));
        if self.stop_signal != Signal::TERM {
            aspects.push(Aspect::StopSignal(self.stop_signal));
        }
        match self.kind {
            Kind::LongLived => {}
            Kind::OneShot => aspects.push(Aspect::OneShot),
        }
        if app.needed(self).next().is_some() {
            aspects.push(Aspect::Needs);
        }
        if app.release.is_some() && self.lacking(app).any(|name| name == RELEASE) {
            aspects.push(Aspect::Release);
        }
        if self.services().next().is_some() {
            aspects.push(Aspect::Services);
        }
        aspects.extend(self.ready.as_ref().map(|ready| Aspect::Ready(&ready.sign)));
        aspects.extend(self.health.as_ref().map(Aspect::Health));
        aspects.extend(self.probes().filter_map(|probe| Some(Aspect::Status(probe, status(probe)?))));
        aspects
    }

    /// Returns the types that are needed and that the app has no instance of.
    fn lacking<'a>(&'a self, app: &'a App) -> impl Iterator<Item = &'a str> {
        let needs = self.needs.iter().filter_map(|need| match need {
            Need::Process(process) => Some(process.as_str()),
            Need::Service(_) => None,
        });
        needs.filter(|name| app.processes.iter().all(|process| process.name != *name))
    }

    /// Returns the names of the backing services, fit for a comment. Where they are is not said: what names one may be a
    /// secret.
    fn services(&self) -> impl Iterator<Item = String> {
        let shown = |name: &str| {
            name.chars().map(|next| if next.is_ascii_graphic() { next } else { '?' }).collect::<String>()
        };
        self.needs.iter().filter_map(move |need| match need {
            Need::Process(_) => None,
            Need::Service(service) => Some(shown(&service.name)),
        })
    }
}

/// What there is to say of what is said of a type.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Note {
    /// It has no place, for this reason.
    Unplaced(&'static str),
    /// It is there, but in this way.
    Otherwise(&'static str),
}

impl From<&'static str> for Note {
    fn from(why: &'static str) -> Note {
        Note::Unplaced(why)
    }
}

/// Returns a line for everything that is said of a type and that a format has no place for, or a different one; `why`
/// has the reason, or the difference.
pub fn notes<N: Into<Note>>(
    app: &App,
    process: &Process,
    why: impl Fn(Aspect<'_>) -> Option<N>,
) -> Vec<String> {
    let supervision = &process.supervision;
    let is_phase = |name: &str| name == RELEASE && app.release.is_some();
    let why = |aspect: Aspect<'_>| match (is_phase(&process.name), aspect) {
        (true, Aspect::Needs | Aspect::StopsAll) => Some(Note::Unplaced("it runs before the rest")),
        (true, Aspect::Ready(_)) => Some(Note::Unplaced("it is ready when it has ended well")),
        (true, Aspect::Health(_)) => Some(Note::Unplaced("it ends by itself")),
        (true, Aspect::Status(..)) => None,
        (true | false, aspect) => why(aspect).map(Into::into),
    };
    let line = |what: &str, note: Note| match note {
        Note::Unplaced(why) => format!("procman: {what} of {} has no place here: {why}", process.name),
        Note::Otherwise(how) => format!("procman: {what} of {} {how}", process.name),
    };
    let mut lines = Vec::new();
    for aspect in supervision.aspects(app) {
        lines.extend(why(aspect).map(|why| line(&words(aspect, app, supervision), why)));
    }
    // Two probes may be asked alike.
    lines.dedup();
    for name in supervision.lacking(app).filter(|name| !is_phase(name)) {
        lines.push(line(&format!("the need for {name}"), Note::Unplaced("this formation has none")));
    }
    lines
}

/// Returns the lines for all types of an app, for a format that has them in one file.
pub fn all_notes<N: Into<Note>>(app: &App, why: impl Fn(&Process, Aspect<'_>) -> Option<N>) -> Vec<String> {
    let of = |process| notes(app, process, |aspect| why(process, aspect));
    app.processes.iter().flat_map(of).collect()
}

fn words(aspect: Aspect<'_>, app: &App, supervision: &Supervision) -> String {
    let list = |names: Vec<String>| format!("`needs` ({})", names.join(", "));
    match aspect {
        Aspect::Restart(Restart::Never) => "`restart = \"never\"`".to_owned(),
        Aspect::Restart(Restart::OnFailure) => "`restart = \"on-failure\"`".to_owned(),
        Aspect::Restart(Restart::Always) => "`restart = \"always\"`".to_owned(),
        Aspect::Budget => "`restart-budget`".to_owned(),
        Aspect::StopsAll => "`on-exit = \"stop-all\"`".to_owned(),
        Aspect::Terminal => "`pty = \"always\"`".to_owned(),
        Aspect::StopSignal(_) => "`stop-signal`".to_owned(),
        Aspect::OneShot => "`one-shot`".to_owned(),
        Aspect::Needs => list(app.needed(supervision).map(|needed| needed.name.clone()).collect()),
        Aspect::Release => list(vec![RELEASE.to_owned()]),
        Aspect::Services => list(supervision.services().collect()),
        Aspect::Ready(Sign::Notify) => "`ready` by sd_notify".to_owned(),
        Aspect::Ready(Sign::Log(_)) => "`ready` by a line".to_owned(),
        Aspect::Ready(Sign::Probe(Probe::Port)) => "`ready` by its port".to_owned(),
        Aspect::Ready(Sign::Probe(Probe::Http { .. })) => "`ready` over HTTP".to_owned(),
        Aspect::Ready(Sign::Probe(Probe::Exec(_))) => "`ready` by a command".to_owned(),
        Aspect::Health(_) => "`health`".to_owned(),
        Aspect::Status(_, status) => format!("`status = {status}`"),
    }
}

/// Returns the status that somebody has said is right.
fn status(probe: &Probe) -> Option<u16> {
    match probe {
        Probe::Http { status, .. } => *status,
        Probe::Port | Probe::Exec(_) => None,
    }
}

/// Returns a signal as shells and service managers read it: by its name, but by its number where it has none that all
/// of them know.
pub fn signal_word(signal: Signal) -> String {
    if is_named(signal) { signal.to_string() } else { signal.0.to_string() }
}

/// Returns whether a signal has a name that all of them know, which those for programs' own use have not.
pub fn is_named(signal: Signal) -> bool {
    let name = signal.to_string();
    name.starts_with("SIG") && !name.starts_with("SIGRT")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::{Again, Supervision, is_named, notes, signal_word};
    use crate::export::app::tests::{supervised, torture};
    use crate::export::{Format, Templates, nomad, render};
    use crate::policy::{Health, Kind, Need, NoEndpoint, Policy, Probe, Readiness, Restart, Service, Sign};
    use crate::process::Signal;

    #[test]
    fn what_ends_is_started_again_as_somebody_has_said() {
        let usual = Supervision::new(&Policy::new(Duration::ZERO));
        for (kind, restart, expected) in [
            (Kind::LongLived, None, Again::AsUsual),
            (Kind::LongLived, Some(Restart::Never), Again::Never),
            (Kind::LongLived, Some(Restart::OnFailure), Again::OnFailure),
            (Kind::LongLived, Some(Restart::Always), Again::Always),
            (Kind::OneShot, None, Again::Never),
            (Kind::OneShot, Some(Restart::Never), Again::Never),
            (Kind::OneShot, Some(Restart::OnFailure), Again::OnFailure),
            (Kind::OneShot, Some(Restart::Always), Again::OnFailure),
        ] {
            assert_eq!(
                Supervision { kind, restart, ..usual.clone() }.again(),
                expected,
                "{kind:?} {restart:?}"
            );
        }
    }

    #[test]
    fn only_somebody_who_has_said_never_means_it() {
        let restart = |name: &str| {
            let app = supervised();
            let process = app.processes.iter().find(|process| process.name == name);
            process.unwrap().supervision.restart
        };
        assert_eq!([restart("work"), restart("plain")], [Some(Restart::Never), None]);
    }

    #[test]
    fn a_budget_is_one_only_where_something_is_started_again() {
        let usual = Supervision::new(&Policy::new(Duration::ZERO));
        for (kind, restart, budget, expected) in [
            (Kind::LongLived, None, 10, (None, 10)),
            (Kind::LongLived, None, 3, (Some(3), 3)),
            (Kind::LongLived, Some(Restart::Never), 3, (None, 10)),
            (Kind::OneShot, None, 3, (None, 10)),
            (Kind::OneShot, Some(Restart::OnFailure), 1, (Some(1), 1)),
        ] {
            let said = Supervision { kind, restart, budget, ..usual.clone() };
            assert_eq!((said.own_budget(), said.limit()), expected, "{kind:?} {restart:?} {budget}");
        }
    }

    #[test]
    fn a_limit_of_compose_is_never_0_which_is_none() {
        for (budget, expected) in
            [(1, "restart: no\n"), (2, "restart: on-failure:1\n"), (10, "restart: on-failure\n")]
        {
            let mut app = torture();
            app.processes.truncate(1);
            app.release = None;
            app.processes[0].supervision.restart = Some(Restart::OnFailure);
            app.processes[0].supervision.budget = budget;
            let text = render(Format::Compose, &app, &Templates::built_in()).unwrap().remove(0).content;
            assert!(text.replace('"', "").contains(expected), "{text}");
        }
    }

    #[test]
    fn a_signal_without_a_name_is_a_number() {
        assert_eq!([Signal::TERM, Signal::HUP].map(signal_word), ["SIGTERM", "SIGHUP"]);
        let last = Signal(36);
        assert_eq!((signal_word(last), is_named(last)), ("36".to_owned(), false));
    }

    #[test]
    fn no_name_of_a_service_ends_a_comment_and_no_place_of_one_is_told() {
        let mut app = torture();
        let service =
            |name: &str| Need::Service(Service { name: name.to_owned(), endpoint: Err(NoEndpoint::Unset) });
        app.processes[0].supervision.needs = vec![service("A\nB --> é"), service("C")];
        let lines = notes(&app, &app.processes[0], |_| Some("x"));
        assert_eq!(lines, ["procman: `needs` (A?B?-->??, C) of web has no place here: x"]);
        for file in render(Format::Launchd, &app, &Templates::built_in()).unwrap() {
            assert_eq!(file.content.matches("-->").count(), 1, "{}", file.content);
        }
        for format in Format::ALL {
            for file in render(format, &supervised(), &Templates::built_in()).unwrap() {
                assert!(!file.content.contains("db.internal"), "{format}: {}", file.path.display());
            }
        }
    }

    /// Returns why an app is refused whose first type is ready by this probe.
    fn refusal(format: Format, probe: Probe) -> String {
        let mut app = torture();
        let time = Duration::from_secs(1);
        let sign = Sign::Probe(probe);
        let ready = Readiness { sign, interval: time, timeout: time, deadline: time };
        app.processes[0].supervision.ready = Some(ready);
        render(format, &app, &Templates::built_in()).unwrap_err().to_string()
    }

    #[test]
    fn a_probe_that_cannot_be_held_is_refused() {
        for format in Format::ALL {
            let error = refusal(format, Probe::Exec("a\0".to_owned()));
            let words = format!("a probe of `web` cannot be written for {format}: it contains a NUL");
            assert_eq!(error, words);
        }
        let error = refusal(Format::Nomad, Probe::Http { target: "/${A}".to_owned(), status: None });
        let why = "Nomad would put a variable in the place of `${` in it";
        assert_eq!(error, format!("a probe of `web` cannot be written for nomad: {why}"));
    }

    #[test]
    fn who_is_well_with_a_status_that_others_take_for_a_failure_is_not_killed_for_it() {
        for (target, status, kubernetes, nomad) in [
            ("/h", None, "httpGet", "http"),
            ("/h", Some(204), "httpGet", "http"),
            ("/h", Some(399), "httpGet", "http"),
            ("/h", Some(401), "tcpSocket", "tcp"),
            ("/h", Some(503), "tcpSocket", "tcp"),
            ("http://localhost:9000/h", Some(204), "httpGet", ""),
            ("http://localhost:9000/h", Some(503), "tcpSocket", ""),
        ] {
            let mut app = torture();
            app.processes.truncate(1);
            let time = Duration::from_secs(1);
            let probe = Probe::Http { target: target.to_owned(), status };
            app.processes[0].supervision.health =
                Some(Health { probe, interval: time, timeout: time, failures: 3 });
            let text = |format| {
                let files = render(format, &app, &Templates::built_in()).unwrap();
                files.into_iter().map(|file| file.content).collect::<String>()
            };
            let said = format!("{target} {status:?}");
            let objects = text(Format::Kubernetes);
            let is_asked = objects.contains(&format!("livenessProbe:\n          {kubernetes}:"));
            let job = text(Format::Nomad);
            let check = if nomad.is_empty() { String::new() } else { format!("type = \"{nomad}\"") };
            let health = job.split_once(r#"name = "health""#).map_or("", |(_, rest)| rest);
            assert!(is_asked && health.contains(&check), "{said}\n{objects}\n{job}");
            let is_named = |text: &str| text.contains("so the port alone is asked");
            assert_eq!(
                (is_named(&objects), is_named(&job)),
                (kubernetes != "httpGet", nomad == "tcp"),
                "{said}"
            );
        }
    }

    #[test]
    fn an_app_of_one_shots_alone_has_no_job_of_services() {
        let mut app = torture();
        app.processes.iter_mut().for_each(|process| process.supervision.kind = Kind::OneShot);
        let files = nomad::render(&app).unwrap();
        let paths: Vec<_> = files.iter().map(|file| file.path.to_str().unwrap()).collect();
        assert_eq!(paths, ["shop-web.nomad.hcl", "shop-a-b_c.nomad.hcl", "shop-release.nomad.hcl"]);
    }
}
