//! What the plan says of an instance, in the terms of what starts it.

use std::ffi::OsStr;

use crate::plan::{Invocation, Program};
use crate::sys::child::Order;

/// Hands an invocation, as an order to start it, to `start`.
pub fn with_order<T>(invocation: &Invocation, open_files: u64, start: impl FnOnce(&Order<'_>) -> T) -> T {
    let environment: Vec<_> = invocation.environment.iter().collect();
    let (program, arguments) = match &invocation.program {
        Program::Shell(command) => (OsStr::new("/bin/sh"), vec![OsStr::new("-c"), OsStr::new(command)]),
        Program::Direct { program, arguments } => {
            (program.as_os_str(), arguments.iter().map(AsRef::as_ref).collect())
        }
    };
    let words = invocation.words();
    let words: Option<Vec<_>> = words.as_ref().map(|words| words.iter().map(AsRef::as_ref).collect());
    start(&Order {
        program,
        arguments: &arguments,
        words: words.as_deref(),
        directory: &invocation.directory,
        environment: &environment,
        open_files,
    })
}
