//! What `ps` shows: a formation as a table that fits into 80 columns.
//!
//! Pure: what it shows is all in its arguments.

use std::collections::BTreeMap;

use crate::control::protocol::{Formation, Instance, State};
use crate::quote::{escaped, excerpt};

/// The seconds of processor that each instance had used when it was looked at before, by name and pid, and how many
/// seconds ago that was.
#[derive(Clone, Debug, PartialEq)]
pub struct Before {
    /// How long ago, in seconds.
    pub ago: f64,
    /// What was used.
    pub used: BTreeMap<(String, i32), f64>,
}

/// How a column is aligned.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Align {
    Left,
    Right,
}

/// Returns what a look at the formation shows of the use of processors.
pub fn used(formation: &Formation) -> BTreeMap<(String, i32), f64> {
    let of = |instance: &Instance| Some(((instance.name.clone(), instance.pid?), instance.cpu?));
    let mut used = BTreeMap::new();
    used.extend(formation.instances.iter().filter_map(of));
    used
}

/// Returns the table, each line with its newline. `before` adds a column for what the processors do now.
pub fn render(formation: &Formation, before: Option<&Before>) -> String {
    let mut head = vec!["NAME", "STATE", "PID", "PORT", "UPTIME", "RESTARTS", "CPU"];
    head.extend(before.map(|_| "%CPU"));
    head.extend(["MEM", "LAST EXIT"]);
    let mut rows: Vec<Vec<String>> = vec![head.into_iter().map(str::to_owned).collect()];
    rows.extend(formation.instances.iter().map(|instance| row(instance, before)));
    let mut text = aligned(&rows);
    text.push_str(&waits(&formation.instances));
    let says = |one: &Instance| Some(format!("{}: {}\n", excerpt(&one.name), excerpt(one.status.as_ref()?)));
    text.extend(formation.instances.iter().filter_map(says));
    let is_idle = |name: &&String| !formation.instances.iter().any(|instance| instance.process == **name);
    let idle: Vec<String> = formation.types.iter().filter(is_idle).map(|name| excerpt(name)).collect();
    if !idle.is_empty() {
        text.push_str(&format!("no instances: {}\n", idle.join(", ")));
    }
    if formation.stopping {
        text.push_str("the formation is being stopped\n");
    }
    text
}

fn row(instance: &Instance, before: Option<&Before>) -> Vec<String> {
    let or_none = |text: Option<String>| text.unwrap_or_else(|| "-".to_owned());
    let mut row = vec![
        excerpt(&instance.name),
        state(instance).to_owned(),
        or_none(instance.pid.map(|pid| pid.to_string())),
        or_none(instance.port.map(|port| port.to_string())),
        or_none(instance.uptime.map(duration).or_else(|| instance.returns_in.map(pause))),
        instance.restarts.to_string(),
        or_none(instance.cpu.map(processor)),
    ];
    row.extend(before.map(|before| or_none(percent(instance, before))));
    row.push(or_none(instance.memory.map(size)));
    row.push(or_none(instance.last_exit.as_deref().map(exit)));
    row
}

/// Returns the rows as text. Between columns are two blanks; the last is not padded.
fn aligned(rows: &[Vec<String>]) -> String {
    use Align::{Left, Right};
    let columns = rows.first().map_or(0, Vec::len);
    let width = |column: usize| {
        let cells = rows.iter().filter_map(|row: &Vec<String>| row.get(column));
        cells.map(|cell: &String| cell.chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<usize> = (0..columns).map(width).collect();
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (column, cell) in row.iter().enumerate() {
            let align = if column < 2 || column + 1 == columns { Left } else { Right };
            let gap = if column == 0 { "" } else { "  " };
            let width = widths.get(column).copied().unwrap_or(0);
            line.push_str(&match align {
                Left => format!("{gap}{cell:width$}"),
                Right => format!("{gap}{cell:>width$}"),
            });
        }
        text.push_str(line.trim_end());
        text.push('\n');
    }
    text
}

/// Returns the state of an instance in one word.
pub fn state(instance: &Instance) -> &'static str {
    match (instance.state, instance.ready) {
        (State::Waiting, _) => "waiting",
        (State::Starting, _) => "starting",
        (State::Running, Some(false)) => "unready",
        (State::Running, Some(true) | None) => "running",
        (State::Stopping, _) => "stopping",
        (State::BackingOff, _) => "backing-off",
        (State::Down, Some(true)) => "done",
        (State::Down, Some(false) | None) => "down",
    }
}

/// Returns what instances wait for, those of one type that wait for the same in one line.
fn waits(instances: &[Instance]) -> String {
    let mut lines: Vec<String> = Vec::new();
    for one in instances.iter().filter(|one| !one.waits_for.is_empty()) {
        let needs: Vec<String> = one.waits_for.iter().map(|need| escaped(need)).collect();
        let line = format!("{} waits for {}\n", excerpt(&one.process), needs.join(", "));
        if !lines.contains(&line) {
            lines.push(line);
        }
    }
    lines.concat()
}

/// Returns how an instance ended in few words: `code 1`, `SIGKILL`.
fn exit(text: &str) -> String {
    let short = text.strip_prefix("exited with ").or_else(|| text.strip_prefix("terminated by "));
    escaped(short.unwrap_or(text))
}

/// Returns `9s`, `3m12s`, `2h05m` or `4d03h`.
fn duration(seconds: f64) -> String {
    // A count of seconds from somebody else; as a float it saturates.
    let seconds = seconds.max(0.0) as u64;
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    match (minutes, hours, days) {
        (0, ..) => format!("{seconds}s"),
        (_, 0, _) => format!("{minutes}m{:02}s", seconds % 60),
        (_, _, 0) => format!("{hours}h{:02}m", minutes % 60),
        (..) => format!("{days}d{:02}h", hours % 24),
    }
}

/// Returns when an instance returns that backs off. What is left of a second counts as one, so that the last is not 0.
fn pause(seconds: f64) -> String {
    format!("in {}", duration(seconds.ceil()))
}

/// Returns a time of processors, of which the first seconds are worth a fraction.
fn processor(seconds: f64) -> String {
    if seconds < 9.95 { format!("{:.1}s", seconds.max(0.0)) } else { duration(seconds) }
}

/// Returns how much of one processor an instance has used since it was looked at before.
fn percent(instance: &Instance, before: &Before) -> Option<String> {
    let used = before.used.get(&(instance.name.clone(), instance.pid?))?;
    let share = (instance.cpu? - used).max(0.0) / before.ago;
    (share.is_finite()).then(|| format!("{:.0}%", share * 100.0))
}

/// Returns a number of bytes as `512K`, `41M` or `1.2G`.
fn size(bytes: u64) -> String {
    let mut number = bytes as f64 / 1024.0;
    for unit in ["K", "M", "G", "T"] {
        if number < 1023.5 {
            return if number < 9.95 && unit != "K" {
                format!("{number:.1}{unit}")
            } else {
                format!("{number:.0}{unit}")
            };
        }
        number /= 1024.0;
    }
    format!("{number:.0}P")
}

#[cfg(test)]
mod tests {
    use super::{Before, duration, processor, render, size, used};
    use crate::control::protocol::{Formation, Instance, State};

    fn instance(name: &str, number: u32, state: State, pid: Option<i32>) -> Instance {
        Instance {
            name: format!("{name}.{number}"),
            process: name.to_owned(),
            number,
            state,
            ready: None,
            waits_for: Vec::new(),
            returns_in: None,
            status: None,
            pid,
            uptime: pid.map(|_| 192.4),
            restarts: 0,
            port: Some(5000),
            cpu: pid.map(|_| 1.25),
            memory: pid.map(|_| 43_000_000),
            last_exit: None,
            terminal: false,
        }
    }

    fn formation(instances: Vec<Instance>) -> Formation {
        Formation {
            pid: 7,
            root: "/app".to_owned(),
            stopping: false,
            types: ["web", "worker", "clock"].map(str::to_owned).to_vec(),
            instances,
        }
    }

    #[test]
    fn a_formation_is_a_table() {
        let web = instance("web", 1, State::Running, Some(417));
        let mut worker = instance("worker", 1, State::BackingOff, None);
        worker.restarts = 3;
        worker.returns_in = Some(29.2);
        worker.port = Some(5100);
        worker.last_exit = Some("exited with code 1".to_owned());
        let mut other = instance("worker", 12, State::Stopping, Some(4_194_304));
        other.last_exit = Some("terminated by SIGKILL".to_owned());
        other.uptime = Some(97_200.0);
        other.memory = None;
        let text = render(&formation(vec![web, worker, other]), None);
        let expected = "\
NAME       STATE            PID  PORT  UPTIME  RESTARTS   CPU  MEM  LAST EXIT
web.1      running          417  5000   3m12s         0  1.2s  41M  -
worker.1   backing-off        -  5100  in 30s         3     -    -  code 1
worker.12  stopping     4194304  5000   1d03h         0  1.2s    -  SIGKILL
no instances: clock
";
        assert_eq!(text, expected, "\n{text}");
        assert!(text.lines().all(|line| line.chars().count() <= 80));
    }

    #[test]
    fn what_is_not_ready_is_told_with_what_it_waits_for() {
        let needs = ["db", "DATABASE_URL (localhost:5432)"].map(str::to_owned);
        let mut instances = vec![
            instance("db", 1, State::Running, Some(417)),
            instance("web", 1, State::Waiting, None),
            instance("web", 2, State::Waiting, None),
            instance("web", 3, State::Waiting, None),
            instance("worker", 1, State::Running, Some(418)),
            instance("migrate", 1, State::Down, None),
        ];
        let ready = [false, false, false, false, true, true];
        instances.iter_mut().zip(ready).for_each(|(one, ready)| one.ready = Some(ready));
        instances[0].status = Some("recovering\u{1b}[31m".to_owned());
        instances[1..3].iter_mut().for_each(|one| one.waits_for = needs.to_vec());
        instances[3].waits_for = vec!["db".to_owned()];
        let mut formation = formation(instances);
        formation.types.clear();
        let text = render(&formation, None);
        let expected = "\
NAME       STATE    PID  PORT  UPTIME  RESTARTS   CPU  MEM  LAST EXIT
db.1       unready  417  5000   3m12s         0  1.2s  41M  -
web.1      waiting    -  5000       -         0     -    -  -
web.2      waiting    -  5000       -         0     -    -  -
web.3      waiting    -  5000       -         0     -    -  -
worker.1   running  418  5000   3m12s         0  1.2s  41M  -
migrate.1  done       -  5000       -         0     -    -  -
web waits for db, DATABASE_URL (localhost:5432)
web waits for db
db.1: recovering\\u{1b}[31m
";
        assert_eq!(text, expected, "\n{text}");
    }

    #[test]
    fn a_second_look_tells_what_the_processors_do() {
        let first = formation(vec![
            instance("web", 1, State::Running, Some(417)),
            instance("web", 2, State::Running, Some(418)),
        ]);
        let before = Before { ago: 2.0, used: used(&first) };
        let mut second = first;
        second.types = vec!["web".to_owned()];
        second.stopping = true;
        second.instances[0].cpu = Some(2.0);
        // Another process has another beginning.
        second.instances[1].pid = Some(500);
        let text = render(&second, Some(&before));
        let expected = "\
NAME   STATE    PID  PORT  UPTIME  RESTARTS   CPU  %CPU  MEM  LAST EXIT
web.1  running  417  5000   3m12s         0  2.0s   38%  41M  -
web.2  running  500  5000   3m12s         0  1.2s     -  41M  -
the formation is being stopped
";
        assert_eq!(text, expected, "\n{text}");
        // Two looks at one moment.
        assert!(!render(&second, Some(&Before { ago: 0.0, ..before })).contains("NaN"));
    }

    #[test]
    fn names_cannot_do_anything_to_a_terminal() {
        let mut odd = instance("web", 1, State::Down, None);
        odd.name = "\x1b[31mweb".to_owned();
        assert!(!render(&formation(vec![odd]), None).contains('\x1b'));
    }

    #[test]
    fn numbers_are_short() {
        for (seconds, expected) in [
            (0.0, "0s"),
            (59.9, "59s"),
            (60.0, "1m00s"),
            (3599.0, "59m59s"),
            (3600.0, "1h00m"),
            (86_399.0, "23h59m"),
            (273_600.0, "3d04h"),
            (-1.0, "0s"),
            (f64::NAN, "0s"),
        ] {
            assert_eq!(duration(seconds), expected);
        }
        for (seconds, expected) in [(0.04, "0.0s"), (9.94, "9.9s"), (9.96, "9s"), (61.0, "1m01s")] {
            assert_eq!(processor(seconds), expected);
        }
        for (bytes, expected) in [
            (0, "0K"),
            (1024, "1K"),
            (1_048_000, "1023K"),
            (1_048_576, "1.0M"),
            (43_000_000, "41M"),
            (1_288_490_189, "1.2G"),
            (u64::MAX, "16384P"),
        ] {
            assert_eq!(size(bytes), expected, "{bytes}");
        }
    }
}
