"""Write ``iods.json`` from machine-readable copies of the tables of PS3.3.

Usage: ``python build_tables.py FOLDER``, where FOLDER holds ``sop_class_iod_map.json``, ``iod_module_map.json`` and
``module_attribute_map.json`` as they come with highdicom (generated from the HTML edition of PS3.3). What is written:

- ``sop_classes``: SOP Class UID -> IOD;
- ``iods``: IOD -> list of [module, usage], usage M, C or U;
- ``modules``: module -> tag -> type, or [type, number of an entry of ``items``] for a sequence;
- ``items``: tag -> type (or [type, number]) of what stands inside the items of a sequence.

Types 1, 1C, 2 and 2C are kept at the top level of a data set. Inside items only types 1 and 2 are kept, because the
conditions of 1C and 2C are prose; those that can be decided are in ``lightbox.library.quality.conditions``. Equal items
are written once. The sequences that hold functional groups are left open: which groups an IOD demands stands in
``functional_groups.json``, which is written by hand after the tables of PS3.3 A.
"""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
GROUPS = {"SharedFunctionalGroupsSequence", "PerFrameFunctionalGroupsSequence"}
# Their attributes depend on the value type of each content item: the rules are in the program.
LEFT_OUT = {"sr-document-content"}
# What the flattened tables say wrongly: the attribute stands in a macro that is included on a condition.
WRONG = {
    ("us-region-calibration", "SequenceOfUltrasoundRegions"): "3",
}

Tree = dict[str, Any]


def tree_of(rows: list[dict[str, Any]], module: str) -> Tree:
    """Return the attributes of one module as a tree: keyword -> (type, children)."""
    tree: Tree = {}
    for row in rows:
        level = tree
        for keyword in row["path"]:
            level = level.setdefault(keyword, ["3", {}])[1]
        kind = WRONG.get((module, row["keyword"]), row["type"]) if not row["path"] else row["type"]
        level.setdefault(row["keyword"], ["3", {}])[0] = kind
    return tree


class Items:
    """Numbered entries for the insides of sequences; equal ones share a number."""

    def __init__(self) -> None:
        self.entries: list[Tree] = []
        self._numbers: dict[str, int] = {}

    def number(self, entry: Tree) -> int:
        """Return the number of an entry."""
        key = json.dumps(entry, sort_keys=True)
        if key not in self._numbers:
            self._numbers[key] = len(self.entries)
            self.entries.append(entry)
        return self._numbers[key]


def compact(tree: Tree, items: Items, *, top: bool, group: bool = False) -> Tree:
    """Return the part of a tree that says something, by tag."""
    from pydicom.datadict import tag_for_keyword

    kept: Tree = {}
    for keyword, (kind, children) in tree.items():
        tag = tag_for_keyword(keyword)
        if tag is None:
            continue
        demanded = kind in (("1", "1C", "2", "2C") if top else ("1", "2")) and not group
        inside = compact(children, items, top=False, group=keyword in GROUPS) if children else {}
        if inside:
            kept[f"{tag:08x}"] = [kind if demanded else "3", items.number(inside)]
        elif demanded:
            kept[f"{tag:08x}"] = kind
    return dict(sorted(kept.items()))


def main(folder: Path) -> None:
    """Build the file."""

    def load(name: str) -> Any:
        return json.loads((folder / name).read_text(encoding="utf-8"))

    items = Items()
    attributes = load("module_attribute_map.json")
    iods = {
        iod: [[module["key"], module["usage"]] for module in modules if module["key"] not in LEFT_OUT]
        for iod, modules in sorted(load("iod_module_map.json").items())
    }
    used = {module for modules in iods.values() for module, _ in modules}
    modules = {
        module: compact(tree_of(rows, module), items, top=True)
        for module, rows in sorted(attributes.items())
        if module in used
    }
    result = {
        "source": "PS3.3 as tabulated in highdicom (MIT), 2024 edition",
        "sop_classes": dict(sorted(load("sop_class_iod_map.json").items())),
        "iods": iods,
        "modules": modules,
        "items": items.entries,
    }
    parts = []
    for name, value in result.items():
        if isinstance(value, dict):
            lines = ",\n".join(
                f"{json.dumps(key)}:{json.dumps(entry, separators=(',', ':'))}" for key, entry in value.items()
            )
            parts.append(f'"{name}":{{\n{lines}\n}}')
        elif isinstance(value, list):
            lines = ",\n".join(json.dumps(entry, separators=(",", ":")) for entry in value)
            parts.append(f'"{name}":[\n{lines}\n]')
        else:
            parts.append(f'"{name}":{json.dumps(value)}')
    (HERE / "iods.json").write_text("{\n" + ",\n".join(parts) + "\n}\n", encoding="utf-8")
    counts = {name: len(value) for name, value in result.items() if not isinstance(value, str)}
    print(counts)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
