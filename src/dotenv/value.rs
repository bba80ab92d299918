//! A value as it is written in a `.env` file → what it stands for.
//!
//! `$NAME` is expanded here; then the value goes to dotenvy, double-quoted, and dotenvy undoes quotes and escapes.
//! It gets nothing left to expand, because it would expand from this process's environment, which nothing pure may
//! see, and would prefer that to the files; so all it asks there for is the empty name, which nobody can set. It
//! gets none but double-quoted values, because it refuses a plain `a b`, takes the quote in a plain `it's` for an
//! opening one and the last backslash of `'C:\dir\'` for an escape.

use crate::dotenv::name_at;

/// A value as written, without its quotes.
pub enum Value<'a> {
    Plain(&'a str),
    Single(&'a str),
    Double(&'a str),
}

/// Returns what a value as written stands for, or nothing when it grows beyond all measure.
pub fn evaluate(value: &Value, lookup: &dyn Fn(&str) -> Option<String>) -> Option<String> {
    let mut assignment = String::from("VALUE=\"");
    match value {
        Value::Plain(text) => expand(text, Backslash::Literal, lookup, &mut assignment)?,
        Value::Single(text) => escape(text, &mut assignment),
        Value::Double(text) => expand(text, Backslash::Escapes, lookup, &mut assignment)?,
    }
    assignment.push('"');
    let read = dotenvy::from_read_iter(assignment.as_bytes()).next();
    // The error is dropped first: it would carry the value into the panic's message.
    let (_, value) = read.and_then(Result::ok).expect("dotenvy reads whatever is quoted and escaped for it");
    Some(value)
}

/// How large a value may grow by expansion, in bytes. No process can be given a variable of even a quarter of
/// it; but ten lines of `B=$A$A$A…` could ask for more memory than there is.
const LARGEST: usize = 1 << 20;

/// How deep defaults may lie in defaults. What is deeper stays as it is, so no text can exhaust the stack.
const DEEPEST: usize = 16;

/// What a backslash means in a text.
#[derive(Clone, Copy)]
enum Backslash {
    Literal,
    Escapes,
}

/// Appends `text` to `quoted`, in dotenvy's double-quoted form, with all `$NAME` in it expanded. Returns nothing when
/// it gets too large.
fn expand(
    mut text: &str,
    backslash: Backslash,
    lookup: &dyn Fn(&str) -> Option<String>,
    quoted: &mut String,
) -> Option<()> {
    while let Some(special) = text.find(['\\', '$']) {
        escape(&text[..special], quoted);
        text = &text[special..];
        let length = match (text.as_bytes(), backslash) {
            ([b'\\', b'n' | b'"' | b'\\' | b'$', ..], Backslash::Escapes) => {
                quoted.push_str(&text[..2]);
                2
            }
            ([b'\\', b'r', ..], Backslash::Escapes) => {
                quoted.push('\r');
                2
            }
            ([b'\\', b't', ..], Backslash::Escapes) => {
                quoted.push('\t');
                2
            }
            // Two dollars are part of a password or of a Makefile, never a reference.
            ([b'$', b'$', ..], _) => {
                escape("$$", quoted);
                2
            }
            ([b'$', ..], _) => match reference(text, backslash) {
                Some(reference) => {
                    substitute(&reference, backslash, lookup, quoted)?;
                    reference.written.len()
                }
                None => {
                    escape("$", quoted);
                    1
                }
            },
            _ => {
                escape("\\", quoted);
                1
            }
        };
        text = &text[length..];
    }
    escape(text, quoted);
    Some(())
}

/// Appends `text` as it is in dotenvy's double-quoted form.
fn escape(text: &str, quoted: &mut String) {
    for piece in text.split_inclusive(['"', '\\', '$']) {
        let plain = piece.trim_end_matches(['"', '\\', '$']);
        quoted.push_str(plain);
        if plain.len() < piece.len() {
            quoted.push('\\');
            quoted.push_str(&piece[plain.len()..]);
        }
    }
}

/// `$NAME`, `${NAME}`, `${NAME-default}` or `${NAME:-default}`.
struct Reference<'a> {
    written: &'a str,
    name: &'a str,
    otherwise: Otherwise<'a>,
}

/// What stands for a variable that has no value.
enum Otherwise<'a> {
    /// `$NAME`: itself, as it was written, since it was probably never meant as a reference.
    Itself,
    /// `${NAME}`: nothing.
    Nothing,
    /// `${NAME-default}`: this text.
    Default(&'a str),
    /// `${NAME:-default}`: this text, for a variable that is set but empty too.
    DefaultIfEmpty(&'a str),
}

/// Returns the reference that starts with the `$` at the start of `text`, if it is one.
fn reference(text: &str, backslash: Backslash) -> Option<Reference<'_>> {
    let Some(braced) = text.strip_prefix("${") else {
        let name = name_at(text, 1).split('.').next().unwrap_or_default();
        let starts_well = name.starts_with(|first: char| !first.is_ascii_digit());
        let written = &text[..1 + name.len()];
        return starts_well.then_some(Reference { written, name, otherwise: Otherwise::Itself });
    };
    let name = name_at(braced, 0);
    let rest = &braced[name.len()..];
    let (otherwise, rest) = if rest.starts_with('}') {
        (Otherwise::Nothing, rest)
    } else if let Some(rest) = rest.strip_prefix(":-") {
        let end = closing_brace(rest, backslash)?;
        (Otherwise::DefaultIfEmpty(&rest[..end]), &rest[end..])
    } else {
        let rest = rest.strip_prefix('-')?;
        let end = closing_brace(rest, backslash)?;
        (Otherwise::Default(&rest[..end]), &rest[end..])
    };
    let written = &text[..text.len() - rest.len() + 1];
    (!name.is_empty()).then_some(Reference { written, name, otherwise })
}

/// Returns the offset of the brace that closes a default, unless it is missing or too deep inside others.
fn closing_brace(text: &str, backslash: Backslash) -> Option<usize> {
    let mut depth = 0;
    let mut at = 0;
    loop {
        at += text[at..].find(['\\', '$', '}'])?;
        match (&text.as_bytes()[at..], backslash) {
            ([b'}', ..], _) if depth == 0 => return Some(at),
            ([b'}', ..], _) => depth -= 1,
            ([b'$', b'{', ..], _) => depth += 1,
            // Skips what is escaped.
            ([b'\\', b'\\' | b'$', ..], Backslash::Escapes) => at += 1,
            _ => {}
        }
        if depth > DEEPEST {
            return None;
        }
        at += 1;
    }
}

/// Appends what a reference stands for.
fn substitute(
    reference: &Reference,
    backslash: Backslash,
    lookup: &dyn Fn(&str) -> Option<String>,
    quoted: &mut String,
) -> Option<()> {
    match (lookup(reference.name), &reference.otherwise) {
        (Some(value), Otherwise::DefaultIfEmpty(default)) if value.is_empty() => {
            expand(default, backslash, lookup, quoted)?;
        }
        (Some(value), _) => escape(&value, quoted),
        (None, Otherwise::Itself) => escape(reference.written, quoted),
        (None, Otherwise::Nothing) => {}
        (None, Otherwise::Default(default) | Otherwise::DefaultIfEmpty(default)) => {
            expand(default, backslash, lookup, quoted)?;
        }
    }
    (quoted.len() <= LARGEST).then_some(())
}
