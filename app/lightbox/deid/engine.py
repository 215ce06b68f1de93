"""The engine: one object in, one clean object out, with the record of everything that was done to it."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field
from enum import Enum
from typing import BinaryIO

from lightbox.deid import burned_in, charsets, markers, part10, pixels, streams
from lightbox.deid.elements import PIXEL_DATA, Element, MalformedError, find
from lightbox.deid.identities import SERIES_UID, SOP_UID, STUDY_UID, Identities, codecs_of
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import Option, Profile
from lightbox.deid.pseudonyms import Pseudonyms
from lightbox.deid.table import Rules, table
from lightbox.deid.treatment import PATIENT_ID, PATIENT_NAME, Change, Treatment
from lightbox.deid.verify import Leak, in_pixels, verify

ROWS = 0x00280010


class Outcome(Enum):
    """What became of an object."""

    EXPORTED = "exported"
    QUARANTINED = "quarantined"
    FAILED = "failed"


@dataclass(slots=True)
class FileResult:
    """What became of one object; it holds nothing that identifies the patient.

    Attributes
    ----------
    outcome : Outcome
        Exported, or why not: see `code` (stable) and `reason` (words).
    subject, study_uid, series_uid, sop_uid : str
        Pseudonym and new UIDs.
    sop_class, modality, transfer_syntax : str
        As in the source.
    changes : list of Change
        Every attribute that is not as it was.
    flags : tuple of str
        What a reviewer should know: ``burned-in:medium:...``, ``unknown-iod``, notes of the parser.
    options : frozenset of Option
        Options that were carried out.
    kept : int
        Number of top-level elements with their old value.
    leaks : list of Leak
        What verification found (kind and place, never the value).
    """

    outcome: Outcome
    code: str = ""
    reason: str = ""
    subject: str = ""
    study_uid: str = ""
    series_uid: str = ""
    sop_uid: str = ""
    sop_class: str = ""
    modality: str = ""
    transfer_syntax: str = ""
    source_sha256: str = ""
    target_sha256: str = ""
    size: int = 0
    changes: list[Change] = field(default_factory=list)
    flags: tuple[str, ...] = ()
    options: frozenset[Option] = frozenset()
    kept: int = 0
    leaks: list[Leak] = field(default_factory=list)

    @property
    def name(self) -> str:
        """Relative path of the new file: pseudonym / study / series / instance."""
        return f"{self.subject}/{self.study_uid}/{self.series_uid}/{self.sop_uid}.dcm"


@dataclass(frozen=True, slots=True)
class Crosswalk:
    """Old and new names of one object; identifying, for the restricted part of a report only."""

    patient_id: tuple[str, str]
    uids: tuple[tuple[str, str], ...]


class Engine:
    """De-identifies objects by one profile and key.

    Parameters
    ----------
    profile : Profile
        What to do.
    key : ProjectKey
        What new names are derived from.
    identities : Identities, optional
        Lexicons and subjects of the cohort, from `Engine.learn`; an object alone is judged by itself.
    accept_burned_in : bool
        Whether objects that probably show text in their pixels are let through.
    """

    def __init__(self, profile: Profile, key: ProjectKey, *, accept_burned_in: bool = False) -> None:
        self.profile = profile
        self.table = table()
        self.pseudonyms = Pseudonyms(key, profile.pseudonym_prefix)
        self.identities = Identities(self.pseudonyms)
        self._accept_burned_in = accept_burned_in
        self._rules: dict[str, Rules] = {}

    def learn(self, data: bytes | memoryview) -> None:
        """Take the identifiers of one object into the cohort's lexicons; do this with all objects before `process`.

        Raises
        ------
        MalformedError
            The object cannot be parsed.
        """
        self.identities.add(part10.read(data))

    def process(self, source: BinaryIO, target: BinaryIO) -> FileResult:
        """De-identify one object.

        Parameters
        ----------
        source : BinaryIO
            The object, open for reading.
        target : BinaryIO
            Receives the clean file when, and only when, the outcome is `Outcome.EXPORTED`.
        """
        result, data, _ = self.transform(source.read())
        if data is not None:
            target.write(data)
        return result

    def transform(self, data: bytes) -> tuple[FileResult, bytes | None, Crosswalk | None]:
        """De-identify one object in memory; return the result, the clean file unless refused, and the crosswalk."""
        digest = hashlib.sha256(data).hexdigest()
        try:
            file = part10.read(data)
        except MalformedError as error:
            return FileResult(Outcome.QUARANTINED, error.code, error.why, source_sha256=digest), None, None
        result = FileResult(
            Outcome.EXPORTED,
            sop_class=file.text(burned_in.SOP_CLASS),
            modality=file.text(burned_in.MODALITY),
            transfer_syntax=file.transfer_syntax,
            source_sha256=digest,
        )
        refused = self._refusal(file, result)
        if refused:
            result.outcome, (result.code, result.reason) = Outcome.QUARANTINED, refused
            return result, None, None
        self.identities.add(file)  # adds nothing for an object that was learnt before
        lexicon = self.identities.lexicon(file)
        subject = self.identities.subject(file)
        old = {tag: file.text(tag) for tag in (STUDY_UID, SERIES_UID, SOP_UID)}
        old_patient = charsets.decode(e.value, "LO", codecs_of(file)) if (e := find(file.elements, PATIENT_ID)) else ""
        pixel_result = pixels.clean(file.elements, little=file.little)
        if pixel_result.refused:
            result.outcome, result.code, result.reason = Outcome.QUARANTINED, "embedded-overlay", pixel_result.refused
            return result, None, None
        if find(file.elements, ROWS) is not None and not any(find(file.elements, tag) for tag in burned_in.PIXEL_TAGS):
            file.notes.add("pixel-data-missing")
        treatment = Treatment(self._rules_for(result.sop_class), self.profile, self.pseudonyms, subject, lexicon)
        elements = treatment.apply(file.elements, codecs_of(file))
        elements = [self._pixels(e, pixel_result, treatment) if e.tag == PIXEL_DATA else e for e in elements]
        self._file_changes(file, treatment)
        result.options = markers.executed(self.profile, structured=treatment.structured)
        elements = self._mark(elements, treatment, result.options, subject.pseudonym)
        result.subject = subject.pseudonym
        result.study_uid, result.series_uid, result.sop_uid = (
            self.pseudonyms.uid(old[t]) for t in (STUDY_UID, SERIES_UID, SOP_UID)
        )
        result.changes = treatment.changes
        result.kept = sum(element.raw is not None for element in elements)
        result.flags = tuple(
            sorted(
                {*result.flags, *file.notes, *treatment.notes}
                | ({"unknown-iod"} if not treatment.rules.known_iod else set())
            )
        )
        out = part10.write(file, elements, result.sop_class, result.sop_uid)
        result.size, result.target_sha256 = len(out), hashlib.sha256(out).hexdigest()
        crosswalk = Crosswalk(
            (old_patient, subject.pseudonym), tuple((uid, self.pseudonyms.uid(uid)) for uid in old.values() if uid)
        )
        result.leaks = verify(out, lexicon, subject, new_uid=self.pseudonyms.uid)
        if result.leaks:
            places = ", ".join(sorted({f"{leak.kind} in {leak.where}" for leak in result.leaks}))
            result.outcome, result.code = Outcome.QUARANTINED, "verification"
            result.reason = f"the new file still held identifiers: {places}"
            return result, None, None
        return result, out, crosswalk

    def _refusal(self, file: part10.Part10, result: FileResult) -> tuple[str, str] | None:
        found = burned_in.refusal(file)
        if found is not None:
            return found.code, found.why
        assessment = burned_in.assess(file)
        if assessment.risk is not burned_in.Risk.LOW:
            result.flags = (f"burned-in:{assessment.risk.value}:{'; '.join(assessment.reasons)}",)
        if assessment.risk is burned_in.Risk.HIGH and not self._accept_burned_in:
            return "burned-in-risk", "the pixels may show the patient's name: " + "; ".join(assessment.reasons)
        return None

    def _rules_for(self, sop_class: str) -> Rules:
        found = self._rules.get(sop_class)
        if found is None:
            found = self._rules[sop_class] = self.table.compile(self.profile, sop_class)
        return found

    def _mark(
        self, elements: list[Element], treatment: Treatment, options: frozenset[Option], pseudonym: str
    ) -> list[Element]:
        added = markers.elements(self.profile, options, self.table)
        present = {element.tag for element in elements}
        for tag, vr, text in ((PATIENT_NAME, "PN", f"{pseudonym}^"), (PATIENT_ID, "LO", pseudonym)):
            if tag not in present:
                added.append(Element(tag, vr, charsets.encode(text, vr)))
        for element in added:
            path = f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X})"
            treatment.changes.append(Change(path, "added", "PS3.15 E.1 marker", element.vr, 0, ""))
        return [element for element in elements if element.tag not in markers.MARKER_TAGS] + added

    @staticmethod
    def _pixels(element: Element, result: pixels.PixelResult, treatment: Treatment) -> Element:
        value, done = result.value, result.done
        if element.encapsulated and element.items is None:
            value = streams.blank_comments(element.value, lambda text: in_pixels(text, treatment.lexicon))
            done = ("comment in a compressed frame",)
        if value is None:
            return element
        old = treatment.pseudonyms.fingerprint(element.value)
        for reason in done:
            treatment.changes.append(Change("(7FE0,0010)", "masked", reason, element.vr, len(element.value), old))
        return Element(element.tag, element.vr, value, encapsulated=element.encapsulated)

    def _file_changes(self, file: part10.Part10, treatment: Treatment) -> None:
        for element in file.meta:
            if element.tag not in (0x00020000, 0x00020001, 0x00020002, 0x00020010):
                treatment.changes.append(
                    Change(
                        f"({element.tag >> 16:04X},{element.tag & 0xFFFF:04X})",
                        "replaced" if element.tag in (0x00020003, 0x00020012, 0x00020013) else "removed",
                        "file meta information is made anew",
                        element.vr,
                        element.length,
                        self.pseudonyms.fingerprint(element.value),
                    )
                )
        for note in ("preamble", "trailing-bytes"):
            if note in file.notes:
                treatment.changes.append(Change(note, "removed", "structure", "", 0, ""))
