"""Prior values in Original Attributes Sequence (0400,0561) (PS3.3 C.12.1.1.9)."""

from __future__ import annotations

import copy
import re
from datetime import datetime

from pydicom.datadict import dictionary_VR
from pydicom.dataelem import DataElement, RawDataElement
from pydicom.dataset import Dataset
from pydicom.sequence import Sequence
from pydicom.tag import Tag

from lightbox.network.worklist.charset_change import names_of, vr_of

_LONGEST = {"LO": 64, "SH": 16, "CS": 16, "AE": 16, "PN": 64}
_DA = re.compile(rb"\d{4}(0[1-9]|1[0-2])(0[1-9]|[12]\d|3[01])")
_UI = re.compile(rb"[0-9.]{1,64}\x00?")
_CS = re.compile(rb"[A-Z0-9 _]*")


class PriorValues:
    """Collects what is replaced or removed, as the bytes it was.

    Parameters
    ----------
    dataset : Dataset
        As it was read, before any change.
    implicit, little : bool
        Its encoding.
    """

    def __init__(self, dataset: Dataset, implicit: bool, little: bool) -> None:
        self._dataset = dataset
        self._names = names_of(dataset)
        self._encoding = (implicit, little)
        self._kept: dict[int, RawDataElement | DataElement] = {}
        self._nonconforming: dict[int, bytes] = {}

    def keep(self, keyword: str) -> None:
        """Keep the present value of an attribute; absent ones are noted as empty."""
        tag = Tag(keyword)
        if int(tag) in self._kept:
            return
        element = self._dataset.get_item(tag)
        if element is None:
            self._kept[int(tag)] = DataElement(tag, dictionary_VR(tag), None)
        elif isinstance(element, RawDataElement) and isinstance(element.value, bytes) and not conforms(element):
            self._kept[int(tag)] = DataElement(tag, dictionary_VR(tag), None)
            self._nonconforming[int(tag)] = element.value
        else:
            self._kept[int(tag)] = copy.deepcopy(element)

    def keep_context(self, keyword: str) -> None:
        """Keep an attribute that does not change, or is absent, since it says what another one means."""
        self.keep(keyword)

    def item(self, *, system: str, reason: str, origin: str, moment: datetime) -> Dataset:
        """Return the item that describes the modification."""
        modified = Dataset()
        non_ascii = any(
            isinstance(element, RawDataElement) and isinstance(element.value, bytes) and not element.value.isascii()
            for element in self._kept.values()
        )
        if self._names and any(self._names) and (non_ascii or int(Tag("SpecificCharacterSet")) in self._kept):
            modified.SpecificCharacterSet = self._names if len(self._names) > 1 else self._names[0]
        for tag, element in self._kept.items():
            if tag != int(Tag("SpecificCharacterSet")) or not self._names:
                modified[tag] = element
        # Said to be in the encoding that it is in, so that its bytes are written as they are
        modified.set_original_encoding(*self._encoding, modified._character_set)
        item = Dataset()
        item.SourceOfPreviousValues = origin[:64]
        item.AttributeModificationDateTime = f"{moment:%Y%m%d%H%M%S.%f%z}"
        item.ModifyingSystem = system[:64]
        item.ReasonForTheAttributeModification = reason
        item.ModifiedAttributesSequence = Sequence([modified])
        if self._nonconforming:
            item.NonconformingModifiedAttributesSequence = Sequence(
                [_nonconforming(tag, value) for tag, value in self._nonconforming.items()]
            )
        return item


def _nonconforming(tag: int, value: bytes) -> Dataset:
    item = Dataset()
    item.SelectorAttribute = Tag(tag)
    item.SelectorValueNumber = 1
    item.NonconformingDataElementValue = value + b"\x00" * (len(value) % 2)
    return item


def conforms(element: RawDataElement) -> bool:
    """Whether the bytes of an element are a value of its VR, as far as identification is concerned (PS3.5 6.2)."""
    value = element.value
    vr = vr_of(element)
    if not value:
        return True
    assert isinstance(value, bytes)
    stripped = value.rstrip(b" \x00") if vr != "UI" else value
    if vr == "DA":
        return _DA.fullmatch(stripped) is not None
    if vr == "UI":
        return _UI.fullmatch(stripped) is not None
    if vr == "CS" and _CS.fullmatch(stripped) is None:
        return False
    if vr in ("LO", "SH", "CS", "AE") and (b"\\" in stripped or any(byte < 32 and byte != 27 for byte in stripped)):
        return b"\x1b" in stripped or not stripped.isascii()  # a backslash may be half of a letter
    most = _LONGEST.get(vr)
    parts = stripped.split(b"=") if vr == "PN" else [stripped]
    # Letters take up to four bytes
    return most is None or all(len(part) <= (most if part.isascii() else most * 4) for part in parts)
