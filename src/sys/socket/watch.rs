//! Tells of what goes from a directory by inotify(7), which wakes nobody otherwise. Elsewhere nobody tells.

#[cfg(all(target_os = "linux", not(procman_portable)))]
pub use by_inotify::{Watch, of};
#[cfg(not(all(target_os = "linux", not(procman_portable))))]
pub use by_nobody::{Watch, of};

#[cfg(all(target_os = "linux", not(procman_portable)))]
mod by_inotify {
    use std::io;
    use std::path::Path;

    use nix::sys::inotify::{AddWatchFlags, InitFlags, Inotify};

    use crate::sys::ready::Ready;

    /// Tells when something has gone from a directory.
    #[derive(Debug)]
    pub struct Watch(Ready<Inotify>);

    /// Returns what tells of a directory, within a tokio runtime.
    pub fn of(directory: &Path) -> io::Result<Watch> {
        let inotify = Inotify::init(InitFlags::IN_NONBLOCK | InitFlags::IN_CLOEXEC)?;
        inotify.add_watch(directory, AddWatchFlags::IN_DELETE | AddWatchFlags::IN_MOVED_FROM)?;
        Ready::new(inotify).map(Watch)
    }

    impl Watch {
        /// Waits until something has gone. May be dropped while it waits.
        pub async fn something_went(&mut self) -> io::Result<()> {
            self.0.read(|inotify| while inotify.read_events().is_ok() {}).await
        }
    }
}

#[cfg(not(all(target_os = "linux", not(procman_portable))))]
mod by_nobody {
    use std::io;
    use std::path::Path;

    /// There is no such thing here.
    #[derive(Debug)]
    pub enum Watch {}

    /// Returns that nobody tells.
    pub fn of(_: &Path) -> io::Result<Watch> {
        Err(io::ErrorKind::Unsupported.into())
    }

    impl Watch {
        /// There is nothing to wait for.
        pub async fn something_went(&mut self) -> io::Result<()> {
            match *self {}
        }
    }
}
