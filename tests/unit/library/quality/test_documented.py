"""The page about quality names every code with its severity, and no other."""

from __future__ import annotations

import re
from pathlib import Path

from lightbox.library.quality.codes import CODES

PAGE = Path(__file__).parents[4] / "docs" / "quality.md"
SOURCE = Path(__file__).parents[4] / "app" / "lightbox" / "library" / "quality"


def test_every_code_is_documented() -> None:
    rows = re.findall(r"^\| `([a-z0-9.-]+)` \| (\w+) \| (.+) \|$", PAGE.read_text(encoding="utf-8"), re.M)
    assert {code: (severity, title) for code, severity, title in rows} == {
        code: (entry.severity.value, entry.title) for code, entry in CODES.items()
    }


def test_every_code_is_used() -> None:
    text = "".join(path.read_text(encoding="utf-8") for path in SOURCE.glob("*.py") if path.name != "codes.py")
    built = {"type1", "type1c", "type2", "type2c"}
    unused = [code for code in CODES if f'"{code}"' not in text and code.split(".")[0] not in built]
    assert unused == []
