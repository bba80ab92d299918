//! One question over HTTP/1.1, to see whether it is answered and with which status.
//!
//! What is asked is made of bytes that the user wrote, so nothing of them can be taken for the end of a line.

use std::io;
use std::time::Duration;

use httparse::{EMPTY_HEADER, Response, Status};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::time::timeout;

use crate::policy::Place;
use crate::sys::connect;

/// How much of an answer is read to find its status.
const HEAD: usize = 8 * 1024;
/// How many lines a head may have.
const HEADERS: usize = 128;
/// How much of what follows is read, and for how long: to leave sooner would look to the server like a fault.
const BODY: usize = 64 * 1024;
const LINGER: Duration = Duration::from_millis(250);

/// What to ask, and whom.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Question {
    /// A host and its port; `None` is this machine, at the instance's own.
    server: Option<(String, u16)>,
    /// The host as the server knows it.
    host: String,
    /// The path, with what may follow a `?`.
    path: String,
}

/// Why there is no status.
#[derive(Debug)]
pub enum Failure {
    /// There is no connection.
    Connection(io::Error),
    /// There was one, and it ended without an answer.
    Closed,
    /// The head of the answer is too long.
    TooLong,
    /// What came is no HTTP.
    NoHttp,
}

impl From<io::Error> for Failure {
    fn from(error: io::Error) -> Failure {
        Failure::Connection(error)
    }
}

impl Question {
    /// Returns the question for a path at this port of this machine, or for a whole `http://` URL.
    pub fn new(target: &str, port: u16) -> Question {
        match Place::of(target) {
            Place::Own(target) => {
                Question { server: None, host: format!("localhost:{port}"), path: path(target) }
            }
            Place::Url { host, port, authority, path: rest } => {
                let bare = host.strip_prefix('[').and_then(|host| host.strip_suffix(']')).unwrap_or(host);
                Question { server: Some((bare.to_owned(), port)), host: escape(authority), path: path(rest) }
            }
        }
    }

    /// Asks, and returns the status of the answer. `port` is the instance's own.
    pub async fn ask(&self, port: u16, limit: Duration) -> Result<u16, Failure> {
        let mut stream = match &self.server {
            Some((host, port)) => connect::tcp(host, *port, limit).await?,
            None => connect::local(port).await?,
        };
        // One that hangs up at once may have answered before.
        let written = stream.write_all(self.text().as_bytes()).await;
        match status(&mut stream).await {
            Err(Failure::Connection(error)) => Err(broken(written.err().unwrap_or(error))),
            result => result,
        }
    }

    fn text(&self) -> String {
        let Question { host, path, .. } = self;
        format!(
            "GET {path} HTTP/1.1\r\nHost: {host}\r\nUser-Agent: procman\r\nAccept: */*\r\nConnection: close\r\n\r\n"
        )
    }
}

/// Returns what it means that a connection broke.
fn broken(error: io::Error) -> Failure {
    use io::ErrorKind::{BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof};
    let is_closed = [BrokenPipe, ConnectionAborted, ConnectionReset, UnexpectedEof].contains(&error.kind());
    if is_closed { Failure::Closed } else { Failure::Connection(error) }
}

fn path(rest: &str) -> String {
    let path = rest.split('#').next().unwrap_or_default();
    let slash = if path.starts_with('/') { "" } else { "/" };
    format!("{slash}{}", escape(path))
}

/// Returns text in which nothing ends a line or a word.
fn escape(text: &str) -> String {
    let mut escaped = String::new();
    for byte in text.bytes() {
        match byte {
            0x21..=0x7E => escaped.push(char::from(byte)),
            _ => escaped.push_str(&format!("%{byte:02X}")),
        }
    }
    escaped
}

/// Reads the head of an answer, behind those that only say that it is coming, and returns its status.
async fn status(stream: &mut TcpStream) -> Result<u16, Failure> {
    let mut head = Vec::with_capacity(1024);
    loop {
        while let Some((status, length)) = parse(&head)? {
            if !(100..200).contains(&status) {
                // Whatever becomes of the rest, this is known.
                let _ = timeout(LINGER, drain(stream)).await;
                return Ok(status);
            }
            head.drain(..length);
        }
        let is_new = head.is_empty();
        let room = HEAD.saturating_sub(head.len());
        match AsyncReadExt::take(&mut *stream, room as u64).read_buf(&mut head).await? {
            0 if is_new && room > 0 => return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into()),
            0 if room == 0 => return Err(Failure::TooLong),
            0 => return Err(Failure::NoHttp),
            _ => {}
        }
    }
}

/// Returns the status of a head and how long that is, once all of it is there.
fn parse(head: &[u8]) -> Result<Option<(u16, usize)>, Failure> {
    let mut headers = [EMPTY_HEADER; HEADERS];
    let mut response = Response::new(&mut headers);
    match response.parse(head) {
        Ok(Status::Complete(length)) => Ok(response.code.map(|status| (status, length))),
        Ok(Status::Partial) => Ok(None),
        Err(httparse::Error::TooManyHeaders) => Err(Failure::TooLong),
        Err(_) => Err(Failure::NoHttp),
    }
}

async fn drain(stream: &mut TcpStream) -> io::Result<()> {
    let (mut left, mut buffer) = (BODY, [0; 4096]);
    while left > 0 {
        match stream.read(&mut buffer).await? {
            0 => break,
            length => left = left.saturating_sub(length),
        }
    }
    Ok(())
}

#[cfg(test)]
#[allow(clippy::unwrap_used)]
mod tests {
    use std::io::{Read, Write};
    use std::net::TcpListener;
    use std::thread;
    use std::time::Duration;

    use super::{Failure, Question};

    #[track_caller]
    fn check_question(target: &str, server: Option<(&str, u16)>, host: &str, path: &str) {
        let server = server.map(|(host, port)| (host.to_owned(), port));
        let expected = Question { server, host: host.to_owned(), path: path.to_owned() };
        assert_eq!(Question::new(target, 5000), expected, "{target}");
    }

    #[test]
    fn a_question_is_a_path_or_a_url() {
        check_question("/health?full=1#x", None, "localhost:5000", "/health?full=1");
        check_question("health", None, "localhost:5000", "/health");
        check_question("http://db.local:81/a", Some(("db.local", 81)), "db.local:81", "/a");
        check_question("http://db.local", Some(("db.local", 80)), "db.local", "/");
        check_question("http://db.local?a", Some(("db.local", 80)), "db.local", "/?a");
        check_question("http://[::1]:81/a", Some(("::1", 81)), "[::1]:81", "/a");
        check_question("http://[::1]/a", Some(("::1", 80)), "[::1]", "/a");
    }

    #[test]
    fn nothing_in_a_question_ends_its_line() {
        check_question("/a b\r\nX: é", None, "localhost:5000", "/a%20b%0D%0AX:%20%C3%A9");
        check_question("http://a\r\nb/", Some(("a\r\nb", 80)), "a%0D%0Ab", "/");
    }

    /// Asks a server that answers with these pieces and hangs up, and returns what was asked and what was understood.
    fn ask(pieces: &'static [&'static str]) -> (String, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = thread::spawn(move || {
            let (mut stream, _) = listener.accept().unwrap();
            let mut asked = Vec::new();
            while !asked.ends_with(b"\r\n\r\n") {
                let mut buffer = [0; 1024];
                let length = stream.read(&mut buffer).unwrap();
                asked.extend_from_slice(&buffer[..length]);
            }
            stream.set_nodelay(true).unwrap();
            for piece in pieces {
                // Whoever has asked may have heard enough.
                let _ = stream.write_all(piece.as_bytes());
            }
            String::from_utf8(asked).unwrap()
        });
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
        let limit = Duration::from_secs(60);
        let answer = runtime.block_on(async { Question::new("/health", port).ask(port, limit).await });
        let answer = match answer {
            Ok(status) => status.to_string(),
            Err(Failure::Connection(_)) => "no connection".to_owned(),
            Err(Failure::NoHttp) => "no HTTP".to_owned(),
            Err(Failure::Closed) => "closed".to_owned(),
            Err(Failure::TooLong) => "too long".to_owned(),
        };
        (server.join().unwrap().replace(&port.to_string(), "PORT"), answer)
    }

    #[test]
    fn a_server_is_asked_in_a_few_lines() {
        let (asked, answer) = ask(&["HTTP/1.1 200 OK\r\n\r\n"]);
        assert_eq!(answer, "200");
        let expected = "GET /health HTTP/1.1\nHost: localhost:PORT\nUser-Agent: procman\nAccept: */*\n\
                        Connection: close\n\n";
        assert_eq!(asked.replace("\r\n", "\n"), expected);
    }

    #[test]
    fn the_first_final_status_counts() {
        for (pieces, expected) in [
            (&["HTTP/1.0 503 Oh no\r\nA: b\r\n\r\nbody"][..], "503"),
            (&["HTTP/1.1 20", "4 \r\n", "A: b\r", "\n\r\n"], "204"),
            (
                &[
                    "HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early Hints\r\nA: b\r\n\r\nHTTP/1.1 302 x\r\n\r\n",
                ],
                "302",
            ),
            (&["HTTP/1.1 100 Continue\r\n\r\n"], "closed"),
            (&[], "closed"),
            (&["HTTP/1.1 200"], "no HTTP"),
            (&["SSH-2.0-OpenSSH_9.6\r\n"], "no HTTP"),
            (&["\x15\x03\x01\x00\x02\x02"], "no HTTP"),
        ] {
            assert_eq!(ask(pieces).1, expected, "{pieces:?}");
        }
    }

    #[test]
    fn an_answer_without_end_is_too_long() {
        const LINE: &str = "A: bbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbbb\r\n";
        static PIECES: [&str; 200] = {
            let mut pieces = [LINE; 200];
            pieces[0] = "HTTP/1.1 200 OK\r\n";
            pieces
        };
        assert_eq!(ask(&PIECES).1, "too long");
    }
}
