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

/// Returns whether `text` is plainly a name. Whatever else somebody has written may have a password in it, and is not to
/// be shown.
pub fn is_plain(text: &str) -> bool {
    let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte);
    !text.is_empty() && text.bytes().all(fits)
}

/// Returns the one that `text` was probably meant to be, by their names: at most one letter in three away, and two in all.
pub fn nearest<'a, T>(text: &str, all: &'a [T], name: impl Fn(&'a T) -> &'a str) -> Option<&'a T> {
    let distances = all.iter().map(|one| (distance(text, name(one)), one));
    let (distance, nearest) = distances.min_by_key(|(distance, _)| *distance)?;
    let length = name(nearest).len();
    // Of two letters, one may be wrong.
    (distance < length && distance <= (length / 3).clamp(1, 2)).then_some(nearest)
}

/// Returns how many letters must be inserted, deleted, replaced or swapped with the next to make one text of the other
/// (the optimal string alignment distance).
pub fn distance(left: &str, right: &str) -> usize {
    let (left, right) = (left.as_bytes(), right.as_bytes());
    let mut above: Vec<usize> = Vec::new();
    let mut row: Vec<usize> = (0..=right.len()).collect();
    for (index, from) in left.iter().enumerate() {
        let mut next = vec![index + 1];
        for (column, to) in right.iter().enumerate() {
            let replaced = row[column] + usize::from(from != to);
            let mut least = replaced.min(row[column + 1] + 1).min(next[column] + 1);
            let is_swapped = index > 0 && column > 0 && *from == right[column - 1] && left[index - 1] == *to;
            if is_swapped {
                least = least.min(above[column - 1] + 1);
            }
            next.push(least);
        }
        above = std::mem::replace(&mut row, next);
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
    use super::{distance, escaped, excerpt, nearest};

    #[test]
    fn the_nearest_word_is_at_most_a_third_of_its_letters_away() {
        for (one, other, letters) in [
            ("", "", 0),
            ("", "ab", 2),
            ("web", "wbe", 1),
            ("prot", "port", 1),
            ("prot", "root", 2),
            ("abc", "x", 3),
        ] {
            assert_eq!((distance(one, other), distance(other, one)), (letters, letters), "{one} {other}");
        }
        let words = ["root", "port", "env", "log", "worker", "db"];
        let near = |text| nearest(text, &words, |word| *word).copied();
        assert_eq!(near("prot"), Some("port"));
        assert_eq!(near("enf"), Some("env"));
        assert_eq!(near("wrokre"), Some("worker"));
        assert_eq!(near("bd"), Some("db"));
        assert_eq!(near("foo"), None);
        assert_eq!(near("x"), None);
        assert_eq!(near("formation"), None);
    }

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
