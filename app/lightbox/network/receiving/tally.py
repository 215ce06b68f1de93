"""How many associations all workers have open together: memory that they share, one row for each, without locks."""

from __future__ import annotations

import mmap
import threading
import zlib
from pathlib import Path

ROWS = 16
_COLUMNS = 1024
_ROW_BYTES = _COLUMNS * 2


def make(path: Path) -> None:
    """Make the file that the workers share."""
    path.write_bytes(bytes(ROWS * _ROW_BYTES))


class Tally:
    """The numbers, seen by one worker (which writes its own row only) or by the supervisor.

    Two workers that let callers in at the same moment may together exceed a limit by one. Addresses share 1,023
    columns: two that fall together are counted as one.

    Parameters
    ----------
    path : Path
        Of `make`.
    row : int
        Ours, below `ROWS`.
    """

    def __init__(self, path: Path, row: int) -> None:
        with path.open("r+b") as file:
            self._memory = mmap.mmap(file.fileno(), ROWS * _ROW_BYTES)
        self._numbers = memoryview(self._memory).cast("H")
        self._own = row * _COLUMNS
        self._lock = threading.Lock()

    def total(self) -> int:
        """Associations that are open in all workers."""
        return sum(self._numbers[row * _COLUMNS] for row in range(ROWS))

    def from_address(self, address: str) -> int:
        """Associations that are open from one address."""
        column = _column(address)
        return sum(self._numbers[row * _COLUMNS + column] for row in range(ROWS))

    def opened(self, address: str) -> None:
        """Count one more association of this worker."""
        self._add(address, 1)

    def ended(self, address: str) -> None:
        """Count one less."""
        self._add(address, -1)

    def _add(self, address: str, number: int) -> None:
        with self._lock:
            for place in (self._own, self._own + _column(address)):
                self._numbers[place] = max(0, self._numbers[place] + number)

    def clear(self, row: int) -> None:
        """Forget what a worker that died had open."""
        for place in range(row * _COLUMNS, (row + 1) * _COLUMNS):
            self._numbers[place] = 0

    def close(self) -> None:
        """Let go of the memory."""
        self._numbers.release()
        self._memory.close()


def _column(address: str) -> int:
    return 1 + zlib.crc32(address.encode("utf-8", "replace")) % (_COLUMNS - 1)
