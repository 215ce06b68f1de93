from __future__ import annotations

import threading
from collections.abc import Callable

import pytest
from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pynetdicom import evt

from lightbox.core.errors import Cancelled, Problem, UsageError
from lightbox.core.jobs import CancelToken
from lightbox.network.archive import Archive
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.find import find, session
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer

Studies = dict[str, list[Dataset]]


def test_studies_with_names_and_counts(archive: Archive, identity: LocalIdentity, studies: Studies) -> None:
    rows = {row["StudyInstanceUID"]: row for row in find(archive.peer(), identity, "study", {})}
    assert len(rows) == 3
    for datasets in studies.values():
        row = rows[str(datasets[0].StudyInstanceUID)]
        assert row["PatientName"] == str(datasets[0].PatientName)
        assert row["NumberOfStudyRelatedInstances"] == str(len(datasets))
        assert row["ModalitiesInStudy"] == "CT"
        assert row["StudyDate"] == datasets[0].StudyDate


@pytest.mark.parametrize(
    ("keys", "expected"),
    [
        ({"PatientName": "müller*"}, {"one"}),
        ({"PatientName": "*mi?h*"}, {"three"}),
        ({"PatientName": "Yamada^Tarou=山田^太郎"}, {"two"}),
        ({"PatientName": "nobody"}, set()),
        ({"StudyDate": "20240101-20240131"}, {"one"}),
        ({"StudyDate": "2024-01-01.."}, {"one", "two"}),
        ({"StudyDate": "-20231231"}, {"three"}),
        ({"ModalitiesInStudy": "CT", "StudyDate": "20240220"}, {"two"}),
        ({"ModalitiesInStudy": "MR"}, set()),
        ({"StudyDescription": "Study t*"}, {"two", "three"}),
    ],
)
def test_matching(
    archive: Archive, identity: LocalIdentity, studies: Studies, keys: dict[str, str], expected: set[str]
) -> None:
    found = {row["StudyInstanceUID"] for row in find(archive.peer(), identity, "study", keys)}
    assert found == {str(studies[name][0].StudyInstanceUID) for name in expected}


def test_series_and_images_of_a_study(archive: Archive, identity: LocalIdentity, studies: Studies) -> None:
    study_uid = str(studies["one"][0].StudyInstanceUID)
    series = list(find(archive.peer(), identity, "series", {"StudyInstanceUID": study_uid}))
    assert {row["SeriesInstanceUID"] for row in series} == {str(ds.SeriesInstanceUID) for ds in studies["one"]}
    assert {row["NumberOfSeriesRelatedInstances"] for row in series} == {"4"}
    keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series[0]["SeriesInstanceUID"]}
    images = list(find(archive.peer(), identity, "image", keys))
    assert sorted(row["InstanceNumber"] for row in images) == ["1", "2", "3", "4"]
    assert {row["SOPClassUID"] for row in images} == {"1.2.840.10008.5.1.4.1.1.2"}
    assert {row["AvailableTransferSyntaxUID"] for row in images} == {"1.2.840.10008.1.2.1"}
    assert {row["Rows"] for row in images} == {"32"}


def test_keys_of_upper_levels_may_be_left_out(archive: Archive, identity: LocalIdentity, studies: Studies) -> None:
    images = list(find(archive.peer(), identity, "image", {"PatientName": "Smith*"}))
    assert {row["SOPInstanceUID"] for row in images} == {str(ds.SOPInstanceUID) for ds in studies["three"]}
    limited = list(find(archive.peer(), identity, "image", {}, limit=5))
    assert len(limited) == 5


def test_patient_root(archive: Archive, identity: LocalIdentity, studies: Studies) -> None:
    patients = list(find(archive.peer(), identity, "patient", {"PatientName": "Smith*"}, root="patient"))
    assert [row["PatientID"] for row in patients] == ["ID-Smith^Ann"]
    assert patients[0]["NumberOfPatientRelatedInstances"] == "2"
    series = list(find(archive.peer(), identity, "series", {"PatientID": "ID-Smith^Ann"}, root="patient"))
    assert [row["SeriesInstanceUID"] for row in series] == [str(studies["three"][0].SeriesInstanceUID)]


def test_several_queries_share_an_association(archive: Archive, identity: LocalIdentity) -> None:
    with session(archive.peer(), identity) as finder:
        first = list(finder.find("study", {}))
        second = list(finder.find("series", {"StudyInstanceUID": first[0]["StudyInstanceUID"]}))
    assert len(first) == 3
    assert second


@pytest.mark.parametrize(
    ("level", "root", "keys"),
    [
        ("patient", "study", {}),
        ("frame", "study", {}),
        ("study", "worklist", {}),
        ("study", "study", {"Shoesize": "44"}),
        ("study", "study", {"StudyDate": "soon"}),
    ],
)
def test_senseless_queries(
    archive: Archive, identity: LocalIdentity, level: str, root: str, keys: dict[str, str]
) -> None:
    with pytest.raises(UsageError):
        list(find(archive.peer(), identity, level, keys, root=root))


def broken_row(**values: str) -> Dataset:
    dataset = Dataset()
    for word, value in values.items():
        dataset[word] = DataElement(word, "CS", value, validation_mode=config.IGNORE)
    return dataset


def test_rows_are_tolerated_one_by_one(answering: Callable[..., Peer], identity: LocalIdentity) -> None:
    peer = answering(
        (0xFF00, broken_row(StudyInstanceUID="", PatientID="no uid")),
        (0xFF00, broken_row(PatientID="no uid either")),
        (0xFF01, broken_row(StudyInstanceUID="LOCALIZER", StudyDate="31.12.2023")),
        (0xFF00, broken_row(StudyInstanceUID="1.2.3", PatientID="good")),
    )
    problems: list[Problem] = []
    rows = list(find(peer, identity, "study", {}, problems=problems))
    assert [row["StudyInstanceUID"] for row in rows] == ["LOCALIZER", "1.2.3"]
    assert rows[0]["StudyDate"] == "31.12.2023"
    assert {problem.code for problem in problems} == {"find.row-incomplete", "find.keys-ignored", "find.uid-invalid"}
    assert all("no uid" not in problem.sentence() for problem in problems)


def test_what_the_archive_leaves_out_is_empty(answering: Callable[..., Peer], identity: LocalIdentity) -> None:
    """Some leave out what has no value, others send numbers that are none."""
    odd = broken_row(StudyInstanceUID="1.2.4", NumberOfStudyRelatedInstances="about 12")
    peer = answering((0xFF00, broken_row(StudyInstanceUID="1.2.3")), (0xFF00, odd))
    problems: list[Problem] = []
    bare, malformed = find(peer, identity, "study", {"PatientID": "P*", "InstitutionName": ""}, problems=problems)
    assert {"StudyInstanceUID", "PatientName", "StudyDate", "PatientID", "InstitutionName"} <= set(bare)
    assert {word for word, value in bare.items() if value} == {"StudyInstanceUID"}
    assert malformed["NumberOfStudyRelatedInstances"] == "about 12"
    assert problems == []


def test_a_failure_is_told_in_words(answering: Callable[..., Peer], identity: LocalIdentity) -> None:
    status = Dataset()
    status.Status, status.ErrorComment = 0xA700, "come back tomorrow"
    with pytest.raises(DimseError, match=r"out of resources.*0xA700.*come back tomorrow"):
        list(find(answering((status, None)), identity, "study", {}))


def test_an_abort_is_told_in_words(scp: Callable[..., Peer], identity: LocalIdentity) -> None:
    def abort(event: evt.Event) -> object:
        event.assoc.abort()
        yield 0xFF00, broken_row(StudyInstanceUID="1.2.3")

    peer = scp(["1.2.840.10008.5.1.4.1.2.2.1"], [(evt.EVT_C_FIND, abort)])
    with pytest.raises(AssociationError) as caught:
        list(find(peer, identity, "study", {}))
    assert caught.value.code == "operation.aborted"


class Endless:
    """Answers a C-FIND for ever, until it is cancelled."""

    def __init__(self, obedient: bool = True) -> None:
        self.cancelled = threading.Event()
        self.obedient = obedient
        self.stop = threading.Event()

    def __call__(self, event: evt.Event) -> object:
        number = 0
        while not self.stop.is_set():
            if event.is_cancelled:
                self.cancelled.set()
                if self.obedient:
                    yield 0xFE00, None
                    return
            number += 1
            yield 0xFF00, broken_row(StudyInstanceUID=f"1.2.{number}")
            self.stop.wait(0.01)


def test_limit_sends_cancel(scp: Callable[..., Peer], identity: LocalIdentity) -> None:
    source = Endless()
    peer = scp(["1.2.840.10008.5.1.4.1.2.2.1"], [(evt.EVT_C_FIND, source)])
    assert len(list(find(peer, identity, "study", {}, limit=3))) == 3
    assert source.cancelled.is_set()


@pytest.mark.parametrize("obedient", [True, False])
def test_cancel(
    scp: Callable[..., Peer], identity: LocalIdentity, obedient: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("lightbox.network.wire.association.CANCEL_GRACE_S", 0.3)
    source = Endless(obedient)
    peer = scp(["1.2.840.10008.5.1.4.1.2.2.1"], [(evt.EVT_C_FIND, source)])
    token = CancelToken()
    rows = []
    with pytest.raises(Cancelled):
        for row in find(peer, identity, "study", {}, cancel=token):
            rows.append(row)
            token.cancel()
    source.stop.set()
    assert rows
    assert source.cancelled.is_set()


def test_leaving_early_ends_the_association(scp: Callable[..., Peer], identity: LocalIdentity) -> None:
    source = Endless()
    ended = threading.Event()
    peer = scp(
        ["1.2.840.10008.5.1.4.1.2.2.1"],
        [(evt.EVT_C_FIND, source), (evt.EVT_CONN_CLOSE, lambda event: ended.set())],
    )
    rows = find(peer, identity, "study", {})
    assert next(rows)["StudyInstanceUID"] == "1.2.1"
    rows.close()  # pyright: ignore[reportAttributeAccessIssue]
    source.stop.set()
    assert ended.wait(5)
