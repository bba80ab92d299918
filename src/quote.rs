//! What users and the system have written, made fit to stand in a message.

use std::path::Path;

/// Returns `text` with nothing in it that a terminal would obey rather than show, and without what follows its first
/// 4096 characters: no path that a system takes is longer.
pub fn escaped(text: &str) -> String {
    cut(text, 4096)
}

/// Returns a path, [`escaped`]: all of it, for its end says most.
pub fn escaped_path(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// Returns `text`, [`escaped`], without what follows its first 64 characters.
pub fn excerpt(text: &str) -> String {
    cut(text, 64)
}

fn cut(text: &str, longest: usize) -> String {
    let mut shown = String::new();
    let mut characters = text.chars();
    for character in characters.by_ref().take(longest) {
        match character {
            '\'' | '"' | '\\' => shown.push(character),
            _ => shown.extend(character.escape_debug()),
        }
    }
    if !characters.as_str().is_empty() {
        shown.push('…');
    }
    shown
}

#[cfg(test)]
mod tests {
    use super::{escaped, excerpt};

    #[test]
    fn control_characters_are_shown_rather_than_sent() {
        assert_eq!(excerpt("a\x1b[31m\né\u{202e}"), r"a\u{1b}[31m\né\u{202e}");
        assert_eq!(excerpt(r#"it's "C:\dir""#), r#"it's "C:\dir""#);
    }

    #[test]
    fn whatever_is_shown_has_an_end() {
        assert_eq!(excerpt(&"é".repeat(64)), "é".repeat(64));
        assert_eq!(excerpt(&"é".repeat(65)), format!("{}…", "é".repeat(64)));
        assert_eq!(escaped(&"é".repeat(4096)), "é".repeat(4096));
        assert_eq!(escaped(&"é".repeat(100_000)), format!("{}…", "é".repeat(4096)));
    }
}
