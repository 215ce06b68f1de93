"""What is made durable is opened as what it is: Windows cannot open a folder as a file."""

from __future__ import annotations

from pathlib import Path

import pytest

from builders.library_objects import write_series
from lightbox.library import durable
from lightbox.library.library import Library


def test_folders_are_never_synchronised_as_files(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_series(tmp_path / "in", 3)
    as_files: list[bool] = []
    real = durable.sync_file

    def sync_file(path: Path) -> None:
        as_files.append(path.is_file())
        real(path)

    monkeypatch.setattr(durable, "sync_file", sync_file)
    monkeypatch.setattr(durable, "_syncfs", lambda: None)
    library = Library.open(tmp_path / "home")
    try:
        assert library.import_paths([tmp_path / "in"]).added == 3
    finally:
        library.close()
    assert as_files
    assert all(as_files)
