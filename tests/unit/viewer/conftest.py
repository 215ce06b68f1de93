"""A small study on disk and in a library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from builders import reading_room
from lightbox.workstation import Workstation


@pytest.fixture(scope="session")
def block(tmp_path_factory: pytest.TempPathFactory) -> tuple[reading_room.Study, Path]:
    """The study of a block with its segmentation, and its folder."""
    folder = tmp_path_factory.mktemp("block")
    return reading_room.write(folder), folder


@pytest.fixture
def station(home: Path) -> Iterator[Workstation]:
    """A workstation with an empty library."""
    made = Workstation(home)
    yield made
    made.close()
