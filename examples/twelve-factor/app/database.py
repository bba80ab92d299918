"""What the app asks of a database, whichever it is."""

from __future__ import annotations

from typing import Any, Protocol


class DatabaseError(Exception):
    """A database that cannot be used, in words, with nothing of its URL."""


class Database(Protocol):
    """One connection; each thread needs its own. Every method may raise DatabaseError."""

    # The type of a number that the database gives to a new row.
    identity: str

    def execute(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        """Runs one statement, with `?` where a value belongs; outside `begin` and `commit`, as one transaction."""

    def begin(self) -> None:
        """Begins a transaction that changes tables: no other one that does runs beside it."""

    def commit(self) -> None: ...

    def version(self) -> int:
        """Returns what `set_version` has kept in the database, or 0."""

    def set_version(self, version: int) -> None: ...

    def close(self) -> None: ...
