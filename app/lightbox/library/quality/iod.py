"""The rules of one IOD: which attributes its modules demand (PS3.3), compiled from ``resources/iod`` on first use."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from functools import cache
from typing import Any, NamedTuple

from lightbox.core import resources
from lightbox.library.quality.conditions import ATTRIBUTES, MODULES, Condition

_STRENGTH = {"1": 0, "1C": 1, "2": 2, "2C": 3}
_USAGE = {"M": 0, "C": 1, "U": 2}


class Rule(NamedTuple):
    """One demanded attribute at the top level.

    ``condition`` is that of the attribute (types 1C and 2C), ``module_condition`` that of a conditional module; None
    stands for "always". ``decidable`` is False for a 1C or 2C whose condition is prose: then only emptiness counts.
    """

    tag: int
    kind: str
    module: str
    condition: Condition | None
    module_condition: Condition | None
    decidable: bool


class ItemRule(NamedTuple):
    """One attribute inside the items of a sequence."""

    tag: int
    kind: str
    items: int


@dataclass(slots=True)
class IodRules:
    """What an IOD demands.

    Attributes
    ----------
    iod : str
        Its name in the tables.
    rules : list of Rule
        Top level.
    sequences : dict
        Sequence tag -> number of the entry with the rules for its items.
    groups : dict
        Tag of a functional group sequence -> name of its condition.
    modules : frozenset of str
        All modules of the IOD, whatever their usage.
    """

    iod: str
    rules: list[Rule] = field(default_factory=list)
    sequences: dict[int, int] = field(default_factory=dict)
    groups: dict[int, str] = field(default_factory=dict)
    modules: frozenset[str] = frozenset()


@cache
def _tables() -> dict[str, Any]:
    return json.loads(resources.read_text("iod/iods.json"))


@cache
def _groups() -> dict[str, dict[str, str]]:
    return json.loads(resources.read_text("iod/functional_groups.json"))["groups"]


def iod_of(sop_class_uid: str) -> str:
    """Return the IOD of a storage SOP Class, "" when the tables have none."""
    return _tables()["sop_classes"].get(sop_class_uid, "")


@cache
def item_rules(number: int) -> tuple[ItemRule, ...]:
    """Return the rules for the items of a sequence."""
    entries: dict[str, Any] = _tables()["items"][number]
    return tuple(
        ItemRule(int(tag, 16), entry[0], entry[1]) if isinstance(entry, list) else ItemRule(int(tag, 16), entry, -1)
        for tag, entry in entries.items()
    )


@cache
def rules_of(iod: str) -> IodRules:
    """Return the compiled rules of an IOD."""
    from pydicom.datadict import keyword_for_tag, tag_for_keyword

    tables = _tables()
    modules = tables["iods"].get(iod, [])
    compiled = IodRules(iod, modules=frozenset(module for module, _ in modules))
    strongest: dict[int, list[Rule]] = {}
    for module, usage in sorted(modules, key=lambda entry: _USAGE[entry[1]]):
        module_condition = MODULES.get((iod, module)) or MODULES.get(("", module))
        demanded = usage == "M" or (usage == "C" and module_condition is not None)
        for text, entry in tables["modules"].get(module, {}).items():
            tag = int(text, 16)
            kind, number = entry if isinstance(entry, list) else (entry, -1)
            if number >= 0:
                compiled.sequences.setdefault(tag, number)
            if not demanded or kind == "3":
                continue
            keyword = keyword_for_tag(tag)
            condition = ATTRIBUTES.get((module, keyword)) or ATTRIBUTES.get(("", keyword))
            conditional = kind.endswith("C")
            rule = Rule(
                tag,
                kind,
                module,
                condition if conditional else None,
                module_condition if usage == "C" else None,
                not conditional or condition is not None,
            )
            strongest.setdefault(tag, []).append(rule)
    for rules in strongest.values():
        rules.sort(key=lambda rule: _STRENGTH[rule.kind])
        compiled.rules += rules
    for keyword, condition in _groups().get(iod, {}).items():
        tag = tag_for_keyword(keyword)
        if tag is not None:
            compiled.groups[tag] = condition
    return compiled
