"""Performed procedure steps as they are written down: one file each, durable before anything is sent."""

from __future__ import annotations

import base64
import json
import logging
import threading
from dataclasses import asdict, dataclass, field, fields, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightbox.core import clock
from lightbox.core.errors import LightboxError, UsageError
from lightbox.core.settings import write_atomically
from lightbox.library import durable

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

logger = logging.getLogger(__name__)

CREATING, IN_PROGRESS, ENDING, ENDED, FAILED = "creating", "in progress", "ending", "ended", "failed"
LOOKED_AT = "looked at"
"""Note of a step whose refusal a person has seen."""
_EXPLICIT = "1.2.840.10008.1.2.1"


@dataclass(frozen=True, slots=True)
class Step:
    """One performed procedure step.

    Attributes
    ----------
    uid : str
        Its SOP Instance UID.
    peer : str
        Our name of the peer that is told.
    state : str
        What the peer knows: ``"creating"`` (nothing yet), ``"in progress"``, ``"ending"`` (its end is to be told),
        ``"ended"``, or ``"failed"`` (the peer refused it for good).
    create, end : str
        The data sets, base64 of Explicit VR Little Endian; `end` is empty while the step runs.
    status : str
        ``"COMPLETED"`` or ``"DISCONTINUED"`` once it ended.
    create_sent, end_sent : bool
        Whether a request was sent whose answer we may have missed.
    tries : int
    words : str
        What the peer or the network said last.
    begun_at, changed_at : str
    """

    uid: str
    peer: str
    state: str = CREATING
    create: str = ""
    end: str = ""
    status: str = ""
    create_sent: bool = False
    end_sent: bool = False
    tries: int = 0
    words: str = ""
    begun_at: str = ""
    changed_at: str = ""
    notes: tuple[str, ...] = field(default=())

    @property
    def waits(self) -> bool:
        """Whether something is to be sent."""
        return self.state in (CREATING, ENDING)

    @property
    def open(self) -> bool:
        """Whether somebody should know of it: it waits, or it was refused and nobody has looked at that."""
        return self.waits or (self.state == FAILED and LOOKED_AT not in self.notes)

    def as_dict(self) -> dict[str, Any]:
        """Return the JSON shape, without patients' data."""
        words = ("uid", "peer", "state", "status", "tries", "words", "begun_at", "changed_at")
        return {word: getattr(self, word) for word in words} | {"notes": list(self.notes)}


class StepStore:
    """The performed procedure steps of one data folder.

    Parameters
    ----------
    home : Path
        The data folder; the steps hold patients' data and are readable by the owner only.
    """

    def __init__(self, home: Path) -> None:
        self._folder = home / "network" / "mpps"
        self._lock = threading.Lock()

    def get(self, uid: str) -> Step:
        """Return a step.

        Raises
        ------
        LightboxError
            There is none, or it cannot be read.
        """
        try:
            return _read(self._path(uid))
        except (OSError, ValueError, TypeError) as error:
            raise LightboxError("There is no such procedure step", where=uid, why=type(error).__name__) from error

    def all(self) -> list[Step]:
        """Return all steps, oldest first; what cannot be read is left out and logged."""
        found: list[Step] = []
        for path in sorted(self._folder.glob("*.json")) if self._folder.is_dir() else []:
            try:
                found.append(_read(path))
            except (OSError, ValueError, TypeError):
                logger.warning("a procedure step cannot be read")
        return sorted(found, key=lambda step: step.begun_at)

    def changed(self, step: Step, **values: Any) -> Step:
        """Write a step down with other values and return it."""
        changed = replace(step, **values, changed_at=clock.stamp())
        self.write(changed)
        return changed

    def look_at(self, uid: str) -> Step:
        """Note that a person has seen that a step was refused."""
        step = self.get(uid)
        return step if LOOKED_AT in step.notes else self.changed(step, notes=(*step.notes, LOOKED_AT))

    def write(self, step: Step) -> None:
        """Write a step down; when this returns it survives a power cut."""
        with self._lock:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            path = self._path(step.uid)
            write_atomically(path, json.dumps(asdict(step)).encode("utf-8"))
            path.chmod(0o600)
            durable.sync_directory(self._folder)

    def _path(self, uid: str) -> Path:
        if not uid or not all(letter in "0123456789." for letter in uid):
            raise UsageError("This is not a UID", where=uid)
        return self._folder / f"{uid}.json"


def _read(path: Path) -> Step:
    values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    known = {entry.name for entry in fields(Step)}
    values["notes"] = tuple(values.get("notes", ()))
    return Step(**{key: value for key, value in values.items() if key in known})


def packed(dataset: Dataset) -> str:
    """Return a data set as text."""
    from lightbox.network.wire.datasets import encode

    return base64.b64encode(encode(dataset, _EXPLICIT)).decode("ascii")


def unpacked(text: str) -> Dataset:
    """Return the data set of `packed`."""
    from lightbox.network.wire.datasets import decode

    return decode(base64.b64decode(text), _EXPLICIT)
