"""Whether what an archive gives back is what it was sent: the attributes and the pixel values, not the encoding."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, BinaryIO

import numpy as np

from lightbox.core.errors import LightboxError
from lightbox.dicom import reading
from lightbox.imaging.image_object import ImageObject, NoPixelsError

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

    ``unknown`` says why the pixels could not be compared; then only the attributes were.
    """

    differing: tuple[str, ...] = ()
    unknown: str = ""

    @property
    def same(self) -> bool:
        """Whether nothing differs."""
        return not self.differing

    @property
    def only_coerced(self) -> bool:
        """Whether only attributes differ that an archive may correct if it says so."""
        return all(keyword in _COERCED for keyword in self.differing)

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
    differing = list(dict.fromkeys(_differences(mine, other)))
    same, unknown = _same_pixels(ours, theirs, mine, other)
    if not same:
        differing.append("PixelData")
    return Comparison(tuple(differing), unknown)


def _differences(mine: Dataset, other: Dataset) -> list[str]:
    found: list[str] = []
    for tag in sorted(set(mine.keys()) | set(other.keys())):
        if tag in _OF_ENCODING or tag in reading.PIXEL_TAGS or tag.element == 0 or tag.group in (2, 0xFFFC):
            continue
        # An archive may add private attributes and group 0004 of its own; it may not take or change any
        if tag not in mine and (tag.is_private or tag.group == 0x0004):
            continue
        first, second = _element(mine, tag), _element(other, tag)
        if not _equal(first, second):
            element = first if first is not None else second
            found.append(
                element.keyword if element is not None and element.keyword else f"({tag.group:04X},{tag.element:04X})"
            )
    return found


def _element(dataset: Dataset, tag: Any) -> DataElement | None:
    if tag not in dataset:
        return None
    try:
        return dataset[tag]
    except Exception:  # pydicom raises many kinds of error for values that break their VR: compare them raw
        return None


def _equal(first: DataElement | None, second: DataElement | None) -> bool:
    # An attribute without value and an absent one say the same
    if first is None or second is None:
        present = first if first is not None else second
        return present is None or present.is_empty
    if first.VR == "SQ" and second.VR == "SQ":
        return len(first.value) == len(second.value) and not any(
            _differences(one, two) for one, two in zip(first.value, second.value, strict=True)
        )
    if first.VR != second.VR and "UN" in (first.VR, second.VR):
        return True  # an implicit copy of a private attribute: its value representation got lost, not its value
    return _plain(first.value) == _plain(second.value)


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


def _same_pixels(ours: Opener, theirs: Opener, mine: Dataset, other: Dataset) -> tuple[bool, str]:
    tags = [tag for tag in reading.PIXEL_TAGS if tag in mine], [tag for tag in reading.PIXEL_TAGS if tag in other]
    if tags[0] != tags[1]:
        return False, ""
    if not tags[0]:
        return True, ""
    first, second = mine.get_item(tags[0][0]), other.get_item(tags[0][0])
    if first is not None and second is not None and first.value == second.value:
        return True, ""
    try:
        return _same_frames(ImageObject.open(ours), ImageObject.open(theirs)), ""
    except NoPixelsError:
        return True, ""
    except LightboxError as error:
        return True, error.why or error.what


def _same_frames(mine: ImageObject, other: ImageObject) -> bool:
    if mine.number_of_frames != other.number_of_frames:
        return False
    for number in range(mine.number_of_frames):
        first, second = mine.frame(number), other.frame(number)
        if first.photometric != second.photometric:
            from lightbox.imaging.colour import to_rgb

            one, two = (
                to_rgb(first.values, first.photometric, mine.dataset),
                to_rgb(second.values, second.photometric, other.dataset),
            )
            # Two conversions of colour may round differently
            if one.shape != two.shape or int(np.abs(one.astype(np.int32) - two.astype(np.int32)).max()) > 2:
                return False
        elif not np.array_equal(first.values, second.values):
            return False
    return True
