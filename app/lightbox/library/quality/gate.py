"""The gate for one object: every check, on a file or on a data set in memory."""

from __future__ import annotations

import logging
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, BinaryIO

from pydicom.dataset import Dataset

from lightbox.dicom import reading
from lightbox.library.header import quiet_pydicom
from lightbox.library.header_scan import FileSource, NotDicom, scan
from lightbox.library.quality import meta, patient, pixels, sr, types, uids, values, what
from lightbox.library.quality.charsets import TextCheck, declared_in
from lightbox.library.quality.elements import TEXT, DamagedSequence, Element, elements, items, text, vr_of
from lightbox.library.quality.facts import ObjectFacts, facts_of
from lightbox.library.quality.report import Report
from lightbox.library.quality.subject import Subject

if TYPE_CHECKING:
    from lightbox.dicom.reading import PixelElement
    from lightbox.library.quality.charsets import Declared
    from lightbox.library.quality.model import QualityIssue
    from lightbox.library.quality.report import Path

logger = logging.getLogger(__name__)

_ITEMS = 64
"""Of longer sequences this many items are looked at value by value, evenly spread; types are checked in all."""
_DEPTH = 16
_AS_IT_LIES = frozenset({"US or SS", "OB or OW", "US or OW", "US or SS or OW"})
_WORDS = frozenset({"OB", "OW", "US", "SS", "UN"})


@dataclass(slots=True)
class Checked:
    """What the gate found out about one object: its issues, worst first, and the facts for checks across objects."""

    issues: list[QualityIssue] = field(default_factory=list)
    facts: ObjectFacts | None = None


def check(source: Dataset | BinaryIO) -> list[QualityIssue]:
    """Return what is wrong with one object, errors first; an empty list when nothing is.

    Parameters
    ----------
    source : Dataset or BinaryIO
        A header, a whole data set, or a seekable file. Only a file tells about its encoding and its pixel data. The
        file is read up to the pixel data; the pixels are not decoded.

    Notes
    -----
    Garbage gives issues, never an exception: only the errors of the file object itself come through.
    """
    return examine(source).issues


def examine(source: Dataset | BinaryIO) -> Checked:
    """Return issues and facts of one object; see `check`."""
    quiet_pydicom()
    if isinstance(source, Dataset):
        return _examine(source, None, None, named=True)
    report = Report()
    try:
        found = reading.read_part10(source)
        named = _names_syntax(source)
    except OSError:
        raise
    except reading.NotDicomError as error:
        report.add("file.not-dicom", 0, error.why, "a DICOM object", "Export the object again", where="file")
        return Checked(report.issues())
    except Exception as error:
        # Damaged input makes readers raise almost anything; all of it means the same here.
        logger.info("an object could not be read: %s", type(error).__name__)
        report.add("file.not-dicom", 0, type(error).__name__, "a DICOM object", "Export the object again", where="file")
        return Checked(report.issues())
    damage = _damage(source)
    if damage:
        report.add(
            "file.truncated",
            0,
            damage,
            "the whole object",
            "Fetch or export the object again: the file was cut, or its lengths are wrong",
            where="file",
        )
    return _examine(found.dataset, found.pixels, found.body, named=named, report=report)


def _damage(source: BinaryIO) -> str:
    """Return what a walk over the lengths of all elements finds wrong with the end of the file, or nothing."""
    try:
        return scan(FileSource(source)).damage
    except NotDicom:
        return ""  # the reader was more tolerant, and says itself what it found


def _names_syntax(source: BinaryIO) -> bool:
    """Whether the file itself holds a Transfer Syntax UID in group 0002 (the reader adds one where it is missing)."""
    source.seek(0)
    start = source.read(1024)
    position = 132 if start[128:132] == b"DICM" else 0
    element = b"\x02\x00\x10\x00"
    if start[position : position + 2] != b"\x02\x00":
        return False  # in a data set these bytes are just a number
    implicit = not start[position + 4 : position + 6].isalpha()
    return (element if implicit else element + b"UI") in start[position:]


def _examine(
    ds: Dataset, element: PixelElement | None, body: BinaryIO | None, *, named: bool, report: Report | None = None
) -> Checked:
    report = report or Report()
    syntax = ""
    state: dict[str, bool | None] = {"pixels": None}
    if body is not None:
        state["pixels"] = element is not None

    def run(step: Callable[[], object]) -> None:
        try:
            step()
        except (OSError, MemoryError):
            raise
        except Exception as error:
            # The gate must not end on what it was made to find; the kind of error is all that may be logged.
            logger.info("a check ended early: %s", type(error).__name__)
            report.add(
                "file.damaged",
                0,
                f"a check ended early ({type(error).__name__})",
                "readable elements",
                "Export the object again; tell the makers of Lightbox if other programs read it",
                where="data set",
            )

    if body is not None:
        run(lambda: meta.check_meta(report, ds, named=named))
    try:
        syntax = text(ds.file_meta, meta.TRANSFER_SYNTAX) if hasattr(ds, "file_meta") else ""
    except Exception as error:
        logger.info("no transfer syntax: %s", type(error).__name__)
    has_pixels = state["pixels"]
    if has_pixels is None and pixels.PIXEL_DATA in ds._dict:
        has_pixels = True
    subject = Subject(ds, syntax, has_pixels)
    run(lambda: _Walk(report).run(ds))
    if subject.is_directory:
        return Checked(report.issues())
    run(lambda: uids.check_identity(report, ds))
    run(lambda: patient.check_patient(report, ds))
    run(lambda: patient.check_future(report, ds))
    run(lambda: what.check_what(report, subject))
    run(lambda: types.check_types(report, subject))
    if what.is_report(subject.sop_class_uid):
        run(lambda: sr.check_content(report, ds))
    run(lambda: pixels.check_pixels(report, subject, element, body))
    run(lambda: pixels.check_overlays(report, ds))
    facts: list[ObjectFacts] = []
    run(lambda: facts.append(facts_of(ds)))
    uid = facts[0].sop_instance_uid if facts else ""
    return Checked([issue.of(sop_instance_uid=uid) for issue in report.issues()], facts[0] if facts else None)


class _Walk:
    """Looks at the values of all elements, also of those in sequences; private elements are the vendor's own."""

    def __init__(self, report: Report) -> None:
        self._report = report
        self._texts = TextCheck(report)

    def run(self, ds: Dataset) -> None:
        """Look at a data set."""
        self._level(ds, (), None)
        self._texts.finish()

    def _level(self, ds: Dataset, path: Path, outer: Declared | None) -> None:
        declared = declared_in(ds, outer)
        if declared is not outer:
            self._texts.declaration(declared, path)
        for found in elements(ds):
            tag = found.tag
            if tag & 0x10000 or tag & 0xFFFF == 0:
                continue
            if found.length % 2:
                self._report.add(
                    "vr.odd-length",
                    tag,
                    f"{found.length} bytes",
                    "an even length (PS3.5 7.1.1)",
                    "Have the element written anew by its origin",
                    path=path,
                )
            vr = self._vr(found, path)
            if vr == "SQ":
                self._sequence(ds, tag, path, declared)
            elif found.raw is not None:
                self._raw(found._replace(vr=vr), path, declared)
            elif found.text is not None:
                self._decoded(found._replace(vr=vr), path)

    def _sequence(self, ds: Dataset, tag: int, path: Path, declared: Declared) -> None:
        try:
            found = items(ds, tag)
        except DamagedSequence as error:
            self._report.add(
                "file.damaged",
                tag,
                f"the sequence cannot be read ({error})",
                "a readable sequence",
                "Have the origin write the object anew",
                path=path,
            )
            return
        if len(path) >= _DEPTH:
            return
        step = max(1, -(-len(found) // _ITEMS))
        for number in range(0, len(found), step):
            self._level(found[number], (*path, (tag, number + 1)), declared)

    def _vr(self, found: Element, path: Path) -> str:
        """Return the VR to judge a value by, and tell when the file has another than the dictionary."""
        known = vr_of(found.tag)
        if not known or known == found.vr or found.vr in ("", "UN") or (known in _AS_IT_LIES and found.vr in _WORDS):
            return found.vr if found.vr not in ("", "UN") else known
        if " or " in found.vr:  # implicit VR, from the dictionary
            return "UN"
        self._report.add(
            "vr.mismatch",
            found.tag,
            found.vr,
            known,
            "Have the origin write the element anew",
            path=path,
        )
        return found.vr

    def _raw(self, found: Element, path: Path, declared: Declared) -> None:
        tag, vr, raw = found.tag, found.vr, found.raw or b""
        if not raw:
            return
        if vr == "UI":
            uids.check_value(self._report, tag, raw, path)
        elif vr in TEXT:
            decoded = self._texts.text(declared, tag, vr, raw, path)
            if decoded is None:
                return
            if vr == "PN":
                patient.check_name(self._report, tag, raw, decoded, path)
            elif len(decoded) > 16:
                values.check_length(self._report, tag, vr, decoded, path)
        else:
            values.check_bytes(self._report, tag, vr, raw, path)

    def _decoded(self, found: Element, path: Path) -> None:
        tag, vr, decoded = found.tag, found.vr, found.text or ""
        if not decoded:
            return
        if vr == "UI":
            raw = decoded.encode("latin-1", "replace")
            uids.check_value(self._report, tag, raw, path)
        elif vr == "PN":
            patient.check_name(self._report, tag, None, decoded, path)
        else:
            values.check_text(self._report, tag, vr, decoded, path)


__all__ = ["Checked", "check", "examine"]
