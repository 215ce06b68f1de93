"""Study, series and instance records made from DICOM files with pydicom alone, independent of the library."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import pydicom
from pydicom.dataset import Dataset
from pydicom.errors import InvalidDicomError

from lightbox.library.records import InstanceRecord, SeriesRecord, StudyRecord


def numbers(ds: Dataset, keyword: str, count: int) -> Any:
    try:
        value = ds.get(keyword)
        found = tuple(float(item) for item in value) if value else ()
    except (TypeError, ValueError):
        return None
    return found if len(found) == count else None


def number(ds: Dataset, keyword: str, kind: Callable[[Any], Any]) -> Any:
    try:
        value = ds.get(keyword)
        return None if value in (None, "") else kind(value)
    except (TypeError, ValueError):
        return None


def instance_record(ds: Dataset, path: str = "") -> InstanceRecord:
    image_type = ds.get("ImageType") or ()
    return InstanceRecord(
        sop_instance_uid=str(ds.get("SOPInstanceUID", path)),
        sop_class_uid=str(ds.get("SOPClassUID", "")),
        series_instance_uid=str(ds.get("SeriesInstanceUID", "")),
        study_instance_uid=str(ds.get("StudyInstanceUID", "")),
        transfer_syntax_uid=str(getattr(ds, "file_meta", {}).get("TransferSyntaxUID", "")),
        instance_number=number(ds, "InstanceNumber", int),
        rows=number(ds, "Rows", int),
        columns=number(ds, "Columns", int),
        number_of_frames=number(ds, "NumberOfFrames", int) or 1,
        image_position=numbers(ds, "ImagePositionPatient", 3),
        image_orientation=numbers(ds, "ImageOrientationPatient", 6),
        pixel_spacing=numbers(ds, "PixelSpacing", 2),
        slice_thickness=number(ds, "SliceThickness", float),
        frame_of_reference_uid=str(ds.get("FrameOfReferenceUID", "") or ""),
        image_type=(image_type,) if isinstance(image_type, str) else tuple(str(item) for item in image_type),
        acquisition_number=number(ds, "AcquisitionNumber", int),
        echo_time=number(ds, "EchoTime", float),
        content_time=str(ds.get("ContentTime", "") or ""),
    )


@dataclass
class Scanned:
    """What a folder holds, as records, with a way to open each object; `opened` counts the openings."""

    paths: dict[str, Path] = field(default_factory=dict)
    studies: dict[str, StudyRecord] = field(default_factory=dict)
    series: dict[str, SeriesRecord] = field(default_factory=dict)
    instances: list[InstanceRecord] = field(default_factory=list)
    opened: int = 0

    def open_object(self, sop_instance_uid: str) -> BinaryIO:
        self.opened += 1
        return self.paths[sop_instance_uid].open("rb")

    def build_all(self) -> list[Any]:
        from lightbox.viewer.display_sets import build

        found: list[Any] = []
        for uid, study in self.studies.items():
            series = [entry for entry in self.series.values() if entry.study_instance_uid == uid]
            found.extend(build(study, series, self.instances, self.open_object))
        return found


def scan(paths: Iterable[Path]) -> Scanned:
    found = Scanned()
    for path in sorted(paths):
        if not path.is_file():
            continue
        try:
            ds = pydicom.dcmread(path, stop_before_pixels=True)
        except (InvalidDicomError, OSError, EOFError):
            continue
        if "SOPInstanceUID" not in ds or "SeriesInstanceUID" not in ds:
            continue
        record = instance_record(ds, str(path))
        if record.sop_instance_uid in found.paths:
            continue
        found.paths[record.sop_instance_uid] = path
        found.studies.setdefault(record.study_instance_uid, StudyRecord(record.study_instance_uid))
        found.series.setdefault(
            record.series_instance_uid,
            SeriesRecord(
                record.series_instance_uid,
                record.study_instance_uid,
                modality=str(ds.get("Modality", "") or ""),
                series_number=number(ds, "SeriesNumber", int),
                series_description=str(ds.get("SeriesDescription", "") or ""),
            ),
        )
        found.instances.append(record)
    return found


def scan_folder(folder: Path) -> Scanned:
    return scan(folder.rglob("*"))
