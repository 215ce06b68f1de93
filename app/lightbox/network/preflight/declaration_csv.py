"""A declaration from a table: CSV, or a table of a conformance statement pasted as text (PS3.2 Annex A)."""

from __future__ import annotations

import csv
import re
from collections.abc import Iterator, Sequence

from lightbox.core.errors import LightboxError, UsageError
from lightbox.network.preflight import vocabulary
from lightbox.network.preflight.pairs import SCP, SCU, Pair, Role

_CLASS_HEADINGS = {
    "sopclass", "sopclassuid", "sopclassname", "sopclasses", "abstractsyntax", "abstractsyntaxuid",
    "abstractsyntaxname", "dicomsopclass", "service", "uid", "object", "storageclass", "iod",
}  # fmt: skip
_SYNTAX_HEADINGS = {
    "transfersyntax", "transfersyntaxes", "transfersyntaxuid", "transfersyntaxuids", "transfersyntaxname",
    "transfersyntaxnamelist", "transfersyntaxuidlist", "dicomtransfersyntax", "syntax", "syntaxes", "ts", "encoding",
}  # fmt: skip
_ROLE_HEADINGS = {"role", "roles", "dicomtransferrole", "peerrole"}
_YES = {"yes", "y", "x", "true", "1", "supported", "✓", "✔"}
_UNCOMPRESSED = (vocabulary.IMPLICIT_LE, vocabulary.EXPLICIT_LE)
_HARD = re.compile(r"[\n\r;|\\•]+")


def read(text: str) -> tuple[list[Pair], list[str]]:
    """Return the pairs of a table, and what could not be read, line by line.

    Columns are found by their headings, or without headings taken as SOP class, transfer syntaxes, role. A cell may
    hold several syntaxes. A row whose SOP class is empty continues the row above, as in tables with merged cells.

    Raises
    ------
    LightboxError
        There is nothing that can be read.
    """
    lines = [[cell.strip() for cell in line] for line in _lines(text)]
    if not any(any(line) for line in lines):
        raise LightboxError("The declaration is empty", todo="Give a table with SOP class and transfer syntaxes")
    columns = _Columns(lines[0])
    pairs: list[Pair] = []
    problems: list[str] = []
    above: str | None = None
    roles_above: tuple[Role, ...] = (SCP,)
    for number, line in enumerate(lines[columns.first :], columns.first + 1):
        if not any(line) or line[0].startswith("#"):
            continue
        try:
            named = _sop_class(columns.classes(line))
            if named is None and above is None:
                raise UsageError("There is no SOP class in this line")
            roles = columns.roles(line) or (roles_above if named is None else (SCP,))
            if named is not None:
                above, roles_above = named, roles
            assert above is not None
            found, unknown = syntaxes(columns.syntaxes(line))
        except UsageError as error:
            problems.append(f"line {number}: {error.sentence()}")
            above = None
            continue
        problems += [f"line {number}: {words}" for words in unknown]
        if not found and not unknown:
            found = [vocabulary.IMPLICIT_LE]
            problems.append(f"line {number}: no transfer syntax is named: only Implicit VR Little Endian is assumed")
        pairs += [Pair(above, syntax, role) for role in roles for syntax in found]
    if not pairs:
        raise LightboxError(
            "Nothing of the declaration can be read",
            why="; ".join(problems[:3]),
            todo="Name the columns SOP class, transfer syntax and role",
        )
    return pairs, problems


def syntaxes(cells: Sequence[str]) -> tuple[list[str], list[str]]:
    """Return the transfer syntaxes named in `cells` (the first that names any counts) and words for what is unknown."""
    unknown: list[str] = []
    for cell in cells:
        found: list[str] = []
        unknown_here: list[str] = []
        for part in [cell] if _single(cell) else _HARD.split(cell):
            names, bad = _names(part.strip())
            found += names
            unknown_here += bad
        if found and not unknown_here:
            return list(dict.fromkeys(found)), []
        unknown = unknown_here if found or not unknown else unknown
        if found:
            return list(dict.fromkeys(found)), unknown_here
    return [], unknown


def _single(text: str) -> bool:
    try:
        vocabulary.syntax_uid(text)
    except UsageError:
        return False
    return len(re.findall(r"\d(?:\.\d+){5,}", text)) < 2


def _names(text: str) -> tuple[list[str], list[str]]:
    """Read one piece: a name that may hold commas, or several names separated by commas or blanks between UIDs."""
    if not text:
        return [], []
    if vocabulary.fold(text) in ("uncompressed", "alluncompressed", "littleendian", "default+explicit"):
        return list(_UNCOMPRESSED), []
    uids = re.findall(r"\b\d(?:\.\d+){5,}\b", text)
    if len(uids) > 1:
        return _each(uids)
    if _single(text):
        return [vocabulary.syntax_uid(text)], []
    parts = [part.strip() for part in re.split(r",(?![^(\[]*[)\]])", text)]
    if len(parts) == 1:
        return _each(parts)
    found: list[str] = []
    unknown: list[str] = []
    start = 0
    while start < len(parts):
        # names hold commas themselves: the longest run of parts that is a name
        for end in range(len(parts), start, -1):
            candidate = ", ".join(parts[start:end])
            if _single(candidate):
                found.append(vocabulary.syntax_uid(candidate))
                start = end
                break
        else:
            more, bad = _each([parts[start]])
            found += more
            unknown += bad
            start += 1
    return found, unknown


def _each(parts: Sequence[str]) -> tuple[list[str], list[str]]:
    found: list[str] = []
    unknown: list[str] = []
    for part in parts:
        try:
            found.append(vocabulary.syntax_uid(part))
        except UsageError as error:
            unknown.append(error.sentence())
    return found, unknown


def _sop_class(cells: Sequence[str]) -> str | None:
    """Return the SOP class of a line: of several columns (name, UID) the first that can be read."""
    failure: UsageError | None = None
    for cell in cells:
        if cell:
            try:
                return vocabulary.sop_class_uid(cell)
            except UsageError as error:
                failure = failure or error
    if failure is not None:
        raise failure
    return None


def _lines(text: str) -> Iterator[list[str]]:
    text = text.lstrip("\ufeff")
    head = next((line for line in text.splitlines() if line.strip()), "")
    delimiter = max("\t;|,", key=head.count)
    if delimiter == "|":  # a table of Markdown or of a pasted page
        for line in text.splitlines():
            cells = line.strip().strip("|").split("|")
            if not all(re.fullmatch(r"\s*:?-{2,}:?\s*", cell) for cell in cells):
                yield cells
        return
    yield from csv.reader(text.splitlines(keepends=True), delimiter=delimiter, skipinitialspace=True)


class _Columns:
    """Which columns hold what, by the headings."""

    def __init__(self, head: Sequence[str]) -> None:
        keys = [re.sub(r"[^a-z0-9]", "", cell.casefold()) for cell in head]
        self._classes = [i for i, key in enumerate(keys) if key in _CLASS_HEADINGS or key.startswith("sopclass")]
        self._syntaxes = [
            i for i, key in enumerate(keys) if key in _SYNTAX_HEADINGS or key.startswith("transfersyntax")
        ]
        self._roles = [i for i, key in enumerate(keys) if key in _ROLE_HEADINGS]
        self._flags: list[tuple[int, Role]] = [(i, key) for i, key in enumerate(keys) if key in (SCP, SCU)]  # type: ignore[misc]
        self.first = 1
        if not self._classes and not self._syntaxes:
            self._classes, self._syntaxes, self._roles, self._flags, self.first = [0], [1], [2], [], 0
        elif not self._classes or not self._syntaxes:
            raise UsageError(
                "The table lacks a column",
                where=", ".join(head),
                todo="Name the columns SOP class, transfer syntax and role",
            )
        # a UID is the surer name
        self._classes.sort(key=lambda i: "uid" not in keys[i] if i < len(keys) else True)
        self._syntaxes.sort(key=lambda i: "uid" not in keys[i] if i < len(keys) else True)

    def classes(self, line: Sequence[str]) -> list[str]:
        return [line[i] for i in self._classes if i < len(line)]

    def syntaxes(self, line: Sequence[str]) -> list[str]:
        return [line[i] for i in self._syntaxes if i < len(line) and line[i]]

    def roles(self, line: Sequence[str]) -> tuple[Role, ...]:
        """Return the roles of the peer in a line; empty when it names none."""
        words = " ".join(line[i] for i in self._roles if i < len(line)).casefold()
        roles: list[Role] = [role for role in (SCP, SCU) if role in words]
        if "both" in words:
            roles = [SCP, SCU]
        roles += [role for i, role in self._flags if i < len(line) and line[i].casefold() in _YES and role not in roles]
        if words.strip() and not roles:
            raise UsageError("This role is not known", where=words, todo="Use SCP, SCU or both: the role of the peer")
        return tuple(roles)
