"""Command ``check``: the quality gate over files, archives, or objects of the library."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import click

from lightbox.cli.context import Context, ProgressLine, json_option, pass_context, print_json, say
from lightbox.core.errors import LightboxError, NotFoundError, Severity

if TYPE_CHECKING:
    from collections.abc import Iterator

    from lightbox.library.quality.model import QualityIssue
    from lightbox.library.quality.targets import Target


@click.command()
@click.argument("targets", nargs=-1, metavar="[TARGET]...")
@click.option(
    "--severity",
    type=click.Choice([severity.value for severity in Severity]),
    default=Severity.INFO.value,
    show_default=True,
    help="The least severity that is shown.",
)
@json_option
@pass_context
def check(context: Context, targets: tuple[str, ...], severity: str, as_json: bool) -> None:
    """Check the quality of TARGETs: files, folders, zip archives, or UIDs of studies, series or objects of the library.

    Without a TARGET the whole library is checked. Each fault is told with its place, what was found, what was expected
    and a proposal. The exit code is 1 when a fault of severity "error" was found. Nothing is changed.
    """
    from lightbox.library.quality import worst_first
    from lightbox.library.quality.targets import check_targets

    line = ProgressLine("objects")
    issues = worst_first(check_targets(_targets(context, targets), progress=line))
    line.end()
    least = list(Severity).index(Severity(severity))
    shown = [issue for issue in issues if list(Severity).index(issue.severity) >= least]
    if as_json:
        print_json([issue.as_dict() for issue in shown])
    else:
        _print(shown)
    errors = sum(issue.severity is Severity.ERROR for issue in issues)
    warnings = sum(issue.severity is Severity.WARNING for issue in issues)
    say(f"{errors} errors, {warnings} warnings, {len(issues) - errors - warnings} remarks")
    if errors:
        context.exit_code = 1


def _targets(context: Context, names: tuple[str, ...]) -> Iterator[Target]:
    from lightbox.library.quality import targets

    if not names:
        yield from targets.of_library(context.workstation.library)
    for name in names:
        if Path(name).exists():
            yield from targets.of_path(Path(name))
            continue
        found = targets.of_uid(context.workstation.library, name)
        if found is None:
            raise NotFoundError(
                "There is no such file, folder, study, series or object",
                where=name,
                todo="`lightbox list` shows what is here",
            )
        yield from found


def _print(issues: list[QualityIssue]) -> None:
    """Print issues, the same of many objects once."""
    grouped: dict[tuple[str, str, str, str], list[QualityIssue]] = {}
    for issue in issues:
        grouped.setdefault((issue.code, issue.where, issue.found, issue.expected), []).append(issue)
    for entries in grouped.values():
        issue = entries[0]
        label = issue.path or issue.sop_instance_uid
        more = f" and {len(entries) - 1} more" if len(entries) > 1 else ""
        click.echo(f"{issue.severity.value}: {issue.code}: {issue.where}: {issue.found}; expected: {issue.expected}")
        click.echo(f"    in {label or 'unknown'}{more}; {issue.repair}")


_TOLD = 5


def look_before_sending(context: Context, items: list[str | Path], *, strict: bool) -> None:
    """Say on standard error what a peer may refuse about objects that are to be sent.

    Raises
    ------
    LightboxError
        `strict` is set and there is an error; nothing has been queued.
    """
    from lightbox.library.quality import doubts

    line = ProgressLine("objects checked")
    found = doubts(items, lambda: context.workstation.library, progress=lambda done: line(done, len(items)))
    line.end()
    for doubt in found[:_TOLD]:
        issue, objects = doubt.issue, f"{doubt.count} object{'s' if doubt.count > 1 else ''}"
        say(f"quality: {objects}: {issue.code}: {issue.where}: expected {issue.expected}. {issue.repair}")
    if len(found) > _TOLD:
        say(f"quality: {len(found) - _TOLD} more faults; `lightbox check` names all")
    if found and strict:
        raise LightboxError(
            "Nothing was queued",
            why=f"the quality gate found {len(found)} faults",
            todo="Correct them, or send without --strict",
        )
