"""PostgreSQL, by its own C library, libpq (Debian's libpq5), so that no Python package is needed."""

from __future__ import annotations

import ctypes
import functools
import sys
from ctypes import POINTER, c_char_p, c_int, c_void_p
from typing import Any

from app.database import DatabaseError

SCHEMES = ("postgresql://", "postgres://")
# What is said to the server unless the URL says otherwise. A stop does not wait long for a server that is silent.
DEFAULTS = {b"connect_timeout": b"3", b"client_encoding": b"UTF8"}
# From libpq-fe.h, and the numbers that PostgreSQL has given to its types of whole numbers.
CONNECTION_OK, COMMAND_OK, TUPLES_OK = 0, 1, 2
WHOLE_NUMBERS = (20, 21, 23)
# Any number does, if it is this app's alone.
MIGRATION_LOCK = 12


class Postgresql:
    identity = "INTEGER GENERATED ALWAYS AS IDENTITY"

    def __init__(self, url: str) -> None:
        self._pq = _library()
        # The URL comes last, so what it says takes the place of the defaults.
        names = (c_char_p * 4)(*DEFAULTS, b"dbname", None)
        values = (c_char_p * 4)(*DEFAULTS.values(), url.encode(), None)
        self._connection = self._pq.PQconnectdbParams(names, values, 1)
        if self._pq.PQstatus(self._connection) != CONNECTION_OK:
            reason = self._reason()
            self.close()
            raise DatabaseError(f"cannot open the database: {reason}")

    def execute(self, sql: str, *values: object) -> list[tuple[Any, ...]]:
        for number in range(1, len(values) + 1):
            sql = sql.replace("?", f"${number}", 1)
        texts = (c_char_p * len(values))(*(None if value is None else str(value).encode() for value in values))
        pq = self._pq
        result = pq.PQexecParams(self._connection, sql.encode(), len(values), None, texts, None, None, 0)
        try:
            if pq.PQresultStatus(result) not in (COMMAND_OK, TUPLES_OK):
                raise DatabaseError(f"the database failed: {self._reason()}")
            columns = range(pq.PQnfields(result))
            return [tuple(self._value(result, row, column) for column in columns) for row in range(pq.PQntuples(result))]
        finally:
            pq.PQclear(result)

    def begin(self) -> None:
        self.execute("BEGIN")
        self.execute("SELECT pg_advisory_xact_lock(?)", MIGRATION_LOCK)

    def commit(self) -> None:
        self.execute("COMMIT")

    def version(self) -> int:
        [(tables,)] = self.execute(
            "SELECT count(*) FROM pg_tables WHERE schemaname = current_schema() AND tablename = 'schema_version'"
        )
        rows = self.execute("SELECT version FROM schema_version") if tables else []
        return int(rows[0][0]) if rows else 0

    def set_version(self, version: int) -> None:
        self.execute("CREATE TABLE IF NOT EXISTS schema_version (version INTEGER NOT NULL)")
        self.execute("DELETE FROM schema_version")
        self.execute("INSERT INTO schema_version VALUES (?)", version)

    def close(self) -> None:
        self._pq.PQfinish(self._connection)

    def _value(self, result: int, row: int, column: int) -> int | str | None:
        if self._pq.PQgetisnull(result, row, column):
            return None
        text: str = self._pq.PQgetvalue(result, row, column).decode()
        return int(text) if self._pq.PQftype(result, column) in WHOLE_NUMBERS else text

    def _reason(self) -> str:
        # libpq names host, port and user, never the password. After the first line it gives advice.
        lines = self._pq.PQerrorMessage(self._connection).decode("utf-8", "replace").splitlines()
        return " ".join(lines[0].split()) if lines else "for no reason that it tells"


@functools.lru_cache
def _library() -> ctypes.CDLL:
    try:
        library = ctypes.CDLL("libpq.5.dylib" if sys.platform == "darwin" else "libpq.so.5")
    except OSError as error:
        raise DatabaseError("PostgreSQL's library libpq is not installed: Debian has it as libpq5") from error
    strings, pointer = POINTER(c_char_p), c_void_p
    for name, result, arguments in (
        ("PQconnectdbParams", pointer, (strings, strings, c_int)),
        ("PQstatus", c_int, (pointer,)),
        ("PQerrorMessage", c_char_p, (pointer,)),
        ("PQfinish", None, (pointer,)),
        ("PQexecParams", pointer, (pointer, c_char_p, c_int, pointer, strings, pointer, pointer, c_int)),
        ("PQresultStatus", c_int, (pointer,)),
        ("PQntuples", c_int, (pointer,)),
        ("PQnfields", c_int, (pointer,)),
        ("PQftype", c_int, (pointer, c_int)),
        ("PQgetisnull", c_int, (pointer, c_int, c_int)),
        ("PQgetvalue", c_char_p, (pointer, c_int, c_int)),
        ("PQclear", None, (pointer,)),
    ):
        function = getattr(library, name)
        function.restype, function.argtypes = result, arguments
    return library
