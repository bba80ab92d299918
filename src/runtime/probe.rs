//! One probe of an instance: a connection, a question over HTTP, or a command, within a time.
//!
//! A command leads a process group of its own, of which nothing is left when the probe is over. Its leader stays unreaped
//! until the loop has heard of its end, so that the number of its group means nobody else.

use std::time::Duration;

use tokio::sync::mpsc::Sender;
use tokio::time::timeout;

use crate::formation::InstanceId;
use crate::plan::{Invocation, Program};
use crate::process::Exit;
use crate::runtime::Runtime;
use crate::runtime::errands::{News, Ticket, kill};
use crate::runtime::http::{Failure, Question};
use crate::runtime::order::with_order;
use crate::runtime::reach::trouble;
use crate::supervisor::{Trouble, Verdict};
use crate::sys::child::{Child, spawn_silent};
use crate::sys::connect;

/// What to connect to, and what to ask there.
#[derive(Debug)]
pub struct Subject {
    port: u16,
    question: Option<Asked>,
}

#[derive(Debug)]
struct Asked {
    question: Question,
    /// The status that is right, if it is one.
    status: Option<u16>,
}

impl Subject {
    /// Returns a port of this machine.
    pub fn port(port: u16) -> Subject {
        Subject { port, question: None }
    }

    /// Returns what answers a GET there, or at a URL.
    pub fn http(target: &str, status: Option<u16>, port: u16) -> Subject {
        Subject { port, question: Some(Asked { question: Question::new(target, port), status }) }
    }

    async fn probe(&self, limit: Duration) -> Verdict {
        let Subject { port, question } = self;
        let Some(Asked { question, status }) = question else {
            let connected = connect::local(*port).await;
            return connected.map_or_else(|error| Verdict::Failed(trouble(&error)), |_| Verdict::Passed);
        };
        match question.ask(*port, limit).await {
            Ok(answer) if status.map_or((200..400).contains(&answer), |status| status == answer) => {
                Verdict::Passed
            }
            Ok(answer) => Verdict::Failed(Trouble::Status(answer)),
            Err(Failure::NoHttp) => Verdict::Failed(Trouble::NoHttp),
            Err(Failure::TooLong) => Verdict::Failed(Trouble::TooLong),
            Err(Failure::Closed) => Verdict::Failed(Trouble::Closed),
            Err(Failure::Connection(error)) => Verdict::Failed(trouble(&error)),
        }
    }
}

/// Connects, and tells what came of it.
pub async fn by_connection(
    subject: Subject,
    limit: Duration,
    ticket: Ticket,
    id: InstanceId,
    news: Sender<News>,
) {
    let verdict = timeout(limit, subject.probe(limit)).await;
    let verdict = verdict.unwrap_or(Verdict::Failed(Trouble::TimedOut));
    // The loop that would hear it is there as long as its tasks are.
    let _ = news.send(News::Probed { ticket, id, verdict }).await;
}

/// Waits for a command, kills it when its time is over, and tells what came of it.
pub async fn by_command(
    mut child: Child,
    limit: Duration,
    ticket: Ticket,
    id: InstanceId,
    news: Sender<News>,
) {
    let exit = match timeout(limit, child.ended()).await {
        Ok(exit) => exit,
        Err(_) => {
            kill(child.pid());
            // What sits in the kernel may take long to end, and the verdict is known.
            let verdict = Verdict::Failed(Trouble::TimedOut);
            let _ = news.send(News::Probed { ticket, id: id.clone(), verdict }).await;
            child.ended().await
        }
    };
    // What it has left in its group.
    kill(child.pid());
    // As with instances, waiting cannot fail.
    let exit = exit.unwrap_or(Exit::Code(1));
    let _ = news.send(News::CommandEnded { ticket, id, child, exit }).await;
}

impl Runtime<'_> {
    /// Starts a command with everything that an instance has. Fails with the end that stands for the failure.
    pub fn start_command(&self, id: &InstanceId, command: &str) -> Result<Child, Exit> {
        let invocation = self.plan.instance(id).ok_or(Exit::Code(1))?;
        let invocation = Invocation { program: Program::Shell(command.to_owned()), ..invocation };
        with_order(&invocation, self.open_files, spawn_silent).map_err(|error| error.exit())
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used, clippy::panic)]
mod tests {
    use std::ffi::OsStr;
    use std::fs::File;
    use std::io::{ErrorKind, Read};
    use std::net::TcpListener;
    use std::os::unix::fs::OpenOptionsExt;
    use std::path::Path;
    use std::time::Duration;

    use nix::libc::O_NONBLOCK;
    use nix::sys::stat::Mode;
    use nix::unistd::mkfifo;
    use tokio::sync::mpsc;

    use super::{Subject, by_command, by_connection};
    use crate::formation::InstanceId;
    use crate::process::{Exit, Signal};
    use crate::procfile::ProcessType;
    use crate::runtime::errands::{Errands, News};
    use crate::supervisor::{Trouble, Verdict};
    use crate::sys::child::{Order, spawn_silent};
    use crate::sys::connect::tests::deaf_port;

    /// Far more than anything here takes.
    const LONG: Duration = Duration::from_secs(60);
    /// Over at once.
    const SHORT: Duration = Duration::from_millis(1);

    fn id() -> InstanceId {
        InstanceId { process: ProcessType::new("web").unwrap(), number: 1 }
    }

    fn in_runtime<T>(future: impl Future<Output = T>) -> T {
        tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(future)
    }

    /// Connects, and returns the verdict.
    fn connect(subject: Subject, limit: Duration) -> Verdict {
        in_runtime(async {
            let (sender, mut news) = mpsc::channel(1);
            by_connection(subject, limit, Errands::new(None).ticket().0, id(), sender).await;
            match news.recv().await {
                Some(News::Probed { verdict, .. }) => verdict,
                other => panic!("{other:?}"),
            }
        })
    }

    #[test]
    fn a_port_accepts_or_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        assert_eq!(connect(Subject::port(port), LONG), Verdict::Passed);
        let (_socket, port) = deaf_port();
        assert_eq!(connect(Subject::port(port), LONG), Verdict::Failed(Trouble::Refused));
    }

    #[test]
    fn a_server_that_hangs_up_gives_no_answer() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let subject = Subject::http("/health", None, port);
        // What has not been read when it is closed makes a reset of it.
        let server = std::thread::spawn(move || listener.accept().unwrap().0.peek(&mut [0]).unwrap());
        assert_eq!(connect(subject, LONG), Verdict::Failed(Trouble::Closed));
        server.join().unwrap();
    }

    #[test]
    fn a_server_that_says_nothing_answers_too_late() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let subject = Subject::http("/health", None, port);
        assert_eq!(connect(subject, SHORT), Verdict::Failed(Trouble::TimedOut));
    }

    /// Runs a command, and returns what is told, one word each. Nothing of its group is left then that could write.
    fn run(command: &str, limit: Duration) -> Vec<String> {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("held");
        mkfifo(&path, Mode::S_IRWXU).unwrap();
        let mut held = File::options().read(true).custom_flags(O_NONBLOCK).open(&path).unwrap();
        let command = format!("exec 3>{}; {command}", path.display());
        let order = Order {
            program: OsStr::new("/bin/sh"),
            arguments: &[OsStr::new("-c"), OsStr::new(&command)],
            words: None,
            directory: Path::new("/"),
            environment: &[(OsStr::new("PATH"), OsStr::new("/bin:/usr/bin"))],
            open_files: 100,
        };
        in_runtime(async {
            let child = spawn_silent(&order).unwrap();
            let (sender, mut news) = mpsc::channel(1);
            tokio::spawn(by_command(child, limit, Errands::new(None).ticket().0, id(), sender));
            let mut told = Vec::new();
            while let Some(news) = news.recv().await {
                told.push(match news {
                    News::Probed { verdict: Verdict::Failed(trouble), .. } => trouble.to_string(),
                    News::CommandEnded { child, exit, .. } => {
                        child.release();
                        exit.to_string()
                    }
                    News::Probed { .. } | News::Tried { .. } | News::Said { .. } => "unexpected".to_owned(),
                });
            }
            // The end comes when nobody has it open any more.
            while let Err(error) = held.read(&mut [0]) {
                assert_eq!(error.kind(), ErrorKind::WouldBlock);
                tokio::task::yield_now().await;
            }
            told
        })
    }

    #[test]
    fn a_command_ends_and_leaves_nothing() {
        assert_eq!(run("exit 0", LONG), [Exit::Code(0).to_string()]);
        assert_eq!(run("exit 3", LONG), [Exit::Code(3).to_string()]);
        assert_eq!(run("kill -TERM $$", LONG), [Exit::Signal(Signal::TERM).to_string()]);
        assert_eq!(run("sleep 1000 & exit 0", LONG), [Exit::Code(0).to_string()]);
    }

    #[test]
    fn a_command_that_takes_too_long_is_killed_with_all_it_has_started() {
        let killed = Exit::Signal(Signal::KILL).to_string();
        assert_eq!(run("trap '' TERM; sleep 1000 & sleep 1000", SHORT), ["no answer in time", &killed]);
    }
}
