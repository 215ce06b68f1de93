"""Label maps: the masks of a SEG in their own geometry (PS3.3 A.51, C.8.20)."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field
from threading import Lock

import numpy as np
from numpy.typing import NDArray

from lightbox.dicom.image_plane import ImagePlane
from lightbox.findings.model import ImageReference
from lightbox.findings.segment_info import SegmentInfo
from lightbox.findings.stack import Stack

_CACHED_PLANES = 48


@dataclass
class FlatMasks:
    """Masks that belong to an image and have no place in the patient (projection, microscopy).

    ``layers`` maps (SOP Instance UID, 1-based frame or 0 for all frames) to (rows, columns) label arrays.
    """

    rows: int
    columns: int
    layers: dict[tuple[str, int], list[NDArray[np.uint16]]] = field(default_factory=dict)


class LabelMap:
    """The segments of one SEG, placed by its own geometry.

    Parameters
    ----------
    sop_instance_uid : str
        The SEG.
    frame_of_reference_uid : str
        Frame of Reference of its geometry; empty when it has none.
    segments : dict of int to SegmentInfo
        By segment number; the background of a label map is not among them.
    stacks : list of Stack
        Masks with a place in the patient.
    flat : FlatMasks
        Masks without one.
    placements : dict
        (segment number) -> list of (stack index, plane index, voxels) of the planes that hold it.
    by_source : dict
        (SOP Instance UID, 1-based frame or 0) of a source image -> (stack index, plane index) of masks made from it.
    references : set of str
        SOP Instance UIDs of all images that the SEG refers to.
    """

    def __init__(
        self,
        sop_instance_uid: str,
        frame_of_reference_uid: str,
        segments: dict[int, SegmentInfo],
        stacks: list[Stack],
        flat: FlatMasks,
        placements: dict[int, list[tuple[int, int, int]]],
        by_source: dict[tuple[str, int], set[tuple[int, int]]],
        references: set[str],
    ) -> None:
        self.sop_instance_uid = sop_instance_uid
        self.frame_of_reference_uid = frame_of_reference_uid
        self.segments = segments
        self.stacks = stacks
        self.flat = flat
        self.references = references
        self._placements = placements
        self._by_source = by_source
        self._cache: OrderedDict[object, list[NDArray[np.uint16]]] = OrderedDict()
        self._lock = Lock()
        self.fractions: dict[int, dict[tuple[int, int], NDArray[np.uint8]]] = {}
        self.maximum_fraction = 0
        self.sources: dict[int, tuple[ImageReference, ...]] = {}

    @property
    def has_patient_geometry(self) -> bool:
        """Whether the masks have a place in the patient."""
        return bool(self.stacks)

    def sample(self, plane: ImagePlane) -> list[NDArray[np.uint16]]:
        """Return the segment numbers on a plane: nearest voxel by the SEG's own geometry.

        Parameters
        ----------
        plane : ImagePlane
            Any orientation and extent. It must carry the Frame of Reference UID of this label map: without it nothing
            says that both are in one space, and nothing is shown.

        Returns
        -------
        list of (plane.rows, plane.columns) uint16 arrays
            Segment numbers, 0 = none. At least one array; overlapping segments are in further ones. Do not write to
            them: they are kept for the next call.
        """
        if not self.frame_of_reference_uid or plane.frame_of_reference_uid != self.frame_of_reference_uid:
            return [_frozen(np.zeros((plane.rows, plane.columns), dtype=np.uint16))]
        with self._lock:
            found = self._cache.get(plane)
            if found is not None:
                self._cache.move_to_end(plane)
                return found
        result: list[NDArray[np.uint16]] = []
        for stack in self.stacks:
            sampled = stack.sample(plane)
            result = sampled if not result else _merge(result, sampled)
        return self._remember(plane, result or [np.zeros((plane.rows, plane.columns), dtype=np.uint16)])

    def sample_image(self, sop_uid: str, frame: int, rows: int, columns: int) -> list[NDArray[np.uint16]]:
        """Return the segment numbers on an image that has no place in the patient, by reference.

        Parameters
        ----------
        sop_uid : str
            The image; the frames of the SEG must name it as their source.
        frame : int
            0-based frame of the image.
        rows, columns : int
            Size of the image; masks of another size say nothing about where they lie on it and are not shown.

        Returns
        -------
        list of (rows, columns) uint16 arrays
            As `sample`.
        """
        empty = [_frozen(np.zeros((rows, columns), dtype=np.uint16))]
        for key in ((sop_uid, frame + 1), (sop_uid, 0)):
            if key in self.flat.layers and (self.flat.rows, self.flat.columns) == (rows, columns):
                return self.flat.layers[key]
            places = sorted(self._by_source.get(key, ()))
            if not places:
                continue
            result: list[NDArray[np.uint16]] = []
            for stack_index, plane_index in places:
                stack = self.stacks[stack_index]
                if (stack.rows, stack.columns) != (rows, columns):
                    return empty
                layers = [
                    layer[plane_index].astype(np.uint16)
                    for layer, occupied in zip(stack.layers, stack.occupied, strict=True)
                    if occupied[plane_index]
                ]
                result = layers if not result else _merge(result, layers)
            return [_frozen(layer) for layer in result] or empty
        return empty

    def planes_of(self, segment: int) -> list[ImagePlane]:
        """Return the planes that hold a segment, in the order of the stack."""
        return [
            self.stacks[stack].plane(index, self.frame_of_reference_uid)
            for stack, index, _voxels in sorted(self._placements.get(segment, []))
        ]

    def centre_of(self, segment: int) -> tuple[float, float, float] | None:
        """Return a point to jump to: centre of mass (mm, LPS) on the plane with most voxels of the segment."""
        places = self._placements.get(segment)
        if not places:
            return None
        stack_index, index, _voxels = max(places, key=lambda place: place[2])
        stack = self.stacks[stack_index]
        mask = np.zeros((stack.rows, stack.columns), dtype=bool)
        for layer in stack.layers:
            mask |= layer[index] == segment
        rows, columns = np.nonzero(mask)
        x, y, z = (
            float(part)
            for part in stack.plane(index, self.frame_of_reference_uid).to_patient(columns.mean(), rows.mean())
        )
        return (x, y, z)

    def fraction(self, segment: int, plane: ImagePlane) -> NDArray[np.float32] | None:
        """Return the stored probability or occupancy (0..1) where `plane` is one of `planes_of(segment)`, or None."""
        for (stack_index, index), values in self.fractions.get(segment, {}).items():
            if self.stacks[stack_index].plane(index, self.frame_of_reference_uid) == plane:
                stack = self.stacks[stack_index]
                scaled = values.reshape(stack.rows, stack.columns).astype(np.float32)
                return scaled / np.float32(self.maximum_fraction)
        return None

    def applies_to(self, frame_of_reference_uid: str, sop_uid: str) -> str:
        """Return an empty string when the masks can be shown on an image, or the reason why not.

        The Frame of Reference decides; references count where one of both has none.
        """
        if self.has_patient_geometry and self.frame_of_reference_uid and frame_of_reference_uid:
            if self.frame_of_reference_uid == frame_of_reference_uid:
                return ""
            return "The segmentation is in another frame of reference than the image"
        if sop_uid in self.references:
            if any((sop_uid, 0) == key or key[0] == sop_uid for key in (*self.flat.layers, *self._by_source)):
                return ""
            return "The segmentation refers to the image but does not say where its frames lie on it"
        if self.has_patient_geometry and not frame_of_reference_uid:
            return "The image has no frame of reference and the segmentation does not refer to it"
        return "The segmentation does not refer to the image"

    def _remember(self, key: ImagePlane, layers: list[NDArray[np.uint16]]) -> list[NDArray[np.uint16]]:
        layers = [_frozen(layer) for layer in layers]
        with self._lock:
            self._cache[key] = layers
            while len(self._cache) > _CACHED_PLANES:
                self._cache.popitem(last=False)
        return layers


def _frozen(layer: NDArray[np.uint16]) -> NDArray[np.uint16]:
    layer.flags.writeable = False
    return layer


def _merge(first: list[NDArray[np.uint16]], second: list[NDArray[np.uint16]]) -> list[NDArray[np.uint16]]:
    """Put the labels of `second` over those of `first`, opening further layers where both have one."""
    result = [layer.copy() for layer in first]
    for layer in second:
        rest = layer
        for target in result:
            free = (target == 0) & (rest != 0)
            target[free] = rest[free]
            rest = np.where(free | (target == rest), 0, rest).astype(np.uint16)
            if not rest.any():
                break
        if rest.any():
            result.append(rest)
    return result
