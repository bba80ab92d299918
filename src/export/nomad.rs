//! A job for Nomad, with a group a type, and a second one for the release phase.
//!
//! HCL is read twice: by whoever submits the job, who makes values of expressions, and by the client that runs it, which
//! puts variables into the values. What is meant as it stands is kept from both ([`quote`] has the rules).

use std::time::Duration;

use hcl::expr::{Expression, Object, ObjectKey, TemplateExpr, Traversal, TraversalOperator, Variable};
use hcl::structure::BlockBuilder;
use hcl::{Block, Body, Identifier};
use unicode_normalization::is_nfc;

use crate::export::app::Port;
use crate::export::names::{check_distinct, dns_label};
use crate::export::probe::asks_own_port;
use crate::export::quote::{self, Part};
use crate::export::supervision::{Again, Aspect, is_named, notes, signal_word};
use crate::export::unit;
use crate::export::yaml::comment_lines;
use crate::export::{Access, App, ExportError, File, Format, Process, refuse_nul};
use crate::policy::{Health, Kind, Policy, Probe, Restart, Sign};
use crate::process::Signal;

mod checks;

const FORMAT: Format = Format::Nomad;

/// The job of the release phase.
const RELEASE: &str = "release";

/// What the port of a group is called.
const PORT: &str = "app";

/// Returns the files.
pub fn render(app: &App) -> Result<Vec<File>, ExportError> {
    refuse_nul(app, FORMAT)?;
    refuse_other_forms(app)?;
    let image = dns_label(&app.name, "the app", FORMAT)?;
    let mut services = Vec::new();
    for process in
        app.processes.iter().filter(|process| process.port == Port::Bound && is_long_lived(process))
    {
        let what = format!("the type `{}`", process.name);
        services.push((process, dns_label(&format!("{image}-{}", process.name), &what, FORMAT)?));
    }
    let labels = services.iter().map(|(process, service)| (process.name.as_str(), service.as_str()));
    check_distinct(labels, FORMAT)?;

    let mut job = Block::builder("job").add_label(app.name.as_str()).add_attribute(("type", "service"));
    for process in app.processes.iter().filter(|process| is_long_lived(process)) {
        let service = services.iter().find(|(bound, _)| bound.name == process.name);
        let service = service.map(|(_, service)| service.as_str());
        job = job.add_block(group(app, process, service)?);
    }
    let mut files = Vec::new();
    if app.processes.iter().any(is_long_lived) {
        let about = comment(app, &app.name) + &service_comment(app);
        files.push(file(app, &app.name, &about, &image, job.build())?);
    }
    for process in app.processes.iter().filter(|process| !is_long_lived(process)) {
        let name = format!("{}-{}", app.name, process.name);
        let about =
            comment(app, &name) + "It runs once, as soon as it is handed over.\n" + &lines(app, process);
        let job = Block::builder("job").add_label(&name).add_attribute(("type", "batch"));
        let job = job.add_block(group(app, process, None)?).build();
        files.push(file(app, &name, &about, &image, job)?);
    }
    if let Some(release) = &app.release {
        let name = format!("{}-{RELEASE}", app.name);
        let about = comment(app, &name) + &release_comment(&name) + &lines(app, release);
        files.push(file(app, &name, &about, &image, release_job(app, &name, release)?)?);
    }
    Ok(files)
}

/// Returns a file with a job and the variable that says which image it runs.
fn file(app: &App, name: &str, comment: &str, image: &str, job: Block) -> Result<File, ExportError> {
    let variable = Block::builder("variable").add_label("image");
    let variable = variable.add_attribute(("type", name_of("string"))).add_attribute(("default", image));
    let body = Body::builder().add_block(variable.build()).add_block(job).build();
    let content = comment_lines(comment) + "\n" + &written(&body)?;
    let access = if app.variables.is_empty() { Access::Public } else { Access::Secret };
    Ok(File { path: format!("{name}.nomad.hcl").into(), content, access })
}

fn group(app: &App, process: &Process, service: Option<&str>) -> Result<Block, ExportError> {
    let mut group =
        Block::builder("group").add_label(&process.name).add_attribute(("count", process.instances.len()));
    let again = process.supervision.again();
    group = group.add_blocks(restart(again, process.supervision.own_budget()));
    group = group.add_blocks((again == Again::Never).then(no_reschedule));
    let mut port = Expression::from(process.first_port().to_string());
    if let Some(service) = service {
        let label = Block::builder("port").add_label(PORT).build();
        group = group.add_block(Block::builder("network").add_block(label).build());
        let names = [("name", service), ("port", PORT), ("provider", "nomad")];
        let checks = checks::of(process)?;
        group = group.add_block(Block::builder("service").add_attributes(names).add_blocks(checks).build());
        port = Expression::from(TemplateExpr::from(format!("${{NOMAD_PORT_{PORT}}}")));
    }
    let mut config = config(process)?;
    if service.is_some() {
        config = config.add_attribute(("ports", vec![PORT]));
    }
    let mut environment = environment(app)?;
    environment.insert(key("PORT"), port);
    // Nomad counts instances from 0; a template's variables win over those of `env`.
    let number = r#"{{ env "NOMAD_ALLOC_INDEX" | parseInt | add 1 }}"#;
    let data = format!("PS={}.{number}\n", process.name);
    let template = Block::builder("template").add_attribute(("data", text(&data)?));
    let template = template.add_attribute(("destination", "local/ps.env")).add_attribute(("env", true));
    let task = task(app, process, config, environment)?.add_block(template.build());
    Ok(group.add_block(task.build()).build())
}

fn release_job(app: &App, name: &str, release: &Process) -> Result<Block, ExportError> {
    let mut environment = environment(app)?;
    let own = [("PORT", release.first_port().to_string()), ("PS", release.first_name().to_owned())];
    environment.extend(own.map(|(name, value)| (key(name), Expression::from(value))));
    let task = task(app, release, config(release)?, environment)?.build();
    let restart = restart(release.supervision.again(), release.supervision.own_budget());
    // One that has failed for good is for people to look at, not to be tried on another machine.
    let group = Block::builder("group").add_label(RELEASE).add_blocks(restart).add_block(no_reschedule());
    let job = Block::builder("job").add_label(name).add_attribute(("type", "batch"));
    let job = job.add_block(Block::builder("parameterized").build());
    Ok(job.add_block(group.add_block(task).build()).build())
}

/// Returns when what has ended is started again where it was, as far as that is not as usual.
fn restart(again: Again, budget: Option<u32>) -> Option<Block> {
    let restart = Block::builder("restart");
    let restart = match (again, budget) {
        (Again::AsUsual, None) => return None,
        (Again::Never, _) => restart.add_attribute(("attempts", 0)),
        // After so many failures in a row, each within ten seconds, the machine may be what is wrong.
        (Again::AsUsual, Some(_)) | (Again::OnFailure | Again::Always, _) => {
            let limit = budget.unwrap_or(Policy::BUDGET);
            let interval = format!("{}s", unit::limit_interval(limit));
            let restart = restart.add_attribute(("attempts", limit - 1));
            restart.add_attribute(("delay", "1s")).add_attribute(("interval", interval))
        }
    };
    Some(restart.add_attribute(("mode", "fail")).build())
}

/// Returns that what has ended for good is not started on another machine.
fn no_reschedule() -> Block {
    let none = Block::builder("reschedule").add_attribute(("attempts", 0));
    none.add_attribute(("unlimited", false)).build()
}

fn task(
    app: &App,
    process: &Process,
    config: BlockBuilder,
    environment: Object<ObjectKey, Expression>,
) -> Result<BlockBuilder, ExportError> {
    let mut task = Block::builder("task").add_label(&process.name).add_attribute(("driver", "docker"));
    if let Some(user) = &app.user {
        task = task.add_attribute(("user", text(user)?));
    }
    // One without a name is not sent at all.
    let said = process.supervision.stop_signal;
    let signal = if is_named(said) { said } else { Signal::TERM };
    let timeout = unit::time(process.supervision.grace);
    task = task.add_attribute(("kill_signal", signal_word(signal))).add_attribute(("kill_timeout", timeout));
    if app.variables.iter().any(|(_, value)| quote::nomad_env(value) != *value) {
        task = task.add_block(Block::builder("meta").add_attribute(("dollar", "$")).build());
    }
    // A map, not a block: a name with a dot in it is no identifier.
    Ok(task.add_block(config.build()).add_attribute(("env", Expression::Object(environment))))
}

fn config(process: &Process) -> Result<BlockBuilder, ExportError> {
    let variable = Traversal::new(name_of("var"), [TraversalOperator::GetAttr(identifier("image"))]);
    let config = Block::builder("config").add_attribute(("image", variable));
    // As process 1 a program would not be ended by a signal that it does not handle.
    let config = config.add_attribute(("init", true)).add_attribute(("entrypoint", vec!["/bin/sh", "-c"]));
    let config = config.add_attribute(("args", vec![text(&quote::nomad_config(&process.command))?]));
    Ok(if process.supervision.has_terminal { config.add_attribute(("tty", true)) } else { config })
}

fn environment(app: &App) -> Result<Object<ObjectKey, Expression>, ExportError> {
    let entry = |(name, value): &(String, String)| Ok((key(name), text(&quote::nomad_env(value))?));
    app.variables.iter().map(entry).collect()
}

/// Returns an expression whose value is this very text.
///
/// The serialiser writes the parts of the text; what would open a template stands as an expression between them.
fn text(value: &str) -> Result<Expression, ExportError> {
    let parts = quote::hcl_parts(value);
    if let [Part::Text(_)] | [] = parts.as_slice() {
        return Ok(Expression::from(value));
    }
    let mut template = String::new();
    for part in parts {
        match part {
            Part::Text(text) => {
                let quoted = written(&Expression::from(text))?;
                let inner = quoted.strip_prefix('"').and_then(|quoted| quoted.strip_suffix('"'));
                template.push_str(inner.unwrap_or_default());
            }
            Part::Sign(sign) => {
                let quoted = written(&Expression::from(sign.to_string()))?;
                template.push_str(&format!("${{{quoted}}}"));
            }
        }
    }
    Ok(Expression::from(TemplateExpr::from(template)))
}

fn written(value: &impl hcl::format::Format) -> Result<String, ExportError> {
    let refused = |error: hcl::Error| ExportError::Inexpressible {
        format: FORMAT,
        what: "the app".to_owned(),
        why: error.to_string(),
    };
    hcl::format::to_string(value).map_err(refused)
}

/// Refuses a text that Nomad would change: whatever it reads as HCL it brings into Unicode's normalization form C
/// (cty's strings, <https://github.com/zclconf/go-cty/blob/main/docs/types.md>).
fn refuse_other_forms(app: &App) -> Result<(), ExportError> {
    let why = "it has characters in a form that HCL changes (not Unicode's normalization form C)".to_owned();
    match app.texts().find(|(_, text)| !is_nfc(text)) {
        Some((what, _)) => Err(ExportError::Inexpressible { format: FORMAT, what, why }),
        None => Ok(()),
    }
}

/// Returns a name of HCL that is written in this file.
fn identifier(name: &str) -> Identifier {
    Identifier::sanitized(name)
}

fn name_of(name: &str) -> Variable {
    Variable::sanitized(name)
}

fn key(name: &str) -> ObjectKey {
    ObjectKey::from(Expression::from(name))
}

fn comment(app: &App, name: &str) -> String {
    let mut comment = format!(
        "Written by procman for the app {}, as nomad; the next export overwrites it.\n\
         \n\
         To hand it over: nomad job run -var image=REGISTRY/NAME:TAG {name}.nomad.hcl\n\
         The image's working directory has to be the app root.\n",
        app.name
    );
    if !app.variables.is_empty() {
        comment.push_str(
            "The values of the environment files are in here, and whoever may read the job can read them in Nomad.\n",
        );
    }
    comment
}

fn service_comment(app: &App) -> String {
    let mut comment =
        "Nomad chooses the PORT of what listens on one; what ended is started again by its own rules.\n"
            .to_owned();
    if app.processes.iter().any(|process| process.port == Port::Bound) {
        comment.push_str(
            "A process has to listen on all addresses, not on 127.0.0.1, to be reached from outside of its container.\n",
        );
    }
    // The default of the client's setting.
    let mut graces = app.processes.iter().chain(&app.release).map(|process| process.supervision.grace);
    if graces.any(|grace| grace > Duration::from_secs(30)) {
        comment.push_str(
            "A client cuts kill_timeout to its own max_kill_timeout, which is 30 seconds unless it is set.\n",
        );
    }
    for process in app.processes.iter().filter(|process| is_long_lived(process)) {
        comment.push_str(&lines(app, process));
    }
    comment
}

fn is_long_lived(process: &Process) -> bool {
    process.supervision.kind == Kind::LongLived
}

/// Returns what is to be said of what a type's policy says and its group has not.
fn lines(app: &App, process: &Process) -> String {
    let why = |aspect: Aspect<'_>| match (process.supervision.kind, aspect) {
        // A batch that has ended well has ended.
        (Kind::OneShot, Aspect::Restart(_)) => None,
        (Kind::OneShot | Kind::LongLived, aspect) => unplaced(aspect),
    };
    notes(app, process, why).iter().map(|note| format!("{note}\n")).collect()
}

fn unplaced(aspect: Aspect<'_>) -> Option<&'static str> {
    let unchecked = |probe: &Probe| match probe {
        Probe::Exec(_) => Some("Nomad's own checks know TCP and HTTP alone"),
        Probe::Http { .. } if !asks_own_port(probe) => {
            Some("Nomad's own checks ask the service's port alone")
        }
        Probe::Http { .. } | Probe::Port => None,
    };
    match aspect {
        Aspect::Restart(Restart::OnFailure) => Some("Nomad starts again what has ended well, too"),
        Aspect::Needs => {
            Some("Nomad starts everything at once, and once more what has failed for want of it")
        }
        Aspect::Release => Some("nothing but a person dispatches the release phase"),
        Aspect::Services => Some("Nomad waits for nothing; `procman wait` can, before the command"),
        Aspect::Ready(Sign::Notify | Sign::Log(_)) => Some("Nomad asks, and is not told"),
        Aspect::Ready(Sign::Probe(probe)) | Aspect::Health(Health { probe, .. }) => unchecked(probe),
        Aspect::Status(probe, _) if !asks_own_port(probe) => None,
        Aspect::Status(_, status) if checks::GOOD_STATUSES.contains(&status) => {
            Some("every status below 400 is right")
        }
        Aspect::Status(..) => {
            Some("to Nomad every status from 400 on is a failure, so the port alone is asked")
        }
        Aspect::StopSignal(signal) if !is_named(signal) => Some("Nomad knows signals by their names alone"),
        Aspect::StopsAll => Some("the end of one leaves the others alone"),
        Aspect::Restart(Restart::Never | Restart::Always)
        | Aspect::Budget
        | Aspect::Terminal
        | Aspect::StopSignal(_)
        | Aspect::OneShot => None,
    }
}

fn release_comment(name: &str) -> String {
    format!("That registers it; it runs with each: nomad job dispatch {name}\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use hcl::Body;
    use proptest::{prop_assert_eq, prop_assume, proptest};
    use unicode_normalization::is_nfc;

    use super::{render, text, written};
    use crate::export::app::tests::torture;
    use crate::trials::trials;

    /// Returns what a text is once it was written and evaluated.
    fn read(value: &str) -> String {
        let body = Body::builder().add_attribute(("a", text(value).unwrap())).build();
        let written = written(&body).unwrap();
        let read: std::collections::BTreeMap<String, String> =
            hcl::eval::from_str(&written, &hcl::eval::Context::new()).unwrap();
        read["a"].clone()
    }

    #[test]
    fn texts_that_open_templates_are_texts() {
        for value in
            ["", "${", "$${A}", "$$${A} $${B} ${C}", "%{if}%%{", r#"\"${"$"}{A}""#, "a\n\t\u{1}\\", "$"]
        {
            assert_eq!(read(value), value);
        }
    }

    #[test]
    fn what_hcl_would_change_is_refused() {
        let mut app = torture();
        app.variables.push(("CAFE".to_owned(), "cafe\u{301}".to_owned()));
        let error = render(&app).unwrap_err().to_string();
        assert!(error.starts_with("the variable `CAFE` cannot be written for nomad: "), "{error}");
    }

    #[test]
    fn a_task_has_a_dollar_only_if_a_value_needs_it() {
        let mut app = torture();
        assert!(render(&app).unwrap()[0].content.contains("dollar"));
        app.variables.retain(|(name, _)| name != "DOLLAR");
        assert!(!render(&app).unwrap()[0].content.contains("dollar"));
    }

    proptest! {
        #![proptest_config(trials(200))]

        #[test]
        fn a_text_is_read_as_it_was(value in r#"([^\u{0}]|[$%]{1,3}\{|[$%"\\]|[a-z]\}){0,20}"#) {
            prop_assume!(is_nfc(&value));
            prop_assert_eq!(read(&value), value);
        }
    }
}
