"""Text and its character set (PS3.3 C.12.1.1.2, PS3.5 6.1): what is declared, and whether the bytes agree."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING

from lightbox.library.quality.elements import element, place
from lightbox.library.quality.model import Change, shown

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.library.quality.report import Path, Report

CHARACTER_SET = 0x00080005
_SINGLE = {
    "": "ascii",
    "ISO_IR 6": "ascii",
    "ISO_IR 100": "iso8859-1",
    "ISO_IR 101": "iso8859-2",
    "ISO_IR 109": "iso8859-3",
    "ISO_IR 110": "iso8859-4",
    "ISO_IR 144": "iso8859-5",
    "ISO_IR 127": "iso8859-6",
    "ISO_IR 126": "iso8859-7",
    "ISO_IR 138": "iso8859-8",
    "ISO_IR 148": "iso8859-9",
    "ISO_IR 203": "iso8859-15",
    "ISO_IR 13": "shift_jis",
    "ISO_IR 166": "tis-620",
}
_MULTI = {"ISO_IR 192": "utf-8", "GB18030": "gb18030", "GBK": "gbk"}
_EXTENSIONS = frozenset(
    f"ISO 2022 IR {number}"
    for number in (6, 13, 58, 87, 100, 101, 109, 110, 126, 127, 138, 144, 148, 149, 159, 166, 203)
)
_EXTENSION = "ISO 2022 IR "
_CODES: dict[str, tuple[bytes, ...]] = {
    "": (b"\x1b(B",),
    "6": (b"\x1b(B",),
    "13": (b"\x1b(J", b"\x1b)I"),
    "58": (b"\x1b$)A",),
    "87": (b"\x1b$B",),
    "100": (b"\x1b-A",),
    "101": (b"\x1b-B",),
    "109": (b"\x1b-C",),
    "110": (b"\x1b-D",),
    "126": (b"\x1b-F",),
    "127": (b"\x1b-G",),
    "138": (b"\x1b-H",),
    "144": (b"\x1b-L",),
    "148": (b"\x1b-M",),
    "149": (b"\x1b$)C",),
    "159": (b"\x1b$(D",),
    "166": (b"\x1b-T",),
    "203": (b"\x1b-b",),
}
"""Escape sequences by the number in the defined term."""
_ESCAPE = re.compile(rb"\x1b[ -/]*[0-~]")
_ESCAPE_TEXT = re.compile(r"\x1b[ -/]*[0-~]")
_UTF8 = "ISO_IR 192"
_C1 = re.compile(rb"[\x80-\x9f]").search
_ALIASES = {"UTF8": _UTF8, "ISO8859": "ISO_IR 100", "ISO88591": "ISO_IR 100", "LATIN1": "ISO_IR 100", "ASCII": ""}
_NAMED = 8


@dataclass(slots=False)
class Declared:
    """The character set that is declared for a data set or an item."""

    terms: tuple[str, ...]

    @cached_property
    def unknown(self) -> list[str]:
        """The terms that the standard does not define."""
        return [term for term in self.terms if term not in _SINGLE and term not in _MULTI and term not in _EXTENSIONS]

    @cached_property
    def is_plain(self) -> bool:
        """Whether nothing beyond ASCII is declared."""
        return all(term in ("", "ISO_IR 6", "ISO 2022 IR 6") for term in self.terms)

    @cached_property
    def single(self) -> str:
        """The Python codec of a declaration without code extensions, else ""."""
        if len(self.terms) != 1:
            return ""
        return _SINGLE.get(self.terms[0]) or _MULTI.get(self.terms[0], "")

    @cached_property
    def _escapes(self) -> frozenset[bytes]:
        """The escape sequences that the declared code extensions permit (PS3.3 C.12.1.1.2)."""
        return frozenset(code for term in (*self.terms, "") for code in _CODES.get(term.removeprefix(_EXTENSION), ()))

    def decode(self, raw: bytes, *, person_name: bool) -> str | None:
        """Return the text, or None when the bytes cannot be decoded."""
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii")
        if self.single and b"\x1b" not in raw:
            if self.single.startswith("iso8859") and _C1(raw):
                return None
            try:
                return raw.decode(self.single)
            except UnicodeDecodeError:
                return None
        return self._decode_extended(raw, person_name)

    def _decode_extended(self, raw: bytes, person_name: bool) -> str | None:
        from pydicom.charset import convert_encodings, decode_bytes

        from lightbox.library.header import quiet_pydicom

        if any(found not in self._escapes for found in _ESCAPE.findall(raw)):
            return None  # it switches to a character set that is not declared
        quiet_pydicom()
        delimiters = {0x0A, 0x0C, 0x0D, 0x09, 0x5C}
        if person_name:
            delimiters |= {0x5E, 0x3D}
        try:
            text = decode_bytes(raw, convert_encodings(list(self.terms)), delimiters)
        except (LookupError, ValueError, AttributeError, TypeError):
            return None
        # pydicom leaves the escape sequences of some code extensions in the text.
        text = _ESCAPE_TEXT.sub("", text)
        return None if "\ufffd" in text or "\x1b" in text else text


def declared_in(ds: Dataset, outer: Declared | None) -> Declared:
    """Return what is declared in a data set or item; an item without a declaration has that of its surroundings."""
    found = element(ds, CHARACTER_SET)
    if found is None and outer is not None:
        return outer
    raw = (
        found.raw.decode("latin-1")
        if found is not None and found.raw is not None
        else (found.text or "")
        if found
        else ""
    )
    terms = tuple(part.strip("\0 ") for part in raw.split("\\"))
    return Declared(terms)


@dataclass(slots=True)
class TextCheck:
    """Looks at all texts of one object, and tells in the end what is wrong with its declaration."""

    report: Report
    undeclared: list[int] = field(default_factory=list)
    undecodable: list[int] = field(default_factory=list)
    hidden: list[int] = field(default_factory=list)
    all_utf8: bool = True

    def text(self, declared: Declared, tag: int, vr: str, raw: bytes, path: Path) -> str | None:
        """Return the decoded text of an element, None when it cannot be decoded."""
        if raw.isascii() and b"\x1b" not in raw:
            return raw.decode("ascii")
        utf8 = _utf8(raw)
        self.all_utf8 = self.all_utf8 and utf8 is not None
        if declared.unknown:
            return utf8
        if declared.is_plain and b"\x1b" not in raw:
            self.undeclared.append(tag)
            return utf8 if utf8 is not None else raw.decode("latin-1")
        text = declared.decode(raw, person_name=vr == "PN")
        if text is None:
            self.undecodable.append(tag)
        elif utf8 is not None and declared.single.startswith("iso8859"):
            self.hidden.append(tag)
            return utf8
        elif declared.single == "utf-8":
            twice = _twice(text)
            if twice is not None:
                self.report.add(
                    "charset.double-encoded",
                    tag,
                    shown(text),
                    shown(twice),
                    f"Write {shown(twice)}",
                    path=path,
                    change=Change(tag, vr, twice),
                )
        return text

    def declaration(self, declared: Declared, path: Path) -> None:
        """Check the terms of a declaration."""
        if not declared.unknown:
            return
        better = [_standard(term) for term in declared.terms]
        good = all(term is not None for term in better)
        proposal = "\\".join(term or "" for term in better)
        self.report.add(
            "charset.unknown-term",
            CHARACTER_SET,
            shown("\\".join(declared.terms)),
            "defined terms such as ISO_IR 100 or ISO_IR 192",
            f"Declare {proposal}" if good else "Declare the character set that the text is in",
            path=path,
            change=Change(CHARACTER_SET, "CS", proposal) if good and proposal else None,
        )

    def finish(self) -> None:
        """Tell what was noticed about the declaration as a whole."""
        utf8 = Change(CHARACTER_SET, "CS", _UTF8) if self.all_utf8 else None
        as_utf8 = "Declare ISO_IR 192: all text is valid UTF-8"
        if self.undeclared:
            self.report.add(
                "charset.undeclared",
                CHARACTER_SET,
                f"no declaration, but text beyond ASCII in {_named(self.undeclared)}",
                "the character set of the text (type 1C)",
                as_utf8 if utf8 else "Declare the character set of the origin, often ISO_IR 100 in Western Europe",
                change=utf8,
            )
        if self.undecodable:
            self.report.add(
                "charset.undecodable",
                CHARACTER_SET,
                f"bytes that the declared character set does not have in {_named(self.undecodable)}",
                "text in the declared character set",
                as_utf8 if utf8 else "Find out the true character set at the origin; the text may have been cut",
                change=utf8,
            )
        if self.hidden:
            self.report.add(
                "charset.utf8-undeclared",
                CHARACTER_SET,
                f"the bytes are UTF-8 in {_named(self.hidden)}",
                "the declared character set, or ISO_IR 192",
                as_utf8 if utf8 else "Declare ISO_IR 192 after looking at the other texts",
                change=utf8,
            )


def _named(tags: list[int]) -> str:
    names = list(dict.fromkeys(place(tag) for tag in tags))
    more = f" and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    return ", ".join(names[:_NAMED]) + more


def _utf8(raw: bytes) -> str | None:
    """Return the text when the bytes hold valid UTF-8 beyond ASCII, else None."""
    if b"\x1b" in raw:
        return None
    try:
        return raw.decode("utf-8")
    except UnicodeDecodeError:
        return None


def _twice(text: str) -> str | None:
    """Return what a text was before it was encoded a second time ("MÃ¼ller" -> "Müller"), None when it was not."""
    for codec in ("latin-1", "cp1252"):
        try:
            once = text.encode(codec).decode("utf-8")
        except (UnicodeEncodeError, UnicodeDecodeError):
            continue
        if once != text and not once.isascii():
            return once
    return None


def _standard(term: str) -> str | None:
    """Return the defined term that a misspelled one means, None when that is not certain."""
    if term in _SINGLE or term in _MULTI or term in _EXTENSIONS:
        return term
    plain = re.sub(r"[^A-Z0-9]", "", term.upper())
    match = re.fullmatch(r"ISO(2022)?IR([0-9]+)", plain)
    if match:
        better = f"ISO 2022 IR {match[2]}" if match[1] else f"ISO_IR {match[2]}"
        return better if better in _SINGLE or better in _MULTI or better in _EXTENSIONS else None
    return _ALIASES.get(plain)
