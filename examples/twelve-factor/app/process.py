"""What every process of the app does the same way: settings, log, stop and failure."""

from __future__ import annotations

import io
import logging
import os
import select
import signal
import socket
import sys
from collections.abc import Callable
from types import FrameType

from app.config import Config, ConfigError, load
from app.database import DatabaseError

log = logging.getLogger("app")


class StopRequest:
    """SIGTERM, or SIGINT when the process was started by hand: sets `requested` and ends every wait at once."""

    def __init__(self) -> None:
        # A byte in a socket cannot be missed, whenever the signal comes; it is never read, so later waits see it too.
        self._receiver, self._sender = socket.socketpair()
        self.requested = False
        for number in (signal.SIGTERM, signal.SIGINT):
            signal.signal(number, self._on_signal)

    def wait(self, seconds: float | None = None) -> bool:
        """Waits for the request, at most that long; returns whether it has come."""
        select.select([self._receiver], [], [], seconds)
        return self.requested

    def _on_signal(self, number: int, frame: FrameType | None) -> None:
        if not self.requested:
            self.requested = True
            self._sender.send(b"\0")


def run(main: Callable[[Config, StopRequest], None]) -> None:
    """Runs a process of the app. What a person has to put right is one line on stderr and exit code 1."""
    stop = StopRequest()
    try:
        settings = load(os.environ)
        _set_up_log(settings.log_level)
        main(settings, stop)
    except (ConfigError, DatabaseError) as error:
        sys.exit(str(error))


def _set_up_log(level: str) -> None:
    # Events go to stdout, one line each, at once. Whoever runs the process adds the time and its name.
    if isinstance(sys.stdout, io.TextIOWrapper):
        # Whatever the locale is, no text can make a line fail.
        sys.stdout.reconfigure(encoding="utf-8", errors="backslashreplace")
    handler = logging.StreamHandler(sys.stdout)
    handler.setFormatter(logging.Formatter("%(message)s"))
    log.addHandler(handler)
    log.setLevel(level.upper())
