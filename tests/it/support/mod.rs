//! An app in a directory of its own, procman run in it, and what came out.
//!
//! Every process that a test starts carries a mark in its environment, by which it is found again: at the end
//! of a test nothing that carries it may be left. One that wipes its environment carries a tag as an argument.

pub mod cgroup;
pub mod formation;
pub mod http;

use std::ffi::{OsStr, OsString};
use std::fs::{File, Permissions};
use std::io::{self, Read, Write};
use std::os::fd::{AsRawFd, OwnedFd};
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::thread;
use std::time::{Duration, Instant};

use nix::fcntl::OFlag;
use nix::libc;
use nix::pty::{grantpt, posix_openpt, ptsname_r, unlockpt};
use nix::sys::resource::{Resource, setrlimit};
use nix::sys::signal::{SigHandler, Signal, kill, signal};
use nix::sys::stat::Mode;
use nix::sys::termios::{Termios, tcgetattr};
use nix::unistd::{Pid, mkfifo};
use procman::control::address;
use tempfile::TempDir;

/// How long anything may take. It is never reached where things work, however slow the machine.
pub const LIMIT: Duration = Duration::from_secs(60);

/// The end of a script that waits to be asked to end: `ready` means that its traps stand, and that nothing
/// of it is between fork and exec, where a shell loses signals.
pub const IDLE: &str = "sh -c 'echo ready; exec sleep 1000' & wait";

/// As [`IDLE`], for scripts that go on after a signal.
pub const IDLE_ON: &str =
    "sh -c 'trap \"\" USR1 USR2 QUIT WINCH; echo ready; exec sleep 1000' & while :; do wait; done";

/// The program under test.
pub fn procman() -> &'static Path {
    Path::new(env!("CARGO_BIN_EXE_procman"))
}

/// An app: a directory with a Procfile.
pub struct App {
    directory: TempDir,
    /// Where its sockets are: what a killed procman leaves goes with it.
    runtime: TempDir,
    mark: String,
}

impl App {
    /// Returns an app with this Procfile.
    pub fn new(procfile: &str) -> App {
        static COUNT: AtomicUsize = AtomicUsize::new(0);
        let [directory, runtime] = [(); 2].map(|()| tempfile::tempdir().unwrap());
        // Whichever user procman is run by makes a directory of its own there.
        std::fs::set_permissions(runtime.path(), Permissions::from_mode(0o1777)).unwrap();
        let mark = format!("{}-{}", std::process::id(), COUNT.fetch_add(1, Ordering::Relaxed));
        let app = App { directory, runtime, mark };
        app.file("Procfile", procfile);
        app
    }

    /// Returns the app's directory.
    pub fn root(&self) -> &Path {
        self.directory.path()
    }

    /// Returns where a procman listens that runs this app.
    pub fn socket(&self) -> PathBuf {
        self.socket_of(self.root())
    }

    /// Returns where a procman listens that runs the app of another directory, started as this one's are.
    pub fn socket_of(&self, root: &Path) -> PathBuf {
        let name = address::name(&root.canonicalize().unwrap());
        self.runtime.path().join("procman").join(name)
    }

    /// Writes a file of the app.
    pub fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.root().join(name);
        std::fs::write(&path, content).unwrap();
        path
    }

    /// Writes a program of the app.
    pub fn program(&self, name: &str, content: impl AsRef<[u8]>) {
        std::fs::set_permissions(self.file(name, content), Permissions::from_mode(0o755)).unwrap();
    }

    /// Puts a copy of a program of the system into the app's directory, with other permissions.
    pub fn copy_program(&self, name: &str, mode: u32) {
        let folders = std::env::var_os("PATH").unwrap_or_default();
        let program =
            std::env::split_paths(&folders).map(|folder| folder.join(name)).find(|path| path.is_file());
        let copy = self.root().join(name);
        std::fs::copy(program.unwrap(), &copy).unwrap();
        std::fs::set_permissions(copy, Permissions::from_mode(mode)).unwrap();
    }

    /// Gives the app, as it is now, to a user, and returns whether [`run_by`] works for that user; says why not.
    pub fn belongs_to(&self, user: u32) -> bool {
        let entries = std::fs::read_dir(self.root()).unwrap().map(|entry| entry.unwrap().path());
        let mut all = entries.chain([self.root().to_owned()]);
        let given = all.all(|path| chown(path, Some(user), Some(user)).is_ok());
        let mut command = run_by(user, self.procman(&["--version"]));
        let runs = given && command.output().is_ok_and(|output| output.status.success());
        if !runs {
            skipped(
                "procman cannot be run as another user: that takes root, and a place where all may execute it",
            );
        }
        runs
    }

    /// Takes root's rights from a command, for root may read and search everything. Returns nothing, and says so, where
    /// nobody but root can run it.
    pub fn unprivileged(&self, command: Command) -> Option<Command> {
        if self.root().metadata().unwrap().uid() != 0 {
            return Some(command);
        }
        self.belongs_to(NOBODY).then(|| run_by(NOBODY, command))
    }

    /// Makes a named pipe that instances wait at: `read go < NAME`.
    pub fn gate(&self, name: &str) -> Gate {
        let path = self.root().join(name);
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        // Open for both, so that neither side waits for the other to open it.
        Gate { pipe: File::options().read(true).write(true).open(path).unwrap() }
    }

    /// Returns a number that no other app has: `sleep TAG` is found by it whatever has become of its
    /// environment, its session and its parents.
    pub fn tag(&self) -> String {
        format!("9{}", self.mark.replace('-', "0000"))
    }

    /// Returns the living processes whose arguments are `sleep` and the tag.
    pub fn sleepers(&self) -> Vec<Pid> {
        let tag = self.tag();
        let sleeps = |pid: &i32| {
            let arguments = arguments(*pid);
            arguments.len() == 2 && arguments[0].ends_with("sleep") && arguments[1] == tag
        };
        processes().into_iter().filter(|pid| sleeps(pid) && is_alive(*pid)).map(Pid::from_raw).collect()
    }

    /// Returns a command in the app's directory, with a small environment and no input, that ignores no signal which these
    /// tests may have been started to ignore, as in the background or by nohup.
    pub fn command(&self, program: impl AsRef<OsStr>) -> Command {
        let mut command = Command::new(program);
        heed_requests(&mut command);
        command.current_dir(self.root()).env_clear().stdin(Stdio::null());
        command.env("PATH", searchable_path());
        command.env("XDG_RUNTIME_DIR", self.runtime.path());
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
    pub fn run(&self, command: Command) -> Running {
        let (mut running, stdout) = self.run_unread(command);
        running.read(stdout);
        running
    }

    /// Starts a command whose standard output nobody reads yet.
    pub fn run_unread(&self, mut command: Command) -> (Running, ChildStdout) {
        let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let stdout = child.stdout.take().unwrap();
        let stderr = Collected::new(child.stderr.take().unwrap());
        (Running { child, stdout: Collected::new(io::empty()), stderr }, stdout)
    }

    /// Starts a command with its standard output somewhere else.
    pub fn run_into(&self, mut command: Command, stdout: impl Into<Stdio>) -> Running {
        let mut child = command.stdout(stdout).stderr(Stdio::piped()).spawn().unwrap();
        let stderr = Collected::new(child.stderr.take().unwrap());
        Running { child, stdout: Collected::new(io::empty()), stderr }
    }

    /// Starts a command on a terminal of its own, and returns the keyboard too. All that it writes counts as
    /// standard output.
    pub fn run_on_terminal(&self, command: Command) -> (Running, Keyboard) {
        let (mut running, keyboard) = self.run_on_unread_terminal(command);
        running.read(keyboard.0.try_clone().unwrap());
        (running, keyboard)
    }

    /// Starts a command as the leader of a session with a terminal that nobody reads, and that goes away with
    /// the keyboard.
    pub fn run_on_unread_terminal(&self, mut command: Command) -> (Running, Keyboard) {
        // What other tests start meanwhile must not inherit this end.
        let master = posix_openpt(OFlag::O_RDWR | OFlag::O_NOCTTY | OFlag::O_CLOEXEC).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname_r(&master).unwrap();
        let terminal =
            File::options().read(true).write(true).custom_flags(libc::O_NOCTTY).open(name).unwrap();
        command.stdin(terminal.try_clone().unwrap()).stdout(terminal.try_clone().unwrap()).stderr(terminal);
        // SAFETY: both calls are system calls without memory of their own.
        #[allow(unsafe_code, reason = "a controlling terminal can only be taken between fork and exec")]
        unsafe {
            command.pre_exec(|| {
                nix::unistd::setsid()?;
                match libc::ioctl(0, libc::TIOCSCTTY, 0) {
                    -1 => Err(io::Error::last_os_error()),
                    _ => Ok(()),
                }
            });
        }
        let child = command.spawn().unwrap();
        let [stdout, stderr] = [Collected::new(io::empty()), Collected::new(io::empty())];
        (Running { child, stdout, stderr }, Keyboard(File::from(OwnedFd::from(master))))
    }

    /// Returns the living processes that carry this app's mark or its tag.
    pub fn left(&self) -> Vec<Pid> {
        let mark = format!("TEST_MARK={}", self.mark);
        let tag = self.tag();
        let is_marked = |pid: &i32| {
            let environment = std::fs::read(format!("/proc/{pid}/environ")).unwrap_or_default();
            environment.split(|byte| *byte == 0).any(|variable| variable == mark.as_bytes())
                || arguments(*pid).contains(&tag)
        };
        processes().into_iter().filter(|pid| is_marked(pid) && is_alive(*pid)).map(Pid::from_raw).collect()
    }

    /// Fails if anything that carries this app's mark is left now.
    #[track_caller]
    pub fn assert_nothing_is_left(&self) {
        if cfg!(procman_portable) {
            // Whether a killed group holds zombies or the dying cannot be told there: procman does not wait for it.
            return self.wait_until_nothing_is_left();
        }
        let left = self.left();
        let left: Vec<_> = left.iter().map(|pid| (pid, arguments(pid.as_raw()))).collect();
        assert!(left.is_empty(), "still running: {left:?}");
    }

    /// Waits until nothing that carries this app's mark is left.
    #[track_caller]
    pub fn wait_until_nothing_is_left(&self) {
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

/// The number of a user without rights.
pub const NOBODY: u32 = 65534;

/// Lets a command be run by another user, in no other group. It takes root.
pub fn run_by(user: u32, mut command: Command) -> Command {
    command.uid(user).gid(user);
    command
}

/// A named pipe that instances wait at.
pub struct Gate {
    pipe: File,
}

impl Gate {
    /// Lets one of those who wait go on, or the next who comes.
    pub fn open(&mut self) {
        self.pipe.write_all(b"\n").unwrap();
    }
}

/// The user's end of a terminal.
pub struct Keyboard(File);

impl Keyboard {
    /// Presses keys.
    pub fn press(&mut self, keys: &str) {
        self.0.write_all(keys.as_bytes()).unwrap();
    }

    /// Changes the size of the terminal.
    pub fn resize(&self, rows: u16, columns: u16) {
        let size = libc::winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        // SAFETY: the call reads the structure.
        #[allow(unsafe_code, reason = "nothing safe does it")]
        let result = unsafe { libc::ioctl(self.0.as_raw_fd(), libc::TIOCSWINSZ, &raw const size) };
        assert_eq!(result, 0);
    }

    /// Returns the settings of the terminal.
    pub fn settings(&self) -> Termios {
        tcgetattr(&self.0).unwrap()
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

    /// Returns the supervisor below the guard.
    #[track_caller]
    pub fn supervisor(&self) -> Pid {
        supervisor_of(self.pid())
    }

    /// Returns the process of an instance, from the line that says so in an output without times.
    #[track_caller]
    pub fn pid_of(&self, instance: &str) -> Pid {
        let mut found = None;
        wait_until("the instance is started", || {
            found = self.output().lines().find_map(|line| {
                let (name, text) = line.split_once(" | ")?;
                let pid = text.strip_prefix("started with pid ")?;
                (name.trim_end() == instance).then(|| pid.parse().unwrap())
            });
            found.is_some()
        });
        Pid::from_raw(found.unwrap())
    }

    /// Begins to collect its standard output.
    pub fn read(&mut self, stdout: impl Read + Send + 'static) {
        self.stdout = Collected::new(stdout);
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

impl End {
    /// Returns what one process wrote, in an output without times, its process id replaced by `N`.
    pub fn lines_of(&self, name: &str) -> Vec<String> {
        let lines = self.stdout.lines().filter_map(|line| {
            let (whose, text) = line.split_once(" | ")?;
            (whose.trim_end() == name).then(|| without_pid(text))
        });
        lines.collect()
    }
}

/// Returns a line with `N` for the process id in `started with pid 123`.
pub fn without_pid(line: &str) -> String {
    match line.split_once("started with pid ") {
        Some((before, pid)) => {
            format!("{before}started with pid N{}", pid.trim_start_matches(char::is_numeric))
        }
        None => line.to_owned(),
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
        let contains = |stream: &Stream| memchr::memmem::find(&stream.bytes, text.as_bytes()).is_some();
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

/// Returns the procman that a shell or another program has started: the guard.
#[track_caller]
pub fn guard_of(program: Pid) -> Pid {
    // Where it has a name of its own it gets that a moment after its start.
    child_of(program, &["pm-guard", "procman"])
}

/// Returns the supervisor below a guard.
#[track_caller]
pub fn supervisor_of(guard: Pid) -> Pid {
    child_of(guard, &["procman"])
}

/// Returns the child of a process that has one of these names.
#[track_caller]
pub fn child_of(process: Pid, names: &[&str]) -> Pid {
    let is_it = |pid: &i32| {
        let name = std::fs::read_to_string(format!("/proc/{pid}/comm"));
        parent(*pid) == Some(process.as_raw()) && name.is_ok_and(|name| names.contains(&name.trim()))
    };
    let mut found = None;
    wait_until("there is such a child", || {
        found = processes().into_iter().find(is_it);
        found.is_some()
    });
    Pid::from_raw(found.unwrap())
}

/// Returns the state of a process as ps(1) shows it, such as `S` or `Z`; `None` when there is none.
pub fn state(pid: i32) -> Option<char> {
    stat(pid)?.first()?.chars().next()
}

/// Returns the arguments of a process, its name first.
pub fn arguments(pid: i32) -> Vec<String> {
    let bytes = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let text = String::from_utf8_lossy(&bytes);
    text.split_terminator('\0').map(str::to_owned).collect()
}

/// Waits until a pipe that nobody reads is full and its writer stuck.
#[track_caller]
pub fn wait_until_stuck(pipe: &impl AsRawFd) {
    let (mut before, mut unchanged) = (0, 0);
    // How full a full pipe is depends on how it was filled.
    wait_until("the pipe is full", || {
        let now = waiting_bytes(pipe);
        unchanged = if now == before { unchanged + 1 } else { 0 };
        before = now;
        now > 16 * 1024 && unchanged > 20
    });
}

/// Returns how many bytes wait to be read.
fn waiting_bytes(pipe: &impl AsRawFd) -> usize {
    let mut count: libc::c_int = 0;
    // SAFETY: the call writes one int.
    #[allow(unsafe_code, reason = "nothing safe tells it")]
    let result = unsafe { libc::ioctl(pipe.as_raw_fd(), libc::FIONREAD, &raw mut count) };
    assert_eq!(result, 0);
    usize::try_from(count).unwrap()
}

/// Returns a field of `/proc/PID/status`.
pub fn status_field(pid: Pid, name: &str) -> String {
    let status = std::fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
    let field = status.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'));
    field.unwrap().trim().to_owned()
}

/// Returns the most memory that a process has had, in kB.
pub fn peak(process: Pid) -> usize {
    status_field(process, "VmHWM").strip_suffix(" kB").unwrap().parse().unwrap()
}

/// Returns the parent of a process.
pub fn parent(pid: i32) -> Option<i32> {
    stat(pid)?.get(1)?.parse().ok()
}

/// Returns whether a process exists and is no zombie.
pub fn is_alive(pid: i32) -> bool {
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

/// Lets a command have so much of something at most.
pub fn limit(command: &mut Command, resource: Resource, most: u64) {
    // SAFETY: the call is a system call without memory of its own.
    #[allow(unsafe_code, reason = "a limit of another process can only be set between fork and exec")]
    unsafe {
        command.pre_exec(move || Ok(setrlimit(resource, most, most)?));
    }
}

/// Lets a command begin with the default dispositions of what asks it to end.
fn heed_requests(command: &mut Command) {
    // SAFETY: the dispositions set are the default, by system calls without memory of their own.
    #[allow(unsafe_code, reason = "a disposition of another process can only be set between fork and exec")]
    unsafe {
        command.pre_exec(|| {
            for request in [Signal::SIGHUP, Signal::SIGINT, Signal::SIGQUIT, Signal::SIGTERM] {
                signal(request, SigHandler::SigDfl)?;
            }
            Ok(())
        });
    }
}

/// Lets a command give a process no more than 256 KiB of arguments and variables: a quarter of its stack.
pub fn limit_environment(command: &mut Command) {
    limit(command, Resource::RLIMIT_STACK, 1024 * 1024);
}

/// Returns the folders of `PATH` that may be searched: some are for root alone, and a shell makes something of that.
fn searchable_path() -> OsString {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).filter(|folder| folder.read_dir().is_ok());
    std::env::join_paths(folders).unwrap()
}

/// Says why a test proves nothing here, past the harness that keeps what a test prints to itself.
pub fn skipped(reason: &str) {
    // In one write, so that no other line gets between: `.ci/run` counts these.
    let _ = std::io::stderr().write_all(format!("skipped: {reason}\n").as_bytes());
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

/// Returns whether there is a program, asked for its version; says why a test is left out where there is none.
pub fn is_installed(program: &str) -> bool {
    let found = Command::new(program).arg("--version").output().is_ok();
    if !found {
        skipped(&format!("there is no {program}"));
    }
    found
}

/// Returns the name of a Python, for what a shell cannot do; says why a test is left out where there is none.
pub fn python() -> Option<&'static str> {
    let found = Command::new("python3").args(["-c", ""]).status().is_ok_and(|status| status.success());
    if !found {
        skipped("there is no python3");
    }
    found.then_some("python3")
}
