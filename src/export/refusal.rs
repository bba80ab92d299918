//! What formats refuse rather than mangle, in the words that they share.

use std::path::Path;

use crate::export::{ExportError, Format};

/// Returns the error that says why `what` cannot be written.
pub fn inexpressible(format: Format, what: impl Into<String>, why: impl Into<String>) -> ExportError {
    ExportError::Inexpressible { format, what: what.into(), why: why.into() }
}

/// Returns how a variable is called in an error.
pub fn variable(name: &str) -> String {
    format!("the variable `{name}`")
}

/// Returns a path as text, which all files are; `what` it is the path of goes into the error.
pub fn path<'a>(format: Format, what: &str, path: &'a Path) -> Result<&'a str, ExportError> {
    path.to_str().ok_or_else(|| inexpressible(format, what, "it is not UTF-8"))
}
