"""Many sources at once: merged, progressive, honest about what is missing."""

from __future__ import annotations

import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from pydicom.dataset import Dataset

from builders.query_peers import STUDY_ROOT, MemoryArchive, study_row
from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.library.records import StudyQuery
from lightbox.network.archive import Archive
from lightbox.network.find import find
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.querying import many
from lightbox.network.querying.many import SourceState, State
from lightbox.network.querying.questions import Question
from lightbox.network.querying.rows import FoundStudy

Start = Callable[..., Peer]


@pytest.fixture
def memory(scp: Start) -> Callable[..., Peer]:
    """Start a `MemoryArchive` under a name."""

    def start(name: str, archive: MemoryArchive, **options: object) -> Peer:
        peer = scp([STUDY_ROOT], archive.handlers(), **options)
        return Peer(name, peer.ae_title, peer.host, peer.port)

    return start


def days(count: int, *, per_day: int = 1, modality: str = "CT") -> list[Dataset]:
    return [
        study_row(f"1.2.{day}.{number}", f"2024{day // 28 + 1:02d}{day % 28 + 1:02d}", modality)
        for day in range(count)
        for number in range(per_day)
    ]


def test_all_sources_are_merged_with_who_holds_how_much(
    memory: Start, archive: Archive, library: Library, identity: LocalIdentity, studies: dict, tmp_path: Path
) -> None:
    uid = str(studies["one"][0].StudyInstanceUID)
    library.import_paths([tmp_path / "source" / "one" / "0000.dcm", tmp_path / "source" / "one" / "0001.dcm"])
    other = MemoryArchive(
        [
            study_row(
                uid,
                "20240110",
                NumberOfStudyRelatedInstances="8",
                PatientID="ID-Müller^Jörg",
                PatientName="Müller^Jörg",
                PatientBirthDate="19700102",
            ),
            study_row("1.9", "20240501"),
        ]
    )
    first = archive.peer()
    answer = many.query([first, memory("other", other)], library, StudyQuery(), identity=identity)
    assert answer.complete
    row = answer.rows[uid]
    assert row.here
    assert row.images_here == 2
    assert row.announced == {first.name: 8, "other": 8}
    assert row.presence() == "2/8"
    assert row.warning == ""
    assert {row.uid for row in answer.sorted()} == {
        "1.9",
        *(str(found[0].StudyInstanceUID) for found in studies.values()),
    }
    assert answer.sorted()[0].uid == "1.9"
    assert answer.rows["1.9"].announced == {"other": -1}


def test_one_study_of_two_patients_is_marked_not_merged_silently(memory: Start, identity: LocalIdentity) -> None:
    one = MemoryArchive([study_row("1.5", "20240101", PatientID="A", PatientName="Doe^Jane")])
    two = MemoryArchive([study_row("1.5", "20240101", PatientID="B", PatientName="Smith^John")])
    answer = many.query([memory("one", one), memory("two", two)], None, StudyQuery(), identity=identity)
    assert "different patients" in answer.rows["1.5"].warning


def test_a_slow_and_a_failing_source_delay_nobody(memory: Start, identity: LocalIdentity) -> None:
    gate = threading.Event()
    slow = memory("slow", MemoryArchive([study_row("1.1", "20240101")], hold=gate))
    quick = memory("quick", MemoryArchive([study_row("1.2", "20240102")]))
    gone = Peer("gone", "GONE", "127.0.0.1", 1)
    states: list[SourceState] = []
    rows: list[FoundStudy] = []
    seen = threading.Event()

    def on_state(state: SourceState) -> None:
        states.append(state)
        ended = {entry.name for entry in states if entry.state in (State.DONE, State.FAILED)}
        if {"quick", "gone"} <= ended:
            seen.set()
            gate.set()

    answer = many.query(
        [slow, gone, quick], None, StudyQuery(), identity=identity, on_rows=rows.extend, on_state=on_state
    )
    assert seen.is_set()
    assert [row.uid for row in rows] == ["1.2", "1.1"]
    assert answer.states["slow"].state is State.DONE
    assert answer.states["gone"].state is State.FAILED
    assert "Nothing listens" in answer.states["gone"].words
    assert not answer.complete


def test_cancel_ends_all_and_keeps_what_came(memory: Start, identity: LocalIdentity) -> None:
    gate = threading.Event()
    slow = memory("slow", MemoryArchive([study_row("1.1", "20240101")], hold=gate))
    quick = memory("quick", MemoryArchive([study_row("1.2", "20240102")]))
    token = CancelToken()
    rows: list[FoundStudy] = []

    def on_rows(found: list[FoundStudy]) -> None:
        rows.extend(found)
        token.cancel()

    with pytest.raises(Cancelled):
        many.query([slow, quick], None, StudyQuery(), identity=identity, on_rows=on_rows, cancel=token)
    gate.set()
    assert [row.uid for row in rows] == ["1.2"]


@pytest.mark.parametrize(
    ("ending", "refuses"), [(0x0000, False), (0xA700, False), (0xB000, False), (0xFE00, False), (0xA700, True)]
)
def test_an_archive_that_cuts_off_is_asked_in_parts(
    memory: Start, identity: LocalIdentity, home: Path, ending: int, refuses: bool
) -> None:
    archive = MemoryArchive(days(180), limit=50, ending=ending, refuses=refuses)
    settings = Settings(home)
    answer = many.query([memory("cut", archive)], None, StudyQuery(), identity=identity, settings=settings)
    assert len(answer.rows) == 180
    assert answer.states["cut"].state is State.DONE
    assert 2 < len(archive.asked) <= 25
    if not refuses:
        assert any("in parts" in note for note in answer.states["cut"].notes)
        assert settings.get("network.query_limits") == {"cut": 50}


def test_one_day_is_divided_by_modality_and_what_cannot_be_divided_is_told(
    memory: Start, identity: LocalIdentity
) -> None:
    rows = [
        study_row(f"1.2.{number}", "20240105", modality) for number, modality in enumerate(["CT"] * 40 + ["MR"] * 40)
    ]
    archive = MemoryArchive(rows, limit=50)
    answer = many.query([memory("cut", archive)], None, StudyQuery(), identity=identity)
    assert len(answer.rows) == 80
    assert answer.states["cut"].state is State.TRUNCATED
    many_cts = MemoryArchive([study_row(f"1.3.{number}", "20240105") for number in range(80)], limit=50, ending=0xA700)
    answer = many.query([memory("cut", many_cts)], None, StudyQuery(), identity=identity)
    assert len(answer.rows) == 50
    assert answer.states["cut"].state is State.TRUNCATED
    assert len(many_cts.asked) <= 64


def test_a_round_number_that_is_all_there_is_is_no_truncation(memory: Start, identity: LocalIdentity) -> None:
    archive = MemoryArchive(days(100))
    answer = many.query([memory("hundred", archive)], None, StudyQuery(), identity=identity)
    assert len(answer.rows) == 100
    assert answer.states["hundred"].state is State.DONE
    assert answer.states["hundred"].notes == ()
    assert len(archive.asked) == 3


def test_our_own_limit_is_told(memory: Start, identity: LocalIdentity) -> None:
    answer = many.query([memory("big", MemoryArchive(days(30)))], None, StudyQuery(), identity=identity, limit=10)
    assert len(answer.rows) == 10
    assert answer.states["big"].state is State.TRUNCATED
    exact = many.query([memory("exact", MemoryArchive(days(10)))], None, StudyQuery(), identity=identity, limit=10)
    assert exact.states["exact"].state is State.DONE


def test_keys_that_an_archive_ignores_are_checked_here(memory: Start, identity: LocalIdentity) -> None:
    class Ignorant(MemoryArchive):
        def _find(self, event):
            for row in self.studies:
                yield 0xFF01, row

    archive = Ignorant(
        [
            study_row("1.1", "20240101"),
            study_row("1.2", "20200101"),
            study_row("1.3", "20240102", "MR"),
            study_row("1.4", "20240103", PatientID="OTHER"),
        ]
    )
    question = StudyQuery(patient_id="P1", study_date_from="20240101", modalities=("CT",))
    answer = many.query([memory("ignorant", archive)], None, question, identity=identity)
    assert list(answer.rows) == ["1.1"]


def test_odd_dates_are_no_reason_to_leave_a_study_out(memory: Start, identity: LocalIdentity) -> None:
    class Ignorant(MemoryArchive):
        def _find(self, event):
            for row in self.studies:
                yield 0xFF00, row

    archive = Ignorant([study_row("1.1", "2024-01-05"), study_row("1.2", "5 Jan"), study_row("1.3", "2020.01.01")])
    question = StudyQuery(study_date_from="20240101")
    answer = many.query([memory("odd", archive)], None, question, identity=identity)
    assert sorted(answer.rows) == ["1.1", "1.2"]


def test_all_chest_x_rays_of_a_patient(memory: Start, identity: LocalIdentity) -> None:
    part = Dataset()
    part.StudyInstanceUID, part.SeriesInstanceUID, part.BodyPartExamined = "1.3", "1.3.1", "CHEST"
    foot = Dataset()
    foot.StudyInstanceUID, foot.SeriesInstanceUID, foot.BodyPartExamined = "1.4", "1.4.1", "FOOT"
    archive = MemoryArchive(
        [
            study_row("1.1", "20260901", "CR", StudyDescription="Thorax pa"),
            study_row("1.2", "20260901", "DX", StudyDescription="Knee right"),
            study_row("1.3", "20260902", "DX", StudyDescription="Protocol 7"),
            study_row("1.4", "20260903", "DX", StudyDescription="Protocol 8"),
            study_row("1.5", "20260904", "CT", StudyDescription="CT chest"),
            study_row("1.6", "20200904", "CR", StudyDescription="Chest"),
            study_row("1.7", "20260905", "CR", StudyDescription="Protocol 9"),
        ],
        series=[part, foot],
    )
    question = Question(
        StudyQuery(patient_id="P1", study_date_from="20260520", modalities=("CR", "DX")), region="chest"
    )
    answer = many.query([memory("pacs", archive)], None, question, identity=identity)
    assert sorted(answer.rows) == ["1.1", "1.3", "1.7"]
    assert any("not known" in note for note in answer.states["pacs"].notes)


def test_fuzzy_names_only_where_offered(memory: Start, identity: LocalIdentity) -> None:
    yes, no = MemoryArchive([study_row("1.1")], extended=b"\x00\x00\x01"), MemoryArchive([study_row("1.2")])
    question = Question(StudyQuery(patient_name="Doe"), fuzzy=True)
    answer = many.query([memory("yes", yes), memory("no", no)], None, question, identity=identity)
    assert answer.states["yes"].notes == ()
    assert "sound alike" in answer.states["no"].notes[0]
    assert set(yes.requested) == {b"\x00\x00\x01"}


def test_relational_queries_only_when_the_archive_agrees(scp: Start, identity: LocalIdentity) -> None:
    entry = Dataset()
    entry.StudyInstanceUID, entry.SeriesInstanceUID, entry.Modality = "1.1", "1.1.1", "CT"
    agrees = MemoryArchive([study_row("1.1")], series=[entry], extended=b"\x01")
    rows = list(find(scp([STUDY_ROOT], agrees.handlers()), identity, "series", {"Modality": "CT"}))
    assert [row["SeriesInstanceUID"] for row in rows] == ["1.1.1"]
    assert rows[0]["SeriesDescription"] == ""  # left out by the archive
    assert [asked.QueryRetrieveLevel for asked in agrees.asked] == ["SERIES"]
    silent = MemoryArchive([study_row("1.1")], series=[entry])
    assert list(find(scp([STUDY_ROOT], silent.handlers()), identity, "series", {"Modality": "CT"})) == rows
    assert [asked.QueryRetrieveLevel for asked in silent.asked] == ["STUDY", "SERIES"]
    # a query that names what is above needs no negotiation, and none is asked for
    quiet = MemoryArchive([study_row("1.1")], series=[entry])
    list(find(scp([STUDY_ROOT], quiet.handlers()), identity, "series", {"StudyInstanceUID": "1.1"}))
    assert quiet.requested == []
