//! Makes a shell get out of the way of the one program that it would wait for.
//!
//! Many shells run `sh -c 'server --port $PORT'` as two processes. The outer one then gets the signals, dies
//! of them at once and takes the server's exit status with it. With `exec` before the program there is one
//! process, and everything else still means what the shell says. Where the shell would do nothing more than that, it
//! need not be run at all: loading it costs more than all the rest of a start.

use std::borrow::Cow;
use std::ffi::{OsStr, OsString};
use std::os::unix::ffi::OsStrExt;

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

/// Returns the program and its arguments, where a shell would make exactly these words of what [`with_exec`] returns and
/// execute them; `value` knows the variables.
///
/// When in doubt there are none, and a shell has to look.
pub fn words<'a>(command: &str, value: impl Fn(&str) -> Option<&'a OsStr>) -> Option<Vec<OsString>> {
    let command = command.strip_prefix("exec ")?;
    let Word { start, end: mut at } = next_word(command, 0)??;
    // What `exec` takes is always a program, unless it is an option.
    let program = Some(&command[start..at]).filter(|word| is_plain(word) && !word.starts_with('-'))?;
    let has_path = |path: &OsStr| !path.as_bytes().iter().any(|byte| b"%~".contains(byte));
    let is_found = program.contains('/') || value("PATH").is_some_and(has_path);
    let mut words = vec![is_found.then(|| program.into())?];
    while let Some(word) = next_word(command, at)? {
        at = word.end;
        words.push(expanded(&command[word.start..word.end], &value)?);
    }
    Some(words)
}

/// Returns whether every shell passes a variable of this name on, and behaves as without it.
pub fn is_passed_on(name: &OsStr) -> bool {
    let name = name.to_str().filter(|name| is_name(name) && !name.starts_with("BASH"));
    name.is_some_and(|name| !KEPT_BY_SHELLS.contains(&name))
}

/// Returns what a shell makes of an argument, where that is one word whatever files there are.
fn expanded<'a>(word: &str, value: &impl Fn(&str) -> Option<&'a OsStr>) -> Option<OsString> {
    let mut result = OsString::new();
    let mut rest = word;
    let mut is_quoted = false;
    while let Some(first) = rest.chars().next() {
        let (text, length) = match first {
            '"' => {
                is_quoted = !is_quoted;
                (OsStr::new(""), 1)
            }
            '\'' if !is_quoted => {
                let end = rest[1..].find('\'')? + 1;
                (OsStr::new(&rest[1..end]), end + 1)
            }
            '$' => {
                let (name, length) = variable(rest)?;
                let value = value(name).filter(|_| !CHANGED_BY_SHELLS.contains(&name))?;
                if !is_quoted && (value.is_empty() || !value.as_bytes().iter().all(|byte| is_literal(*byte)))
                {
                    return None;
                }
                (value, length)
            }
            '\\' => return None,
            _ if is_quoted || u8::try_from(first).is_ok_and(is_literal) => {
                (OsStr::new(&rest[..first.len_utf8()]), first.len_utf8())
            }
            _ => return None,
        };
        result.push(text);
        rest = &rest[length..];
    }
    Some(result)
}

/// Returns the name in `$NAME` or `${NAME}`, and the length of the whole.
fn variable(text: &str) -> Option<(&str, usize)> {
    let inner = text.strip_prefix("${").or_else(|| text.strip_prefix('$'))?;
    let length = inner.find(|next: char| !next.is_ascii_alphanumeric() && next != '_').unwrap_or(inner.len());
    let (name, behind) = inner.split_at(length);
    let braces = text.starts_with("${");
    let is_whole = is_name(name) && (!braces || behind.starts_with('}'));
    is_whole.then_some((name, text.len() - behind.len() + usize::from(braces)))
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
    is_name(word.split_once('=').map_or("", |(name, _)| name))
}

fn is_name(name: &str) -> bool {
    name.starts_with(|first: char| first.is_ascii_alphabetic() || first == '_')
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'_')
}

/// Returns whether a word surely names a program and nothing of the shell's own.
fn is_program(word: &str) -> bool {
    is_plain(word) && !OF_THE_SHELL.contains(&word)
}

fn is_plain(word: &str) -> bool {
    word.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"_./+-@%,".contains(&byte))
}

/// Returns whether a byte of an argument means itself, and in a value neither divides it nor makes it a pattern.
fn is_literal(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b"_./+-@%,:=".contains(&byte)
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

/// Variables that a shell has its own idea of: it may give them another value.
const CHANGED_BY_SHELLS: [&str; 4] = ["PWD", "OLDPWD", "SHLVL", "_"];

/// Variables that some shell obeys, or keeps from its environment (dash, bash, mksh, busybox).
#[rustfmt::skip]
const KEPT_BY_SHELLS: [&str; 31] = [
    "COMP_WORDBREAKS", "DIRSTACK", "ENV", "EPOCHREALTIME", "EPOCHSECONDS", "EUID", "EXECIGNORE", "FUNCNAME",
    "GROUPS", "HISTCMD", "IFS", "KSHEGID", "KSHEUID", "KSHGID", "KSHUID", "KSH_VERSION", "LINENO", "OPTARG",
    "OPTERR", "OPTIND", "PIPESTATUS", "POSIXLY_CORRECT", "PPID", "PS1", "PS2", "PS4", "RANDOM", "SECONDS",
    "SHELLOPTS", "SRANDOM", "UID",
];

#[cfg(test)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::process::CommandExt;
    use std::process::Command;

    use proptest::proptest;

    use super::{is_passed_on, lone_program, with_exec, words};

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

    const VARIABLES: [(&str, &str); 7] = [
        ("PATH", "/usr/bin:/bin"),
        ("PORT", "5000"),
        ("URL", "http://u:p@h/a?b=*&c={d,e}"),
        ("TEXT", "a  b \\ 'c' \"$d\" é"),
        ("EMPTY", ""),
        ("SHLVL", "7"),
        ("ODD", "#~{a,b};&|<>()$PORT`'\"!^"),
    ];

    fn value(name: &str) -> Option<&'static OsStr> {
        VARIABLES.iter().find(|(other, _)| *other == name).map(|(_, value)| OsStr::new(value))
    }

    /// Returns the words that a shell makes of the arguments of a program; as another shell where that is here.
    fn by_shell(shell: &str, arguments: &str) -> Option<Vec<String>> {
        let mut command = Command::new(shell);
        command.arg0("sh").args(["-c", &format!("printf '%s\\0' {arguments}")]).current_dir("/");
        let output = command.env_clear().envs(VARIABLES).output().ok()?;
        let text = String::from_utf8(output.stdout).expect("all of them are UTF-8");
        Some(text.split_terminator('\0').map(str::to_owned).collect())
    }

    /// Checks that without a shell the arguments are the same as with each.
    #[track_caller]
    fn check_words(arguments: &str) -> bool {
        let Some(words) = words(&format!("exec x {arguments}"), value) else { return false };
        let words: Vec<_> = words[1..].iter().map(|word| word.to_str().map(str::to_owned)).collect();
        // Without any argument, printf ends one all the same.
        let words = if words.is_empty() { vec![Some(String::new())] } else { words };
        for shell in ["/bin/sh", "/bin/bash", "/bin/dash", "/bin/busybox"] {
            if let Some(expected) = by_shell(shell, arguments) {
                let expected: Vec<_> = expected.into_iter().map(Some).collect();
                assert_eq!(words, expected, "{shell}: {arguments}");
            }
        }
        true
    }

    #[test]
    fn plain_words_need_no_shell() {
        for arguments in [
            "",
            "-p $PORT --host=0.0.0.0 -b :$PORT a${PORT}b",
            "'a  b' \"c  d\" e'f 'g\"h \" '' \"\"",
            "\"$URL\" \"<$TEXT>\" \"$EMPTY\" \"${PORT}x\" \"$ODD\" \"*~{a,b}?[c];&|\" '$PORT\\' 'é'\"é\"",
            "a=b A=$PORT % @ + , # and; a $comment",
            "$PORT$PORT \"$PORT\"'$PORT'$PORT",
        ] {
            assert!(check_words(arguments), "{arguments}");
        }
    }

    #[test]
    fn where_there_is_a_doubt_a_shell_has_to_look() {
        for command in [
            "A=1 x",
            "x; y",
            "x >log",
            "x 2>&1",
            "x *",
            "x a?",
            "x [a]",
            "x ~",
            "x a=~/b",
            "x {a,b}",
            "x \\a",
            "x !a",
            "x ^",
            "x $NONE",
            "x \"$NONE\"",
            "x $EMPTY",
            "x $URL",
            "x $TEXT",
            "x $ODD",
            "x a#b",
            "x ${PORT:-1}",
            "x $",
            "x \"$\"",
            "x $1",
            "x $$",
            "x \"$@\"",
            "x ${PORT",
            "x \"a\\$b\"",
            "x $(a)",
            "x `a`",
            "x 'a",
            "x \"a",
            "x é",
            "x $SHLVL",
            "x\ny",
            "echo a",
            "$PORT",
            "'x'",
            "\"x\"",
            "~/x",
            "-x",
            "exec",
            "exec -a x y",
            "exec exec >x",
            "exec 'x'",
            "exec",
            "",
            "# x",
            "if x",
            "x &",
        ] {
            assert_eq!(words(&with_exec(command), value), None, "{command}");
        }
        // Who knows where it would look.
        for path in [None, Some("%x:/bin"), Some("~/bin:/bin")] {
            assert_eq!(words("exec x", |_| path.map(OsStr::new)), None);
            assert!(words("exec ./x", |_| path.map(OsStr::new)).is_some());
        }
    }

    #[test]
    fn what_exec_takes_is_a_program() {
        for (command, expected) in [
            ("exec bin/server -p $PORT", &["bin/server", "-p", "5000"][..]),
            ("exec echo a", &["echo", "a"]),
            ("exec exec a", &["exec", "a"]),
            ("x exec", &["x", "exec"]),
        ] {
            let words = words(&with_exec(command), value).expect("it needs no shell");
            assert_eq!(words, expected, "{command}");
        }
    }

    #[test]
    fn a_variable_that_shells_keep_to_themselves_is_known() {
        for name in ["A", "_", "PWD", "OLDPWD", "PATH", "SHLVL", "_a1"] {
            assert!(is_passed_on(OsStr::new(name)), "{name}");
        }
        for name in ["a.b", "BASH_FUNC_x%%", "1a", "", "IFS", "SHELLOPTS", "PS1", "BASH_ENV", "é"] {
            assert!(!is_passed_on(OsStr::new(name)), "{name}");
        }
    }

    proptest! {
        #[test]
        fn words_are_those_of_a_shell(
            parts in proptest::collection::vec(
                proptest::sample::select(vec![
                    " ", " ", " ", "a", "-b=", "$PORT", "${PORT}", "$URL", "\"", "'", "\"$TEXT\"", "'x  y'", "$EMPTY",
                    "*", "~", "{a,b}", "#", "\\", "$", "{", "}", ":", "%", "/", "$ODD", "\t", "!", "é", "=", "^", "?",
                ]),
                0..10,
            )
        ) {
            check_words(&parts.concat());
        }

        #[test]
        fn no_text_is_too_odd(command in "[ -~\t\n]{0,40}|.{0,20}") {
            let result = with_exec(&command);
            assert!(lone_program(&command).is_none() || result != command.as_str());
            assert!(result == command.as_str() || result.replacen("exec ", "", 1) == command);
        }
    }
}
