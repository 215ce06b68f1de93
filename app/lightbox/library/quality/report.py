"""Collects the issues of one object; the same fault in many items of a sequence is told once."""

from __future__ import annotations

from lightbox.library.quality.codes import CODES
from lightbox.library.quality.elements import place
from lightbox.library.quality.model import Change, QualityIssue, Severity

Path = tuple[tuple[int, int], ...]
"""Sequences and item numbers (from 1) from the top of the data set to where an attribute stands."""


class Report:
    """The issues of one object."""

    def __init__(self) -> None:
        self._issues: dict[tuple[str, tuple[int, ...]], tuple[QualityIssue, int]] = {}

    def add(
        self,
        code: str,
        tag: int,
        found: str,
        expected: str,
        repair: str,
        *,
        path: Path = (),
        severity: Severity | None = None,
        change: Change | None = None,
        where: str = "",
    ) -> None:
        """Add an issue of the attribute `tag` in the item that `path` names."""
        key = (code, (*(step for step, _ in path), tag))
        known = self._issues.get(key)
        if known is not None:
            self._issues[key] = (known[0], known[1] + 1)
            return
        steps = [f"{place(step)}[{number}]" for step, number in path]
        text = where or " > ".join([*steps, place(tag)])
        issue = QualityIssue(
            code,
            severity or CODES[code].severity,
            text,
            found,
            expected,
            repair,
            change if not path else None,
        )
        self._issues[key] = (issue, 1)

    def issues(self) -> list[QualityIssue]:
        """Return what was collected, errors first."""
        from dataclasses import replace

        from lightbox.library.quality.model import worst_first

        return worst_first(
            [
                issue if count == 1 else replace(issue, found=f"{issue.found} (and {count - 1} more times)")
                for issue, count in self._issues.values()
            ]
        )
