//! `procman run`: a one-off command in the app's environment.

use crate::cli::args::{self, Common};
use crate::cli::error::Failure;
use crate::cli::load::App;
use crate::formation::Formation;
use crate::runtime::with_order;
use crate::sys::stdio::write_stderr;
use crate::sys::{child, guard, startup};

/// Becomes the command. As PID 1 it stays as the command's parent, for somebody has to reap and to obey.
pub fn run(common: Common, arguments: &args::Run) -> Result<i32, Failure> {
    let app = App::load(common.options())?;
    let warnings = app.warnings()?;
    if !warnings.is_empty() {
        write_stderr(&warnings.to_string());
    }
    let grace = app.options.timeout.unwrap_or_default().0;
    let nothing = Formation::idle(&app.types());
    let plan = app.plan(nothing)?;
    let invocation = plan.run(&arguments.command).map_err(Failure::Run)?;
    if std::process::id() != 1 {
        return with_order(&invocation, 0, |order| Err(Failure::Command(child::replace_self(order))));
    }
    let inherited = startup::prepare().map_err(Failure::System)?;
    let pid =
        with_order(&invocation, inherited.open_files, child::spawn_foreground).map_err(Failure::Command)?;
    guard::accompany(pid, grace, inherited.hangup).map_err(Failure::System)
}
