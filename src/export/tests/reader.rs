//! Readers of what systemd reads, written from its manual pages: they share nothing with what writes.

#![allow(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on fails")]

use std::collections::BTreeMap;

use proptest::collection::vec;
use proptest::prelude::any;
use proptest::prop_oneof;
use proptest::sample::select;
use proptest::strategy::Strategy;

use crate::export::unit::is_systemd_character;

/// Returns texts in which what is special to systemd is no rarity.
pub fn text() -> impl Strategy<Value = String> {
    let special = "%$\"'\\`#;=-~:@!+| \t\n\r{}[]()<>nxu0\u{85}\u{a0}é🚀\u{1b}\u{7f}";
    let special = select(special.chars().collect::<Vec<_>>());
    let character = prop_oneof![3 => special, 1 => any::<char>()];
    vec(character.prop_filter("systemd does not read it", |next| is_systemd_character(*next)), 0..30)
        .prop_map(String::from_iter)
}

/// Reads a unit: every setting with its values (systemd.syntax(7)).
pub fn settings(unit: &str) -> BTreeMap<String, Vec<String>> {
    let mut settings: BTreeMap<String, Vec<String>> = BTreeMap::new();
    let mut begun = String::new();
    // A carriage return ends a line as well: read_line() in systemd's src/basic/fileio.c.
    for line in unit.split(['\n', '\r']) {
        let line = line.trim_matches([' ', '\t', '\n', '\r']);
        if line.is_empty() || line.starts_with(['#', ';', '[']) {
            assert!(begun.is_empty(), "a line goes on in a comment");
            continue;
        }
        begun.push_str(line);
        if begun.ends_with('\\') {
            begun.pop();
            begun.push(' ');
            continue;
        }
        let (name, value) = begun.split_once('=').unwrap();
        settings.entry(name.trim().to_owned()).or_default().push(value.trim_matches([' ', '\t']).to_owned());
        begun.clear();
    }
    assert!(begun.is_empty(), "the last line goes on");
    settings
}

/// Reads the words of a command line: quotes and escapes (systemd.syntax(7)), specifiers (systemd.unit(5)) and variables
/// (systemd.service(5)), of which none may be found.
pub fn words(line: &str) -> Vec<String> {
    let mut words = Vec::new();
    let mut characters = line.chars().peekable();
    loop {
        while characters.next_if(|next| " \t\n\r".contains(*next)).is_some() {}
        if characters.peek().is_none() {
            return words
                .into_iter()
                .map(|word: String| without_variables(&without_specifiers(&word)))
                .collect();
        }
        let quote = characters.next_if(|next| "\"'".contains(*next));
        let mut word = String::new();
        loop {
            match (characters.next(), quote) {
                (None, Some(_)) => panic!("a quote has no end: {line}"),
                (None, None) => break,
                (Some('\\'), _) => word.push(escape(&mut characters)),
                (Some(end), Some(quote)) if end == quote => {
                    assert!(characters.peek().is_none_or(|next| " \t".contains(*next)), "{line}");
                    break;
                }
                (Some(' ' | '\t'), None) => break,
                (Some('"' | '\''), None) => panic!("a quote within a word: {line}"),
                (Some(other), _) => word.push(other),
            }
        }
        assert_ne!(word, ";", "a word that ends the command");
        words.push(word);
    }
}

/// Reads what follows a backslash.
fn escape(characters: &mut impl Iterator<Item = char>) -> char {
    let kind = characters.next().unwrap();
    let simple = "abfnrtv\\\"'s".chars().zip("\u{7}\u{8}\u{c}\n\r\t\u{b}\\\"' ".chars());
    if let Some((_, meant)) = simple.into_iter().find(|(letter, _)| *letter == kind) {
        return meant;
    }
    let length = match kind {
        'x' => 2,
        'u' => 4,
        'U' => 8,
        _ => panic!("an unknown escape: {kind}"),
    };
    let digits: String = characters.take(length).collect();
    let code = u32::from_str_radix(&digits, 16).unwrap();
    // Above 0x7f it would be a byte rather than a character.
    assert!(kind != 'x' || (1..0x80).contains(&code), "{digits}");
    char::from_u32(code).unwrap()
}

fn without_specifiers(text: &str) -> String {
    doubled(text, '%')
}

fn without_variables(text: &str) -> String {
    doubled(text, '$')
}

/// Returns a text in which a character stands only in pairs, with one for each pair.
fn doubled(text: &str, character: char) -> String {
    let pair = String::from_iter([character, character]);
    let parts: Vec<&str> = text.split(&pair).collect();
    assert!(parts.iter().all(|part| !part.contains(character)), "a single {character} in {text}");
    parts.join(&character.to_string())
}

/// Reads the path of a directory.
pub fn directory(value: &str) -> String {
    let path = without_specifiers(value);
    assert!(path.starts_with('/'), "{path}");
    path.trim_end_matches('/').to_owned()
}

/// Reads a file of variables, as a POSIX shell reads what is in double quotes (systemd.exec(5), "EnvironmentFile=").
pub fn variables_of(file: &str) -> Vec<(String, String)> {
    let mut variables = Vec::new();
    let mut rest = file;
    while !rest.is_empty() {
        if rest.starts_with(['#', ';', '\n']) {
            rest = rest.split_once('\n').unwrap().1;
            continue;
        }
        let (name, quoted) = rest.split_once("=\"").unwrap();
        let mut value = String::new();
        let mut characters = quoted.chars();
        loop {
            match characters.next().unwrap() {
                '"' => break,
                '\\' => match characters.next().unwrap() {
                    '\n' => {}
                    special @ ('"' | '\\' | '`' | '$') => value.push(special),
                    other => value.extend(['\\', other]),
                },
                other => value.push(other),
            }
        }
        variables.push((name.to_owned(), value));
        rest = characters.as_str().strip_prefix('\n').unwrap();
    }
    variables
}
