from __future__ import annotations

from pathlib import Path

import pytest

from lightbox.core.errors import UsageError
from lightbox.core.settings import Settings
from lightbox.network.identity import LocalIdentity


def test_kept_in_settings(home: Path) -> None:
    settings = Settings(home)
    assert LocalIdentity.of(settings) == LocalIdentity()
    mine = LocalIdentity("READING_ROOM", 10104, dimse_timeout=60)
    mine.save(settings)
    assert LocalIdentity.of(Settings(home)) == mine


def test_unknown_keys_of_a_later_version_are_ignored(home: Path) -> None:
    settings = Settings(home)
    settings.set("network.identity", {"ae_title": "LATER", "port": 104, "colour": "red"})
    assert LocalIdentity.of(settings) == LocalIdentity("LATER", 104)


@pytest.mark.parametrize("title", ["", "   ", "SEVENTEEN_LETTERS", "BACK\\SLASH", "ÄRZTE", "TAB\t"])
def test_bad_titles_are_refused(title: str) -> None:
    with pytest.raises(UsageError):
        LocalIdentity(title)


@pytest.mark.parametrize("port", [-1, 65536])
def test_bad_ports_are_refused(port: int) -> None:
    with pytest.raises(UsageError):
        LocalIdentity(port=port)
