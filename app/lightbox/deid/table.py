"""PS3.15 Table E.1-1 as data, compiled into one action per tag for the options of a profile and an IOD."""

from __future__ import annotations

import hashlib
import json
from dataclasses import dataclass, replace
from enum import Enum
from functools import cache
from typing import Any

from lightbox.core import resources
from lightbox.deid.profile import Option, Profile


class Action(Enum):
    """What happens to an attribute (PS3.15 Table E.1-1a)."""

    REMOVE = "X"
    EMPTY = "Z"
    DUMMY = "D"
    MAP_UID = "U"
    KEEP = "K"
    CLEAN = "C"
    PSEUDONYM = "P"
    """A dummy that is the same for equal values and different for others (allowed wherever Z or D is)."""


@dataclass(frozen=True, slots=True)
class Row:
    """One attribute: ``basic`` as printed in the table, ``options`` by column."""

    tag: int
    keyword: str
    vr: str
    basic: str
    options: dict[Option, str]
    edition: str


@dataclass(frozen=True, slots=True)
class Rule:
    """The action for one attribute and where it comes from (``E.1-1 X/Z type 3``, ``E.1-1 CleanDescriptors``).

    ``fallback`` is the action for a value of which cleaning leaves nothing.
    """

    action: Action
    source: str
    keyword: str = ""
    fallback: Action = Action.EMPTY


PSEUDONYM_TAGS = {0x00100010: 0, 0x00100020: 0, 0x00080050: 16, 0x00200010: 12}
"""Attributes that get a pseudonym instead of an empty value: tag -> length of the code (0: the patient's pseudonym)."""

MASK_CURVE = "curve"
MASK_OVERLAY = "overlay"


class Table:
    """The table with the project's additional rows.

    Attributes
    ----------
    edition : str
        Edition of the standard.
    digest : str
        SHA-256 over all rule files.
    rows : dict of int to Row
        Rows with a plain tag. Masks (curves, overlays, private groups) are rules of the engine.
    """

    def __init__(self, table: bytes, additional: bytes, types: bytes) -> None:
        self.digest = hashlib.sha256(table + b"\0" + additional + b"\0" + types).hexdigest()
        content = json.loads(table)
        self.edition: str = content["edition"]
        self.rows: dict[int, Row] = {}
        self.masks: dict[str, Row] = {}
        for entry in content["rows"]:
            self._add(entry, entry["edition"])
        own = json.loads(additional)
        for entry in own["rows"]:
            self._add(entry, "project")
        for entry in own["overrides"]:
            row = self.rows[int(entry["tag"], 16)]
            self.rows[row.tag] = replace(row, basic=entry["basic"])
        resolution = json.loads(types)
        self._iod_of: dict[str, str] = resolution["sop_classes"]
        self._types: dict[str, dict[tuple[int, ...], str]] = {
            iod: {tuple(int(tag, 16) for tag in path.split("/")): kind for path, kind in paths.items()}
            for iod, paths in resolution["iods"].items()
        }

    def _add(self, entry: dict[str, Any], edition: str) -> None:
        options = {Option(name): action for name, action in entry["options"].items()}
        text = entry["tag"]
        plain = "x" not in text and text != "odd"
        row = Row(
            int(text, 16) if plain else -1, entry["keyword"], entry.get("vr") or "", entry["basic"], options, edition
        )
        if plain:
            self.rows[row.tag] = row
        else:
            self.masks[text] = row

    def iod(self, sop_class: str) -> str | None:
        """Return the name of the IOD of a SOP class, or None when its types are not known."""
        return self._iod_of.get(sop_class)

    def type_of(self, sop_class: str, path: tuple[int, ...]) -> str | None:
        """Return the type (1, 1C, 2, 2C, 3) of an attribute with a compound action.

        Parameters
        ----------
        sop_class : str
            SOP Class UID.
        path : tuple of int
            Tags of the sequences around the attribute, and its own.

        Returns
        -------
        str or None
            None when the IOD is not known, or when the attribute stands in a sequence where the IOD does not list it.
        """
        iod = self._iod_of.get(sop_class)
        if iod is None or iod not in self._types:
            return None
        found = self._types[iod].get(path)
        return found or ("3" if len(path) == 1 else None)

    def compile(self, profile: Profile, sop_class: str) -> Rules:
        """Return the rules for objects of one SOP class under one profile."""
        return Rules(self, profile, sop_class)


class Rules:
    """Rules for one profile and SOP class; compound actions are resolved by attribute type.

    Attributes
    ----------
    root : dict of int to Rule
        Rules for top-level attributes.
    """

    def __init__(self, table: Table, profile: Profile, sop_class: str) -> None:
        self._table = table
        self._profile = profile
        self._sop_class = sop_class
        self._nested: dict[int, Rule | None] = {}
        self._paths: dict[tuple[int, ...], Rule] = {}
        self.known_iod = table.iod(sop_class) is not None
        self.root = {tag: self._resolve(row, (tag,)) for tag, row in table.rows.items()}

    def rule(self, tag: int, path: tuple[int, ...]) -> Rule | None:
        """Return the rule for `tag` inside the sequences `path`, or None when the table has no row for it."""
        if not path:
            return self.root.get(tag)
        row = self._table.rows.get(tag)
        if row is None:
            return None
        if "/" not in row.basic:
            return self.root[tag]
        key = (*path, tag)
        found = self._paths.get(key)
        if found is None:
            found = self._paths[key] = self._resolve(row, key)
        return found

    def _resolve(self, row: Row, path: tuple[int, ...]) -> Rule:
        source = "project" if row.edition == "project" else "E.1-1"
        kind = self._table.type_of(self._sop_class, path) if "/" in row.basic and "U" not in row.basic else None
        plain = Action.MAP_UID if "U" in row.basic else resolve(row.basic, kind)
        chosen = [(option, row.options[option]) for option in row.options if self._profile.has(option)]
        for wanted, action in (
            ("C", Action.CLEAN),
            ("K", Action.KEEP),
        ):  # cleaning beats keeping, both beat the basic action
            for option, column in chosen:
                if column == wanted:
                    return Rule(action, f"{source} {option.value}", row.keyword, plain)
        if row.tag in PSEUDONYM_TAGS:
            return Rule(Action.PSEUDONYM, f"{source} {row.basic}", row.keyword)
        if "/" not in row.basic or "U" in row.basic:
            # X/Z/U*: references stay, with new UIDs, since what refers to what is no identifier
            return Rule(plain, f"{source} {row.basic}", row.keyword, plain)
        return Rule(plain, f"{source} {row.basic} type {kind or 'unknown'}", row.keyword, plain)


def resolve(compound: str, kind: str | None) -> Action:
    """Return the action that a compound one means for an attribute of type `kind`; unknown counts as type 1."""
    choices = set(compound.split("/"))
    if kind == "3":
        order = "XZD"
    elif kind in ("2", "2C"):
        order = "ZDX"
    else:
        order = "DZX"
    return Action(next(letter for letter in order if letter in choices))


@cache
def table() -> Table:
    """Return the table of this version of Lightbox."""
    read = resources.read_bytes
    return Table(read("deid/e1-1.json"), read("deid/additional.json"), read("deid/types.json"))
