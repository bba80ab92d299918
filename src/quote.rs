//! What users and the system have written, made fit to stand in a message, and what was probably meant by it.

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

/// Returns the one that `text` was probably meant to be, by their names: at most two letters away, and less than all of
/// its own.
pub fn nearest<'a, T>(text: &str, all: &'a [T], name: impl Fn(&'a T) -> &'a str) -> Option<&'a T> {
    let distances = all.iter().map(|one| (distance(text, name(one)), one));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    (distance <= 2 && distance < name(nearest).len()).then_some(nearest)
}

/// Returns how many letters must be inserted, deleted or replaced to make one text of the other (Levenshtein).
pub fn distance(left: &str, right: &str) -> usize {
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.bytes().enumerate() {
        let mut diagonal = std::mem::replace(&mut row[0], index + 1);
        for (column, to) in right.bytes().enumerate() {
            let replaced = diagonal + usize::from(from != to);
            diagonal = row[column + 1];
            row[column + 1] = replaced.min(diagonal + 1).min(row[column] + 1);
        }
    }
    row[right.len()]
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
