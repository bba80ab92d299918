//! The URL of a backing service → where it accepts connections.
//!
//! `postgres://app:secret@db.example/shop` is `db.example:5432`. Where a scheme has a usual port, the URL need not name
//! one; of a list of hosts the first is meant; several clients have a way of their own to name a Unix socket. User,
//! password and all the rest of a URL stay behind: what is returned can be shown to anybody.

use std::ffi::OsStr;
use std::path::PathBuf;

use percent_encoding::percent_decode_str;
use url::{Url, form_urlencoded};

use crate::policy::{Endpoint, NoEndpoint, Service};

/// What stands before a variable's name where a type or a URL could stand too.
pub const VARIABLE: &str = "env:";

/// Returns the service that a variable names, by the variable's value.
pub fn of_variable(name: &str, value: Option<&OsStr>) -> Service {
    let value = value.filter(|value| !value.is_empty()).ok_or(NoEndpoint::Unset);
    let text = value.and_then(|value| value.to_str().ok_or(NoEndpoint::NoUrl));
    Service { name: name.to_owned(), endpoint: text.and_then(endpoint) }
}

/// Returns the service at a URL, by the name of its own address.
pub fn of_url(text: &str) -> Result<Service, NoEndpoint> {
    endpoint(text).map(|endpoint| Service { name: endpoint.to_string(), endpoint: Ok(endpoint) })
}

/// Returns where a URL leads.
///
/// Taken for the host is what the clients of most databases take for it: also where a password holds an `@`, `/`, `#`
/// or `?` that should have been encoded.
pub fn endpoint(text: &str) -> Result<Endpoint, NoEndpoint> {
    let parts = Parts::of(text)?;
    if has_part(&parts.scheme, &["srv"]) {
        return Err(NoEndpoint::Srv);
    }
    if NO_CONNECTION.contains(&base(&parts.scheme)) {
        return Err(NoEndpoint::NoHost);
    }
    if has_part(&parts.scheme, &["unix", "socket"]) {
        let host = decoded(parts.host)?;
        let path = if host.starts_with('/') { host } else { decoded(parts.path)? };
        // Of `unix://run/app.sock` the first word would be a host.
        return if parts.host.is_empty() || path != parts.path {
            unix(path)
        } else {
            Err(NoEndpoint::NoHost)
        };
    }
    match base(&parts.scheme) {
        "postgres" | "postgresql" | "postgis" | "pgsql" | "cockroachdb" => postgres(&parts),
        "mysql" | "mysql2" | "mariadb" | "trilogy" => {
            let socket = parts.parameter("socket").or_else(|| parts.parameter("unix_socket"));
            socket.map_or_else(|| parts.tcp(), unix)
        }
        _ => parts.tcp(),
    }
}

/// Returns whether a host is surely this machine.
pub fn is_loopback(host: &str) -> bool {
    let host = if host.contains(':') { format!("[{host}]") } else { host.to_owned() };
    match url::Host::parse(&host) {
        Ok(url::Host::Domain(name)) => {
            let name = name.trim_end_matches('.');
            name == "localhost" || name.ends_with(".localhost")
        }
        Ok(url::Host::Ipv4(address)) => address.is_loopback() || address.is_unspecified(),
        Ok(url::Host::Ipv6(address)) => address.is_loopback() || address.is_unspecified(),
        Err(_) => false,
    }
}

/// The ports of schemes, each as its own documentation has it.
const PORTS: &[(&str, u16)] = &[
    ("amqp", 5672),
    ("amqps", 5671),
    ("arangodb", 8529),
    ("beanstalk", 11300),
    ("beanstalkd", 11300),
    ("bolt", 7687),
    ("cassandra", 9042),
    // The protocol of the server's own clients; that over HTTP has another port.
    ("clickhouse", 9000),
    ("clickhouse+http", 8123),
    ("clickhouse+https", 8443),
    ("cockroachdb", 26257),
    ("consul", 8500),
    ("couchdb", 5984),
    ("elasticsearch", 9200),
    ("etcd", 2379),
    ("ftp", 21),
    ("ftps", 990),
    ("http", 80),
    ("https", 443),
    ("imap", 143),
    ("imaps", 993),
    ("influxdb", 8086),
    ("kafka", 9092),
    ("ldap", 389),
    ("ldaps", 636),
    ("mariadb", 3306),
    ("meilisearch", 7700),
    ("memcache", 11211),
    ("memcached", 11211),
    ("mongodb", 27017),
    ("mqtt", 1883),
    ("mqtts", 8883),
    ("mssql", 1433),
    ("mysql", 3306),
    ("mysql2", 3306),
    ("nats", 4222),
    ("neo4j", 7687),
    ("opensearch", 9200),
    ("oracle", 1521),
    ("pgsql", 5432),
    ("postgis", 5432),
    ("postgres", 5432),
    ("postgresql", 5432),
    ("pulsar", 6650),
    ("redis", 6379),
    ("rediss", 6379),
    ("sftp", 22),
    ("smtp", 25),
    ("smtps", 465),
    ("solr", 8983),
    ("sqlserver", 1433),
    ("ssh", 22),
    ("stomp", 61613),
    ("trilogy", 3306),
    ("valkey", 6379),
    ("valkeys", 6379),
    ("vault", 8200),
    ("ws", 80),
    ("wss", 443),
    ("zookeeper", 2181),
];

/// Schemes of what is a file, or takes datagrams, which nobody has to accept.
const NO_CONNECTION: &[&str] = &[
    "data",
    "duckdb",
    "file",
    "mailto",
    "sqlite",
    "sqlite2",
    "sqlite3",
    "statsd",
    "dogstatsd",
    "syslog",
    "udp",
];

/// Those of which the URL standard says more than of others, and whose clients keep to it.
const STANDARD: &[&str] = &["ftp", "http", "https", "ws", "wss"];

/// The parts of a URL that say where it leads. It has no `Debug`, for in a text that is no URL the password may be
/// anywhere.
struct Parts<'a> {
    /// In lower case.
    scheme: String,
    /// The first host, with its port if it has one, as it is written.
    host: &'a str,
    path: &'a str,
    query: &'a str,
}

impl<'a> Parts<'a> {
    fn of(text: &'a str) -> Result<Parts<'a>, NoEndpoint> {
        let text = text.trim();
        let text = text.strip_prefix("jdbc:").unwrap_or(text);
        let (scheme, rest) = text.split_once(':').ok_or(NoEndpoint::NoUrl)?;
        let fits = |character: char| character.is_ascii_alphanumeric() || "+-.".contains(character);
        if !scheme.starts_with(|first: char| first.is_ascii_alphabetic()) || !scheme.chars().all(fits) {
            return Err(NoEndpoint::NoUrl);
        }
        let scheme = scheme.to_ascii_lowercase();
        let Some(rest) = rest.strip_prefix("//") else {
            // Such as `unix:/run/app.sock`; but `localhost:5432` is no URL, though it looks like one.
            let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
            let is_host_and_port = !path.is_empty() && path.bytes().all(|byte| byte.is_ascii_digit());
            let parts = Parts { scheme, host: "", path, query };
            return if is_host_and_port { Err(NoEndpoint::NoUrl) } else { Ok(parts) };
        };
        let rest = without_properties(&scheme, rest);
        let rest = &rest[end_of_user(&scheme, rest)..];
        let end = rest.find(['/', '?', '#']).unwrap_or(rest.len());
        let (hosts, rest) = rest.split_at(end);
        let host = first_of(hosts);
        let rest = rest.split('#').next().unwrap_or_default();
        let (path, query) = rest.split_once('?').unwrap_or((rest, ""));
        Ok(Parts { scheme, host, path, query })
    }

    /// Returns the value of a parameter of the query, if it has one.
    fn parameter(&self, name: &str) -> Option<String> {
        let mut pairs = form_urlencoded::parse(self.query.as_bytes());
        let value = pairs.find(|(key, _)| key == name).map(|(_, value)| value.into_owned());
        value.filter(|value| !value.is_empty())
    }

    fn tcp(&self) -> Result<Endpoint, NoEndpoint> {
        self.tcp_at(self.host)
    }

    /// Returns the endpoint at a host, perhaps with a port.
    fn tcp_at(&self, host: &str) -> Result<Endpoint, NoEndpoint> {
        let host = Host::of(&self.scheme, host)?;
        if host.name.starts_with('/') {
            return unix(host.name);
        }
        let port = host.port.or_else(|| usual_port(&self.scheme)).filter(|port| *port > 0);
        Ok(Endpoint::Tcp { host: host.name, port: port.ok_or(NoEndpoint::NoPort)? })
    }
}

/// A host as it is written in a URL, without what is encoded in it, and its port.
struct Host {
    name: String,
    port: Option<u16>,
}

impl Host {
    fn of(scheme: &str, text: &str) -> Result<Host, NoEndpoint> {
        if text.is_empty() {
            return Err(NoEndpoint::NoHost);
        }
        let url = Url::parse(&format!("{scheme}://{text}/")).map_err(|_| NoEndpoint::NoUrl)?;
        let name = url.host_str().filter(|name| !name.is_empty()).ok_or(NoEndpoint::NoHost)?;
        let name = name.strip_prefix('[').and_then(|name| name.strip_suffix(']')).unwrap_or(name);
        let name = decoded(name)?;
        // The standard allows more in a host, but whatever has been put there is none, and may be a password.
        let fits = |character: char| character.is_alphanumeric() || "-._~:".contains(character);
        if !name.starts_with('/') && !name.chars().all(fits) {
            return Err(NoEndpoint::NoUrl);
        }
        Ok(Host { name, port: url.port() })
    }
}

/// Returns the endpoint as libpq has it: parameters win over the rest, and a host that is a path is the directory of
/// the socket.
fn postgres(parts: &Parts) -> Result<Endpoint, NoEndpoint> {
    let first = |name: &str| parts.parameter(name).map(|list| first_of(&list).to_owned());
    let in_query = first("host");
    let port = first("port").map(|port| port.parse::<u16>().map_err(|_| NoEndpoint::NoUrl)).transpose()?;
    let at = if in_query.is_some() && parts.host.is_empty() {
        None
    } else {
        Some(Host::of(&parts.scheme, parts.host)?)
    };
    let own_port = at.as_ref().and_then(|host| host.port);
    let host = in_query.or_else(|| at.map(|host| host.name)).ok_or(NoEndpoint::NoHost)?;
    let port = port.or(own_port).or_else(|| usual_port(&parts.scheme)).filter(|port| *port > 0);
    let port = port.ok_or(NoEndpoint::NoPort)?;
    if host.starts_with('/') {
        return unix(format!("{}/.s.PGSQL.{port}", host.trim_end_matches('/')));
    }
    // A host from the query is none until it has been read as one.
    let bracketed = if host.contains(':') { format!("[{host}]") } else { host };
    let host = Host::of(&parts.scheme, &bracketed)?;
    Ok(Endpoint::Tcp { host: host.name, port })
}

/// Returns where in what follows `//` the host begins.
///
/// A password should be encoded, and often is not. So for all schemes but those of the web the last `@` before the
/// query counts: none of them has one in its path. And a `?` begins no query where an `@` but no `=` follows it, or
/// where no path stands before it.
fn end_of_user(scheme: &str, rest: &str) -> usize {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let after_last = |text: &str| text.rfind('@').map_or(0, |at| at + 1);
    let standard = after_last(authority);
    let host = first_of(&authority[standard..]);
    let is_read = host.is_empty() || Host::of(scheme, host).is_ok();
    if is_read && STANDARD.contains(&scheme) {
        return standard;
    }
    let is_query = |at: usize| {
        let (before, after) = (&rest[..at], &rest[at..]);
        let mut signs = after.chars().filter(|character| matches!(character, '@' | '='));
        before.contains('/') && signs.next() != Some('@')
    };
    let query = rest.match_indices('?').map(|(at, _)| at).find(|at| is_query(*at));
    let before_query = after_last(&rest[..query.unwrap_or(rest.len())]);
    if before_query > 0 || is_read { before_query } else { after_last(rest) }
}

/// Returns the first of a list, without properties behind a `;`.
fn first_of(list: &str) -> &str {
    list.split([',', ';']).next().unwrap_or_default()
}

/// Returns what follows `//` without the properties that the clients of SQL Server take behind a `;`. An `@` in one of
/// them ends no user.
fn without_properties<'a>(scheme: &str, rest: &'a str) -> &'a str {
    if !matches!(base(scheme), "sqlserver" | "mssql") {
        return rest;
    }
    let is_property = |at: usize| {
        let name = rest[at + 1..].split_once('=').map_or("", |(name, _)| name.trim());
        !name.is_empty() && name.chars().all(|character| character.is_alphabetic() || character == ' ')
    };
    let begin = rest.match_indices(';').map(|(at, _)| at).find(|at| is_property(*at));
    &rest[..begin.unwrap_or(rest.len())]
}

/// Returns the scheme without what says which client it is for: `postgresql` of `postgresql+psycopg`.
fn base(scheme: &str) -> &str {
    scheme.split('+').next().unwrap_or_default()
}

/// Returns whether one of the words that a scheme is made of is one of these.
fn has_part(scheme: &str, words: &[&str]) -> bool {
    scheme.split(['+', '-']).any(|part| words.contains(&part))
}

fn usual_port(scheme: &str) -> Option<u16> {
    let of = |name: &str| PORTS.iter().find(|(known, _)| *known == name).map(|(_, port)| *port);
    of(scheme).or_else(|| of(base(scheme)))
}

fn unix(path: String) -> Result<Endpoint, NoEndpoint> {
    let path = first_of(&path);
    if !path.starts_with('/') {
        return Err(NoEndpoint::NoHost);
    }
    shown(path).map(|path| Endpoint::Unix(PathBuf::from(path)))
}

fn decoded(text: &str) -> Result<String, NoEndpoint> {
    let text = percent_decode_str(text).decode_utf8().map_err(|_| NoEndpoint::NoUrl)?;
    shown(&text).map(str::to_owned)
}

/// Returns the text if nothing in it could harm a terminal: it will be shown.
fn shown(text: &str) -> Result<&str, NoEndpoint> {
    if text.chars().any(char::is_control) { Err(NoEndpoint::NoUrl) } else { Ok(text) }
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::ffi::OsStr;
    use std::os::unix::ffi::OsStrExt;

    use proptest::prelude::any;
    use proptest::{prop_assert, prop_assume, proptest};

    use super::{PORTS, endpoint, is_loopback, of_url, of_variable};

    #[track_caller]
    fn check(text: &str, expected: &str) {
        let told = endpoint(text).map_or_else(|none| none.to_string(), |endpoint| endpoint.to_string());
        assert_eq!(told, expected, "{text}");
    }

    #[track_caller]
    fn check_all(table: &[(&str, &str)]) {
        for (text, expected) in table {
            check(text, expected);
        }
    }

    const NO_URL: &str = "is not a URL";
    const NO_HOST: &str = "names no host to connect to";
    const NO_PORT: &str = "names no port, and its scheme has none that is usual";

    #[test]
    fn a_url_leads_to_its_host_and_port() {
        check_all(&[
            ("postgres://app:secret@db.example:6543/shop?sslmode=require", "db.example:6543"),
            ("redis://localhost:6380/0", "localhost:6380"),
            ("REDIS://LOCALHOST:6380", "LOCALHOST:6380"),
            ("tcp://10.0.0.1:99", "10.0.0.1:99"),
            ("amqp://[::1]:5673/%2f", "[::1]:5673"),
            ("http://[2001:db8::1]/x", "[2001:db8::1]:80"),
            ("http://user@EXAMPLE.com:8080/a@b", "example.com:8080"),
            ("  https://example.com/ ", "example.com:443"),
            ("jdbc:postgresql://db/shop", "db:5432"),
            ("foo://my%2Dhost:1", "my-host:1"),
        ]);
    }

    #[test]
    fn a_scheme_has_its_usual_port() {
        assert!(PORTS.is_sorted());
        check_all(&[
            ("postgres://h", "h:5432"),
            ("postgresql+psycopg://u:p@h/db", "h:5432"),
            ("mysql2://h/db", "h:3306"),
            ("rediss://h", "h:6379"),
            ("amqps://h", "h:5671"),
            ("mongodb://h", "h:27017"),
            ("nats://h", "h:4222"),
            ("memcached://h", "h:11211"),
            ("wss://h", "h:443"),
            ("smtp://h", "h:25"),
            ("elasticsearch://h", "h:9200"),
            ("clickhouse://h", "h:9000"),
            ("clickhouse+http://h", "h:8123"),
            ("sqlserver://h", "h:1433"),
            ("ldaps://h", "h:636"),
            ("tcp://h", NO_PORT),
            ("tcp://h:0", NO_PORT),
        ]);
    }

    #[test]
    fn of_a_list_the_first_host_is_meant() {
        check_all(&[
            ("mongodb://a,b:27018/db", "a:27017"),
            ("mongodb://u:p@a:27018,b:27019/?replicaSet=x", "a:27018"),
            ("postgres://h1:1,h2:2/", "h1:1"),
            ("postgres:///db?host=h1,h2&port=1,2", "h1:1"),
            ("kafka+ssl://a:9096,kafka+ssl://b:9096", "a:9096"),
            ("amqp://u:p@a,u:p@b", "b:5672"),
        ]);
    }

    #[test]
    fn a_unix_socket_is_named_as_its_clients_name_it() {
        check_all(&[
            ("unix:///run/x.sock", "/run/x.sock"),
            ("unix:/run/x", "/run/x"),
            ("unix:///run/my%20app.sock?db=1", "/run/my app.sock"),
            ("unix://:secret@/run/redis.sock?db=0", "/run/redis.sock"),
            ("redis+unix:///run/redis.sock?db=0", "/run/redis.sock"),
            ("redis+socket:///run/redis.sock?virtual_host=0", "/run/redis.sock"),
            ("http+unix://%2Frun%2Fapp.sock/path", "/run/app.sock"),
            ("postgresql:///db?host=/var/run/postgresql", "/var/run/postgresql/.s.PGSQL.5432"),
            ("postgresql://u:p@/db?host=/run/pg/&port=5433", "/run/pg/.s.PGSQL.5433"),
            ("postgresql://%2Fvar%2Frun%2Fpostgresql/db", "/var/run/postgresql/.s.PGSQL.5432"),
            ("postgresql://%2Frun:5433/db", "/run/.s.PGSQL.5433"),
            ("mysql://u:p@localhost/db?socket=/run/mysqld.sock", "/run/mysqld.sock"),
            ("mysql+pymysql://u@localhost/db?unix_socket=/run/m.sock", "/run/m.sock"),
            ("mongodb://%2Ftmp%2Fmongodb-27017.sock/db", "/tmp/mongodb-27017.sock"),
            ("unix://run/x.sock", NO_HOST),
            ("unix:run/x.sock", NO_HOST),
            ("unix:", NO_HOST),
        ]);
    }

    #[test]
    fn what_names_no_host_leads_nowhere() {
        check_all(&[
            ("sqlite:db.sqlite3", NO_HOST),
            ("sqlite://db.sqlite3", NO_HOST),
            ("sqlite3:///var/db", NO_HOST),
            ("file:///etc/passwd", NO_HOST),
            ("mailto:me@example.com", NO_HOST),
            ("statsd://localhost:8125", NO_HOST),
            ("postgres:///db", NO_HOST),
            // Some clients take the path for a database of this machine, others for a socket.
            ("redis:///run/redis.sock", NO_HOST),
            ("redis://:secret@/0", NO_HOST),
            ("mongodb+srv://u:p@cluster.example/db", "names a DNS service, which procman does not look up"),
        ]);
    }

    #[test]
    fn what_is_no_url_is_none() {
        for text in [
            "",
            "localhost",
            "localhost:5432",
            "db",
            "://h",
            "1x://h",
            "a b://h",
            "redis://h:x",
            "redis://h:99999",
            "redis://a b",
            "unix:///run/%1b",
            "unix:///run/%ff",
            "postgres://h/db?port=x",
            "http://[::1",
        ] {
            check(text, NO_URL);
        }
    }

    #[test]
    fn a_password_that_should_be_encoded_is_passed_over() {
        check_all(&[
            ("postgres://u:p@ss:w/rd#@h:1/db", "h:1"),
            ("postgres://u:p@ss@h/db", "h:5432"),
            ("redis://:a#b@h", "h:6379"),
            ("redis://u:123#b@h", "h:6379"),
            ("redis://u:123/b@h", "h:6379"),
            ("redis://u:123?b@h", "h:6379"),
            ("redis://u:1?a=b@h", "h:6379"),
            ("redis://u:/?@h", "h:6379"),
            ("https://u:a/b@h/x", "h:443"),
            // These are in their right places.
            ("postgres://h/db?user=me@server", "h:5432"),
            ("postgres://u:p@h/db?user=me@server", "h:5432"),
            ("https://h/@me", "h:443"),
        ]);
    }

    #[test]
    fn a_property_is_no_part_of_a_host() {
        check_all(&[
            ("sqlserver://127.0.0.1;password=S3cr3t", "127.0.0.1:1433"),
            ("sqlserver://h:1434;user=me@server;password=S3c@r/3?t", "h:1434"),
            ("jdbc:sqlserver://h;database=shop;password=S3cr3t", "h:1433"),
            ("jdbc:sqlserver://;serverName=h;password=S3cr3t", NO_HOST),
            ("sqlserver://me:S3;cr3t@h/shop", "h:1433"),
            ("redis://h;password=S3cr3t", "h:6379"),
            ("redis://h:1;password=S3cr3t", "h:1"),
            ("redis://h&password=S3cr3t", NO_URL),
            ("redis://h%3Bpassword=S3cr3t", NO_URL),
            ("postgres:///db?host=h;password=S3cr3t", "h:5432"),
            ("mysql://h/db?socket=/run/s;password=S3cr3t", "/run/s"),
            ("unix:/run/s;password=S3cr3t", "/run/s"),
        ]);
    }

    #[test]
    fn a_host_of_the_web_is_ascii() {
        check_all(&[
            ("http://b\u{fc}cher.example/", NO_URL),
            ("http://xn--bcher-kva.example/", "xn--bcher-kva.example:80"),
            ("redis://b\u{fc}cher.example/", "b\u{fc}cher.example:6379"),
        ]);
    }

    #[test]
    fn this_machine_has_many_names() {
        for host in ["localhost", "LOCALHOST.", "app.localhost", "127.0.0.1", "127.9.9.9", "::1", "0.0.0.0"] {
            assert!(is_loopback(host), "{host}");
        }
        for host in ["example.com", "10.0.0.1", "::2", "localhost.example", "", "a b"] {
            assert!(!is_loopback(host), "{host}");
        }
    }

    #[test]
    fn a_service_is_known_by_its_variable_or_its_address() {
        let url = "redis://u:s3cret@h/0";
        assert_eq!(of_variable("REDIS_URL", Some(url.as_ref())).to_string(), "REDIS_URL (h:6379)");
        assert_eq!(of_url(url).unwrap().to_string(), "h:6379");
        let shown = format!("{:?} {:?}", of_variable("A", Some(url.as_ref())), of_url(url));
        assert!(!shown.contains("s3cret"), "{shown}");
        for (value, words) in [
            (None, "is not set"),
            (Some(OsStr::new("")), "is not set"),
            (Some(OsStr::from_bytes(b"a://\xff")), NO_URL),
        ] {
            let service = of_variable("A_URL", value);
            assert_eq!(
                (service.to_string().as_str(), service.endpoint.unwrap_err().to_string().as_str()),
                ("A_URL", words)
            );
        }
    }

    proptest! {
        #[test]
        fn nothing_of_a_password_is_returned(
            password in "[!-~]{0,12}",
            scheme in "postgres|redis|mysql|amqp|mongodb\\+x|unix|foo",
        ) {
            // What might be said of a socket is no part of a password.
            prop_assume!(!password.contains('='));
            let url = format!("{scheme}://me:S3CRET{password}S3CRET@host:1/db");
            prop_assert!(!format!("{:?}", endpoint(&url)).contains("S3CRET"), "{}", url);
        }

        #[test]
        fn any_text_is_read(text in any::<String>(), url in "(postgres|mysql|unix|http|x)://[ -~]*") {
            let _ = (endpoint(&text), endpoint(&url));
        }
    }
}
