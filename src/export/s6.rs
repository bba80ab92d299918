//! Service directories of s6: each instance is one, with a log of its own.
//!
//! They are for a scan directory rather than for s6-rc: a formation has no dependencies, which s6-rc is about, not every
//! system that has s6 has s6-rc, and what s6-rc compiles cannot be used as it is. A scan directory is read by every
//! `s6-svscan`, that of s6-rc and of s6-overlay included.
//!
//! `s6-supervise` makes `run` the leader of a session, signals it with `down-signal` and kills it after `timeout-kill`,
//! but tells nothing to the rest of its group: `finish` does that (<https://skarnet.org/software/s6/servicedir.html>).
//! Variables are files that `s6-envdir -f` reads as they are, before root's rights are dropped
//! (<https://skarnet.org/software/s6/s6-envdir.html>).

use crate::export::job::Job;
use crate::export::service::{Service, all, variables};
use crate::export::supervision::signal_word;
use crate::export::template::Templates;
use crate::export::{Access, App, ExportError, File, Format};

/// Returns the files of all service directories: `shop-web-1/run` and its like.
pub fn render(app: &App, templates: &Templates) -> Result<Vec<File>, ExportError> {
    all(app, |job| service(app, job, templates))
}

fn service<'a>(app: &'a App, job: &Job<'a>, templates: &'a Templates) -> Result<Service<'a>, ExportError> {
    let mut service = Service::new(Format::S6, templates, app, job, job.command.to_owned())?;
    service.program("run", "run")?;
    service.program("finish", "finish")?;
    service.program("log/run", "log-run")?;
    service.file("down-signal", format!("{}\n", signal_word(job.stop_signal)), Access::Public);
    // Milliseconds, of which 0 would be for ever.
    let grace = job.grace.as_millis().max(1);
    service.file("timeout-kill", format!("{grace}\n"), Access::Public);
    // `finish` counts in whole seconds, and kills in time.
    service.file("timeout-finish", format!("{}\n", grace + 3000), Access::Public);
    for (name, value) in variables(app, job) {
        // The last line end is not part of the value, and an empty file would be no variable.
        service.variable(name, format!("{value}\n"))?;
    }
    Ok(service)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::time::Duration;

    use super::render;
    use crate::export::Format;
    use crate::export::app::tests::{torture, torture_in};
    use crate::export::template::Templates;
    use crate::export::tests::golden;

    #[test]
    fn s6_is_as_it_was() {
        golden::check(Format::S6, &render(&torture(), &Templates::built_in()).unwrap());
    }

    #[test]
    fn the_grace_period_is_never_for_ever() {
        let app = torture_in(Duration::ZERO);
        let files = render(&app, &Templates::built_in()).unwrap();
        let kill = files.iter().find(|file| file.path.ends_with("shop-web-1/timeout-kill")).unwrap();
        assert_eq!(kill.content, "1\n");
    }
}
