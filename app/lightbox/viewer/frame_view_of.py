"""Makes `FrameView`s: from a decoded frame of a file, and from a plane cut through a volume."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset

from lightbox.dicom import calibration, orientation, values
from lightbox.dicom.calibration import Calibration, SpacingSource
from lightbox.dicom.image_plane import ImagePlane
from lightbox.imaging import colour
from lightbox.imaging.grey import GreyChain
from lightbox.viewer.frame_view import FrameView
from lightbox.viewer.transforms import FrameShape
from lightbox.viewer.window import number

if TYPE_CHECKING:
    from lightbox.imaging.image_object import Frame, ImageObject
    from lightbox.imaging.volume import Volume

_WORDS = {
    SpacingSource.PATIENT: "calibrated in mm",
    SpacingSource.CALIBRATED: "mm, calibrated",
    SpacingSource.MAGNIFICATION: "mm, estimated",
    SpacingSource.DETECTOR: "mm at detector",
    SpacingSource.SCANNED: "mm on film",
    SpacingSource.REGIONS: "calibrated by region",
    SpacingSource.NONE: "not calibrated",
}

LOSSY_SYNTAXES = frozenset(
    {
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.4.51",
        "1.2.840.10008.1.2.4.81",
        "1.2.840.10008.1.2.4.91",
        "1.2.840.10008.1.2.4.203",
        "1.2.840.10008.1.2.4.112",
    }
)
"""Transfer syntaxes that may lose something; whether it did is said by (0028,2110), which does not always come
along."""


def lossy_text(dataset: Dataset, transfer_syntax_uid: str) -> str:
    """Return what was lost to compression in words: "Lossy 12:1", empty when nothing was (PS3.3 C.7.6.1.1.5)."""
    flag = values.text(dataset, "LossyImageCompression")
    if flag == "01":
        ratios = values.numbers(dataset, "LossyImageCompressionRatio")
        total = float(np.prod(ratios)) if ratios else 0.0
        return f"LOSSY {total:.3g}:1" if total > 1 else "LOSSY"
    if flag != "00" and transfer_syntax_uid in LOSSY_SYNTAXES:
        return "May be lossy"
    return ""


def _spacing(dataset: Dataset, frame: int, found: Calibration) -> tuple[float, float, bool]:
    """Return row spacing, column spacing (only their ratio means something if False), and whether they are mm."""
    if found.row_mm and found.column_mm:
        return found.row_mm, found.column_mm, True
    return calibration.aspect_ratio(dataset, frame), 1.0, False


def of_frame(image: ImageObject, decoded: Frame, frame: int, plane: ImagePlane | None) -> FrameView:
    """Return the view of a decoded frame.

    Parameters
    ----------
    image : ImageObject
        The image with its header.
    decoded : Frame
        Stored values.
    frame : int
        0-based frame.
    plane : ImagePlane or None
        Where it is in the patient.
    """
    dataset = image.dataset
    found = calibration.of(dataset, frame)
    row_spacing, column_spacing, in_mm = _spacing(dataset, frame, found)
    rows, columns = decoded.values.shape[:2]
    common: dict[str, Any] = {
        "shape": FrameShape(rows, columns, row_spacing, column_spacing),
        "plane": plane,
        "edges": orientation.edges(plane) if plane is not None else orientation.edges_of(dataset, frame),
        "calibrated": in_mm,
        "calibration": _WORDS[found.source],
        "lossy": lossy_text(dataset, image.transfer_syntax_uid),
    }
    if not image.is_grey:
        rgb = colour.to_rgb(decoded.values, decoded.photometric, dataset)

        def colour_at(column: int, row: int) -> str:
            red, green, blue = (int(value) for value in rgb[row, column])
            return f"RGB {red} {green} {blue}"

        return FrameView(pixels=rgb, value_text=colour_at, **common)
    stored = decoded.values
    chain = GreyChain.of(image, frame)

    def value_at(column: int, row: int) -> str:
        cell = stored[row : row + 1, column : column + 1]
        if chain.padding is not None and bool(chain.padding.mask(cell).any()):
            return "padding"
        return f"{number(float(chain.modality(cell)[0, 0]))} {chain.unit}".strip()

    return FrameView(
        pixels=stored,
        value_text=value_at,
        to_grey=lambda pixels, voi, invert: chain.display(pixels, voi, invert=invert),
        presets=chain.presets,
        first_voi=chain.default_voi(stored),
        has_file_voi=bool(chain.presets),
        unit=chain.unit,
        **common,
    )


def of_plane(volume: Volume, plane: ImagePlane, resliced: NDArray[Any], inside: NDArray[np.bool_]) -> FrameView:
    """Return the view of a plane cut through a volume; outside of the volume it is black and has no value."""
    chain = volume.grey
    shown = np.where(inside, resliced, np.nan).astype(np.float32)

    def value_at(column: int, row: int) -> str:
        value = float(shown[row, column])
        return f"{number(round(value, 1))} {volume.unit}".strip() if np.isfinite(value) else ""

    if chain.presets:
        first = chain.presets[0]
    else:
        low, high = volume.value_range
        first = _window(low, high)
    return FrameView(
        pixels=shown,
        shape=FrameShape(plane.rows, plane.columns, plane.row_spacing, plane.column_spacing),
        value_text=value_at,
        to_grey=lambda pixels, voi, invert: chain.display_values(pixels, voi, invert=invert),
        plane=plane,
        presets=chain.presets,
        first_voi=first,
        has_file_voi=True,
        edges=orientation.edges(plane),
        calibrated=True,
        calibration="calibrated in mm",
        lossy="Reformatted",
        unit=volume.unit,
    )


def _window(low: float, high: float) -> Any:
    from lightbox.dicom.voi import Voi, VoiKind

    return Voi(VoiKind.LINEAR_EXACT, (low + high) / 2, max(high - low, 1e-6))
