"""Commands on images and results: ``render``, ``volume``, ``findings``."""

from __future__ import annotations

import math
from pathlib import Path
from typing import TYPE_CHECKING

import click

from lightbox.cli.context import Context, ProgressLine, json_option, pass_context, print_json, print_table, say
from lightbox.core.errors import NotFoundError, UsageError

if TYPE_CHECKING:
    from lightbox.dicom.voi import Voi
    from lightbox.imaging.reslice import PlaneName


@click.command()
@click.argument("target")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help="PNG to write.")
@click.option(
    "--frame", type=click.IntRange(min=1), help="1-based; default the first of a file, the middle of a series."
)
@click.option("--plane", type=click.Choice(["axial", "coronal", "sagittal"]), help="Reformat the volume of the series.")
@click.option(
    "--slice", "slice_number", type=click.IntRange(min=1), help="1-based slice of --plane; default the middle."
)
@click.option("--window", nargs=2, type=float, metavar="CENTER WIDTH", help="Window instead of the file's own.")
@click.option("--no-overlays", is_flag=True, help="Without AI results and measurements.")
@click.option("--exact", is_flag=True, help="The stored pixel grid as 8 bit, nothing drawn on it.")
@pass_context
def render(
    context: Context,
    target: str,
    output: Path,
    frame: int | None,
    plane: PlaneName | None,
    slice_number: int | None,
    window: tuple[float, float] | None,
    no_overlays: bool,
    exact: bool,
) -> None:
    """Render TARGET (a file, a Series Instance UID or a Study Instance UID) to a PNG."""
    from lightbox.cli import rendering

    if slice_number is not None and plane is None:
        raise UsageError("--slice needs --plane")
    if plane and (frame or exact):
        raise UsageError("--plane does not go together with --frame or --exact")
    voi = _voi(window)
    if Path(target).exists():
        if plane:
            raise UsageError(
                "--plane needs a series or study of the library", where=target, todo="Import the file first"
            )
        png = rendering.render_file(Path(target), frame or 1, voi, exact=exact)
    elif "/" in target or "\\" in target or Path(target).suffix.casefold() == ".dcm":
        raise NotFoundError("There is no such file", where=target)
    elif plane:
        png = rendering.render_plane(context.workstation, target, plane, slice_number, voi, overlays=not no_overlays)
    else:
        png = rendering.render_series(
            context.workstation, target, frame, voi, exact=exact, overlays=not (no_overlays or exact)
        )
    output.write_bytes(png)


def _voi(window: tuple[float, float] | None) -> Voi | None:
    if window is None:
        return None
    from lightbox.dicom.voi import Voi

    center, width = window
    if not (math.isfinite(center) and math.isfinite(width)):
        raise UsageError("The window must be two numbers", where=f"{center} {width}")
    if width < 1:
        raise UsageError("The window width must be at least 1 (PS3.3 C.11.2.1.2)", where=str(width))
    return Voi(center=center, width=width)


@click.command()
@click.argument("series")
@click.option("-o", "--output", required=True, type=click.Path(path_type=Path, dir_okay=False), help=".nii or .nii.gz")
@pass_context
def volume(context: Context, series: str, output: Path) -> None:
    """Write the volume of SERIES (its Series Instance UID) as NIfTI-1: RAS affine, true values."""
    from lightbox.cli import rendering
    from lightbox.imaging import nifti

    if not output.name.endswith((".nii", ".nii.gz")):
        raise UsageError("The output must end in .nii or .nii.gz", where=output.name)
    line = ProgressLine("slices")
    found = rendering.volume_of(context.workstation, series, lambda done, total: line(done, total))
    line.end()
    for problem in found.problems:
        say(problem.sentence())
    nifti.write(found, output)


@click.command()
@click.argument("study")
@json_option
@pass_context
def findings(context: Context, study: str, as_json: bool) -> None:
    """List AI results and measurements of STUDY (its Study Instance UID)."""
    context.workstation.study(study)
    results = context.workstation.results(study)
    shapes = [finding.as_dict() for result in results for finding in result.findings]
    for result in results:
        for problem in result.problems:
            say(f"{problem.severity.value}: {problem.sentence()}")
    if as_json:
        print_json(shapes)
    elif shapes:
        print_table(
            [shape | {"amount": _amount(shape)} for shape in shapes],
            {
                "label": "Finding",
                "type": "Type",
                "amount": "Value",
                "algorithm": "Algorithm",
                "version": "Version",
            },
        )
    else:
        say("No AI results or measurements in this study")


def _amount(shape: dict[str, object]) -> str:
    if shape["value"] is not None:
        value = shape["value"]
        text = f"{value:.4g}" if isinstance(value, float) else str(value)
        return f"{text} {shape['unit'] or ''}".strip()
    if isinstance(shape["volume_ml"], float):
        return f"{shape['volume_ml']:.2f} ml"
    return f"{shape['voxels']} voxels" if shape["voxels"] is not None else ""
