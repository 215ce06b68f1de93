"""Who is who in a cohort: the subject of each object and the lexicon of each subject."""

from __future__ import annotations

from lightbox.deid import charsets
from lightbox.deid.elements import find
from lightbox.deid.lexicon import Lexicon
from lightbox.deid.part10 import Part10
from lightbox.deid.pseudonyms import Pseudonyms, Subject

PATIENT_ID, ISSUER, PATIENT_NAME, BIRTH_DATE = 0x00100020, 0x00100021, 0x00100010, 0x00100030
STUDY_UID, SERIES_UID, SOP_UID = 0x0020000D, 0x0020000E, 0x00080018


def codecs_of(part10: Part10) -> tuple[str, ...]:
    """Return the encodings that the data set names at its top level."""
    element = find(part10.elements, charsets.SPECIFIC_CHARACTER_SET)
    return (
        charsets.encodings(bytes(element.value)) if element is not None and element.items is None else charsets.DEFAULT
    )


def text_of(part10: Part10, tag: int, vr: str = "LO") -> str:
    """Return a top-level text value, decoded, without padding; empty when absent."""
    element = find(part10.elements, tag)
    if element is None or element.items is not None:
        return ""
    return charsets.decode(element.value, vr, codecs_of(part10)).strip(" \0")


class Identities:
    """Subjects and lexicons of the objects that were shown to it.

    Parameters
    ----------
    pseudonyms : Pseudonyms
        Derives the subjects.

    Notes
    -----
    A patient is Patient ID and issuer. Objects of a study that name no issuer (results of other systems often do not)
    count to the issuer that other objects of the same study and Patient ID name. Without a Patient ID, name and birth
    date stand for the patient, and without a name the study.
    """

    def __init__(self, pseudonyms: Pseudonyms) -> None:
        self._pseudonyms = pseudonyms
        self._issuers: dict[tuple[str, str], set[str]] = {}
        self._lexicons: dict[tuple[str, str], Lexicon] = {}
        self._merged: dict[str, Lexicon] = {}

    def add(self, part10: Part10) -> None:
        """Take note of one object."""
        patient, issuer, study, fallback = self._identity(part10)
        group = (patient or fallback, study)
        if issuer:
            self._issuers.setdefault(group, set()).add(issuer)
        lexicon = self._lexicons.get(group)
        if lexicon is None:
            lexicon = self._lexicons[group] = Lexicon()
        before = lexicon.size
        lexicon.collect(part10.elements)
        if lexicon.size != before:
            self._merged.pop(patient or fallback, None)

    def subject(self, part10: Part10) -> Subject:
        """Return whom an object is about."""
        patient, issuer, study, fallback = self._identity(part10)
        if not issuer:
            known = self._issuers.get((patient or fallback, study), set())
            issuer = next(iter(known)) if len(known) == 1 else ""
        return self._pseudonyms.subject(patient, issuer, fallback=fallback)

    def lexicon(self, part10: Part10) -> Lexicon:
        """Return all identifiers of the patient of an object: those of every object with this Patient ID or name."""
        patient, _, _, fallback = self._identity(part10)
        name = patient or fallback
        found = self._merged.get(name)
        if found is None:
            parts = [lexicon for (who, _), lexicon in self._lexicons.items() if who == name]
            found = parts[0] if parts else Lexicon()
            for part in parts[1:]:
                found = found.merged(part)
            self._merged[name] = found
        return found

    @staticmethod
    def _identity(part10: Part10) -> tuple[str, str, str, str]:
        patient, issuer = text_of(part10, PATIENT_ID), text_of(part10, ISSUER)
        study = part10.text(STUDY_UID)
        name, birth = text_of(part10, PATIENT_NAME, "PN"), text_of(part10, BIRTH_DATE)
        return patient, issuer, study, f"name|{name}|{birth}" if name else f"study|{study or part10.text(SOP_UID)}"
