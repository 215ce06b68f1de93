"""The four corners of a viewport: who and what, which image, how it is shown, how far its numbers can be trusted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np

from lightbox.dicom import dates, person_name
from lightbox.viewer import window

if TYPE_CHECKING:
    from lightbox.dicom.image_plane import ImagePlane
    from lightbox.dicom.voi import Voi
    from lightbox.library.records import StudyRecord


@dataclass(frozen=True, slots=True)
class Corners:
    """Lines of text, most important first in the upper corners and last in the lower ones.

    ``banner`` is a warning above the upper left corner: that this is a prior.
    """

    top_left: tuple[str, ...] = ()
    top_right: tuple[str, ...] = ()
    bottom_left: tuple[str, ...] = ()
    bottom_right: tuple[str, ...] = ()
    banner: str = ""


def _joined(*parts: str, by: str = " · ") -> str:
    return by.join(part for part in parts if part)


def patient_lines(study: StudyRecord) -> tuple[str, ...]:
    """Return name, "ID 1234 · 1961-04-12 F", and what was examined when."""
    identity = f"ID {study.patient_id}" if study.patient_id else "no patient ID"
    born = dates.format_da(study.patient_birth_date) if study.patient_birth_date.strip("0 ") else ""
    when = _joined(
        dates.format_da(study.study_date) if study.study_date else "",
        dates.format_tm(study.study_time)[:5] if study.study_time else "",
        by=" ",
    )
    return (
        person_name.display(study.patient_name) or "no patient name",
        _joined(identity, _joined(born, study.patient_sex, by=" ")),
        _joined(study.study_description, when),
    )


def prior_line(prior: StudyRecord, current: StudyRecord | None) -> str:
    """Return "PRIOR · 2025-05-03 · 18 months earlier"."""
    when = dates.format_da(prior.study_date) if prior.study_date else "no date"
    there = dates.parse_da(prior.study_date)
    here = dates.parse_da(current.study_date) if current is not None else None
    if there is None or here is None:
        return _joined("PRIOR", when)
    days = (here - there).days
    if days < 60:
        apart = f"{days} day{'s' if days != 1 else ''} earlier"
    elif days < 730:
        apart = f"{int(days / 30.44)} months earlier"
    else:
        apart = f"{int(days / 365.25)} years earlier"
    return _joined("PRIOR", when, apart)


def position_text(plane: ImagePlane | None) -> str:
    """Return where the middle of the slice lies along the axis it is most perpendicular to: "z −142.0 mm"."""
    if plane is None:
        return ""
    axis = int(np.argmax(np.abs(plane.normal)))
    middle = plane.to_patient((plane.columns - 1) / 2, (plane.rows - 1) / 2)
    value = f"{float(middle[axis]):.1f}".replace("-", "−")
    return f"{'xyz'[axis]} {value} mm"


def series_lines(title: str, index: int, count: int, plane: ImagePlane | None) -> tuple[str, ...]:
    """Return the title of the display set, then "Im 55 / 98 · z −142.0 mm"."""
    image = f"Im {index + 1} / {count}" if count else ""
    return title, _joined(image, position_text(plane))


def window_line(voi: Voi | None, scale: float, *, invert: bool = False) -> str:
    """Return "W 400 · L 40 · zoom 1.02×"."""
    return _joined(window.describe(voi), "inverted" if invert else "", f"zoom {scale:.2f}×")


def value_line(value: str, pixel: tuple[int, int] | None) -> str:
    """Return "−38 HU at (214, 301)" (column, row; 0-based), empty outside the image."""
    return f"{value} at ({pixel[0]}, {pixel[1]})" if pixel is not None and value else ""


def trust_line(lossy: str, calibration: str) -> str:
    """Return "Lossless · calibrated in mm"; `lossy` is empty for an image that never lost anything."""
    return _joined(lossy or "Lossless", calibration)
