//! Values that a format cannot hold as they are: written for `printf %b`, and unpacked by the command's own shell.
//!
//! That way a value needs no file that the process's user would have to be able to read, and is no argument of a
//! program, which everybody can see.

use std::fmt::Write as _;

/// Returns a value as the `%b` of `printf` reads it: the characters that are safe in any format as they are, all others
/// as `\0` and three octal digits for each byte (printf, Extended Description,
/// <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/printf.html>).
pub fn pack(value: &str) -> String {
    let mut packed = String::with_capacity(value.len());
    let last_blank = value.ends_with(' ').then(|| value.len() - 1);
    for (at, character) in value.char_indices() {
        let is_safe = character.is_alphanumeric() || " _./:,=+-@".contains(character);
        if is_safe && Some(at) != last_blank {
            packed.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            // Nothing fails that writes to a string.
            let _ = write!(packed, r"\0{byte:03o}");
        }
    }
    packed
}

/// Returns `command` with its packed variables unpacked first. The full stop keeps the line ends that a command
/// substitution drops.
pub fn unpacking(command: &str, names: &[&str]) -> String {
    let unpack = |name: &&str| format!(r#"{name}=$(printf %b. "${name}"); {name}=${{{name}%.}}; "#);
    names.iter().map(unpack).chain([command.to_owned()]).collect()
}

/// Returns whether a shell can set a variable of this name.
pub fn can_unpack(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use proptest::{prop_assert_eq, proptest};

    use super::{can_unpack, pack, unpacking};
    use crate::trials::trials;

    #[test]
    fn what_is_packed_is_of_safe_characters() {
        assert_eq!(pack("it's Grüße 日 "), r"it\0047s Grüße 日\0040");
        assert_eq!(pack("a\nb\\\u{301}"), r"a\0012b\0134\0314\0201");
    }

    #[test]
    fn only_names_of_the_shells_are_unpacked() {
        for (name, can) in [("A_1", true), ("_", true), ("1A", false), ("a.b", false), ("", false)] {
            assert_eq!(can_unpack(name), can, "{name}");
        }
    }

    proptest! {
        #![proptest_config(trials(50))]

        #[test]
        fn a_shell_unpacks_what_was_packed(value in "[^\0]{0,40}") {
            let command = unpacking("printf %s \"$VALUE\"", &["VALUE"]);
            let shell = Command::new("/bin/sh").args(["-c", &command]).env("VALUE", pack(&value)).output();
            prop_assert_eq!(String::from_utf8(shell.unwrap().stdout).unwrap(), value);
        }
    }
}
