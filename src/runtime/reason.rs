//! Why an instance has ended, where its shell cannot tell.
//!
//! A shell says of a script that it was not found when it is the script's interpreter that is missing.

use std::ffi::OsStr;

use crate::formation::InstanceId;
use crate::plan::Plan;
use crate::process::Exit;
use crate::quote::escaped_path;
use crate::sys::interpreter::{self, Missing};

/// Returns the line about an end. Only what can be seen now is said, and nothing is guessed from the code.
pub fn of_end(plan: &Plan, id: &InstanceId, exit: Exit) -> String {
    let missing = if exit == Exit::Code(127) { missing(plan, id) } else { None };
    missing.map_or_else(
        || exit.to_string(),
        |Missing { program, interpreter }| {
            let (program, interpreter) = (escaped_path(&program), escaped_path(&interpreter));
            format!("{exit}: the interpreter `{interpreter}` of `{program}` was not found")
        },
    )
}

fn missing(plan: &Plan, id: &InstanceId) -> Option<Missing> {
    let program = plan.program(&id.process)?;
    let invocation = plan.instance(id)?;
    let path = invocation.environment.iter().find(|(name, _)| *name == "PATH").map(|(_, value)| value);
    interpreter::missing(OsStr::new(program), &invocation.directory, path)
}
