//! Which values look like secrets, so that they are not written where others read.

/// Returns whether the value of a variable should be kept from others: its name or the value itself says so. A guess,
/// and meant to be wrong on the safe side.
pub fn is_secret(name: &str, value: &str) -> bool {
    is_secret_name(name) || is_secret_value(value)
}

/// Returns whether a part of a name, such as `KEY` of `API_KEY`, is a word for a secret. Only whole parts count, or
/// `AUTHOR` and `MONKEY` would be some; but the longer words are also found at the end of one, as in `PGPASSWORD`.
fn is_secret_name(name: &str) -> bool {
    const WORDS: [&str; 16] = [
        "PASS",
        "PWD",
        "KEY",
        "KEYS",
        "CREDENTIAL",
        "CREDENTIALS",
        "PRIVATE",
        "DSN",
        "SALT",
        "CERT",
        "JWT",
        "PAT",
        "WEBHOOK",
        "AUTH",
        "AUTHORIZATION",
        "APIKEYS",
    ];
    const ENDINGS: [&str; 12] = [
        "PASSWORD",
        "PASSWORDS",
        "PASSWD",
        "PASSPHRASE",
        "SECRET",
        "SECRETS",
        "TOKEN",
        "APIKEY",
        "ACCESSKEY",
        "ACCOUNTKEY",
        "PRIVATEKEY",
        "SECRETKEY",
    ];
    let upper = name.to_uppercase();
    let is_word = |part: &str| WORDS.contains(&part) || ENDINGS.iter().any(|ending| part.ends_with(ending));
    upper.split(|next: char| !next.is_alphanumeric()).any(is_word)
}

/// Returns whether a value has the form of a secret, or an address or a list of parameters with one in it.
fn is_secret_value(value: &str) -> bool {
    // How the keys of GitHub, Slack, Stripe and AWS begin, and `{"` as the Base64 of a JSON Web Token has it.
    const BEGINNINGS: [&str; 6] = ["ghp_", "github_pat_", "xox", "sk_live_", "AKIA", "eyJ"];
    const PARTS: [&str; 2] = ["-----BEGIN", "hooks.slack.com"];
    let mut words = value.split(|next: char| !next.is_ascii_alphanumeric() && next != '_');
    words.any(|word| BEGINNINGS.iter().any(|beginning| word.starts_with(beginning)))
        || PARTS.iter().any(|part| value.contains(part))
        || has_user(value)
        || has_password_of_a_driver(value)
        || has_parameter(value)
}

/// Returns whether there is an address such as `postgres://user:password@host/name` in a value. A user alone is enough:
/// `https://token@host`.
fn has_user(value: &str) -> bool {
    value.split("://").skip(1).any(|rest| {
        let word = rest.split(char::is_whitespace).next().unwrap_or_default();
        let user = word.split_once('@').map(|(user, _)| user);
        // Behind a colon a slash may belong to a password that should have been escaped.
        user.is_some_and(|user| user.contains(':') || !user.contains(['/', '?', '#']))
    })
}

/// Returns whether it is an address as Go's driver of MySQL has it: `user:password@tcp(host:3306)/name`.
fn has_password_of_a_driver(value: &str) -> bool {
    ["@tcp(", "@unix("]
        .iter()
        .any(|network| value.split_once(network).is_some_and(|(user, _)| user.contains(':')))
}

/// Returns whether a parameter with the name of a secret has a value: `password=x` behind the question mark of an
/// address, between the semicolons or blanks of a connection string, or `"password": "x"` in JSON.
fn has_parameter(value: &str) -> bool {
    value.match_indices(['=', ':']).any(|(place, sign)| {
        let (before, after) = (value[..place].trim_end(), &value[place + 1..]);
        let after = after.trim_start().trim_start_matches(['"', '\'']);
        let is_empty = after.is_empty() || after.starts_with(['&', ';', ',', '}']);
        // Without a quotation mark before it, a colon is one of many things.
        let is_sign = sign == "=" || before.ends_with('"');
        let is_of_names = |next: char| next.is_alphanumeric() || matches!(next, '_' | '-' | '.');
        let name = before.trim_end_matches(['"', '\'']).rsplit(|next| !is_of_names(next)).next();
        is_sign && !is_empty && name.is_some_and(is_secret_name)
    })
}

#[cfg(test)]
mod tests {
    use super::is_secret;

    #[test]
    fn a_secret_is_known_by_a_part_of_its_name() {
        for (names, expected) in [
            (
                "PASS DB_PASS SMTP_PASS_1 PASSWORD PASSWORDS DB_PASSWD SSH_PASSPHRASE MYSQL_PWD PGPASSWORD",
                true,
            ),
            (
                "SECRET SECRET_KEY_BASE CLIENT_SECRETS API_TOKEN token AUTHTOKEN KEY SIGNING_KEYS APIKEY x.key",
                true,
            ),
            ("CREDENTIAL AWS_CREDENTIALS PRIVATE_PEM SENTRY_DSN HASH_SALT TLS_CERT JWT GITHUB_PAT", true),
            ("SLACK_WEBHOOK BASIC_AUTH AUTH HTTP_AUTHORIZATION accessKey AWSSECRETKEY", true),
            (
                "AUTHOR KEYBOARD MONKEY MAX_TOKENS TOKENIZERS_PARALLELISM PATH COMPASS PASSENGERS PATTERN",
                false,
            ),
            ("BYPASS_CACHE SALTED CERTAIN OAUTHOR LOG_LEVEL KEYSPACE SECRETARY PRIVATELY", false),
        ] {
            for name in names.split(' ') {
                assert_eq!(is_secret(name, "x"), expected, "{name}");
            }
        }
    }

    #[test]
    fn a_secret_is_known_by_the_parameter_that_it_is() {
        for (value, expected) in [
            ("jdbc:postgresql://h/db?user=u&password=p", true),
            ("jdbc:sqlserver://h;user=u;Password={p};encrypt=true", true),
            ("https://h/?password=x", true),
            ("https://h/?a=b&API_KEY=x#c", true),
            ("https://h/?access_token=x", true),
            ("https://h/?client-secret=x", true),
            ("Server=h;User=u;Password=p", true),
            ("Server=h;Uid=u;Pwd = p;", true),
            ("DefaultEndpointsProtocol=https;AccountName=a;AccountKey=b64==", true),
            ("Endpoint=sb://h/;SharedAccessKeyName=n;SharedAccessKey=k", true),
            ("host=h user=u passwd='p'", true),
            ("-Xmx1g -Djavax.net.ssl.keyStorePassword=p", true),
            (r#"{"db": [{"host": "h", "password": "p"}]}"#, true),
            (r#"{"apiKey":"p"}"#, true),
            ("token=x", true),
            ("https://h/?password=&a=b", false),
            ("Server=h;Password=;User=u", false),
            ("Password=", false),
            (r#"{"password": ""}"#, false),
            ("https://h/?author=x&max_tokens=5&page=2", false),
            ("mongodb://h/db?authSource=admin&tls=true", false),
            ("postgres://h/db?sslmode=verify-full&sslkey=/k", false),
            ("password: at least eight characters", false),
            ("ask for the password", false),
            ("a==", false),
            ("=", false),
        ] {
            assert_eq!(is_secret("VALUE", value), expected, "{value}");
        }
    }

    #[test]
    fn a_secret_is_known_by_its_form() {
        for (value, expected) in [
            ("postgres://me:pw@db/shop", true),
            ("postgres://me:p/w@db/shop", true),
            ("redis://:pw@cache:6379/0", true),
            ("https://0123abcd@errors.example.org/1", true),
            ("a://b, amqp://me:pw@queue", true),
            ("me:pw@tcp(db:3306)/shop", true),
            ("me@tcp(db:3306)/shop", false),
            ("ghp_0123", true),
            ("github_pat_0123", true),
            ("xoxb-0123", true),
            ("sk_live_0123", true),
            ("AKIA0123", true),
            ("eyJhbGciOiJIUzI1NiJ9.e30.x", true),
            ("Bearer eyJhbGciOiJIUzI1NiJ9.e30.x", true),
            ("-----BEGIN EC PARAMETERS-----\nx", true),
            ("https://hooks.slack.com/services/T0/B0/x", true),
            ("postgres://db/shop", false),
            ("https://example.org/@me", false),
            ("https://example.org/?to=me@example.org", false),
            ("me@example.org", false),
            ("a:b@c", false),
            ("foxes", false),
            ("sk_test", false),
            ("", false),
        ] {
            assert_eq!(is_secret("VALUE", value), expected, "{value}");
        }
    }
}
