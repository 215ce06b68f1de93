"""One model of a finding: what, where, how sure, by which algorithm and version, on which images."""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

if TYPE_CHECKING:
    from lightbox.core.errors import Problem
    from lightbox.findings.labelmap import LabelMap


class FindingType(Enum):
    """Kind of a finding; the values are part of the public JSON contract."""

    SEGMENT = "segment"
    MEASUREMENT = "measurement"
    REGION = "region"
    QUALITATIVE = "qualitative"


class GraphicType(Enum):
    """Graphic types of SCOORD and SCOORD3D (PS3.3 C.18.6.1.1, C.18.9.1.2)."""

    POINT = "POINT"
    MULTIPOINT = "MULTIPOINT"
    POLYLINE = "POLYLINE"
    CIRCLE = "CIRCLE"
    ELLIPSE = "ELLIPSE"
    POLYGON = "POLYGON"
    ELLIPSOID = "ELLIPSOID"


@dataclass(frozen=True)
class ImageReference:
    """A referenced image and the frames meant (1-based as in DICOM; empty = all)."""

    sop_instance_uid: str
    frame_numbers: tuple[int, ...] = ()


@dataclass(frozen=True)
class Graphic:
    """Spatial coordinates of a finding.

    ``points`` is (n, 2) for SCOORD: column then row where (0, 0) is the outer corner of the first pixel, so that its
    centre is (0.5, 0.5) (PS3.3 C.18.6.1.2); or (n, 3) for SCOORD3D: mm in patient LPS of ``frame_of_reference_uid``.
    ``purpose`` is the meaning of its concept name ("Image Region", "Reference Points").
    """

    graphic_type: GraphicType
    points: NDArray[np.float64]
    image: ImageReference | None = None
    frame_of_reference_uid: str = ""
    purpose: str = ""


@dataclass(frozen=True)
class Producer:
    """Who or what made a result."""

    kind: str  # "algorithm", "person" or "unknown"
    name: str = ""
    version: str = ""
    manufacturer: str = ""
    family: str = ""


@dataclass(frozen=True)
class SegmentRef:
    """Which segment of which label map (`ResultSet.labelmap`) shows a finding."""

    source_sop_instance_uid: str
    segment_number: int


@dataclass(frozen=True)
class Finding:
    """One finding of a result object.

    ``colour`` is sRGB 0-255; None lets the viewer choose from its palette.
    """

    finding_id: str
    label: str
    type: FindingType
    producer: Producer
    source_sop_instance_uid: str
    referenced_images: tuple[ImageReference, ...] = ()
    value: float | str | None = None
    unit: str | None = None
    site: str = ""
    certainty: float | None = None
    tracking_uid: str = ""
    tracking_id: str = ""
    graphics: tuple[Graphic, ...] = ()
    segment: SegmentRef | None = None
    colour: tuple[int, int, int] | None = None
    voxels: int | None = None
    volume_ml: float | None = None
    group_id: str = ""

    def as_dict(self) -> dict[str, object]:
        """Return the public JSON shape of ``lightbox findings --json``."""
        return {
            "label": self.label,
            "type": self.type.value,
            "algorithm": self.producer.name or None,
            "version": self.producer.version or None,
            "value": self.value,
            "unit": self.unit,
            "source_sop_instance_uid": self.source_sop_instance_uid,
            "referenced_sop_instance_uids": [image.sop_instance_uid for image in self.referenced_images],
            "voxels": self.voxels,
            "volume_ml": self.volume_ml,
        }


@dataclass
class ResultSet:
    """All findings of one result object (one SEG or SR instance). Several result sets of a study stay apart.

    ``document`` is the whole content of an SR as text, so that nothing is lost that no finding stands for;
    ``predecessors`` are the SOP Instance UIDs of the documents that this one replaces or amends.
    """

    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    modality: str
    title: str
    producer: Producer
    created_at: str = ""
    findings: list[Finding] = field(default_factory=list)
    labelmap: LabelMap | None = None
    problems: list[Problem] = field(default_factory=list)
    document: str = ""
    predecessors: tuple[str, ...] = ()
