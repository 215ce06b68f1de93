"""Coded concepts (PS3.3 8.8) in the form that findings need: comparable across old and new coding schemes."""

from __future__ import annotations

from dataclasses import dataclass

from pydicom.dataset import Dataset

from lightbox.findings.tolerant import items, text

# SNOMED-RT style identifiers that older objects use for the concepts that are looked up by code (PS3.16 Annex L).
_SRT_TO_SCT = {
    "G-C0E3": "363698007",
    "G-C171": "272741003",
    "G-A1F8": "106233006",
    "G-A100": "24028007",
    "G-A101": "7771000",
    "G-A102": "51440002",
    "R-41531": "24028007",
    "R-40EFB": "261665006",
    "G-D705": "118565006",
    "G-A22A": "410668003",
    "G-A166": "42798000",
    "M-54000": "6574001",
    "M-01000": "49755003",
    "T-D0050": "85756007",
    "G-C036": "370129005",
}


@dataclass(frozen=True)
class Code:
    """One code: value, coding scheme designator and meaning."""

    value: str
    scheme: str
    meaning: str = ""

    @property
    def key(self) -> tuple[str, str]:
        """(value, scheme) with old SNOMED designators brought to ``SCT`` where the concept is known."""
        if self.scheme in ("SRT", "SNM3", "99SDM"):
            mapped = _SRT_TO_SCT.get(self.value)
            return (mapped, "SCT") if mapped else (self.value, "SRT")
        return (self.value, self.scheme)

    def __str__(self) -> str:
        return self.meaning or self.value


def code_of(item: Dataset) -> Code | None:
    """Return the code held by a code sequence item, or None when it holds neither code nor meaning."""
    value = text(item, 0x00080100) or text(item, 0x00080119) or text(item, 0x00080120)
    meaning = text(item, 0x00080104)
    if not value and not meaning:
        return None
    return Code(value, text(item, 0x00080102), meaning)


def first_code(dataset: Dataset, tag: int) -> Code | None:
    """Return the first code of a code sequence of `dataset`, or None."""
    for item in items(dataset, tag):
        return code_of(item)
    return None


def all_codes(dataset: Dataset, tag: int) -> tuple[Code, ...]:
    """Return every code of a code sequence of `dataset`."""
    return tuple(code for code in map(code_of, items(dataset, tag)) if code is not None)
