//! Looks at processes from outside: who is there, and what procman's two processes hold.

use std::fmt;
use std::time::Duration;

/// One process of the machine.
#[derive(Clone, Debug)]
pub struct Process {
    pub pid: i32,
    pub parent: i32,
    /// As ps(1) shows it: `R`, `S`, `T`, `Z`.
    pub state: char,
    pub name: String,
}

impl fmt::Display for Process {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} ({}, state {}, below {})", self.name, self.pid, self.state, self.parent)
    }
}

impl Process {
    pub fn is_zombie(&self) -> bool {
        matches!(self.state, 'Z' | 'X')
    }
}

/// Returns every process.
pub fn processes() -> Vec<Process> {
    let entries = std::fs::read_dir("/proc").into_iter().flatten();
    entries.filter_map(|entry| process(entry.ok()?.file_name().to_str()?.parse().ok()?)).collect()
}

/// Returns one process.
pub fn process(pid: i32) -> Option<Process> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let (name, rest) = stat.split_once('(')?.1.rsplit_once(')')?;
    let mut fields = rest.split_whitespace();
    let state = fields.next()?.chars().next()?;
    let parent = fields.next()?.parse().ok()?;
    Some(Process { pid, parent, state, name: name.to_owned() })
}

/// Returns the children of a process.
pub fn children(parent: i32) -> Vec<Process> {
    processes().into_iter().filter(|process| process.parent == parent).collect()
}

/// Returns the living processes that carry a mark, in their arguments or in their environment.
pub fn marked(mark: &str) -> Vec<Process> {
    let carries = |process: &Process| {
        ["cmdline", "environ"].iter().any(|file| words(process.pid, file).any(|word| word.ends_with(mark)))
    };
    processes().into_iter().filter(|process| !process.is_zombie() && carries(process)).collect()
}

/// Returns the process that plays an instance: not its shell, nor its company.
pub fn writer(mark: &str, instance: &str) -> Option<i32> {
    let name = format!("PS={instance}");
    let plays = |process: &Process| {
        words(process.pid, "cmdline").nth(1).as_deref() == Some("writer")
            && words(process.pid, "environ").any(|word| word == name)
    };
    marked(mark).into_iter().find(plays).map(|process| process.pid)
}

fn words(pid: i32, file: &str) -> impl Iterator<Item = String> {
    let bytes = std::fs::read(format!("/proc/{pid}/{file}")).unwrap_or_default();
    let words: Vec<String> =
        bytes.split(|byte| *byte == 0).map(|word| String::from_utf8_lossy(word).into_owned()).collect();
    words.into_iter()
}

/// What a process holds at one moment.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sample {
    pub descriptors: u64,
    pub threads: u64,
    /// In KiB.
    pub resident: u64,
}

impl fmt::Display for Sample {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Sample { descriptors, threads, resident } = self;
        write!(f, "{descriptors} descriptors, {threads} threads, {resident} KiB")
    }
}

impl Sample {
    /// Takes a sample of a process that runs.
    pub fn take(pid: i32) -> Option<Sample> {
        let descriptors = std::fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count() as u64;
        let status = std::fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
        let field = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name))?;
            line.split_whitespace().next()?.parse().ok()
        };
        Some(Sample { descriptors, threads: field("Threads:")?, resident: field("VmRSS:")? })
    }

    fn each(self, other: Sample, choose: impl Fn(u64, u64) -> u64) -> Sample {
        Sample {
            descriptors: choose(self.descriptors, other.descriptors),
            threads: choose(self.threads, other.threads),
            resident: choose(self.resident, other.resident),
        }
    }

    /// Returns the larger of each figure.
    pub fn most(self, other: Sample) -> Sample {
        self.each(other, u64::max)
    }

    /// Returns whether no figure is larger than the other's.
    pub fn is_within(self, bound: Sample) -> bool {
        self.most(bound) == bound
    }
}

/// The most that a guard may ever hold: with it count the pages of the program itself, which is large without optimisation.
pub const GUARD: Sample = Sample { descriptors: 10, threads: 1, resident: 18 << 10 };

/// Returns the most that a supervisor of so many instances may ever hold: a pipe and a process descriptor each,
/// and of output what one stream may hold back and what is kept of it. Its threads are the loop, the pump and the one
/// for clients.
pub fn supervisor_bound(instances: u64) -> Sample {
    Sample { descriptors: 30 + 2 * instances, threads: 3, resident: (20 << 10) + 640 * instances }
}

/// What a process held over a long time.
#[derive(Debug, Default)]
pub struct Growth {
    samples: Vec<(Duration, Sample)>,
}

impl Growth {
    pub fn add(&mut self, at: Duration, sample: Sample) {
        self.samples.push((at, sample));
    }

    pub fn is_empty(&self) -> bool {
        self.samples.is_empty()
    }

    /// Returns the medians of the first and of the last quarter, the start left out.
    pub fn quarters(&self) -> (Sample, Sample) {
        let settled = &self.samples[self.samples.len() / 20..];
        let quarter = settled.len().div_ceil(4);
        (median(&settled[..quarter]), median(&settled[settled.len() - quarter..]))
    }

    /// Returns what has grown more than it may: descriptors and threads not at all, memory by a tenth and 1 MiB.
    pub fn fault(&self) -> Option<String> {
        let (first, last) = self.quarters();
        let bound = Sample { resident: first.resident + first.resident / 10 + 1024, ..first };
        (!last.is_within(bound)).then(|| format!("grown from {first} to {last}"))
    }

    /// Returns how fast memory grew, in KiB an hour: the slope of the line that fits best. `None` for less than
    /// five minutes, of which the noise would count for much.
    pub fn slope(&self) -> Option<f64> {
        let settled = &self.samples[self.samples.len() / 20..];
        let ((from, _), (to, _)) = (settled.first()?, settled.last()?);
        if to.saturating_sub(*from) < Duration::from_secs(300) {
            return None;
        }
        let count = settled.len() as f64;
        let points =
            || settled.iter().map(|(at, sample)| (at.as_secs_f64() / 3600.0, sample.resident as f64));
        let (x, y) = points().fold((0.0, 0.0), |sum, point| (sum.0 + point.0, sum.1 + point.1));
        let (x, y) = (x / count, y / count);
        let above: f64 = points().map(|point| (point.0 - x) * (point.1 - y)).sum();
        let below: f64 = points().map(|point| (point.0 - x).powi(2)).sum();
        Some(above / below)
    }
}

fn median(samples: &[(Duration, Sample)]) -> Sample {
    let middle = |of: fn(&Sample) -> u64| {
        let mut values: Vec<u64> = samples.iter().map(|(_, sample)| of(sample)).collect();
        values.sort_unstable();
        values.get(values.len() / 2).copied().unwrap_or_default()
    };
    Sample {
        descriptors: middle(|sample| sample.descriptors),
        threads: middle(|sample| sample.threads),
        resident: middle(|sample| sample.resident),
    }
}
