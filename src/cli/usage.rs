//! What clap has against a command line, in the words of this house: one line, and a hint if there is a remedy.
//!
//! clap finds the mistakes and guesses what was meant; only the wording is made here.

use std::error::Error as _;

use clap::error::{ContextKind, ContextValue, ErrorKind};

use crate::quote::{excerpt, is_plain};

/// Returns what is wrong, without `procman: ` before it.
pub fn explain(error: &clap::Error) -> String {
    let fault = fault(error).unwrap_or_else(|| {
        let text = error.render().to_string();
        let line = text.lines().next().unwrap_or_default();
        line.strip_prefix("error: ").unwrap_or(line).to_owned()
    });
    hint(error).map_or_else(|| fault.clone(), |hint| format!("{fault}\nhint: {hint}"))
}

fn fault(error: &clap::Error) -> Option<String> {
    let first = |kind| texts(error, kind).into_iter().next();
    let (argument, value) = (argument(error), first(ContextKind::InvalidValue));
    Some(match error.kind() {
        ErrorKind::InvalidSubcommand => culprit("unknown command", &first(ContextKind::InvalidSubcommand)?),
        ErrorKind::UnknownArgument => match argument? {
            option if option.starts_with('-') => format!("unknown option `{}`", excerpt(&option)),
            other => culprit("unexpected argument", &other),
        },
        ErrorKind::InvalidValue if value.as_deref() == Some("") => {
            format!("`{}` needs a value", argument?)
        }
        ErrorKind::InvalidValue => {
            let valid = texts(error, ContextKind::ValidValue);
            format!("`{}`: `{}` is not {}", argument?, excerpt(&value?), alternatives(&valid))
        }
        ErrorKind::TooManyValues => format!("`{}` takes no value", argument?),
        ErrorKind::ValueValidation => match argument? {
            // There is only one of it.
            positional if positional.starts_with('<') => error.source()?.to_string(),
            option => format!("`{option}`: {}", error.source()?),
        },
        ErrorKind::MissingRequiredArgument => {
            let missing = texts(error, ContextKind::InvalidArg);
            format!("missing {}", missing.iter().map(|word| quoted(word)).collect::<Vec<_>>().join(" and "))
        }
        ErrorKind::InvalidUtf8 => "an argument is not UTF-8 text".to_owned(),
        // Nothing of this command line leads there. clap's own words serve, and for what it may think of yet.
        ErrorKind::NoEquals
        | ErrorKind::TooFewValues
        | ErrorKind::WrongNumberOfValues
        | ErrorKind::ArgumentConflict
        | ErrorKind::MissingSubcommand
        | ErrorKind::DisplayHelp
        | ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand
        | ErrorKind::DisplayVersion
        | ErrorKind::Io
        | ErrorKind::Format
        | _ => return None,
    })
}

/// Returns a fault with its culprit, if that is a name: a URL may have a password in it.
fn culprit(fault: &str, word: &str) -> String {
    if is_plain(word) { format!("{fault} `{}`", excerpt(word)) } else { format!("{fault}, which is no name") }
}

fn hint(error: &clap::Error) -> Option<String> {
    use ContextKind::{SuggestedArg, SuggestedSubcommand, SuggestedValue};
    let mut meant: Vec<String> =
        [SuggestedSubcommand, SuggestedArg, SuggestedValue].map(|kind| texts(error, kind)).concat();
    // The most likely comes last.
    meant.reverse();
    let variable = variable(error).map(|variable| format!("`{variable}` in the environment says so"));
    if !meant.is_empty() {
        let where_said = variable.map_or_else(String::new, |variable| format!("; {variable}"));
        return Some(format!("did you mean {}{where_said}", alternatives(&meant)));
    }
    if variable.is_some() {
        return variable;
    }
    if error.kind() == ErrorKind::InvalidSubcommand {
        return Some(
            "`procman help` lists the commands; `procman start NAME` runs a process type".to_owned(),
        );
    }
    let Some(ContextValue::StyledStr(usage)) = error.get(ContextKind::Usage) else { return None };
    let usage = usage.to_string();
    Some(format!("write {}", quoted(usage.lines().next()?.trim_start_matches("Usage: "))))
}

/// Returns the environment variable of the option with the wrong value, if the value is from there.
fn variable(error: &clap::Error) -> Option<String> {
    let value = texts(error, ContextKind::InvalidValue).into_iter().next()?;
    let name = format!("PROCMAN_{}", argument(error)?.strip_prefix("--")?.replace('-', "_").to_uppercase());
    (std::env::var(&name).ok()? == value).then_some(name)
}

/// Returns the culprit: an option without the value that belongs to it, or whatever else was written.
fn argument(error: &clap::Error) -> Option<String> {
    let argument = texts(error, ContextKind::InvalidArg).into_iter().next()?;
    match argument.split([' ', '[']).next() {
        Some(option) if option.starts_with("--") => Some(option.to_owned()),
        Some(_) | None => Some(argument),
    }
}

fn texts(error: &clap::Error, kind: ContextKind) -> Vec<String> {
    if let Some(ContextValue::String(text)) = error.get(kind) {
        return vec![text.clone()];
    }
    if let Some(ContextValue::Strings(texts)) = error.get(kind) { texts.clone() } else { Vec::new() }
}

/// Returns `a`, `b` or `c`.
fn alternatives(words: &[String]) -> String {
    match words {
        [] => String::new(),
        [only] => quoted(only),
        [most @ .., last] => {
            let most: Vec<String> = most.iter().map(|word| quoted(word)).collect();
            format!("{} or {}", most.join(", "), quoted(last))
        }
    }
}

fn quoted(word: &str) -> String {
    format!("`{word}`")
}
