"""Settings and paths of a data folder."""

from __future__ import annotations

import stat
import threading
from pathlib import Path

import pytest

from lightbox.core import paths, resources
from lightbox.core.errors import LightboxError, NotFoundError, Problem, Severity
from lightbox.core.settings import Settings, write_atomically


def test_values_survive_and_listeners_hear(tmp_path: Path) -> None:
    settings = Settings(tmp_path)
    heard: list[tuple[str, object]] = []
    settings.changed.connect(lambda key, value: heard.append((key, value)))
    settings.set("window", {"x": 1})
    settings.set("window", {"x": 1})
    assert heard == [("window", {"x": 1})]
    assert Settings(tmp_path).get("window") == {"x": 1}
    assert Settings(tmp_path).get("absent", 7) == 7


def test_two_programs_keep_each_others_values(tmp_path: Path) -> None:
    window, command = Settings(tmp_path), Settings(tmp_path)
    window.set("window", 1)
    command.set("peers", ["A"])
    window.set("window", 2)
    assert window.get("peers") == ["A"]
    assert command.get("window") == 2
    assert Settings(tmp_path).get("peers") == ["A"]


def test_values_stored_at_the_same_time_are_all_kept(tmp_path: Path) -> None:
    programs = [Settings(tmp_path) for _ in range(6)]
    threads = [
        threading.Thread(target=lambda n=n, s=s: [s.set(f"{n}.{i}", i) for i in range(10)])
        for n, s in enumerate(programs)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    kept = Settings(tmp_path)
    assert [kept.get(f"{n}.{i}") for n in range(6) for i in range(10)] == [i for _ in range(6) for i in range(10)]


def test_broken_settings_are_said_and_kept(tmp_path: Path) -> None:
    (tmp_path / "settings.json").write_text("{broken")
    with pytest.raises(LightboxError, match="settings cannot be read"):
        Settings(tmp_path)
    assert (tmp_path / "settings.json").read_text() == "{broken"


def test_atomic_write_leaves_no_temporary_file(tmp_path: Path) -> None:
    write_atomically(tmp_path / "a", b"one")
    write_atomically(tmp_path / "a", b"two")
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == b"two"


def test_home_by_argument_environment_and_owner_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv(paths.HOME_VARIABLE, str(tmp_path / "by-environment"))
    assert paths.home() == tmp_path / "by-environment"
    assert paths.home(tmp_path / "by-argument") == tmp_path / "by-argument"
    assert stat.S_IMODE((tmp_path / "by-argument").stat().st_mode) & 0o077 == 0


def test_a_missing_resource_is_named() -> None:
    with pytest.raises(NotFoundError, match="no/such"):
        resources.path("no/such")


def test_sentences_say_what_where_why_and_what_to_do() -> None:
    error = LightboxError("The file is not taken", where="a.dcm", why="It is truncated", todo="Send it again")
    assert str(error) == "The file is not taken (a.dcm): It is truncated. Send it again"
    problem = Problem(Severity.WARNING, "geometry.missing-slice", "Slice 17 of 74 is missing")
    assert problem.sentence() == "Slice 17 of 74 is missing"
    assert problem.as_dict()["severity"] == "warning"
