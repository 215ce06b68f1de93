"""Volumes as NIfTI-1 files, true values and RAS millimetres."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import LightboxError, UsageError
from lightbox.imaging.volume import Volume

LPS_TO_RAS = np.diag([-1.0, -1.0, 1.0, 1.0])
"""DICOM counts mm to the patient's left, back and head, NIfTI to the right, front and head."""
SCANNER_ANAT = 1


def ras_affine(volume: Volume) -> NDArray[np.float64]:
    """Return the 4x4 matrix from (i, j, k, 1) to RAS mm."""
    return LPS_TO_RAS @ volume.affine


def write(volume: Volume, path: Path | str) -> None:
    """Write a volume as NIfTI-1.

    Voxels keep their order (i along rows, j down columns, k from slice to slice) and their true values: int16, or
    float32 where values are not whole numbers; there is no scaling in the file. The sform holds the exact matrix; the
    qform, which cannot express a shear, is left out for volumes with gantry tilt. Nothing about the patient is written.

    Parameters
    ----------
    volume : Volume
    path : Path or str
        Ends in ``.nii`` or ``.nii.gz``. Written beside its place first, then renamed: there is never half a file.

    Raises
    ------
    UsageError
        The name ends in neither.
    LightboxError
        The file cannot be written.
    """
    import nibabel

    path = Path(path)
    suffix = next((end for end in (".nii.gz", ".nii") if path.name.lower().endswith(end)), None)
    if suffix is None:
        raise UsageError("A NIfTI file ends in .nii or .nii.gz", where=str(path))
    affine = ras_affine(volume)
    image = nibabel.Nifti1Image(volume.voxels.transpose(2, 1, 0), affine, dtype=volume.voxels.dtype)
    image.set_sform(affine, code=SCANNER_ANAT)
    if volume.is_sheared:
        image.header["qform_code"] = 0
    else:
        image.set_qform(affine, code=SCANNER_ANAT)
    image.header.set_xyzt_units("mm", "sec")
    temporary = path.with_name(f".{os.getpid()}-{path.name}")
    try:
        nibabel.save(image, temporary)
        temporary.replace(path)
    except OSError as error:
        temporary.unlink(missing_ok=True)
        raise LightboxError("The NIfTI file cannot be written", where=str(path), why=str(error)) from error
