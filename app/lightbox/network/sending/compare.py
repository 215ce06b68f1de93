"""Whether what an archive gives back is what it was sent: the attributes and the pixel values, not the encoding."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np
from pydicom.datadict import keyword_for_tag
from pydicom.dataelem import RawDataElement
from pydicom.values import convert_SQ

from lightbox.core.errors import LightboxError
from lightbox.dicom import reading, values
from lightbox.imaging.colour import to_rgb
from lightbox.imaging.image_object import Frame, ImageObject

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

Opener = Callable[[], BinaryIO]

_COERCED = frozenset(
    {"PatientName", "PatientID", "IssuerOfPatientID", "OtherPatientIDsSequence", "PatientBirthDate", "PatientSex"}
    | {"AccessionNumber", "IssuerOfAccessionNumberSequence", "StudyID", "StudyDescription", "ReferringPhysicianName"}
    | {"RequestAttributesSequence", "OriginalAttributesSequence", "ReferencedPatientSequence", "StudyDate", "StudyTime"}
)
"""What archives correct while they store, and announce with a warning status (coercion, PS3.4 B.2.3)."""

_OF_ENCODING = frozenset(
    {0x00080005, 0x00280004, 0x00280006, 0x00282110, 0x00282112, 0x00282114, 0x00080056, 0x00080054, 0x00020010}
    | {0x00880200, 0xFFFCFFFC, 0x7FE00001, 0x7FE00002, 0x7FE00003}
)
"""Character set (text is compared decoded), colour encoding and compression (pixels are compared decoded), where the
object can be fetched from, icons."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How two copies of an object differ: keywords or tags of attributes, ``"PixelData"`` for other pixel values.

    ``unknown`` says why the pixels could not be compared; then only the attributes were, and nothing is proved.
    """

    differing: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def same(self) -> bool:
        """Whether everything was compared and nothing differs."""
        return not self.differing and not self.unknown

    @property
    def only_coerced(self) -> bool:
        """Whether only attributes differ that an archive may correct if it says so."""
        return not self.unknown and all(keyword in _COERCED for keyword in self.differing)

    def text(self) -> str:
        """Return what differs, without any value."""
        shown = ", ".join(self.differing[:5])
        return shown + (f" and {len(self.differing) - 5} more" if len(self.differing) > 5 else "")


def compare(ours: Opener, theirs: Opener) -> Comparison:
    """Compare two encoded objects.

    Raises
    ------
    LightboxError
        One of them cannot be read.
    """
    with ours() as file:
        mine = reading.read_dataset(file)
    with theirs() as file:
        other = reading.read_dataset(file)
    same_bytes = _same_bytes(mine, other)
    differing = list(dict.fromkeys(_differences(mine, other)))
    found, unknown = ([], "") if same_bytes else _differing_pixels(ours, theirs, mine, other)
    return Comparison((*differing, *found), unknown)


def _differences(mine: Dataset, other: Dataset) -> list[str]:
    found: list[str] = []
    for tag in sorted(set(mine.keys()) | set(other.keys())):
        if tag in _OF_ENCODING or tag in reading.PIXEL_TAGS or tag.element == 0 or tag.group in (2, 0xFFFC):
            continue
        # An archive may add private attributes and group 0004 of its own; it may not take or change any
        if tag not in mine and (tag.is_private or tag.group == 0x0004):
            continue
        if not _equal(_Value(mine, tag), _Value(other, tag)):
            found.append(keyword_for_tag(tag) or f"({tag.group:04X},{tag.element:04X})")
    return found


class _Value:
    """An attribute as it is encoded, and decoded where that is possible."""

    def __init__(self, dataset: Dataset, tag: Any) -> None:
        raw = dataset.get_item(tag)
        self.encoded = raw.value if isinstance(raw, RawDataElement) else None
        self.element: DataElement | None = None
        self.broken = False
        if raw is not None:
            try:
                self.element = dataset[tag]
            except Exception:  # pydicom raises many kinds of error for values that break their VR
                self.broken = True

    @property
    def is_empty(self) -> bool:
        """An attribute without value and an absent one say the same."""
        return not self.broken and (self.element is None or self.element.is_empty)


def _equal(first: _Value, second: _Value) -> bool:
    if first.is_empty or second.is_empty:
        return first.is_empty and second.is_empty
    one, two = first.element, second.element
    if one is None or two is None:
        return one is two and _same_encoded(first.encoded, second.encoded)
    if one.VR != two.VR and "UN" in (one.VR, two.VR):
        # An implicit copy of a private attribute: its value representation got lost, not its value
        unknown, known = (first, second) if one.VR == "UN" else (second, first)
        if known.element is not None and known.element.VR == "SQ":
            return _same_items(known.element.value, _items(unknown.encoded))
        return _same_encoded(unknown.encoded, known.encoded)
    if one.VR == "SQ" and two.VR == "SQ":
        return _same_items(one.value, two.value)
    return _plain(one.value) == _plain(two.value)


def _same_items(first: Sequence[Dataset], second: Sequence[Dataset] | None) -> bool:
    if second is None or len(first) != len(second):
        return False
    return not any(_differences(one, two) for one, two in zip(first, second, strict=True))


def _items(encoded: bytes | None) -> Sequence[Dataset] | None:
    """Return the items of a sequence that is encoded as an unknown value (PS3.5 6.2.2)."""
    try:
        return convert_SQ(encoded or b"", True, True)
    except Exception:  # as above
        return None


def _same_encoded(first: bytes | None, second: bytes | None) -> bool:
    if first is None or second is None:
        return False
    one, two = first.rstrip(b"\x00 "), second.rstrip(b"\x00 ")
    return one == two or any(
        len(first) % word == 0 and np.frombuffer(first, f"<u{word}").byteswap().tobytes() == second
        for word in (2, 4, 8)  # one of them from a big endian data set
    )


def _plain(value: Any) -> Any:
    if value is None:
        return ""
    if isinstance(value, bytes):
        return value.rstrip(b"\x00 ")
    if isinstance(value, str):
        return value.strip(" \x00")
    if isinstance(value, (list, tuple)) or hasattr(value, "insert"):
        parts = [_plain(part) for part in value]
        return parts[0] if len(parts) == 1 else parts
    if isinstance(value, float | int):
        return float(value)
    return str(value).strip(" \x00")


def _same_bytes(mine: Dataset, other: Dataset) -> bool:
    """Whether the encoded pixels are the same, and mean the same."""
    tags = _pixel_tags(mine)
    if tags != _pixel_tags(other):
        return False
    for keyword in ("PhotometricInterpretation", "PlanarConfiguration"):
        if values.text(mine, keyword) != values.text(other, keyword):
            return False
    if tags and mine.original_encoding[1] != other.original_encoding[1]:
        return False
    return all(mine.get_item(tag).value == other.get_item(tag).value for tag in tags)  # pyright: ignore[reportOptionalMemberAccess]


def _pixel_tags(dataset: Dataset) -> list[Any]:
    return [tag for tag in reading.PIXEL_TAGS if tag in dataset]


def _differing_pixels(ours: Opener, theirs: Opener, mine: Dataset, other: Dataset) -> tuple[list[str], str]:
    """Return what differs in the pixels, and why they could not be compared."""
    if _pixel_tags(mine) != _pixel_tags(other):
        return ["PixelData"], ""
    try:
        first = ImageObject.open(ours)
        try:
            second = ImageObject.open(theirs)
        except LightboxError:
            return ["PixelData"], ""
        if first.number_of_frames != second.number_of_frames:
            return ["PixelData"], ""
        for number in range(first.number_of_frames):
            frame = first.frame(number)
            try:
                copy = second.frame(number)
            except LightboxError:  # what we can decode, the copy must allow, too
                return ["PixelData"], ""
            differing = _differing(frame, copy, mine, other)
            if differing:
                return [differing], ""
    except LightboxError as error:
        return [], error.why or error.what
    return [], ""


def _differing(mine: Frame, other: Frame, header: Dataset, other_header: Dataset) -> str:
    if mine.photometric == other.photometric:
        return "" if np.array_equal(mine.values, other.values) else "PixelData"
    if mine.values.ndim == other.values.ndim == 2:
        return "PhotometricInterpretation"  # black for white
    one, two = to_rgb(mine.values, mine.photometric, header), to_rgb(other.values, other.photometric, other_header)
    # Two conversions of colour may round differently
    same = one.shape == two.shape and int(np.abs(one.astype(np.int32) - two.astype(np.int32)).max()) <= 2
    return "" if same else "PixelData"
