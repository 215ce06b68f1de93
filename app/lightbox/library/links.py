"""The journal of linked files: what lets links survive when the index is lost.

One JSON array a line, appended and synchronised before the batch that uses it commits; its items are arrays of path,
size, modification time (ns) and source. The last item about a path counts.
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
        items = [(link.path, link.size, link.mtime_ns, source) for link, source in links]
        if not items:
            return
        line = json.dumps(items)
        with self._path.open("ab") as file:
            # A line that a power cut left unfinished must not swallow the first new one.
            file.write(f"\n{line}\n".encode("ascii"))
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
                    items = json.loads(line)
                except ValueError:
                    continue  # empty, or unfinished
                for path, size, mtime_ns, source in items:
                    found[path] = (Link(path, size, mtime_ns), source)
        return list(found.values())
