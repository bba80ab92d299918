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

/// Returns `text` so that Compose puts nothing in the place of a variable in it.
///
/// `$$` is a dollar sign (Compose file reference, Interpolation,
/// <https://docs.docker.com/reference/compose-file/interpolation/>).
pub fn compose(text: &str) -> String {
    text.replace('$', "$$")
}

/// Returns `text` so that Kubernetes expands nothing in it, where it stands as a command, an argument or a value.
///
/// `$(NAME)` is expanded there, and `$$` is a dollar sign (Define Environment Variables for a Container,
/// <https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/>). Every dollar
/// sign is doubled, not only the one before a parenthesis: `$$`, the shell's own number, would become `$` otherwise, and
/// the kubelet reads one byte, not one character, behind a lone one (third_party/forked/golang/expansion).
pub fn kubernetes(text: &str) -> String {
    text.replace('$', "$$")
}

/// Returns `text` so that a Nomad client expands nothing in it, where it stands in a driver's `config`.
///
/// A client reads each such text as a template of HCL once more, after the job was parsed
/// (<https://github.com/hashicorp/nomad/issues/14972>, helper/pluginutils/hclutils in Nomad): `${"$"}` is a dollar sign,
/// and `${"%"}` a percent sign, without a look at what stands before.
pub fn nomad_config(text: &str) -> String {
    let part = |part| match part {
        Part::Text(text) => text,
        Part::Sign(sign) => format!("${{\"{sign}\"}}"),
    };
    hcl_parts(text).into_iter().map(part).collect()
}

/// Returns `text` so that a Nomad client expands nothing in it, where it stands in `env`.
///
/// There `${name}` is looked up, and stays if nothing has that name; nothing escapes it (helper/args and
/// client/taskenv in Nomad). What was looked up is not looked at again, so the dollar sign itself comes from the task's
/// `meta`, which has to have one called `dollar`.
pub fn nomad_env(text: &str) -> String {
    text.replace("${", "${NOMAD_META_dollar}{")
}

/// A part of a text of HCL.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Part {
    /// What stands for itself.
    Text(String),
    /// A `$` or `%` that might open a template.
    Sign(char),
}

/// Returns `text` in parts: each `$` and `%` of a run before an opening brace on its own.
///
/// HCL has `$${` for `${` (Template Literals, <https://github.com/hashicorp/hcl/blob/main/hclsyntax/spec.md>). What three
/// dollar signs and a brace are is not the same to all readers, nor to all writers; where a sign is an expression
/// between the other parts, as in `"${"$"}{"`, they agree.
pub fn hcl_parts(text: &str) -> Vec<Part> {
    let mut parts = Vec::new();
    let mut rest = text;
    while !rest.is_empty() {
        let run = rest.len() - rest.trim_start_matches(['$', '%']).len();
        let length = if run == 0 { rest.find(['$', '%']).unwrap_or(rest.len()) } else { run };
        let (part, behind) = rest.split_at(length);
        match parts.last_mut() {
            _ if run > 0 && behind.starts_with('{') => parts.extend(part.chars().map(Part::Sign)),
            Some(Part::Text(before)) => before.push_str(part),
            Some(Part::Sign(_)) | None => parts.push(Part::Text(part.to_owned())),
        }
        rest = behind;
    }
    parts
}

/// Returns `text` as one word of a command line of systemd, such as `ExecStart=`.
///
/// Between double quotes blanks are kept and C-style escapes stand for what could end the quotes or the line: a backslash,
/// a double quote, a control character (systemd.syntax(7), "Quoting"). `%%` stands for a percent sign, which would begin
/// a specifier (systemd.unit(5), "Specifiers"), and `$$` for a dollar, which would begin a variable (systemd.service(5),
/// "Command lines"). Quadlet splits and escapes its `Exec=` by the same rules and leaves percent and dollar to systemd.
pub fn systemd_word(text: &str) -> String {
    let mut word = String::from("\"");
    for character in text.chars() {
        match character {
            '\\' => word.push_str(r"\\"),
            '"' => word.push_str("\\\""),
            '%' => word.push_str("%%"),
            '$' => word.push_str("$$"),
            '\n' => word.push_str(r"\n"),
            '\t' => word.push_str(r"\t"),
            _ if character.is_ascii_control() => word.push_str(&format!(r"\x{:02x}", u32::from(character))),
            _ => word.push(character),
        }
    }
    word.push('"');
    word
}

/// Returns a path as the value of a setting of systemd that is not split into words, such as `WorkingDirectory=`.
///
/// Such a value goes to the end of the line and is neither unquoted nor unescaped; `%%` stands for a percent sign
/// (systemd.unit(5), "Specifiers"). Blanks at the end of a line are dropped, and a backslash there continues it
/// (systemd.syntax(7)), so a slash is put behind them, which means nothing in the path of a directory. A path with a
/// control character is refused before it comes here.
pub fn systemd_directory(path: &str) -> String {
    let end = if path.ends_with(|last: char| last.is_whitespace() || last == '\\') { "/" } else { "" };
    format!("{}{end}", path.replace('%', "%%"))
}

/// Returns a value for a file that `EnvironmentFile=` of systemd names.
///
/// In double quotes a value may span lines, and a backslash before one of `` "\`$ `` stands for that character; before
/// any other it stands for itself (systemd.exec(5), "EnvironmentFile="). Nothing is expanded.
pub fn systemd_environment(value: &str) -> String {
    let mut quoted = String::from("\"");
    for character in value.chars() {
        if matches!(character, '"' | '\\' | '`' | '$') {
            quoted.push('\\');
        }
        quoted.push(character);
    }
    quoted.push('"');
    quoted
}

/// Returns `text` as one word of a `command` of supervisord, or nothing if it has line ends, which end the setting.
///
/// Python's `shlex` reads it as a shell would (<https://docs.python.org/3/library/shlex.html#parsing-rules>). Before that
/// `configparser` has cut off what begins with a `#` or `;` behind a blank, quoted or not, `%(here)s` has been replaced
/// wherever it stands, and `%%` has become `%` (supervisor/options.py: `UnhosedConfigParser`, `expand`). Ending the quotes
/// and beginning them again keeps the characters apart.
pub fn supervisord_argument(text: &str) -> Option<String> {
    if text.contains(['\n', '\r']) {
        return None;
    }
    let mut apart = String::with_capacity(text.len() + 2);
    let mut last = None;
    for character in sh(text).chars() {
        let is_comment = matches!(character, '#' | ';') && last.is_some_and(is_blank_of_python);
        let is_expanded = character == '(' && last == Some('%');
        apart.push_str(if is_comment || is_expanded { "''" } else { "" });
        apart.push_str(if character == '%' { "%" } else { "" });
        apart.push(character);
        last = Some(character);
    }
    Some(apart)
}

/// Returns `text` as a value of an `environment` of supervisord, or nothing if it cannot be quoted there.
///
/// `shlex` does not escape anything there (`posix=False`), so a value is between those quotes that are not in it, and
/// quotes at its ends are taken off (supervisor/datatypes.py: `dict_of_key_value_pairs`). For the rest see
/// [`supervisord_argument`].
pub fn supervisord_variable(text: &str) -> Option<String> {
    let is_bare = |quote: char| text.starts_with(quote) || text.ends_with(quote);
    let quote = if text.contains('"') { '\'' } else { '"' };
    if text.contains(quote) || is_bare('"') || is_bare('\'') {
        return None;
    }
    supervisord_line(text).map(|line| format!("{quote}{line}{quote}"))
}

/// Returns `text` as a value of supervisord that is not divided, such as a directory, or nothing if it cannot be written.
pub fn supervisord_setting(text: &str) -> Option<String> {
    let is_bare = |end: Option<char>| end.is_none_or(is_blank_of_python);
    if is_bare(text.chars().next()) || is_bare(text.chars().next_back()) {
        return None;
    }
    supervisord_line(text)
}

/// Returns `text` with every `%` escaped, or nothing if supervisord would not see all of it.
fn supervisord_line(text: &str) -> Option<String> {
    let mut pairs = text.chars().zip(text.chars().skip(1));
    let is_cut = pairs.any(|(blank, mark)| is_blank_of_python(blank) && matches!(mark, '#' | ';'));
    let is_seen = !is_cut && !text.contains(['\0', '\n', '\r']) && !text.contains("%(here)s");
    is_seen.then(|| text.replace('%', "%%"))
}

/// Returns whether Python's `str.isspace` says so, which counts the separators of ASCII too.
fn is_blank_of_python(character: char) -> bool {
    character.is_whitespace() || ('\x1c'..='\x1f').contains(&character)
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::process::Command;
    use std::str::FromStr;

    use hcl::eval::Evaluate;
    use proptest::{prop_assert_eq, proptest};

    use super::{compose, kubernetes, nomad_config, nomad_env, sh};
    use crate::trials::trials;

    #[test]
    fn a_word_of_a_shell_is_in_single_quotes() {
        assert_eq!(sh(""), "''");
        assert_eq!(sh(r"it's $HOME \"), r"'it'\''s $HOME \'");
    }

    /// Reads as Compose does (template/template.go in compose-go), where a variable would be a fault.
    fn read_compose(text: &str) -> Option<String> {
        let mut result = String::new();
        let mut rest = text;
        while let Some((before, behind)) = rest.split_once('$') {
            result.push_str(before);
            result.push('$');
            rest = behind.strip_prefix('$')?;
        }
        Some(result + rest)
    }

    /// Expands as Kubernetes does (third_party/forked/golang/expansion/expand.go), where a variable would be a fault.
    fn read_kubernetes(text: &str) -> Option<Vec<u8>> {
        let bytes = text.as_bytes();
        let mut result = Vec::new();
        let mut at = 0;
        while at < bytes.len() {
            match (bytes[at], bytes.get(at + 1)) {
                (b'$', Some(b'$')) => {
                    result.push(b'$');
                    at += 2;
                }
                (b'$', Some(b'(')) => return None,
                (byte, _) => {
                    result.push(byte);
                    at += 1;
                }
            }
        }
        Some(result)
    }

    /// Reads as a client of Nomad does (helper/args/args.go), which knows every name and has a dollar sign in one.
    fn read_nomad_env(text: &str) -> String {
        let known = regex_lite::Regex::new(r"\$\{[a-zA-Z0-9_\-.]+\}").unwrap();
        let value = |found: &regex_lite::Captures<'_>| match &found[0] {
            "${NOMAD_META_dollar}" => "$".to_owned(),
            other => format!("<{other}>"),
        };
        known.replace_all(text, value).into_owned()
    }

    #[test]
    fn what_engines_would_expand_is_kept_from_them() {
        assert_eq!(compose("$$ ${A} $B"), "$$$$ $${A} $$B");
        assert_eq!(kubernetes("$(A) $$"), "$$(A) $$$$");
        assert_eq!(nomad_config("a $B $${C} 100%{d"), r#"a $B ${"$"}${"$"}{C} 100${"%"}{d"#);
        assert_eq!(nomad_env("a $B ${C}"), "a $B ${NOMAD_META_dollar}{C}");
    }

    proptest! {
        #![proptest_config(trials(50))]

        #[test]
        fn a_shell_reads_a_word_as_it_was(text in "[^\0]{0,40}") {
            let script = format!("printf %s {}", sh(&text));
            let output = Command::new("/bin/sh").arg("-c").arg(script).output().unwrap();
            prop_assert_eq!(String::from_utf8(output.stdout).unwrap(), text);
        }

        #[test]
        fn an_engine_reads_a_text_as_it_was(text in "([^\0]|[$%]{1,3}[{(]|[$%]|[A-Z]+[})]){0,20}") {
            prop_assert_eq!(read_compose(&compose(&text)), Some(text.clone()));
            prop_assert_eq!(read_kubernetes(&kubernetes(&text)), Some(text.clone().into_bytes()));
            prop_assert_eq!(read_nomad_env(&nomad_env(&text)), text.clone());
            // A client reads a text as a template without quotes, as this parser does.
            let template = hcl::Template::from_str(&nomad_config(&text)).unwrap();
            prop_assert_eq!(template.evaluate(&hcl::eval::Context::new()).unwrap(), text);
        }
    }
}
