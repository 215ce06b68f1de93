"""The one place that knows where ``resources/`` is: beside the source in a checkout, in the package when installed."""

from __future__ import annotations

from functools import cache
from pathlib import Path

from lightbox.core.errors import NotFoundError


@cache
def root() -> Path:
    """Return the folder that holds the resources."""
    package = Path(__file__).resolve().parent.parent
    for candidate in (package / "resources", package.parent.parent / "resources"):
        if candidate.is_dir():
            return candidate
    raise NotFoundError("The resources of Lightbox are missing", where=str(package), todo="Install Lightbox again")


def path(name: str) -> Path:
    """Return the path of a resource, for example ``themes/dark.json``."""
    found = root() / name
    if not found.exists():
        raise NotFoundError("A resource of Lightbox is missing", where=name, todo="Install Lightbox again")
    return found


def read_text(name: str) -> str:
    """Return the text of a resource (UTF-8)."""
    return path(name).read_text(encoding="utf-8")


def read_bytes(name: str) -> bytes:
    """Return the bytes of a resource."""
    return path(name).read_bytes()
