"""What can be checked: files, folders, zip archives, and objects of the library, each with the checks across them."""

from __future__ import annotations

import hashlib
import io
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO

from lightbox.core.errors import LightboxError
from lightbox.library import archives
from lightbox.library.quality.codes import CODES
from lightbox.library.quality.cohort import check_cohort
from lightbox.library.quality.facts import ObjectFacts
from lightbox.library.quality.gate import examine
from lightbox.library.quality.model import QualityIssue
from lightbox.library.sources import FoundFile, find

if TYPE_CHECKING:
    from lightbox.library.library import Library

_CHUNK = 1 << 20
_MEMBER = 1 << 30
"""Members of archives up to this size are looked at (they have to fit into memory)."""
_SUFFIXES = frozenset({".dcm", ".dicom", ".ima"})


@dataclass(frozen=True, slots=True)
class Target:
    """One thing to check.

    ``named``: a person named it, so it has to be DICOM; what lies in a folder may be anything. ``problem``: why it
    cannot be opened, empty when it can.
    """

    label: str
    open: Callable[[], BinaryIO]
    named: bool = False
    problem: str = ""
    from_library: bool = False


def of_path(path: Path) -> Iterator[Target]:
    """Iterate over a file, a folder (with everything below) or a zip archive."""
    single = path.is_file()
    for found in find([path]):
        if not isinstance(found, FoundFile):
            yield Target(found.path, io.BytesIO, named=single, problem=found.reason)
        elif zipfile.is_zipfile(found.path):
            yield from _members(found.path)
        else:
            yield Target(found.path, partial(Path.open, Path(found.path), "rb"), named=single)  # type: ignore[arg-type]


def of_library(library: Library) -> Iterator[Target]:
    """Iterate over all objects of the library."""
    after = None
    while True:
        page = library.page_studies(after=after, limit=500)
        for study in page.rows:
            yield from _study(library, study.study_instance_uid)
        after = page.next
        if after is None:
            return


def of_uid(library: Library, uid: str) -> Iterable[Target] | None:
    """Return the objects of a study, a series, or one object of the library; None when it has none of that UID."""
    if library.study(uid) is not None:
        return _study(library, uid)
    if library.series(uid) is not None:
        return _series(library, uid)
    if library.instance(uid) is not None:
        return [_instance(library, uid)]
    return None


def check_targets(targets: Iterable[Target], progress: Callable[[int], None] | None = None) -> list[QualityIssue]:
    """Check each target, and all of them against each other."""
    issues: list[QualityIssue] = []
    facts: list[ObjectFacts] = []
    openers: dict[str, Callable[[], BinaryIO]] = {}
    for number, target in enumerate(targets, 1):
        path = "" if target.from_library else target.label
        checked = _check(target)
        issues += [issue.of(path=path) for issue in checked[0]]
        if checked[1] is not None:
            facts.append(replace(checked[1], path=path))
            openers[path or checked[1].sop_instance_uid] = target.open
        if progress is not None:
            progress(number)
    return issues + check_cohort(_with_digests(facts, openers))


def _check(target: Target) -> tuple[list[QualityIssue], ObjectFacts | None]:
    if target.problem:
        return [_unavailable(target.problem)], None
    try:
        with target.open() as file:
            checked = examine(file)
            if not target.named and not target.from_library and _is_something_else(target, checked.issues, file):
                return [], None
    except LightboxError as error:
        return [_unavailable(error.why or error.what)], None
    except OSError as error:
        return [_unavailable(error.strerror or type(error).__name__)], None
    return checked.issues, checked.facts


def _is_something_else(target: Target, issues: list[QualityIssue], file: BinaryIO) -> bool:
    """Whether a file that lies among others is no DICOM object and does not claim to be one."""
    if not issues or issues[0].code != "file.not-dicom":
        return False
    file.seek(0)
    return file.read(132)[128:] != b"DICM" and Path(target.label).suffix.lower() not in _SUFFIXES


def _unavailable(why: str) -> QualityIssue:
    code = "file.unavailable"
    return QualityIssue(
        code, CODES[code].severity, "file", why, "a readable object", "Look at the file or folder itself"
    )


def _with_digests(facts: list[ObjectFacts], openers: dict[str, Callable[[], BinaryIO]]) -> list[ObjectFacts]:
    """Return the facts with a digest for each object whose SOP Instance UID occurs more than once."""
    count: dict[str, int] = defaultdict(int)
    for item in facts:
        count[item.sop_instance_uid] += 1
    return [
        replace(item, digest=_digest(openers[item.path or item.sop_instance_uid]))
        if item.sop_instance_uid and count[item.sop_instance_uid] > 1
        else item
        for item in facts
    ]


def _digest(opener: Callable[[], BinaryIO]) -> str:
    digest = hashlib.sha256()
    try:
        with opener() as file:
            while block := file.read(_CHUNK):
                digest.update(block)
    except (OSError, LightboxError):
        return ""
    return digest.hexdigest()


def _study(library: Library, uid: str) -> Iterator[Target]:
    for series in library.series_of(uid):
        yield from _series(library, series.series_instance_uid)


def _series(library: Library, uid: str) -> Iterator[Target]:
    for instance in library.instances_of(uid):
        yield _instance(library, instance.sop_instance_uid)


def _instance(library: Library, uid: str) -> Target:
    return Target(uid, partial(library.open_object, uid), named=True, from_library=True)


def _members(path: str) -> Iterator[Target]:
    try:
        archive = zipfile.ZipFile(path)
    except (zipfile.BadZipFile, OSError) as error:
        yield Target(path, io.BytesIO, named=True, problem=f"the zip archive is damaged ({type(error).__name__})")
        return
    with archive:
        for info in archive.infolist():
            if info.is_dir():
                continue
            label = f"{path}{archives.SEPARATOR}{info.filename}"
            problem = archives.limit(info, info.file_size)
            if not problem and info.file_size > _MEMBER:
                problem = "the member is too large to be looked at inside the archive: unpack it first"
            yield Target(label, partial(_member, path, info.filename), problem=problem)


def _member(path: str, name: str) -> BinaryIO:
    try:
        with zipfile.ZipFile(path) as archive, archive.open(name) as member:
            return io.BytesIO(member.read(_MEMBER + 1))
    except archives.READ_ERRORS as error:
        raise LightboxError("The member cannot be unpacked", why=f"it is damaged ({type(error).__name__})") from error
