"""Objects, metadata, frames and pictures as servers send them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from pydicom.dataset import Dataset

from builders import web_server
from builders.web_server import DicomWeb, Reply, Request, json_reply, multipart, serving
from lightbox.core.errors import Cancelled, Problem, UsageError
from lightbox.core.jobs import CancelToken
from lightbox.network.web import accept, wado
from lightbox.network.web.errors import WebError
from lightbox.network.web.service import WebService

Connect = Callable[..., WebService]


def uids(dataset: Dataset) -> tuple[str, str, str]:
    return str(dataset.StudyInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.SOPInstanceUID)


@pytest.mark.parametrize("depth", [1, 2, 3])
def test_objects_come_byte_for_byte(connect: Connect, images: list[Dataset], depth: int) -> None:
    archive = DicomWeb(images)
    with serving(archive) as server:
        found = [part.read() for part in wado.objects(connect(server.url), *uids(images[0])[:depth])]
    path = (*uids(images[0])[:depth], "", "")[:3]
    expected = [archive.files[str(ds.SOPInstanceUID)] for ds in images if DicomWeb._fits(ds, *path)]
    assert found == expected
    assert len(found) == {1: 6, 2: 3, 3: 1}[depth]
    assert server.requests[0].accept == 'multipart/related; type="application/dicom"; transfer-syntax=*'


@pytest.mark.parametrize("refusal", [400, 406, 415, 500])
@pytest.mark.parametrize("only", accept.ALTERNATIVES["objects"][1:])
def test_objects_are_asked_for_in_other_words_and_what_worked_is_remembered(
    connect: Connect, images: list[Dataset], refusal: int, only: str
) -> None:
    archive = DicomWeb(images)
    archive.before = lambda request: None if request.accept == only else Reply(refusal)
    with serving(archive) as server:
        service = connect(server.url)
        assert len([part.read() for part in wado.objects(service, *uids(images[0])[:2])]) == 3
        asked = [request.accept for request in server.requests]
        assert asked == list(accept.ALTERNATIVES["objects"][: len(asked)])
        server.requests.clear()
        assert len([part.read() for part in wado.objects(connect(server.url), *uids(images[0])[:2])]) == 3
        assert [request.accept for request in server.requests] == [only]


def test_an_object_that_is_not_wrapped(connect: Connect, images: list[Dataset]) -> None:
    data = web_server.dicom_file(images[0])
    with serving(lambda request: Reply(200, data, {"Content-Type": "application/dicom"})) as server:
        assert [part.read() for part in wado.objects(connect(server.url), *uids(images[0]))] == [data]


@pytest.mark.parametrize(
    "kind", ["multipart/related; boundary=mark", "", "application/octet-stream", "multipart/mixed; boundary=mark"]
)
def test_types_that_are_not_quite_right(connect: Connect, images: list[Dataset], kind: str) -> None:
    files = [web_server.dicom_file(ds) for ds in images]
    body, _ = multipart(files, boundary="mark")
    with serving(lambda request: Reply(200, body, {"Content-Type": kind} if kind else {})) as server:
        assert [part.read() for part in wado.objects(connect(server.url), "1.2")] == files


@pytest.mark.parametrize("kind", ["text/html", "application/json", "application/dicom+xml"])
def test_types_that_are_wrong(connect: Connect, kind: str) -> None:
    reply = Reply(200, b"{}", {"Content-Type": kind})
    with serving(lambda request: reply) as server, pytest.raises(WebError) as caught:
        list(wado.objects(connect(server.url), "1.2"))
    assert caught.value.code == "web.wrong-type"


@pytest.mark.parametrize("chunked", [False, True])
def test_what_came_before_a_cut_stays(connect: Connect, images: list[Dataset], chunked: bool) -> None:
    files = [web_server.dicom_file(ds) for ds in images]
    body, kind = multipart(files)
    kept = body[: len(body) // 2]
    reply = Reply(200, [kept], {"Content-Type": kind}, length=None if chunked else len(body), chunked=chunked, cut=True)
    found = []
    with serving(lambda request: reply) as server, pytest.raises(WebError) as caught:
        for part in wado.objects(connect(server.url), "1.2"):
            found.append(part.read())
    assert caught.value.code == "web.cut"
    assert found == files[: len(found)]
    assert len(found) >= 2


def test_cancel_in_the_middle(connect: Connect, images: list[Dataset]) -> None:
    body, kind = multipart([b"x" * 3_000_000] * 3)
    token = CancelToken()
    with serving(lambda request: Reply(200, body, {"Content-Type": kind})) as server, pytest.raises(Cancelled):
        for part in wado.objects(connect(server.url), "1.2", cancel=token):
            next(part.pieces)
            token.cancel()


def test_frames_say_how_they_are_encoded(connect: Connect) -> None:
    body, kind = multipart([b"jls-1", b"jls-2"], kind='image/jls; transfer-syntax="1.2.840.10008.1.2.4.81"')

    def answer(request: Request) -> Reply:
        return Reply(200, body, {"Content-Type": kind}) if "image/jls" in request.accept else Reply(406)

    with serving(answer) as server:
        service = connect(server.url)
        found = wado.frames(service, "1.1", "1.2", "1.3", [3, 1])
        assert server.requests[-1].path == "/dicom-web/studies/1.1/series/1.2/instances/1.3/frames/3,1"
        server.requests.clear()
        wado.frames(service, "1.1", "1.2", "1.3", [3, 1])
        assert len(server.requests) == 1
    assert found == [wado.Frame(data, "image/jls", "1.2.840.10008.1.2.4.81") for data in (b"jls-1", b"jls-2")]


def test_frames_without_a_word_about_their_encoding(connect: Connect) -> None:
    body, kind = multipart([b"raw"], kind="application/octet-stream")
    with serving(lambda request: Reply(200, body, {"Content-Type": kind})) as server:
        assert wado.frames(connect(server.url), "1", "2", "3", [1])[0].transfer_syntax_uid == "1.2.840.10008.1.2.1"


@pytest.mark.parametrize("count", [0, 1, 3])
def test_another_number_of_frames_is_refused(connect: Connect, count: int) -> None:
    body, kind = multipart([b"x"] * count, kind="application/octet-stream")
    reply = Reply(200, body, {"Content-Type": kind})
    with serving(lambda request: reply) as server, pytest.raises(WebError) as caught:
        wado.frames(connect(server.url), "1", "2", "3", [1, 2])
    assert caught.value.code == "web.frames"


def test_pictures(connect: Connect) -> None:
    def answer(request: Request) -> Reply:
        return Reply(200, b"picture", {"Content-Type": "image/jpeg"}) if request.accept == "image/jpeg" else Reply(406)

    with serving(answer) as server:
        service = connect(server.url)
        assert wado.rendered(service, "1", "2", "3", viewport=(64, 32), window=(40, 400)) == (b"picture", "image/jpeg")
        assert dict(server.requests[-1].query) == {"viewport": "64,32", "window": "40,400,linear"}
        assert wado.rendered(service, "1", "2", "3", frame=2)[0] == b"picture"
        assert server.requests[-1].path.endswith("/frames/2/rendered")


def metadata_rows(images: list[Dataset]) -> list[Any]:
    rows = []
    for dataset in images:
        row = dataset.to_json_dict(bulk_data_threshold=64, bulk_data_element_handler=lambda element: "http://x/bulk")
        rows.append(row)
    return rows


def test_metadata(connect: Connect, images: list[Dataset]) -> None:
    rows = metadata_rows(images)
    problems: list[Problem] = []
    with serving(lambda request: json_reply(rows)) as server:
        service = connect(server.url)
        for path in (uids(images[0])[:1], uids(images[0])[:2], uids(images[0])):
            found = wado.metadata(service, *path, problems=problems)
            assert server.requests[-1].path.endswith(f"{path[-1]}/metadata")
        assert [str(ds.SOPInstanceUID) for ds in found] == [str(ds.SOPInstanceUID) for ds in images]
        assert found[0].PixelSpacing == [0.5, 0.5]
        assert not found[0].PixelData
    assert problems == []


def test_bad_metadata_cost_only_themselves(connect: Connect, images: list[Dataset]) -> None:
    rows = metadata_rows(images)
    rows[0]["00280010"] = {"vr": "US", "Value": ["many"]}
    rows[0]["junk"] = 5
    rows[1] = "no data set"
    rows[2] = {"x": {}}
    problems: list[Problem] = []
    with serving(lambda request: json_reply(rows)) as server:
        found = wado.metadata(connect(server.url), "1.2", problems=problems)
    assert [str(ds.SOPInstanceUID) for ds in found] == [str(images[n].SOPInstanceUID) for n in (0, 3, 4, 5)]
    assert "PatientName" in found[0]
    assert [problem.code for problem in problems] == ["web.metadata-unreadable"]


def test_metadata_of_nothing(connect: Connect) -> None:
    with serving(lambda request: json_reply([])) as server:
        assert wado.metadata(connect(server.url), "1", "2", "3") == []


def test_uids_cannot_change_the_address(connect: Connect) -> None:
    with serving(lambda request: Reply(404)) as server:
        for call in (wado.objects, wado.metadata):
            with pytest.raises(UsageError):
                list(call(connect(server.url), "1.2/../../x"))
        assert server.requests == []
