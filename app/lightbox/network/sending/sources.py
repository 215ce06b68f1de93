"""Where the bytes of queued objects come from: the library, by SOP Instance UID, or files."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, BinaryIO, Self, cast

from lightbox.core.errors import LightboxError
from lightbox.network.sending.jobs import NewObject
from lightbox.network.sending.states import ObjectRecord

if TYPE_CHECKING:
    from lightbox.library.library import Library

CHANGED = "the file changed after it was queued"
_CHUNK = 1 << 20
_DIRECTORY = "1.2.840.10008.1.3.10"
"""Media Storage Directory: an index of files, never sent."""


class Sources:
    """Opens and describes objects.

    Parameters
    ----------
    library : callable
        Returns the library; called when the first object of it is needed.
    """

    def __init__(self, library: Callable[[], Library]) -> None:
        self._library = library

    def open(self, record: ObjectRecord) -> BinaryIO:
        """Open an object of the queue for reading, seekable.

        Raises
        ------
        OSError
            The file cannot be read.
        LightboxError
            The library does not have it (any more), or it is not what was queued.
        """
        if not record.path:
            return _whole(self._library().open_object(record.sop_instance_uid), record.size)
        file = Path(record.path).open("rb")  # noqa: SIM115 - the caller closes it
        if record.size and os.fstat(file.fileno()).st_size != record.size:
            file.close()
            raise LightboxError("The object cannot be sent", why=CHANGED)
        return _whole(file, record.size)

    def same(self, first: NewObject, second: NewObject) -> bool:
        """Whether two objects are the same, byte for byte."""
        with self._opened(first) as one, self._opened(second) as two:
            while True:
                here, there = one.read(_CHUNK), two.read(_CHUNK)
                if here != there:
                    return False
                if not here:
                    return True

    def _opened(self, item: NewObject) -> BinaryIO:
        return Path(item.path).open("rb") if item.path else self._library().open_object(item.sop_instance_uid)

    def describe(self, items: Iterable[str | Path]) -> Iterator[NewObject]:
        """Iterate over descriptions of what is to be queued: SOP Instance UIDs of the library, or files."""
        for item in items:
            yield of_file(item) if isinstance(item, Path) else self._of_library(item)

    def _of_library(self, uid: str) -> NewObject:
        found = self._library().instance(uid)
        if found is None:
            return NewObject(uid, reason="the library has no such object")
        return NewObject(
            found.sop_instance_uid,
            found.sop_class_uid,
            found.transfer_syntax_uid,
            found.study_instance_uid,
            found.series_instance_uid,
            size=found.size,
        )


class _Whole:
    """A file that never ends early: less than was queued is a failure, not an object."""

    def __init__(self, file: BinaryIO, size: int) -> None:
        self._file = file
        self._size = size

    def read(self, count: int = -1) -> bytes:
        data = self._file.read(count)
        if count < 0 or len(data) < count:
            self._check()
        return data

    def readinto(self, buffer: Any) -> int:
        count = self._file.readinto(buffer)  # pyright: ignore[reportAttributeAccessIssue]
        if count < len(buffer):
            self._check()
        return count

    def _check(self) -> None:
        if self._file.tell() < self._size:
            raise LightboxError("The object cannot be sent", why="its file is cut off")

    def __getattr__(self, name: str) -> Any:
        return getattr(self._file, name)

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *_: object) -> None:
        self._file.close()


def _whole(file: BinaryIO, size: int) -> BinaryIO:
    return cast(BinaryIO, _Whole(file, size)) if size else file


def of_file(path: Path) -> NewObject:
    """Describe a file; one that cannot be sent has a reason."""
    from lightbox.library import header_scan

    absolute = str(path.absolute())
    try:
        with path.open("rb") as file:
            source = header_scan.FileSource(file)
            header, _, damage = header_scan.scan(source)
            size = source.size
    except OSError as error:
        return NewObject("", path=absolute, reason=f"the file cannot be read: {error.strerror or type(error).__name__}")
    except header_scan.NotDicom as error:
        return NewObject("", path=absolute, reason=str(error))
    sop_class, uid = header.code("SOPClassUID"), header.code("SOPInstanceUID")
    if not damage and (not sop_class or not uid):
        damage = "it has no SOP Class UID or no SOP Instance UID"
    if sop_class == _DIRECTORY:
        damage = "a DICOMDIR is an index of files, not an object"
    if damage:  # without SOP class it can never be claimed, not even when somebody tries it again
        return NewObject(uid, path=absolute, size=size, reason=damage)
    return NewObject(
        uid,
        sop_class,
        header.transfer_syntax_uid,
        header.code("StudyInstanceUID"),
        header.code("SeriesInstanceUID"),
        absolute,
        size,
    )


def files_under(paths: Iterable[Path]) -> Iterator[Path]:
    """Iterate over the files that `paths` name, folders walked in order of names.

    Raises
    ------
    LightboxError
        One of them cannot be read.
    """
    from lightbox.library import sources
    from lightbox.library.records import Refusal

    for found in sources.find(list(paths)):
        if isinstance(found, Refusal):
            raise LightboxError("A file cannot be sent", where=found.path, why=found.reason)
        yield Path(found.path)
