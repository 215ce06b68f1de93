"""The export wizard, from the study list to the folder and its certificate."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pydicom
import pytest
from PySide6.QtWidgets import QLabel

from lightbox.ui.export import export_page as wizard
from lightbox.ui.export.certificate_step import said
from lightbox.ui.export.review_step import spaced

pytestmark = pytest.mark.ui
WAIT = 120_000


def texts(widget: Any) -> str:
    return "\n".join(item.text() for item in widget.findChildren(QLabel))


@pytest.fixture
def page(filled: Any, tmp_path: Path) -> Any:
    """The wizard at its first step, with both studies of one patient chosen."""
    studies = filled.studies
    wanted = {row.uid for row in studies.model.rows if row.record.patient_id == "204418"}
    studies.table.select_studies(wanted)
    studies.deidentify_action.trigger()
    return filled.export_page()


def test_it_begins_with_what_was_chosen(page: Any) -> None:
    assert page.step == wizard.SOURCE
    assert page.plan.summary() == "1 patient · 2 studies · 14 images"
    assert page.source.table.lines() == 2
    assert page.source.table.text_at(0, 0) == "DOE, Jane"
    assert not page.back_button.isEnabled()
    page.source.table.selectRow(1)
    page.source.remove_chosen()
    assert page.plan.summary() == "1 patient · 1 study · 10 images"


def test_without_a_source_it_says_where_to_take_one(make_window: Any) -> None:
    window = make_window()
    window.go("export")
    page = window.export_page()
    assert page.source._stack.currentIndex() == 0
    assert not page.next_button.isEnabled()
    page.studies_wanted.emit()
    assert window.places.currentWidget() is window.studies


def test_a_key_is_needed_and_is_never_overwritten(page: Any, tmp_path: Path) -> None:
    page.next()
    assert page.step == wizard.PROFILE
    assert not page.next_button.isEnabled()
    assert "key" in page._foot.text()
    path = tmp_path / "keys" / "project.lightbox-key"
    page.profile.make_key(path)
    assert page.next_button.isEnabled()
    before = path.read_bytes()
    page.profile.make_key(path)
    assert "file exists" in page.profile.key_state.text()
    assert path.read_bytes() == before
    assert not page.next_button.isEnabled()
    page.profile.use_key(path)
    assert page.next_button.isEnabled()
    (tmp_path / "no-key").write_text("{}")
    page.profile.use_key(tmp_path / "no-key")
    assert "no project key" in page.profile.key_state.text()


def test_profiles_and_options(page: Any) -> None:
    from lightbox.deid.profile import Option

    page.next()
    profile = page.profile
    assert page.plan.profile.has(Option.RETAIN_MODIFIED_DATES)
    assert profile.safe_harbor.isVisibleTo(profile)
    assert "Safe Harbor" in profile.safe_harbor.text()
    profile.presets["basic"].click()
    assert page.plan.profile.options == frozenset()
    assert not profile.safe_harbor.isVisibleTo(profile)
    profile.options[Option.CLEAN_DESCRIPTORS].click()
    assert profile.custom.isChecked()
    assert page.plan.profile.options == {Option.CLEAN_DESCRIPTORS}
    profile.options[Option.CLEAN_DESCRIPTORS].click()
    assert profile.presets["basic"].isChecked()


def go_to_review(page: Any, tmp_path: Path, qtbot: Any) -> None:
    page.next()
    page.profile.make_key(tmp_path / "keys" / "project.lightbox-key")
    page.next()
    qtbot.waitUntil(lambda: page.plan.inventory is not None, timeout=WAIT)


def test_what_will_go_is_listed_before_anything_is_written(page: Any, tmp_path: Path, qtbot: Any) -> None:
    go_to_review(page, tmp_path, qtbot)
    table = page.review.table
    rows = {
        table.text_at(line, 0): [table.text_at(line, column) for column in range(6)] for line in range(table.lines())
    }
    assert rows["Patient Name"] == ["Patient Name", "(0010,0010)", "14", "1", "DOE^Jane", rows["Patient Name"][5]]
    assert rows["Patient ID"][5] == "pseudonym"
    assert rows["Study Date"][5] == "shifted"
    assert rows["Institution Name"][4] == "St. Elsewhere"
    assert "14 objects" in page.review.heading.text()
    assert "No private elements" in texts(page.review)


def test_changing_the_profile_asks_for_a_new_scan(page: Any, tmp_path: Path, qtbot: Any) -> None:
    go_to_review(page, tmp_path, qtbot)
    page.go(wizard.PROFILE)
    page.profile.presets["basic"].click()
    assert page.plan.inventory is None
    page.go(wizard.RUN)
    assert page.step == wizard.PROFILE, "nothing runs that was not seen first"


def test_to_the_folder(page: Any, tmp_path: Path, qtbot: Any, filled: Any) -> None:
    go_to_review(page, tmp_path, qtbot)
    page.next()
    assert page.step == wizard.RUN
    assert not page.next_button.isEnabled(), "no destination yet"
    out = tmp_path / "out"
    page.run_step.field.setText(str(out))
    page.next()
    assert page.running
    assert not page.back_button.isEnabled()
    qtbot.waitUntil(lambda: page.plan.report is not None, timeout=WAIT)
    assert page.step == wizard.CERTIFICATE
    files = list(out.rglob("*.dcm"))
    assert len(files) == 14
    for path in files:
        ds = pydicom.dcmread(path)
        assert "DOE" not in str(ds.PatientName)
        assert ds.PatientIdentityRemoved == "YES"
        assert b"204418" not in path.read_bytes()
    assert page.certificate.heading == "14 objects exported and verified"
    assert page.certificate.counts["Withheld"] == "0"
    assert (out.with_name("out-report") / "certificate.html").exists()
    assert filled.workstation.library.count_studies() == 5, "the originals are where they were"
    page.next()
    assert page.step == wizard.SOURCE
    assert page.plan.empty
    assert page.plan.key is not None, "the key stays for the next export"


def test_a_destination_that_cannot_be_written_is_said_in_words(page: Any, tmp_path: Path, qtbot: Any) -> None:
    go_to_review(page, tmp_path, qtbot)
    page.next()
    (tmp_path / "file").write_text("")
    page.run_step.field.setText(str(tmp_path / "file" / "out"))
    page.next()
    qtbot.waitUntil(lambda: not page.running, timeout=WAIT)
    assert page.step == wizard.RUN
    assert page.run_step.error.text()
    assert page.next_button.isEnabled()


def test_cancelling_an_export(page: Any, tmp_path: Path, qtbot: Any) -> None:
    go_to_review(page, tmp_path, qtbot)
    page.next()
    page.run_step.field.setText(str(tmp_path / "out"))
    page.next()
    page.run_step.cancel.click()
    qtbot.waitUntil(lambda: not page.running, timeout=WAIT)
    assert page.plan.report is not None or "Stopped by you" in page.run_step.error.text()


def test_a_folder_with_risky_pixels_is_held_back_until_it_is_accepted(
    make_window: Any, cases: Path, tmp_path: Path, qtbot: Any
) -> None:
    for number, path in enumerate(sorted(cases.rglob("*.dcm"))[:2]):
        ds = pydicom.dcmread(path)
        ds.BurnedInAnnotation = "YES"
        ds.save_as(tmp_path / f"burned{number}.dcm")
    source = tmp_path / "source"
    source.mkdir()
    for path in tmp_path.glob("burned*.dcm"):
        path.rename(source / path.name)
    window = make_window()
    window.go("export")
    page = window.export_page()
    page.source.add_folder(source)
    assert page.plan.summary() == "1 folder"
    go_to_review(page, tmp_path, qtbot)
    assert page.review.accept is not None
    assert "2 objects may show names or dates" in texts(page.review)
    page.next()
    assert "2 objects will be withheld" in page.run_step.summary.text()
    page.back()
    page.review.accept.click()
    assert page.plan.accept_burned_in
    page.next()
    assert "withheld" not in page.run_step.summary.text()


def test_words() -> None:
    assert spaced("PatientBirthDate") == "Patient Birth Date"
    assert spaced("SOPInstanceUID") == "SOP Instance UID"
    assert said("burned-in:medium:modality CR") == "text in the pixels, medium risk (modality CR)"
    assert said("unknown-iod") == "unknown iod"
