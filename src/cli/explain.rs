//! `procman check --explain`: how every type is supervised, in sentences.

use std::time::Duration;

use crate::config::PtyChoice;
use crate::plan::Plan;
use crate::plan::policies::Subject;
use crate::policy::{Health, Kind, Need, OnExit, Policy, Probe, Readiness, Restart, Sign};
use crate::process::Signal;
use crate::procfile::ProcessType;
use crate::quote::excerpt;

/// What is to be explained.
pub struct Explained<'a> {
    /// The types, with their policies and how many instances they have.
    pub plan: &'a Plan,
    /// How long services may take.
    pub patience: Duration,
    /// When each type gets terminals.
    pub ptys: &'a [(ProcessType, PtyChoice)],
    /// What nobody has said of each type.
    pub unsaid: &'a [(ProcessType, Subject)],
}

/// Returns a block of lines for each type, in the Procfile's order.
pub fn text(explained: &Explained) -> String {
    let counts = explained.plan.formation().counts();
    let blocks = counts.iter().filter_map(|(process, count)| {
        let policy = explained.plan.policies().get(process)?;
        let instances = if *count == 1 { "instance" } else { "instances" };
        let sentences = sentences(explained, process, policy).into_iter();
        let sentences: String = sentences.map(|(about, clauses)| sentence(about, &clauses)).collect();
        Some(format!("\n{process}: {count} {instances}\n{sentences}"))
    });
    blocks.collect()
}

/// Returns a sentence with a line for each of its clauses.
fn sentence(about: &str, clauses: &[String]) -> String {
    let abouts = std::iter::once(about).chain(std::iter::repeat(""));
    abouts.zip(clauses).map(|(about, clause)| format!("  {about:<10}  {clause}\n")).collect()
}

/// Returns what is to be said of a type, each with what it is about. What nobody has said bears a mark.
fn sentences(
    explained: &Explained,
    process: &ProcessType,
    policy: &Policy,
) -> Vec<(&'static str, Vec<String>)> {
    let is_usual = |about| explained.unsaid.iter().any(|(name, unsaid)| (name, *unsaid) == (process, about));
    let mut sentences = vec![("starts", starts(explained, policy)), ("is ready", is_ready(policy))];
    if let Some(health) = &policy.health {
        sentences.push(("is well", is_well(health, policy)));
    }
    sentences.push(("when ended", when_ended(policy, is_usual(Subject::End))));
    let (signal, grace) = (policy.stop_signal, seconds(policy.grace));
    let stopped = if signal == Signal::KILL {
        "by SIGKILL at once".to_owned()
    } else {
        format!("by {signal}, and by SIGKILL after {grace}")
    };
    sentences.push(("is stopped", vec![marked(stopped, is_usual(Subject::Stop))]));
    let pty = explained.ptys.iter().find(|(name, _)| name == process).map(|(_, pty)| pty);
    match pty {
        Some(PtyChoice::Always) => sentences.push(("writes to", vec!["a terminal of its own".to_owned()])),
        Some(PtyChoice::Never) => sentences.push(("writes to", vec!["a pipe".to_owned()])),
        Some(PtyChoice::Auto) | None => {}
    }
    sentences
}

fn starts(explained: &Explained, policy: &Policy) -> Vec<String> {
    let counts = explained.plan.formation().counts();
    let is_there = |process: &ProcessType| counts.iter().any(|(name, count)| name == process && *count > 0);
    let (mut awaited, mut absent) = (Vec::new(), Vec::new());
    for need in &policy.needs {
        let word = if awaited.is_empty() { "when" } else { "and" };
        match need {
            Need::Process(process) if is_there(process) => awaited.push(format!("{word} {process} is ready")),
            Need::Process(process) => absent.push(format!("({process} is not in this formation)")),
            Need::Service(service) => {
                let patience = seconds(explained.patience);
                awaited.push(format!("{word} {service} accepts connections, within {patience}"));
            }
        }
    }
    if awaited.is_empty() {
        awaited.push(marked("at once".to_owned(), policy.needs.is_empty()));
    }
    awaited.append(&mut absent);
    awaited
}

fn is_ready(policy: &Policy) -> Vec<String> {
    let Some(Readiness { sign, interval, timeout, deadline }) = &policy.ready else {
        return vec![match policy.kind {
            Kind::LongLived => marked("as soon as it runs".to_owned(), true),
            Kind::OneShot => "when it has exited with code 0".to_owned(),
        }];
    };
    let deadline = format!("within {}", seconds(*deadline));
    match sign {
        Sign::Probe(asked) => vec![format!("when {}, {deadline}", probe(asked)), tried(*interval, *timeout)],
        Sign::Log(pattern) => vec![format!("when it writes a line with `{}`, {deadline}", excerpt(pattern))],
        Sign::Notify => vec![format!("when it says so by sd_notify, {deadline}")],
    }
}

fn is_well(Health { probe: asked, interval, timeout, failures }: &Health, policy: &Policy) -> Vec<String> {
    let (ill, s) = match failures {
        1 => ("a failure".to_owned(), "s"),
        _ => (format!("{failures} failures in a row"), ""),
    };
    let anew = match (policy.budget, policy.restart) {
        // The first end is the last.
        (1, _) => format!("{ill} end{s} it"),
        // What follows it says nothing of how often.
        (budget, Restart::Never) => {
            format!("{ill} start{s} it anew, until it has ended {budget} times in a row")
        }
        (_, Restart::OnFailure | Restart::Always) => format!("{ill} start{s} it anew"),
    };
    vec![format!("while {}", probe(asked)), tried(*interval, *timeout), anew]
}

fn probe(probe: &Probe) -> String {
    match probe {
        Probe::Port => "its port accepts connections".to_owned(),
        Probe::Http { target, status } => {
            let status = status.map_or_else(|| "200 to 399".to_owned(), |status| status.to_string());
            format!("GET {} is answered with {status}", excerpt(target))
        }
        Probe::Exec(command) => format!("`{}` exits with code 0", excerpt(command)),
    }
}

fn tried(interval: Duration, timeout: Duration) -> String {
    format!("tried every {}, for {} at most", seconds(interval), seconds(timeout))
}

fn when_ended(policy: &Policy, is_usual: bool) -> Vec<String> {
    let again = match (policy.restart, policy.kind) {
        // The first end is the last.
        _ if policy.budget == 1 => None,
        (Restart::Never, _) => None,
        (Restart::OnFailure, _) | (Restart::Always, Kind::OneShot) => {
            Some("is started again if it has failed")
        }
        (Restart::Always, Kind::LongLived) => Some("is started again"),
    };
    let others = match (policy.on_exit, policy.kind) {
        (OnExit::Ignore, _) => "the others live on",
        (OnExit::StopAll, Kind::LongLived) => "all others are stopped",
        (OnExit::StopAll, Kind::OneShot) => "all others are stopped if it has failed",
    };
    match again {
        Some(again) => {
            let times = format!("{} times in a row", policy.budget);
            vec![format!("{again}, until it has ended {times}"), format!("else {others}")]
        }
        None => vec![marked(others.to_owned(), is_usual)],
    }
}

fn marked(text: String, is_usual: bool) -> String {
    if is_usual { format!("{text} (default)") } else { text }
}

fn seconds(time: Duration) -> String {
    format!("{} s", time.as_secs_f64())
}
