"""A web server that answers every GET with its own name, and /health with "ok"."""

from __future__ import annotations

import json
import os
import signal
import socketserver
import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

NAME = os.environ.get("PS", "web")
HOST = os.environ.get("HOST", "127.0.0.1")
PORT = int(os.environ.get("PORT", "5000"))


class Handler(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        body = b"ok\n" if self.path == "/health" else f"hello from {NAME}\n".encode()
        self.send_response(200)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # In quotes and escaped, whatever a client sends is one line.
        say(f"{json.dumps(self.requestline)} {int(code)}")

    def log_message(self, format: str, *args: object) -> None:
        """Leaves out the other lines of the base class: timeouts and malformed requests."""


class Server(ThreadingHTTPServer):
    def server_bind(self) -> None:
        # The base class would ask the name service for the host's full name, which may take seconds in a container.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = HOST, PORT


def say(line: str) -> None:
    # One write, so that the lines of two threads do not mix.
    sys.stdout.write(line + "\n")
    sys.stdout.flush()


def main() -> None:
    signal.signal(signal.SIGTERM, lambda number, frame: sys.exit(0))
    try:
        server = Server((HOST, PORT), Handler)
    except OSError as error:
        sys.exit(f"cannot listen on {HOST}:{PORT}: {error.strerror}")
    say(f"listening on http://{HOST}:{PORT}")
    try:
        server.serve_forever()
    finally:
        say("stopped")


if __name__ == "__main__":
    main()
