"""Fixtures for the tests of the library."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from lightbox.library.library import Library


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    """An open, empty library."""
    with Library.open(home) as opened:
        yield opened
