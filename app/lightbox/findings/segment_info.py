"""What a SEG says about each of its segments (PS3.3 C.8.20.4, 10.15 Algorithm Identification)."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from lightbox.findings.codes import Code, all_codes, first_code
from lightbox.findings.colour import cielab_to_srgb
from lightbox.findings.model import Producer
from lightbox.findings.tolerant import integer, integers, item, items, text

BACKGROUND = ("125040", "DCM")


@dataclass
class SegmentInfo:
    """One segment of a label map.

    ``colour`` is sRGB 0-255 or None when none is recommended. ``voxels`` and ``volume_ml`` are filled when the masks
    are decoded (None: they could not be placed); the volume is None where the geometry is not regular.
    """

    number: int
    label: str
    category: Code | None = None
    property_type: Code | None = None
    property_modifiers: tuple[Code, ...] = ()
    anatomic_region: Code | None = None
    anatomic_modifiers: tuple[Code, ...] = ()
    description: str = ""
    algorithm_type: str = ""
    algorithm_name: str = ""
    algorithm_version: str = ""
    algorithm_family: str = ""
    algorithm_source: str = ""
    tracking_id: str = ""
    tracking_uid: str = ""
    colour: tuple[int, int, int] | None = None
    voxels: int | None = None
    volume_ml: float | None = None

    @property
    def is_background(self) -> bool:
        """Whether the segment stands for 'nothing here' (a habit of label maps)."""
        return self.property_type is not None and self.property_type.key == BACKGROUND

    @property
    def site(self) -> str:
        """Anatomic site with laterality in words, or an empty string."""
        if self.anatomic_region is None:
            return ""
        words = " ".join([*map(str, self.anatomic_modifiers), str(self.anatomic_region)])
        return words.lower()

    def producer(self, manufacturer: str = "") -> Producer:
        """Return who made the segment: an algorithm for AUTOMATIC and SEMIAUTOMATIC, a person for MANUAL."""
        if self.algorithm_type == "MANUAL":
            return Producer("person")
        if self.algorithm_type in ("AUTOMATIC", "SEMIAUTOMATIC") or self.algorithm_name:
            return Producer(
                "algorithm",
                name=self.algorithm_name,
                version=self.algorithm_version,
                manufacturer=self.algorithm_source or manufacturer,
                family=self.algorithm_family,
            )
        return Producer("unknown", manufacturer=manufacturer)


def read_segment(segment: Dataset) -> SegmentInfo:
    """Return the description of one item of the Segment Sequence."""
    number = integer(segment, 0x00620004)
    property_type = item(segment, 0x0062000F)
    region = item(segment, 0x00082218)
    algorithm = item(segment, 0x00620007)
    lab = integers(segment, 0x0062000D)
    kind = first_code(segment, 0x0062000F)
    family = first_code(algorithm, 0x0066002F) if algorithm is not None else None
    name = text(segment, 0x00620009)
    if algorithm is not None:
        name = text(algorithm, 0x00660036) or name
    return SegmentInfo(
        number=number,
        label=text(segment, 0x00620005) or (str(kind) if kind else "") or f"Segment {number}",
        category=first_code(segment, 0x00620003),
        property_type=kind,
        property_modifiers=all_codes(property_type, 0x00620011) if property_type is not None else (),
        anatomic_region=first_code(segment, 0x00082218),
        anatomic_modifiers=all_codes(region, 0x00082220) if region is not None else (),
        description=text(segment, 0x00620006),
        algorithm_type=text(segment, 0x00620008),
        algorithm_name=name,
        algorithm_version=text(algorithm, 0x00660031) if algorithm is not None else "",
        algorithm_family=str(family) if family else "",
        algorithm_source=text(algorithm, 0x00240202) if algorithm is not None else "",
        tracking_id=text(segment, 0x00620020),
        tracking_uid=text(segment, 0x00620021),
        colour=cielab_to_srgb(lab) if len(lab) == 3 else None,
    )


def read_segments(dataset: Dataset) -> dict[int, SegmentInfo]:
    """Return the segments of a SEG by segment number, with palette colours where a label map has a palette."""
    segments = {info.number: info for info in map(read_segment, items(dataset, 0x00620002))}
    for number, colour in _palette(dataset, segments).items():
        if segments[number].colour is None:
            segments[number].colour = colour
    return segments


def _palette(dataset: Dataset, segments: dict[int, SegmentInfo]) -> dict[int, tuple[int, int, int]]:
    """Return the colours of the Palette Color Lookup Table (PS3.3 C.7.6.3.1.5) for the given segment numbers."""
    if text(dataset, 0x00280004) != "PALETTE COLOR":
        return {}
    channels = []
    for descriptor_tag, data_tag in ((0x00281101, 0x00281201), (0x00281102, 0x00281202), (0x00281103, 0x00281203)):
        descriptor = integers(dataset, descriptor_tag)
        try:
            data = dataset[data_tag].value
        except (KeyError, ValueError):
            return {}
        if len(descriptor) != 3 or not isinstance(data, bytes):
            return {}
        entries = (descriptor[0] & 0xFFFF) or 65536
        wide = len(data) >= 2 * entries
        little = dataset.original_encoding[1] is not False
        values = [
            (int.from_bytes(data[2 * k : 2 * k + 2], "little" if little else "big") >> (8 if descriptor[2] > 8 else 0))
            if wide
            else data[k]
            for k in range(min(entries, len(data)))
        ]
        channels.append((descriptor[1] & 0xFFFF, values))
    colours = {}
    for number in segments:
        entry = [values[min(max(number - first, 0), len(values) - 1)] for first, values in channels if values]
        if len(entry) == 3:
            colours[number] = (entry[0], entry[1], entry[2])
    return colours
