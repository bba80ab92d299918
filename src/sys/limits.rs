//! What the system allows procman: open files, processes and memory.
//!
//! An error says only that something is used up. The limits behind it are looked up when it is explained.

use std::fs::{read_dir, read_to_string};
use std::hint::black_box;
use std::io;
use std::os::unix::fs::MetadataExt;
use std::path::Path;

use nix::libc;
use nix::sys::resource::{Resource, getrlimit};

use crate::sys::{control_group, files};

/// The error of a system that lets nobody, or not this user, have another process or thread (fork(2)). That of a thread
/// may mean too that there was no memory for its stack (pthread_create(3)).
pub const TOO_MANY_PROCESSES: i32 = libc::EAGAIN;

/// A limit that may be behind an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Limit {
    /// So many files may be open at once.
    OpenFiles(u64),
    /// So many processes may this user have.
    OfUser(u64),
    /// So many processes may this control group, or one that it is in, have.
    OfGroup(u64),
    /// So many bytes may this process have.
    Memory(u64),
}

/// Returns the limits that may be behind an error.
pub fn behind(error: &io::Error) -> Vec<Limit> {
    match error.raw_os_error() {
        Some(libc::EMFILE) => soft(Resource::RLIMIT_NOFILE).map(Limit::OpenFiles).into_iter().collect(),
        Some(TOO_MANY_PROCESSES) => {
            of_user().map(Limit::OfUser).into_iter().chain(of_group().map(Limit::OfGroup)).collect()
        }
        Some(libc::ENOMEM) => memory().map(Limit::Memory).into_iter().collect(),
        Some(_) | None => Vec::new(),
    }
}

/// Returns whether there are as many processes now as there may be.
pub fn processes_are_used_up() -> bool {
    let is_used_up = |group: &Path| {
        let number = |name| read_to_string(group.join(name)).ok()?.trim().parse::<u64>().ok();
        number("pids.max").zip(number("pids.current")).is_some_and(|(most, now)| now >= most)
    };
    of_user().is_some_and(|most| threads_of_user() >= most)
        || control_group::directory("pids").is_some_and(|group| group.ancestors().any(is_used_up))
}

/// Returns the error of a system that has no memory for the stack of another thread, if that is so now.
pub fn lack_of_memory() -> Option<io::Error> {
    /// What Rust gives a thread.
    const STACK: usize = 2 * 1024 * 1024;
    let mut stack: Vec<u8> = Vec::new();
    let has_room = stack.try_reserve_exact(STACK).is_ok();
    // Else the compiler may do without memory that nobody looks at.
    black_box(&stack);
    (!has_room).then(|| io::Error::from_raw_os_error(libc::ENOMEM))
}

/// Returns how many files are open, and how many may be; nothing where the system does not tell, as without `/proc`.
pub fn open_files() -> Option<(u64, u64)> {
    let limit = soft(Resource::RLIMIT_NOFILE)?;
    match read_dir("/dev/fd") {
        // One of them is the list itself.
        Ok(listed) => Some((listed.count().saturating_sub(1) as u64, limit)),
        Err(error) if error.raw_os_error() == Some(libc::EMFILE) => Some((limit, limit)),
        Err(_) => None,
    }
}

fn soft(resource: Resource) -> Option<u64> {
    let (soft, _) = getrlimit(resource).ok()?;
    #[allow(clippy::useless_conversion, reason = "the type differs between systems")]
    (soft != libc::RLIM_INFINITY).then(|| soft.into())
}

/// nix does not know this limit everywhere.
fn memory() -> Option<u64> {
    #[cfg(any(target_os = "linux", target_os = "macos"))]
    return soft(Resource::RLIMIT_AS);
    #[cfg(not(any(target_os = "linux", target_os = "macos")))]
    None
}

/// Root may have any number.
#[cfg(target_os = "linux")]
fn of_user() -> Option<u64> {
    if files::own_user() == 0 { None } else { soft(Resource::RLIMIT_NPROC) }
}

/// nix does not know this limit everywhere.
#[cfg(not(target_os = "linux"))]
fn of_user() -> Option<u64> {
    None
}

/// What counts against the limit of a user is threads.
fn threads_of_user() -> u64 {
    let processes = read_dir("/proc").into_iter().flatten().flatten();
    let own =
        processes.filter(|process| process.metadata().is_ok_and(|data| data.uid() == files::own_user()));
    own.filter_map(|process| Some(read_dir(process.path().join("task")).ok()?.count() as u64)).sum()
}

/// Returns the least `pids.max` of the control group that procman is in, and of those above it.
fn of_group() -> Option<u64> {
    let group = control_group::directory("pids")?;
    group
        .ancestors()
        .filter_map(|group| read_to_string(group.join("pids.max")).ok()?.trim().parse().ok())
        .min()
}
