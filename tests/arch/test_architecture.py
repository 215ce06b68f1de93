"""The house keeps its shape: floors, start path, language of the errors, no foreign paths."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parents[2]
SOURCE = REPOSITORY / "app" / "lightbox"
HEAVY = ("pydicom", "vtkmodules", "pynetdicom", "highdicom", "cv2", "pyqtgraph", "imagecodecs", "nibabel", "PySide6")


def test_import_contracts_hold() -> None:
    done = subprocess.run(
        [str(Path(sys.executable).parent / "lint-imports")],
        cwd=REPOSITORY,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("module", "allowed"),
    [
        ("lightbox.workstation", ()),
        ("lightbox.library.library", ()),
        ("lightbox.cli.main", ()),
        ("lightbox.ui.app", ("PySide6",)),
        ("lightbox.ui.main_window", ("PySide6",)),
    ],
)
def test_start_path_imports_nothing_heavy(module: str, allowed: tuple[str, ...]) -> None:
    code = (
        f"import sys, {module}\n"
        f"print(','.join(sorted(name for name in {HEAVY!r} if name in sys.modules and name not in {allowed!r})))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == ""


def _sources() -> list[Path]:
    return [path for path in SOURCE.rglob("*.py") if "__pycache__" not in path.parts]


def test_only_one_module_opens_a_render_window() -> None:
    users = [
        path.relative_to(SOURCE).as_posix()
        for path in _sources()
        if re.search(r"^\s*(from|import)\s+vtkmodules\.vtkRendering", path.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert len(users) <= 1, users


def test_nothing_swallows_an_error() -> None:
    silent = re.compile(r"except[^\n]*:\s*\n\s*(pass|\.\.\.)\s*\n")
    guilty = [
        path.relative_to(SOURCE).as_posix() for path in _sources() if silent.search(path.read_text(encoding="utf-8"))
    ]
    assert guilty == []


def test_files_stay_small() -> None:
    long = {
        path.relative_to(SOURCE).as_posix(): lines
        for path in _sources()
        if (lines := path.read_text(encoding="utf-8").count("\n")) > 500
    }
    assert long == {}
