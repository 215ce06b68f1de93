"""The SQLite index: connections, migrations, one writer at a time."""

from __future__ import annotations

import errno
import os
import sqlite3
import threading
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from lightbox.core.errors import LightboxError
from lightbox.library.schema import STEPS

BUSY_TIMEOUT_MS = 60_000
_CACHE_KIB = 16 * 1024


class DamagedIndexError(LightboxError):
    """The index file is not a readable database; it can be rebuilt from the objects."""


class _Connection(sqlite3.Connection):
    """A connection that can be referred to weakly: it closes when its thread ends."""


class Index:
    """One SQLite file in WAL mode, a connection for each thread.

    Writers of all processes and threads go one after the other (``BEGIN IMMEDIATE``); readers never wait. A commit is
    durable when it returns (``synchronous=FULL``), because committed batches let go of their spool files.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._write_lock = threading.RLock()
        self._closed = False
        try:
            self._migrate()
        except sqlite3.DatabaseError as error:
            self.close()
            if isinstance(error, sqlite3.OperationalError) and "malformed" not in str(error):
                raise LightboxError("The index cannot be opened", where=str(path), why=str(error)) from error
            raise DamagedIndexError(
                "The index is damaged", where=str(path), why=str(error), todo="Rebuild it from the stored objects"
            ) from error

    def _migrate(self) -> None:
        connection = self.connection()
        (version,) = connection.execute("PRAGMA user_version").fetchone()
        if version == len(STEPS):
            connection.execute("SELECT count(*) FROM sqlite_master").fetchone()
            return
        if version > len(STEPS):
            raise LightboxError(
                "The library was made by a newer Lightbox",
                where=str(self._path),
                why=f"its version is {version}, this program knows {len(STEPS)}",
                todo="Update Lightbox",
            )
        with self.transaction() as writer:
            (version,) = writer.execute("PRAGMA user_version").fetchone()
            for number in range(version, len(STEPS)):
                for statement in _statements(STEPS[number]):
                    writer.execute(statement)
                writer.execute(f"PRAGMA user_version = {number + 1}")

    def connection(self) -> sqlite3.Connection:
        """Return the connection of the calling thread."""
        connection = getattr(self._local, "connection", None)
        if connection is not None:
            return connection
        if self._closed:
            raise LightboxError("The library is closed")
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        try:
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute(f"PRAGMA cache_size = -{_CACHE_KIB}")
            connection.execute("PRAGMA temp_store = MEMORY")
        except sqlite3.Error:
            connection.close()
            raise
        self._local.connection = connection
        with self._lock:
            self._connections.add(connection)
        return connection

    @contextmanager
    def transaction(self) -> Iterator[sqlite3.Connection]:
        """Run a block as the only writer; committed when it ends, rolled back when it raises.

        Raises
        ------
        OSError
            The disk is full (``ENOSPC``); nothing was changed.
        """
        with self._write_lock:
            connection = self.connection()
            connection.execute("BEGIN IMMEDIATE")
            try:
                yield connection
                connection.execute("COMMIT")
            except BaseException as error:
                if connection.in_transaction:  # SQLite rolls back on its own when the disk is full
                    connection.execute("ROLLBACK")
                if isinstance(error, sqlite3.Error) and _is_full(error):
                    raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(self._path)) from error
                raise

    def check(self) -> list[str]:
        """Return what SQLite finds wrong with the file (empty: nothing)."""
        rows = self.connection().execute("PRAGMA integrity_check").fetchall()
        return [row[0] for row in rows if row[0] != "ok"]

    def close(self) -> None:
        """Close the connections of all threads."""
        self._closed = True
        with self._lock:
            for connection in list(self._connections):
                connection.close()
            self._connections.clear()
        self._local = threading.local()


def _statements(script: str) -> Iterator[str]:
    pending = ""
    for line in script.splitlines(keepends=True):
        pending += line
        if sqlite3.complete_statement(pending):
            yield pending
            pending = ""


def _is_full(error: sqlite3.Error) -> bool:
    return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_FULL
