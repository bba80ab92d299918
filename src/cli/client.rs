//! The connection to a running procman.

use std::io::{self, ErrorKind, Read, Write};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use crate::cli::args::{Client, Common};
use crate::cli::error::Failure;
use crate::cli::load;
use crate::config::Socket;
use crate::control::address;
use crate::control::protocol::{Answer, Call, Formation, Request, VERSION};
use crate::control::wire::{self, LONGEST_ANSWER, Lines};
use crate::sys::files;
use crate::sys::socket::{self, ConnectError};
use crate::sys::stdio::{Waited, wait_for, write_stderr};

/// How much is read at once.
const PIECE: usize = 64 * 1024;

/// A connection on which one question is asked.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    lines: Lines,
    silence: Silence,
    /// Where it leads, as long as nothing has come of it.
    unheard: Option<PathBuf>,
}

/// Whether a silence is worth a look at who keeps it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Silence {
    Suspicious,
    Explained,
}

/// After how long a silence is suspicious: most answers come at once.
const SUSPICIOUS: Duration = Duration::from_secs(1);

/// Returns where the procman listens that a command is for.
pub fn path(common: Common, client: &Client) -> Result<PathBuf, Failure> {
    if let Some(path) = &client.socket {
        return Ok(path.clone());
    }
    let (root, options) = match load::place(common.options()) {
        // What has been started there runs on, and is found by where that was.
        Err(Failure::NoRoot(root)) => return former_place(&root).ok_or(Failure::NoRoot(root)),
        place => place?,
    };
    if let Some(Socket::At(path)) = options.socket {
        return Ok(path);
    }
    let (directory, name) = usual_place(&root);
    Ok(directory.join(name))
}

/// Returns where the procman listens of an app whose root is gone, if there is something.
fn former_place(root: &Path) -> Option<PathBuf> {
    let root = std::path::absolute(root).ok()?;
    // Whatever of it is still there is as the system knows it.
    let above = root.ancestors().find_map(|above| Some((above, above.canonicalize().ok()?)));
    let (above, known) = above?;
    let (directory, name) = usual_place(&known.join(root.strip_prefix(above).ok()?));
    Some(directory.join(name)).filter(|path| path.exists())
}

/// Returns in which directory, and under which name there, the procman of an app root listens: where it does so unless it
/// is told otherwise, and where clients look for it.
pub fn usual_place(root: &Path) -> (PathBuf, String) {
    let runtime = std::env::var_os("XDG_RUNTIME_DIR");
    (address::directory(runtime.as_deref(), files::own_user()), address::name(root))
}

impl Connection {
    /// Connects to the procman that listens at `path`, and asks it.
    pub fn ask(path: &Path, request: Request) -> Result<Connection, Failure> {
        let stream = socket::connect(path).map_err(|error| match error {
            ConnectError::Nothing | ConnectError::Stale => Failure::NothingRuns,
            ConnectError::NotPermitted
            | ConnectError::Foreign(_)
            | ConnectError::NoAnswer
            | ConnectError::TooLong
            | ConnectError::Failed(_) => Failure::Unreachable(path.to_path_buf(), error),
        })?;
        let connection = Connection::ask_on(stream, request)?;
        Ok(Connection { unheard: Some(path.to_owned()), ..connection })
    }

    /// Asks the procman at the other end of a stream.
    pub fn ask_on(stream: UnixStream, request: Request) -> Result<Connection, Failure> {
        let lines = Lines::new(LONGEST_ANSWER);
        let mut connection = Connection { stream, lines, silence: Silence::Suspicious, unheard: None };
        let call = wire::encode(&Call { version: VERSION, request });
        match connection.stream.write_all(&call) {
            // One that will not have this client has said so before it left.
            Err(error) if error.kind() != ErrorKind::BrokenPipe => Err(Failure::Conversation(error)),
            Ok(()) | Err(_) => Ok(connection),
        }
    }

    /// Lets no answer be waited for any longer than that.
    pub fn set_patience(&mut self, patience: Duration) -> Result<(), Failure> {
        self.silence = Silence::Explained;
        self.stream.set_read_timeout(Some(patience)).map_err(Failure::Conversation)
    }

    /// Returns the next answer, and waits for it.
    pub fn next(&mut self) -> Result<Answer, Failure> {
        loop {
            if let Some(answer) = self.arrived()? {
                return Ok(answer);
            }
            if self.silence == Silence::Suspicious
                && wait_for(&self.stream, Some(SUSPICIOUS)) == Waited::Nothing
            {
                self.explain_silence();
            }
            if self.read()? == 0 {
                return Err(self.gone());
            }
            self.unheard = None;
        }
    }

    /// Returns why there is no answer. One that is being killed may have been connected to for the last time.
    fn gone(&self) -> Failure {
        let is_dead = |path: &PathBuf| {
            matches!(socket::connect(path), Err(ConnectError::Nothing | ConnectError::Stale))
        };
        if self.unheard.as_ref().is_some_and(is_dead) { Failure::NothingRuns } else { Failure::Gone }
    }

    /// Says so if whoever should answer has been stopped: else one would wait without knowing for what.
    fn explain_silence(&mut self) {
        self.silence = Silence::Explained;
        if let Some(pid) = socket::stands_still(&self.stream) {
            write_stderr(&format!(
                "procman: process {pid}, which runs this app, stands still and will answer when it is continued\n\
                 hint: `fg` where it was started, or `kill -CONT {pid}`"
            ));
        }
    }

    /// Returns the next answer if all of it has been read.
    pub fn arrived(&mut self) -> Result<Option<Answer>, Failure> {
        let line = self.lines.next_line().map_err(Failure::Answer)?;
        line.map(wire::decode_answer).transpose().map_err(Failure::Answer)
    }

    /// Reads what has come, and waits until something has. Returns how much that is, 0 at the end.
    pub fn read(&mut self) -> Result<usize, Failure> {
        let mut piece = [0; PIECE];
        loop {
            match self.stream.read(&mut piece) {
                Ok(length) => {
                    self.lines.push(piece.get(..length).unwrap_or_default());
                    return Ok(length);
                }
                Err(error) if error.kind() == ErrorKind::Interrupted => {}
                // It left without having read everything.
                Err(error) if error.kind() == ErrorKind::ConnectionReset => return Ok(0),
                Err(error) => return Err(Failure::Conversation(error)),
            }
        }
    }

    /// Returns what it is made of: the stream, and what of it has been read.
    pub fn into_parts(self) -> (UnixStream, Lines) {
        (self.stream, self.lines)
    }

    /// Returns the stream, to wait for it.
    pub fn stream(&self) -> &UnixStream {
        &self.stream
    }
}

/// Returns how the formation is of the procman that listens at `path`.
pub fn formation(path: &Path, patience: Option<Duration>) -> Result<Formation, Failure> {
    let mut connection = Connection::ask(path, Request::Ps {})?;
    if let Some(patience) = patience {
        connection.set_patience(patience)?;
    }
    let answer = connection.next()?;
    if let Answer::Formation(formation) = answer { Ok(formation) } else { Err(unexpected(answer)) }
}

/// A connection on which the end of a formation will be told.
#[derive(Debug)]
pub struct Ending(Connection);

/// What has been told of an end.
#[derive(Debug)]
pub enum Told {
    /// Nothing yet.
    NotYet(Ending),
    /// How everything was by then, and what procman exits with.
    Ended(Formation, i32),
}

impl Ending {
    /// Lets the end be told of the formation whose procman listens at `path`.
    pub fn watch(path: &Path) -> Result<Ending, Failure> {
        Connection::ask(path, Request::Last {}).map(Ending)
    }

    /// Waits for that end for so long. Fails if it will not be told.
    pub fn within(mut self, patience: Duration) -> Result<Told, Failure> {
        self.0.set_patience(patience)?;
        let last = match self.0.next() {
            Ok(Answer::Formation(last)) => last,
            Ok(other) => return Err(unexpected(other)),
            Err(Failure::Conversation(error)) if error.kind() == ErrorKind::WouldBlock => {
                return Ok(Told::NotYet(self));
            }
            Err(failure) => return Err(failure),
        };
        let answer = self.0.next()?;
        if let Answer::Finished { status } = answer {
            Ok(Told::Ended(last, status))
        } else {
            Err(unexpected(answer))
        }
    }
}

/// Returns the failure that an answer means where another one was waited for.
pub fn unexpected(answer: Answer) -> Failure {
    match answer {
        Answer::Refused { message, hint } => Failure::Refused(message, hint),
        Answer::Finished { status } => Failure::Finished(status),
        Answer::Formation(_)
        | Answer::Outcome(_)
        | Answer::Done {}
        | Answer::Line(_)
        | Answer::Skipped { .. }
        | Answer::Attached { .. }
        | Answer::Output { .. }
        | Answer::Missed { .. }
        | Answer::Ended { .. } => Failure::Conversation(io::Error::other("an answer to another question")),
    }
}
