//! `procman ps`: how every instance is.

use std::path::Path;
use std::time::{Duration, Instant};

use crate::cli::args::{self, Common};
use crate::cli::client;
use crate::cli::error::Failure;
use crate::cli::print;
use crate::cli::table::{self, Before};
use crate::control::protocol::Formation;
use crate::control::wire;
use crate::sys::stdio::{Waited, pause, write_stderr};
use crate::sys::terminal::{self, TerminalSize};

/// How often it looks.
const PAUSE: Duration = Duration::from_secs(2);

/// Shows the formation, once or again and again.
pub fn run(common: Common, ps: &args::Ps) -> Result<i32, Failure> {
    let path = client::path(common, &ps.client)?;
    let first = client::formation(&path, None)?;
    if ps.watch { watch(&path, first, ps.json) } else { print(&text(&first, None, ps.json)) }
}

fn text(formation: &Formation, before: Option<&Before>, json: bool) -> String {
    if json {
        String::from_utf8_lossy(&wire::encode(formation)).into_owned()
    } else {
        table::render(formation, before)
    }
}

/// Shows the formation every two seconds until it has ended or nobody reads any more, each table in the place of the one
/// before on a terminal.
///
/// Nothing of the terminal is changed for that, so whatever ends this leaves it as it was.
fn watch(path: &Path, mut formation: Formation, json: bool) -> Result<i32, Failure> {
    let redraws = terminal::understands_sequences() && !json;
    // The first look has nothing before it, but has the same columns.
    let mut before = Before { ago: f64::INFINITY, used: Default::default() };
    let mut first = true;
    loop {
        let looked = Instant::now();
        let table = text(&formation, Some(&before), json);
        let clear = if first { "\x1b[H\x1b[2J" } else { "\x1b[H" };
        first = false;
        print(&if redraws { format!("{clear}{}", over(&table, terminal::size())) } else { table })?;
        if !redraws && !json {
            print("\n")?;
        }
        if pause(PAUSE) == Waited::NobodyReads {
            return Ok(0);
        }
        let used = table::used(&formation);
        formation = match client::formation(path, None) {
            Ok(formation) => formation,
            Err(Failure::NothingRuns | Failure::Gone) => {
                write_stderr("procman: the formation has ended");
                return Ok(0);
            }
            Err(failure) => return Err(failure),
        };
        before = Before { ago: looked.elapsed().as_secs_f64(), used };
    }
}

/// Returns the table so that it covers another one, and no more of it than the terminal has room for: a line that is
/// wider would take two of its rows, and the heading would scroll away.
fn over(table: &str, size: Option<TerminalSize>) -> String {
    let room = size.map_or(usize::MAX, |size| usize::from(size.rows).saturating_sub(1));
    let width = size.map_or(usize::MAX, |size| usize::from(size.columns));
    let lines = table.lines().count();
    let shown = if lines > room { room.saturating_sub(1) } else { lines };
    let rest = (shown < lines).then(|| format!("… and {} more lines", lines - shown));
    let mut text = String::new();
    for line in table.lines().take(shown).chain(rest.as_deref()) {
        // Behind a line that fills its row, this would take its last character away.
        text.push_str("\x1b[K");
        text.extend(line.chars().take(width));
        text.push('\n');
    }
    text.push_str("\x1b[J");
    text
}

#[cfg(test)]
mod tests {
    use super::over;
    use crate::sys::terminal::TerminalSize;

    /// A row that was wider than the terminal took two of its rows, and the heading scrolled away.
    #[test]
    fn a_table_never_takes_more_rows_than_the_terminal_has() {
        let table = "NAME  STATE\nbackground-worker.1  running\nweb.1  down\n";
        let size = |rows, columns| Some(TerminalSize { rows, columns });
        for (size, expected) in [
            (None, &["NAME  STATE", "background-worker.1  running", "web.1  down"][..]),
            (size(24, 11), &["NAME  STATE", "background-", "web.1  down"]),
            (size(3, 40), &["NAME  STATE", "… and 2 more lines"]),
            (size(3, 7), &["NAME  S", "… and 2"]),
        ] {
            let lines: String = expected.iter().map(|line| format!("\x1b[K{line}\n")).collect();
            assert_eq!(over(table, size), format!("{lines}\x1b[J"));
        }
    }
}
