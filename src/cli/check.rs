//! `procman check`: reads everything and says what is wrong with it.

use crate::cli::args::Common;
use crate::cli::error::Failure;
use crate::cli::load::App;
use crate::cli::print;

/// Says that everything is valid, or fails with every fault and warning.
pub fn run(common: Common) -> Result<i32, Failure> {
    let app = App::load(common.options())?;
    if !app.findings.is_empty() {
        return Err(Failure::Faulty(app.findings));
    }
    let names: Vec<String> = app.types().iter().map(ToString::to_string).collect();
    let formation = app.formation(&[])?;
    app.plan(formation)?;
    print(&format!("valid procfile detected ({})\n", names.join(", ")))
}
