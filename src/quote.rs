//! What users and the system have written, made fit to stand in a message.

use std::path::Path;

/// Returns `text` with nothing in it that a terminal would obey rather than show.
pub fn escaped(text: &str) -> String {
    let mut escaped = String::new();
    for character in text.chars() {
        match character {
            '\'' | '"' | '\\' => escaped.push(character),
            _ => escaped.extend(character.escape_debug()),
        }
    }
    escaped
}

/// Returns a path, [`escaped`]: all of it, for its end says most.
pub fn escaped_path(path: &Path) -> String {
    escaped(&path.to_string_lossy())
}

/// Returns `text`, [`escaped`], without what follows its first 64 characters.
pub fn excerpt(text: &str) -> String {
    const LONGEST: usize = 64;
    match text.char_indices().nth(LONGEST) {
        Some((end, _)) => format!("{}…", escaped(&text[..end])),
        None => escaped(text),
    }
}

#[cfg(test)]
mod tests {
    use super::excerpt;

    #[test]
    fn control_characters_are_shown_rather_than_sent() {
        assert_eq!(excerpt("a\x1b[31m\né\u{202e}"), r"a\u{1b}[31m\né\u{202e}");
        assert_eq!(excerpt(r#"it's "C:\dir""#), r#"it's "C:\dir""#);
    }
}
