"""Priors: fetched behind the screen when a study is opened, listed in the detail pane, possible matches only marked."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from PySide6.QtCore import Qt

from builders.ui_studies import CASES, write_case
from lightbox.network.archive import Archive
from lightbox.network.peers import Peer
from lightbox.network.querying.prior_model import Rules
from lightbox.ui.transfers.transfer import Kind, State
from lightbox.ui.widgets import Badge

pytestmark = pytest.mark.ui
WAIT = 60_000


class Far:
    """An archive with two priors, a possible match, a namesake and an old study of the patient of ``CASES[0]``."""

    def __init__(self, folder: Path) -> None:
        chest = replace(CASES[0], images=2, series=("Axial",), accession="")
        self.chest = write_case(folder, replace(chest, date="20260110", description="Chest 2026"))
        self.low = write_case(folder, replace(chest, date="20240110", description="Thorax low dose"))
        self.old = write_case(folder, replace(chest, date="20100110", description="Chest of long ago"))
        self.possible = write_case(folder, replace(chest, date="20250305", description="Chest X", patient_id="X-99"))
        self.namesake = write_case(
            folder, replace(chest, date="20250306", description="Chest N", patient_id="N-1", birth="19990909")
        )
        self.archive = Archive(folder, "MAINARCH")


@pytest.fixture
def far(tmp_path: Path) -> Iterator[Far]:
    made = Far(tmp_path / "far")
    with made.archive:
        yield made


@pytest.fixture
def window(make_window: Any, cases: Path, far: Far, qtbot: Any) -> Any:
    def prepare(workstation: Any) -> None:
        workstation.library.import_paths([cases])
        workstation.peers.add(far.archive.peer("Main archive"))

    made = make_window(prepare)
    qtbot.waitUntil(lambda: len(made.studies.model.rows) == 5, timeout=WAIT)
    return made


def newest(window: Any) -> Any:
    """Choose the newest study of Jane Doe and return its row."""
    rows = window.studies.model.rows
    line = next(number for number, row in enumerate(rows) if row.record.accession_number == "A-204418")
    window.studies.table.select_line(line)
    return rows[line]


def listed(window: Any, qtbot: Any) -> dict[str, Any]:
    """Wait for the archives and return the cards of the other studies by description."""
    detail = window.studies.detail
    qtbot.waitUntil(lambda: detail.others is not None and detail.priors.found() is not None, timeout=WAIT)
    return {card.other.row.record.study_description: card for card in detail.others.cards}


def test_other_studies_at_archives_are_listed_and_possible_matches_are_marked(
    window: Any, far: Far, qtbot: Any
) -> None:
    newest(window)
    cards = listed(window, qtbot)
    assert list(cards) == ["Chest 2026", "Chest", "Thorax low dose", "Chest of long ago", "Chest X"]
    assert not cards["Chest"].fetch.isVisibleTo(cards["Chest"]), "it is here"
    assert "at Main archive" in cards["Chest 2026"].accessibleName()
    marked = {name for name, card in cards.items() if card.findChildren(Badge)}
    assert marked == {"Chest X"}, "a namesake with another birth date is not listed at all"
    assert "possible match: Same name and birth date, but another patient ID" in cards["Chest X"].accessibleName()


def test_one_at_the_archive_is_fetched_on_click_and_stays_what_it_is(window: Any, far: Far, qtbot: Any) -> None:
    newest(window)
    library = window.workstation.library
    qtbot.keyClick(listed(window, qtbot)["Chest X"], Qt.Key.Key_Return)
    qtbot.waitUntil(lambda: library.study(far.possible) is not None, timeout=WAIT)
    assert library.study(far.possible).patient_id == "X-99", "nothing is merged"
    qtbot.waitUntil(lambda: not window.center.running(), timeout=WAIT)

    def here() -> bool:
        card = listed(window, qtbot).get("Chest X")
        return card is not None and card.other.row.here and bool(card.findChildren(Badge))

    qtbot.waitUntil(here, timeout=WAIT)
    assert library.study(far.chest) is None


def test_opening_a_study_fetches_its_priors_and_never_a_possible_match(window: Any, far: Far, qtbot: Any) -> None:
    row = newest(window)
    window.open_study(row.uid)
    library, center = window.workstation.library, window.center
    qtbot.waitUntil(
        lambda: any(item.kind is Kind.PRIORS and not item.running for item in center.transfers), timeout=WAIT
    )
    transfer = next(item for item in center.transfers if item.kind is Kind.PRIORS)
    assert (transfer.state, transfer.done, transfer.message) == (State.DONE, 4, "2 earlier studies fetched")
    assert library.study(far.chest).number_of_instances == library.study(far.low).number_of_instances == 2
    assert library.study(far.possible) is None and library.study(far.old) is None
    assert window.transfers.cards[transfer.number]._title.text().startswith("Priors")
    shown = window.viewer_page().session.study
    assert shown.study_instance_uid == row.uid, "what was fetched does not come on screen by itself"
    window.open_study(row.uid)
    assert sum(item.kind is Kind.PRIORS for item in center.transfers) == 1, "nothing is fetched twice"


def test_fetching_priors_is_cancelled_in_the_list(window: Any, far: Far, qtbot: Any) -> None:
    Rules(bandwidth=1).save(window.workstation.settings)  # it waits for hours after the first series
    window.open_study(newest(window).uid)
    center = window.center
    qtbot.waitUntil(lambda: any(item.kind is Kind.PRIORS and item.done for item in center.transfers), timeout=WAIT)
    transfer = next(item for item in center.transfers if item.kind is Kind.PRIORS)
    assert transfer.running
    assert window.status.transfer.text().startswith("Fetching priors of")
    window.transfers.cards[transfer.number]._cancel.click()
    qtbot.waitUntil(lambda: not transfer.running, timeout=WAIT)
    assert transfer.state is State.CANCELLED
    assert window.workstation.library.study(far.chest) is not None, "what has come is kept"


def test_switched_off_nothing_is_asked_until_a_person_does(window: Any, far: Far, qtbot: Any) -> None:
    window.go("settings")
    card = window.settings_page().priors
    card.most.setValue(1)
    card.years.setValue(2)
    card.bandwidth.setValue(8)
    assert Rules.of(window.workstation.settings) == Rules(True, 2, 1, 8_000_000)
    card.enabled.setChecked(False)
    assert not Rules.of(window.workstation.settings).enabled and not card.most.isEnabled()
    window.go("studies")
    row = newest(window)
    detail = window.studies.detail
    qtbot.waitUntil(lambda: detail.others is not None and len(detail.others.cards) == 1, timeout=WAIT)
    assert not detail.priors.asking
    window.open_study(row.uid)
    assert not [item for item in window.center.transfers if item.kind is Kind.PRIORS]
    window.go("studies")
    detail.priors.ask()
    assert len(listed(window, qtbot)) == 5


def test_an_archive_that_is_away_is_named_and_priors_are_tried_again(
    window: Any, far: Far, qtbot: Any, tmp_path: Path
) -> None:
    window.workstation.peers.add(Peer("Night archive", "NIGHT", "127.0.0.1", 9))
    window.studies.peers_changed()
    newest(window)
    assert "Chest 2026" in listed(window, qtbot)
    assert window.studies.detail.priors.state() == "Night archive did not answer."
