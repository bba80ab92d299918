//! An app in a directory of its own, procman run in it, and what came out.
//!
//! Every process that a test starts carries a mark in its environment, by which it is found again: at the end
//! of a test nothing that carries it may be left.

pub mod http;

use std::ffi::OsStr;
use std::io::{Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

/// How long anything may take. It is never reached where things work, however slow the machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The program under test.
pub fn procman() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_procman"))
}

/// An app: a directory with a Procfile.
pub struct App {
    directory: TempDir,
    mark: String,
}

impl App {
    /// Returns an app with this Procfile.
    pub fn new(procfile: &str) -> App {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let directory = tempfile::tempdir().unwrap();
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let app = App { directory, mark };
        app.file("Procfile", procfile);
        app
    }

    /// Returns the app's directory.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Writes a file of the app.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Returns a command in the app's directory, with a small environment and no input.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        command.current_dir(self.root()).env_clear().stdin(Stdio::null());
        command.env("PATH", std::env::var_os("PATH").unwrap_or_default());
        command.env("TEST_MARK", &self.mark);
        command
    }

    /// Returns procman with these arguments.
    pub fn procman(&self, arguments: &[&str]) -> Command {
        let mut command = self.command(procman());
        command.args(arguments);
        command
    }

    /// Starts `procman start` with these arguments.
    pub fn start(&self, arguments: &[&str]) -> Running {
        self.run(self.procman(&[&["start"], arguments].concat()))
    }

    /// Runs procman with these arguments to its end.
    #[track_caller]
    pub fn done(&self, arguments: &[&str]) -> End {
        self.run(self.procman(arguments)).finish()
    }

    /// Starts a command and collects what it writes.
    pub fn run(&self, mut command: Command) -> Running {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = Collected::new(child.stdout.take().unwrap());
        let stderr = Collected::new(child.stderr.take().unwrap());
        Running { child, stdout, stderr }
    }

    /// Returns the living processes that carry this app's mark.
    pub fn left(&self) -> Vec<Pid> {
        let mark = format!("TEST_MARK={}", self.mark);
        let is_marked = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
        };
        processes().into_iter().filter(|pid| is_marked(pid) && is_alive(*pid)).map(Pid::from_raw).collect()
    }

    /// Waits until nothing that carries this app's mark is left.
    #[track_caller]
    pub fn assert_nothing_left(&self) {
        wait_until("nothing is left", || self.left().is_empty());
    }
}

impl Drop for App {
    /// Ends what a failed test has left.
    fn drop(&mut self) {
        for pid in self.left() {
            let _ = kill(pid, Signal::SIGKILL);
        }
    }
}

/// A program that runs, and what it has written so far.
pub struct Running {
    child: Child,
    stdout: Collected,
    stderr: Collected,
}

/// How a program ended, and all it wrote.
#[derive(Debug)]
pub struct End {
    /// Its exit code; `None` when a signal killed it.
    pub status: Option<i32>,
    /// The signal that killed it.
    pub signal: Option<i32>,
    /// All of its standard output, lossily.
    pub stdout: String,
    /// All of its standard error, lossily.
    pub stderr: String,
    /// Its standard output as it was.
    pub bytes: Vec<u8>,
}

impl Running {
    /// Returns its process id: for `procman start`, that of the guard.
    pub fn pid(&self) -> Pid {
        Pid::from_raw(i32::try_from(self.child.id()).unwrap())
    }

    /// Returns the supervisor below the guard: its first child.
    #[track_caller]
    pub fn supervisor(&self) -> Pid {
        let guard = self.pid();
        let mut found = None;
        wait_until("there is a supervisor", || {
            found = processes().into_iter().find(|pid| {
                parent(*pid) == Some(guard.as_raw())
                    && std::fs::read_to_string(format!("/proc/{pid}/comm")).is_ok_and(|c| c == "procman\n")
            });
            found.is_some()
        });
        Pid::from_raw(found.unwrap())
    }

    /// Sends it a signal.
    pub fn signal(&self, signal: Signal) {
        kill(self.pid(), signal).unwrap();
    }

    /// Waits until its standard output contains `text`.
    #[track_caller]
    pub fn wait_for(&self, text: &str) {
        self.stdout.wait_for(text);
    }

    /// Waits until its standard output contains `text` that many times.
    #[track_caller]
    pub fn wait_for_times(&self, text: &str, times: usize) {
        wait_until(text, || self.output().matches(text).count() >= times);
    }

    /// Waits until its standard error contains `text`.
    #[track_caller]
    pub fn wait_for_error(&self, text: &str) {
        self.stderr.wait_for(text);
    }

    /// Returns its standard output so far.
    pub fn output(&self) -> String {
        String::from_utf8_lossy(&self.stdout.shared.0.lock().unwrap().bytes).into_owned()
    }

    /// Waits for its end.
    #[track_caller]
    pub fn finish(mut self) -> End {
        let mut status = None;
        let child = &mut self.child;
        if !holds_within_limit(|| {
            status = child.try_wait().unwrap();
            status.is_some()
        }) {
            panic!("still running after {LIMIT:?}; it has written:\n{}", self.output());
        }
        let status = status.unwrap();
        let (bytes, errors) = (self.stdout.all(), self.stderr.all());
        End {
            status: status.code(),
            signal: status.signal(),
            stdout: String::from_utf8_lossy(&bytes).into_owned(),
            stderr: String::from_utf8_lossy(&errors).into_owned(),
            bytes,
        }
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if self.child.try_wait().is_ok_and(|status| status.is_none()) {
            let _ = self.child.kill();
            let _ = self.child.wait();
        }
    }
}

/// What a thread reads from a stream until its end.
struct Collected {
    shared: Arc<(Mutex<Stream>, Condvar)>,
}

#[derive(Default)]
struct Stream {
    bytes: Vec<u8>,
    ended: bool,
}

impl Collected {
    fn new(mut source: impl Read + Send + 'static) -> Collected {
        let shared = Arc::new((Mutex::new(Stream::default()), Condvar::new()));
        let ours = Arc::clone(&shared);
        thread::spawn(move || {
            let mut buffer = vec![0; 64 * 1024];
            loop {
                let length = source.read(&mut buffer).unwrap_or(0);
                let mut stream = ours.0.lock().unwrap();
                stream.bytes.extend_from_slice(&buffer[..length]);
                stream.ended = length == 0;
                ours.1.notify_all();
                if length == 0 {
                    return;
                }
            }
        });
        Collected { shared }
    }

    #[track_caller]
    fn wait_for(&self, text: &str) {
        let contains =
            |stream: &Stream| stream.bytes.windows(text.len()).any(|window| window == text.as_bytes());
        let stream = self.shared.0.lock().unwrap();
        let waiting = |stream: &mut Stream| !contains(stream) && !stream.ended;
        let (stream, _) = self.shared.1.wait_timeout_while(stream, LIMIT, waiting).unwrap();
        assert!(contains(&stream), "no `{text}` in:\n{}", String::from_utf8_lossy(&stream.bytes));
    }

    /// Waits for the end of the stream and returns all of it.
    #[track_caller]
    fn all(&self) -> Vec<u8> {
        let stream = self.shared.0.lock().unwrap();
        let (stream, timeout) =
            self.shared.1.wait_timeout_while(stream, LIMIT, |stream| !stream.ended).unwrap();
        assert!(!timeout.timed_out(), "somebody still holds the output open");
        stream.bytes.clone()
    }
}

/// Waits until something holds, and fails if that takes longer than [`LIMIT`].
#[track_caller]
pub fn wait_until(what: &str, holds: impl FnMut() -> bool) {
    assert!(holds_within_limit(holds), "never seen: {what}");
}

fn holds_within_limit(mut holds: impl FnMut() -> bool) -> bool {
    let began = Instant::now();
    while !holds() {
        if began.elapsed() > LIMIT {
            return false;
        }
        // A state that nobody announces has to be asked for; how often does not decide the result.
        thread::park_timeout(Duration::from_millis(5));
    }
    true
}

/// Returns the state of a process as ps(1) shows it, such as `S` or `Z`; `None` when there is none.
pub fn state(pid: i32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// Returns the parent of a process.
pub fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

fn is_alive(pid: i32) -> bool {
    state(pid).is_some_and(|state| !matches!(state, 'Z' | 'X'))
}

fn stat(pid: i32) -> Option<Vec<String>> {
    let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    Some(stat.rsplit_once(')')?.1.split_whitespace().map(str::to_owned).collect())
}

/// Returns every process of the machine.
pub fn processes() -> Vec<i32> {
    let entries = std::fs::read_dir("/proc").unwrap();
    entries.filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok()).collect()
}

/// Says why a test proves nothing here, past the harness that keeps what a test prints to itself.
pub fn skipped(reason: &str) {
    let _ = writeln!(std::io::stderr(), "skipped: {reason}");
}

/// Returns the top of the repository.
pub fn repository() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// Compares `text` with a file of the repository; with `PROCMAN_BLESS=1` in the environment, writes it there.
#[track_caller]
pub fn bless_or_compare(path: &Path, text: &str) {
    if std::env::var_os("PROCMAN_BLESS").is_some_and(|value| value == "1") {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    }
    let held = std::fs::read_to_string(path).unwrap_or_default();
    let hint = format!("{} differs: run PROCMAN_BLESS=1 cargo test and read the diff", path.display());
    assert!(held == text, "{hint}\n--- it says\n{held}\n--- it should say\n{text}");
}
