"""What is to be exported: objects of the library, files and folders, as sources that the engine can open."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lightbox.core.errors import NotFoundError
from lightbox.deid.source import OpenerSource, PathSource, Source

if TYPE_CHECKING:
    from lightbox.library.library import Library


@dataclass(slots=True)
class Cohort:
    """An ordered collection of objects."""

    sources: list[Source] = field(default_factory=list)

    def __iter__(self) -> Iterator[Source]:
        return iter(self.sources)

    def __len__(self) -> int:
        return len(self.sources)

    @classmethod
    def of_paths(cls, paths: Iterable[Path]) -> Cohort:
        """Return the files at `paths`, folders with everything below them, in order of name.

        Raises
        ------
        NotFoundError
            A path does not exist.
        """
        out: list[Source] = []
        for path in paths:
            if path.is_dir():
                out += [PathSource(found) for found in sorted(path.rglob("*")) if found.is_file()]
            elif path.is_file():
                out.append(PathSource(path))
            else:
                raise NotFoundError("There is no such file or folder", where=str(path))
        return cls(out)

    @classmethod
    def of_studies(cls, library: Library, study_uids: Iterable[str]) -> Cohort:
        """Return all objects of studies in the library."""
        out: list[Source] = []
        for study_uid in study_uids:
            for series in library.series_of(study_uid):
                for instance in library.instances_of(series.series_instance_uid):
                    uid = instance.sop_instance_uid
                    out.append(OpenerSource(uid, _opener(library, uid)))
        return cls(out)


def _opener(library: Library, uid: str) -> Callable[[], BinaryIO]:
    return lambda: library.open_object(uid)
