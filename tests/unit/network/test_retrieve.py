from __future__ import annotations

import errno
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pydicom.uid import generate_uid

from builders import network_objects
from builders.peer_servers import free_port
from lightbox.core.errors import Cancelled, LightboxError, NotFoundError, UsageError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.library.spool import SpoolFile
from lightbox.network import announce, contexts, get, storage_scp, suboperations
from lightbox.network import archive as archive_module
from lightbox.network.archive import Archive
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.reports import RetrieveReport, SeriesReport
from lightbox.network.retrieve import retrieve
from lightbox.network.storage_scp import StorageScp
from lightbox.network.stored import describe
from lightbox.network.wire.negotiation import accept_by

Studies = dict[str, list[Dataset]]


def uid_of(studies: Studies, name: str) -> str:
    return str(studies[name][0].StudyInstanceUID)


def data_set_bytes(file: Any) -> bytes:
    with file:
        file.seek(describe(file).offset)
        return file.read()


def sources(folder: Path) -> Iterator[tuple[str, bytes]]:
    for path in folder.rglob("*.dcm"):
        with path.open("rb") as file:
            uid = describe(file).sop_instance_uid
        yield uid, data_set_bytes(path.open("rb"))


@pytest.mark.parametrize("method", ["c-get", "c-move", "auto"])
def test_a_study_arrives_byte_for_byte(
    archive: Archive, identity: LocalIdentity, library: Library, studies: Studies, tmp_path: Path, method: str
) -> None:
    told: list[Progress] = []
    grown: list[SeriesReport] = []
    report = retrieve(
        archive.peer(),
        identity,
        library,
        uid_of(studies, "one"),
        method=method,
        progress=told.append,
        series_progress=grown.append,
    )
    assert report.complete
    assert report.summary() == "8 of 8"
    assert report.method == ("c-move" if method == "c-move" else "c-get")
    assert [(entry.announced, entry.received) for entry in report.series] == [(4, 4), (4, 4)]
    assert told[-1].done == told[-1].total == 8
    assert grown
    assert storage_scp.running_on(identity.port) is None
    originals = dict(sources(tmp_path / "source" / "one"))
    assert len(originals) == 8
    for uid, expected in originals.items():
        assert data_set_bytes(library.open_object(uid)) == expected
    study = library.study(uid_of(studies, "one"))
    assert study is not None
    assert study.source == archive.ae_title


def test_one_series(archive: Archive, identity: LocalIdentity, library: Library, studies: Studies) -> None:
    series_uid = str(studies["one"][-1].SeriesInstanceUID)
    report = retrieve(archive.peer(), identity, library, uid_of(studies, "one"), [series_uid])
    assert report.summary() == "4 of 4"
    assert [entry.series_instance_uid for entry in library.series_of(uid_of(studies, "one"))] == [series_uid]


def test_twice_is_no_harm(archive: Archive, identity: LocalIdentity, library: Library, studies: Studies) -> None:
    for _ in range(2):
        report = retrieve(archive.peer(), identity, library, uid_of(studies, "two"), force=True)
        assert report.summary() == "3 of 3"
    assert library.quarantine() == []
    study = library.study(uid_of(studies, "two"))
    assert study is not None
    assert study.number_of_instances == 3


def test_unknown_study(archive: Archive, identity: LocalIdentity, library: Library) -> None:
    with pytest.raises(NotFoundError):
        retrieve(archive.peer(), identity, library, "1.2.3")
    with pytest.raises(UsageError):
        retrieve(archive.peer(), identity, library, "1.2.3", method="fax")


def test_unreachable_archive(identity: LocalIdentity, library: Library, archive: Archive) -> None:
    peer = archive.peer()
    archive.stop()
    with pytest.raises(AssociationError) as caught:
        retrieve(peer, identity, library, "1.2.3")
    assert caught.value.code == "tcp.refused"


def test_what_is_missing_is_named(
    archive: Archive, identity: LocalIdentity, library: Library, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    lost = str(studies["one"][2].SOPInstanceUID)
    send = suboperations.send_entry
    asked: list[str] = []

    def refuse(outgoing: Any, entry: Any, *rest: Any) -> int | None:
        if entry.description.sop_instance_uid == lost:
            asked.append(lost)
            return 0xA700
        return send(outgoing, entry, *rest)

    monkeypatch.setattr(suboperations, "send_entry", refuse)
    report = retrieve(archive.peer(), identity, library, uid_of(studies, "one"))
    assert not report.complete
    assert (report.received, report.announced) == (7, 8)
    assert [uid for uid, _ in report.failed] == [lost]
    assert report.summary().startswith("7 of 8, 1 failed: ")
    assert [(entry.announced, entry.received) for entry in report.series] == [(4, 3), (4, 4)]
    assert len(asked) >= 3  # C-GET, once more by its UID, and by C-MOVE


@pytest.mark.parametrize("listed", [0, 2])
@pytest.mark.parametrize("method", ["c-get", "c-move"])
@pytest.mark.parametrize("lossy", [False, True])
def test_what_the_archive_did_not_list_is_counted(
    archive: Archive,
    identity: LocalIdentity,
    library: Library,
    studies: Studies,
    monkeypatch: pytest.MonkeyPatch,
    listed: int,
    method: str,
    lossy: bool,
) -> None:
    """Archives cut long lists short, or tell no numbers: what they set out to send counts, too."""
    ask, send = announce.ask, suboperations.send_entry

    def ask_less(*arguments: Any) -> announce.Announced:
        found = ask(*arguments)
        for entry in found.series.values():
            entry.count, entry.instances = None, dict(list(entry.instances.items())[:listed])
        known = {uid for entry in found.series.values() for uid in entry.instances}
        victims.extend(uid for uid in all_uids if uid not in known)
        return found

    def refuse(outgoing: Any, entry: Any, *rest: Any) -> int | None:
        lost = lossy and entry.description.sop_instance_uid == victims[0]
        return 0xA700 if lost else send(outgoing, entry, *rest)

    victims: list[str] = []
    all_uids = [str(ds.SOPInstanceUID) for ds in studies["one"]]
    monkeypatch.setattr(announce, "ask", ask_less)
    monkeypatch.setattr(suboperations, "send_entry", refuse)
    report = retrieve(archive.peer(), identity, library, uid_of(studies, "one"), method=method)
    assert report.announced == 8
    assert report.received == (7 if lossy else 8)
    assert report.complete is not lossy
    assert len(report.failed) == (1 if lossy else 0)
    assert sum(entry.announced or 0 for entry in report.series) == 8


def test_what_failed_once_is_fetched_again(
    archive: Archive, identity: LocalIdentity, library: Library, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    send = suboperations.send_entry
    failed: list[str] = []

    def stumble(outgoing: Any, entry: Any, *rest: Any) -> int | None:
        if not failed:
            failed.append(entry.description.sop_instance_uid)
            return 0xA700
        return send(outgoing, entry, *rest)

    monkeypatch.setattr(suboperations, "send_entry", stumble)
    report = retrieve(archive.peer(), identity, library, uid_of(studies, "one"), method="c-get")
    assert failed
    assert report.summary() == "8 of 8"


def test_falls_back_to_c_move_and_remembers(
    archive: Archive,
    identity: LocalIdentity,
    library: Library,
    studies: Studies,
    monkeypatch: pytest.MonkeyPatch,
    home: Path,
) -> None:
    monkeypatch.setattr(archive_module, "_SERVICES", [uid for uid in archive_module._SERVICES if uid != get.MODEL])
    settings = Settings(home)
    report = retrieve(archive.peer(), identity, library, uid_of(studies, "two"), settings=settings)
    assert report.complete
    assert report.method == "c-move"
    assert any("C-GET" in note for note in report.notes)
    assert settings.get("network.retrieve_methods") == {"archive": "c-move"}
    again = retrieve(archive.peer(), identity, library, uid_of(studies, "two"), settings=settings, force=True)
    assert (again.method, again.notes) == ("c-move", [])


def test_refused_role(
    identity: LocalIdentity,
    library: Library,
    studies: Studies,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(Archive, "_negotiate", lambda self, request: accept_by(request, self._accept))
    with Archive(tmp_path / "source", destinations={"LIGHTBOX": ("127.0.0.1", identity.port)}) as archive:
        with pytest.raises(AssociationError) as caught:
            retrieve(archive.peer(), identity, library, uid_of(studies, "two"), method="c-get")
        assert caught.value.code == "get.no-role"
        assert "C-MOVE" in caught.value.todo
        assert retrieve(archive.peer(), identity, library, uid_of(studies, "two")).method == "c-move"


def test_unknown_destination_is_explained(
    archive: Archive, identity: LocalIdentity, library: Library, studies: Studies
) -> None:
    archive.destinations.clear()
    with pytest.raises(DimseError) as caught:
        retrieve(archive.peer(), identity, library, uid_of(studies, "two"), method="c-move")
    assert caught.value.status == 0xA801
    assert f"AE title LIGHTBOX, the address of this computer, port {identity.port}" in str(caught.value)
    assert "its address on the way to the archive is 127.0.0.1" in caught.value.todo
    assert "TLS" not in caught.value.todo


def test_what_to_enter_is_what_we_are_towards_this_archive(
    archive: Archive, identity: LocalIdentity, library: Library, studies: Studies
) -> None:
    own = free_port()
    archive.destinations.clear()
    peer = replace(archive.peer(), own_ae="OTHER", own_port=own)
    with pytest.raises(DimseError) as caught:
        retrieve(peer, identity, library, uid_of(studies, "two"), method="c-move")
    assert f"AE title OTHER, the address of this computer, port {own}" in caught.value.todo


def test_c_move_uses_the_receiver_that_runs(
    archive: Archive, identity: LocalIdentity, library: Library, studies: Studies
) -> None:
    with StorageScp(library, identity) as receiver:
        report = retrieve(archive.peer(), identity, library, uid_of(studies, "one"), method="c-move")
        assert report.summary() == "8 of 8"
        assert receiver.running
        assert storage_scp.running_on(identity.port) is receiver


def test_cancel_keeps_what_came(archive: Archive, identity: LocalIdentity, library: Library, studies: Studies) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        retrieve(
            archive.peer(), identity, library, uid_of(studies, "one"), cancel=token, progress=lambda _: token.cancel()
        )
    held = [
        record
        for series in library.series_of(uid_of(studies, "one"))
        for record in library.instances_of(series.series_instance_uid)
    ]
    assert 1 <= len(held) < 8


def test_cancel_raised_by_the_listener(
    archive: Archive, identity: LocalIdentity, library: Library, studies: Studies
) -> None:
    def stop(_: Progress) -> None:
        raise Cancelled

    with pytest.raises(Cancelled):
        retrieve(archive.peer(), identity, library, uid_of(studies, "one"), progress=stop)


def test_a_full_disk_is_answered_and_reported(
    archive: Archive, identity: LocalIdentity, library: Library, studies: Studies, monkeypatch: pytest.MonkeyPatch
) -> None:
    commit = SpoolFile.commit
    written: list[int] = []

    def full(self: SpoolFile, **options: bool) -> Any:
        written.append(1)
        if len(written) > 2:
            self.abort()
            raise LightboxError("A received object could not be stored") from OSError(errno.ENOSPC, "No space left")
        return commit(self, **options)

    monkeypatch.setattr(SpoolFile, "commit", full)
    report = retrieve(archive.peer(), identity, library, uid_of(studies, "one"), method="c-get")
    assert report.received == 2
    assert {reason for _, reason in report.failed} == {"the disk of this computer is full"}


def many_classes(folder: Path, count: int) -> list[Dataset]:
    classes = [uid for uid in contexts.ALL_CLASSES if "Image" in contexts.UID_dictionary[uid][0]][: count - 1]
    classes.append("1.3.6.1.4.1.55555.1.1")  # a private one
    datasets = [
        network_objects.ct("many", f"s{number % 3}", number, sop_class=sop_class)
        for number, sop_class in enumerate(classes)
    ]
    network_objects.write(folder, datasets)
    return datasets


@pytest.mark.parametrize("told", [True, False])
def test_more_classes_than_fit_one_association(
    identity: LocalIdentity, library: Library, tmp_path: Path, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    datasets = many_classes(tmp_path / "many", 30)
    with Archive(tmp_path / "many") as archive:
        if not told:  # an archive that tells neither transfer syntaxes nor SOP classes
            row = archive.index._row
            hidden = ("AvailableTransferSyntaxUID", "SOPClassUID", "SOPClassesInStudy")
            monkeypatch.setattr(
                archive.index, "_row", lambda *given: {k: v for k, v in row(*given).items() if k not in hidden}
            )
        report = retrieve(archive.peer(), identity, library, str(datasets[0].StudyInstanceUID), method="c-get")
    # A private class that nobody tells us of cannot be proposed
    assert report.received == len(datasets) - (0 if told else 1)
    assert [uid for uid, _ in report.failed] == ([] if told else [str(datasets[-1].SOPInstanceUID)])


def test_encodings_are_kept(identity: LocalIdentity, library: Library, tmp_path: Path) -> None:
    import pydicom
    from pydicom.encaps import encapsulate

    study = generate_uid()
    syntaxes = [
        "1.2.840.10008.1.2.4.90",
        "1.2.840.10008.1.2.4.50",
        "1.2.840.10008.1.2.5",
        "1.2.840.10008.1.2.2",
        "1.2.840.10008.1.2",
        "1.2.840.10008.1.2.1.99",
        "1.2.840.10008.1.2.4.201",
    ]
    (tmp_path / "kinds").mkdir()
    for number, syntax in enumerate(syntaxes):
        dataset = network_objects.ct("kinds", "s", number, syntax=syntax, StudyInstanceUID=study)
        if pydicom.uid.UID(syntax).is_encapsulated:
            dataset.PixelData = encapsulate([bytes(range(100)) * 5])
            dataset["PixelData"].VR = "OB"
        else:
            dataset["PixelData"].VR = "OW"
        dataset.save_as(tmp_path / "kinds" / f"{number}.dcm", enforce_file_format=True)
    with Archive(tmp_path / "kinds") as archive:
        assert retrieve(archive.peer(), identity, library, study, method="c-get").summary() == "7 of 7"
    for uid, expected in sources(tmp_path / "kinds"):
        assert data_set_bytes(library.open_object(uid)) == expected
    kept = {
        record.transfer_syntax_uid
        for series in library.series_of(study)
        for record in library.instances_of(series.series_instance_uid)
    }
    assert kept == set(syntaxes)


def test_summary_names_the_reasons() -> None:
    report = RetrieveReport("1.2", announced=120, received=118, failed=[("1", "disk full"), ("2", "disk full")])
    assert report.summary() == "118 of 120, 2 failed: disk full"
    assert report.as_dict()["failed"] == [
        {"sop_instance_uid": "1", "reason": "disk full"},
        {"sop_instance_uid": "2", "reason": "disk full"},
    ]
