"""SQLite, a file, by Python's own module."""

from __future__ import annotations

import sqlite3
from pathlib import Path
from typing import Any

from app.database import DatabaseError

SCHEME = "sqlite:///"
BUSY_SECONDS = 5.0


class Sqlite:
    identity = "INTEGER"

    def __init__(self, url: str) -> None:
        path = Path(url[len(SCHEME) :])
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            # Without an isolation level, Python opens no transactions of its own: each statement is one.
            self._connection = sqlite3.connect(path, timeout=BUSY_SECONDS, isolation_level=None)
        except (OSError, sqlite3.Error) as error:
            raise DatabaseError(f"cannot open the database {path}: {error}") from error

    def execute(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        try:
            return self._connection.execute(sql, values).fetchall()
        except sqlite3.Error as error:
            raise DatabaseError(f"the database failed: {error}") from error

    def begin(self) -> None:
        # Readers and one writer do not wait for each other in this mode, which the file itself remembers.
        self.execute("PRAGMA journal_mode = WAL")
        # At once with the lock that writing takes.
        self.execute("BEGIN IMMEDIATE")

    def commit(self) -> None:
        self.execute("COMMIT")

    def version(self) -> int:
        [(version,)] = self.execute("PRAGMA user_version")
        return int(version)

    def set_version(self, version: int) -> None:
        self.execute(f"PRAGMA user_version = {version}")

    def close(self) -> None:
        self._connection.close()
