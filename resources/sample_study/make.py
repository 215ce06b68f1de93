"""The sample study: one invented patient, a chest CT with topogram, AI SEG and AI SR, and a prior 18 months earlier."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass, field
from pathlib import Path

from pydicom.dataset import Dataset

from .anatomy import Person
from .ct_files import Visit, ct_image, save
from .results import NoduleMeasure, measure_nodule, report, segmentation
from .scan import Protocol, Scan, scan, topogram

COVERAGE = 291.0  # mm from the first to the last slice
TOP = 141.0  # height of the first slice in the drawn chest


@dataclass(frozen=True)
class Manifest:
    """What was written. Positions are patient LPS mm in the frame of reference of the current study."""

    folder: str
    patient_id: str
    patient_name: str
    current_study_uid: str
    prior_study_uid: str
    current_series_uid: str
    prior_series_uid: str
    topogram_series_uid: str
    segmentation_uid: str
    report_uid: str
    nodule_centre: tuple[float, float, float]
    nodule_image_uid: str
    nodule_diameter_mm: float
    nodule_volume_mm3: float
    prior_nodule_diameter_mm: float
    prior_nodule_centre: tuple[float, float, float]
    files: list[str] = field(default_factory=list)

    def as_dict(self) -> dict[str, object]:
        """Return a JSON-ready mapping."""
        return asdict(self)


def make(
    folder: Path | str,
    *,
    size: int = 384,
    slices: int = 98,
    seed: int = 20,
    progress: Callable[[float], None] | None = None,
) -> Manifest:
    """Write the sample study.

    Parameters
    ----------
    folder : Path or str
        Made when missing; gets ``current/`` and ``prior/``.
    size : int
        Rows and columns of the CT images, at least 128.
    slices : int
        Slices of the current CT, at least 60; they always cover the same 291 mm, and the nodule must not fall between.
    seed : int
        Same seed, size and slices: same bytes.
    progress : callable, optional
        Called with 0..1.

    Raises
    ------
    ValueError
        `size` or `slices` is too small for the nodule to be seen.

    Returns
    -------
    Manifest
        UIDs, places and file names (relative to `folder`).
    """
    if slices < 60 or size < 128:
        raise ValueError("The sample study needs at least 60 slices of at least 128 x 128 pixels")
    target = Path(folder)
    tell = progress or (lambda _done: None)
    current = Visit(
        "current", seed, "20260312", "101532", "063Y", "LBX20260312", "CT chest with contrast", (2.5, -171.0, -296.5)
    )
    prior = Visit(
        "prior", seed, "20240905", "143007", "062Y", "LBX20240905", "CT chest with contrast", (-4.0, -164.5, -412.25)
    )
    spacing = round(COVERAGE / (slices - 1), 3)
    now = Protocol(size, slices, spacing, 384.0, (0.0, 14.0), TOP)
    fewer = max(slices * 3 // 5, 58)
    then = Protocol(size, fewer, round(COVERAGE / (fewer - 1), 3), 400.0, (3.0, 12.0), TOP + 1.3, 12.0)
    scanned = scan(Person(), now, seed, seed + 1)
    tell(0.4)
    earlier = scan(Person(breath=4.0, nodule_diameter=6.1, contrast=0.93), then, seed, seed + 2)
    tell(0.7)
    files: list[str] = []
    images = _write_ct(current, scanned, target, "current", 2, files)
    old_images = _write_ct(prior, earlier, target, "prior", 2, files)
    scout = _topogram(current, scanned)
    files.append(_name(save(scout, target, "current/topogram.dcm"), target))
    tell(0.85)
    nodule, old_nodule = measure_nodule(scanned), measure_nodule(earlier)
    seg = segmentation(current, images, scanned)
    files.append(_name(save(seg, target, "current/ai-segmentation.dcm"), target))
    document = report(current, images, seg, nodule)
    files.append(_name(save(document, target, "current/ai-report.dcm"), target))
    tell(1.0)
    return Manifest(
        folder=str(target),
        patient_id=str(images[0].PatientID),
        patient_name=str(images[0].PatientName),
        current_study_uid=current.uid("study"),
        prior_study_uid=prior.uid("study"),
        current_series_uid=str(images[0].SeriesInstanceUID),
        prior_series_uid=str(old_images[0].SeriesInstanceUID),
        topogram_series_uid=str(scout.SeriesInstanceUID),
        segmentation_uid=str(seg.SOPInstanceUID),
        report_uid=str(document.SOPInstanceUID),
        nodule_centre=_in_patient(images[0], scanned, nodule),
        nodule_image_uid=str(images[nodule.slice_index].SOPInstanceUID),
        nodule_diameter_mm=nodule.diameter_mm,
        nodule_volume_mm3=nodule.volume_mm3,
        prior_nodule_diameter_mm=old_nodule.diameter_mm,
        prior_nodule_centre=_in_patient(old_images[0], earlier, old_nodule),
        files=files,
    )


def _position(visit: Visit, scanned: Scan, z: float) -> tuple[float, float, float]:
    """Return Image Position (Patient) of a slice at height `z` of the drawn chest."""
    protocol = scanned.protocol
    half = (protocol.size - 1) / 2.0 * protocol.pixel
    x, y, height = visit.offset
    return (protocol.centre[0] - half + x, protocol.centre[1] - half + y, z + height)


def _write_ct(visit: Visit, scanned: Scan, folder: Path, place: str, number: int, files: list[str]) -> list[Dataset]:
    images = []
    protocol = scanned.protocol
    for index, z in enumerate(protocol.heights()):
        image = ct_image(
            visit,
            "chest",
            number,
            scanned.hounsfield[index],
            _position(visit, scanned, float(z)),
            (1, 0, 0, 0, 1, 0),
            protocol.pixel,
            protocol.spacing,
            index + 1,
        )
        files.append(_name(save(image, folder, f"{place}/ct/{index + 1:04d}.dcm"), folder))
        images.append(image)
    return images


def _topogram(visit: Visit, scanned: Scan) -> Dataset:
    pixels, pixel = topogram(scanned)
    left, _top, head = _position(visit, scanned, float(scanned.protocol.heights()[0]))
    position = (left, visit.offset[1] + scanned.protocol.centre[1], head)
    return ct_image(visit, "topogram", 1, pixels, position, (1, 0, 0, 0, 0, -1), pixel, 1.0, 1, localizer=True)


def _in_patient(first: Dataset, scanned: Scan, nodule: NoduleMeasure) -> tuple[float, float, float]:
    """Return the centre of the nodule in mm (the axes of the slices are those of the patient)."""
    x, y, z = (float(part) for part in first.ImagePositionPatient)
    column, row, index = nodule.centre
    pixel, spacing = scanned.protocol.pixel, scanned.protocol.spacing
    return (x + column * pixel, y + row * pixel, z - index * spacing)


def _name(path: Path, folder: Path) -> str:
    return path.relative_to(folder).as_posix()
