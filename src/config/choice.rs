//! The options that are one word out of a few.

use std::str::FromStr;

use crate::config::OptionError;

/// Whether the `.env` files or procman's own environment win when both set a variable.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum EnvPrecedence {
    /// foreman's order.
    #[default]
    File,
    /// The order of containers and of most dotenv loaders.
    Shell,
}

impl FromStr for EnvPrecedence {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<EnvPrecedence, OptionError> {
        match text {
            "file" => Ok(EnvPrecedence::File),
            "shell" => Ok(EnvPrecedence::Shell),
            _ => Err(OptionError::new(text, "`file` or `shell`")),
        }
    }
}

/// The time before each line of output.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Timestamp {
    /// Written `false`.
    Off,
    /// Written `true`.
    #[default]
    Default,
    /// In this `strftime` format; anything else that is written.
    Format(String),
}

impl FromStr for Timestamp {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Timestamp, OptionError> {
        match text {
            "false" => Ok(Timestamp::Off),
            "true" => Ok(Timestamp::Default),
            "" => Err(OptionError::new(text, "`true`, `false` or a time format")),
            _ => Ok(Timestamp::Format(text.to_owned())),
        }
    }
}

/// When output is coloured.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ColorChoice {
    /// On a terminal.
    #[default]
    Auto,
    /// Always; written `true` too.
    Always,
    /// Never; written `false` too.
    Never,
}

impl FromStr for ColorChoice {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<ColorChoice, OptionError> {
        match text {
            "auto" => Ok(ColorChoice::Auto),
            "always" | "true" => Ok(ColorChoice::Always),
            "never" | "false" => Ok(ColorChoice::Never),
            _ => Err(OptionError::new(text, "`auto`, `always` or `never`")),
        }
    }
}

/// The form of the output.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum LogFormat {
    /// Time, name and line.
    #[default]
    Text,
    /// One object a line.
    Json,
    /// The bytes of the processes, line by line.
    Raw,
}

impl FromStr for LogFormat {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<LogFormat, OptionError> {
        match text {
            "text" => Ok(LogFormat::Text),
            "json" => Ok(LogFormat::Json),
            "raw" => Ok(LogFormat::Raw),
            _ => Err(OptionError::new(text, "`text`, `json` or `raw`")),
        }
    }
}

/// When each instance gets a pseudo-terminal of its own.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum PtyChoice {
    /// When procman itself writes to a terminal.
    #[default]
    Auto,
    /// Always; written `true` too.
    Always,
    /// Never; written `false` too.
    Never,
}

impl FromStr for PtyChoice {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<PtyChoice, OptionError> {
        match text {
            "auto" => Ok(PtyChoice::Auto),
            "always" | "true" => Ok(PtyChoice::Always),
            "never" | "false" => Ok(PtyChoice::Never),
            _ => Err(OptionError::new(text, "`auto`, `always` or `never`")),
        }
    }
}

/// Yes or no.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Flag(pub bool);

impl FromStr for Flag {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<Flag, OptionError> {
        text.parse().map(Flag).map_err(|_| OptionError::new(text, "`true` or `false`"))
    }
}
