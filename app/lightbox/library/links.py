"""The journal of linked files: what lets links survive when the index is lost.

One JSON object a line, appended and synchronised before the batch that uses it commits. The last line about a path
counts.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path

from lightbox.library.store import Link


class LinkJournal:
    """Append-only list of links in ``links.jsonl``."""

    def __init__(self, path: Path) -> None:
        self._path = path

    def exists(self) -> bool:
        """Whether any link was ever noted."""
        return self._path.exists()

    def append(self, links: Iterable[tuple[Link, str]]) -> None:
        """Add links with their source, durably."""
        lines = [
            json.dumps({"path": link.path, "size": link.size, "mtime_ns": link.mtime_ns, "source": source})
            for link, source in links
        ]
        if not lines:
            return
        with self._path.open("ab") as file:
            # A line that a power cut left unfinished must not swallow the first new one.
            file.write(("\n" + "\n".join(lines) + "\n").encode("ascii"))
            file.flush()
            os.fsync(file.fileno())

    def read(self) -> list[tuple[Link, str]]:
        """Return the links in the order in which they were first added."""
        found: dict[str, tuple[Link, str]] = {}
        if not self._path.exists():
            return []
        with self._path.open("rb") as file:
            for line in file:
                try:
                    entry = json.loads(line)
                    link = Link(str(entry["path"]), int(entry["size"]), int(entry["mtime_ns"]))
                    found[link.path] = (link, str(entry.get("source", "")))
                except (ValueError, KeyError, TypeError):
                    continue  # an unfinished line
        return list(found.values())
