"""Settings of one data folder: a JSON file, written atomically."""

from __future__ import annotations

import json
import os
import threading
import time
from pathlib import Path
from typing import Any

from psygnal import Signal

from lightbox.core.errors import LightboxError
from lightbox.core.file_lock import FileLock

_PATIENCE_S = 2.0


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
        self._guard = FileLock(folder / ".settings.lock")
        self._lock = threading.Lock()
        self._values: dict[str, Any] = {}
        self._stamp: tuple[int, int, int] | None = None
        self._refresh()

    def get(self, key: str, default: Any = None) -> Any:
        """Return the value under `key`, or `default`. What another program has changed meanwhile counts."""
        with self._lock:
            self._refresh()
            return self._values.get(key, default)

    def set(self, key: str, value: Any) -> None:
        """Store a JSON-ready value under `key` and write the file (temporary file, fsync, rename).

        Values that another program (the command line beside the window) has stored meanwhile are kept.
        """
        with self._lock:
            held = self._hold()
            try:
                self._refresh()
                if key in self._values and self._values[key] == value:
                    return
                self._values = {**self._values, key: value}
                text = json.dumps(self._values, indent=2, ensure_ascii=False, sort_keys=True)
                write_atomically(self._path, text.encode("utf-8"))
                self._stamp = self._look()
            finally:
                if held:
                    self._guard.release()
        self.changed.emit(key, value)

    def _hold(self) -> bool:
        """Wait a moment for another program that is writing; a lock that cannot be had must not lose the value."""
        deadline = time.monotonic() + _PATIENCE_S
        while True:
            try:
                if self._guard.acquire():
                    return True
            except OSError:
                return False  # a file system without locks
            if time.monotonic() > deadline:
                return False
            time.sleep(0.01)

    def _look(self) -> tuple[int, int, int] | None:
        try:
            found = self._path.stat()
        except FileNotFoundError:
            return None
        return found.st_mtime_ns, found.st_size, found.st_ino

    def _refresh(self) -> None:
        """Read the file if it is another one than before."""
        stamp = self._look()
        if stamp == self._stamp:
            return
        if stamp is not None:
            try:
                self._values = json.loads(self._path.read_text(encoding="utf-8"))
            except (OSError, ValueError) as error:
                raise LightboxError(
                    "The settings cannot be read",
                    where=str(self._path),
                    why=str(error),
                    todo="Correct the file or move it away; Lightbox then starts with its defaults",
                ) from error
        self._stamp = stamp


def write_atomically(path: Path, data: bytes) -> None:
    """Write `data` to `path` so that after a crash the file holds either all of the old or all of the new bytes."""
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    with temporary.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())
    temporary.replace(path)
