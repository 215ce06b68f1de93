"""The SQLite file of the send queue: connections, migrations, one writer at a time."""

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
from lightbox.network.sending.schema import STEPS

BUSY_TIMEOUT_MS = 60_000


class _Connection(sqlite3.Connection):
    """A connection that can be referred to weakly: it closes when its thread ends."""


class Database:
    """One SQLite file in WAL mode, a connection for each thread, shared by several processes.

    A commit is on the disk when it returns (``synchronous=FULL``): what a person was told is queued survives a loss of
    power.

    Raises
    ------
    LightboxError
        The file is damaged, or was made by a newer program.
    """

    def __init__(self, path: Path) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        self._path = path
        self._local = threading.local()
        self._lock = threading.Lock()
        self._write_lock = threading.RLock()
        self._connections: weakref.WeakSet[_Connection] = weakref.WeakSet()
        self._closed = False
        try:
            self._migrate()
        except (LightboxError, OSError):
            self.close()
            raise
        except sqlite3.DatabaseError as error:
            self.close()
            damaged = not isinstance(error, sqlite3.OperationalError) or "malformed" in str(error)
            raise LightboxError(
                "The send queue cannot be opened",
                where=str(path),
                why=str(error),
                todo="Move the file away; Lightbox then starts with an empty queue"
                if damaged
                else "Free some space on the disk of the data folder, and see that it can be written",
            ) from error

    def _migrate(self) -> None:
        with self.transaction() as writer:
            (version,) = writer.execute("PRAGMA user_version").fetchone()
            if version > len(STEPS):
                raise LightboxError(
                    "The send queue was made by a newer Lightbox",
                    where=str(self._path),
                    why=f"its version is {version}, this program knows {len(STEPS)}",
                    todo="Update Lightbox",
                )
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
            raise LightboxError("The send queue is closed")
        connection = sqlite3.connect(
            self._path,
            timeout=BUSY_TIMEOUT_MS / 1000,
            isolation_level=None,
            check_same_thread=False,
            factory=_Connection,
        )
        try:
            connection.row_factory = sqlite3.Row
            connection.execute(f"PRAGMA busy_timeout = {BUSY_TIMEOUT_MS}")
            connection.execute("PRAGMA journal_mode = WAL")
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA foreign_keys = ON")
            connection.execute("PRAGMA cache_size = -4096")
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

    def version(self) -> int:
        """Return a number that changes when another connection than the calling thread's committed something."""
        return int(self.connection().execute("PRAGMA data_version").fetchone()[0])

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
