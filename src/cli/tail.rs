//! Which lines `logs` shows: those that match, since then, and of those that are there already only the last ones.
//!
//! Pure. The server knows of the last lines only, so where there is more to be looked at all of them come here.

use std::collections::{BTreeMap, VecDeque};

use jiff::Timestamp;
use regex_lite::Regex;

use crate::cli::transcript;
use crate::control::protocol::Line;

/// What a line has to be like.
#[derive(Debug)]
pub struct Choice {
    /// It matches this.
    pub grep: Option<Regex>,
    /// It came at this time or later.
    pub since: Option<Timestamp>,
}

impl Choice {
    /// Returns whether every line is like that.
    pub fn is_any(&self) -> bool {
        self.grep.is_none() && self.since.is_none()
    }

    /// Returns whether a line is like that.
    pub fn holds(&self, line: &Line) -> bool {
        let text = || transcript::bytes(line);
        self.since.is_none_or(|since| transcript::time(line) >= since)
            && self.grep.as_ref().is_none_or(|grep| grep.is_match(&String::from_utf8_lossy(&text())))
    }
}

/// The last lines of each instance, of those that came before some time.
#[derive(Debug)]
pub struct Tail {
    count: u64,
    until: Timestamp,
    lines: BTreeMap<String, VecDeque<(u64, Line)>>,
    taken: u64,
}

/// What becomes of a line.
#[derive(Debug, PartialEq)]
pub enum Kept {
    /// It waits: there may be later ones.
    Kept,
    /// It is new, and so the waiting is over.
    New(Line),
}

impl Tail {
    /// Returns the tail that has so many lines of each instance. What came after `until` is new.
    pub fn new(count: u64, until: Timestamp) -> Tail {
        Tail { count, until, lines: BTreeMap::new(), taken: 0 }
    }

    /// Takes a line.
    pub fn take(&mut self, line: Line) -> Kept {
        if transcript::time(&line) > self.until {
            return Kept::New(line);
        }
        let lines = self.lines.entry(line.process.clone()).or_default();
        lines.push_back((self.taken, line));
        self.taken += 1;
        if u64::try_from(lines.len()).unwrap_or(u64::MAX) > self.count {
            lines.pop_front();
        }
        Kept::Kept
    }

    /// Returns the lines, in the order in which they came.
    pub fn into_lines(self) -> Vec<Line> {
        let mut lines: Vec<(u64, Line)> = self.lines.into_values().flatten().collect();
        lines.sort_by_key(|(at, _)| *at);
        lines.into_iter().map(|(_, line)| line).collect()
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use jiff::Timestamp;
    use regex_lite::Regex;

    use super::{Choice, Kept, Tail};
    use crate::control::protocol::Line;

    fn line(process: &str, second: u32, message: &str) -> Line {
        Line {
            time: format!("2026-11-29T12:00:{second:02}.000000Z"),
            process: process.to_owned(),
            position: Some(0),
            pid: 7,
            own: false,
            partial: false,
            message: Some(message.to_owned()),
            base64: None,
        }
    }

    fn at(second: u32) -> Timestamp {
        line("", second, "").time.parse().unwrap()
    }

    #[test]
    fn a_line_is_chosen_by_what_it_says_and_when() {
        let choice = Choice { grep: Some(Regex::new("GET|POST").unwrap()), since: Some(at(10)) };
        assert!(choice.holds(&line("web.1", 10, "a POST")));
        assert!(!choice.holds(&line("web.1", 9, "a POST")));
        assert!(!choice.holds(&line("web.1", 10, "a post")));
        // What is no text is looked at as far as it is.
        let odd = Line { message: None, base64: Some("/0dFVP8=".to_owned()), ..line("web.1", 11, "") };
        assert!(choice.holds(&odd));
        assert!(Choice { grep: None, since: None }.is_any());
    }

    #[test]
    fn a_tail_is_of_each_instance_and_in_order() {
        let mut tail = Tail::new(2, at(30));
        for (process, second) in [("a", 1), ("b", 2), ("a", 3), ("a", 4), ("b", 30)] {
            assert_eq!(tail.take(line(process, second, "")), Kept::Kept);
        }
        assert_eq!(tail.take(line("a", 31, "new")), Kept::New(line("a", 31, "new")));
        let left: Vec<String> =
            tail.into_lines().into_iter().map(|line| line.time[17..19].to_owned()).collect();
        assert_eq!(left, ["02", "03", "04", "30"]);
    }

    #[test]
    fn a_tail_of_nothing_is_empty() {
        let mut tail = Tail::new(0, at(30));
        tail.take(line("a", 1, ""));
        assert!(tail.into_lines().is_empty());
    }
}
