//! `procman logs`: what instances have written, as `start` shows it.

use std::path::Path;
use std::time::Duration;

use jiff::Timestamp;

use crate::cli::args::{self, Common};
use crate::cli::client::{self, Connection};
use crate::cli::error::Failure;
use crate::cli::load;
use crate::cli::start::style;
use crate::cli::tail::{Choice, Kept, Tail};
use crate::cli::transcript::Transcript;
use crate::control::protocol::{Answer, Follow, Formation, Line, Request};
use crate::output::Style;
use crate::sys::stdio::{self, Waited, write_stderr};

/// When nothing has come for so long, what was there already has come.
const QUIET: Duration = Duration::from_millis(200);

/// How much is read ahead of what is shown where there is an end: who shows it may be a pager that nobody turns, and
/// procman keeps nothing for who does not read.
const AHEAD: usize = 64 * 1024 * 1024;

/// Shows lines until there are none any more, or until nobody wants to see them.
pub fn run(common: Common, logs: args::Logs) -> Result<i32, Failure> {
    let path = client::path(common.clone(), &logs.client)?;
    // Where the socket is named, there need not be an app here, and where the root is gone, there is none any more.
    let options = match load::place(logs.look.options().or(common.options())) {
        Ok((_, options)) => options,
        Err(Failure::NoRoot(_)) => logs.look.options(),
        Err(_) if logs.client.socket.is_some() => logs.look.options(),
        Err(failure) => return Err(failure),
    };
    let style = Style { width: width(&path)?, ..style(&options, 0)? };
    let now = Timestamp::now();
    let since = logs.since.map(|since| since.moment(now, &style.zone));
    let choice = Choice { grep: logs.grep.map(|pattern| pattern.0), since };
    let count = logs.lines.map(|count| count.0);
    let request = Request::Logs {
        names: logs.names,
        lines: count.filter(|_| choice.is_any()),
        follow: if logs.follow { Follow::On } else { Follow::Off },
    };
    let tail = count.filter(|_| !choice.is_any()).map(|count| Tail::new(count, now));
    let connection = Connection::ask(&path, request)?;
    let ahead = if logs.follow { 0 } else { AHEAD };
    Reader { connection, choice, tail, ahead, transcript: Transcript::new(style) }.show_all()
}

/// Returns how wide the names are, as [`name_width`](crate::formation::Formation::name_width) has it.
fn width(path: &Path) -> Result<usize, Failure> {
    let Formation { types, instances, .. } = client::formation(path, None)?;
    let digits = instances.iter().map(|instance| instance.number).max().unwrap_or(0).to_string().len();
    let widest = types.iter().map(|name| name.len() + 1 + digits).max().unwrap_or(0);
    Ok(widest.max(6))
}

struct Reader {
    connection: Connection,
    choice: Choice,
    /// The lines that wait until it is known which are the last ones.
    tail: Option<Tail>,
    /// How much waits to be written before it is.
    ahead: usize,
    transcript: Transcript,
}

/// Whether there is more to come.
enum Next {
    More,
    End,
}

impl Reader {
    fn show_all(mut self) -> Result<i32, Failure> {
        loop {
            while let Some(answer) = self.connection.arrived()? {
                if let Next::End = self.take(answer)? {
                    self.show_tail();
                    self.transcript.finish();
                    self.write()?;
                    return Ok(0);
                }
            }
            if self.transcript.batch().len() >= self.ahead
                && let Next::End = self.write()?
            {
                return Ok(0);
            }
            let patience = self.tail.as_ref().map(|_| QUIET);
            match stdio::wait_for(self.connection.stream(), patience) {
                Waited::NobodyReads => return Ok(0),
                Waited::Nothing => self.show_tail(),
                Waited::Readable if self.connection.read()? == 0 => {
                    self.show_tail();
                    self.transcript.finish();
                    self.write()?;
                    return Err(Failure::Gone);
                }
                Waited::Readable => {}
            }
        }
    }

    fn take(&mut self, answer: Answer) -> Result<Next, Failure> {
        match answer {
            Answer::Line(line) if self.choice.holds(&line) => self.keep(line),
            Answer::Line(line) => self.transcript.pass_over(&line),
            Answer::Skipped { process, lines } => {
                if let Some(text) = self.transcript.skip(&process, lines, Timestamp::now()) {
                    write_stderr(&text);
                }
            }
            Answer::Done {} | Answer::Finished { .. } => return Ok(Next::End),
            other @ (Answer::Refused { .. }
            | Answer::Formation(_)
            | Answer::Outcome(_)
            | Answer::Attached { .. }
            | Answer::Output { .. }
            | Answer::Missed { .. }
            | Answer::Ended { .. }) => return Err(client::unexpected(other)),
        }
        Ok(Next::More)
    }

    fn keep(&mut self, line: Line) {
        let Some(tail) = &mut self.tail else { return self.transcript.show(&line) };
        match tail.take(line) {
            Kept::Kept => {}
            Kept::New(line) => {
                self.show_tail();
                self.transcript.show(&line);
            }
        }
    }

    fn show_tail(&mut self) {
        for line in self.tail.take().map(Tail::into_lines).unwrap_or_default() {
            self.transcript.show(&line);
        }
    }

    /// Writes what is to be shown, until nobody wants it.
    fn write(&mut self) -> Result<Next, Failure> {
        let mut rest = self.transcript.batch();
        while !rest.is_empty() {
            match stdio::write_stdout(rest) {
                Ok(written) => rest = rest.get(written..).unwrap_or_default(),
                Err(error) if error.kind() == std::io::ErrorKind::BrokenPipe => return Ok(Next::End),
                Err(error) => return Err(Failure::Output(error)),
            }
        }
        self.transcript.clear_batch();
        Ok(Next::More)
    }
}
