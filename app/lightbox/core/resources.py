"""The one place that knows where ``resources/`` is: beside the source in a checkout, in the package when installed."""

from __future__ import annotations

import importlib.util
import sys
from functools import cache
from pathlib import Path
from types import ModuleType

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


@cache
def package(name: str) -> ModuleType:
    """Return a Python package kept among the resources, for example ``sample_study``."""
    folder = path(name)
    qualified = f"lightbox_resources_{name}"
    spec = importlib.util.spec_from_file_location(
        qualified, folder / "__init__.py", submodule_search_locations=[str(folder)]
    )
    if spec is None or spec.loader is None:
        raise NotFoundError("A resource of Lightbox is damaged", where=name, todo="Install Lightbox again")
    module = importlib.util.module_from_spec(spec)
    sys.modules[qualified] = module
    spec.loader.exec_module(module)
    return module
