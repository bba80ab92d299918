"""The jobs and their database, a backing service that any number of processes share."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

# Each entry takes the database one version further. Entries are only ever added.
MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id INTEGER PRIMARY KEY,
        text TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done')),
        worker TEXT,
        changed_at REAL NOT NULL
    )
    """,
    "CREATE INDEX jobs_by_state ON jobs (state, id)",
)

BUSY_SECONDS = 5.0


class StoreError(Exception):
    """A database that cannot be used, in words."""


@dataclass(frozen=True)
class Job:
    id: int
    text: str


@dataclass(frozen=True)
class Counts:
    queued: int
    running: int
    done: int

    def __str__(self) -> str:
        return f"{self.queued} queued, {self.running} running, {self.done} done"


class Store:
    """One connection; each thread needs its own. Every method is one transaction."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection

    def enqueue(self, text: str) -> int:
        """Returns the id of the new job."""
        cursor = self._connection.execute("INSERT INTO jobs (text, changed_at) VALUES (?, ?)", (text, time.time()))
        assert cursor.lastrowid is not None
        return cursor.lastrowid

    def claim(self, worker: str) -> Job | None:
        """Takes the oldest queued job for this worker; returns None when there is none."""
        while True:
            row = self._connection.execute(
                "SELECT id, text FROM jobs WHERE state = 'queued' ORDER BY id LIMIT 1"
            ).fetchone()
            if row is None:
                return None
            # Another worker may have seen the same row. The update finds it in state 'queued' for one of them only.
            cursor = self._connection.execute(
                "UPDATE jobs SET state = 'running', worker = ?, changed_at = ? WHERE id = ? AND state = 'queued'",
                (worker, time.time(), row[0]),
            )
            if cursor.rowcount == 1:
                return Job(id=row[0], text=row[1])

    def finish(self, job: Job, worker: str) -> None:
        self._connection.execute(
            "UPDATE jobs SET state = 'done', changed_at = ? WHERE id = ? AND state = 'running' AND worker = ?",
            (time.time(), job.id, worker),
        )

    def requeue_abandoned(self, seconds: float) -> int:
        """Gives the jobs of workers that died in the middle to the others; returns how many there were."""
        now = time.time()
        cursor = self._connection.execute(
            "UPDATE jobs SET state = 'queued', worker = NULL, changed_at = ?"
            " WHERE state = 'running' AND changed_at < ?",
            (now, now - seconds),
        )
        return cursor.rowcount

    def delete_done(self) -> int:
        """Returns how many jobs were deleted."""
        return self._connection.execute("DELETE FROM jobs WHERE state = 'done'").rowcount

    def counts(self) -> Counts:
        rows = dict(self._connection.execute("SELECT state, count(*) FROM jobs GROUP BY state").fetchall())
        return Counts(queued=rows.get("queued", 0), running=rows.get("running", 0), done=rows.get("done", 0))

    def done_by_worker(self) -> list[tuple[str, int]]:
        return self._connection.execute(
            "SELECT worker, count(*) FROM jobs WHERE state = 'done' GROUP BY worker ORDER BY worker"
        ).fetchall()


@contextmanager
def open_store(database: Path) -> Iterator[Store]:
    """Opens a migrated database; raises StoreError when it is not."""
    if not database.exists():
        raise StoreError(f"there is no database at {database}: run `procman run release` first")
    try:
        connection = _connect(database)
        version = _version(connection)
    except sqlite3.Error as error:
        raise StoreError(f"cannot open the database {database}: {error}") from error
    try:
        if version < len(MIGRATIONS):
            raise StoreError(f"the database {database} is out of date: run `procman run release` first")
        if version > len(MIGRATIONS):
            raise StoreError(f"the database {database} is newer than this code")
        yield Store(connection)
    finally:
        connection.close()


def migrate(database: Path) -> tuple[int, int]:
    """Creates the database or brings it up to date; returns its version before and after."""
    try:
        database.parent.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise StoreError(f"cannot make the directory {database.parent}: {error.strerror}") from error
    connection = _connect(database)
    try:
        # Readers and one writer do not wait for each other in this mode, which the file itself remembers.
        connection.execute("PRAGMA journal_mode = WAL")
        # The lock comes before the question, so of two releases at once one does the work.
        connection.execute("BEGIN IMMEDIATE")
        before = _version(connection)
        for statement in MIGRATIONS[before:]:
            connection.execute(statement)
        after = max(before, len(MIGRATIONS))
        connection.execute(f"PRAGMA user_version = {after}")
        connection.execute("COMMIT")
        return before, after
    finally:
        connection.close()


def _connect(database: Path) -> sqlite3.Connection:
    # Without an isolation level, Python opens no transactions of its own: each statement is one.
    return sqlite3.connect(database, timeout=BUSY_SECONDS, isolation_level=None)


def _version(connection: sqlite3.Connection) -> int:
    row: tuple[int] = connection.execute("PRAGMA user_version").fetchone()
    return row[0]
