//! What runs inside a round: the writers, what they write, and the processes that they start.
//!
//! Every line of an instance follows from the round and the line's number, so whoever reads it knows every
//! byte. How much has been written stands in a file of the instance's, kept up to date write by write: even a
//! writer that is killed cannot have written less.

use std::fs::File;
use std::io::{self, ErrorKind, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::path::Path;
use std::process::{Command, ExitCode, Stdio, exit};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::Duration;

use fastrand::Rng;
use nix::unistd::{setsid, write};
use signal_hook::consts::{SIGQUIT, SIGTERM, SIGUSR1, SIGUSR2};
use signal_hook::iterator::Signals;

use crate::round::{Company, End, Format, LastLine, OnTerm, Role, Round};

/// The length of the text that all lines are cut from.
const NOISE: usize = 256 * 1024;
/// What begins a line that is not the instance's own.
pub const CHATTER: &[u8] = b"~";

/// The lines of an instance.
pub struct Script {
    name: String,
    seed: u64,
    longest: usize,
    noise: Arc<[u8]>,
}

/// Returns the text that the lines of a round are cut from: any byte but a newline, and for JSON, which could
/// not show others, only what is ASCII.
pub fn noise(format: Format) -> Arc<[u8]> {
    let mut noise = vec![0; NOISE];
    Rng::with_seed(1).fill(&mut noise);
    let last = if format == Format::Json { 0x7F } else { 0xFF };
    noise.iter_mut().for_each(|byte| {
        *byte &= last;
        if *byte == b'\n' {
            *byte = b' ';
        }
    });
    noise.into()
}

impl Script {
    pub fn new(round: &Round, name: &str, role: &Role, noise: Arc<[u8]>) -> Script {
        let seed = name.bytes().fold(round.seed ^ (round.number << 32), |seed, byte| {
            seed.wrapping_mul(0x0100_0000_01B3) ^ u64::from(byte)
        });
        Script { name: name.to_owned(), seed, longest: role.longest_line, noise }
    }

    /// Appends a line, without its newline: number, name, text.
    pub fn line(&self, number: u64, to: &mut Vec<u8>) {
        let mut rng = Rng::with_seed(self.seed.wrapping_add(number.wrapping_mul(0x9E37_79B9)));
        let most = match rng.u32(..200) {
            0 => self.longest,
            1..20 => self.longest.min(4_000),
            _ => 100,
        };
        let length = rng.usize(..=most);
        let from = rng.usize(..NOISE - length);
        // Writing into memory cannot fail.
        let _ = write!(to, "{number} {} ", self.name);
        to.extend_from_slice(&self.noise[from..from + length]);
    }
}

/// Returns the name of the file that says how much an instance has written.
pub fn ledger(name: &str) -> String {
    format!("{name}.ledger")
}

/// Reads from a ledger how many bytes have been written and how many signals heard; `None` before the
/// instance is ready.
pub fn read_ledger(root: &Path, name: &str) -> Option<(u64, u64)> {
    let bytes = std::fs::read(root.join(ledger(name))).ok()?;
    let (written, heard) = bytes.split_first_chunk()?;
    Some((u64::from_le_bytes(*written), u64::from_le_bytes(*heard.first_chunk()?)))
}

/// Runs the instance of a round whose name is in `PS`.
pub fn play(seed: u64, number: u64, mark: &str) -> io::Result<ExitCode> {
    let round = if number == 0 { Round::lasting(seed) } else { Round::draw(seed, number, false) };
    let name = std::env::var("PS").map_err(io::Error::other)?;
    let role = round.roles.get(&name).ok_or_else(|| io::Error::other(format!("no role for {name}")))?;
    let script = Script::new(&round, &name, role, noise(round.format));

    let asked = Arc::new(AtomicBool::new(false));
    let file = File::create(format!("{name}.new"))?;
    file.write_all_at(&[0; 16], 0)?;
    listen(role.on_term, Arc::clone(&asked), file.try_clone()?)?;
    for company in &role.company {
        start(*company, mark)?;
    }
    // From here on the instance counts as ready.
    std::fs::rename(format!("{name}.new"), ledger(&name))?;
    if let Some((after, end)) = role.end {
        thread::spawn(move || {
            thread::sleep(after);
            match end {
                End::Exit(code) => exit(code),
                End::Signal(signal) => drop(signal_hook::low_level::raise(signal)),
            }
        });
    }
    let seed = script.seed;
    let mut writer = Writer { script, file, number: 0, written: 0, rng: Rng::with_seed(seed) };
    match writer.write_all(role, &asked, mark) {
        // Nobody reads any more: not the instance's fault.
        Err(error) if error.kind() == ErrorKind::BrokenPipe => {}
        done => done?,
    }
    while !asked.load(Ordering::Relaxed) {
        thread::sleep(Duration::from_millis(10));
    }
    if let OnTerm::SayBye(lines) = role.on_term
        && role.last_line == LastLine::Whole
    {
        let _ = (0..lines).try_for_each(|_| writer.write_batch(1, LastLine::Whole));
    }
    Ok(ExitCode::SUCCESS)
}

/// Counts the signals that are passed on, and heeds SIGTERM as the role has it.
fn listen(on_term: OnTerm, asked: Arc<AtomicBool>, file: File) -> io::Result<()> {
    let mut signals = Signals::new([SIGUSR1, SIGUSR2, SIGQUIT])?;
    if on_term != OnTerm::Die {
        signals.handle().add_signal(SIGTERM)?;
    }
    thread::spawn(move || {
        let mut heard: u64 = 0;
        for signal in signals.forever() {
            if signal == SIGTERM {
                asked.store(on_term != OnTerm::Ignore, Ordering::Relaxed);
            } else {
                heard += 1;
                let _ = file.write_all_at(&heard.to_le_bytes(), 8);
            }
        }
    });
    Ok(())
}

struct Writer {
    script: Script,
    file: File,
    number: u64,
    written: u64,
    rng: Rng,
}

impl Writer {
    /// Writes all that the role has to write, unless it is asked to end.
    fn write_all(&mut self, role: &Role, asked: &AtomicBool, mark: &str) -> io::Result<()> {
        let mut batches = 0;
        while self.written < role.bytes && !asked.load(Ordering::Relaxed) {
            let size = self.rng.usize(1..=role.batch);
            let last = self.written + size as u64 >= role.bytes;
            self.write_batch(size, if last { role.last_line } else { LastLine::Whole })?;
            if last && role.last_line == LastLine::WithoutNewline {
                break;
            }
            batches += 1;
            if role.orphan_every.is_some_and(|every| batches % every == 0) {
                start(Company::Orphan, mark)?;
            }
            // Few pauses, and some long enough for a line that has begun to be shown.
            if role.pause > Duration::ZERO && self.rng.u32(..4) == 0 {
                thread::sleep(role.pause.mul_f64(self.rng.f64()));
            }
        }
        Ok(())
    }

    /// Writes lines of at least so many bytes together.
    fn write_batch(&mut self, size: usize, last: LastLine) -> io::Result<()> {
        let mut batch = Vec::new();
        while batch.len() < size {
            self.number += 1;
            self.script.line(self.number, &mut batch);
            batch.push(b'\n');
        }
        if last == LastLine::WithoutNewline {
            batch.pop();
        }
        // Now and then it stops within a line. Short batches stay in one write.
        let cut = if size > 1 && self.rng.u32(..16) == 0 { self.rng.usize(..batch.len()) } else { 0 };
        self.write(&batch[..cut])?;
        if cut > 0 {
            thread::sleep(Duration::from_millis(self.rng.u64(..400)));
        }
        self.write(&batch[cut..])
    }

    fn write(&mut self, mut bytes: &[u8]) -> io::Result<()> {
        while !bytes.is_empty() {
            // Both streams, for their common order is promised too.
            let written = if self.rng.bool() {
                write(io::stdout().as_fd(), bytes)?
            } else {
                write(io::stderr().as_fd(), bytes)?
            };
            self.written += written as u64;
            self.file.write_all_at(&self.written.to_le_bytes(), 0)?;
            bytes = &bytes[written..];
        }
        Ok(())
    }
}

/// Starts a process beside the instance.
fn start(company: Company, mark: &str) -> io::Result<()> {
    let mut command = Command::new(std::env::current_exe()?);
    command.args(["company", &format!("{company:?}"), mark]).stdin(Stdio::null());
    match company {
        Company::Background | Company::Chatty | Company::Session | Company::Stubborn => {}
        Company::Wiped => {
            command.env_clear();
        }
        Company::Daemon | Company::Orphan => {
            command.stdout(Stdio::null()).stderr(Stdio::null());
            // Its parent waits for nothing, and goes.
            command.arg("parent");
            command.status()?;
            return Ok(());
        }
    }
    command.spawn()?;
    Ok(())
}

/// Starts a process beside an instance, and goes.
pub fn go_before(kind: &str, mark: &str) -> io::Result<ExitCode> {
    Command::new(std::env::current_exe()?).args(["company", kind, mark]).spawn()?;
    Ok(ExitCode::SUCCESS)
}

/// Is a process beside an instance; only its arguments bear the mark where it has no environment.
pub fn accompany(kind: &str, _mark: &str) -> io::Result<ExitCode> {
    let all = [Company::Background, Company::Chatty, Company::Session, Company::Daemon, Company::Wiped];
    let company = all.into_iter().chain([Company::Stubborn, Company::Orphan]);
    let company = company.into_iter().find(|one| format!("{one:?}") == kind);
    // What is passed on to the group is for the instance. A handler that only takes a note.
    for signal in [SIGUSR1, SIGUSR2, SIGQUIT] {
        signal_hook::flag::register(signal, Arc::default())?;
    }
    match company {
        Some(Company::Background) | None => {}
        Some(Company::Chatty) => loop {
            let line = [CHATTER, b" said beside it\n"].concat();
            if write(io::stdout().as_fd(), &line).is_err() {
                return Ok(ExitCode::SUCCESS);
            }
            thread::sleep(Duration::from_millis(5));
        },
        Some(Company::Session | Company::Daemon | Company::Wiped) => drop(setsid()),
        Some(Company::Orphan) => {
            let _ = setsid();
            thread::sleep(Duration::from_millis(50));
            return Ok(ExitCode::from(9));
        }
        Some(Company::Stubborn) => {
            let _ = setsid();
            signal_hook::flag::register(SIGTERM, Arc::default())?;
        }
    }
    loop {
        thread::park();
    }
}
