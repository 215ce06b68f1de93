"""What every command shares: the workstation, and how to speak to people and to programs."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import click

from lightbox.core.jobs import PROGRESS_INTERVAL_S
from lightbox.workstation import Workstation

GuiStarter = Callable[[Path | None], int]
DemoStarter = Callable[[Path | None, Path, bool], int]


@dataclass
class Context:
    """State of one run of the command line."""

    home: Path | None = None
    gui: GuiStarter | None = None
    demo: DemoStarter | None = None
    exit_code: int = 0
    _opened: list[Workstation] = field(default_factory=list)

    @cached_property
    def workstation(self) -> Workstation:
        """The workstation, opened on first use."""
        workstation = Workstation(self.home)
        self._opened.append(workstation)
        return workstation

    def close(self) -> None:
        """Close what was opened."""
        for workstation in self._opened:
            workstation.close()


pass_context = click.make_pass_decorator(Context)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON to standard output.")


def print_json(value: object) -> None:
    """Print `value` as JSON."""
    click.echo(json.dumps(value, indent=2, ensure_ascii=False))


def say(text: str) -> None:
    """Print a line for a person on standard error."""
    click.echo(text, err=True)


def print_table(rows: Iterable[Mapping[str, Any]], columns: Mapping[str, str]) -> None:
    """Print rows as a table with aligned columns; `columns` maps keys to headings."""
    texts = [[_cell(row.get(key)) for key in columns] for row in rows]
    widths = [
        max(len(heading), *(len(line[index]) for line in texts)) if texts else len(heading)
        for index, heading in enumerate(columns.values())
    ]
    for line in [list(columns.values()), *texts]:
        click.echo("  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip())


def _cell(value: Any) -> str:
    if value is None:
        return ""
    if isinstance(value, list | tuple):
        return ",".join(str(item) for item in value)
    return str(value)


class ProgressLine:
    """One line of progress on standard error, only when a person looks at a terminal."""

    def __init__(self, unit: str) -> None:
        self._unit = unit
        self._last = 0.0
        self._shown = False
        self._active = sys.stderr.isatty()

    def __call__(self, done: int, total: int = 0, message: str = "") -> None:
        """Show progress, at most ten times a second."""
        import time

        if not self._active:
            return
        moment = time.monotonic()
        if moment - self._last < PROGRESS_INTERVAL_S and done != total:
            return
        self._last = moment
        self._shown = True
        amount = f"{done:,} of {total:,}" if total else f"{done:,}"
        click.echo(f"\r\x1b[K{amount} {self._unit} {message}", err=True, nl=False)

    def end(self) -> None:
        """Clear the line."""
        if self._shown:
            click.echo("\r\x1b[K", err=True, nl=False)
