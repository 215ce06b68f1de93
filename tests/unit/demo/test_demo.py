"""The demonstration without a screen: the whole main job in one command."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
from pydicom import dcmread

pytestmark = [pytest.mark.slow, pytest.mark.ui]


def test_the_headless_demonstration_does_the_whole_job(tmp_path: Path) -> None:
    environment = {key: value for key, value in os.environ.items() if key not in ("DISPLAY", "WAYLAND_DISPLAY")}
    done = subprocess.run(
        [sys.executable, "-m", "lightbox", "demo", "--headless", "--out", str(tmp_path / "out")],
        env=environment,
        capture_output=True,
        text=True,
        timeout=280,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    out = tmp_path / "out"
    page = (out / "report.html").read_text(encoding="utf-8")
    assert 'class="ok"' in page
    assert 'class="failed"' not in page
    for name in ("1-studies.png", "2-viewer.png", "3-mpr.png", "4-export.png"):
        assert (out / name).stat().st_size > 20_000
        assert name in page
    exported = list((out / "export").rglob("*.dcm"))
    assert len(exported) > 100
    assert all(dcmread(path, stop_before_pixels=True).PatientIdentityRemoved == "YES" for path in exported)
    assert (out / "export-report" / "tag-log.jsonl.gz").exists()


def test_a_step_that_fails_fails_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from lightbox.core.errors import LightboxError
    from lightbox.demo import sample, tour

    def broken(*_: object) -> None:
        raise LightboxError("The sample study cannot be made")

    monkeypatch.setattr(sample, "running_archive", broken)
    assert tour.headless(tmp_path / "out", None) == 1
    assert "The sample study cannot be made" in (tmp_path / "out" / "report.html").read_text(encoding="utf-8")
