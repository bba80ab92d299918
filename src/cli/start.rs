//! `procman start`: runs a formation until it ends or is told to stop.

use std::env;
use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::path::Path;

use crate::cli::args::{self, Common, Origin};
use crate::cli::client::usual_place;
use crate::cli::error::{self, Failure};
use crate::cli::foreground::{self, Beginning};
use crate::cli::load::App;
use crate::cli::{command, print};
use crate::config::{ByteSize, ColorChoice, Flag, LogFormat, Options, PtyChoice, Socket, Timestamp};
use crate::formation::{FormationError, left_out};
use crate::output::{Colour, Format, Returns, Stamp, Style};
use crate::plan::Plan;
use crate::runtime::history::History;
use crate::runtime::pump::READ;
use crate::runtime::{self, Failed, Job, Outcome, Wanted};
use crate::supervisor::{Audience, Settings};
use crate::sys::guard::{self, Side};
use crate::sys::link::Peer;
use crate::sys::logfile::LogFile;
use crate::sys::lot::draw;
use crate::sys::service_manager::ServiceManager;
use crate::sys::socket::{self, BindError, Listener};
use crate::sys::stdio::{stdout_is_terminal, write_stderr, write_stderr_unless_stuck};
use crate::sys::{daemon, startup, zone};

/// How many bytes of each instance's output are kept: as many as the pump reads at once of a flood, which is the least
/// that can be kept of it without a copy.
const HISTORY: usize = READ;

/// Runs the formation, and returns what procman exits with.
pub fn run(common: Common, start: args::Start) -> Result<i32, Failure> {
    startup::stop_ignoring_requests();
    let app = App::load(start.options().or(common.options()))?;
    let warnings = app.warnings()?;
    if !warnings.is_empty() {
        write_stderr(&warnings.to_string());
    }
    let formation = app.formation(&start.names).map_err(|failure| misplaced(failure, &start.names))?;
    if start.size.origin == Origin::CommandLine
        && let Some(left_out) =
            start.options().formation.as_deref().and_then(|text| left_out(text, &start.names))
    {
        return Err(Failure::LeftOut(left_out));
    }
    let beginning = foreground::wanted(&start, &formation, |process| app.pty(process))?;
    let width = formation.name_width();
    style(&app.options, width)?;
    let mut notices = Vec::new();
    if formation.release_skipped() {
        notices
            .push("`release` is left out: it runs when asked for, as `procman run release` does".to_owned());
    }
    if start.log_file.is_some() && !start.daemon {
        write_stderr("procman: warning: `--log-file` is for `--daemon`, and is not written");
    }
    let log_file = open_log_file(&app.options, start.daemon)?;
    let options = app.options.clone();
    let ptys = app.ptys();
    let mut plan = app.plan(formation)?;
    notices.extend(wait_for_services(&mut plan, &options));
    let missing = plan.missing();
    notices.extend(
        missing
            .iter()
            .map(|(process, needed)| format!("{process} needs {needed}, which this formation does not have")),
    );

    // Everything that the user has written is in order.
    let (log_file, output) = log_file.unzip();
    let mut starter = None;
    if start.daemon {
        match daemon::detach(output).map_err(Failure::System)? {
            daemon::Side::Starter(pid) => {
                let how = if options.socket == Some(Socket::Off) { "; only a signal ends it" } else { "" };
                return print(&format!("runs in the background as process {pid}{how}\n"));
            }
            daemon::Side::Ended(exit) => return Ok(exit.status()),
            daemon::Side::Background(waiting) => starter = Some(waiting),
        }
    }
    let listener = match listen(&options, plan.root()) {
        // In the background there is no other way to reach it.
        Err(Failure::Socket(error)) if !matches!(error, BindError::Taken { .. }) && starter.is_none() => {
            if options.socket.is_some() {
                return Err(Failure::Socket(error));
            }
            notices.push(format!("nobody can talk to this procman: {error}"));
            None
        }
        listened => listened?,
    };
    if let Some(listener) = &listener {
        plan.set_socket(listener.path());
    }
    // Whether standard output is a terminal is certain only now.
    let style = style(&options, width)?;
    let wanted = ptys.into_iter().map(|(process, pty)| (process, wanted(pty))).collect();
    let history = options.log_buffer.map_or(HISTORY, |size| usize::try_from(size.0).unwrap_or(HISTORY));
    let grace = options.timeout.unwrap_or_default().0;
    let inherited = startup::prepare().map_err(Failure::System)?;
    let (custody, foreground) = beginning.map(Beginning::prepare).transpose()?.unzip();
    // The one that knows this process. In the background it is one that no manager has started.
    let manager = ServiceManager::of_environment().filter(|_| starter.is_none());
    let audience = if manager.is_some() { Audience::Supervisor } else { Audience::Nobody };
    let feeding = manager.as_ref().and_then(ServiceManager::feeding_interval);
    // What a supervisor that is killed leaves is of all types, and the guard knows none.
    let split = guard::split(plan.longest_grace(), inherited.hangup, custody, manager);
    let (guard, link) = match split.map_err(Failure::System)? {
        Side::Guard(status) => {
            // It has let go of every descriptor, these too.
            std::mem::forget((log_file, starter, listener, foreground));
            return Ok(status);
        }
        Side::Supervisor(guard, link) => (guard, link),
    };
    let job = Job {
        plan: &plan,
        settings: Settings {
            grace,
            policies: plan.policies().clone(),
            patience: options.patience(),
            audience,
            // Not by the process's number, which is the same in all containers of an image.
            seed: Some(draw()),
        },
        style,
        wanted,
        log_file,
        starter,
        explain: error::spawn,
        listener,
        foreground,
        history: History::new(history),
        notices,
        inherited,
        feeding,
        guard,
        link,
    };
    finish(runtime::run(job))
}

/// Returns what procman exits with once its formation has ended, however it has.
fn finish(outcome: Result<Outcome, Failed>) -> Result<i32, Failure> {
    let outcome = outcome.map_err(|failed| match failed {
        Failed::System(error) => Failure::System(error),
        Failed::OpenFiles(shortage) => Failure::OpenFiles(shortage),
    })?;
    let Outcome { mut status, failure, reason, dropped, guard, deadline, signals } = outcome;
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
        Some(_) | None => {
            reason.iter().for_each(|reason| write_stderr(&format!("procman: {reason}")));
            Ok(status)
        }
    }
}

/// Listens where clients of this app look for it, unless nobody is to be listened to.
///
/// Done before procman becomes two processes: so the system names the one that the user has started to who connects.
fn listen(options: &Options, root: &Path) -> Result<Option<Listener>, Failure> {
    let listened = match &options.socket {
        Some(Socket::Off) => return Ok(None),
        Some(Socket::At(path)) => {
            socket::listen_at(&std::path::absolute(path).map_err(Failure::WorkingDirectory)?)
        }
        None => {
            // One that has vanished meanwhile will be named by the first spawn.
            let root = std::fs::canonicalize(root).unwrap_or_else(|_| root.to_owned());
            let (directory, name) = usual_place(&root);
            socket::listen_in(&directory, &name)
        }
    };
    listened.map(Some).map_err(Failure::Socket)
}

/// Lets all types wait for the services of variables if the options say so, and returns what is to be said about it.
pub fn wait_for_services(plan: &mut Plan, options: &Options) -> Vec<String> {
    if options.wait_services != Some(Flag(true)) {
        return Vec::new();
    }
    let own = plan.wait_for_services().into_iter();
    own.map(|name| format!("nothing waits for {name}: it is a port of this formation")).collect()
}

/// Returns the failure with what may be behind it: a value that was written as a name, behind an option that takes one
/// only with a `=`.
fn misplaced(failure: Failure, names: &[String]) -> Failure {
    let Failure::Formation(error @ (FormationError::Unknown { .. } | FormationError::NoName { .. })) =
        failure
    else {
        return failure;
    };
    let command = command();
    let options = command.find_subcommand("start").into_iter().flat_map(clap::Command::get_arguments);
    let options = options.filter(|option| option.is_require_equals_set()).filter_map(clap::Arg::get_long);
    let options: Vec<String> = options.map(|option| format!("--{option}")).collect();
    let arguments: Vec<OsString> = env::args_os().collect();
    let pairs = arguments.iter().zip(arguments.iter().skip(1));
    let mut given =
        pairs.filter(|(_, value)| names.iter().any(|name| *value == name.as_str())).map(|(option, _)| option);
    match given.find_map(|given| options.iter().find(|option| given == option.as_str())) {
        Some(option) => Failure::Misplaced(error, option.clone()),
        None => Failure::Formation(error),
    }
}

/// Returns what the instances of a type are to write to.
fn wanted(choice: PtyChoice) -> Wanted {
    match choice {
        PtyChoice::Always => Wanted::Terminals,
        PtyChoice::Auto if stdout_is_terminal() => Wanted::Terminals,
        PtyChoice::Auto | PtyChoice::Never => Wanted::Pipes,
    }
}

/// Opens the file that a formation in the background writes to, if it does.
fn open_log_file(options: &Options, daemon: bool) -> Result<Option<(LogFile, File)>, Failure> {
    const MOST: ByteSize = ByteSize(10 << 20);
    let Some(path) = options.log_file.as_ref().filter(|_| daemon) else { return Ok(None) };
    let most = options.log_size.unwrap_or(MOST).0;
    LogFile::open(path, most).map(Some).map_err(|error| Failure::LogFile(path.clone(), error))
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
    let returns = if stdout_is_terminal() { Returns::Prefixed } else { Returns::Kept };
    Ok(Style { format, colour: colour(options.color), returns, stamp, zone, width })
}

fn colour(choice: Option<ColorChoice>) -> Colour {
    match choice.unwrap_or_default() {
        ColorChoice::Always => Colour::On,
        ColorChoice::Never => no_colour(),
        ColorChoice::Auto => colour_of_environment(),
    }
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
