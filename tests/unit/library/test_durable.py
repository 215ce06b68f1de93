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


def test_names_follow_files_only_where_it_is_known(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = tmp_path / "mountinfo"
    data = tmp_path / "some where" / "data"
    data.mkdir(parents=True)
    place = str(tmp_path / "some where").replace(" ", "\\040")
    lines = {
        "ext4": [
            "1 0 8:1 / / rw - vfat a rw",
            f"2 1 8:2 / {place} rw shared:1 - ext4 b rw",
            "3 1 8:3 / /x rw - vfat c rw",
        ],
        "vfat": [
            "1 0 8:1 / / rw - ext4 a rw",
            f"2 1 8:2 / {place} rw - ext4 b rw",
            f"3 2 8:3 / {place} rw - vfat c rw",
        ],
    }
    real = Path.read_text
    monkeypatch.setattr(
        Path, "read_text", lambda self, **kw: real(table if str(self) == "/proc/self/mountinfo" else self, **kw)
    )
    for kind, text in lines.items():
        table.write_text("\n".join(text))
        assert durable.names_follow_files(data) == (kind == "ext4")
    table.unlink()
    assert not durable.names_follow_files(data)
