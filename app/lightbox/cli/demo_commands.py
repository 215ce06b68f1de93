"""Command ``demo``: the whole main job on an embedded archive with a sample study."""

from __future__ import annotations

from pathlib import Path

import click

from lightbox.cli.context import Context, pass_context
from lightbox.core.errors import UsageError


@click.command()
@click.option("--headless", is_flag=True, help="Without a window: leave pictures, an export and a report.")
@click.option(
    "--out",
    type=click.Path(path_type=Path, file_okay=False),
    default=Path("lightbox-demo"),
    show_default=True,
    help="Folder for pictures, export and report.",
)
@pass_context
def demo(context: Context, headless: bool, out: Path) -> None:
    """Show Lightbox on a synthetic study in an embedded archive."""
    if context.demo is None:
        raise UsageError("The demonstration is not available here", todo="Start it as `lightbox demo`")
    context.exit_code = context.demo(context.home, out, headless)
