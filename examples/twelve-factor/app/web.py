"""The web process: shows what is going on and takes new jobs."""

from __future__ import annotations

import json
import logging
import socket
import socketserver
import sys
import threading
from collections.abc import Callable
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from app import store
from app.config import Config
from app.database import DatabaseError
from app.process import StopRequest, log, run

LONGEST_BODY = 64 * 1024
# How long a client may stay silent in the middle of a request.
CLIENT_SECONDS = 10
# How long open requests may still take after a stop was asked for.
DRAIN_SECONDS = 0.75


class Refusal(Exception):
    """A request that is answered with an error, in words."""

    def __init__(self, status: HTTPStatus, reason: str) -> None:
        super().__init__(reason)
        self.status = status


class Server(ThreadingHTTPServer):
    """Serves each connection in a thread of its own and counts the open ones."""

    daemon_threads = True
    request_queue_size = 128

    def __init__(self, settings: Config) -> None:
        self.settings = settings
        self._open = 0
        self._open_changed = threading.Condition()
        super().__init__((settings.host, settings.port), Handler)

    def drain(self, seconds: float) -> None:
        """Waits for the open connections, at most that long."""
        with self._open_changed:
            self._open_changed.wait_for(lambda: self._open == 0, seconds)

    def server_bind(self) -> None:
        # The base class would ask the name service for the host's full name, which may take seconds.
        socketserver.TCPServer.server_bind(self)
        self.server_name, self.server_port = self.settings.host, self.settings.port

    def process_request(self, request: Any, client_address: Any) -> None:
        with self._open_changed:
            self._open += 1
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        super().shutdown_request(request)
        with self._open_changed:
            self._open -= 1
            self._open_changed.notify_all()

    def handle_error(self, request: Any, client_address: Any) -> None:
        error = sys.exc_info()[1]
        # A client that goes away is no event; anything else is a mistake in this file.
        if not isinstance(error, (ConnectionError, socket.timeout)):
            log.error("request failed: %r", error)


class Handler(BaseHTTPRequestHandler):
    server: Server
    timeout = CLIENT_SECONDS

    def do_GET(self) -> None:
        if self.path == "/health":
            self._answer(self._health)
        elif self.path == "/":
            self._answer(self._front_page)
        else:
            self._answer(self._not_found)

    def do_POST(self) -> None:
        if self.path == "/jobs":
            self._answer(self._new_job)
        else:
            self._answer(self._not_found)

    def _health(self) -> tuple[HTTPStatus, str]:
        # Of this process alone: when the database is away, another start would not bring it back.
        return HTTPStatus.OK, "ok\n"

    def _front_page(self) -> tuple[HTTPStatus, str]:
        settings = self.server.settings
        with store.open_store(settings.database) as jobs:
            counts = jobs.counts()
        return (
            HTTPStatus.OK,
            f"{settings.greeting}\ninstance: {settings.instance}\nport: {settings.port}\njobs: {counts}\n",
        )

    def _new_job(self) -> tuple[HTTPStatus, str]:
        text = self._job_text()
        with store.open_store(self.server.settings.database) as jobs:
            job = jobs.enqueue(text)
        return HTTPStatus.CREATED, f"job {job} enqueued\n"

    def _not_found(self) -> tuple[HTTPStatus, str]:
        raise Refusal(HTTPStatus.NOT_FOUND, "there is nothing here")

    def _job_text(self) -> str:
        length = self.headers.get("Content-Length", "")
        if not length.isdecimal():
            raise Refusal(HTTPStatus.LENGTH_REQUIRED, "say how long the body is")
        if len(length) > 9 or int(length) > LONGEST_BODY:
            raise Refusal(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, "the body is too long")
        try:
            body = json.loads(self.rfile.read(int(length)))
        except (ValueError, RecursionError):
            body = None
        text = body.get("text") if isinstance(body, dict) else None
        if not isinstance(text, str) or not text.strip():
            raise Refusal(HTTPStatus.BAD_REQUEST, 'the body must be JSON such as {"text": "water the plants"}')
        # Half of a surrogate pair and NUL are valid in JSON, but no text that every database could store.
        return text.encode("utf-8", "replace").decode().replace("\0", "?")

    def _answer(self, respond: Callable[[], tuple[HTTPStatus, str]]) -> None:
        try:
            status, page = respond()
        except Refusal as refusal:
            status, page = refusal.status, f"{refusal}\n"
        except DatabaseError as error:
            log.error("%s", error)
            status, page = HTTPStatus.SERVICE_UNAVAILABLE, "the database does not answer\n"
        body = page.encode("utf-8", "backslashreplace")
        self.send_response(status)
        self.send_header("Content-Type", "text/plain; charset=utf-8")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_request(self, code: int | str = "-", size: int | str = "-") -> None:
        # Whoever looks after this process asks every few seconds.
        level = logging.DEBUG if self.requestline.startswith("GET /health ") else logging.INFO
        # In quotes and escaped, whatever a client sends is one line.
        log.log(level, "%s %d", json.dumps(self.requestline), code)

    def log_message(self, format: str, *args: Any) -> None:
        """Leaves out the other lines of the base class: timeouts and malformed requests."""


def main(settings: Config, stop: StopRequest) -> None:
    # Better to fail now than with the first request.
    with store.open_store(settings.database):
        pass
    try:
        server = Server(settings)
    except OSError as error:
        sys.exit(f"cannot listen on {settings.host}:{settings.port}: {error.strerror}")
    threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.1}, daemon=True).start()
    log.info("listening on http://%s:%d", settings.host, settings.port)

    stop.wait()
    server.shutdown()
    server.server_close()
    server.drain(DRAIN_SECONDS)
    log.info("stopped")


if __name__ == "__main__":
    run(main)
