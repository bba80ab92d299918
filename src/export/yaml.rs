//! YAML, from a serialiser.
//!
//! What comes out is read by YAML 1.1 (Python, Kubernetes, which is the stricter) and by YAML 1.2 as the same: every
//! text that either takes for something else is in quotes.

use std::fmt::Write;

use serde::Serialize;

use crate::export::{ExportError, Format};

/// Returns a document below a comment.
pub fn document(format: Format, comment: &str, value: &impl Serialize) -> Result<String, ExportError> {
    let mut text = comment_lines(comment);
    // Blocks are the part of YAML that readers disagree on: indentation, trailing newlines, folding. Quotes hold all.
    let mut options = serde_saphyr::SerializerOptions::default();
    options.prefer_block_scalars = false;
    let written = serde_saphyr::to_fmt_writer_with_options(&mut text, value, options);
    written.map_err(|error| ExportError::Inexpressible {
        format,
        what: "the app".to_owned(),
        why: error.to_string(),
    })?;
    Ok(text)
}

/// Returns a text as comment of YAML and HCL, line by line.
pub fn comment_lines(comment: &str) -> String {
    let mut lines = String::new();
    for line in comment.lines() {
        // Writing to a `String` cannot fail.
        let _ = writeln!(lines, "{}", format!("# {line}").trim_end());
    }
    lines
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::collections::BTreeMap;

    use super::{comment_lines, document};
    use crate::export::Format;

    #[track_caller]
    fn check(value: &str, expected: &str) {
        let text = document(Format::Compose, "", &BTreeMap::from([("a", value)])).unwrap();
        assert_eq!(text, format!("a: {expected}\n"), "{value:?}");
    }

    #[test]
    fn what_either_yaml_takes_for_no_text_is_in_quotes() {
        for word in
            ["no", "ON", "y", "~", "null", "1e3", "0o7", "0777", "1:30", "1_000", "2001-01-01", "=", ".5", ""]
        {
            check(word, &format!("\"{word}\""));
        }
        check("one\ntwo\n\tthree\n", r#""one\ntwo\n\tthree\n""#);
        check(&"long ".repeat(40), &format!("\"{}\"", "long ".repeat(40)));
        check("\u{7f}\u{85}\u{2028}\u{feff}", r#""\x7F\N\L\uFEFF""#);
        check("Grüße 日本 🚀", "Grüße 日本 🚀");
    }

    #[test]
    fn a_comment_has_no_blanks_at_its_ends() {
        assert_eq!(comment_lines("a\n\nb"), "# a\n#\n# b\n");
    }
}
