"""The codes of the quality gate: stable names, severity and title. ``docs/quality.md`` shows this table."""

from __future__ import annotations

from typing import NamedTuple

from lightbox.core.errors import Severity

GATE = 1
"""Version of the checks: objects of the library that an older gate looked at are looked at again."""

_E, _W, _I = Severity.ERROR, Severity.WARNING, Severity.INFO


class Code(NamedTuple):
    """One code: its usual severity and what it means."""

    severity: Severity
    title: str


CODES: dict[str, Code] = {
    # the file
    "file.not-dicom": Code(_E, "the bytes cannot be read as a DICOM object"),
    "file.damaged": Code(_E, "an element or sequence cannot be read"),
    "file.unavailable": Code(_W, "the object cannot be opened: a linked file is gone or changed"),
    "file.truncated": Code(_E, "the file ends before the object does, or a length in it is wrong"),
    "meta.missing": Code(_W, "no File Meta Information: the object is not a Part 10 file"),
    "meta.incomplete": Code(_W, "an attribute of type 1 is missing from the File Meta Information"),
    "meta.no-transfer-syntax": Code(_E, "the File Meta Information names no transfer syntax"),
    "meta.unknown-transfer-syntax": Code(_W, "the transfer syntax is not one of the standard"),
    "meta.sop-instance-mismatch": Code(_E, "Media Storage SOP Instance UID differs from SOP Instance UID"),
    "meta.sop-class-mismatch": Code(_E, "Media Storage SOP Class UID differs from SOP Class UID"),
    "meta.encoding-mismatch": Code(_E, "the data set is not encoded as its transfer syntax says"),
    # identifiers
    "uid.missing": Code(_E, "a UID that identifies the object is missing or empty"),
    "uid.too-long": Code(_E, "a UID has more than 64 characters"),
    "uid.invalid-character": Code(_E, "a UID holds something else than digits and dots"),
    "uid.empty-component": Code(_E, "a UID begins or ends with a dot or has two dots in a row"),
    "uid.leading-zero": Code(_E, "a component of a UID has a leading zero"),
    "uid.padding": Code(_W, "a UID is padded with something else than one NULL"),
    "uid.reused": Code(_E, "one UID names two different things of the object"),
    "uid.duplicate": Code(_E, "two objects with other contents share a SOP Instance UID"),
    "uid.series-in-two-studies": Code(_E, "one Series Instance UID occurs in two studies"),
    "uid.level-confusion": Code(_E, "a UID names a study here and a series or an object there"),
    # the patient
    "patient.name-empty": Code(_W, "Patient's Name is empty"),
    "patient.name-truncated": Code(_W, "a component group of a name has exactly 64 characters: it was probably cut"),
    "patient.name-form": Code(_I, "a name without carets: family and given name cannot be told apart"),
    "patient.name-structure": Code(_W, "a name has more than five components or three component groups"),
    "patient.id-empty": Code(_W, "Patient ID is empty"),
    "patient.id-no-issuer": Code(_I, "Patient ID without its issuer"),
    "patient.sex-value": Code(_W, "Patient's Sex is none of M, F, O"),
    "patient.age-mismatch": Code(_W, "Patient's Age does not fit birth date and study date"),
    "patient.born-after-study": Code(_E, "the patient was born after the study"),
    "patient.id-many-names": Code(_W, "one Patient ID with differently spelled names"),
    "patient.id-two-people": Code(_E, "one Patient ID with names that have nothing in common"),
    "patient.id-many-birth-dates": Code(_E, "one Patient ID with two birth dates"),
    "patient.id-many-sexes": Code(_W, "one Patient ID with two sexes"),
    "patient.name-many-birth-dates": Code(_I, "one name with two birth dates under different IDs"),
    "patient.name-many-sexes": Code(_W, "one name and birth date with two sexes"),
    "patient.many-ids": Code(_W, "one name and birth date with several Patient IDs"),
    # study, series
    "study.two-patients": Code(_E, "the objects of one study name different patients"),
    "study.inconsistent": Code(_W, "an attribute of the study differs between its objects"),
    "series.two-modalities": Code(_E, "the objects of one series have different modalities"),
    "series.two-frames-of-reference": Code(_W, "the objects of one series lie in different frames of reference"),
    "series.inconsistent": Code(_W, "an attribute of the series differs between its objects"),
    "series.duplicate-instance-number": Code(_I, "objects of one series share an Instance Number"),
    # what it is
    "modality.missing": Code(_E, "Modality is missing or empty"),
    "modality.wrong": Code(_E, "Modality does not fit the SOP Class"),
    "modality.unknown": Code(_I, "Modality is no defined term"),
    "sop-class.unknown": Code(_I, "the SOP Class is not one of the standard"),
    "laterality.missing": Code(_W, "a paired body part without a side"),
    "laterality.conflict": Code(_E, "Laterality and Image Laterality name different sides"),
    # attributes
    "type1.missing": Code(_E, "an attribute of type 1 is missing"),
    "type1.empty": Code(_E, "an attribute of type 1 has no value"),
    "type1c.missing": Code(_E, "an attribute of type 1C is missing, and its condition holds"),
    "type1c.empty": Code(_E, "an attribute of type 1C has no value"),
    "type2.missing": Code(_W, "an attribute of type 2 is missing"),
    "type2c.missing": Code(_I, "an attribute of type 2C is missing, and its condition holds"),
    "group.missing": Code(
        _E, "a functional group that the IOD demands is in neither the shared nor all frames' groups"
    ),
    "group.frames": Code(_E, "the per-frame functional groups do not match Number of Frames"),
    # values
    "vr.mismatch": Code(_W, "the value representation in the file is not the one of the dictionary"),
    "vr.date": Code(_W, "a date is not YYYYMMDD"),
    "vr.time": Code(_W, "a time is not HHMMSS.FFFFFF"),
    "vr.date-time": Code(_W, "a date and time value is malformed"),
    "vr.age": Code(_W, "an age is not nnnD, nnnW, nnnM or nnnY"),
    "vr.decimal": Code(_W, "a decimal string is not a number (error where geometry or pixel values depend on it)"),
    "vr.integer": Code(_W, "an integer string is not an integer"),
    "vr.code": Code(_W, "a code string holds other characters than A-Z, 0-9, space, underscore"),
    "vr.too-long": Code(_W, "a value is longer than its value representation allows"),
    "vr.length": Code(_W, "the length of a binary value does not fit its value representation"),
    "vr.odd-length": Code(_W, "the length of an element is odd"),
    "date.future": Code(_W, "a date lies in the future"),
    "date.implausible": Code(_W, "a date lies before the time it can belong to"),
    # text
    "charset.unknown-term": Code(_E, "Specific Character Set holds no defined term"),
    "charset.undeclared": Code(_E, "text beyond ASCII without a declared character set"),
    "charset.undecodable": Code(_E, "text that cannot be decoded in the declared character set"),
    "charset.utf8-undeclared": Code(_W, "the text is UTF-8, another character set is declared"),
    "charset.double-encoded": Code(_W, "text was encoded twice in UTF-8"),
    # pixels
    "pixel.missing": Code(_E, "an image without pixel data"),
    "pixel.too-short": Code(_E, "fewer bytes of pixel data than the image needs"),
    "pixel.too-long": Code(_W, "more bytes of pixel data than the image needs"),
    "pixel.truncated": Code(_E, "the file ends inside the pixel data"),
    "pixel.fragments": Code(_E, "fewer fragments than frames"),
    "pixel.encapsulation": Code(_E, "native pixel data under a compressed transfer syntax, or the other way round"),
    "pixel.size": Code(_E, "Rows, Columns or Number of Frames is not positive"),
    "pixel.bits": Code(_E, "Bits Allocated, Bits Stored and High Bit contradict each other"),
    "pixel.samples": Code(_E, "Samples per Pixel does not fit Photometric Interpretation"),
    "pixel.representation": Code(_E, "Pixel Representation is neither 0 nor 1"),
    "overlay.incomplete": Code(_E, "an overlay lacks an attribute of type 1"),
    "pixel.photometric": Code(_W, "Photometric Interpretation is no defined term"),
}
