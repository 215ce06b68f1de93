"""Retrieving by WADO-RS from servers that behave and that do not, and what is done instead."""

from __future__ import annotations

import errno
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from builders import network_objects
from builders.web_server import DicomWeb, Reply, Request, Server, dicom_file, multipart, serving
from lightbox.core.errors import Cancelled, LightboxError, NotFoundError, UsageError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.library.spool_file import SpoolFile
from lightbox.network.archive import Archive
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.retrieve import retrieve
from lightbox.network.retrieving.by_web import FullDiskError
from lightbox.network.web.errors import WebError

Web = Callable[..., tuple[DicomWeb, Server, Peer]]


@pytest.fixture
def images() -> list[Dataset]:
    return [network_objects.ct("web", series, number) for series in ("a", "b", "c") for number in range(4)]


@pytest.fixture
def web(images: list[Dataset]) -> Iterator[Web]:
    """Start a DICOMweb service; returns it, its server, and the peer, whose DIMSE port is closed without `dimse`."""
    with ExitStack() as stack:

        def start(datasets: list[Dataset] | None = None, dimse: Peer | None = None) -> tuple[DicomWeb, Server, Peer]:
            service = DicomWeb(images if datasets is None else datasets)
            server = stack.enter_context(serving(service))
            host, port, title = (dimse.host, dimse.port, dimse.ae_title) if dimse else ("127.0.0.1", 1, "ARCHIVE")
            return service, server, Peer("archive", title, host, port, web=WebSettings(server.url))

        yield start


def study(images: list[Dataset]) -> str:
    return str(images[0].StudyInstanceUID)


def held(library: Library, images: list[Dataset]) -> dict[str, bytes]:
    found = {}
    for dataset in images:
        uid = str(dataset.SOPInstanceUID)
        if library.instance(uid) is not None:
            with library.open_object(uid) as file:
                found[uid] = file.read()
    return found


def paths(server: Server, word: str) -> list[str]:
    return [request.path for request in server.requests if word in request.path]


def test_a_study_arrives_byte_for_byte(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset], home: Path
) -> None:
    service, _, peer = web()
    told: list[Progress] = []
    settings = Settings(home)
    report = retrieve(peer, identity, library, study(images), progress=told.append, settings=settings)
    assert report.complete
    assert (report.method, report.announced, report.received, report.already_here) == ("wado-rs", 12, 12, 0)
    assert [(entry.announced, entry.received) for entry in report.series] == [(4, 4)] * 3
    assert held(library, images) == service.files
    assert told[-1].done == told[-1].total == 12
    record = library.study(study(images))
    assert record is not None
    assert record.source == "ARCHIVE"
    assert list(settings.get("network.retrieve_methods").values()) == ["wado-rs"]


def test_what_is_here_is_not_fetched_again(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset], tmp_path: Path
) -> None:
    _, server, peer = web()
    library.import_paths(network_objects.write(tmp_path / "some", images[:6]))
    report = retrieve(peer, identity, library, study(images))
    assert report.complete
    assert (report.announced, report.received, report.already_here) == (12, 12, 6)
    assert report.summary() == "12 of 12 (6 were here already)"
    fetched = [path for path in paths(server, "/studies/") if not path.endswith(("/series", "/instances"))]
    # The first series not at all, the rest of the second one by one, the third as a whole
    assert len(fetched) == 3
    assert not any(str(images[0].SeriesInstanceUID) in path for path in fetched)
    server.requests.clear()
    again = retrieve(peer, identity, library, study(images))
    assert (again.received, again.already_here, again.method) == (12, 12, "none")
    assert again.complete
    assert not [path for path in paths(server, "/studies/") if not path.endswith(("/series", "/instances"))]
    forced = retrieve(peer, identity, library, study(images), force=True)
    assert (forced.received, forced.already_here, forced.method) == (12, 0, "wado-rs")
    assert library.quarantine() == []


def test_one_series(web: Web, identity: LocalIdentity, library: Library, images: list[Dataset]) -> None:
    _, _, peer = web()
    series = str(images[0].SeriesInstanceUID)
    report = retrieve(peer, identity, library, study(images), [series], method="wado-rs")
    assert report.summary() == "4 of 4"
    assert [entry.series_instance_uid for entry in library.series_of(study(images))] == [series]


def test_instances_are_listed_only_where_they_are_needed(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset]
) -> None:
    service, server, peer = web()
    service.counts = True
    assert retrieve(peer, identity, library, study(images)).complete
    assert paths(server, "/instances") == []


def test_what_is_missing_is_named_and_was_asked_for_again(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset]
) -> None:
    service, server, peer = web()
    service.counts = True
    lost = str(images[5].SOPInstanceUID)
    complete = service.retrieve
    service.retrieve = lambda request, chosen: complete(  # type: ignore[method-assign]
        request, [ds for ds in chosen if str(ds.SOPInstanceUID) != lost]
    )
    report = retrieve(peer, identity, library, study(images), method="wado-rs")
    assert (report.announced, report.received) == (12, 11)
    assert [uid for uid, _ in report.failed] == [lost]
    assert "HTTP 404" in report.failed[0][1]
    assert [(entry.announced, entry.received) for entry in report.series] == [(4, 4), (4, 3), (4, 4)]
    assert any(path.endswith(f"/instances/{lost}") for path in paths(server, lost))
    assert report.as_dict()["failed"] == [{"sop_instance_uid": lost, "reason": report.failed[0][1]}]


@pytest.mark.parametrize("counts", [False, True])
def test_a_cut_connection_is_made_good(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset], counts: bool
) -> None:
    service, _, peer = web()
    service.counts = counts
    cut: list[str] = []

    def once(request: Request) -> Reply | None:
        if request.path.endswith(str(images[4].SeriesInstanceUID)) and not cut:
            cut.append(request.path)
            body, kind = multipart(service.files[str(ds.SOPInstanceUID)] for ds in images[4:8])
            return Reply(200, [body[: len(body) * 2 // 3]], {"Content-Type": kind}, length=len(body), cut=True)
        return None

    service.before = once
    report = retrieve(peer, identity, library, study(images))
    assert cut
    assert report.summary() == "12 of 12"
    assert any("WADO-RS" in note for note in report.notes)
    assert held(library, images) == service.files


def test_a_truncated_object_is_not_taken(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset]
) -> None:
    service, _, peer = web(images[:4])
    victim = str(images[2].SOPInstanceUID)
    service.files[victim] = service.files[victim][:-100]
    report = retrieve(peer, identity, library, study(images), method="wado-rs")
    assert (report.announced, report.received) == (4, 3)
    assert [uid for uid, _ in report.failed] == [victim]
    assert library.instance(victim) is None


def test_parts_that_are_no_objects_do_not_harm(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset]
) -> None:
    service, _, peer = web(images[:4])
    service.files[str(images[1].SOPInstanceUID)] = b"error: cannot read this one"
    report = retrieve(peer, identity, library, study(images), method="wado-rs")
    assert report.received == 3
    assert [uid for uid, _ in report.failed] == [str(images[1].SOPInstanceUID)]


def test_other_objects_than_asked_for_are_not_counted(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset]
) -> None:
    service, _, peer = web()
    stranger = dicom_file(network_objects.ct("another study", "x", 1))
    service.files[str(images[0].SOPInstanceUID)] = stranger
    report = retrieve(peer, identity, library, study(images), method="wado-rs")
    assert (report.announced, report.received) == (12, 11)
    assert [uid for uid, _ in report.failed] == [str(images[0].SOPInstanceUID)]


@pytest.fixture
def both(
    web: Web, images: list[Dataset], tmp_path: Path, identity: LocalIdentity
) -> Iterator[tuple[DicomWeb, Server, Peer]]:
    """A peer that has the images by DICOMweb and by DIMSE."""
    network_objects.write(tmp_path / "dimse", images)
    with Archive(tmp_path / "dimse", destinations={"LIGHTBOX": ("127.0.0.1", identity.port)}) as archive:
        yield web(dimse=archive.peer())


@pytest.mark.parametrize("status", [401, 404, 406, 500, 503])
def test_falls_back_to_c_get(
    both: Any, identity: LocalIdentity, library: Library, images: list[Dataset], home: Path, status: int
) -> None:
    service, server, peer = both
    service.before = lambda request: Reply(status)
    settings = Settings(home)
    report = retrieve(peer, identity, library, study(images), settings=settings)
    assert (report.summary(), report.method) == ("12 of 12", "c-get")
    assert any(note.startswith("WADO-RS") for note in report.notes)
    remembered = list(settings.get("network.retrieve_methods", {}).values())
    assert remembered == ([] if status == 503 else ["c-get"])  # what passes is not remembered
    server.requests.clear()
    again = retrieve(peer, identity, library, study(images), settings=settings, force=True)
    assert again.method == "c-get"
    assert bool(server.requests) is (status == 503)


def test_another_address_is_tried_anew(
    both: Any, identity: LocalIdentity, library: Library, images: list[Dataset], home: Path
) -> None:
    service, server, peer = both
    settings = Settings(home)
    service.before = lambda request: Reply(404) if request.path.startswith("/dicom-web") else service_at_new(request)

    def service_at_new(request: Request) -> Reply:
        service.before = lambda _: None
        request.path = request.path.replace("/new", "/dicom-web")
        try:
            return service(request)
        finally:
            service.before = before

    before = service.before
    assert retrieve(peer, identity, library, study(images), settings=settings).method == "c-get"
    moved = Peer(
        peer.name, peer.ae_title, peer.host, peer.port, web=WebSettings(server.url.replace("/dicom-web", "/new"))
    )
    again = retrieve(moved, identity, library, study(images), settings=settings, force=True)
    assert (again.summary(), again.method) == ("12 of 12", "wado-rs")


def test_dimse_that_is_closed_leaves_the_web(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset], home: Path
) -> None:
    _, server, peer = web()
    settings = Settings(home)
    settings.set("network.retrieve_methods", {f"archive {server.url}": "c-get"})
    report = retrieve(peer, identity, library, study(images), settings=settings)
    assert (report.summary(), report.method) == ("12 of 12", "wado-rs")


def test_what_the_web_does_not_give_comes_by_dimse(
    both: Any, identity: LocalIdentity, library: Library, images: list[Dataset]
) -> None:
    service, _, peer = both
    lost = str(images[5].SOPInstanceUID)
    complete = service.retrieve
    service.retrieve = lambda request, chosen: complete(request, [d for d in chosen if str(d.SOPInstanceUID) != lost])
    report = retrieve(peer, identity, library, study(images))
    assert (report.summary(), report.method) == ("12 of 12", "wado-rs")


def test_only_wado_was_wanted(both: Any, identity: LocalIdentity, library: Library, images: list[Dataset]) -> None:
    service, _, peer = both
    service.before = lambda request: Reply(403)
    with pytest.raises(WebError) as caught:
        retrieve(peer, identity, library, study(images), method="wado-rs")
    assert caught.value.status == 403
    assert held(library, images) == {}


def test_a_service_that_does_not_search(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset]
) -> None:
    service, _, peer = web()
    service.before = lambda request: Reply(404) if request.query else None
    report = retrieve(peer, identity, library, study(images), method="wado-rs")
    assert report.received == 12
    assert report.complete
    assert any("did not tell" in note for note in report.notes)


def test_no_address_no_method(identity: LocalIdentity, library: Library) -> None:
    with pytest.raises(UsageError):
        retrieve(Peer("p", "P", "127.0.0.1", 104), identity, library, "1.2", method="wado-rs")


def test_unknown_study(web: Web, identity: LocalIdentity, library: Library) -> None:
    _, _, peer = web()
    with pytest.raises(NotFoundError):
        retrieve(peer, identity, library, "1.2.3.4", method="wado-rs")


def test_nobody_is_there(identity: LocalIdentity, library: Library) -> None:
    peer = Peer("archive", "ARCHIVE", "127.0.0.1", 1, web=WebSettings("http://127.0.0.1:1/x"))
    with pytest.raises(LightboxError) as caught:
        retrieve(peer, identity, library, "1.2")
    assert "Nothing listens" in str(caught.value)


def test_cancel_keeps_what_came(web: Web, identity: LocalIdentity, library: Library, images: list[Dataset]) -> None:
    _, _, peer = web()
    token = CancelToken()
    with pytest.raises(Cancelled):
        retrieve(peer, identity, library, study(images), cancel=token, progress=lambda _: token.cancel())
    assert 1 <= len(held(library, images)) < 12
    assert retrieve(peer, identity, library, study(images)).complete


def test_a_full_disk_ends_it(
    web: Web, identity: LocalIdentity, library: Library, images: list[Dataset], monkeypatch: pytest.MonkeyPatch
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
    _, _, peer = web()
    with pytest.raises(FullDiskError):
        retrieve(peer, identity, library, study(images), method="wado-rs")
    assert len(held(library, images)) == 2


def test_memory_stays_flat(web: Web, identity: LocalIdentity, library: Library) -> None:
    """A series much larger than what is held at once."""
    import tracemalloc

    large = [network_objects.ct("large", "a", number, size=512) for number in range(40)]
    service, server, peer = web(large)
    service.counts = True

    def answer(request: Request) -> Reply:
        if not request.path.endswith(str(large[0].SeriesInstanceUID)):
            return service(request)
        _, kind = multipart([], boundary="mark")

        def pieces() -> Iterator[bytes]:
            for data in service.files.values():
                yield b"--mark\r\n\r\n%b\r\n" % data
            yield b"--mark--"

        return Reply(200, pieces(), {"Content-Type": kind}, chunked=True)

    server.answer = answer
    retrieve(peer, identity, library, str(large[0].StudyInstanceUID))
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        report = retrieve(peer, identity, library, str(large[0].StudyInstanceUID), force=True)
        peak = tracemalloc.get_traced_memory()[1] - before
    finally:
        tracemalloc.stop()
    assert report.summary() == "40 of 40"
    total = sum(map(len, service.files.values()))
    assert peak < total / 2
