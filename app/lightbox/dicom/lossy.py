"""Lossy compression (PS3.3 C.7.6.1.1.5): a viewer has to say when pixels are not those that were acquired."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from lightbox.dicom import values

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

_LOSSY_SYNTAXES = {
    "1.2.840.10008.1.2.4.50": "JPEG",
    "1.2.840.10008.1.2.4.51": "JPEG",
    "1.2.840.10008.1.2.4.53": "JPEG",
    "1.2.840.10008.1.2.4.55": "JPEG",
    "1.2.840.10008.1.2.4.81": "JPEG-LS near lossless",
    "1.2.840.10008.1.2.4.91": "JPEG 2000",
    "1.2.840.10008.1.2.4.93": "JPEG 2000",
    "1.2.840.10008.1.2.4.203": "HTJ2K",
    "1.2.840.10008.1.2.4.112": "JPEG XL",
}
# These syntaxes can hold either; without the attribute nothing is claimed.
_EITHER = frozenset(
    {"1.2.840.10008.1.2.4.91", "1.2.840.10008.1.2.4.93", "1.2.840.10008.1.2.4.203", "1.2.840.10008.1.2.4.112"}
)
_METHODS = {
    "ISO_10918_1": "JPEG",
    "ISO_14495_1": "JPEG-LS near lossless",
    "ISO_15444_1": "JPEG 2000",
    "ISO_15444_15": "HTJ2K",
    "ISO_18181_1": "JPEG XL",
    "ISO_13818_2": "MPEG-2",
    "ISO_14496_10": "H.264",
    "ISO_23008_2": "H.265",
}


@dataclass(frozen=True, slots=True)
class Lossy:
    """That an image was compressed with loss: by which methods, and how strongly in all (0 when unknown)."""

    methods: tuple[str, ...]
    ratio: float

    def text(self) -> str:
        """Return the mark to show: "Lossy JPEG 15:1"."""
        ratio = f" {self.ratio:g}:1" if self.ratio > 1 else ""
        return " ".join(["Lossy", *dict.fromkeys(self.methods)]) + ratio


def of(ds: Dataset, transfer_syntax_uid: str = "") -> Lossy | None:
    """Return what is known of lossy compression, or None when there was none.

    Once lossy stays lossy: Lossy Image Compression (0028,2110) counts even in a lossless transfer syntax,
    and a lossy transfer syntax counts even when the attribute denies it.
    """
    said = values.text(ds, "LossyImageCompression") == "01"
    syntax = _LOSSY_SYNTAXES.get(transfer_syntax_uid)
    if not said and (syntax is None or transfer_syntax_uid in _EITHER):
        return None
    methods = [_METHODS.get(name, name) for name in values.texts(ds, "LossyImageCompressionMethod") if name]
    if not methods and syntax is not None:
        methods = [syntax]
    ratio = 1.0
    for factor in values.numbers(ds, "LossyImageCompressionRatio"):
        ratio *= factor if factor > 1 else 1.0
    return Lossy(tuple(methods), round(ratio, 1) if ratio > 1 else 0.0)
