"""Import speed: index only against a bare pydicom header read, and a durable copying import against ``cp -r`` and sync.

Both sides run in turn on the same files, in this process tree, with warm caches; medians are compared.

    python tests/bench/bench_import.py [--files 2000] [--matrix 256] [--rounds 5]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Callable
from pathlib import Path

LINK_LIMIT = 5.0
COPY_LIMIT = 0.4


def make_series(folder: Path, files: int, matrix: int) -> None:
    """Write CT-like objects with an ordinary header: about 100 elements, sequences, private blocks."""
    import numpy as np
    from pydicom.dataset import Dataset, FileMetaDataset
    from pydicom.sequence import Sequence
    from pydicom.uid import CTImageStorage, ExplicitVRLittleEndian, generate_uid

    study, frame = generate_uid(), generate_uid()
    pixels = np.random.default_rng(1).integers(0, 4096, (matrix, matrix), dtype=np.int16)
    for series_number in range(1, max(1, files // 500) + 1):
        series = generate_uid()
        for number in range(1, files // max(1, files // 500) + 1):
            ds = Dataset()
            ds.SpecificCharacterSet = "ISO_IR 100"
            ds.ImageType = ["ORIGINAL", "PRIMARY", "AXIAL", "CT_SOM5 SPI"]
            ds.SOPClassUID = CTImageStorage
            ds.SOPInstanceUID = generate_uid()
            for keyword in ("StudyDate", "SeriesDate", "AcquisitionDate", "ContentDate"):
                setattr(ds, keyword, "20260131")
            for keyword in ("StudyTime", "SeriesTime", "AcquisitionTime", "ContentTime"):
                setattr(ds, keyword, "101112.123")
            ds.AccessionNumber = "A12345678"
            ds.Modality = "CT"
            ds.Manufacturer = "SIEMENS"
            ds.InstitutionName = "Krankenhaus Nord"
            ds.ReferringPhysicianName = "Weiß^Jürgen"
            ds.StationName = "CT01"
            ds.StudyDescription = "CT Thorax mit KM"
            ds.SeriesDescription = "Thorax 1.0 B31f"
            ds.ManufacturerModelName = "Sensation 64"
            item = Dataset()
            item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = CTImageStorage, generate_uid()
            ds.ReferencedImageSequence = Sequence([item])
            ds.PatientName, ds.PatientID, ds.IssuerOfPatientID = "Müller^Anna", "PID-0001", "NORD"
            ds.PatientBirthDate, ds.PatientSex, ds.PatientAge = "19600102", "F", "066Y"
            ds.PatientWeight = "71"
            ds.BodyPartExamined = "CHEST"
            ds.SliceThickness, ds.KVP, ds.DataCollectionDiameter = "1", "120", "500"
            ds.ProtocolName, ds.ReconstructionDiameter = "ThoraxRoutine", "380"
            ds.DistanceSourceToDetector, ds.DistanceSourceToPatient, ds.GantryDetectorTilt = "1040", "570", "0"
            ds.TableHeight, ds.RotationDirection, ds.ExposureTime, ds.XRayTubeCurrent = "150", "CW", "500", "200"
            ds.Exposure, ds.FilterType, ds.GeneratorPower, ds.FocalSpots = "100", "0", "24", "1.2"
            ds.ConvolutionKernel, ds.PatientPosition = "B31f", "HFS"
            ds.StudyInstanceUID, ds.SeriesInstanceUID, ds.StudyID = study, series, "1"
            ds.SeriesNumber, ds.AcquisitionNumber, ds.InstanceNumber = series_number, 1, number
            ds.ImagePositionPatient = [-190.0, -190.0, float(number)]
            ds.ImageOrientationPatient = [1, 0, 0, 0, 1, 0]
            ds.FrameOfReferenceUID, ds.PositionReferenceIndicator = frame, ""
            ds.SliceLocation, ds.SamplesPerPixel, ds.PhotometricInterpretation = float(number), 1, "MONOCHROME2"
            ds.Rows = ds.Columns = matrix
            ds.PixelSpacing = [0.7421875, 0.7421875]
            ds.BitsAllocated, ds.BitsStored, ds.HighBit, ds.PixelRepresentation = 16, 12, 11, 1
            ds.WindowCenter, ds.WindowWidth = ["40", "-600"], ["400", "1200"]
            ds.RescaleIntercept, ds.RescaleSlope, ds.RescaleType = "-1024", "1", "HU"
            ds.PerformingPhysicianName, ds.OperatorsName, ds.NameOfPhysiciansReadingStudy = "Arzt^A", "MTA^B", "Arzt^C"
            ds.InstitutionAddress, ds.InstitutionalDepartmentName = "Nordweg 1, Nordstadt", "Radiologie"
            ds.DeviceSerialNumber, ds.SoftwareVersions, ds.DateOfLastCalibration = "12345", "syngo CT 2011A", "20260101"
            ds.TimeOfLastCalibration, ds.ContrastBolusAgent, ds.ContrastBolusVolume = "070000", "Kontrast", "80"
            ds.SingleCollimationWidth, ds.TotalCollimationWidth, ds.SpiralPitchFactor = 0.6, 19.2, 1.2
            ds.CTDIvol, ds.EstimatedDoseSaving, ds.ExposureModulationType = 7.5, 20.0, "XYZ_EC"
            ds.SmallestImagePixelValue, ds.LargestImagePixelValue, ds.WindowCenterWidthExplanation = 0, 4095, "WINDOW1"
            ds.RequestingPhysician, ds.RequestedProcedureDescription = "Weiß^Jürgen", "CT Thorax"
            ds.PerformedProcedureStepStartDate, ds.PerformedProcedureStepStartTime = "20260131", "101112"
            ds.PerformedProcedureStepID, ds.PerformedProcedureStepDescription = "P1", "CT Thorax mit KM"
            step = Dataset()
            step.ScheduledProcedureStepDescription, step.ScheduledProcedureStepID = "CT Thorax", "S1"
            ds.RequestAttributesSequence = Sequence([step])
            for group in (0x0009, 0x0019, 0x0029):
                block = ds.private_block(group, "LIGHTBOX BENCH", create=True)
                block.add_new(0x10, "OB", bytes(1024))
            ds.PixelData = np.roll(pixels, number).tobytes()
            ds.file_meta = FileMetaDataset()
            ds.file_meta.TransferSyntaxUID = ExplicitVRLittleEndian
            path = folder / f"S{series_number:03d}" / f"IM{number:05d}.dcm"
            path.parent.mkdir(exist_ok=True)
            ds.save_as(path, enforce_file_format=True)


def read_headers(folder: Path) -> int:
    """Read every header with pydicom, nothing else."""
    from pydicom import dcmread

    count = 0
    for root, _, names in os.walk(folder):
        for name in names:
            dcmread(os.path.join(root, name), stop_before_pixels=True)  # noqa: PTH118
            count += 1
    return count


def import_into(home: Path, folder: Path, *, link: bool) -> int:
    """Import into a fresh library; every object must be taken."""
    from lightbox.library.library import Library

    home.mkdir()
    with Library.open(home) as library:
        return library.import_paths([folder], link=link).added


def copy_and_sync(source: Path, target: Path) -> None:
    """Copy a folder as a shell would, and make it durable."""
    subprocess.run(["cp", "-r", str(source), str(target)], check=True)
    subprocess.run(["sync"], check=True)


def timed(work: Callable[[], object]) -> float:
    """Return how many seconds `work` takes."""
    started = time.perf_counter()
    work()
    return time.perf_counter() - started


def main() -> int:
    """Measure, print the table, return 0 when every limit holds."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=2000)
    parser.add_argument("--matrix", type=int, default=256)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--folder", type=Path, default=None, help="where to work (default: a temporary folder)")
    options = parser.parse_args()
    warnings.simplefilter("ignore")
    work = Path(tempfile.mkdtemp(prefix="bench-import-", dir=options.folder))
    try:
        data = work / "data"
        data.mkdir()
        make_series(data, options.files, options.matrix)
        size = sum(path.stat().st_size for path in data.rglob("*") if path.is_file()) / 1e6
        files = read_headers(data)
        subprocess.run(["sync"], check=True)
        times: dict[str, list[float]] = {"pydicom": [], "link": [], "cp": [], "import": []}
        for number in range(options.rounds):
            times["pydicom"].append(timed(lambda: read_headers(data)))
            home = work / f"link-{number}"
            times["link"].append(timed(lambda home=home: check(import_into(home, data, link=True), files)))
            copy = work / f"copy-{number}"
            times["cp"].append(timed(lambda copy=copy: copy_and_sync(data, copy)))
            shutil.rmtree(copy)
            stored = work / f"stored-{number}"
            times["import"].append(timed(lambda stored=stored: check(import_into(stored, data, link=False), files)))
            shutil.rmtree(home)
            shutil.rmtree(stored)
            subprocess.run(["sync"], check=True)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    medians = {name: statistics.median(values) for name, values in times.items()}
    print(f"{files} files of {options.matrix} x {options.matrix}, {size:.0f} MB, median of {options.rounds} rounds")
    rows = [
        ("pydicom header read / import --link", medians["pydicom"], medians["link"], LINK_LIMIT),
        ("cp -r and sync / import", medians["cp"], medians["import"], COPY_LIMIT),
    ]
    print(f"{'what':40s} {'base s':>8s} {'ours s':>8s} {'ratio':>7s} {'limit':>7s} holds")
    good = True
    for name, base, ours, limit in rows:
        ratio = base / ours
        good = good and ratio >= limit
        print(f"{name:40s} {base:8.3f} {ours:8.3f} {ratio:7.2f} {limit:7.2f} {'yes' if ratio >= limit else 'no'}")
    return 0 if good else 1


def check(added: int, expected: int) -> None:
    """Refuse to time an import that lost something."""
    if added != expected:
        raise SystemExit(f"{added} of {expected} objects were added")


if __name__ == "__main__":
    sys.exit(main())
