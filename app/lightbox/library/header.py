"""The indexed attributes of one object: raw values by tag, decoded on demand."""

from __future__ import annotations

import math
import re
from functools import cache

MAX_VALUE = 64 * 1024
"""Longer values of indexed attributes are not read."""


def tag_key(group: int, element: int) -> int:
    """Return the key of a tag: ``element << 16 | group``, as the four bytes read in little endian."""
    return element << 16 | group


_TAGS = {
    "SpecificCharacterSet": (0x0008, 0x0005),
    "ImageType": (0x0008, 0x0008),
    "SOPClassUID": (0x0008, 0x0016),
    "SOPInstanceUID": (0x0008, 0x0018),
    "StudyDate": (0x0008, 0x0020),
    "SeriesDate": (0x0008, 0x0021),
    "StudyTime": (0x0008, 0x0030),
    "SeriesTime": (0x0008, 0x0031),
    "ContentTime": (0x0008, 0x0033),
    "AccessionNumber": (0x0008, 0x0050),
    "Modality": (0x0008, 0x0060),
    "Manufacturer": (0x0008, 0x0070),
    "InstitutionName": (0x0008, 0x0080),
    "ReferringPhysicianName": (0x0008, 0x0090),
    "StationName": (0x0008, 0x1010),
    "StudyDescription": (0x0008, 0x1030),
    "SeriesDescription": (0x0008, 0x103E),
    "ManufacturerModelName": (0x0008, 0x1090),
    "PatientName": (0x0010, 0x0010),
    "PatientID": (0x0010, 0x0020),
    "IssuerOfPatientID": (0x0010, 0x0021),
    "PatientBirthDate": (0x0010, 0x0030),
    "PatientSex": (0x0010, 0x0040),
    "PatientAge": (0x0010, 0x1010),
    "BodyPartExamined": (0x0018, 0x0015),
    "SliceThickness": (0x0018, 0x0050),
    "EchoTime": (0x0018, 0x0081),
    "ProtocolName": (0x0018, 0x1030),
    "StudyInstanceUID": (0x0020, 0x000D),
    "SeriesInstanceUID": (0x0020, 0x000E),
    "StudyID": (0x0020, 0x0010),
    "SeriesNumber": (0x0020, 0x0011),
    "AcquisitionNumber": (0x0020, 0x0012),
    "InstanceNumber": (0x0020, 0x0013),
    "ImagePositionPatient": (0x0020, 0x0032),
    "ImageOrientationPatient": (0x0020, 0x0037),
    "FrameOfReferenceUID": (0x0020, 0x0052),
    "Laterality": (0x0020, 0x0060),
    "SamplesPerPixel": (0x0028, 0x0002),
    "PhotometricInterpretation": (0x0028, 0x0004),
    "NumberOfFrames": (0x0028, 0x0008),
    "Rows": (0x0028, 0x0010),
    "Columns": (0x0028, 0x0011),
    "PixelSpacing": (0x0028, 0x0030),
    "BitsAllocated": (0x0028, 0x0100),
}
KEYS: dict[str, int] = {keyword: tag_key(*tag) for keyword, tag in _TAGS.items()}
TAGS: dict[str, tuple[int, int]] = dict(_TAGS)
WANTED_LITTLE: dict[int, int] = {key: key for key in KEYS.values()}
WANTED_BIG: dict[int, int] = {group << 16 | element: tag_key(group, element) for group, element in _TAGS.values()}
PERSON_NAMES = frozenset({"PatientName", "ReferringPhysicianName"})
_CHARSET = KEYS["SpecificCharacterSet"]
_PATIENT_ID = KEYS["PatientID"]
_ISSUER = KEYS["IssuerOfPatientID"]
_PATIENT_NAME = KEYS["PatientName"]
_BIRTH_DATE = KEYS["PatientBirthDate"]
_INT64 = 2**63


def plain(raw: bytes | None) -> str:
    """Return a value of the default repertoire as text without padding, empty when absent."""
    return raw.decode("latin-1").strip("\0 \t\r\n") if raw else ""


class Header:
    """Values of the indexed attributes (PS3.6 keywords) of one object.

    Parameters
    ----------
    transfer_syntax_uid : str
        Transfer syntax of the object.
    values : dict[int, bytes]
        Raw values by key (see `tag_key`).
    big_endian : bool
        Byte order of binary values.
    """

    __slots__ = ("_charset", "big_endian", "transfer_syntax_uid", "values")

    def __init__(self, transfer_syntax_uid: str, values: dict[int, bytes], *, big_endian: bool = False) -> None:
        self.transfer_syntax_uid = transfer_syntax_uid
        self.values = values
        self.big_endian = big_endian
        self._charset = values.get(_CHARSET, b"")

    def patient_key(self) -> tuple[bytes | None, bytes | None, bytes | None, bytes | None]:
        """Return the undecoded identifiers of the patient, to see cheaply whether two objects agree."""
        get = self.values.get
        return get(_PATIENT_ID), get(_ISSUER), get(_PATIENT_NAME), get(_BIRTH_DATE)

    def text(self, keyword: str) -> str:
        """Return a text attribute, decoded by the Specific Character Set (PS3.5 6.1.2), without padding."""
        raw = self.values.get(KEYS[keyword])
        if not raw:
            return ""
        person_name = keyword in PERSON_NAMES
        simple = raw.isascii() and b"\x1b" not in raw
        text = raw.decode("ascii") if simple else _decode(raw, self._charset, person_name)
        text = text.strip("\0 \t\r\n")
        return text.rstrip("=") if person_name else text

    def code(self, keyword: str) -> str:
        """Return a UID, code, date or number string (default repertoire), without padding."""
        return plain(self.values.get(KEYS[keyword]))

    def integer(self, keyword: str) -> int | None:
        """Return an IS attribute, None when absent or not a number; only the first value counts."""
        raw = self.values.get(KEYS[keyword])
        if not raw:
            return None
        try:
            value = int(raw.partition(b"\\")[0].strip(b"\0 "))
        except ValueError:
            number = self._first_number(raw)
            if number is None or number != int(number):
                return None
            value = int(number)
        return value if -_INT64 <= value < _INT64 else None

    def number(self, keyword: str) -> float | None:
        """Return a DS attribute, None when absent or not a finite number."""
        raw = self.values.get(KEYS[keyword])
        return self._first_number(raw) if raw else None

    @staticmethod
    def _first_number(raw: bytes) -> float | None:
        try:
            value = float(raw.partition(b"\\")[0].strip(b"\0 "))
        except ValueError:
            return None
        return value if math.isfinite(value) else None

    def unsigned(self, keyword: str) -> int | None:
        """Return a US attribute."""
        raw = self.values.get(KEYS[keyword])
        if raw is None or len(raw) < 2:
            return None
        return int.from_bytes(raw[:2], "big" if self.big_endian else "little")


_ESCAPE = re.compile(r"\x1b[ -/]*[0-~]").sub
_ASCII_COMPATIBLE = {
    b"": "latin-1",  # wrong by the letter of the standard, but what such files hold in practice
    b"ISO_IR 6": "latin-1",
    b"ISO_IR 100": "latin-1",
    b"ISO_IR 192": "utf-8",
}


def _decode(raw: bytes, charset: bytes, person_name: bool) -> str:
    name = charset.strip(b"\0 ")
    encoding = _ASCII_COMPATIBLE.get(name)
    if encoding is not None and b"\x1b" not in raw:
        return raw.decode(encoding, "replace")
    try:
        text = _decode_with(raw, _encodings(name), person_name)
    except (ValueError, LookupError, AttributeError, TypeError):
        # A damaged character set or value: every byte stays visible, the object stays usable.
        text = raw.decode("latin-1")
    # Decoders leave the escape sequences of some code extensions in the text (PS3.5 6.1.2.5); they are not characters.
    return _ESCAPE("", text)


def _decode_with(raw: bytes, encodings: list[str], person_name: bool) -> str:
    if person_name:
        from pydicom.values import convert_PN

        return str(convert_PN(raw, encodings))
    from pydicom.charset import decode_bytes

    return decode_bytes(raw, encodings, {0x0A, 0x0C, 0x0D, 0x09, 0x5C})


@cache
def _encodings(name: bytes) -> list[str]:
    from pydicom.charset import convert_encodings

    quiet_pydicom()
    values = [part.strip() for part in name.decode("latin-1").split("\\")]
    return convert_encodings(values if len(values) > 1 else values[0])


@cache
def quiet_pydicom() -> None:
    """Keep pydicom's remarks about odd values off the screen: the library says itself what is wrong with an object.

    Set once for the process, because the filters of `warnings` cannot be changed and restored from several threads.
    """
    import warnings

    warnings.filterwarnings("ignore", category=UserWarning, module=r"pydicom\.")
