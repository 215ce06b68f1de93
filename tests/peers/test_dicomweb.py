"""DICOMweb with a real Orthanc: search, retrieve, store, and who may; objects compared with the original files."""

from __future__ import annotations

import dataclasses
import io
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from builders import peer_servers
from builders.compare_objects import differences
from builders.fault_proxy import FaultProxy, proxy_context
from builders.peer_servers import Server
from builders.pki import Pki
from lightbox.core.errors import Problem
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network.find import find
from lightbox.network.identity import TlsSettings
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.retrieve import retrieve
from lightbox.network.secrets import Secrets
from lightbox.network.stored import of_files
from lightbox.network.web import stow, wado
from lightbox.network.web.errors import WebError
from lightbox.network.web.qido import WebFinder
from lightbox.network.web.service import WebService

pytestmark = [pytest.mark.peers, pytest.mark.data, pytest.mark.xdist_group("peers")]

PLUGIN = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
FOLDERS = ("ct-volume/ge-head-gantry-tilt-28", "overlays-seg/dcmqi", "ultrasound", "enhanced", "charsets", "projection")
USER, PASSWORD = "tester", "tester-pw"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """An empty Orthanc with DICOMweb that wants a password."""
    peer_servers.require("Orthanc")
    if not PLUGIN.exists():
        reason = "not installed: the DICOMweb plugin of Orthanc"
        pytest.fail(reason) if peer_servers.demanded() else pytest.skip(reason)
    settings = {
        "Plugins": [str(PLUGIN)],
        "DicomWeb": {"Enable": True, "Root": "/dicom-web/"},
        "AuthenticationEnabled": True,
        "RegisteredUsers": {USER: PASSWORD},
    }
    folder = tmp_path_factory.mktemp("dicomweb")
    with peer_servers.start_orthanc(folder, own_port=peer_servers.free_port(), **settings) as running:
        yield running


@pytest.fixture(scope="module")
def secrets(tmp_path_factory: pytest.TempPathFactory) -> Secrets:
    kept = Secrets(tmp_path_factory.mktemp("secrets"))
    kept.set("orthanc", PASSWORD)
    return kept


@pytest.fixture(scope="module")
def peer(server: Server) -> Peer:
    web = WebSettings(f"http://127.0.0.1:{server.http_port}/dicom-web", authentication="basic", user=USER)
    return dataclasses.replace(server.peer(), web=web)


@pytest.fixture(scope="module")
def service(server: Server, peer: Peer, secrets: Secrets) -> Iterator[WebService]:
    with WebService(peer, server.identity(), secrets=secrets) as opened:
        yield opened


@pytest.fixture(scope="module")
def originals(data: Path) -> dict[str, tuple[Path, Dataset]]:
    found: dict[str, tuple[Path, Dataset]] = {}
    for path in sorted(path for folder in FOLDERS for path in (data / folder).rglob("*") if path.is_file()):
        try:
            dataset = pydicom.dcmread(path)
        except (pydicom.errors.InvalidDicomError, AttributeError, EOFError):
            continue
        needed = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID", "PatientID")
        if all(dataset.get(word) for word in needed) and "TransferSyntaxUID" in dataset.file_meta:
            found.setdefault(str(dataset.SOPInstanceUID), (path, dataset))
    return found


@pytest.fixture(scope="module")
def stored(service: WebService, originals: dict[str, tuple[Path, Dataset]]) -> dict[str, tuple[Path, Dataset]]:
    """The originals that Orthanc took by STOW-RS."""
    results = list(stow.store(service, of_files(path for path, _ in originals.values())))
    assert len(results) == len(originals)
    assert all(result.reason for result in results if not result.stored)
    kept = {result.sop_instance_uid for result in results if result.stored}
    assert len(kept) > 60
    return {uid: original for uid, original in originals.items() if uid in kept}


def studies(stored: dict[str, tuple[Path, Dataset]]) -> set[str]:
    return {str(dataset.StudyInstanceUID) for _, dataset in stored.values()}


def largest(stored: dict[str, tuple[Path, Dataset]]) -> str:
    counts: dict[str, int] = {}
    for _, dataset in stored.values():
        counts[str(dataset.StudyInstanceUID)] = counts.get(str(dataset.StudyInstanceUID), 0) + 1
    return max(counts, key=lambda uid: counts[uid])


def test_what_was_stored_is_found_as_by_c_find(
    server: Server, service: WebService, stored: dict[str, tuple[Path, Dataset]]
) -> None:
    problems: list[Problem] = []
    finder = WebFinder(service, problems)
    rows = {(row["StudyInstanceUID"], row["PatientID"]): row for row in finder.find("study", {})}
    assert {study_uid for study_uid, _ in rows} == studies(stored)
    dimse = {
        (row["StudyInstanceUID"], row["PatientID"]): row for row in find(server.peer(), server.identity(), "study", {})
    }
    assert set(dimse) == set(rows)
    for uid, row in rows.items():
        for word in ("PatientName", "PatientID", "StudyDate", "ModalitiesInStudy"):
            ours, theirs = row.get(word, ""), dimse[uid].get(word, "")
            assert sorted(ours.split("\\")) == sorted(theirs.split("\\")), word
        held = [ds for _, ds in stored.values() if (ds.StudyInstanceUID, ds.PatientID) == uid]
        # Orthanc takes the number from an object that has one
        told = next((ds.NumberOfStudyRelatedInstances for ds in held if "NumberOfStudyRelatedInstances" in ds), None)
        assert int(row["NumberOfStudyRelatedInstances"]) == (told or len(held))
    uid = largest(stored)
    expected = {str(ds.SOPInstanceUID) for _, ds in stored.values() if ds.StudyInstanceUID == uid}
    assert {row["SOPInstanceUID"] for row in finder.find("image", {"StudyInstanceUID": uid})} == expected
    series = list(finder.find("series", {"StudyInstanceUID": uid}))
    assert sum(int(row["NumberOfSeriesRelatedInstances"]) for row in series) == len(expected)
    assert problems == []


def test_paging(service: WebService, stored: dict[str, tuple[Path, Dataset]], monkeypatch: pytest.MonkeyPatch) -> None:
    from lightbox.network.web import qido

    monkeypatch.setattr(qido, "PAGE", 7)
    assert {row["SOPInstanceUID"] for row in WebFinder(service).find("image", {})} == set(stored)
    problems: list[Problem] = []
    assert len(list(WebFinder(service, problems).find("image", {}, limit=5))) == 5
    assert [problem.code for problem in problems] == ["find.truncated"]


def test_names_with_characters_of_the_world(service: WebService, stored: dict[str, tuple[Path, Dataset]]) -> None:
    named = {
        row["StudyInstanceUID"]: row["PatientName"]
        for row in WebFinder(service).find("study", {})
        if row.get("PatientName")
    }
    compared = 0
    for _, dataset in stored.values():
        name = named.get(str(dataset.StudyInstanceUID), "")
        if name and not name.isascii():
            compared += str(dataset.PatientName).rstrip("=") == name.rstrip("=")
    assert compared >= 3


def test_everything_comes_back_as_it_was(service: WebService, stored: dict[str, tuple[Path, Dataset]]) -> None:
    seen = set()
    for study_uid in studies(stored):
        for part in wado.objects(service, study_uid):
            received = pydicom.dcmread(io.BytesIO(part.read()))
            uid = str(received.SOPInstanceUID)
            seen.add(uid)
            _, original = stored[uid]
            assert received.file_meta.TransferSyntaxUID == original.file_meta.TransferSyntaxUID
            assert not differences(original, received), uid
    assert seen == set(stored)


def test_retrieve_into_the_library(
    server: Server, peer: Peer, secrets: Secrets, stored: dict[str, tuple[Path, Dataset]], home: Path
) -> None:
    settings = Settings(home)
    wrong = {}
    with Library.open(home) as library:
        for study_uid in studies(stored):
            expected = {uid for uid, (_, ds) in stored.items() if ds.StudyInstanceUID == study_uid}
            report = retrieve(peer, server.identity(), library, study_uid, settings=settings, secrets=secrets)
            assert report.complete, (report.summary(), report.notes)
            assert (report.method, report.received, report.announced) == ("wado-rs", len(expected), len(expected))
        for uid, (_, original) in stored.items():
            with library.open_object(uid) as file:
                received = pydicom.dcmread(file)
            found = differences(original, received)
            if found or received.file_meta.TransferSyntaxUID != original.file_meta.TransferSyntaxUID:
                wrong[uid] = found
    assert not wrong


def test_without_a_password_it_comes_by_c_get(
    server: Server, peer: Peer, stored: dict[str, tuple[Path, Dataset]], home: Path, tmp_path: Path
) -> None:
    study_uid = largest(stored)
    nobody = Secrets(tmp_path)
    nobody.set("orthanc", "wrong")
    with Library.open(home) as library:
        with pytest.raises(WebError) as caught:
            retrieve(peer, server.identity(), library, study_uid, method="wado-rs", secrets=nobody)
        assert caught.value.status == 401
        assert "wrong" not in str(caught.value)
        report = retrieve(peer, server.identity(), library, study_uid, secrets=nobody)
    assert report.complete
    assert report.method == "c-get"


def test_metadata_frames_and_pictures(service: WebService, stored: dict[str, tuple[Path, Dataset]]) -> None:
    _, original = next(
        (path, ds)
        for path, ds in stored.values()
        if ds.StudyInstanceUID == largest(stored)
        and "PixelData" in ds
        and not ds.file_meta.TransferSyntaxUID.is_compressed
    )
    uids = (str(original.StudyInstanceUID), str(original.SeriesInstanceUID), str(original.SOPInstanceUID))
    (told,) = wado.metadata(service, *uids)
    for word in ("PatientID", "Rows", "Columns", "ImagePositionPatient", "PixelSpacing", "SOPClassUID"):
        assert told.get(word) == original.get(word), word
    (frame,) = wado.frames(service, *uids, [1])
    assert frame.transfer_syntax_uid == "1.2.840.10008.1.2.1"
    assert frame.data == original.PixelData[: original.Rows * original.Columns * original.BitsAllocated // 8]
    picture, kind = wado.rendered(service, *uids, viewport=(64, 64))
    assert kind == "image/png"
    assert picture.startswith(b"\x89PNG")


def test_what_is_not_there(service: WebService) -> None:
    assert list(WebFinder(service).find("series", {"StudyInstanceUID": "1.2.3"})) == []
    for call in (wado.objects, wado.metadata):
        with pytest.raises(WebError) as caught:
            list(call(service, "1.2.3"))
        assert caught.value.status == 404


def test_an_object_that_orthanc_refuses_has_a_reason(service: WebService, data: Path, tmp_path: Path) -> None:
    from builders import network_objects

    good = network_objects.write(tmp_path, [network_objects.ct("stow", "s", number) for number in range(3)])
    anonymous = network_objects.ct("stow", "s", 9, PatientID="")
    del anonymous.PatientID, anonymous.StudyInstanceUID
    bad = network_objects.write(tmp_path / "bad", [anonymous])
    results = list(stow.store(service, of_files([good[0], *bad, *good[1:]])))
    assert [result.stored for result in results] == [True, False, True, True]
    assert results[1].reason
    assert not results[1].transient


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def secured(server: Server, port: int, tls: object) -> Peer:
    web = WebSettings(f"https://localhost:{port}/dicom-web", authentication="basic", user=USER, tls=tls)  # type: ignore
    return dataclasses.replace(server.peer(), web=web)


def test_mutual_tls(
    server: Server, pki: Pki, secrets: Secrets, stored: dict[str, tuple[Path, Dataset]], home: Path
) -> None:
    context = proxy_context(pki.server.certificate, pki.server.key, authority=pki.ca)
    study_uid = largest(stored)
    with FaultProxy(server.http_port, tls=context) as proxy, Library.open(home) as library:
        peer = secured(server, proxy.port, pki.settings(pki.client))
        report = retrieve(peer, server.identity(), library, study_uid, method="wado-rs", secrets=secrets)
        assert report.complete
        for wrong in (pki.settings(), pki.settings(pki.stranger), TlsSettings(str(pki.foreign.certificate))):
            stranger = secured(server, proxy.port, wrong)
            with pytest.raises(WebError) as caught:
                retrieve(stranger, server.identity(), library, study_uid, method="wado-rs", force=True, secrets=secrets)
            assert caught.value.step == "TLS"
            assert not caught.value.transient
    old = proxy_context(pki.server.certificate, pki.server.key, maximum="1.1")
    with (
        FaultProxy(server.http_port, tls=old) as proxy,
        WebService(secured(server, proxy.port, pki.settings()), server.identity(), secrets=secrets) as service,
        pytest.raises(WebError) as caught,
    ):
        list(WebFinder(service).find("study", {}))
    assert caught.value.step == "TLS"


def test_a_line_that_is_cut_and_one_that_is_slow(
    server: Server, secrets: Secrets, stored: dict[str, tuple[Path, Dataset]], home: Path
) -> None:
    study_uid = largest(stored)
    total = sum(path.stat().st_size for path, ds in stored.values() if ds.StudyInstanceUID == study_uid)
    with FaultProxy(server.http_port) as proxy, Library.open(home) as library:
        web = WebSettings(f"http://127.0.0.1:{proxy.port}/dicom-web", authentication="basic", user=USER)
        peer = dataclasses.replace(server.peer(), web=web, associations=1)
        # The answer about the series and the first third of the images come; then every connection is cut there
        proxy.cut_reply_after = total // 3
        report = retrieve(peer, server.identity(), library, study_uid, method="wado-rs", secrets=secrets)
        first = report.received
        assert first >= 1
        proxy.cut_reply_after = None
        report = retrieve(peer, server.identity(), library, study_uid, method="wado-rs", secrets=secrets)
        assert report.complete
        assert report.already_here == first
        proxy.lag = 0.01
        slow = retrieve(peer, server.identity(), library, study_uid, method="wado-rs", force=True, secrets=secrets)
        assert slow.complete
        assert library.quarantine() == []
