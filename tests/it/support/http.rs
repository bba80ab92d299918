//! Just enough HTTP to ask a process on this machine something.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};

use tokio::net::TcpSocket;

use crate::support::LIMIT;

/// Returns a port that nobody listens on, with room above it for the ports of other types.
pub fn free_port() -> u16 {
    let free = || TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    std::iter::repeat_with(free).find(|port| *port < 65_000).unwrap()
}

/// Returns a port at which nobody listens, and what keeps it from everybody else for as long as it is held; with room above
/// it as well.
pub fn deaf_port() -> (TcpSocket, u16) {
    let taken = || {
        let socket = TcpSocket::new_v4().unwrap();
        socket.bind("127.0.0.1:0".parse().unwrap()).unwrap();
        let port = socket.local_addr().unwrap().port();
        (socket, port)
    };
    std::iter::repeat_with(taken).find(|(_, port)| *port < 65_000).unwrap()
}

/// Returns the whole answer to a GET.
#[track_caller]
pub fn get(port: u16, path: &str) -> String {
    ask(port, &format!("GET {path} HTTP/1.0\r\n\r\n"))
}

/// Returns the whole answer to a POST.
#[track_caller]
pub fn post(port: u16, path: &str, body: &str) -> String {
    ask(port, &format!("POST {path} HTTP/1.0\r\nContent-Length: {}\r\n\r\n{body}", body.len()))
}

#[track_caller]
fn ask(port: u16, request: &str) -> String {
    let mut connection = TcpStream::connect(("127.0.0.1", port)).unwrap();
    connection.set_read_timeout(Some(LIMIT)).unwrap();
    connection.write_all(request.as_bytes()).unwrap();
    let mut answer = String::new();
    connection.read_to_string(&mut answer).unwrap();
    answer
}
