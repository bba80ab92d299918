//! `procman check`: reads everything and says what is wrong with it.

use crate::cli::args::{self, Common};
use crate::cli::error::Failure;
use crate::cli::explain::{self, Explained};
use crate::cli::load::App;
use crate::cli::start::{style, wait_for_services};
use crate::cli::{print, variables_of_start};
use crate::formation::Formation;

/// Says that everything is valid, and perhaps what it means, or fails with every fault and warning.
pub fn run(common: Common, check: &args::Check) -> Result<i32, Failure> {
    let app = App::load(variables_of_start()?.or(common.options()))?;
    let options = app.options.clone();
    let names: Vec<String> = app.types().iter().map(ToString::to_string).collect();
    let mut failures = Vec::new();
    if !app.findings.is_empty() {
        failures.push(Failure::Faulty(app.findings.clone()));
    }
    failures.extend(style(&app.options, 0).err());
    let (ptys, unsaid) = (app.ptys(), app.unsaid());
    let mut explained = String::new();
    // Of an empty Procfile all is said.
    if !app.entries.is_empty() {
        let formation = app.formation(&[]).unwrap_or_else(|failure| {
            failures.push(failure);
            Formation::idle(&app.types())
        });
        match app.plan(formation) {
            Ok(mut plan) if check.explain => {
                let patience = options.patience();
                let own = wait_for_services(&mut plan, &options);
                explained = explain::text(&Explained { plan: &plan, patience, ptys: &ptys, unsaid: &unsaid });
                explained.extend(own.iter().map(|notice| format!("\n{notice}\n")));
            }
            Ok(_) => {}
            Err(failure) => failures.push(failure),
        }
    }
    if !failures.is_empty() {
        return Err(Failure::Several(failures));
    }
    print(&format!("valid procfile detected ({})\n{explained}", names.join(", ")))
}
