//! How the formats quote: one function a rule, shared by all that have the same rule.
//!
//! Each says where its rule is written down. What a rule cannot hold, such as a NUL, is refused before it comes here.

/// Returns `text` as one word of a POSIX shell.
///
/// Between single quotes every character stands for itself, and none can stand for a single quote (Shell Command
/// Language, 2.2.2 Single-Quotes, <https://pubs.opengroup.org/onlinepubs/9799919799/utilities/V3_chap02.html>): one is
/// written as `'\''`, which ends the quotes, escapes it and begins them again.
pub fn sh(text: &str) -> String {
    format!("'{}'", text.replace('\'', r"'\''"))
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;

    use proptest::{prop_assert_eq, proptest};

    use super::sh;
    use crate::trials::trials;

    #[test]
    fn a_word_of_a_shell_is_in_single_quotes() {
        assert_eq!(sh(""), "''");
        assert_eq!(sh(r"it's $HOME \"), r"'it'\''s $HOME \'");
    }

    proptest! {
        #![proptest_config(trials(50))]

        #[test]
        fn a_shell_reads_a_word_as_it_was(text in "[^\0]{0,40}") {
            let script = format!("printf %s {}", sh(&text));
            let output = Command::new("/bin/sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }
    }
}
