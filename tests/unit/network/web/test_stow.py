"""Storing: a result for each object, whatever the server says or does not say."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from builders import network_objects, web_server
from builders.web_server import DicomWeb, Reply, json_reply, serving
from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.network.stored import StoredObject, of_files
from lightbox.network.web import stow, stow_answer
from lightbox.network.web.service import WebService
from lightbox.network.web.stow_answer import StoreResult

Connect = Callable[..., WebService]


@pytest.fixture
def paths(images: list[Dataset], tmp_path: Path) -> list[Path]:
    return network_objects.write(tmp_path / "files", images)


def uid(dataset: Dataset) -> str:
    return str(dataset.SOPInstanceUID)


def failures(failed: dict[str, int], stored: dict[str, int]) -> dict[str, Any]:
    def items(codes: dict[str, int], reason: str) -> list[Any]:
        return [
            {"00081155": {"vr": "UI", "Value": [key]}, **({reason: {"vr": "US", "Value": [code]}} if code else {})}
            for key, code in codes.items()
        ]

    return {
        "00081198": {"vr": "SQ", "Value": items(failed, "00081197")},
        "00081199": {"vr": "SQ", "Value": items(stored, "00081196")},
    }


def test_files_go_as_they_are(connect: Connect, paths: list[Path], images: list[Dataset]) -> None:
    archive = DicomWeb([])
    with serving(archive) as server:
        results = list(stow.store(connect(server.url), of_files(paths)))
        request = server.requests[0]
    assert archive.stored == [path.read_bytes() for path in paths]
    assert results == [StoreResult(uid(ds), True, http_status=200) for ds in images]
    assert len(server.requests) == 1
    assert request.path == "/dicom-web/studies"
    assert int(request.headers["content-length"]) == len(request.body)
    assert request.headers["content-type"].startswith('multipart/related; type="application/dicom"; boundary=')


def test_a_bare_data_set_gets_a_file_header(connect: Connect, images: list[Dataset]) -> None:
    buffer = io.BytesIO()
    images[0].save_as(buffer, enforce_file_format=False, implicit_vr=False, little_endian=True)
    bare = buffer.getvalue()
    bare = bare[bare.index(b"\x08\x00\x05\x00") :]
    archive = DicomWeb([])
    with serving(archive) as server:
        (result,) = stow.store(connect(server.url), [StoredObject("", lambda: io.BytesIO(bare))])
    assert result == StoreResult(uid(images[0]), True, http_status=200)
    stored = web_server.read(archive.stored[0])
    assert stored.file_meta.TransferSyntaxUID == "1.2.840.10008.1.2.1"
    assert archive.stored[0].endswith(bare)


def test_batches_by_size_and_number(connect: Connect, paths: list[Path]) -> None:
    size = paths[0].stat().st_size
    with serving(DicomWeb([])) as server:
        service = connect(server.url)
        assert len(list(stow.store(service, of_files(paths), batch_bytes=2 * size + 10))) == 6
        assert len(server.requests) == 3
        server.requests.clear()
        assert len(list(stow.store(service, of_files(paths), batch_objects=4))) == 6
        assert len(server.requests) == 2
        server.requests.clear()
        assert len(list(stow.store(service, of_files(paths), batch_bytes=10))) == 6
        assert len(server.requests) == 6


@pytest.mark.parametrize("status", [200, 202, 409])
def test_each_object_has_its_own_result(
    connect: Connect, paths: list[Path], images: list[Dataset], status: int
) -> None:
    answer = failures(
        {uid(images[0]): 0xA900, uid(images[1]): 0xA700, uid(images[2]): 0xC122, uid(images[3]): 0},
        {uid(images[4]): 0, uid(images[5]): 0xB000},
    )
    with serving(lambda request: json_reply(answer, status)) as server:
        results = {result.sop_instance_uid: result for result in stow.store(connect(server.url), of_files(paths))}
        assert len(server.requests) == 1
    told = [results[uid(ds)] for ds in images]
    assert [result.stored for result in told] == [False, False, False, False, True, True]
    assert [result.status for result in told] == [0xA900, 0xA700, 0xC122, 0, 0, 0xB000]
    assert [result.transient for result in told] == [False, True, False, False, False, False]
    assert "SOP class" in told[0].reason
    assert "resources" in told[1].reason
    assert "transfer syntax" in told[2].reason
    assert told[3].reason
    assert told[4].reason == ""
    assert "changed" in told[5].reason


def test_an_object_that_the_answer_does_not_name_is_not_stored(
    connect: Connect, paths: list[Path], images: list[Dataset]
) -> None:
    with serving(lambda request: json_reply(failures({}, {uid(ds): 0 for ds in images[1:]}))) as server:
        results = list(stow.store(connect(server.url), of_files(paths)))
    assert [result.stored for result in results] == [False, True, True, True, True, True]
    assert results[0].transient
    assert "does not name" in results[0].reason


@pytest.mark.parametrize(("status", "stored"), [(200, True), (204, True), (202, False)])
def test_an_answer_without_a_word(connect: Connect, paths: list[Path], status: int, stored: bool) -> None:
    with serving(lambda request: Reply(status)) as server:
        assert {result.stored for result in stow.store(connect(server.url), of_files(paths))} == {stored}


def test_answers_in_xml(connect: Connect, paths: list[Path], images: list[Dataset]) -> None:
    item = (
        '<Item number="1"><DicomAttribute tag="00081155" vr="UI" keyword="ReferencedSOPInstanceUID">'
        '<Value number="1">{}</Value></DicomAttribute>{}</Item>'
    )
    code = (
        '<DicomAttribute tag="00081197" vr="US" keyword="FailureReason"><Value number="1">272</Value></DicomAttribute>'
    )
    stored = "".join(item.format(uid(ds), "") for ds in images[1:])
    body = (
        '<?xml version="1.0"?><NativeDicomModel xmlns="http://dicom.nema.org/PS3.19/models/NativeDICOM">'
        f'<DicomAttribute tag="00081199" vr="SQ">{stored}</DicomAttribute>'
        f'<DicomAttribute tag="00081198" vr="SQ">{item.format(uid(images[0]), code)}</DicomAttribute>'
        "</NativeDicomModel>"
    )
    reply = Reply(202, body.encode(), {"Content-Type": "application/dicom+xml; charset=utf-8"})
    with serving(lambda request: reply) as server:
        results = list(stow.store(connect(server.url), of_files(paths)))
    assert [result.stored for result in results] == [False, True, True, True, True, True]
    assert results[0].status == 0x0110


@pytest.mark.parametrize("status", [400, 409, 413, 500])
def test_a_batch_that_is_refused_is_split_down_to_the_culprit(
    connect: Connect, paths: list[Path], images: list[Dataset], status: int
) -> None:
    archive = DicomWeb([])
    culprit = uid(images[4]).encode()
    archive.before = lambda request: Reply(status, b"no") if culprit in request.body else None
    with serving(archive) as server:
        results = {result.sop_instance_uid: result for result in stow.store(connect(server.url), of_files(paths))}
    assert [results[uid(ds)].stored for ds in images] == [True, True, True, True, False, True]
    assert results[uid(images[4])].http_status == status
    assert len(archive.stored) == 5


def test_a_body_that_is_too_large_is_split(connect: Connect, paths: list[Path]) -> None:
    size = paths[0].stat().st_size
    archive = DicomWeb([])
    page = Reply(413, b"<html>too large</html>", {"Content-Type": "text/html"})
    archive.before = lambda request: page if len(request.body) > 2.5 * size else None
    with serving(archive) as server:
        assert all(result.stored for result in stow.store(connect(server.url), of_files(paths)))


@pytest.mark.parametrize(("status", "transient"), [(401, False), (403, False), (404, False), (503, True), (429, True)])
def test_a_refusal_of_the_service_ends_it_for_all(
    connect: Connect, paths: list[Path], status: int, transient: bool
) -> None:
    with serving(lambda request: Reply(status, headers={"Retry-After": "3"})) as server:
        results = list(stow.store(connect(server.url), of_files(paths), batch_objects=2))
        assert len(server.requests) == 1
    assert len(results) == 6
    assert {(result.stored, result.http_status, result.transient) for result in results} == {(False, status, transient)}
    assert {result.retry_after for result in results} == {3.0}
    assert all(result.error is not None and result.reason for result in results)


def test_nobody_listens(connect: Connect, paths: list[Path]) -> None:
    from builders.peer_servers import free_port

    results = list(stow.store(connect(f"http://127.0.0.1:{free_port()}/x"), of_files(paths)))
    assert [result.stored for result in results] == [False] * 6
    assert all(result.transient for result in results)


def test_an_object_that_makes_the_server_hang_up_does_not_stop_the_others(
    connect: Connect, paths: list[Path], images: list[Dataset]
) -> None:
    archive = DicomWeb([])
    culprit = uid(images[1]).encode()
    archive.before = lambda request: Reply(200, b"", length=10, cut=True) if culprit in request.body else None
    with serving(archive) as server:
        results = {result.sop_instance_uid: result for result in stow.store(connect(server.url), of_files(paths))}
    assert [results[uid(ds)].stored for ds in images] == [True, False, True, True, True, True]
    assert results[uid(images[1])].transient


def test_the_type_of_the_answer_is_negotiated(connect: Connect, paths: list[Path]) -> None:
    archive = DicomWeb([])
    archive.before = lambda request: Reply(406) if request.accept != "application/json" else None
    with serving(archive) as server:
        service = connect(server.url)
        assert all(result.stored for result in stow.store(service, of_files(paths)))
        server.requests.clear()
        assert all(result.stored for result in stow.store(service, of_files(paths)))
        assert len(server.requests) == 1


def test_what_cannot_be_read_has_a_result_too(connect: Connect, paths: list[Path], tmp_path: Path) -> None:
    junk = tmp_path / "junk"
    junk.write_bytes(b"no object")
    gone = StoredObject("1.2.3", (tmp_path / "gone").open)  # type: ignore[arg-type]
    with serving(DicomWeb([])) as server:
        results = list(stow.store(connect(server.url), [gone, *of_files([junk, *paths])]))
    assert sum(result.stored for result in results) == 6
    failed = [result for result in results if not result.stored]
    assert [result.sop_instance_uid for result in failed] == ["1.2.3", ""]
    assert all("cannot be read" in result.reason and not result.transient for result in failed)


def test_only_unreadable_objects_send_nothing(connect: Connect, tmp_path: Path) -> None:
    (tmp_path / "junk").write_bytes(b"no object")
    with serving(DicomWeb([])) as server:
        assert [r.stored for r in stow.store(connect(server.url), of_files([tmp_path / "junk"]))] == [False]
        assert server.requests == []


def test_an_object_that_shrinks_while_it_is_sent(connect: Connect, paths: list[Path]) -> None:
    full = paths[0].read_bytes()
    versions = iter([full, full[:500], full[:500]])
    shrinking = StoredObject("", lambda: io.BytesIO(next(versions)))
    with serving(DicomWeb([])) as server:
        (result,) = stow.store(connect(server.url), [shrinking])
    assert not result.stored
    assert "changed while" in result.reason


def test_throttle_and_cancel(connect: Connect, paths: list[Path]) -> None:
    counted: list[int] = []
    with serving(DicomWeb([])) as server:
        service = connect(server.url)
        assert len(list(stow.store(service, of_files(paths), throttle=counted.append))) == 6
        assert sum(counted) == sum(path.stat().st_size for path in paths)
        token = CancelToken()
        with pytest.raises(Cancelled):
            list(stow.store(service, of_files(paths), throttle=lambda _: token.cancel(), cancel=token))


def test_store_into_a_study(connect: Connect, paths: list[Path]) -> None:
    with serving(DicomWeb([])) as server:
        list(stow.store(connect(server.url), of_files(paths), study_uid="1.2.3"))
        assert server.requests[0].path == "/dicom-web/studies/1.2.3"


@pytest.mark.parametrize("body", [b"", b"{", b"<a", b"[]", b"[1]", b'{"00081199": {"Value": [1, {}]}}'])
def test_answers_that_say_nothing(body: bytes) -> None:
    for kind in ("application/dicom+json", "application/dicom+xml", ""):
        assert not stow_answer.read(body, kind).says_anything


def test_another_object_than_the_one_that_was_meant(connect: Connect, paths: list[Path], images: list[Dataset]) -> None:
    """The file of an object was overwritten by that of another: it is not sent in its place."""
    archive = DicomWeb([])
    objects = [StoredObject(uid(images[0]), lambda: paths[1].open("rb")), *of_files(paths[2:3])]
    with serving(archive) as server:
        results = {result.sop_instance_uid: result for result in stow.store(connect(server.url), objects)}
    assert not results[uid(images[0])].stored
    assert "another object" in results[uid(images[0])].reason
    assert results[uid(images[2])].stored
