//! The terminals of the instances: who has one, how large it is, and who is attached to it.
//!
//! As long as nobody is attached to a terminal, it is as wide as lines can be behind their prefix, and follows the
//! terminal that procman writes to.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use jiff::Timestamp;
use thiserror::Error;

use crate::formation::InstanceId;
use crate::output::Style;
use crate::process::{Sender, Signal};
use crate::runtime::Runtime;
use crate::sys::child::Streams;
use crate::sys::pty::{self, Master, Size};
use crate::sys::ready::Writable;
use crate::sys::signals::Received;
use crate::sys::stdio;

/// What the instances of a type are to get.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wanted {
    /// Pipes.
    Pipes,
    /// Terminals, as far as they can be had.
    Terminals,
}

/// The size of a terminal that has none.
const UNKNOWN: Size = Size { rows: 24, columns: 80 };
/// What a line is never narrower than, whatever its prefix takes.
const NARROWEST: u16 = 20;

/// All terminals, by the names of their instances.
#[derive(Clone, Debug)]
pub struct Terminals(Arc<Mutex<State>>);

#[derive(Debug)]
struct State {
    /// That of all that nobody is attached to.
    size: Size,
    terminals: BTreeMap<String, Terminal>,
}

#[derive(Debug)]
struct Terminal {
    master: Master,
    user: User,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum User {
    Nobody,
    Somebody,
}

/// Why one cannot attach to an instance.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Error)]
pub enum AttachError {
    /// It does not run, or writes to a pipe.
    #[error("it has no terminal")]
    NoTerminal,
    /// Somebody else is.
    #[error("somebody else is attached to it")]
    Taken,
    /// The system refuses to wait for it.
    #[error("its terminal cannot be waited for")]
    System,
}

impl Terminals {
    /// Returns no terminals.
    pub fn new(size: Size) -> Self {
        Terminals(Arc::new(Mutex::new(State { size, terminals: BTreeMap::new() })))
    }

    /// Takes the terminal of an instance that has just been started.
    pub fn insert(&self, name: String, master: Master) {
        self.state().terminals.insert(name, Terminal { master, user: User::Nobody });
    }

    /// Forgets the terminal of an instance of which nothing is alive. Whoever is attached still is.
    pub fn remove(&self, name: &str) {
        self.state().terminals.remove(name);
    }

    /// Returns whether an instance has a terminal.
    pub fn contains(&self, name: &str) -> bool {
        self.state().terminals.contains_key(name)
    }

    /// Returns the size of those that nobody is attached to.
    pub fn size(&self) -> Size {
        self.state().size
    }

    /// Sets the size of those that nobody is attached to.
    pub fn set_size(&self, size: Size) {
        let mut state = self.state();
        state.size = size;
        for terminal in state.terminals.values().filter(|terminal| terminal.user == User::Nobody) {
            // Fails for no terminal; and a wrong size is no reason to do anything.
            let _ = terminal.master.resize(size);
        }
    }

    /// Gives the terminal of an instance to somebody whose own terminal has this size. To be called in the runtime that
    /// is to wait when it is written to.
    pub fn attach(&self, name: &str, size: Size) -> Result<Attachment, AttachError> {
        let mut state = self.state();
        let terminal = state.terminals.get_mut(name).ok_or(AttachError::NoTerminal)?;
        if terminal.user == User::Somebody {
            return Err(AttachError::Taken);
        }
        let master = Writable::new(terminal.master.clone()).map_err(|_| AttachError::System)?;
        terminal.user = User::Somebody;
        let _ = terminal.master.resize(size);
        Ok(Attachment { terminals: self.clone(), name: name.to_owned(), master })
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Nothing here leaves it half done.
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Somebody's use of a terminal. When it goes, the terminal is again as it was before.
#[derive(Debug)]
pub struct Attachment {
    terminals: Terminals,
    name: String,
    master: Writable<Master>,
}

impl Attachment {
    /// Types some of `bytes`, once the instance takes any, and returns how many. May be dropped while it waits. Fails
    /// when nothing of the instance has its terminal open any more.
    pub async fn write(&self, bytes: &[u8]) -> io::Result<usize> {
        self.master.write(|master| master.write(bytes)).await
    }

    /// Returns whether the instance has lost this terminal: nothing of it is alive, or it has been started again.
    pub fn is_over(&self) -> bool {
        let state = self.terminals.state();
        let terminal = state.terminals.get(&self.name);
        terminal.is_none_or(|terminal| !terminal.master.is(self.master.get()))
    }

    /// Takes the news that the user's terminal has another size.
    pub fn resize(&self, size: Size) -> io::Result<()> {
        self.master.get().resize(size)
    }
}

impl Drop for Attachment {
    fn drop(&mut self) {
        let mut state = self.terminals.state();
        let (size, master) = (state.size, self.master.get());
        let _ = master.resize(size);
        // The instance may have been started again since, with another one.
        if let Some(terminal) = state.terminals.get_mut(&self.name)
            && terminal.master.is(master)
        {
            terminal.user = User::Nobody;
        }
    }
}

/// How much of a line its prefix takes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Prefix {
    columns: usize,
    /// Those of them that are for the name.
    name: usize,
}

impl Prefix {
    /// Returns the prefix of lines that look like this.
    pub fn new(style: &Style, now: Timestamp) -> Prefix {
        Prefix { columns: style.prefix_width(now), name: style.width }
    }

    /// Makes room for a name, and returns whether there was less. Lines without a prefix need none.
    fn make_room(&mut self, name: &str) -> bool {
        let more = name.chars().count().saturating_sub(self.name);
        let is_news = more > 0 && self.columns > 0;
        if is_news {
            self.columns += more;
            self.name += more;
        }
        is_news
    }

    /// Returns the size of an instance's terminal.
    pub fn size_beside(self) -> Size {
        size_beside(self.columns)
    }
}

/// Returns the size of an instance's terminal beside prefixes of so many columns.
fn size_beside(prefix: usize) -> Size {
    let Some(Size { rows, columns }) = pty::size_of_stdout() else { return UNKNOWN };
    let prefix = u16::try_from(prefix).unwrap_or(u16::MAX);
    Size { rows, columns: columns.saturating_sub(prefix).max(NARROWEST.min(columns)) }
}

impl Runtime<'_> {
    /// Returns what an instance is to read and write: a pipe too where no terminal can be had, of which it is said once.
    pub fn streams(&mut self, id: &InstanceId) -> Streams {
        if !self.wanted.contains(&(id.process.clone(), Wanted::Terminals)) {
            return Streams::Pipe;
        }
        if self.prefix.make_room(&id.to_string()) {
            self.terminals.set_size(self.prefix.size_beside());
        }
        match pty::open(self.terminals.size()) {
            Ok(pair) => Streams::Terminal(pair),
            Err(error) => {
                if !std::mem::replace(&mut self.has_lacked_terminal, true) {
                    let reason = stdio::plain(&error);
                    self.pump.say(format!(
                        "{id} gets a pipe, as others may, for there is no pseudo-terminal: {reason}"
                    ));
                }
                Streams::Pipe
            }
        }
    }

    /// Lets the terminals of the instances follow procman's own, and returns which signals are news for the instances.
    ///
    /// The kernel itself tells them that their terminals have another size now.
    pub fn resized(&self, mut received: Vec<Received>) -> Vec<Received> {
        let is_resize =
            |received: &Received| received.signal == Signal::WINCH && received.sender == Sender::Kernel;
        let any = self.wanted.iter().any(|(_, wanted)| *wanted == Wanted::Terminals);
        if any && received.iter().any(is_resize) {
            self.terminals.set_size(self.prefix.size_beside());
            if self.instances.keys().all(|id| self.terminals.contains(&id.to_string())) {
                received.retain(|received| !is_resize(received));
            }
        }
        received
    }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::os::fd::{AsRawFd, OwnedFd};

    use super::{AttachError, Attachment, Prefix, Terminals};
    use crate::sys::pty::{self, Size};

    const SMALL: Size = Size { rows: 24, columns: 60 };
    const LARGE: Size = Size { rows: 50, columns: 200 };
    const OTHER: Size = Size { rows: 10, columns: 10 };

    struct World {
        terminals: Terminals,
        /// Of `web.1` and `web.2`.
        slaves: [OwnedFd; 2],
    }

    impl World {
        fn new() -> World {
            let terminals = Terminals::new(SMALL);
            let slaves = ["web.1", "web.2"].map(|name| {
                let pair = pty::open(terminals.size()).unwrap();
                terminals.insert(name.to_owned(), pair.master);
                pair.slave
            });
            World { terminals, slaves }
        }

        fn attach(&self, name: &str, size: Size) -> Result<Attachment, AttachError> {
            self.terminals.attach(name, size)
        }

        #[track_caller]
        fn check(&self, expected: [Size; 2]) {
            let sizes = self.slaves.each_ref().map(|slave| {
                let path = format!("/proc/self/fd/{}", slave.as_raw_fd());
                let terminal = std::fs::File::options().read(true).open(path).unwrap();
                let output = std::process::Command::new("stty").arg("size").stdin(terminal).output().unwrap();
                String::from_utf8(output.stdout).unwrap().trim().to_owned()
            });
            assert_eq!(sizes, expected.map(|Size { rows, columns }| format!("{rows} {columns}")));
        }
    }

    /// Runs `test` where one can wait.
    fn in_runtime(test: impl FnOnce()) {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async { test() });
    }

    #[test]
    fn a_terminal_has_the_size_of_whoever_is_attached() {
        in_runtime(|| {
            let world = World::new();
            world.check([SMALL, SMALL]);
            let attachment = world.attach("web.1", LARGE).unwrap();
            world.check([LARGE, SMALL]);
            world.terminals.set_size(OTHER);
            world.check([LARGE, OTHER]);
            attachment.resize(SMALL).unwrap();
            world.check([SMALL, OTHER]);
            drop(attachment);
            world.check([OTHER, OTHER]);
        });
    }

    #[test]
    fn a_prefix_grows_with_the_names() {
        let check = |prefix: Prefix, name: &str, expected: Prefix| {
            let mut after = prefix;
            assert_eq!(after.make_room(name), prefix != expected);
            assert_eq!(after, expected);
        };
        let prefix = Prefix { columns: 18, name: 6 };
        check(prefix, "web.9", prefix);
        check(prefix, "web.10", prefix);
        check(prefix, "web.100", Prefix { columns: 19, name: 7 });
        let none = Prefix { columns: 0, name: 6 };
        check(none, "web.100", none);
    }

    #[test]
    fn one_at_a_time_is_attached() {
        in_runtime(|| {
            let world = World::new();
            let attach = |name| world.attach(name, LARGE);
            assert_eq!(attach("web.3").err(), Some(AttachError::NoTerminal));
            let first = attach("web.1").unwrap();
            assert_eq!(attach("web.1").err(), Some(AttachError::Taken));
            drop(first);
            // Who is attached to an instance that is gone has nothing to say about the next one.
            let old = attach("web.1").unwrap();
            world.terminals.remove("web.1");
            assert_eq!(attach("web.1").err(), Some(AttachError::NoTerminal));
            world.terminals.insert("web.1".to_owned(), pty::open(SMALL).unwrap().master);
            let _new = attach("web.1").unwrap();
            drop(old);
            assert_eq!(attach("web.1").err(), Some(AttachError::Taken));
        });
    }

    #[test]
    fn what_does_not_fit_waits_until_the_instance_reads() {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_io().build().unwrap();
        runtime.block_on(async {
            let world = World::new();
            let attachment = world.attach("web.1", SMALL).unwrap();
            let mut typed = 0;
            let line = [[b'x'; 99].as_slice(), b"\n"].concat();
            let reader = std::fs::File::from(world.slaves[0].try_clone().unwrap());
            let reader = std::thread::spawn(move || {
                let (mut read, mut buffer) = (0, [0; 4096]);
                while read < 100_000 {
                    read += std::io::Read::read(&mut &reader, &mut buffer).unwrap();
                }
                read
            });
            while typed < 100_000 {
                let from = typed % line.len();
                typed += attachment.write(&line[from..]).await.unwrap();
            }
            assert_eq!(reader.join().unwrap(), 100_000);
        });
    }
}
