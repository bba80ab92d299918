//! What a soak has seen, added up and put into a table.

use std::time::Duration;

use crate::last::Lasting;
use crate::watch::{Growth, Sample};

/// What a round has seen, to be added up.
#[derive(Clone, Copy, Debug, Default)]
pub struct Figures {
    pub rounds: u64,
    pub as_init: u64,
    pub instances: u64,
    pub lines: u64,
    pub bytes: u64,
    pub signals: u64,
    pub kills: u64,
    /// How often the drain was cut, and procman said so; with a reader that reads steadily.
    pub cut: u64,
    pub cut_although_read: u64,
    /// The most that the two processes held.
    pub guard: Sample,
    pub supervisor: Sample,
}

impl Figures {
    /// Returns the sums, and of samples the larger ones.
    pub fn add(self, other: Figures) -> Figures {
        Figures {
            rounds: self.rounds + other.rounds,
            as_init: self.as_init + other.as_init,
            instances: self.instances + other.instances,
            lines: self.lines + other.lines,
            bytes: self.bytes + other.bytes,
            signals: self.signals + other.signals,
            kills: self.kills + other.kills,
            cut: self.cut + other.cut,
            cut_although_read: self.cut_although_read + other.cut_although_read,
            guard: self.guard.most(other.guard),
            supervisor: self.supervisor.most(other.supervisor),
        }
    }
}

/// Returns how fast memory grew, where it has been looked at for long enough to tell.
fn slope(growth: &Growth) -> String {
    growth.slope().map_or_else(String::new, |slope| format!(" ({slope:+.0} KiB an hour)"))
}

/// Returns the table of a soak without a fault.
pub fn table(rounds: Figures, lasting: &Lasting, length: Duration, init: bool) -> String {
    let all = rounds.add(lasting.figures);
    let row = |name: &str, text: String| format!("{name:39}{text}\n");
    let grown = |name: &str, growth: &Growth| {
        if growth.is_empty() {
            return String::new();
        }
        let (first, last) = growth.quarters();
        row(&format!("{name}, first quarter"), first.to_string())
            + &row(&format!("{name}, last quarter"), format!("{last}{}", slope(growth)))
    };
    [
        row("time", format!("{:.1} s", length.as_secs_f64())),
        row(
            "rounds, the one that lasted too",
            format!(
                "{}, {} as PID 1{}",
                all.rounds,
                all.as_init,
                if init { "" } else { " (not possible here)" }
            ),
        ),
        row("instances started", all.instances.to_string()),
        row("lines, bytes checked", format!("{}, {:.1} MB", all.lines, all.bytes as f64 / 1e6)),
        row("signals sent, of them SIGKILL", format!("{}, {}", all.signals, all.kills)),
        row(
            "drains cut, and said so",
            format!("{}, {} with a steady reader", all.cut, all.cut_although_read),
        ),
        row("left behind, zombies", "0, 0".to_owned()),
        row("guard, the most in any round", all.guard.to_string()),
        row("supervisor, the most in any round", all.supervisor.to_string()),
        grown("guard that lasted", &lasting.guard),
        grown("supervisor that lasted", &lasting.supervisor),
    ]
    .concat()
}
