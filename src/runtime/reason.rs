//! Why an instance has ended, where its shell cannot tell.
//!
//! A shell says of a script that it was not found when it is the script's interpreter that is missing.

use crate::formation::InstanceId;
use crate::plan::Plan;
use crate::process::Exit;
use crate::sys::interpreter::{Missing, Search};

/// Returns the line about an end. Only what can be seen now is said, and nothing is guessed from the code.
pub fn of_end(plan: &Plan, id: &InstanceId, exit: Exit) -> String {
    let missing = if exit == Exit::Code(127) { missing(plan, id) } else { None };
    missing.map_or_else(|| exit.to_string(), |missing| format!("{exit}: {missing}"))
}

fn missing(plan: &Plan, id: &InstanceId) -> Option<Missing> {
    let (program, invocation) = (plan.program(&id.process)?, plan.instance(id)?);
    Search::new(&invocation.directory, invocation.environment.iter()).missing(program.as_ref())
}
