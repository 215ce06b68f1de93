"""What lies over an image: masks, lines and labels of AI results and measurements, placed by their own geometry.

`for_image` answers for one stored frame (stack), `for_plane` for any plane of the patient (reformatted planes). Both
give an `OverlayScene` in image coordinates of the picture (see `lightbox.viewer.transforms`), independent of
zoom and of what is hidden at the moment, so that it can be kept and painted again and again.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom.image_plane import ImagePlane
from lightbox.findings.model import Finding, Graphic, GraphicType, ResultSet
from lightbox.viewer.graphics import Stroke, curve, ellipsoid_section, image_strokes, section, to_patient
from lightbox.viewer.outlines import Polygon, label_outlines
from lightbox.viewer.palette import Rgb, assign_colours, finding_group
from lightbox.viewer.window import number

if TYPE_CHECKING:
    from lightbox.findings.labelmap import LabelMap

PlaneOf = Callable[[str, int], ImagePlane | None]
"""Gives the plane of (SOP Instance UID, 0-based frame), None when unknown."""

IN_PLANE_MM = 0.5
"""Least distance up to which a point in space counts as lying in a plane."""


@dataclass(frozen=True)
class Region:
    """One segment on the picture: its exact outline."""

    finding_id: str
    label: str
    outlines: tuple[Polygon, ...]

    @property
    def anchor(self) -> tuple[float, float]:
        """Where a label points to: the rightmost point of the largest outline."""
        largest = max(self.outlines, key=lambda polygon: float(np.prod(np.ptp(polygon, axis=0))))
        point = largest[int(np.argmax(largest[:, 0] - 0.25 * largest[:, 1]))]
        return float(point[0]), float(point[1])


@dataclass(frozen=True)
class MaskLayer:
    """A label image over the picture.

    Attributes
    ----------
    labels : ndarray
        (rows, columns) uint16; 0 is nothing.
    regions : dict
        Label to `Region`.
    """

    labels: NDArray[np.uint16]
    regions: Mapping[int, Region]

    @cached_property
    def bounds(self) -> tuple[int, int, int, int] | None:
        """Left, top, right and bottom edge (image coordinates) of what is not empty; None when all is."""
        rows, columns = np.flatnonzero(self.labels.any(axis=1)), np.flatnonzero(self.labels.any(axis=0))
        if not rows.size:
            return None
        return int(columns[0]), int(rows[0]), int(columns[-1]) + 1, int(rows[-1]) + 1


@dataclass(frozen=True)
class Shape:
    """Lines and markers of one finding (or of the findings of one measurement group) with the text beside them."""

    finding_ids: tuple[str, ...]
    strokes: tuple[Stroke, ...]
    lines_of_text: tuple[str, ...]

    @property
    def anchor(self) -> tuple[float, float]:
        """Where the label points to: the rightmost point."""
        points = np.vstack([stroke.points for stroke in self.strokes])
        point = points[int(np.argmax(points[:, 0] - 0.25 * points[:, 1]))]
        return float(point[0]), float(point[1])


@dataclass(frozen=True)
class OverlayScene:
    """All overlays of one picture."""

    layers: tuple[MaskLayer, ...] = ()
    shapes: tuple[Shape, ...] = ()

    @property
    def empty(self) -> bool:
        """Whether there is nothing to draw."""
        return not self.layers and not self.shapes

    @property
    def finding_ids(self) -> set[str]:
        """The findings that show on this picture."""
        found = {region.finding_id for layer in self.layers for region in layer.regions.values()}
        return found | {finding_id for shape in self.shapes for finding_id in shape.finding_ids}


EMPTY = OverlayScene()


@dataclass
class OverlayStyle:
    """What of the overlays is visible, and how.

    Attributes
    ----------
    shown : bool
        The one switch for everything.
    labels : bool
        Whether the names and values of findings are written on the image.
    opacity : float
        Of the fill of regions, 0 to 1; outlines stay opaque.
    hidden : set of str
        Findings that are switched off.
    selected : str
        Finding that is emphasised.
    colours : dict
        Finding to sRGB colour.
    """

    shown: bool = True
    labels: bool = True
    opacity: float = 0.25
    hidden: set[str] = field(default_factory=set)
    selected: str = ""
    colours: dict[str, Rgb] = field(default_factory=dict)

    def look(self) -> tuple[object, ...]:
        """Return what decides how masks look; equal when they would be painted alike."""
        return self.shown, self.opacity, frozenset(self.hidden), self.selected, tuple(self.colours.items())

    def visible(self, finding_id: str) -> bool:
        """Whether a finding is drawn."""
        return self.shown and finding_id not in self.hidden

    def colour(self, finding_id: str) -> Rgb:
        """Return the colour of a finding."""
        return self.colours.get(finding_id, (0xFF, 0xB4, 0x54))

    def adopt(self, result_sets: Sequence[ResultSet]) -> None:
        """Give every finding of `result_sets` its colour."""
        self.colours = assign_colours(result_sets)

    def fill_strength(self, finding_id: str) -> float:
        """Return the opacity of the fill of a region; the selected one is a little stronger."""
        return max(0.0, min(1.0, self.opacity + (0.15 if finding_id == self.selected else 0.0)))

    def fill(self, layer: MaskLayer) -> NDArray[np.uint32] | None:
        """Return the fill of a layer as premultiplied 0xAARRGGBB, (rows, columns) uint32; None when nothing shows."""
        table = np.zeros(int(max(layer.regions, default=0)) + 1, dtype=np.uint32)
        for label, region in layer.regions.items():
            if self.visible(region.finding_id):
                alpha = round(255 * self.fill_strength(region.finding_id))
                red, green, blue = (round(value * alpha / 255) for value in self.colour(region.finding_id))
                table[label] = (alpha << 24) | (red << 16) | (green << 8) | blue
        return np.take(table, layer.labels) if table.any() else None


def value_text(finding: Finding) -> str:
    """Return the measured value with its unit, or what a qualitative finding says; empty when there is neither."""
    if isinstance(finding.value, str):
        return finding.value
    if finding.value is not None:
        unit = _UNITS.get(finding.unit or "", finding.unit or "")
        return f"{number(float(finding.value))}{'' if unit == '°' else ' '}{unit}".strip()
    if finding.volume_ml is not None:
        if finding.volume_ml >= 1000:
            return f"{finding.volume_ml / 1000:.2f} L"
        return f"{number(round(finding.volume_ml, 2))} ml" if finding.volume_ml >= 0.005 else "< 0.01 ml"
    return ""


_UNITS = {
    "1": "",
    "{pixels}": "px",
    "mm2": "mm²",
    "mm3": "mm³",
    "cm2": "cm²",
    "cm3": "cm³",
    "deg": "°",
    "[hnsf'U]": "HU",
}


def _region(finding: Finding, polygons: list[Polygon]) -> Region:
    return Region(finding.finding_id, finding.label, tuple(polygons))


def _mask_layers(result: ResultSet, labels: Iterable[NDArray[np.uint16]]) -> list[MaskLayer]:
    """Join label images with the findings they stand for; a label without a finding is not drawn."""
    by_segment = {finding.segment.segment_number: finding for finding in result.findings if finding.segment is not None}
    layers: list[MaskLayer] = []
    for image in labels:
        if not image.any():
            continue
        found = label_outlines(image)
        regions = {
            label: _region(by_segment[label], polygons) for label, polygons in found.items() if label in by_segment
        }
        if regions:
            known = image if len(regions) == len(found) else _without_strangers(image, regions)
            layers.append(MaskLayer(known, regions))
    return layers


def _without_strangers(image: NDArray[np.uint16], regions: Mapping[int, Region]) -> NDArray[np.uint16]:
    keep = np.zeros(int(image.max()) + 1, dtype=np.uint16)
    keep[list(regions)] = list(regions)
    return np.take(keep, image)


def _shapes(result: ResultSet, strokes_of: Callable[[Graphic], list[Stroke]]) -> list[Shape]:
    """Join the graphics of a measurement group into one shape with one line of text a measured value."""
    groups: dict[str, list[Finding]] = {}
    for finding in result.findings:
        groups.setdefault(finding_group(finding), []).append(finding)
    shapes: list[Shape] = []
    for findings in groups.values():
        seen: set[tuple[object, ...]] = set()
        strokes: list[Stroke] = []
        for stroke in (
            stroke for finding in findings for graphic in finding.graphics for stroke in strokes_of(graphic)
        ):
            key = (stroke.closed, stroke.points.tobytes())
            if key not in seen:
                seen.add(key)
                strokes.append(stroke)
        if strokes:
            shapes.append(
                Shape(tuple(finding.finding_id for finding in findings), tuple(strokes), group_texts(findings))
            )
    return shapes


def group_texts(findings: Sequence[Finding]) -> tuple[str, ...]:
    """Return the lines of text of a measurement group: its values with their names, else its name."""
    named = [f"{finding.label} {value_text(finding)}".strip() for finding in findings if value_text(finding)]
    return tuple(dict.fromkeys(named)) or tuple(dict.fromkeys(finding.label for finding in findings))


def _is_placed(labelmap: LabelMap, plane: ImagePlane) -> bool:
    """Whether masks and plane lie in one space (a SEG of a radiograph or a slide has no place in the patient)."""
    return labelmap.has_patient_geometry and _same_space(labelmap.frame_of_reference_uid, plane)


def for_image(
    result_sets: Iterable[ResultSet],
    sop_instance_uid: str,
    frame_index: int,
    rows: int,
    columns: int,
    plane: ImagePlane | None,
    *,
    tolerance_mm: float = IN_PLANE_MM,
) -> OverlayScene:
    """Return the overlays of one stored frame.

    Parameters
    ----------
    result_sets : iterable of ResultSet
        Results of the study.
    sop_instance_uid : str
        The image.
    frame_index : int
        0-based frame.
    rows, columns : int
        Size of the frame.
    plane : ImagePlane or None
        Where it is in the patient.
    tolerance_mm : float
        Half of the distance to the neighbouring slice: graphics in space (SCOORD3D) nearer than this lie in the
        frame.
    """
    layers: list[MaskLayer] = []
    shapes: list[Shape] = []
    reference = plane.frame_of_reference_uid if plane is not None else ""

    def strokes_of(graphic: Graphic) -> list[Stroke]:
        if graphic.image is not None and np.asarray(graphic.points).shape[-1] == 2:
            frames = graphic.image.frame_numbers
            if graphic.image.sop_instance_uid == sop_instance_uid and (not frames or frame_index + 1 in frames):
                return image_strokes(graphic)
            return []
        return _strokes_in_space(graphic, plane, tolerance_mm)

    for result in result_sets:
        labelmap = result.labelmap
        if labelmap is not None and not labelmap.applies_to(reference, sop_instance_uid):
            if plane is not None and _is_placed(labelmap, plane):
                layers += _mask_layers(result, labelmap.sample(plane))
            else:
                layers += _mask_layers(result, labelmap.sample_image(sop_instance_uid, frame_index, rows, columns))
        shapes += _shapes(result, strokes_of)
    return OverlayScene(tuple(layers), tuple(shapes)) if layers or shapes else EMPTY


def for_plane(
    result_sets: Iterable[ResultSet],
    plane: ImagePlane,
    *,
    tolerance_mm: float = IN_PLANE_MM,
    plane_of: PlaneOf | None = None,
) -> OverlayScene:
    """Return the overlays of a plane of the patient.

    Parameters
    ----------
    result_sets : iterable of ResultSet
        Results of the study.
    plane : ImagePlane
        The plane with its frame of reference.
    tolerance_mm : float
        Half of the thickness that the plane stands for.
    plane_of : callable, optional
        Where the images are that SCOORD graphics refer to; without it they are not drawn.
    """
    layers: list[MaskLayer] = []
    shapes: list[Shape] = []

    def strokes_of(graphic: Graphic) -> list[Stroke]:
        if graphic.image is None or np.asarray(graphic.points).shape[-1] == 3:
            return _strokes_in_space(graphic, plane, tolerance_mm)
        frames = graphic.image.frame_numbers or (1,)
        strokes: list[Stroke] = []
        for frame in frames:
            home = plane_of(graphic.image.sop_instance_uid, frame - 1) if plane_of is not None else None
            if home is None or not _same_space(home.frame_of_reference_uid, plane):
                continue
            closed = curve(graphic)[1]
            for points in to_patient(graphic, home):
                strokes += section(points, closed and len(points) > 2, plane, tolerance_mm)
        return strokes

    for result in result_sets:
        labelmap = result.labelmap
        if labelmap is not None and _is_placed(labelmap, plane):
            layers += _mask_layers(result, labelmap.sample(plane))
        shapes += _shapes(result, strokes_of)
    return OverlayScene(tuple(layers), tuple(shapes)) if layers or shapes else EMPTY


def _same_space(frame_of_reference_uid: str, plane: ImagePlane) -> bool:
    return bool(frame_of_reference_uid) and frame_of_reference_uid == plane.frame_of_reference_uid


def _strokes_in_space(graphic: Graphic, plane: ImagePlane | None, tolerance_mm: float) -> list[Stroke]:
    """Return the strokes of a SCOORD3D on a plane of the same frame of reference."""
    if plane is None or not _same_space(graphic.frame_of_reference_uid, plane):
        return []
    if np.asarray(graphic.points).shape[-1] != 3:
        return []
    if graphic.graphic_type is GraphicType.ELLIPSOID:
        return ellipsoid_section(graphic, plane)
    lines, closed = curve(graphic)
    tolerance = max(tolerance_mm, IN_PLANE_MM)
    return [stroke for line in lines for stroke in section(line, closed and len(line) > 2, plane, tolerance)]
