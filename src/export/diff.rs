//! What an export would change, as a unified diff that `patch` understands.
//!
//! What is in a file that holds secrets is not shown, only that it differs.

use similar::TextDiff;

use crate::export::manifest::{Changes, Removal, Write};
use crate::quote::escaped_path;

/// Returns the whole difference; nothing where there is none.
pub fn unified(changes: &Changes) -> String {
    let removed = changes.remove.iter().map(of_removal);
    removed.chain(changes.write.iter().map(of_write)).collect()
}

fn of_write(write: &Write) -> String {
    let path = escaped_path(&write.file.path);
    let before = write.before.map(|before| String::from_utf8_lossy(before.content));
    let is_secret =
        write.file.access.is_secret() || write.before.is_some_and(|before| is_secret(before.mode));
    let text = match (&before, is_secret) {
        (None, true) => format!("Only in the export: {path} (not shown: it holds secrets)\n"),
        (Some(before), true) if *before != write.file.content => {
            format!("Files a/{path} and b/{path} differ (not shown: they hold secrets)\n")
        }
        (None, false) => hunks("/dev/null", "", &format!("b/{path}"), &write.file.content),
        (Some(before), _) => hunks(&format!("a/{path}"), before, &format!("b/{path}"), &write.file.content),
    };
    let mode = write.before.map(|before| before.mode).filter(|mode| !write.file.access.is_met_by(*mode));
    let mode = mode.map(|mode| format!("mode of {path}: {mode:04o} -> {:04o}\n", write.file.access.mode()));
    mode.unwrap_or_default() + &text
}

fn of_removal(removal: &Removal) -> String {
    let path = escaped_path(removal.path);
    if is_secret(removal.before.mode) {
        return format!("Only in the location: {path} (not shown: it holds secrets)\n");
    }
    let before = String::from_utf8_lossy(removal.before.content);
    hunks(&format!("a/{path}"), &before, "/dev/null", "")
}

/// Returns whether others were not meant to read what has this mode.
fn is_secret(mode: u32) -> bool {
    mode & 0o004 == 0
}

fn hunks(old_name: &str, old: &str, new_name: &str, new: &str) -> String {
    TextDiff::from_lines(old, new).unified_diff().header(old_name, new_name).to_string()
}
