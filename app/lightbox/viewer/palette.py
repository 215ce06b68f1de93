"""Colours of findings that bring none of their own, and colours that can be read on a grey image."""

from __future__ import annotations

from collections.abc import Iterable

from lightbox.findings.model import Finding, ResultSet

Rgb = tuple[int, int, int]

PALETTE: tuple[Rgb, ...] = (
    (0xFF, 0xB4, 0x54),  # orange
    (0x4A, 0xA3, 0xFF),  # blue
    (0x3F, 0xB9, 0x7F),  # green
    (0xF2, 0xE1, 0x5C),  # yellow
    (0xEF, 0x64, 0x61),  # red
    (0x4D, 0xD7, 0xE6),  # cyan
    (0xFF, 0x8A, 0xC2),  # pink
)
"""Distinct for the common kinds of colour blindness and on grey. Violet is left out: it means "made by an
algorithm"."""

MIN_LUMINANCE = 0.12
"""Relative luminance under which an outline disappears on a dark image."""

SAME = 48
"""Colours closer than this (sum of the differences of the three channels) are taken for the same."""


def luminance(colour: Rgb) -> float:
    """Return the relative luminance of an sRGB colour (0 black, 1 white)."""
    linear = [(value / 255 / 12.92) if value <= 10 else ((value / 255 + 0.055) / 1.055) ** 2.4 for value in colour]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def is_readable(colour: Rgb) -> bool:
    """Whether an outline of this colour stands out from a grey image: bright enough, and not itself a grey."""
    return luminance(colour) >= MIN_LUMINANCE and max(colour) - min(colour) >= 40


def _same(one: Rgb, other: Rgb) -> bool:
    return sum(abs(a - b) for a, b in zip(one, other)) < SAME


def finding_group(finding: Finding) -> str:
    """Return what shares a colour: the measurement group, or the finding alone."""
    return finding.group_id or finding.finding_id


def assign_colours(result_sets: Iterable[ResultSet]) -> dict[str, Rgb]:
    """Return a colour for every finding, keyed by `Finding.finding_id`.

    The recommended display colour is kept when it is readable on grey and no other finding has it already; all
    others get the palette in order, preferring colours that are still free. The findings of one measurement group
    share a colour.
    """
    findings = [finding for result in result_sets for finding in result.findings]
    groups: dict[str, Rgb] = {}
    for finding in findings:
        group = finding_group(finding)
        colour = finding.colour
        if (
            colour is not None
            and group not in groups
            and is_readable(colour)
            and not any(_same(colour, other) for other in groups.values())
        ):
            groups[group] = colour
    taken = list(groups.values())
    turn = 0
    for finding in findings:
        group = finding_group(finding)
        if group in groups:
            continue
        free = [colour for colour in PALETTE if not any(_same(colour, other) for other in taken)]
        if free:
            colour = free[0]
        else:
            colour = PALETTE[turn % len(PALETTE)]
            turn += 1
        groups[group] = colour
        taken.append(colour)
    return {finding.finding_id: groups[finding_group(finding)] for finding in findings}
