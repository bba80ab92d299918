//! `soak`: one random formation after the other, with floods, crashes, stalls, signals and kills, for a given
//! time, and beside them one procman that lives through all of it.
//!
//! ```text
//! cargo bench --bench soak -- --seconds 3600 --seed 7
//! ```
//!
//! Every byte that an instance writes is known beforehand, and compared. Whatever procman leaves comes home to
//! this program, which is a subreaper, and is a fault: a process, a zombie, a descriptor too many. A fault is
//! reported with all that was done, and `--seed S --round K` does that round again. Needs Linux, for it reads
//! `/proc`.

#![allow(missing_docs, clippy::cast_precision_loss, reason = "a program, and its figures are for reading")]

mod check;
mod draw;
mod figures;
mod last;
mod reader;
mod round;
mod run;
mod running;
mod watch;
mod writer;

use std::io::{self, Write};
use std::path::Path;
use std::process::{Command, ExitCode};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use signal_hook::consts::{SIGHUP, SIGINT, SIGTERM};

use crate::figures::{Figures, table};
use crate::last::{Lasting, Switch};
use crate::round::Round;
use crate::running::Running;

/// What makes procman PID 1.
const UNSHARE: [&str; 4] = ["--pid", "--fork", "--mount-proc", "--kill-child"];

/// What the command line asks for.
struct Options {
    length: Duration,
    seed: u64,
    /// Only this round.
    round: Option<u64>,
}

/// A soak that goes on.
struct Soak<'a> {
    seed: u64,
    procman: &'a Path,
    /// Whether a PID namespace can be had.
    init: bool,
    until: Instant,
    interrupted: Arc<AtomicBool>,
    switch: Switch,
}

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let arguments: Vec<&str> = arguments.iter().map(String::as_str).collect();
    let done = match arguments.as_slice() {
        ["writer", seed, number, mark] => match (seed.parse(), number.parse()) {
            (Ok(seed), Ok(number)) => writer::play(seed, number, mark),
            _ => Err(io::Error::other("no numbers")),
        },
        ["company", kind, mark] => writer::accompany(kind, mark),
        ["company", kind, mark, "parent"] => writer::go_before(kind, mark),
        others => match options(others) {
            Some(options) => soak(&options),
            None => Err(io::Error::other("usage: soak [--seconds N] [--seed S] [--round K]")),
        },
    };
    done.unwrap_or_else(|error| {
        let _ = writeln!(io::stderr(), "soak: {error}");
        ExitCode::FAILURE
    })
}

fn options(arguments: &[&str]) -> Option<Options> {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
    let mut options = Options { length: Duration::from_secs(20), seed: now.as_secs(), round: None };
    // cargo adds `--bench`.
    let mut words = arguments.iter().filter(|word| **word != "--bench");
    while let Some(word) = words.next() {
        let number = words.next()?.parse().ok()?;
        match *word {
            "--seconds" => options.length = Duration::from_secs(number),
            "--seed" => options.seed = number,
            "--round" => options.round = Some(number),
            _ => return None,
        }
    }
    Some(options)
}

fn soak(options: &Options) -> io::Result<ExitCode> {
    let soak = Soak {
        seed: options.seed,
        procman: Path::new(env!("CARGO_BIN_EXE_procman")),
        init: can_unshare(),
        until: Instant::now() + options.length,
        interrupted: Arc::default(),
        switch: Switch::default(),
    };
    for signal in [SIGINT, SIGTERM, SIGHUP] {
        signal_hook::flag::register(signal, Arc::clone(&soak.interrupted))?;
    }
    prepare()?;
    let mut out = io::stdout();
    writeln!(out, "soak: {} s with seed {}", options.length.as_secs(), options.seed)?;
    let began = Instant::now();
    let (rounds, lasting) = match options.round {
        Some(number) => (soak.round(number), Ok(Lasting::default())),
        None => thread::scope(|scope| {
            let lasting = scope.spawn(|| soak.last());
            let rounds = soak.rounds();
            soak.switch.end.store(true, Ordering::Relaxed);
            (rounds, lasting.join().unwrap_or_else(|_| Err("the watch has failed".to_owned())))
        }),
    };
    match (rounds, lasting) {
        (Ok(rounds), Ok(lasting)) => {
            write!(out, "{}", table(rounds, &lasting, began.elapsed(), soak.init))?;
            Ok(if soak.interrupted.load(Ordering::Relaxed) { ExitCode::from(130) } else { ExitCode::SUCCESS })
        }
        (rounds, lasting) => {
            for fault in [rounds.err(), lasting.err()].into_iter().flatten() {
                writeln!(out, "\nFAULT: {fault}")?;
            }
            Ok(ExitCode::FAILURE)
        }
    }
}

impl Soak<'_> {
    /// Lives through one round after the other until the time is over.
    fn rounds(&self) -> Result<Figures, String> {
        // Until the procman that lasts is known, nobody can tell it from something left behind.
        while self.switch.pid.load(Ordering::Relaxed) == 0 && !self.is_over() {
            thread::sleep(Duration::from_millis(5));
        }
        let mut figures = Figures::default();
        let mut numbers = 1..;
        while let Some(number) = numbers.next()
            && !self.is_over()
        {
            match self.round(number) {
                Ok(lived) => figures = figures.add(lived),
                Err(_) if self.switch.failed.load(Ordering::Relaxed) => break,
                Err(fault) => return Err(fault),
            }
        }
        Ok(figures)
    }

    fn round(&self, number: u64) -> Result<Figures, String> {
        let round = Round::draw(self.seed, number, self.init);
        match Running::start(&round, self.procman, &self.interrupted) {
            Ok(running) => running.live(self.switch.pid.load(Ordering::Relaxed)),
            Err(fault) => Err(format!("round {number} cannot be started: {fault:?}")),
        }
    }

    fn last(&self) -> Result<Lasting, String> {
        last::run(self.seed, self.procman, &self.interrupted, &self.switch)
    }

    fn is_over(&self) -> bool {
        let is_set = |flag: &AtomicBool| flag.load(Ordering::Relaxed);
        Instant::now() >= self.until || is_set(&self.interrupted) || is_set(&self.switch.failed)
    }
}

fn can_unshare() -> bool {
    let tried = Command::new("unshare").args(UNSHARE).arg("true").output();
    tried.is_ok_and(|output| output.status.success())
}

/// Makes what procman leaves come home to this process, and crashes leave no files.
fn prepare() -> io::Result<()> {
    nix::sys::resource::setrlimit(nix::sys::resource::Resource::RLIMIT_CORE, 0, 0)?;
    // The portable way leaves orphans to init, which waits for them, as this program does not.
    #[cfg(all(target_os = "linux", not(procman_portable)))]
    nix::sys::prctl::set_child_subreaper(true)?;
    Ok(())
}
