//! Makes a shell get out of the way of the one program that it would wait for.
//!
//! Many shells run `sh -c 'server --port $PORT'` as two processes. The outer one then gets the signals, dies
//! of them at once and takes the server's exit status with it. With `exec` before the program there is one
//! process, and everything else still means what the shell says.

use std::borrow::Cow;

/// Returns the command with `exec` before its program if it is one simple command that runs a program, with
/// assignments before and arguments and redirections behind it; any other command unchanged.
///
/// When in doubt nothing is changed: the result is the same but for one more process.
pub fn with_exec(command: &str) -> Cow<'_, str> {
    match program(command) {
        Some(start) => Cow::Owned(format!("{}exec {}", &command[..start], &command[start..])),
        None => Cow::Borrowed(command),
    }
}

/// Returns the program that [`with_exec`] puts `exec` before; nothing if an assignment before it may say where it
/// is looked for.
pub fn lone_program(command: &str) -> Option<&str> {
    let start = program(command)?;
    let word = next_word(command, start)??;
    let text = &command[word.start..word.end];
    (start == 0 || text.contains('/')).then_some(text)
}

/// Returns where the program of a simple command begins.
fn program(command: &str) -> Option<usize> {
    let mut at = 0;
    let mut program = None;
    while let Some(word) = next_word(command, at)? {
        at = word.end;
        let text = &command[word.start..word.end];
        if program.is_none() && !is_assignment(text) {
            program = is_program(text).then_some(word.start);
            program?;
        }
    }
    program
}

struct Word {
    start: usize,
    end: usize,
}

/// Returns the next word from `at` on, as far as its blanks and quotes go; `Some(None)` at the end, and `None`
/// where the shell does more than to run one program.
#[expect(clippy::option_option, reason = "the end of a command is not a reason to give up")]
fn next_word(command: &str, at: usize) -> Option<Option<Word>> {
    let bytes = command.as_bytes();
    let is_blank = |byte: &u8| matches!(byte, b' ' | b'\t');
    let Some(start) = bytes[at..].iter().position(|byte| !is_blank(byte)).map(|blanks| at + blanks) else {
        return Some(None);
    };
    if bytes[start] == b'#' {
        return Some(None);
    }
    let mut end = start;
    while let Some(byte) = bytes.get(end) {
        end += match byte {
            b' ' | b'\t' => break,
            b'\'' => bytes[end + 1..].iter().position(|byte| *byte == b'\'')? + 2,
            b'"' => double_quoted(&bytes[end..])?,
            b'\\' => 2,
            // Only `2>&1` and its like: a file descriptor is copied, nothing is sent to the background.
            b'&' if end > start && matches!(bytes[end - 1], b'<' | b'>') => 1,
            b'<' if bytes.get(end + 1) == Some(&b'<') => return None,
            b'$' if bytes.get(end + 1) == Some(&b'(') => return None,
            b';' | b'|' | b'&' | b'(' | b')' | b'`' | b'\n' => return None,
            _ => 1,
        };
    }
    // A backslash at the very end escapes nothing.
    (end <= bytes.len()).then_some(Some(Word { start, end }))
}

/// Returns the length of a text in double quotes, which must not contain commands.
fn double_quoted(bytes: &[u8]) -> Option<usize> {
    let mut at = 1;
    loop {
        at += match bytes.get(at)? {
            b'"' => return Some(at + 1),
            b'\\' => 2,
            b'`' => return None,
            b'$' if bytes.get(at + 1) == Some(&b'(') => return None,
            _ => 1,
        };
    }
}

fn is_assignment(word: &str) -> bool {
    let name = word.split_once('=').map_or("", |(name, _)| name);
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns whether a word surely names a program and nothing of the shell's own.
fn is_program(word: &str) -> bool {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"_./+-@%,".contains(&byte);
    word.bytes().all(is_plain) && !OF_THE_SHELL.contains(&word)
}

/// Reserved words and built-in commands of the usual shells.
#[rustfmt::skip]
const OF_THE_SHELL: [&str; 79] = [
    ".", "alias", "bg", "bind", "break", "builtin", "caller", "case", "cd", "chdir", "command", "compgen",
    "complete", "compopt", "continue", "coproc", "declare", "dirs", "disown", "do", "done", "echo", "elif",
    "else", "enable", "esac", "eval", "exec", "exit", "export", "false", "fc", "fg", "fi", "for", "function",
    "getopts", "hash", "help", "history", "if", "in", "jobs", "kill", "let", "local", "logout", "mapfile",
    "newgrp", "popd", "printf", "pushd", "pwd", "read", "readarray", "readonly", "return", "select", "set",
    "shift", "shopt", "source", "suspend", "test", "then", "time", "times", "trap", "true", "type",
    "typeset", "ulimit", "umask", "unalias", "unset", "until", "wait", "while", "print",
];

#[cfg(test)]
mod tests {
    use std::process::Command;

    use proptest::proptest;

    use super::{lone_program, with_exec};

    #[track_caller]
    fn check(command: &str, expected: &str) {
        assert_eq!(with_exec(command), expected);
    }

    #[track_caller]
    fn check_unchanged(command: &str) {
        check(command, command);
    }

    #[test]
    fn a_program_takes_the_place_of_its_shell() {
        check("bin/server", "exec bin/server");
        check("gunicorn app -b :$PORT", "exec gunicorn app -b :$PORT");
        check("node index.js >log 2>&1", "exec node index.js >log 2>&1");
        check("python3 -c 'a; b | c'", "exec python3 -c 'a; b | c'");
        check("x \"a; ${B:-c} \\\" d\" e\\;f", "exec x \"a; ${B:-c} \\\" d\" e\\;f");
        check("x # and; so on", "exec x # and; so on");
        check("x a#b", "exec x a#b");
        check("RAILS_ENV=a B='c d' rake x", "RAILS_ENV=a B='c d' exec rake x");
    }

    #[test]
    fn what_needs_the_shell_keeps_it() {
        for command in [
            "a; b",
            "a && b",
            "a | b",
            "a &",
            "a\nb",
            "(a)",
            "a $(b)",
            "a `b`",
            "a \"$(b)\"",
            "a \"`b`\"",
            "while :; do a; done",
            "{ a; }",
            "! a",
            "cd x && a",
            "echo a",
            "exec a",
            "exit 3",
            ". ./env",
            ": a",
            "$CMD a",
            "'a b' c",
            "~/a",
            "a <<END",
            "A=1",
            "",
            "   ",
            "a 'b",
            "a \"b",
            "a \\",
            "[ -e a ]",
            "./*.sh",
            "a &> b",
            "é a",
            "# only a comment",
        ] {
            check_unchanged(command);
        }
    }

    #[test]
    fn a_shell_says_the_same() {
        for command in [
            "printenv A",
            "A='b  c' printenv A",
            "B=$A printenv B",
            "sh -c 'exit 7'",
            "expr 1 + 1 >&2",
            "nosuch a",
            "./nosuch",
            "/etc/passwd x",
            "ls nosuch 2>&1",
        ] {
            let run = |text: &str| {
                let output =
                    Command::new("/bin/sh").args(["-c", text]).env("A", "x y").env("LC_ALL", "C").output();
                let output = output.expect("there is a shell");
                (output.status, output.stdout)
            };
            assert_eq!(run(command), run(&with_exec(command)), "{command}");
            assert_ne!(with_exec(command), command);
        }
    }

    #[test]
    fn the_program_of_a_simple_command_is_known() {
        for (command, expected) in [
            ("./serve -p $PORT", Some("./serve")),
            ("serve", Some("serve")),
            ("A=1 ./serve >log", Some("./serve")),
            ("PATH=/x serve", None),
            ("serve; true", None),
            ("cd x && ./serve", None),
            ("echo x", None),
        ] {
            assert_eq!(lone_program(command), expected, "{command}");
        }
    }

    proptest! {
        #[test]
        fn no_text_is_too_odd(command in "[ -~\t\n]{0,40}|.{0,20}") {
            let result = with_exec(&command);
            assert!(lone_program(&command).is_none() || result != command.as_str());
            assert!(result == command.as_str() || result.replacen("exec ", "", 1) == command);
        }
    }
}
