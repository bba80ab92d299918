//! Service directories of runit: each instance is one, with a log of its own.
//!
//! `LOCATION` is the directory that `runsvdir` looks at, or one from which they are linked there. `run` becomes the
//! process itself, in a session of its own (`chpst -P`), so that `control/t`, `control/k` and `finish` can signal its
//! group: runsv itself signals the first process alone, and never kills (runsv(8), <http://smarden.org/runit/runsv.8>).
//!
//! Variables are files that `chpst -e` reads before it drops root's rights, so only root has to be able to read them
//! (chpst(8), <http://smarden.org/runit/chpst.8>).

use crate::export::job::Job;
use crate::export::packed::{can_unpack, pack, unpacking};
use crate::export::refusal::{inexpressible, variable};
use crate::export::service::{Service, all, variables};
use crate::export::template::Templates;
use crate::export::{App, ExportError, File, Format};

/// Returns the files of all service directories: `shop-web-1/run` and its like.
pub fn render(app: &App, templates: &Templates) -> Result<Vec<File>, ExportError> {
    all(app, |job| service(app, job, templates))
}

const FORMAT: Format = Format::Runit;

fn service<'a>(app: &'a App, job: &Job<'a>, templates: &'a Templates) -> Result<Service<'a>, ExportError> {
    let packed: Vec<_> =
        app.variables.iter().filter(|(_, value)| is_packed(value)).map(|(name, _)| name.as_str()).collect();
    if let Some(name) = packed.iter().find(|name| !can_unpack(name)) {
        let why = "chpst drops the blanks at its end, and a shell cannot set a variable of this name";
        return Err(inexpressible(FORMAT, variable(name), why));
    }
    let command = unpacking(job.command, &packed);
    let mut service = Service::new(FORMAT, templates, app, job, command)?;
    service.program("run", "run")?;
    service.program("finish", "finish")?;
    service.program("control/t", "control-t")?;
    service.program("control/k", "control-k")?;
    service.program("log/run", "log-run")?;
    for (name, value) in variables(app, job) {
        service.variable(name, content(&value))?;
    }
    Ok(service)
}

/// Returns whether `chpst -e` would drop the end of a value.
fn is_packed(value: &str) -> bool {
    value.ends_with([' ', '\t'])
}

/// Returns a file whose first line is a value: NULs in it become line ends, and an empty file would be no variable.
fn content(value: &str) -> String {
    let value = if is_packed(value) { pack(value) } else { value.replace('\n', "\0") };
    format!("{value}\n")
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use super::render;
    use crate::export::app::tests::torture;
    use crate::export::template::Templates;
    use crate::export::tests::golden;
    use crate::export::{Format, s6};

    #[test]
    fn runit_is_as_it_was() {
        golden::check(Format::Runit, &render(&torture(), &Templates::built_in()).unwrap());
    }

    #[test]
    fn what_is_no_variable_in_a_directory_is_refused() {
        let long = "L".repeat(256);
        for (name, value, expected) in [
            (".A", "x", "files whose names begin with a full stop are not read"),
            (long.as_str(), "x", "its name is too long for a file"),
        ] {
            let mut app = torture();
            app.variables = vec![(name.to_owned(), value.to_owned())];
            for render in [render, s6::render] {
                let error = render(&app, &Templates::built_in()).unwrap_err().to_string();
                assert!(
                    error.starts_with(&format!("the variable `{name}` cannot be written for ")),
                    "{error}"
                );
                assert!(error.ends_with(expected), "{error}");
            }
        }
    }

    #[test]
    fn blanks_at_the_end_take_a_name_that_a_shell_can_set() {
        let mut app = torture();
        app.variables = vec![("a.b".to_owned(), "x ".to_owned())];
        let error = render(&app, &Templates::built_in()).unwrap_err().to_string();
        let expected = "the variable `a.b` cannot be written for runit: chpst drops the blanks at its end, and a shell \
                        cannot set a variable of this name";
        assert_eq!(error, expected);
        assert!(s6::render(&app, &Templates::built_in()).is_ok());
    }
}
