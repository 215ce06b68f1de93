"""A disk that is full: told as such, nothing half written, and the next transaction works."""

from __future__ import annotations

import errno
from pathlib import Path
from typing import Any

import pytest

from lightbox.library.index import Index
from lightbox.network.sending.database import Database


@pytest.mark.parametrize("kind", [Index, Database])
def test_a_full_disk(kind: Any, tmp_path: Path) -> None:
    database = kind(tmp_path / "some.sqlite")
    try:
        connection = database.connection()
        with database.transaction() as writer:
            writer.execute("CREATE TABLE filler (data BLOB)")
        (pages,) = connection.execute("PRAGMA page_count").fetchone()
        connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(OSError, match=r"some\.sqlite") as raised, database.transaction() as writer:
            for _ in range(100):
                writer.execute("INSERT INTO filler VALUES (?)", (bytes(100_000),))
        assert raised.value.errno == errno.ENOSPC
        assert connection.execute("SELECT count(*) FROM filler").fetchone()[0] == 0
        connection.execute(f"PRAGMA max_page_count = {pages + 1000}")
        with database.transaction() as writer:
            writer.execute("INSERT INTO filler VALUES (?)", (bytes(1000),))
        assert connection.execute("SELECT count(*) FROM filler").fetchone()[0] == 1
    finally:
        database.close()
