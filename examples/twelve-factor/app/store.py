"""The jobs and their database, a backing service that any number of processes share."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

from app.database import Database, DatabaseError
from app.postgresql import SCHEMES as POSTGRESQL, Postgresql
from app.sqlite import Sqlite

# Each entry takes the database one version further. Entries are only ever added.
MIGRATIONS = (
    """
    CREATE TABLE jobs (
        id {identity} PRIMARY KEY,
        text TEXT NOT NULL,
        state TEXT NOT NULL DEFAULT 'queued' CHECK (state IN ('queued', 'running', 'done')),
        worker TEXT,
        changed_at DOUBLE PRECISION NOT NULL
    )
    """,
    "CREATE INDEX jobs_by_state ON jobs (state, id)",
)


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
    """One connection; each thread needs its own. Every statement is one transaction."""

    def __init__(self, database: Database) -> None:
        self._database = database

    def enqueue(self, text: str) -> int:
        """Returns the id of the new job."""
        [(number,)] = self._database.execute(
            "INSERT INTO jobs (text, changed_at) VALUES (?, ?) RETURNING id", text, time.time()
        )
        return int(number)

    def claim(self, worker: str) -> Job | None:
        """Takes the oldest queued job for this worker; returns None when there is none."""
        while True:
            oldest = self._database.execute("SELECT id FROM jobs WHERE state = 'queued' ORDER BY id LIMIT 1")
            if not oldest:
                return None
            # Another worker may have seen the same row. The update finds it in state 'queued' for one of them only.
            claimed = self._database.execute(
                "UPDATE jobs SET state = 'running', worker = ?, changed_at = ? WHERE id = ? AND state = 'queued'"
                " RETURNING id, text",
                worker,
                time.time(),
                oldest[0][0],
            )
            if claimed:
                return Job(*claimed[0])

    def finish(self, job: Job, worker: str) -> None:
        self._database.execute(
            "UPDATE jobs SET state = 'done', changed_at = ? WHERE id = ? AND state = 'running' AND worker = ?",
            time.time(),
            job.id,
            worker,
        )

    def requeue_abandoned(self, seconds: float) -> int:
        """Gives the jobs of workers that died in the middle to the others; returns how many there were."""
        now = time.time()
        requeued = self._database.execute(
            "UPDATE jobs SET state = 'queued', worker = NULL, changed_at = ?"
            " WHERE state = 'running' AND changed_at < ? RETURNING id",
            now,
            now - seconds,
        )
        return len(requeued)

    def delete_done(self) -> int:
        """Returns how many jobs were deleted."""
        return len(self._database.execute("DELETE FROM jobs WHERE state = 'done' RETURNING id"))

    def counts(self) -> Counts:
        rows = dict(self._database.execute("SELECT state, count(*) FROM jobs GROUP BY state"))
        return Counts(queued=rows.get("queued", 0), running=rows.get("running", 0), done=rows.get("done", 0))

    def done_by_worker(self) -> list[tuple[str, int]]:
        return self._database.execute(
            "SELECT worker, count(*) FROM jobs WHERE state = 'done' GROUP BY worker ORDER BY worker"
        )


@contextmanager
def open_store(url: str) -> Iterator[Store]:
    """Opens a migrated database; raises DatabaseError when it is not."""
    with _open(url) as database:
        version = database.version()
        if version < len(MIGRATIONS):
            raise DatabaseError("the database is not up to date: run `procman run release` first")
        if version > len(MIGRATIONS):
            raise DatabaseError("the database is newer than this code")
        yield Store(database)


def migrate(url: str) -> tuple[int, int]:
    """Creates the tables or brings them up to date; returns the database's version before and after."""
    with _open(url) as database:
        # The lock comes before the question, so of two releases at once one does the work.
        database.begin()
        before = database.version()
        for statement in MIGRATIONS[before:]:
            database.execute(statement.format(identity=database.identity))
        after = max(before, len(MIGRATIONS))
        if before < after:
            database.set_version(after)
        database.commit()
        return before, after


@contextmanager
def _open(url: str) -> Iterator[Database]:
    database: Database = Postgresql(url) if url.startswith(POSTGRESQL) else Sqlite(url)
    try:
        yield database
    finally:
        database.close()
