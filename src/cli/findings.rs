//! All that is wrong with the files that a user has written, and how it is told.

use std::fmt;
use std::path::{Path, PathBuf};

use crate::fault::{Fault, Severity};
use crate::quote::escaped_path;

/// All that is wrong with the files, in their order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Findings(Vec<Finding>);

#[derive(Clone, Debug, PartialEq, Eq)]
struct Finding {
    path: PathBuf,
    at: At,
    severity: Severity,
    text: String,
}

/// Where something is wrong.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum At {
    /// The file, which cannot be read.
    Unreadable,
    /// The file as a whole.
    File,
    /// Line and column.
    Column(usize, usize),
}

impl Findings {
    /// Returns whether nothing is wrong.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Returns whether one of them is a reason to stop.
    pub fn has_error(&self) -> bool {
        self.0.iter().any(|finding| finding.severity == Severity::Error)
    }

    /// Adds what is wrong at a place of a file.
    pub fn add(&mut self, path: &Path, at: At, severity: Severity, text: String) {
        self.0.push(Finding { path: path.to_path_buf(), at, severity, text });
    }

    /// Puts the findings of one file first, in the order of its lines.
    pub fn order(&mut self, path: &Path) {
        self.0.sort_by_key(|finding| match finding.at {
            At::Column(line, column) if finding.path == path => (0, line, column),
            At::Column(..) | At::File | At::Unreadable if finding.path == path => (1, 0, 0),
            At::Column(..) | At::File | At::Unreadable => (2, 0, 0),
        });
    }

    /// Adds the faults of a file that are errors.
    pub fn add_faults<Kind: fmt::Display>(&mut self, path: &Path, faults: &[Fault<Kind>]) {
        self.add_all(path, faults.iter().map(|fault| (At::of(fault), Severity::Error, &fault.kind)));
    }

    /// Adds the first faults of one file, errors before warnings where not all can be shown, and how many more there are.
    pub fn add_all<Kind: fmt::Display>(
        &mut self,
        path: &Path,
        faults: impl Iterator<Item = (At, Severity, Kind)> + Clone,
    ) {
        const MOST: usize = 20;
        let errors =
            faults.clone().filter(|(_, severity, _)| *severity == Severity::Error).take(MOST).count();
        let (mut room_for_errors, mut room_for_warnings) = (errors, MOST - errors);
        let (mut more, mut worst) = (0, Severity::Warning);
        for (at, severity, text) in faults {
            let room = match severity {
                Severity::Error => &mut room_for_errors,
                Severity::Warning => &mut room_for_warnings,
            };
            if *room > 0 {
                *room -= 1;
                self.add(path, at, severity, text.to_string());
            } else {
                more += 1;
                worst = worst.max(severity);
            }
        }
        if more > 0 {
            self.add(path, At::File, worst, format!("… and {more} more"));
        }
    }
}

impl At {
    /// Returns where a fault is.
    pub fn of<Kind>(fault: &Fault<Kind>) -> At {
        At::Column(fault.line, fault.column)
    }
}

impl fmt::Display for Findings {
    /// One line a finding: `procman: Procfile:3:5: no command after …`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, Finding { path, at, severity, text }) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            let path = escaped_path(path);
            match at {
                At::Unreadable => {
                    write!(f, "{gap}procman: cannot read `{path}`: {text}")?;
                    continue;
                }
                At::File => write!(f, "{gap}procman: {path}")?,
                At::Column(line, column) => write!(f, "{gap}procman: {path}:{line}:{column}")?,
            }
            match severity {
                Severity::Warning => write!(f, ": warning: {text}")?,
                Severity::Error => write!(f, ": {text}")?,
            }
        }
        Ok(())
    }
}
