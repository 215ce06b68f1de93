"""Settings of one data folder: a JSON file, written atomically."""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path
from typing import Any

from psygnal import Signal

from lightbox.core.errors import LightboxError


class Settings:
    """Named JSON values kept in ``settings.json`` of the data folder.

    Parameters
    ----------
    folder : Path
        The data folder (see `lightbox.core.paths.home`).

    Notes
    -----
    Secrets and patients' data never go here.
    """

    changed = Signal(str, object)
    """Emitted with the key and its new value after it was written."""

    def __init__(self, folder: Path) -> None:
        self._path = folder / "settings.json"
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {}
        if self._path.exists():
            try:
                self._values = json.loads(self._path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise LightboxError(
                    "The settings cannot be read",
                    where=str(self._path),
                    why=str(error),
                    todo="Correct the file or move it away; Lightbox then starts with its defaults",
                ) from error

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under `key`, or `default`."""
        with self._lock:
            return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Store a JSON-ready value under `key` and write the file (temporary file, fsync, rename)."""
        with self._lock:
            if key in self._values and self._values[key] == value:
                return
            self._values[key] = value
            text = json.dumps(self._values, indent=2, ensure_ascii=False, sort_keys=True)
            write_atomically(self._path, text.encode("utf-8"))
        self.changed.emit(key, value)


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that after a crash the file holds either all of the old or all of the new bytes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
