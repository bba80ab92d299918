//! `procman check`: reads everything and says what is wrong with it.

use crate::cli::args::Common;
use crate::cli::error::Failure;
use crate::cli::load::App;
use crate::cli::print;
use crate::cli::start::style;

/// Says that everything is valid, or fails with every fault and warning.
pub fn run(common: Common) -> Result<i32, Failure> {
    let app = App::load(common.options())?;
    let names: Vec<String> = app.types().iter().map(ToString::to_string).collect();
    let mut failures = Vec::new();
    if !app.findings.is_empty() {
        failures.push(Failure::Faulty(app.findings.clone()));
    }
    failures.extend(style(&app.options, 0).err());
    // Of an empty Procfile all is said.
    if !app.entries.is_empty() {
        failures.extend(app.formation(&[]).and_then(|formation| app.plan(formation)).err());
    }
    if !failures.is_empty() {
        return Err(Failure::Several(failures));
    }
    print(&format!("valid procfile detected ({})\n", names.join(", ")))
}
