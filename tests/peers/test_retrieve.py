"""Retrieves from Orthanc and dcmqrscp, compared with the original files and with DCMTK's getscu."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pydicom
import pytest

from builders import peer_servers
from builders.compare_objects import differences
from builders.peer_servers import Server
from lightbox.core.errors import Cancelled, NotFoundError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network.errors import DimseError
from lightbox.network.find import find
from lightbox.network.retrieve import retrieve
from lightbox.network.send import send
from lightbox.network.stored import describe, of_files

pytestmark = [pytest.mark.peers, pytest.mark.data, pytest.mark.xdist_group("peers")]


def studies_of(server: Server) -> list[str]:
    return [row["StudyInstanceUID"] for row in find(server.peer(), server.identity(), "study", {})]


def largest_study(server: Server, originals: dict, syntax: str = "") -> str:
    counts: dict[str, int] = {}
    for _, dataset in originals.values():
        if syntax and dataset.file_meta.TransferSyntaxUID != syntax:
            continue
        counts[str(dataset.StudyInstanceUID)] = counts.get(str(dataset.StudyInstanceUID), 0) + 1
    return max(studies_of(server), key=lambda uid: counts.get(uid, 0))


def images_of(server: Server, study_uid: str) -> set[str]:
    rows = find(server.peer(), server.identity(), "image", {"StudyInstanceUID": study_uid})
    return {row["SOPInstanceUID"] for row in rows}


@pytest.mark.slow
@pytest.mark.parametrize("method", ["c-get", "c-move"])
def test_everything_comes_back_as_it_was(archive: Server, method: str, originals: dict, home: Path) -> None:
    compared, wrong, re_encoded = 0, {}, set()
    with Library.open(home) as library:
        for study_uid in studies_of(archive):
            report = retrieve(archive.peer(), archive.identity(), library, study_uid, method=method)
            assert report.complete, (report.summary(), report.notes)
            assert report.method == method
            assert report.received == report.announced == len(images_of(archive, study_uid))
            assert sum(entry.received for entry in report.series) == report.received
        for uid, (_, original) in originals.items():
            if library.instance(uid) is None:
                continue
            with library.open_object(uid) as file:
                received = pydicom.dcmread(file)
            compared += 1
            if received.file_meta.TransferSyntaxUID != original.file_meta.TransferSyntaxUID:
                re_encoded.add((str(original.file_meta.TransferSyntaxUID), str(received.file_meta.TransferSyntaxUID)))
            found = differences(original, received)
            if found:
                wrong[uid] = found
    assert compared >= (150 if archive.name == "orthanc" else 100)
    assert not wrong
    if archive.name == "orthanc":
        assert not re_encoded  # it sends what it stores because each transfer syntax has a context of its own


def test_bytes_equal_those_that_getscu_receives(archive: Server, originals: dict, home: Path, tmp_path: Path) -> None:
    # getscu proposes several transfer syntaxes in one context, so that archives send it their favourite: hence one of
    # the uncompressed studies
    study_uid = largest_study(archive, originals, "1.2.840.10008.1.2.1")
    target = tmp_path / "getscu"
    target.mkdir()
    command = [peer_servers.program("getscu"), "-S", "-aet", "LIGHTBOX", "-aec", archive.ae_title, "+xe", "+B"]
    command += ["-od", str(target), "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid}"]
    command += ["127.0.0.1", str(archive.port)]
    subprocess.run(command, check=True, capture_output=True, timeout=120, env=peer_servers.environment())
    with Library.open(home) as library:
        retrieve(archive.peer(), archive.identity(), library, study_uid, method="c-get")
        same = 0
        for path in target.iterdir():
            with path.open("rb") as theirs:
                first = describe(theirs)
                theirs.seek(first.offset)
                expected = theirs.read()
            with library.open_object(first.sop_instance_uid) as ours:
                second = describe(ours)
                ours.seek(second.offset)
                if second.transfer_syntax_uid == first.transfer_syntax_uid:
                    assert ours.read() == expected
                    same += 1
    assert same


def test_one_series_and_progress(archive: Server, originals: dict, home: Path) -> None:
    study_uid = largest_study(archive, originals)
    series = next(find(archive.peer(), archive.identity(), "series", {"StudyInstanceUID": study_uid}))
    told: list[Progress] = []
    with Library.open(home) as library:
        report = retrieve(
            archive.peer(),
            archive.identity(),
            library,
            study_uid,
            [series["SeriesInstanceUID"]],
            method="c-get",
            progress=told.append,
        )
        held = [entry.series_instance_uid for entry in library.series_of(study_uid)]
    assert report.complete
    assert held == [series["SeriesInstanceUID"]]
    assert told[-1].done == told[-1].total == report.received
    assert [progress.done for progress in told] == sorted(progress.done for progress in told)


def test_unknown_study_is_not_found(archive: Server, home: Path) -> None:
    with Library.open(home) as library, pytest.raises(NotFoundError):
        retrieve(archive.peer(), archive.identity(), library, "1.2.3.4.5.6.7.8.9")


def test_cancel_keeps_what_came(archive: Server, originals: dict, home: Path) -> None:
    study_uid = largest_study(archive, originals)
    token = CancelToken()
    with Library.open(home) as library:
        with pytest.raises(Cancelled):
            retrieve(
                archive.peer(),
                archive.identity(),
                library,
                study_uid,
                method="c-get",
                cancel=token,
                progress=lambda _: token.cancel(),
            )
        first = sum(entry.number_of_instances for entry in library.series_of(study_uid))
        assert 1 <= first < len(images_of(archive, study_uid))
        assert retrieve(archive.peer(), archive.identity(), library, study_uid).complete


def test_unknown_destination_is_explained(archive: Server, originals: dict, home: Path) -> None:
    study_uid = largest_study(archive, originals)
    stranger = type(archive.peer())("stranger", archive.ae_title, "127.0.0.1", archive.port, "ELSEWHERE")
    with Library.open(home) as library, pytest.raises(DimseError) as caught:
        retrieve(stranger, archive.identity(), library, study_uid, method="c-move")
    assert "ELSEWHERE" in str(caught.value)
    assert str(archive.own_port) in str(caught.value)


def test_falls_back_to_c_move_and_remembers(orthanc: Server, originals: dict, home: Path) -> None:
    study_uid = largest_study(orthanc, originals)
    settings = Settings(home)
    # Orthanc does not let this AE title get, but knows it as a destination
    identity = orthanc.identity("NOGET")
    with Library.open(home) as library:
        report = retrieve(orthanc.peer(), identity, library, study_uid, settings=settings)
        assert report.complete
        assert report.method == "c-move"
        assert settings.get("network.retrieve_methods") == {"orthanc": "c-move"}
        again = retrieve(orthanc.peer(), identity, library, study_uid, settings=settings, force=True)
        assert again.method == "c-move"
        assert not again.notes


def test_what_the_archive_cannot_send_is_reported(dcmqrscp: Server, originals: dict, home: Path) -> None:
    path, dataset = next(
        (path, ds) for path, ds in originals.values() if ds.SOPClassUID == "1.2.840.10008.5.1.4.1.1.30"
    )
    study_uid = str(dataset.StudyInstanceUID)
    sent = send(dcmqrscp.peer(), dcmqrscp.identity(), of_files([path]))
    assert sent.complete
    with Library.open(home) as library:
        moved = retrieve(dcmqrscp.peer(), dcmqrscp.identity(), library, study_uid, method="c-move")
        assert moved.announced == moved.received + 1
        assert [uid for uid, _ in moved.failed] == [str(dataset.SOPInstanceUID)]
        assert moved.summary().startswith(f"{moved.received} of {moved.announced}, 1 failed: ")
        # C-GET with contexts for every storage class brings it
        assert retrieve(dcmqrscp.peer(), dcmqrscp.identity(), library, study_uid).complete
