//! The program behind a program: the interpreter of a script, the loader of a binary.
//!
//! Where it is missing the system says "no such file" about a file that is there, and so does every shell.

use std::ffi::OsStr;
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::OsStrExt;
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc;
use thiserror::Error;

use crate::quote::escaped_path;

/// A program whose interpreter is not there.
#[derive(Clone, Debug, PartialEq, Eq, Error)]
#[error("the interpreter `{}` of `{}` was not found", escaped_path(interpreter), escaped_path(program))]
pub struct Missing {
    /// The program, as a path that it was found by.
    pub program: PathBuf,
    /// Its interpreter.
    pub interpreter: PathBuf,
}

/// Where programs are looked for, as execvp(3) does it.
#[derive(Clone, Copy, Debug)]
pub struct Search<'a> {
    directory: &'a Path,
    path: &'a OsStr,
}

/// Where the C library looks when there is no `PATH`.
const DEFAULT_PATH: &str = "/bin:/usr/bin";

impl<'a> Search<'a> {
    /// Returns where a process looks with this working directory and this environment.
    pub fn new(directory: &'a Path, environment: impl IntoIterator<Item = (&'a OsStr, &'a OsStr)>) -> Self {
        let path = environment.into_iter().find(|(name, _)| *name == "PATH").map(|(_, value)| value);
        Search { directory, path: path.unwrap_or(DEFAULT_PATH.as_ref()) }
    }

    /// Returns the program and its interpreter if the one is there and the other is not.
    pub fn missing(self, program: &OsStr) -> Option<Missing> {
        let program = self.find(program)?;
        let mut start = Vec::new();
        let mut file = File::options();
        let file = file.read(true).custom_flags(libc::O_NONBLOCK).open(self.directory.join(&program));
        file.ok()?.take(LOOKED_AT).read_to_end(&mut start).ok()?;
        let interpreter = of_script(&start).or_else(|| of_binary(&start))?;
        let interpreter = PathBuf::from(OsStr::from_bytes(interpreter));
        let error = self.directory.join(&interpreter).metadata().err()?;
        matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
            .then_some(Missing { program, interpreter })
    }

    /// Returns whether there is something under the name of a program that is none: what "permission denied" is
    /// about.
    pub fn is_refused(self, program: &OsStr) -> bool {
        let is_there = |file: PathBuf| self.directory.join(file).symlink_metadata().is_ok();
        program.as_bytes().contains(&b'/')
            || self.find(program).is_none() && self.candidates(program).any(is_there)
    }

    /// Returns where a program lies.
    pub fn find(self, program: &OsStr) -> Option<PathBuf> {
        self.candidates(program).find(|file| {
            let metadata = self.directory.join(file).metadata();
            metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
        })
    }

    /// Returns where a program may lie. What has a slash is not looked for.
    fn candidates(self, program: &OsStr) -> impl Iterator<Item = PathBuf> {
        let path = if program.as_bytes().contains(&b'/') { OsStr::new("") } else { self.path };
        // Joined as every shell does it: a script is told the path that it was found by, two slashes and all.
        std::env::split_paths(path).map(move |folder| {
            let mut file = folder.into_os_string();
            if !file.is_empty() {
                file.push("/");
            }
            file.push(program);
            file.into()
        })
    }
}

/// How much of a file is looked at. What a linker writes about the loader stands in the first page.
const LOOKED_AT: u64 = 4096;

/// Linux looks no further for the interpreter of a script (execve(2)).
const FIRST_LINE: usize = 255;

/// Returns the interpreter in the first line of a script.
fn of_script(start: &[u8]) -> Option<&[u8]> {
    let line = start.strip_prefix(b"#!")?.split(|byte| *byte == b'\n').next()?;
    let line = &line[..line.len().min(FIRST_LINE)];
    line.split(|byte| matches!(byte, b' ' | b'\t' | 0)).find(|word| !word.is_empty())
}

/// Returns the loader of a 64-bit little-endian ELF file (elf(5)): the segment of type PT_INTERP.
fn of_binary(start: &[u8]) -> Option<&[u8]> {
    const PT_INTERP: u64 = 3;
    let number = |at: usize, length: usize| {
        let bytes = start.get(at..at.checked_add(length)?)?;
        Some(bytes.iter().rev().fold(0, |number, byte| number << 8 | u64::from(*byte)))
    };
    let place = |at: usize| usize::try_from(number(at, 8)?).ok();
    start.strip_prefix(b"\x7fELF\x02\x01")?;
    let (table, size, count) = (place(32)?, number(54, 2)? as usize, number(56, 2)? as usize);
    let headers = (0..count).map_while(|index| table.checked_add(index * size));
    let header = headers.into_iter().find(|at| number(*at, 4) == Some(PT_INTERP))?;
    let (at, length) = (place(header.checked_add(8)?)?, place(header.checked_add(32)?)?);
    start.get(at..at.checked_add(length)?)?.split(|byte| *byte == 0).next()
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::fs::PermissionsExt;
    use std::path::Path;

    use proptest::prelude::any;
    use proptest::proptest;

    use super::{Missing, Search, of_binary, of_script};

    fn missing(program: &str, directory: &Path, path: Option<&OsStr>) -> Option<Missing> {
        Search::new(directory, path.map(|path| (OsStr::new("PATH"), path))).missing(program.as_ref())
    }

    /// Returns the interpreter that is missed of a program with this content.
    fn missed(content: &[u8]) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("program");
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        let found = [
            missing("./program", directory.path(), None),
            missing("program", Path::new("/"), Some(directory.path().as_os_str())),
            missing("program", directory.path(), Some(OsStr::new("/no/such:."))),
        ];
        let found = found.map(|found| found.map(|missing| missing.interpreter.display().to_string()));
        assert!(found.iter().all(|other| *other == found[0]), "{found:?}");
        found[0].clone()
    }

    #[test]
    fn the_interpreter_of_a_script_is_in_its_first_line() {
        for (content, expected) in [
            ("#!/no/such -x y\n", Some("/no/such")),
            ("#! \t/no/such", Some("/no/such")),
            // The file has the line ends of another system.
            ("#!/bin/sh\r\necho\r\n", Some("/bin/sh\r")),
            ("#!no/such\n", Some("no/such")),
            ("#!/bin/sh\n", None),
            ("#!\n/no/such\n", None),
            ("#!", None),
            ("echo\n#!/no/such\n", None),
            ("", None),
        ] {
            assert_eq!(missed(content.as_bytes()).as_deref(), expected, "{content:?}");
        }
    }

    /// Returns the start of a binary with two segments, the second of which names its loader.
    fn binary(loader: &str) -> Vec<u8> {
        const HEADER: usize = 64;
        const SEGMENT: usize = 56;
        let mut bytes = vec![0; HEADER + 2 * SEGMENT];
        let mut write = |at: usize, value: &[u8]| bytes[at..at + value.len()].copy_from_slice(value);
        write(0, b"\x7fELF\x02\x01\x01");
        write(32, &HEADER.to_le_bytes());
        write(54, &[SEGMENT as u8, 0, 2, 0]);
        let segment = HEADER + SEGMENT;
        write(segment, &[3]);
        write(segment + 8, &(HEADER + 2 * SEGMENT).to_le_bytes());
        write(segment + 32, &(loader.len() + 1).to_le_bytes());
        [&bytes, loader.as_bytes(), b"\0 and more"].concat()
    }

    #[test]
    fn the_loader_of_a_binary_is_in_its_headers() {
        assert_eq!(missed(&binary("/no/such/loader")).as_deref(), Some("/no/such/loader"));
        assert_eq!(missed(&binary("/bin/sh")), None);
        assert_eq!(missed(&std::fs::read("/bin/sh").unwrap()), None);
    }

    #[test]
    fn what_is_no_program_has_none() {
        assert_eq!(missing("/", Path::new("/"), None), None);
        assert_eq!(missing("/dev/null", Path::new("/"), None), None);
        assert_eq!(missing("/no/such", Path::new("/"), None), None);
        assert_eq!(missing("sh", Path::new("/"), None), None);
    }

    #[test]
    fn without_a_path_the_default_one_is_searched() {
        let search = Search::new(Path::new("/"), []);
        assert_eq!(search.find("sh".as_ref()), Some("/bin/sh".into()));
        assert_eq!(search.find("no-such-program".as_ref()), None);
    }

    #[test]
    fn a_program_is_found_under_the_path_that_a_shell_would_give_it() {
        for (path, expected) in
            [("/bin", "/bin/sh"), ("/bin//", "/bin///sh"), ("bin", "bin/sh"), (":", "bin/sh")]
        {
            let program = if path == ":" { "bin/sh" } else { "sh" };
            let search = Search::new(Path::new("/"), [(OsStr::new("PATH"), OsStr::new(path))]);
            assert_eq!(search.find(program.as_ref()), Some(expected.into()), "{path}");
        }
    }

    proptest! {
        #[test]
        fn no_file_is_too_odd(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), elf in any::<bool>()) {
            if elf && bytes.len() > 6 {
                bytes[..6].copy_from_slice(b"\x7fELF\x02\x01");
            }
            of_script(&bytes);
            of_binary(&bytes);
        }
    }
}
