"""The Worklist place: entries of several archives, one that is away, and making outside images part of an order."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import pynetdicom_peer, worklist_peers
from builders.ui_studies import CASES, write_case
from builders.worklist_peers import StepKeeper, entry
from lightbox.network.peers import Peer

pytestmark = pytest.mark.ui
WAIT = 60_000


@pytest.fixture
def keeper() -> StepKeeper:
    return StepKeeper()


@pytest.fixture
def page(make_window: Any, keeper: StepKeeper) -> Iterator[Any]:
    rows = [
        entry("ACC2", patient="Roe^Max", date="20261121"),
        entry("ACC1", PatientBirthDate=CASES[0].birth, patient="DOE^Jane"),
    ]
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        closed = sock.getsockname()[1]
    models = [worklist_peers.MWL, worklist_peers.MPPS]
    handlers = [*worklist_peers.worklist(rows), *keeper.handlers()]
    with pynetdicom_peer.running(models, handlers) as hospital:

        def prepare(workstation: Any) -> None:
            workstation.peers.add(replace(hospital, name="Hospital"))
            workstation.peers.add(Peer("Gone", "GONE", "127.0.0.1", closed))

        window = make_window(prepare)
        window.go("worklist")
        made = window.worklist_page()
        made.day.setCurrentIndex(4)
        yield made, window


def answered(page: Any, qtbot: Any) -> None:
    qtbot.waitUntil(lambda: bool(page.queries.answers) and not page.queries.asking, timeout=WAIT)


def test_entries_come_in_order_of_time_and_what_is_away_is_named(page: Any, qtbot: Any) -> None:
    place, _ = page
    answered(place, qtbot)
    assert [place.table.text_at(line, 6) for line in range(place.table.lines())] == ["ACC1", "ACC2"]
    assert "Doe" in place.table.text_at(0, 1) or "DOE" in place.table.text_at(0, 1)
    assert "Gone: Nothing listens" in place.notes.text()
    place.box.setText("roe")
    assert place.table.lines() == 1
    place.box.setText("nobody")
    assert "nothing fits" in place._nothing.text.text()
    assert "Nothing listens" in place._nothing.text.text()
    assert not place.import_action.isEnabled()


def test_outside_images_become_part_of_an_order_and_the_archive_is_told(
    page: Any, keeper: StepKeeper, tmp_path: Path, qtbot: Any
) -> None:
    from lightbox.ui.worklist.reconcile_sheet import ReconcileSheet

    place, window = page
    answered(place, qtbot)
    write_case(tmp_path / "disc", CASES[0])
    place.table.selectRow(0)
    place.reconcile_wanted.emit(place.chosen(), [tmp_path / "disc"])
    sheet = window.findChild(ReconcileSheet)
    qtbot.waitUntil(sheet.go.isEnabled, timeout=WAIT)
    changed = {sheet.table.text_at(line, 0): sheet.table.text_at(line, 2) for line in range(sheet.table.lines())}
    assert changed["Patient ID"] == "P1" and changed["Accession number"] == "ACC1"
    assert not sheet.sure.isVisible()
    sheet.report.setChecked(True)
    sheet.go.click()
    qtbot.waitUntil(lambda: not sheet.isVisible(), timeout=WAIT)
    studies = window.workstation.library.studies_of_patient("P1", "HOSPITAL")
    assert [study.accession_number for study in studies] == ["ACC1"]
    assert studies[0].number_of_instances == CASES[0].images * len(CASES[0].series)
    assert keeper.requests[:2] == ["create", "set"]


def test_another_person_must_be_confirmed(page: Any, tmp_path: Path, qtbot: Any) -> None:
    from lightbox.ui.worklist.reconcile_sheet import ReconcileSheet

    place, window = page
    answered(place, qtbot)
    write_case(tmp_path / "disc", CASES[3])
    place.table.selectRow(1)
    place.reconcile_wanted.emit(place.chosen(), [tmp_path / "disc"])
    sheet = window.findChild(ReconcileSheet)
    qtbot.waitUntil(sheet.sure.isVisible, timeout=WAIT)
    assert not sheet.go.isEnabled()
    assert "different" in sheet.problems.text()
    sheet.sure.setChecked(True)
    assert sheet.go.isEnabled()
    sheet.dismiss()
    assert window.workstation.library.studies_of_patient("P1", "HOSPITAL") == []


def test_priors_of_what_is_planned_are_fetched_ahead(make_window: Any, tmp_path: Path, qtbot: Any) -> None:
    from datetime import date

    from lightbox.network.archive import Archive

    today = date.today().strftime("%Y%m%d")
    case = replace(CASES[0], name="Doe^Jane", patient_id="P1", birth="19300101", date="20260401", series=("Axial",))
    uid = write_case(tmp_path / "far", case)
    rows = [entry("ACC1", date=today, IssuerOfPatientID="")]
    with (
        Archive(tmp_path / "far", "MAINARCH") as archive,
        pynetdicom_peer.running([worklist_peers.MWL], worklist_peers.worklist(rows)) as hospital,
    ):

        def prepare(workstation: Any) -> None:
            workstation.peers.add(replace(hospital, name="Hospital"))
            workstation.peers.add(archive.peer("Main archive"))

        window = make_window(prepare)
        window.go("worklist")
        qtbot.waitUntil(lambda: window.workstation.library.study(uid) is not None, timeout=WAIT)
        qtbot.waitUntil(lambda: not window.center.running(), timeout=WAIT)
        assert [transfer.kind.value for transfer in window.center.transfers] == ["Priors"]
