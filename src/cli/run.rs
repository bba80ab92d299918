//! `procman run`: a one-off command in the app's environment.

use std::ffi::OsString;

use crate::cli::args::{self, Common};
use crate::cli::error::Failure;
use crate::cli::load::App;
use crate::formation::{Formation, FormationError};
use crate::process::Exit;
use crate::procfile::ProcessType;
use crate::runtime::with_order;
use crate::sys::child::SpawnError;
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
    let types = app.types();
    let plan = app.plan_of_one_off(Formation::idle(&types))?;
    let invocation = plan.run(&arguments.command).map_err(Failure::Run)?;
    let not_run = |error| {
        let hint = hint(&error, &arguments.command, &types);
        Failure::Command(error, hint)
    };
    if std::process::id() != 1 {
        return with_order(&invocation, 0, |order| Err(not_run(child::replace_self(order))));
    }
    let inherited = startup::prepare().map_err(Failure::System)?;
    let pid = with_order(&invocation, inherited.open_files, child::spawn_foreground).map_err(not_run)?;
    guard::accompany(pid, grace, inherited.hangup).map_err(Failure::System)
}

/// Returns what one argument that is no program may have been meant to be.
fn hint(error: &SpawnError, command: &[OsString], types: &[ProcessType]) -> Option<String> {
    let [only] = command else { return None };
    if error.exit() != Exit::Code(127) {
        return None;
    }
    let only = only.to_str()?;
    if only.contains(' ') {
        return Some("one argument is one program; a shell is run by `procman run sh -c '...'`".to_owned());
    }
    match Formation::resolve(types, None, &[only.to_owned()]) {
        Err(FormationError::Unknown { nearest: Some(nearest), .. }) => {
            Some(format!("did you mean the entry `{nearest}`"))
        }
        Ok(_) | Err(_) => None,
    }
}
