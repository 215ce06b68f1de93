"""Write ``e1-1.json`` and ``types.json`` from machine-readable copies of PS3.15 and PS3.3.

Usage: ``python build_table.py FOLDER``, where FOLDER holds ``ps315_table_e1-1.json`` (Table E.1-1 of one edition),
``ps315_table_2026c_additions.json`` (rows that a later edition added) and ``ps315_type_resolution.json`` (attribute
types per IOD and path of the attributes whose action is compound). What changed against the present files is printed.
"""

from __future__ import annotations

import json
import re
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).resolve().parent
ACTIONS = {"X", "Z", "D", "U", "K", "C", "X/Z", "X/D", "Z/D", "X/Z/D", "X/Z/U*"}
PRIVATE_MASK = "odd"


def tag_text(attribute: dict[str, Any]) -> str:
    """Return eight hexadecimal digits, with ``x`` where the table has a mask, or ``odd`` for all private groups."""
    text = attribute["hex"].lower()
    if re.fullmatch(r"[0-9a-f]{8}", text):
        return text
    if re.fullmatch(r"[56]0xx([0-9a-f]{4}|xxxx)", text):
        return text
    if "odd" in text:
        return PRIVATE_MASK
    raise ValueError(f"unexpected tag: {attribute['tag']}")


def guess_vr(name: str) -> str | None:
    """Return the VR that the name of a new attribute tells, or None."""
    if name.endswith("Sequence"):
        return "SQ"
    if name.endswith("DateTime"):
        return "DT"
    return None


def rows(source: dict[str, Any], edition: str) -> list[dict[str, Any]]:
    """Return the rows of one source file in the project's form."""
    out = []
    for attribute in source["attributes"]:
        actions = {attribute["basic"], *attribute["options"].values()}
        if not actions <= ACTIONS:
            raise ValueError(f"unexpected action in {attribute['tag']}: {actions - ACTIONS}")
        row: dict[str, Any] = {
            "tag": tag_text(attribute),
            "keyword": attribute.get("keyword") or re.sub(r"[^A-Za-z0-9]", "", attribute["name"]),
            "vr": attribute.get("vr") or guess_vr(attribute["name"]),
            "basic": attribute["basic"],
            "options": dict(sorted(attribute["options"].items())),
            "edition": edition,
        }
        if attribute.get("options_unknown"):
            row["options_unknown"] = True
        out.append(row)
    return out


def types(source: dict[str, Any], tags: dict[str, str]) -> dict[str, Any]:
    """Return SOP class -> IOD and, per IOD, path of tags -> type; type 3 is left out (the same as absent)."""
    from pydicom.datadict import tag_for_keyword

    def tag(keyword: str) -> str:
        number = tag_for_keyword(keyword)
        return tags[keyword] if number is None else f"{number:08x}"

    iods = {}
    for iod, paths in sorted(source["types"].items()):
        kept = {
            "/".join(tag(keyword) for keyword in path.split("/")): kind for path, kind in paths.items() if kind != "3"
        }
        iods[iod] = dict(sorted(kept.items()))
    return {"sop_classes": dict(sorted(source["sop_class_iod"].items())), "iods": iods}


def difference(old: list[dict[str, Any]], new: list[dict[str, Any]]) -> list[str]:
    """Return one line per row that was added, removed or changed."""
    before, after = ({row["tag"]: row for row in table} for table in (old, new))
    lines = [f"+ {tag} {after[tag]['keyword']}" for tag in sorted(after.keys() - before.keys())]
    lines += [f"- {tag} {before[tag]['keyword']}" for tag in sorted(before.keys() - after.keys())]
    lines += [
        f"* {tag} {after[tag]['keyword']}" for tag in sorted(after.keys() & before.keys()) if after[tag] != before[tag]
    ]
    return lines


def main(folder: Path) -> None:
    """Build both files."""
    base = json.loads((folder / "ps315_table_e1-1.json").read_text(encoding="utf-8"))
    additions = json.loads((folder / "ps315_table_2026c_additions.json").read_text(encoding="utf-8"))
    table = rows(base, "2024e") + rows(additions, "2026c")
    table.sort(key=lambda row: row["tag"])
    if len({row["tag"] for row in table}) != len(table):
        raise ValueError("a tag occurs twice")
    target = HERE / "e1-1.json"
    old = json.loads(target.read_text(encoding="utf-8"))["rows"] if target.exists() else []
    head = {
        "title": "DICOM PS3.15 Table E.1-1, Application Level Confidentiality Profile Attributes",
        "edition": "2024e with the rows added up to 2026c",
        "sources": [base["source"], additions["source"]],
        "note": "options_unknown: the option columns are not known; the basic action is used under any option",
    }
    lines = ",\n".join(json.dumps(row, ensure_ascii=False) for row in table)
    text = json.dumps(head, indent=1, ensure_ascii=False)[:-2] + ',\n "rows": [\n' + lines + "\n ]\n}\n"
    target.write_text(text, encoding="utf-8")
    resolution = json.loads((folder / "ps315_type_resolution.json").read_text(encoding="utf-8"))
    found = types(resolution, {row["keyword"]: row["tag"] for row in table})
    found = {"source": resolution["source"], **found}
    (HERE / "types.json").write_text(json.dumps(found, indent=0, separators=(",", ":")) + "\n", encoding="utf-8")
    print(f"{len(table)} rows, {len(found['iods'])} IODs, {sum(map(len, found['iods'].values()))} types")  # noqa: T201
    for line in difference(old, table):
        print(line)  # noqa: T201


if __name__ == "__main__":
    main(Path(sys.argv[1]))
