//! The program behind a program: the interpreter of a script, the loader of a binary.
//!
//! Where it is missing the system says "no such file" about a file that is there, and so does every shell.

use std::ffi::{OsStr, OsString};
use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::os::unix::fs::{OpenOptionsExt, PermissionsExt};
use std::path::{Path, PathBuf};

use nix::libc;

/// A program whose interpreter is not there.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Missing {
    /// The program, as a path that it was found by.
    pub program: PathBuf,
    /// Its interpreter.
    pub interpreter: PathBuf,
}

/// Returns the program and its interpreter if the one is there and the other is not. `directory` is the working
/// directory, `path` the `PATH`.
pub fn missing(program: &OsStr, directory: &Path, path: Option<&OsStr>) -> Option<Missing> {
    let program = find(program, directory, path)?;
    let mut start = Vec::new();
    let file = File::options().read(true).custom_flags(libc::O_NONBLOCK).open(directory.join(&program));
    file.ok()?.take(LOOKED_AT).read_to_end(&mut start).ok()?;
    let interpreter =
        PathBuf::from(OsString::from_vec(of_script(&start).or_else(|| of_binary(&start))?.to_vec()));
    let error = directory.join(&interpreter).metadata().err()?;
    matches!(error.kind(), ErrorKind::NotFound | ErrorKind::NotADirectory)
        .then_some(Missing { program, interpreter })
}

/// How much of a file is looked at. What a linker writes about the loader stands in the first page.
const LOOKED_AT: u64 = 4096;

/// Linux looks no further for the interpreter of a script (execve(2)).
const FIRST_LINE: usize = 255;

/// Returns whether there is something under the name of a program that is none: what "permission denied" is about.
pub fn is_refused(program: &OsStr, directory: &Path, path: Option<&OsStr>) -> bool {
    let is_there = |folder: PathBuf| directory.join(folder).join(program).symlink_metadata().is_ok();
    program.as_bytes().contains(&b'/')
        || find(program, directory, path).is_none()
            && path.is_some_and(|path| std::env::split_paths(path).any(is_there))
}

/// Returns where a program lies, as execvp(3) finds it.
fn find(program: &OsStr, directory: &Path, path: Option<&OsStr>) -> Option<PathBuf> {
    let is_program = |file: &PathBuf| {
        let metadata = directory.join(file).metadata();
        metadata.is_ok_and(|metadata| metadata.is_file() && metadata.permissions().mode() & 0o111 != 0)
    };
    if program.as_bytes().contains(&b'/') {
        return Some(PathBuf::from(program)).filter(is_program);
    }
    std::env::split_paths(path?).map(|folder| folder.join(program)).find(is_program)
}

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

    use super::{missing, of_binary, of_script};

    /// Returns the interpreter that is missed of a program with this content.
    fn missed(content: &[u8]) -> Option<String> {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("program");
        std::fs::write(&file, content).unwrap();
        std::fs::set_permissions(&file, PermissionsExt::from_mode(0o755)).unwrap();
        let found = [
            missing("./program".as_ref(), directory.path(), None),
            missing("program".as_ref(), Path::new("/"), Some(directory.path().as_os_str())),
            missing("program".as_ref(), directory.path(), Some(OsStr::new("/no/such:."))),
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

    #[test]
    fn the_loader_of_a_binary_is_in_its_headers() {
        let shell = std::fs::read("/bin/sh").unwrap();
        let Some(loader) = of_binary(&shell).map(<[u8]>::to_vec) else { return };
        assert_eq!(missed(&shell), None);
        let start = memchr::memmem::find(&shell, &loader).unwrap();
        let mut other = shell;
        other[start..start + 3].copy_from_slice(b"/no");
        let other_loader = format!("/no{}", String::from_utf8_lossy(&loader[3..]));
        assert_eq!(missed(&other), Some(other_loader));
    }

    #[test]
    fn what_is_no_program_has_none() {
        assert_eq!(missing("/".as_ref(), Path::new("/"), None), None);
        assert_eq!(missing("/dev/null".as_ref(), Path::new("/"), None), None);
        assert_eq!(missing("/no/such".as_ref(), Path::new("/"), None), None);
        assert_eq!(missing("sh".as_ref(), Path::new("/"), None), None);
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
