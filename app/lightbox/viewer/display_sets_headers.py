"""Attributes read from the objects themselves, to tell apart frames that lie at one position."""

from __future__ import annotations

from collections.abc import Hashable
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import LightboxError
from lightbox.viewer.display_sets_frames import OpenObject
from lightbox.viewer.split_rules import HEADER_KEYWORDS, Candidate

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_OTHER_NAMES: dict[str, tuple[str, ...]] = {
    "EchoTime": ("EffectiveEchoTime",),
    "ImageType": ("FrameType",),
    "InversionTime": ("InversionTimes",),
    "AcquisitionNumber": ("FrameAcquisitionNumber",),
    "AcquisitionTime": ("FrameAcquisitionDateTime",),
}
_POSITION_POINTERS = frozenset({0x00200032, 0x00209057, 0x00209056})
"""Image Position (Patient), In-Stack Position Number, Stack ID."""


def add_headers(candidates: list[Candidate], open_object: OpenObject, datasets: dict[str, Dataset]) -> None:
    """Read the attributes of `HEADER_KEYWORDS` for candidates; unreadable objects stay without.

    Parameters
    ----------
    candidates : list of Candidate
    open_object : callable
    datasets : dict
        Headers that were read already, by SOP Instance UID.
    """
    from lightbox.dicom.reading import read_header

    objects: dict[str, list[Candidate]] = {}
    for candidate in candidates:
        if not candidate.header:
            objects.setdefault(candidate.record.sop_instance_uid, []).append(candidate)
    for uid, members in objects.items():
        ds = datasets.get(uid)
        if ds is None:
            try:
                with open_object(uid) as file:
                    ds = read_header(file)
            except (LightboxError, OSError, EOFError, ValueError):
                for candidate in members:
                    candidate.header = {"unreadable": True}
                continue
        common = _common_attributes(ds)
        for candidate in members:
            candidate.header = {**common, **_frame_attributes(ds, candidate.frame_index)}


def _common_attributes(ds: Dataset) -> dict[str, Hashable]:
    """Return the attributes that all frames share: of the shared functional groups, else of the top level."""
    from lightbox.dicom import values

    shared = values.first_item(ds, "SharedFunctionalGroupsSequence")
    found = _pick([*(_macros(shared) if shared is not None else ()), ds])
    if "DiffusionBValue" not in found:
        private = _private_b_value(ds)
        if private is not None:
            found["DiffusionBValue"] = private
    return found


def _frame_attributes(ds: Dataset, frame: int) -> dict[str, Hashable]:
    """Return what the functional groups of one frame (0-based) say."""
    from lightbox.dicom import values

    per_frame = values.raw(ds, "PerFrameFunctionalGroupsSequence")
    if per_frame is None or frame >= len(per_frame):
        return {}
    found = _pick(_macros(per_frame[frame]))
    rest = _dimension_without_position(ds, frame)
    if rest:
        found["DimensionWithoutPosition"] = rest
    return found


def _pick(sources: list[Dataset]) -> dict[str, Hashable]:
    from lightbox.dicom import values

    found: dict[str, Hashable] = {}
    for keyword in HEADER_KEYWORDS:
        for name in (keyword, *_OTHER_NAMES.get(keyword, ())):
            value = next((v for source in sources if (v := values.raw(source, name)) is not None), None)
            if value is not None:
                found[keyword] = _hashable(value)
                break
    return found


def _macros(group: Dataset) -> list[Dataset]:
    """Return the first items of the sequences of a functional group item, and of the sequences in those."""
    from lightbox.dicom import values

    found: list[Dataset] = []
    for element in group:
        if element.VR == "SQ" and element.keyword:
            item = values.first_item(group, element.keyword)
            if item is not None:
                found.append(item)
                inner = values.first_item(item, "DiffusionGradientDirectionSequence")
                if inner is not None:
                    found.append(inner)
    return found


def _hashable(value: Any) -> Hashable:
    if isinstance(value, (list, tuple)) or (hasattr(value, "__iter__") and not isinstance(value, (str, bytes))):
        return tuple(_hashable(item) for item in value)
    try:
        return round(float(value), 6)
    except (TypeError, ValueError):
        return str(value).strip()


def _private_b_value(ds: Dataset) -> Hashable | None:
    """Return the b-value from where the makers kept it before it had an attribute: Siemens, Philips, GE."""
    for group, creator, offset in (
        (0x0019, "SIEMENS MR HEADER", 0x0C),
        (0x2001, "Philips Imaging DD 001", 0x03),
        (0x0043, "GEMS_PARM_01", 0x39),
    ):
        try:
            value = ds.private_block(group, creator)[offset].value
            first = value[0] if hasattr(value, "__len__") and not isinstance(value, (str, bytes)) else value
            if isinstance(first, bytes):
                first = first.decode("ascii")
            # GE adds a multiple of 10**9 to the value.
            return round(float(str(first).strip(" \x00")) % 1e9, 3)
        except (KeyError, IndexError, ValueError):
            continue
    return None


def _dimension_without_position(ds: Dataset, frame: int) -> tuple[int, ...]:
    """Return the Dimension Index Values (PS3.3 C.7.6.17) of a frame, less those that say where it is."""
    from lightbox.dicom import frames, values

    content = frames.functional_group(ds, frame, "FrameContentSequence")
    pointers = [values.integer(item, "DimensionIndexPointer") for item in values.items(ds, "DimensionIndexSequence")]
    if content is None or not pointers:
        return ()
    indices = values.numbers(content, "DimensionIndexValues")
    if len(indices) != len(pointers):
        return ()
    return tuple(int(index) for index, pointer in zip(indices, pointers) if pointer not in _POSITION_POINTERS)
