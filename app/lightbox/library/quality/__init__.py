"""The quality gate: what is wrong with a DICOM object, or with the objects of a study, before it is kept or sent.

`check` looks at one object, `check_cohort` at many; both tell every fault with its place, what was found, what was
expected and what to do about it. `apply_repairs` makes the safe repairs on a copy.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from lightbox.library.quality.model import Change, QualityIssue, Severity, StoredIssue, worst_first

if TYPE_CHECKING:
    from lightbox.library.quality.cohort import check_cohort
    from lightbox.library.quality.facts import ObjectFacts, facts_of
    from lightbox.library.quality.gate import Checked, check, examine
    from lightbox.library.quality.repairs import apply_repairs
    from lightbox.library.quality.sending import Doubt, doubts

__all__ = [
    "Change",
    "Checked",
    "Doubt",
    "ObjectFacts",
    "QualityIssue",
    "Severity",
    "StoredIssue",
    "apply_repairs",
    "check",
    "check_cohort",
    "doubts",
    "examine",
    "facts_of",
    "worst_first",
]

# The parts that need pydicom are imported when they are used: the library itself must open without it.
_HOMES = {
    "check": "gate",
    "examine": "gate",
    "Checked": "gate",
    "check_cohort": "cohort",
    "facts_of": "facts",
    "ObjectFacts": "facts",
    "apply_repairs": "repairs",
    "doubts": "sending",
    "Doubt": "sending",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(name)
    import importlib

    return getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
