//! What has been measured, as one table: a row for each measure, a column for each program.

use std::fmt::Write;

use crate::tools::Tool;

/// Everything that has been measured.
#[derive(Default)]
pub struct Report(Vec<Row>);

/// One measure of all programs.
pub struct Row {
    pub measure: String,
    pub values: Vec<(Tool, f64)>,
    pub target: Target,
}

/// What procman is to reach.
#[derive(Clone, Copy)]
pub enum Target {
    /// At least so large a part of what this one does.
    AtLeast(f64, Tool),
    /// At most so many times what this one takes.
    AtMost(f64, Tool),
    /// At least so much.
    Least(f64),
    /// At most so much.
    Limit(f64),
    /// Nothing in particular; the ratio to this one is shown.
    Beside(Tool),
}

impl Report {
    /// Adds a row, and prints it, for a run takes minutes.
    pub fn add(&mut self, measure: impl Into<String>, target: Target, values: Vec<(Tool, f64)>) {
        let row = Row { measure: measure.into(), values, target };
        eprintln!("{}", row.markdown(&row.values.iter().map(|(tool, _)| *tool).collect::<Vec<_>>()));
        self.0.push(row);
    }

    /// Returns the row of a measure.
    pub fn row(&self, measure: &str) -> Option<&Row> {
        self.0.iter().find(|row| row.measure == measure)
    }

    /// Returns the table in Markdown. What misses its target is bold.
    pub fn markdown(&self) -> String {
        let mut tools = vec![Tool::Procman, Tool::Ceiling, Tool::CeilingShell];
        for (tool, _) in self.0.iter().flat_map(|row| &row.values) {
            if !tools.contains(tool) {
                tools.push(*tool);
            }
        }
        tools.retain(|tool| self.0.iter().any(|row| row.value(*tool).is_some()));
        let names: Vec<&str> = tools.iter().map(|tool| tool.name()).collect();
        let mut text = format!(
            "| | {} | ratio | target |\n|---{}|\n",
            names.join(" | "),
            "|---:".repeat(tools.len() + 2)
        );
        for row in &self.0 {
            let _ = writeln!(text, "{}", row.markdown(&tools));
        }
        text
    }
}

impl Row {
    fn value(&self, tool: Tool) -> Option<f64> {
        self.values.iter().find(|(other, _)| *other == tool).map(|(_, value)| *value)
    }

    fn markdown(&self, tools: &[Tool]) -> String {
        let own = self.value(Tool::Procman).unwrap_or(f64::NAN);
        let ratio = |tool| own / self.value(tool).unwrap_or(f64::NAN);
        let (ratio, target, is_met) = match self.target {
            Target::AtLeast(part, tool) => (figure(ratio(tool)), format!("≥ {part}"), ratio(tool) >= part),
            Target::AtMost(times, tool) => (figure(ratio(tool)), format!("≤ {times}"), ratio(tool) <= times),
            Target::Least(least) => ("–".to_owned(), format!("≥ {least}, absolute"), own >= least),
            Target::Limit(most) => ("–".to_owned(), format!("≤ {most}, absolute"), own <= most),
            Target::Beside(tool) => (figure(ratio(tool)), "–".to_owned(), true),
        };
        let cells = tools.iter().map(|tool| self.value(*tool).map_or_else(|| "–".to_owned(), figure));
        let cells: Vec<String> = cells.collect();
        let ratio = if is_met { ratio } else { format!("**{ratio}**") };
        format!("| {} | {} | {ratio} | {target} |", self.measure, cells.join(" | "))
    }
}

/// Returns a figure with about three digits.
fn figure(value: f64) -> String {
    match value {
        _ if value.is_nan() => "–".to_owned(),
        _ if value >= 100.0 => format!("{value:.0}"),
        _ if value >= 10.0 => format!("{value:.1}"),
        _ => format!("{value:.2}"),
    }
}

/// Returns the middle one of those that are numbers.
pub fn median(values: impl IntoIterator<Item = f64>) -> f64 {
    percentile(values, 0.5)
}

/// Returns the value below which so large a part of all numbers lies.
pub fn percentile(values: impl IntoIterator<Item = f64>, part: f64) -> f64 {
    let mut values: Vec<f64> = values.into_iter().filter(|value| !value.is_nan()).collect();
    values.sort_by(f64::total_cmp);
    let at = (values.len() as f64 * part) as usize;
    values.get(at.min(values.len().saturating_sub(1))).copied().unwrap_or(f64::NAN)
}

/// Lets all programs take turns, so often, and returns what each has shown, round by round.
pub fn in_turns<R>(tools: &[Tool], rounds: usize, mut run: impl FnMut(Tool) -> R) -> Vec<(Tool, Vec<R>)> {
    /// A slow one need not be measured closely.
    const ROUNDS_OF_PEERS: usize = 3;
    let mut results: Vec<(Tool, Vec<R>)> = tools.iter().map(|tool| (*tool, Vec::new())).collect();
    for round in 0..rounds {
        for (tool, results) in &mut results {
            if round < ROUNDS_OF_PEERS || !tool.is_peer() {
                results.push(run(*tool));
            }
        }
    }
    results
}

/// Returns the median of one value of each round, for each program.
pub fn medians<R>(results: &[(Tool, Vec<R>)], value: impl Fn(&R) -> f64) -> Vec<(Tool, f64)> {
    results.iter().map(|(tool, rounds)| (*tool, median(rounds.iter().map(&value)))).collect()
}
