from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest

from lightbox.cli.main import run
from lightbox.core.errors import LightboxError
from lightbox.network.secrets import Secrets

PASSWORD = "correct horse battery"


def test_kept_for_its_owner_only(home: Path) -> None:
    secrets = Secrets(home)
    assert secrets.get("pacs") is None
    secrets.set("PACS", PASSWORD)
    secrets.set("other", "x")
    assert Secrets(home).get("pacs ") == PASSWORD
    assert [stat.S_IMODE(path.stat().st_mode) for path in home.iterdir()] == [0o600]
    secrets.forget("pacs")
    assert not secrets.has("pacs")
    assert secrets.has("other")
    secrets.set("other", "")
    assert not secrets.has("other")
    assert PASSWORD not in repr(secrets)


def test_a_wider_mode_is_narrowed(home: Path) -> None:
    (home / "secrets.json").write_text("{}")
    (home / "secrets.json").chmod(0o644)
    Secrets(home).set("pacs", PASSWORD)
    assert stat.S_IMODE((home / "secrets.json").stat().st_mode) == 0o600


@pytest.mark.parametrize("text", ['{"pacs": "correct hor', "[]"])
def test_a_damaged_file_is_told_without_what_is_in_it(home: Path, text: str) -> None:
    (home / "secrets.json").write_text(text)
    with pytest.raises(LightboxError) as caught:
        Secrets(home).get("pacs")
    assert "correct" not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.todo


def test_never_printed_and_never_in_the_settings(
    home: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    from io import StringIO

    add = ["peers", "add", "pacs", "--ae", "PACS", "--host", "localhost", "--port", "104"]
    web = ["--dicomweb", "https://localhost:1/dicom-web", "--web-auth", "basic", "--web-user", "me"]
    monkeypatch.setattr("sys.stdin", StringIO(PASSWORD + "\n"))
    assert run([*add, *web, "--web-secret-stdin"]) == 0
    assert Secrets(home).get("pacs") == PASSWORD
    assert run(["peers", "list"]) == 0
    assert run(["peers", "list", "--json"]) == 0
    assert run(["diagnose", "pacs"]) == 1
    assert run(["peers", "edit", "pacs", "--name", "archive"]) == 0
    assert Secrets(home).get("archive") == PASSWORD
    assert not Secrets(home).has("pacs")
    said = capsys.readouterr()
    kept = [path.read_text() for path in home.iterdir() if path.is_file() and path.name != "secrets.json"]
    assert not any(PASSWORD in text for text in [said.out, said.err, *kept])
    assert json.loads((home / "settings.json").read_text())
    assert run(["peers", "remove", "archive"]) == 0
    assert not Secrets(home).has("archive")


def test_an_empty_password_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from io import StringIO

    monkeypatch.setattr("sys.stdin", StringIO(""))
    add = ["peers", "add", "pacs", "PACS", "localhost", "104", "--dicomweb", "https://localhost/x"]
    assert run([*add, "--web-auth", "bearer", "--web-secret-stdin"]) == 2
