"""The survey before an export: what cannot be read is listed and costs nothing else."""

from __future__ import annotations

import io

from builders.library_objects import ct, encode
from lightbox.deid.scan import scan
from lightbox.deid.source import OpenerSource
from lightbox.library.store import LinkedFileError


def test_an_object_that_the_library_cannot_open_is_listed():
    def gone() -> io.BytesIO:
        raise LinkedFileError("A linked file cannot be opened", why="No such file or directory")

    data = encode(ct())
    found = scan([OpenerSource("first", gone), OpenerSource("second", lambda: io.BytesIO(data))])
    assert found.files == 2
    assert found.patients == 1
    assert [(entry.label, entry.code, entry.reason) for entry in found.refused] == [
        ("first", "unreadable", "No such file or directory")
    ]
