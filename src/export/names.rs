//! Names as clusters allow them, made of names as a Procfile allows them.

use crate::export::{ExportError, Format};

/// How long a label of a host name may be (RFC 1123, 2.1).
const LONGEST: usize = 63;

/// Returns `text` as a label of a host name in the sense of RFC 1123, beginning with a letter, as RFC 1035 and with it
/// the Services of Kubernetes want it: small letters, digits and inner hyphens, at most 63 of them.
///
/// `what` says whose name that is, for the refusal of a name with nothing in it, or with too much.
pub fn dns_label(text: &str, what: &str, format: Format) -> Result<String, ExportError> {
    let refused = |why: String| ExportError::Inexpressible { format, what: what.to_owned(), why };
    let hyphen = |character: char| match character.to_ascii_lowercase() {
        small if small.is_ascii_alphanumeric() => small,
        _ => '-',
    };
    let label: String = text.chars().map(hyphen).collect();
    let label = label.trim_matches('-');
    let label = match label.chars().next() {
        None => return Err(refused("its name needs a letter or a digit".to_owned())),
        Some(first) if first.is_ascii_digit() => format!("app-{label}"),
        Some(_) => label.to_owned(),
    };
    if label.len() > LONGEST {
        return Err(refused(format!("`{label}` is longer than {LONGEST} characters")));
    }
    Ok(label)
}

/// Refuses types whose names are the same once they are labels; `labels` has both, in any order.
pub fn check_distinct<'a>(
    labels: impl Iterator<Item = (&'a str, &'a str)>,
    format: Format,
) -> Result<(), ExportError> {
    let mut owners = std::collections::BTreeMap::new();
    for (name, label) in labels {
        if let Some(first) = owners.insert(label, name) {
            return Err(ExportError::Inexpressible {
                format,
                what: format!("the type `{name}`"),
                why: format!("it would be called `{label}`, as `{first}` is"),
            });
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use proptest::{prop_assert, proptest};

    use super::{check_distinct, dns_label};
    use crate::export::Format;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let label = dns_label(text, "the type", Format::Kubernetes).ok();
        assert_eq!(label.as_deref(), expected, "{text}");
    }

    #[test]
    fn a_label_has_small_letters_digits_and_inner_hyphens() {
        check("web", Some("web"));
        check("a-b_c", Some("a-b-c"));
        check("_Web-", Some("web"));
        check("2fa", Some("app-2fa"));
        check("_-", None);
        check(&"x".repeat(63), Some(&"x".repeat(63)));
        check(&"x".repeat(64), None);
    }

    #[test]
    fn two_types_are_not_given_one_name() {
        let check = |labels: &[(&str, &str)]| check_distinct(labels.iter().copied(), Format::Nomad);
        assert!(check(&[("a-b", "a-b"), ("c", "c")]).is_ok());
        let error = check(&[("a-b", "a-b"), ("a_b", "a-b")]).unwrap_err().to_string();
        assert_eq!(
            error,
            "the type `a_b` cannot be written for nomad: it would be called `a-b`, as `a-b` is"
        );
    }

    proptest! {
        #[test]
        fn a_label_is_always_one(text in "[A-Za-z0-9_-]{1,80}") {
            if let Ok(label) = dns_label(&text, "the type", Format::Kubernetes) {
                let inner = |character: char| character.is_ascii_lowercase() || character.is_ascii_digit() || character == '-';
                prop_assert!(label.chars().all(inner) && label.len() <= 63);
                prop_assert!(label.starts_with(|first: char| first.is_ascii_lowercase()) && !label.ends_with('-'));
            }
        }
    }
}
