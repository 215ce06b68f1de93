"""Fixtures for all tests. The shared DICOM files are found by ``LIGHTBOX_TEST_DATA`` or beside the checkout."""

from __future__ import annotations

import gc
import os
from pathlib import Path

import pytest

os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")
os.environ.setdefault("VTK_DEFAULT_OPENGL_WINDOW", "vtkEGLRenderWindow")
REPOSITORY = Path(__file__).resolve().parent.parent


def find_data() -> Path | None:
    """Return the folder of shared DICOM files, or None."""
    named = os.environ.get("LIGHTBOX_TEST_DATA")
    folder = Path(named) if named else REPOSITORY.parent / "shared" / "data"
    return folder.resolve() if folder.is_dir() else None


@pytest.fixture(scope="session")
def data() -> Path:
    """The shared DICOM files (read only)."""
    folder = find_data()
    if folder is None:
        pytest.skip("shared DICOM files not found: set LIGHTBOX_TEST_DATA")
    return folder


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A fresh data folder."""
    folder = tmp_path / "home"
    folder.mkdir()
    monkeypatch.setenv("LIGHTBOX_HOME", str(folder))
    return folder


GARBAGE = 200_000
"""Allocations after which garbage is collected between two tests."""


def pytest_configure(config: pytest.Config) -> None:
    """Collect garbage between tests only, on the main thread: a worker thread must not destroy objects of Qt."""
    gc.disable()


@pytest.hookimpl(trylast=True)
def pytest_runtest_teardown(item: pytest.Item) -> None:
    """Collect after every test that had a window, and when much has come together."""
    if "qapp" in getattr(item, "fixturenames", ()) or gc.get_count()[0] > GARBAGE:
        gc.collect()
