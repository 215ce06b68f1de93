"""From numpy to QImage without copying; the array is kept alive as long as the picture."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray
from PySide6.QtGui import QImage


def picture(pixels: NDArray[np.uint8]) -> QImage:
    """Return (rows, columns) grey or (rows, columns, 3) RGB as a QImage over the same memory."""
    pixels = np.ascontiguousarray(pixels)
    rows, columns = pixels.shape[:2]
    form = QImage.Format.Format_RGB888 if pixels.ndim == 3 else QImage.Format.Format_Grayscale8
    image = QImage(pixels.data, columns, rows, pixels.strides[0], form)
    image._pixels = pixels  # type: ignore[attr-defined]  # QImage does not own the memory
    return image


def overlay(argb: NDArray[np.uint32]) -> QImage:
    """Return premultiplied 0xAARRGGBB (rows, columns) as a QImage over the same memory."""
    argb = np.ascontiguousarray(argb, dtype=np.uint32)
    rows, columns = argb.shape
    image = QImage(argb.data, columns, rows, argb.strides[0], QImage.Format.Format_ARGB32_Premultiplied)
    image._pixels = argb  # type: ignore[attr-defined]
    return image


def to_rgb(image: QImage) -> NDArray[np.uint8]:
    """Return a QImage as (rows, columns, 3) RGB uint8 in memory of its own."""
    converted = image.convertToFormat(QImage.Format.Format_RGB888)
    rows, columns, stride = converted.height(), converted.width(), converted.bytesPerLine()
    raw = np.frombuffer(converted.constBits(), dtype=np.uint8).reshape(rows, stride)
    return raw[:, : columns * 3].reshape(rows, columns, 3).copy()
