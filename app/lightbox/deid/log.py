"""The tag-level log: one line per object, chained by hashes; it never holds an old value or a source path."""

from __future__ import annotations

import gzip
import hashlib
import io
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from lightbox.core.errors import LightboxError
from lightbox.deid.engine import FileResult

GENESIS = "0" * 64


class TagLog:
    """Writes the log of one run (JSON lines, gzip); the same results give the same bytes.

    Parameters
    ----------
    path : Path
        File to write, ending in ``.jsonl.gz``; it must not exist.
    """

    def __init__(self, path: Path) -> None:
        self._raw = path.open("xb")
        self._zip = gzip.GzipFile(filename="", mode="wb", fileobj=self._raw, compresslevel=6, mtime=0)
        self._file = io.TextIOWrapper(self._zip, encoding="utf-8", newline="\n")
        self.lines = 0
        self.head = GENESIS

    def add(self, result: FileResult) -> None:
        """Append one object."""
        record = {"n": self.lines, "previous": self.head, **as_record(result)}
        text = json.dumps(record, separators=(",", ":"), ensure_ascii=True)
        self.head = hashlib.sha256(text.encode("ascii")).hexdigest()
        self._file.write(text + "\n")
        self.lines += 1

    def close(self) -> None:
        """Finish the file."""
        self._file.close()
        self._zip.close()
        self._raw.close()

    def __enter__(self) -> TagLog:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()


def as_record(result: FileResult) -> dict[str, Any]:
    """Return what the log says of one object."""
    record: dict[str, Any] = {
        "outcome": result.outcome.value,
        "source_sha256": result.source_sha256,
        "sop_class": result.sop_class,
        "transfer_syntax": result.transfer_syntax,
    }
    if result.target_sha256:
        record |= {
            "file": result.name,
            "target_sha256": result.target_sha256,
            "options": sorted(option.value for option in result.options),
            "flags": list(result.flags),
            "kept": result.kept,
            "changes": [[c.path, c.action, c.rule, c.vr, c.old_length, c.old] for c in result.changes],
        }
    if result.code:
        record |= {"code": result.code, "reason": result.reason}
    return record


def read(path: Path) -> Iterator[dict[str, Any]]:
    """Yield the records of a log and check the chain.

    Raises
    ------
    LightboxError
        A line was changed, removed or inserted.
    """
    head = GENESIS
    with gzip.open(path, "rt", encoding="utf-8") as file:
        for number, line in enumerate(file):
            record = json.loads(line)
            if record["previous"] != head or record["n"] != number:
                raise LightboxError(
                    "The log was tampered with", where=f"line {number + 1}", why="the hash chain is broken"
                )
            head = hashlib.sha256(line.rstrip("\n").encode("ascii")).hexdigest()
            yield record
