//! Where the control socket of an app lies.
//!
//! The address follows from the app root alone, so that every command finds the formation that runs there, without a
//! file that says so and that could be out of date.

use std::ffi::OsStr;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

/// How much of an app root's own name the name of its socket shows. An address has room for about a hundred bytes.
const SHOWN: usize = 32;

/// Returns the directory of a user's control sockets: below `$XDG_RUNTIME_DIR`, or else in `/tmp`.
///
/// A runtime directory that is no absolute path is none, as the XDG Base Directory Specification says.
pub fn directory(runtime: Option<&OsStr>, user: u32) -> PathBuf {
    match runtime.map(Path::new).filter(|path| path.is_absolute()) {
        Some(runtime) => runtime.join("procman"),
        None => PathBuf::from(format!("/tmp/procman-{user}")),
    }
}

/// Returns the name of the socket of an app, whose root is a canonical path.
///
/// What tells one root from another is the hash, FNV-1a of 64 bits; the name before it is for people.
pub fn name(root: &Path) -> String {
    let shown = root.file_name().unwrap_or_default().as_bytes();
    let is_safe = |byte: u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.');
    let safe = shown.iter().take(SHOWN).map(|byte| if is_safe(*byte) { char::from(*byte) } else { '_' });
    let safe: String = safe.collect();
    // A leading dot would hide it.
    let safe = safe.trim_start_matches('.');
    let safe = if safe.is_empty() { "root" } else { safe };
    format!("{safe}-{:016x}.sock", fnv1a(root.as_os_str().as_bytes()))
}

fn fnv1a(bytes: &[u8]) -> u64 {
    bytes.iter().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(*byte)).wrapping_mul(0x0000_0100_0000_01b3)
    })
}

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;
    use std::path::Path;

    use super::{directory, fnv1a, name};

    #[track_caller]
    fn check_directory(runtime: Option<&str>, expected: &str) {
        assert_eq!(directory(runtime.map(OsStr::new), 1000), Path::new(expected));
    }

    #[test]
    fn a_runtime_directory_is_absolute() {
        check_directory(Some("/run/user/1000"), "/run/user/1000/procman");
        check_directory(Some("/run/user/1000/"), "/run/user/1000/procman");
        check_directory(Some("run"), "/tmp/procman-1000");
        check_directory(Some(""), "/tmp/procman-1000");
        check_directory(None, "/tmp/procman-1000");
    }

    #[track_caller]
    fn check_name(root: &[u8], expected: &str) {
        let name = name(Path::new(OsStr::from_bytes(root)));
        let (shown, hash) = name.rsplit_once('-').unwrap_or_default();
        assert_eq!(shown, expected);
        assert_eq!(hash, format!("{:016x}.sock", fnv1a(root)));
        assert!(name.len() <= 54, "{name}");
    }

    #[test]
    fn a_name_shows_the_root_and_is_safe() {
        check_name(b"/srv/shop", "shop");
        check_name(b"/srv/my shop\n", "my_shop_");
        check_name("/srv/Café-2.0".as_bytes(), "Caf__-2.0");
        check_name(b"/srv/\xff", "_");
        check_name(b"/srv/.hidden", "hidden");
        check_name(b"/srv/...", "root");
        check_name(b"/", "root");
        check_name(format!("/srv/{}", "x".repeat(300)).as_bytes(), &"x".repeat(32));
    }

    #[test]
    fn the_hash_is_the_published_one() {
        // The vectors of the function's authors.
        assert_eq!(fnv1a(b""), 0xcbf2_9ce4_8422_2325);
        assert_eq!(fnv1a(b"a"), 0xaf63_dc4c_8601_ec8c);
        assert_eq!(fnv1a(b"foobar"), 0x8594_4171_f739_67e8);
        assert_eq!(name(Path::new("/srv/shop")), "shop-23924b8039499120.sock");
    }
}
