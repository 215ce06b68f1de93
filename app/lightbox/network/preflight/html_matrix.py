"""The matrix of the HTML report: SOP class x transfer syntax, one sign a cell."""

from __future__ import annotations

from html import escape

from lightbox.network.preflight import services, vocabulary
from lightbox.network.preflight.report import Report
from lightbox.network.preflight.verdicts import (
    ACCEPTED_BUT_UNDECLARED,
    BLOCKED,
    DECLARED_BUT_REFUSED,
    LOSSY_ONLY,
    OK,
    ROLE_REFUSED,
    TRANSCODE,
    UNTESTED,
    Row,
)

_SIGNS = {
    BLOCKED: ("✕", "v-bad"),
    LOSSY_ONLY: ("≈", "v-bad"),
    DECLARED_BUT_REFUSED: ("!", "v-bad"),
    ROLE_REFUSED: ("⊘", "v-bad"),
    UNTESTED: ("?", "v-warn"),
    TRANSCODE: ("⇄", "v-warn"),
    ACCEPTED_BUT_UNDECLARED: ("+", "v-warn"),
    OK: ("✓", "v-ok"),
}
_FREE = ("○", "v-free")
_REFUSED = ("·", "v-none")
_HEADINGS = {
    "scp": "What it takes and serves",
    "scu": "What it sends to us <small>on our own association (C-GET)</small>",
}


def section(report: Report, role: str) -> str:
    """Return the matrix for one role of the peer; "" when there is nothing to show."""
    rows = [row for row in report.rows if row.pair.role == role]
    if not rows:
        return ""
    if role == "scu" and all(row.verdict == UNTESTED for row in rows):
        why = next((row.advice for row in rows if row.advice), "")
        return f"<h2>{_HEADINGS[role]}</h2><p class='soft'>Untested. {escape(why)}</p>"
    by_class: dict[str, dict[str, Row]] = {}
    for row in rows:
        by_class.setdefault(row.pair.sop_class, {})[row.pair.transfer_syntax] = row
    columns = sorted({row.pair.transfer_syntax for row in rows}, key=lambda uid: (vocabulary.order(uid), uid))
    used = {uid for uid, cells in by_class.items() if any(row.needed or row.declared for row in cells.values())}
    taken = {uid for uid, cells in by_class.items() if any(row.observed.state == "accepted" for row in cells.values())}
    names = sorted(by_class, key=lambda uid: (uid not in services.BY_CLASS, vocabulary.class_name(uid).casefold()))
    names.sort(key=lambda uid: (uid in services.BY_CLASS, not any(row.needed for row in by_class[uid].values())))
    shown = [uid for uid in names if uid in used]
    more = [uid for uid in names if uid in taken and uid not in used]
    rest = [uid for uid in names if uid not in used and uid not in taken]
    text = f"<h2>{_HEADINGS[role]}</h2>"
    if shown:
        text += _table(shown, by_class, _worth(columns, shown, by_class)) + _legend()
    if more:
        text += (
            f"<details><summary>{_classes(len(more))} accepted, but neither needed nor declared</summary>"
            f"{_table(more, by_class, columns)}{'' if shown else _legend()}</details>"
        )
    if rest:
        listed = ", ".join(escape(vocabulary.class_name(uid)) for uid in rest)
        text += (
            f"<details><summary>{_classes(len(rest))} refused in every encoding, and neither needed nor"
            f" declared</summary><p class='soft'>{listed}</p></details>"
        )
    return text


def _worth(columns: list[str], names: list[str], by_class: dict[str, dict[str, Row]]) -> list[str]:
    """Return the columns that tell something of `names`: video encodings only where one is needed or declared."""
    cells = [row for name in names for row in by_class[name].values()]
    wanted = {row.pair.transfer_syntax for row in cells if row.needed or row.declared}
    probed = {row.pair.transfer_syntax for row in cells}
    return [uid for uid in columns if uid in wanted or (uid in probed and vocabulary.family(uid) != "video")]


def _table(names: list[str], by_class: dict[str, dict[str, Row]], columns: list[str]) -> str:
    families = [vocabulary.family(uid) for uid in columns]
    firsts = [number == 0 or families[number] != families[number - 1] for number in range(len(columns))]
    head = "<th></th>"
    number = 0
    while number < len(columns):
        width = sum(1 for other in families[number:] if other == families[number])
        title = families[number] if width > 1 else ""
        head += f"<th class='family' colspan='{width}' title='{families[number]}'>{title}</th>"
        number += width
    turned = "".join(
        f"<th class='turned{' first' if first else ''}'><span title='{escape(vocabulary.full(uid), quote=True)}'>"
        f"{escape(vocabulary.short(uid))}</span></th>"
        for uid, first in zip(columns, firsts, strict=True)
    )
    body = "".join(_line(uid, by_class[uid], columns, firsts) for uid in names)
    return (
        f"<div class='scroll'><table class='matrix'><thead><tr>{head}</tr><tr><th></th>{turned}</tr></thead>"
        f"<tbody>{body}</tbody></table></div>"
    )


def _line(sop_class: str, cells: dict[str, Row], columns: list[str], firsts: list[bool]) -> str:
    held = sum(row.count for row in cells.values())
    count = f"<small>{held:,} here</small>" if held else ""
    text = f"<tr><th scope='row' title='{escape(sop_class)}'>{escape(_name(sop_class))}{count}</th>"
    for uid, first in zip(columns, firsts, strict=True):
        row = cells.get(uid)
        edge = " first" if first else ""
        if row is None:
            text += f"<td class='{edge.strip()}'></td>"
            continue
        sign, kind = _sign(row)
        needed = " needed" if row.needed else ""
        words = f"{vocabulary.class_name(sop_class)}, {vocabulary.short(uid)}: {row.observed.state}"
        words += f", {row.verdict}" if row.verdict != OK or row.needed or row.declared else ""
        words += f". {row.reason}" if row.reason else ""
        text += f"<td class='{kind}{needed}{edge}' title='{escape(words, quote=True)}'>{sign}</td>"
    return text + "</tr>"


def _classes(count: int) -> str:
    return "One more SOP class is" if count == 1 else f"{count} more SOP classes are"


def _name(sop_class: str) -> str:
    service = services.BY_CLASS.get(sop_class)
    return service.name if service is not None else vocabulary.class_name(sop_class)


def _sign(row: Row) -> tuple[str, str]:
    if row.verdict == OK and row.observed.state == "refused":
        return _REFUSED
    if row.verdict == ACCEPTED_BUT_UNDECLARED and row.advice.startswith("Accepted, not needed"):
        return _FREE
    return _SIGNS[row.verdict]


def _legend() -> str:
    entries = (
        ("✓", "accepted, as needed or declared"),
        ("⇄", "refused, converted without loss"),
        ("≈", "only lossy encodings accepted"),
        ("✕", "blocked"),
        ("!", "declared but refused"),
        ("+", "accepted but undeclared"),
        ("○", "accepted, not needed"),
        ("·", "refused, not needed"),
        ("⊘", "role refused"),
        ("?", "untested"),
        ("▢", "framed: needed"),
    )
    items = "".join(f"<li><b>{sign}</b> {escape(words)}</li>" for sign, words in entries)
    return f"<ul class='legend'>{items}</ul>"
