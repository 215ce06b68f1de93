"""One object, with the attributes that conditions and checks ask for again and again."""

from __future__ import annotations

from functools import cache, cached_property
from typing import TYPE_CHECKING

from lightbox.dicom.sop_classes import Kind, kind
from lightbox.library.quality import elements

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

DIRECTORY = "1.2.840.10008.1.3.10"


class Subject:
    """One object, with the attributes that many conditions ask for.

    Parameters
    ----------
    ds : Dataset
        The data set.
    transfer_syntax_uid : str
        Empty when it is not known.
    has_pixels : bool or None
        None when only a header was given.
    """

    def __init__(self, ds: Dataset, transfer_syntax_uid: str = "", has_pixels: bool | None = None) -> None:
        self.ds = ds
        self.transfer_syntax_uid = transfer_syntax_uid
        self.has_pixels = has_pixels

    def has(self, keyword: str) -> bool:
        """Whether the attribute is there with a value."""
        return elements.has_value(self.ds, _tag(keyword))

    def text(self, keyword: str) -> str:
        """Return the first value of a code or number string."""
        found = elements.values(self.ds, _tag(keyword))
        return found[0] if found else ""

    def texts(self, keyword: str) -> list[str]:
        """Return all values of a code or number string."""
        return elements.values(self.ds, _tag(keyword))

    @cached_property
    def sop_class_uid(self) -> str:
        """SOP Class UID."""
        return elements.text(self.ds, 0x00080016)

    @cached_property
    def image_type(self) -> list[str]:
        """The values of Image Type."""
        return elements.values(self.ds, 0x00080008)

    @cached_property
    def original(self) -> bool:
        """Whether value 1 of Image Type is ORIGINAL or MIXED."""
        return self.image_type[:1] in (["ORIGINAL"], ["MIXED"])

    @cached_property
    def samples(self) -> int:
        """Samples per Pixel."""
        return elements.unsigned(self.ds, 0x00280002) or 1

    @cached_property
    def photometric(self) -> str:
        """Photometric Interpretation."""
        return self.text("PhotometricInterpretation")

    @cached_property
    def frames(self) -> int:
        """Number of Frames, 1 when it is absent."""
        return elements.integer(self.ds, 0x00280008) or 1

    @cached_property
    def is_image(self) -> bool:
        """Whether the object is an image, or carries one."""
        return bool(self.has_pixels) or kind(self.sop_class_uid) in (Kind.IMAGE, Kind.SEG)

    @cached_property
    def is_directory(self) -> bool:
        """Whether the object is a DICOMDIR: a table of contents, of no patient, study or series."""
        media = elements.text(self.ds.file_meta, 0x00020002) if hasattr(self.ds, "file_meta") else ""
        return DIRECTORY in (media, self.sop_class_uid)


@cache
def _tag(keyword: str) -> int:
    from pydicom.datadict import tag_for_keyword

    found = tag_for_keyword(keyword)
    if found is None:
        raise KeyError(keyword)
    return found
