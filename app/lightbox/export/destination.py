"""Where clean files go: a folder that never holds a half-written or unverified file."""

from __future__ import annotations

import hashlib
import os
import shutil
from pathlib import Path, PurePosixPath

from lightbox.core.errors import LightboxError, UsageError

STAGING = ".lightbox-staging"


class Folder:
    """A destination folder; files appear in it under their final name only.

    Parameters
    ----------
    root : Path
        Created when it does not exist.
    """

    def __init__(self, root: Path) -> None:
        self.root = root.absolute()
        self._staging = self.root / STAGING
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            shutil.rmtree(self._staging, ignore_errors=True)
            self._staging.mkdir()
        except OSError as error:
            raise LightboxError(
                "The destination cannot be written",
                where=str(self.root),
                why=error.strerror or "",
                todo="Choose another folder",
            ) from error

    def stage(self, data: bytes) -> Path:
        """Write `data` to a file under no final name yet; return it."""
        path = self._staging / f"{os.getpid()}.part"
        with path.open("wb") as file:
            file.write(data)
        return path

    def publish(self, staged: Path, name: str) -> bool:
        """Give a staged file its final name.

        Returns
        -------
        bool
            False when a file of that name with other bytes is there already; it stays, the staged file goes.
        """
        target = self.root / PurePosixPath(name)
        if target.exists():
            same = sha256(target) == sha256(staged)
            staged.unlink()
            return same
        target.parent.mkdir(parents=True, exist_ok=True)
        staged.replace(target)
        return True

    def discard(self, staged: Path) -> None:
        """Delete a staged file."""
        staged.unlink(missing_ok=True)

    def close(self) -> None:
        """Remove the staging area."""
        shutil.rmtree(self._staging, ignore_errors=True)


def sha256(path: Path) -> str:
    """Return the SHA-256 of a file."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def check_apart(out: Path, report: Path, sources: list[Path]) -> None:
    """Refuse folders that would mix what may be shared with what may not.

    Raises
    ------
    UsageError
        The report lies inside the destination, or a source does.
    """
    out, report = out.absolute().resolve(), report.absolute().resolve()
    if report == out or out in report.parents:
        raise UsageError(
            "The report cannot lie inside the destination",
            where=str(report),
            todo="Choose a folder beside it: what is in the destination may be shared",
        )
    inside = next((path for path in sources if out in path.absolute().resolve().parents), None)
    if inside is not None:
        raise UsageError("A source lies inside the destination", where=str(inside), todo="Choose another destination")
