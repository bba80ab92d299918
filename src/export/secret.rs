//! Which values look like secrets, so that they are not written where others read.

/// Returns whether the value of a variable should be kept from others: its name says so, or it is an address with a
/// password in it. A guess, and meant to be wrong on the safe side.
pub fn is_secret(name: &str, value: &str) -> bool {
    const WORDS: [&str; 12] = [
        "SECRET",
        "PASSWORD",
        "PASSWD",
        "PASSPHRASE",
        "TOKEN",
        "KEY",
        "CREDENTIAL",
        "PRIVATE",
        "AUTH",
        "DSN",
        "SALT",
        "CERT",
    ];
    let upper = name.to_uppercase();
    WORDS.iter().any(|word| upper.contains(word)) || has_password(value)
}

/// Returns whether that is an address such as `postgres://user:password@host/name`.
fn has_password(value: &str) -> bool {
    let Some((_, rest)) = value.split_once("://") else { return false };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    authority.rsplit_once('@').is_some_and(|(user, _)| user.contains(':'))
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn secrets_are_known_by_their_names_or_by_a_password_in_an_address() {
        for (name, value, expected) in [
            ("SECRET_KEY_BASE", "x", true),
            ("API_TOKEN", "x", true),
            ("DATABASE_URL", "postgres://me:pw@db/shop", true),
            ("DATABASE_URL", "postgres://db/shop", false),
            ("MAIL", "a:b@c", false),
            ("LOG_LEVEL", "debug", false),
        ] {
            assert_eq!(is_secret(name, value), expected, "{name}={value}");
        }
    }
}
