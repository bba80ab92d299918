//! The names that end up in what is exported: of the app, and of the user that it runs as.

use std::fmt;
use std::path::Path;
use std::str::FromStr;

use crate::config::OptionError;

/// The name of an app: it becomes part of the names of files and services, so it is of the Procfile's alphabet.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct AppName(String);

impl AppName {
    /// The most characters it may have.
    pub const LONGEST: usize = 64;

    /// Returns the name of an app with this root, if there is one: that of the directory, with a `-` for each stretch of
    /// characters that no name may have.
    pub fn of_root(root: &Path) -> Option<AppName> {
        let name = root.file_name()?.to_string_lossy();
        let parts: Vec<&str> =
            name.split(|character| !is_of_alphabet(character)).filter(|part| !part.is_empty()).collect();
        let joined = parts.join("-");
        let cut: String = joined.trim_start_matches('-').chars().take(AppName::LONGEST).collect();
        cut.parse().ok()
    }

    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for AppName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for AppName {
    type Err = OptionError;

    fn from_str(text: &str) -> Result<AppName, OptionError> {
        let fits = !text.is_empty() && text.len() <= AppName::LONGEST && !text.starts_with('-');
        if fits && text.chars().all(is_of_alphabet) {
            return Ok(AppName(text.to_owned()));
        }
        Err(OptionError::new(text, "a name of at most 64 letters, digits, `-` and `_` that no `-` begins"))
    }
}

/// The name or number of a user.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UserName(String);

impl UserName {
    /// Returns the name as text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for UserName {
    type Err = OptionError;

    /// Returns the user that `text` names. What systems take differs, so nothing is refused that some directory of
    /// users has and that means nothing else to any format: `deploy`, `www-data`, `me@example.com`, `1000`.
    fn from_str(text: &str) -> Result<UserName, OptionError> {
        let is_usual = |character| is_of_alphabet(character) || matches!(character, '.' | '@' | '+');
        let fits = !text.is_empty() && text.len() <= 256 && !text.starts_with(['-', '+', '@', '.']);
        if fits && text.chars().all(is_usual) {
            return Ok(UserName(text.to_owned()));
        }
        Err(OptionError::new(text, "the name of a user"))
    }
}

/// Returns whether the name of a process type may have this character.
fn is_of_alphabet(character: char) -> bool {
    character.is_ascii_alphanumeric() || matches!(character, '-' | '_')
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{AppName, UserName};

    #[test]
    fn no_name_of_an_app_leads_elsewhere() {
        let longest = "x".repeat(64);
        for text in ["shop", "a-b_c", "_", "9", longest.as_str()] {
            assert!(text.parse::<AppName>().is_ok(), "{text}");
        }
        let longer = "x".repeat(65);
        for text in ["", "../x", "a/b", ".", "..", "a.b", "-x", "a b", "a\n", "a\0", "é", longer.as_str()] {
            assert!(text.parse::<AppName>().is_err(), "{text}");
        }
        let told = "../x".parse::<AppName>().map_err(|error| error.to_string());
        let words = "`../x` is not a name of at most 64 letters, digits, `-` and `_` that no `-` begins";
        assert_eq!(told, Err(words.to_owned()));
    }

    #[test]
    fn the_root_gives_the_app_its_name() {
        let long = format!("/srv/{}", "x".repeat(100));
        for (root, expected) in [
            ("/srv/shop", Some("shop")),
            ("/srv/my shop.git/", Some("my-shop-git")),
            ("/srv/--x", Some("x")),
            ("/srv/Grüße", Some("Gr-e")),
            ("/srv/日本", None),
            ("/", None),
            (&long, Some(&long[5..69])),
        ] {
            let name = AppName::of_root(Path::new(root));
            assert_eq!(name.as_ref().map(AppName::as_str), expected, "{root}");
        }
    }

    #[test]
    fn a_user_is_a_name_or_a_number() {
        for text in ["deploy", "www-data", "_x", "1000", "me@example.com"] {
            assert!(text.parse::<UserName>().is_ok(), "{text}");
        }
        for text in ["", "-x", "a b", "a:b", "a\nb", "a/b", "%u", "$USER"] {
            assert!(text.parse::<UserName>().is_err(), "{text}");
        }
    }
}
