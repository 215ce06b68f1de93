"""Attributes of type 1, 1C, 2 and 2C that are missing or empty, at the top level, in items and in functional groups."""

from __future__ import annotations

from typing import TYPE_CHECKING

from lightbox.library.quality import iod as tables
from lightbox.library.quality.conditions import GROUPS
from lightbox.library.quality.elements import DamagedSequence, has_value, items, place, vr_of
from lightbox.library.quality.model import Change, Severity
from lightbox.library.quality.subject import Subject
from lightbox.library.quality.uids import IDENTITY

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.library.quality.report import Path, Report

MODALITY = 0x00080060
SHARED, PER_FRAME, NUMBER_OF_FRAMES = 0x52009229, 0x52009230, 0x00280008
# Missing ones have codes of their own; the pixel data is looked at where it lies.
_ELSEWHERE = frozenset({*IDENTITY, MODALITY, 0x7FE00008, 0x7FE00009, 0x7FE00010})
_CODE_MEANING, _SCHEME = 0x00080104, 0x00080102
_CODES = (0x00080100, 0x00080119, 0x00080120)
_DEPTH = 8
_ASK = "Have the origin set it; a system that checks the object will refuse it"


def check_types(report: Report, subject: Subject) -> None:
    """Check an object against the rules of its IOD; one of an unknown SOP Class has no rules."""
    iod = tables.iod_of(subject.sop_class_uid)
    if not iod:
        return
    rules = tables.rules_of(iod)
    there = subject.ds._dict
    done: set[int] = set()
    for rule in rules.rules:
        tag = rule.tag
        if tag in done or tag in _ELSEWHERE:
            continue
        if rule.module_condition is not None and not rule.module_condition(subject):
            continue
        if tag in there:
            if rule.kind in ("1", "1C") and not has_value(subject.ds, tag):
                holds = rule.decidable and (rule.condition is None or rule.condition(subject))
                tell_empty(report, tag, rule.kind, rule.module, (), needed=holds)
            done.add(tag)
            continue
        if not rule.decidable or (rule.condition is not None and not rule.condition(subject)):
            continue
        tell_missing(report, tag, rule.kind, rule.module, ())
        done.add(tag)
    for tag, number in rules.sequences.items():
        if tag in there:
            _check_items(report, subject.ds, tag, number, ())
    if rules.groups:
        _check_groups(report, subject, rules)


def tell_missing(report: Report, tag: int, kind: str, module: str, path: Path) -> None:
    """Tell that an attribute is missing."""
    code = {"1": "type1", "1C": "type1c", "2": "type2", "2C": "type2c"}[kind]
    expected = f"type {kind}" + (f" in the module {module}" if module else "")
    if kind.startswith("2"):
        vr = vr_of(tag).split(" or ")[0]
        change = Change(tag, vr, "") if kind == "2" and not path else None
        repair = "Add it without a value, or with the value where it is known"
        report.add(f"{code}.missing", tag, "missing", expected, repair, path=path, change=change)
    else:
        report.add(f"{code}.missing", tag, "missing", expected + ", a value", _ASK, path=path)


def tell_empty(report: Report, tag: int, kind: str, module: str, path: Path, *, needed: bool = True) -> None:
    """Tell that an attribute of type 1 or 1C has no value; one that was not needed may be absent, but not empty."""
    expected = f"a value: type {kind}" + (f" in the module {module}" if module else "")
    repair = _ASK if kind == "1" else "Set the value, or remove the attribute where it is not needed"
    code, severity = "type1.empty" if kind == "1" else "type1c.empty", None if needed else Severity.WARNING
    report.add(code, tag, "empty", expected, repair, path=path, severity=severity)


def _check_items(report: Report, ds: Dataset, tag: int, number: int, path: Path) -> None:
    if len(path) >= _DEPTH:
        return
    try:
        found = items(ds, tag)
    except DamagedSequence:
        return  # told by the walk over the values
    rules = tables.item_rules(number)
    for position, item in enumerate(found, 1):
        here = (*path, (tag, position))
        there = item._dict
        for rule in rules:
            if rule.kind != "3":
                if rule.tag not in there:
                    tell_missing(report, rule.tag, rule.kind, "", here)
                elif rule.kind == "1" and not has_value(item, rule.tag):
                    tell_empty(report, rule.tag, rule.kind, "", here)
                if rule.tag == _CODE_MEANING:
                    check_code(report, item, here)
            if rule.items >= 0 and rule.tag in there:
                _check_items(report, item, rule.tag, rule.items, here)


def check_code(report: Report, item: Dataset, path: Path) -> None:
    """Check that a code has its value in one of three attributes, and its scheme with the first two (PS3.3 8.8)."""
    present = [tag for tag in _CODES if has_value(item, tag)]
    if not present:
        report.add("type1c.missing", _CODES[0], "missing", "the value of the code", _ASK, path=path)
    elif present[0] != _CODES[2] and not has_value(item, _SCHEME):
        report.add("type1c.missing", _SCHEME, "missing", "the scheme of the code", _ASK, path=path)


def _check_groups(report: Report, subject: Subject, rules: tables.IodRules) -> None:
    """Check that each demanded functional group is among the shared ones or in every frame's (PS3.3 C.7.6.16)."""
    try:
        shared, frames = items(subject.ds, SHARED), items(subject.ds, PER_FRAME)
    except DamagedSequence:
        return
    if SHARED not in subject.ds._dict and PER_FRAME not in subject.ds._dict:
        return  # the sequences themselves are missing, which has been told
    if frames and len(frames) != subject.frames:
        report.add(
            "group.frames",
            PER_FRAME,
            f"{len(frames)} items",
            f"one item for each of {subject.frames} frames",
            "Have the origin write the object anew",
        )
    common = shared[0]._dict if shared else {}
    for tag, condition in rules.groups.items():
        if tag in common or not GROUPS[condition](subject):
            continue
        lacking = [number for number, item in enumerate(frames, 1) if tag not in item._dict]
        if frames and not lacking:
            continue
        found = "missing"
        if frames:
            found += f" in {len(lacking)} of {len(frames)} frames, first in frame {lacking[0]}"
        report.add(
            "group.missing",
            tag,
            found,
            f"the functional group of the IOD {rules.iod}",
            _ASK,
            where=f"{place(SHARED)} or {place(PER_FRAME)} > {place(tag)}",
        )
