//! `procman start`: runs a formation until it ends or is told to stop.

use std::env;
use std::ffi::OsStr;

use crate::cli::args::{self, Common};
use crate::cli::error::Failure;
use crate::cli::load::App;
use crate::config::{ColorChoice, LogFormat, Options, PtyChoice, Timestamp};
use crate::output::{Colour, Format, Returns, Stamp, Style};
use crate::runtime::{self, Failed, Job, Outcome, Wanted};
use crate::supervisor::Settings;
use crate::sys::guard::{self, Side};
use crate::sys::link::Peer;
use crate::sys::stdio::{stdout_is_terminal, write_stderr, write_stderr_unless_stuck};
use crate::sys::{startup, zone};

/// Runs the formation, and returns what procman exits with.
pub fn run(common: Common, start: args::Start) -> Result<i32, Failure> {
    let app = App::load(start.options().or(common.options()))?;
    let warnings = app.warnings()?;
    if !warnings.is_empty() {
        write_stderr(&warnings.to_string());
    }
    let formation = app.formation(&start.names)?;
    let style = style(&app.options, formation.name_width())?;
    let wanted = match app.options.pty.unwrap_or_default() {
        PtyChoice::Always => Wanted::Terminals,
        PtyChoice::Auto if stdout_is_terminal() => Wanted::Terminals,
        PtyChoice::Auto | PtyChoice::Never => Wanted::Pipes,
    };
    let grace = app.options.timeout.unwrap_or_default().0;
    let notices = if formation.release_skipped() {
        vec!["`release` is left out: it runs when asked for, as `procman run release` does".to_owned()]
    } else {
        Vec::new()
    };
    let plan = app.plan(formation)?;

    let inherited = startup::prepare().map_err(Failure::System)?;
    let (guard, link) = match guard::split(grace, inherited.hangup).map_err(Failure::System)? {
        Side::Guard(status) => return Ok(status),
        Side::Supervisor(guard, link) => (guard, link),
    };
    let settings = Settings { grace };
    let job = Job { plan: &plan, settings, style, wanted, notices, inherited, guard, link };
    let outcome = runtime::run(job).map_err(|failed| match failed {
        Failed::System(error) => Failure::System(error),
        Failed::OpenFiles(shortage) => Failure::OpenFiles(shortage),
    })?;
    let Outcome { mut status, failure, dropped, guard, deadline, signals } = outcome;
    if guard == Peer::Gone
        && let Err(unkillable) = guard::stand_in(deadline, signals)
    {
        guard::name_unkillable(&unkillable);
        status = status.max(1);
    }
    if dropped > 0 {
        write_stderr_unless_stuck(&format!("procman: {dropped} bytes of output could not be written"));
    }
    match failure {
        // It is why the formation ended, unless another end or a request came first.
        Some((id, error)) if error.exit().status() == status => Err(Failure::Instance(id, error)),
        Some(_) | None => Ok(status),
    }
}

/// Returns how output looks, from the options and from where it goes.
pub fn style(options: &Options, width: usize) -> Result<Style, Failure> {
    let format = match options.log_format.unwrap_or_default() {
        LogFormat::Text => Format::Text,
        LogFormat::Json => Format::Json,
        LogFormat::Raw => Format::Raw,
    };
    let stamp = match options.timestamp.clone().unwrap_or_default() {
        Timestamp::Off => Stamp::Off,
        Timestamp::Default => Stamp::Seconds,
        Timestamp::Format(format) => Stamp::parse(&format).map_err(Failure::Timestamp)?,
    };
    let zone = zone::local(env::var("TZ").ok().as_deref());
    let colour = match options.color.unwrap_or_default() {
        ColorChoice::Always => Colour::On,
        ColorChoice::Never => no_colour(),
        ColorChoice::Auto => colour_of_environment(),
    };
    let returns = if stdout_is_terminal() { Returns::Prefixed } else { Returns::Kept };
    Ok(Style { format, colour, returns, stamp, zone, width })
}

/// Decides as <https://no-color.org> and <https://bixense.com/clicolors> have it.
pub fn colour_of_environment() -> Colour {
    let is_set = |name| env::var_os(name).is_some_and(|value| !value.is_empty());
    let forced = env::var_os("CLICOLOR_FORCE").is_some_and(|value| !value.is_empty() && value != "0");
    let dumb = env::var_os("TERM").as_deref() == Some(OsStr::new("dumb"));
    if forced || (stdout_is_terminal() && !dumb && !is_set("NO_COLOR")) { Colour::On } else { no_colour() }
}

/// Returns no colour of procman's own; on a terminal those of an instance must not bleed into the next line.
fn no_colour() -> Colour {
    if stdout_is_terminal() { Colour::Reset } else { Colour::Off }
}
