"""Image instances made by code: any bits, sign, photometric interpretation, tables, geometry and transfer syntax."""

from __future__ import annotations

import io
import zlib
from collections.abc import Sequence
from copy import deepcopy
from typing import Any

import numpy as np
from numpy.typing import NDArray
from pydicom.dataset import Dataset, FileMetaDataset
from pydicom.encaps import encapsulate
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset, write_file_meta_info
from pydicom.uid import (
    CTImageStorage,
    EnhancedMRImageStorage,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    SecondaryCaptureImageStorage,
    generate_uid,
)

DEFLATED = "1.2.840.10008.1.2.1.99"
HEAD_FIRST_AXIAL = (1.0, 0.0, 0.0, 0.0, 1.0, 0.0)


def make_image(
    pixels: NDArray[Any] | None = None,
    *,
    bits_allocated: int | None = None,
    bits_stored: int | None = None,
    high_bit: int | None = None,
    signed: bool | None = None,
    photometric: str = "MONOCHROME2",
    planar: int = 0,
    frames: int | None = None,
    rescale: tuple[float, float] | None = None,
    rescale_type: str | None = None,
    windows: Sequence[tuple[float, float]] = (),
    window_explanations: Sequence[str] = (),
    voi_function: str | None = None,
    modality_lut: tuple[int, Sequence[int], int] | None = None,
    voi_luts: Sequence[tuple[int, Sequence[int], int]] = (),
    padding: int | None = None,
    padding_limit: int | None = None,
    palette: tuple[int, NDArray[Any], int] | None = None,
    modality: str = "CT",
    position: Sequence[float] | None = None,
    orientation: Sequence[float] = HEAD_FIRST_AXIAL,
    spacing: Sequence[float] | None = None,
    **attributes: Any,
) -> Dataset:
    """Return an image.

    `pixels` is (rows, columns), (frames, rows, columns) or, for colour, (..., 3), holding STORED values that are
    written as they are (shifted to `high_bit`, masked to the bits stored). Tables are (first input value, entries, bits
    of an entry); `palette` is (first, (n, 3) entries, bits). Any other attribute is given by its keyword.
    """
    if pixels is None:
        pixels = np.arange(48, dtype=np.uint16).reshape(6, 8)
    pixels = np.asarray(pixels)
    samples = 3 if photometric in ("RGB", "YBR_FULL", "YBR_FULL_422", "YBR_RCT", "YBR_ICT") else 1
    signed = pixels.dtype.kind == "i" if signed is None else signed
    is_float = pixels.dtype.kind == "f"
    allocated = bits_allocated or pixels.dtype.itemsize * 8
    stored = bits_stored or allocated
    high = stored - 1 if high_bit is None else high_bit
    grid = pixels.ndim - (1 if samples == 3 else 0)
    stack = pixels if grid == 3 else pixels[None]
    ds = Dataset()
    ds.SOPClassUID = CTImageStorage if modality == "CT" else SecondaryCaptureImageStorage
    ds.SOPInstanceUID = generate_uid()
    ds.StudyInstanceUID, ds.SeriesInstanceUID = generate_uid(), generate_uid()
    ds.Modality = modality
    ds.PatientName, ds.PatientID = "Phantom^Test", "T-1"
    ds.Rows, ds.Columns = stack.shape[1:3]
    ds.SamplesPerPixel = samples
    ds.PhotometricInterpretation = photometric
    if samples == 3:
        ds.PlanarConfiguration = planar
    if frames is not None or len(stack) > 1:
        ds.NumberOfFrames = frames or len(stack)
    ds.BitsAllocated = allocated
    if not is_float:
        ds.BitsStored, ds.HighBit, ds.PixelRepresentation = stored, high, int(signed)
    if rescale is not None:
        ds.RescaleSlope, ds.RescaleIntercept = rescale
    if rescale_type is not None:
        ds.RescaleType = rescale_type
    if windows:
        ds.WindowCenter = [center for center, _ in windows]
        ds.WindowWidth = [width for _, width in windows]
    if window_explanations:
        ds.WindowCenterWidthExplanation = list(window_explanations)
    if voi_function:
        ds.VOILUTFunction = voi_function
    if modality_lut:
        ds.ModalityLUTSequence = [lut_item(*modality_lut)]
        ds.ModalityLUTSequence[0].ModalityLUTType = "US"
    if voi_luts:
        ds.VOILUTSequence = [lut_item(*table) for table in voi_luts]
    if padding is not None:
        _add(ds, "PixelPaddingValue", padding)
    if padding_limit is not None:
        _add(ds, "PixelPaddingRangeLimit", padding_limit)
    if palette:
        _add_palette(ds, *palette)
    if position is not None:
        ds.FrameOfReferenceUID = generate_uid()
        ds.ImagePositionPatient, ds.ImageOrientationPatient = list(position), list(orientation)
    if spacing is not None:
        ds.PixelSpacing = list(spacing)
    for keyword, value in attributes.items():
        setattr(ds, keyword, value)
    if is_float:
        setattr(ds, "FloatPixelData" if allocated == 32 else "DoubleFloatPixelData", stack.tobytes())
    else:
        ds.PixelData = pack(stack, allocated, stored, high, planar=planar if samples == 3 else 0)
        ds["PixelData"].VR = "OB" if allocated <= 8 else "OW"
    return ds


def make_enhanced(
    pixels: NDArray[Any], *, shared: Dataset | None = None, per_frame: Sequence[Dataset] = (), **options: Any
) -> Dataset:
    """Return an enhanced MR image with functional groups; `shared` and `per_frame` are items of the group sequences."""
    ds = make_image(pixels, modality="MR", **options)
    ds.SOPClassUID = EnhancedMRImageStorage
    ds.NumberOfFrames = len(pixels)
    ds.FrameOfReferenceUID = generate_uid()
    ds.SharedFunctionalGroupsSequence = [shared or Dataset()]
    ds.PerFrameFunctionalGroupsSequence = list(per_frame) or [Dataset() for _ in pixels]
    return ds


def group(**macros: dict[str, Any]) -> Dataset:
    """Return a functional groups item: ``group(PixelMeasuresSequence={"PixelSpacing": [1, 1]})``."""
    item = Dataset()
    for keyword, attributes in macros.items():
        macro = Dataset()
        for name, value in attributes.items():
            setattr(macro, name, value)
        setattr(item, keyword, [macro])
    return item


def pack(stack: NDArray[Any], allocated: int, stored: int, high: int, *, planar: int = 0) -> bytes:
    """Return little endian native pixel data of (frames, rows, columns[, samples]) stored values, of even length."""
    if allocated == 1:
        data = np.packbits(stack.ravel().astype(np.uint8), bitorder="little").tobytes()
    else:
        if planar:
            stack = stack.transpose(0, 3, 1, 2)
        words = (stack.astype(np.int64) & ((1 << stored) - 1)) << (high + 1 - stored)
        data = words.astype(f"<u{allocated // 8}").tobytes()
    return data + b"\0" * (len(data) % 2)


def lut_item(first: int, entries: Sequence[int], bits: int) -> Dataset:
    """Return an item of a LUT sequence whose entries are 16-bit words."""
    item = Dataset()
    item.add_new("LUTDescriptor", "US", [len(entries) & 0xFFFF, first & 0xFFFF, bits])
    item.add_new("LUTData", "OW", np.asarray(entries, "<u2").tobytes())
    item.LUTExplanation = "made by code"
    return item


def _add(ds: Dataset, keyword: str, value: int) -> None:
    ds.add_new(keyword, "SS" if ds.PixelRepresentation else "US", value)


def _add_palette(ds: Dataset, first: int, entries: NDArray[Any], bits: int) -> None:
    for channel, name in enumerate(("Red", "Green", "Blue")):
        column = np.ascontiguousarray(entries[:, channel])
        data = column.astype("<u2" if bits > 8 else np.uint8).tobytes()
        ds.add_new(f"{name}PaletteColorLookupTableDescriptor", "US", [len(column) & 0xFFFF, first & 0xFFFF, bits])
        ds.add_new(f"{name}PaletteColorLookupTableData", "OW", data + b"\0" * (len(data) % 2))


def encode(
    ds: Dataset, frames: Sequence[bytes], syntax: str, *, fragments: int = 1, offset_table: bool = True
) -> Dataset:
    """Return `ds` with its pixel data replaced by encapsulated `frames`; write it with `to_bytes(ds, syntax)`."""
    ds.PixelData = encapsulate(list(frames), fragments_per_frame=fragments, has_bot=offset_table)
    ds["PixelData"].VR = "OB"
    ds["PixelData"].is_undefined_length = True
    return ds


def to_bytes(ds: Dataset, syntax: str = ExplicitVRLittleEndian, *, preamble: bool = True, meta: bool = True) -> bytes:
    """Return the data set as a file. Big endian swaps words; without `meta` only the data set."""
    implicit = syntax == ImplicitVRLittleEndian
    little = syntax != ExplicitVRBigEndian
    copy = deepcopy(ds) if little else _swapped(ds)
    body = DicomBytesIO()
    body.is_little_endian, body.is_implicit_VR = little, implicit
    write_dataset(body, copy)
    data = body.getvalue()
    if not meta:
        return data
    if syntax == DEFLATED:
        engine = zlib.compressobj(wbits=-zlib.MAX_WBITS)
        data = engine.compress(data) + engine.flush()
        data += b"\0" * (len(data) % 2)
    head = FileMetaDataset()
    head.MediaStorageSOPClassUID, head.MediaStorageSOPInstanceUID = ds.SOPClassUID, ds.SOPInstanceUID
    head.TransferSyntaxUID = syntax
    start = DicomBytesIO()
    start.is_little_endian, start.is_implicit_VR = True, False
    write_file_meta_info(start, head)
    return (b"\0" * 128 + b"DICM" if preamble else b"") + start.getvalue() + data


def _swapped(ds: Dataset) -> Dataset:
    """Return a copy whose OW values, and pixel data of more than 8 bits, are big endian."""
    copy = deepcopy(ds)
    allocated = ds.get("BitsAllocated", 16)
    for element in copy.iterall():
        width = 2 if element.VR == "OW" else 0
        if element.keyword == "PixelData" and allocated > 8:
            width = allocated // 8
        if width:
            element.value = np.frombuffer(element.value, f"<u{width}").byteswap().tobytes()
    return copy


def opened(ds: Dataset, syntax: str = ExplicitVRLittleEndian) -> io.BytesIO:
    """Return the data set as an open file."""
    return io.BytesIO(to_bytes(ds, syntax))
