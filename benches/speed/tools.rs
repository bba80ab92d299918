//! The programs that are measured, and how each is told to run a formation.

use std::fs;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{self, RecvTimeoutError, Sender};
use std::thread::{self, JoinHandle};
use std::time::Duration;

use nix::sys::signal::{Signal, kill, killpg};
use nix::unistd::Pid;
use tempfile::TempDir;

/// A program that runs a formation.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Tool {
    Procman,
    /// The ceiling, starting programs by itself.
    Ceiling,
    /// The ceiling, starting a shell for each.
    CeilingShell,
    /// Another tool that reads a Procfile: its name, and what it is called with.
    Peer(&'static str, &'static [&'static str]),
}

/// Tools that take a Procfile with one process a line.
const PEERS: &[Tool] = &[
    Tool::Peer("foreman", &["start"]),
    Tool::Peer("hivemind", &[]),
    Tool::Peer("overmind", &["start", "--no-port"]),
    Tool::Peer("honcho", &["start"]),
    Tool::Peer("goreman", &["start"]),
    Tool::Peer("forego", &["start"]),
    Tool::Peer("nf", &["start"]),
    Tool::Peer("ultraman", &["start"]),
    // Of no Procfile: it gets a file of its own.
    Tool::Peer("process-compose", &["up", "--tui=false", "--no-server"]),
];

/// Where the programs are, and how often each is measured.
pub struct Bench {
    pub rounds: usize,
    directory: TempDir,
}

impl Bench {
    pub fn new(rounds: usize) -> Bench {
        let directory = tempfile::tempdir().unwrap();
        let sources = Path::new(env!("CARGO_MANIFEST_DIR")).join("benches/speed");
        for name in ["load", "ceiling"] {
            let source = sources.join(name).with_extension("c");
            let mut compiler = Command::new("cc");
            compiler.args(["-O2", "-static", "-o"]).arg(directory.path().join(name)).arg(source);
            assert!(compiler.status().unwrap().success(), "a C compiler makes {name}");
        }
        Bench { rounds, directory }
    }

    /// Returns the path of a file in the directory that everything is run in.
    pub fn file(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Returns a command of `load`.
    pub fn load(&self, arguments: &str) -> String {
        format!("{} {arguments}", self.file("load").display())
    }

    /// Returns the tools that are here, procman and the ceiling first.
    pub fn tools(&self, own: &[Tool]) -> Vec<Tool> {
        let peers = PEERS.iter().filter(|tool| matches!(tool, Tool::Peer(name, _) if is_on_path(name)));
        own.iter().chain(peers).copied().collect()
    }

    /// Returns a tool that runs these commands, as processes `w1`, `w2` and so on.
    pub fn command(&self, tool: Tool, commands: &[String]) -> Command {
        let is_alike = commands.iter().all(|command| *command == commands[0]);
        // One type with a count, where there is such a thing: 1,000 types have no room among the ports.
        let (types, count) =
            if is_alike && tool == Tool::Procman { (1, commands.len()) } else { (commands.len(), 1) };
        let lines =
            commands[..types].iter().zip(1..).map(|(command, number)| format!("w{number}: {command}\n"));
        fs::write(self.file("Procfile"), lines.collect::<String>()).unwrap();
        let entries = commands
            .iter()
            .zip(1..)
            .map(|(command, number)| format!("  w{number}:\n    command: \"{command}\"\n"));
        fs::write(self.file("process-compose.yaml"), format!("processes:\n{}", entries.collect::<String>()))
            .unwrap();
        let mut command = match tool {
            Tool::Procman => {
                let mut command = Command::new(env!("CARGO_BIN_EXE_procman"));
                command.args(["start", "-t", "600", "-m", &format!("all={count}")]);
                command
            }
            Tool::Ceiling => {
                let mut command = Command::new(self.file("ceiling"));
                command.arg("-x").args(commands);
                command
            }
            Tool::CeilingShell => {
                let mut command = Command::new(self.file("ceiling"));
                command.args(commands);
                command
            }
            Tool::Peer(name, arguments) => {
                let mut command = Command::new(name);
                command.args(arguments);
                command
            }
        };
        command
            .process_group(0)
            .current_dir(self.directory.path())
            .stdin(Stdio::null())
            .stderr(Stdio::null());
        command
    }

    /// Returns the numbers in a file of the directory, one a line, and empties it.
    pub fn take_numbers(&self, name: &str) -> Vec<u64> {
        let text = fs::read_to_string(self.file(name)).unwrap_or_default();
        let _ = fs::remove_file(self.file(name));
        text.lines().map(|line| line.parse().unwrap()).collect()
    }

    /// Says what this machine is.
    pub fn machine(&self) -> String {
        let read = |path: &str| fs::read_to_string(path).unwrap_or_default();
        let model = read("/proc/cpuinfo");
        let model = model.lines().find_map(|line| line.strip_prefix("model name")?.split_once(": "));
        let cores = std::thread::available_parallelism().map_or(0, usize::from);
        let kernel = read("/proc/sys/kernel/osrelease");
        let date = jiff::Zoned::now().strftime("%Y-%m-%d").to_string();
        format!(
            "{date}, {cores} cores ({}), Linux {}",
            model.map_or("unknown", |(_, name)| name),
            kernel.trim()
        )
    }
}

impl Tool {
    pub fn is_peer(self) -> bool {
        matches!(self, Tool::Peer(..))
    }

    pub fn name(self) -> &'static str {
        match self {
            Tool::Procman => "procman",
            Tool::Ceiling => "ceiling",
            Tool::CeilingShell => "ceiling, through sh",
            Tool::Peer(name, _) => name,
        }
    }
}

/// Ends a tool that is measured no further, with all that it has started.
pub fn stop(mut child: Child) {
    let _ = kill(pid(&child), Signal::SIGTERM);
    let limit = Limit::new(&child);
    let _ = child.wait();
    limit.lift();
}

/// How a tool ended that had a limit.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    Ended,
    Killed,
}

/// Ends a tool that hangs, which some do.
pub struct Limit(Sender<()>, JoinHandle<Outcome>);

impl Limit {
    pub fn new(child: &Child) -> Limit {
        const PATIENCE: Duration = Duration::from_secs(15);
        let (sender, receiver) = mpsc::channel();
        let pid = pid(child);
        let watch = move || match receiver.recv_timeout(PATIENCE) {
            Err(RecvTimeoutError::Timeout) => {
                // With all of its own processes, which would hold its output open.
                let _ = killpg(pid, Signal::SIGKILL);
                Outcome::Killed
            }
            Ok(()) | Err(RecvTimeoutError::Disconnected) => Outcome::Ended,
        };
        Limit(sender, thread::spawn(watch))
    }

    /// To be called when it has ended.
    pub fn lift(self) -> Outcome {
        drop(self.0);
        self.1.join().unwrap()
    }
}

fn pid(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

fn is_on_path(name: &str) -> bool {
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).any(|folder| folder.join(name).is_file())
}
