//! A procman that runs: started, read, signalled, waited for, and cleared away if it went wrong.

use std::io::Read;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::{self, Receiver};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use crate::check::Checker;
use crate::figures::Figures;
use crate::reader::read;
use crate::round::{Format, Place, Round};
use crate::watch::{self, Sample};

/// How long anything may take. It is never reached where things work, however slow the machine.
pub const LIMIT: Duration = Duration::from_secs(60);
/// How often a state is asked for that nobody announces.
const LOOK: Duration = Duration::from_millis(5);
const SAMPLE_EVERY: Duration = Duration::from_millis(100);

/// Why a round is over before its end.
#[derive(Debug)]
pub enum Fault {
    /// The user has had enough.
    Interrupted,
    Wrong(String),
}

impl From<std::io::Error> for Fault {
    fn from(error: std::io::Error) -> Fault {
        Fault::Wrong(error.to_string())
    }
}

/// A procman that runs.
pub struct Running<'a> {
    pub round: &'a Round,
    pub interrupted: &'a AtomicBool,
    pub directory: TempDir,
    pub mark: String,
    pub child: Child,
    /// Where it is known: procman may end before.
    pub guard: Option<i32>,
    pub supervisor: Option<i32>,
    pub leave: Arc<AtomicBool>,
    pub output: Receiver<Checker>,
    pub errors: Receiver<String>,
    pub events: Vec<String>,
    pub began: Instant,
    pub passed_on: u64,
    pub sampled: Instant,
    pub stderr: String,
    pub tail: Vec<String>,
    pub figures: Figures,
}

impl<'a> Running<'a> {
    /// Starts procman with the round's formation.
    pub fn start(
        round: &'a Round,
        procman: &Path,
        interrupted: &'a AtomicBool,
    ) -> Result<Running<'a>, Fault> {
        let directory = tempfile::Builder::new().prefix("soak-").tempdir()?;
        std::fs::write(directory.path().join("Procfile"), round.procfile())?;
        let mark = format!("soak-{}-{}", std::process::id(), round.number);
        let mut command = match round.place {
            Place::Here => Command::new(procman),
            Place::Init => {
                let mut command = Command::new("unshare");
                command.args(crate::UNSHARE).arg(procman);
                command
            }
        };
        command.args(options(round)).current_dir(directory.path()).env_clear();
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("SOAK", std::env::current_exe()?).env("SOAK_MARK", &mark);
        // A Ctrl-C is for the soak, which ends the round itself.
        command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn()?;
        let leave = Arc::new(AtomicBool::new(false));
        let (to_output, output) = mpsc::channel();
        let (to_errors, errors) = mpsc::channel();
        if let (Some(stdout), Some(mut stderr)) = (child.stdout.take(), child.stderr.take()) {
            let (checker, reader, leave) = (Checker::new(round), round.reader, Arc::clone(&leave));
            thread::spawn(move || read(stdout, reader, checker, &leave, &to_output));
            thread::spawn(move || {
                let mut text = String::new();
                let _ = stderr.read_to_string(&mut text);
                let _ = to_errors.send(text);
            });
        }
        Ok(Running {
            round,
            interrupted,
            directory,
            mark,
            child,
            guard: None,
            supervisor: None,
            leave,
            output,
            errors,
            events: Vec::new(),
            began: Instant::now(),
            passed_on: 0,
            sampled: Instant::now(),
            stderr: String::new(),
            tail: Vec::new(),
            figures: Figures::default(),
        })
    }

    /// Returns the figures, or for a fault all that is needed to repeat it.
    pub fn conclude(&mut self, outcome: Result<(), Fault>) -> Result<Figures, String> {
        match outcome {
            Ok(()) => Ok(self.figures),
            Err(Fault::Interrupted) => Ok(Figures::default()),
            Err(Fault::Wrong(what)) => {
                self.clear();
                // What was not read yet tells the most.
                self.tail =
                    self.output.recv_timeout(LIMIT).map_or_else(|_| self.tail.clone(), |seen| seen.tail);
                self.stderr += &self.errors.recv_timeout(LIMIT).unwrap_or_default();
                Err(self.report(&what))
            }
        }
    }

    /// Waits until `look` finds something, or procman has ended.
    pub fn wait_for<T>(
        &mut self,
        what: &str,
        mut look: impl FnMut() -> Option<T>,
    ) -> Result<Option<T>, Fault> {
        let since = Instant::now();
        loop {
            if let Some(found) = look() {
                return Ok(Some(found));
            }
            if self.has_ended()? {
                return Ok(None);
            }
            if since.elapsed() > LIMIT {
                return Err(Fault::Wrong(format!("never seen: {what}")));
            }
            self.pause()?;
        }
    }

    /// Sleeps while procman runs.
    pub fn sleep(&mut self, length: Duration) -> Result<(), Fault> {
        let until = Instant::now() + length;
        self.wait_for("", || (Instant::now() >= until).then_some(())).map(drop)
    }

    pub fn pause(&mut self) -> Result<(), Fault> {
        if self.interrupted.load(Ordering::Relaxed) {
            return Err(Fault::Interrupted);
        }
        thread::sleep(LOOK);
        if self.sampled.elapsed() > SAMPLE_EVERY {
            self.sampled = Instant::now();
            self.sample()?;
        }
        Ok(())
    }

    /// Takes a sample of both processes and holds it against what they may ever hold.
    pub fn sample(&mut self) -> Result<(Option<Sample>, Option<Sample>), Fault> {
        let [guard, supervisor] = [self.guard, self.supervisor].map(|pid| Sample::take(pid?));
        let bound = watch::supervisor_bound(self.round.roles.len() as u64);
        for (name, sample, bound) in [("guard", guard, watch::GUARD), ("supervisor", supervisor, bound)] {
            if let Some(sample) = sample
                && !sample.is_within(bound)
            {
                return Err(Fault::Wrong(format!("the {name} holds {sample}, more than {bound}")));
            }
        }
        self.figures.guard = self.figures.guard.most(guard.unwrap_or_default());
        self.figures.supervisor = self.figures.supervisor.most(supervisor.unwrap_or_default());
        Ok((guard, supervisor))
    }

    /// Returns procman, or what has started it.
    pub fn pid(&self) -> i32 {
        self.child.id().cast_signed()
    }

    /// Returns guard and supervisor, once they are known.
    pub fn processes(&self) -> Vec<i32> {
        [self.guard, self.supervisor].into_iter().flatten().collect()
    }

    pub fn has_ended(&mut self) -> Result<bool, Fault> {
        Ok(self.child.try_wait()?.is_some())
    }

    /// Sends a signal, unless procman has ended: then the number may be somebody else's.
    pub fn signal(&mut self, pid: Option<i32>, signal: i32) -> Result<(), Fault> {
        if let Some(pid) = pid
            && !self.has_ended()?
        {
            self.figures.signals += 1;
            let name = Signal::try_from(signal).map_or("?", Signal::as_str);
            let sent = kill(Pid::from_raw(pid), Signal::try_from(signal).ok());
            self.note(&format!("{name} to {pid}: {sent:?}"));
        }
        Ok(())
    }

    /// Notes what has happened, for the report of a fault.
    pub fn note(&mut self, what: &str) {
        self.events.push(format!("{:6.3} s: {what}", self.began.elapsed().as_secs_f64()));
    }

    /// Returns all that is needed to understand a fault and to see it again.
    pub fn report(&self, what: &str) -> String {
        let round = self.round;
        let roles: Vec<String> = round.roles.iter().map(|(name, role)| format!("{name}: {role:?}")).collect();
        // The one that lasts does so beside all others.
        let only = if round.number > 0 { format!(" --round {}", round.number) } else { String::new() };
        let tail =
            self.tail.iter().rev().take(20).rev().map(|line| format!("  {line}\n")).collect::<String>();
        format!(
            "{what}\n\nround {} of seed {}: {:?}, {:?}\n{}\n{:?}, {:?}\nprocman {}\n{}\nguard and supervisor: {:?}\n{}\n\n\
             standard error:\n{}\nthe last lines:\n{tail}\nagain: cargo bench --bench soak -- --seed {}{only}\n",
            round.number,
            round.seed,
            round.place,
            round.pace,
            roles.join("\n"),
            round.reader,
            round.ending,
            options(round).join(" "),
            round.procfile(),
            self.processes(),
            self.events.join("\n"),
            self.stderr,
            round.seed,
        )
    }
}

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.clear();
    }
}

impl Running<'_> {
    /// Ends what a round that went wrong, or was interrupted, has left.
    fn clear(&mut self) {
        let since = Instant::now();
        while since.elapsed() < LIMIT {
            let left = watch::marked(&self.mark);
            for process in &left {
                let _ = kill(Pid::from_raw(process.pid), Signal::SIGKILL);
            }
            if left.is_empty() && self.child.try_wait().is_ok_and(|status| status.is_some()) {
                return;
            }
            thread::sleep(LOOK);
        }
    }
}

/// Returns procman's arguments.
fn options(round: &Round) -> Vec<String> {
    let format = match round.format {
        Format::Text => "--no-timestamp",
        Format::TextWithTime => "--timestamp",
        Format::Json => "--log-format=json",
        Format::Raw => "--log-format=raw",
    };
    ["start", format, "-t", &round.grace.to_string(), "-m", &round.formation()].map(str::to_owned).to_vec()
}
