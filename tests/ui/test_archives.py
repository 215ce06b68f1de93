"""Archives in the settings: encryption, reasons, lights, the doctor, the pre-flight, callers."""

from __future__ import annotations

import socket
from pathlib import Path
from typing import Any

import pytest

from lightbox.network.archive import Archive
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.receiving.policy import Caller, ReceivingPolicy
from lightbox.network.secrets import Secrets
from lightbox.ui.settings.connection_fields import ENCRYPTED, PLAIN
from lightbox.ui.widgets import Badge

pytestmark = pytest.mark.ui
WAIT = 60_000


@pytest.fixture
def archive(tmp_path: Path) -> Any:
    folder = tmp_path / "files"
    folder.mkdir()
    with Archive(folder, "MAINARCH") as running:
        yield running


@pytest.fixture
def page(make_window: Any, archive: Archive) -> Any:
    window = make_window(lambda workstation: workstation.peers.add(archive.peer("Main archive")))
    window.go("settings")
    return window.settings_page()


def test_plaintext_to_another_computer_needs_a_reason(page: Any) -> None:
    form = page.form
    page.add_archive()
    assert form.connection.choice.currentText() == ENCRYPTED
    form.name.setText("Room 3")
    form.ae_title.setText("CT3")
    form.host.setText("192.0.2.7")
    form.connection.choice.setCurrentText(PLAIN)
    assert form.connection.reason.isVisible()
    form.save()
    assert "say why" in form.error.text()
    form.connection.reason.setText("separate imaging network")
    form.save()
    assert page._workstation.peers.get("Room 3").plaintext_reason == "separate imaging network"
    assert "not encrypted" in [badge.text() for badge in page.lines["Room 3"].findChildren(Badge)]
    form.host.setText("127.0.0.1")
    assert not form.connection.reason.isVisible()


def test_everything_of_an_archive_is_kept_and_shown_again(page: Any) -> None:
    form = page.form
    page.add_archive()
    form.name.setText("University")
    form.ae_title.setText("UNI")
    form.host.setText("pacs.example.org")
    form.port.setValue(2762)
    form.connection.authorities.setText("/etc/hospital.pem")
    form.connection.floor.setCurrentIndex(1)
    form.web.url.setText("https://pacs.example.org/dicom-web")
    form.web.how.setCurrentIndex(1)
    form.web.user.setText("reader")
    form.web.secret.setText("not to be shown")
    form.own_ae.setText("READER1")
    form.associations.setValue(4)
    form.limit.setValue(20)
    form.save()
    workstation = page._workstation
    kept = workstation.peers.get("University")
    assert kept.tls is not None
    assert (kept.tls.ca_file, kept.tls.minimum_version) == ("/etc/hospital.pem", "1.3")
    assert kept.web == WebSettings("https://pacs.example.org/dicom-web", "basic", "reader")
    assert (kept.own_ae, kept.associations, kept.bandwidth_limit) == ("READER1", 4, 20_000_000)
    assert Secrets(workstation.home).get("University") == "not to be shown"
    assert "not to be shown" not in (workstation.home / "settings.json").read_text()
    page._edit(kept)
    assert form.web.secret.text() == ""
    assert form.peer() == kept
    form.name.setText("University hospital")
    form.save()
    assert Secrets(workstation.home).get("University hospital") == "not to be shown"
    assert Secrets(workstation.home).get("University") is None


def test_the_doctor_takes_every_step_and_the_light_follows(page: Any, archive: Archive, qtbot: Any) -> None:
    line = page.lines["Main archive"]
    assert "not examined yet" in line._address.text()
    line.test.click()
    assert page.doctor.isVisible()
    qtbot.waitUntil(lambda: not page.doctor.running, timeout=WAIT)
    told = page.doctor.steps.told()
    assert [name for name in ("TCP", "association", "echo", "find", "C-MOVE") if name in told]
    assert "MAINARCH answers the echo" in told
    qtbot.waitUntil(lambda: "not examined" not in page.lines["Main archive"]._address.text(), timeout=WAIT)
    archive.stop()
    page.doctor.again.click()
    qtbot.waitUntil(lambda: not page.doctor.running, timeout=WAIT)
    assert "Nothing listens" in page.doctor.verdict.text()
    qtbot.waitUntil(lambda: "failed" in page.lines["Main archive"]._address.text(), timeout=WAIT)


def test_all_archives_are_examined_at_once(page: Any, qtbot: Any) -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = sock.getsockname()[1]
    page._workstation.peers.add(Peer("Gone", "GONE", "127.0.0.1", closed))
    page.refresh()
    page.examine_all()
    assert not page.examine_action.isEnabled()
    qtbot.waitUntil(page.examine_action.isEnabled, timeout=WAIT)
    assert "failed" in page.lines["Gone"]._address.text()
    assert "not examined" not in page.lines["Main archive"]._address.text()


def test_the_pre_flight_is_run_and_its_report_written(page: Any, qtbot: Any) -> None:
    page.lines["Main archive"].preflight.click()
    panel = page.preflight
    assert panel.isVisible()
    panel.run()
    qtbot.waitUntil(lambda: panel.report.isVisible(), timeout=WAIT)
    assert "ready" in panel.summary.text()
    panel.all_rows.setChecked(True)
    assert panel.table.lines() > 100
    page_written = panel.write_report()
    assert "MAINARCH" in page_written.read_text(encoding="utf-8")
    declaration = page._workstation.home / "vendor.csv"
    declaration.write_text("SOP Class,Transfer Syntax,Role\nCT Image Storage,Explicit VR Little Endian,SCP\n")
    panel.read_declaration(declaration)
    qtbot.waitUntil(lambda: "declared now" in panel.summary.text(), timeout=WAIT)


def test_a_pre_flight_of_an_archive_that_is_away_says_so(page: Any, archive: Archive, qtbot: Any) -> None:
    archive.stop()
    page.lines["Main archive"].preflight.click()
    page.preflight.run()
    qtbot.waitUntil(lambda: "Nothing listens" in page.preflight.summary.text(), timeout=WAIT)
    assert not page.preflight.report.isVisible()


def test_who_may_call_is_set_and_kept(page: Any) -> None:
    own, settings = page.own, page._workstation.settings
    own.only_known.setChecked(True)
    own.callers.show_callers((Caller("CT3", "10.1.0.0/16"), Caller("PACS", operations=("echo", "store", "find"))))
    own.apply()
    policy = ReceivingPolicy.of(settings)
    assert policy.only_known
    assert [caller.ae_title for caller in policy.callers] == ["CT3", "PACS"]
    assert policy.callers[1].operations == ("echo", "store", "find"), "what the table does not show is kept"
    own.callers.show_callers((Caller("CT3"),))
    own.callers.table.item(0, 1).setText("no address")
    own.apply()
    assert "no IP address" in own.state.text()
    assert ReceivingPolicy.of(settings) == policy


def test_a_certificate_that_is_not_there_is_said_before_it_is_kept(page: Any, tmp_path: Path) -> None:
    own = page.own
    own.encrypted.setChecked(True)
    own.clients.setCurrentIndex(1)
    own.certificate.setText(str(tmp_path / "missing.pem"))
    own.apply()
    assert "missing.pem" in own.state.text()
    assert page._workstation.identity.tls_port == 0
