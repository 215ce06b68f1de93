"""Command ``doctor``: checks this installation and says what to do about what is wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass

import click

from lightbox import __version__
from lightbox.cli.context import Context, json_option, pass_context, print_json
from lightbox.core.errors import LightboxError

_LOW_DISK_GB = 10


@dataclass(frozen=True, slots=True)
class Check:
    """The outcome of one check; ``state`` is ``ok``, ``warning`` or ``failed``."""

    check: str
    state: str
    text: str


@click.command()
@json_option
@pass_context
def doctor(context: Context, as_json: bool) -> None:
    """Check display, OpenGL, decoders, data folder, ports and peers."""
    checks = list(_checks(context))
    if as_json:
        print_json([asdict(item) for item in checks])
    else:
        for item in checks:
            click.echo(f"{item.state:8} {item.check:12} {item.text}")
    failed = [item.check for item in checks if item.state == "failed"]
    if failed:
        raise LightboxError(
            "Something is wrong with this installation", why=", ".join(failed), todo="See the lines above"
        )


def _checks(context: Context) -> Iterator[Check]:
    yield Check("lightbox", "ok", f"{__version__} on Python {sys.version.split()[0]}, {sys.platform}")
    for name, check in (
        ("display", _display),
        ("opengl", _opengl),
        ("decoders", _decoders),
        ("data folder", lambda: _data_folder(context)),
        ("library", lambda: _library(context)),
    ):
        yield _guarded(name, check)
    from lightbox.network.diagnosis.installation import checks as network_checks

    for item in network_checks(context.workstation.identity, context.workstation.peers.all()):
        yield Check(item.name, item.state, item.text)


def _guarded(name: str, check: Callable[[], Check]) -> Check:
    try:
        return check()
    except (LightboxError, OSError, ImportError, subprocess.SubprocessError) as error:
        return Check(name, "failed", str(error))


def _display() -> Check:
    if sys.platform in ("win32", "darwin"):
        return Check("display", "ok", "window system of the operating system")
    for variable in ("WAYLAND_DISPLAY", "DISPLAY"):
        if os.environ.get(variable):
            return Check("display", "ok", f"{variable}={os.environ[variable]}")
    return Check("display", "warning", "no display: the workstation cannot open its window, commands work")


def _opengl() -> Check:
    # Asked of the screen's own module, in a process of its own: the command line never loads the screen.
    code = (
        "import dataclasses, json; from lightbox.ui.viewer.volume_renderer import probe; "
        "print(json.dumps(dataclasses.asdict(probe()) | {'software': probe().is_software}))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=180, check=True)
    found = json.loads(done.stdout.strip().splitlines()[-1])
    if not found["works"]:
        return Check("opengl", "warning", f"no volume rendering, everything else works: {found['why']}")
    caster = "software: the processor casts the rays" if found["software"] else "hardware"
    return Check("opengl", "ok", f"{found['renderer']} ({caster})")


def _decoders() -> Check:
    import imagecodecs
    from pydicom.pixels.decoders.base import get_decoder
    from pydicom.uid import JPEG2000, JPEGBaseline8Bit, JPEGLSLossless, RLELossless

    plugins = sorted(
        {name for uid in (JPEG2000, JPEGBaseline8Bit, JPEGLSLossless, RLELossless) for name in _names(get_decoder(uid))}
    )
    return Check("decoders", "ok", f"imagecodecs {imagecodecs.__version__}; fall-back: {', '.join(plugins) or 'none'}")


def _names(decoder: object) -> tuple[str, ...]:
    return tuple(getattr(decoder, "available_plugins", ()))


def _data_folder(context: Context) -> Check:
    home = context.workstation.home
    free = shutil.disk_usage(home).free / 1e9
    state = "ok" if free >= _LOW_DISK_GB else "warning"
    return Check("data folder", state, f"{home}, {free:.0f} GB free")


def _library(context: Context) -> Check:
    from lightbox.library.records import StudyQuery

    return Check("library", "ok", f"{context.workstation.library.count_studies(StudyQuery()):,} studies")
