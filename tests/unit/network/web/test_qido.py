"""Searching: rows in the shape of C-FIND, paging with servers that lie, and honest marks where rows were cut off."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from builders import network_objects
from builders.web_server import DicomWeb, Reply, Request, json_reply, serving
from lightbox.core.errors import Problem, UsageError
from lightbox.network.web import qido
from lightbox.network.web.errors import WebError
from lightbox.network.web.qido import WebFinder
from lightbox.network.web.service import WebService

Connect = Callable[..., WebService]


def row(number: int, tag: str = "0020000D") -> dict[str, Any]:
    return {tag: {"vr": "UI", "Value": [f"1.{number}"]}}


def paged(total: int, *, limit: bool = True, offset: bool = True, cap: int = 10**9, warn: bool = False) -> Any:
    """A server with `total` studies that heeds limit and offset or not, and gives at most `cap` rows."""

    def answer(request: Request) -> Reply:
        begin = int(request.value("offset", "0")) if offset else 0
        size = min(int(request.value("limit", "1000000")) if limit else 10**9, cap)
        rows = [row(number) for number in range(total)][begin : begin + size]
        more = warn and begin + size < total
        return json_reply(rows, **({"Warning": '299 archive: "There are additional results"'} if more else {}))

    return answer


def search(service: WebService, problems: list[Problem] | None = None, **options: Any) -> list[str]:
    return [found["StudyInstanceUID"] for found in WebFinder(service, problems).find("study", {}, **options)]


@pytest.mark.parametrize("total", [0, 1, 99, 100, 101, 250])
@pytest.mark.parametrize(
    "server",
    [
        {},
        {"limit": False},
        {"limit": False, "offset": False},
        {"offset": False},
        {"cap": 50},
        {"cap": 30, "warn": True},
        {"cap": 33, "warn": True},
    ],
    ids=str,
)
def test_every_row_comes_once_whatever_a_server_makes_of_paging(
    connect: Connect, monkeypatch: pytest.MonkeyPatch, total: int, server: dict[str, Any]
) -> None:
    monkeypatch.setattr(qido, "PAGE", 100)
    problems: list[Problem] = []
    with serving(paged(total, **server)) as running:
        assert search(connect(running.url), problems) == [f"1.{number}" for number in range(total)]
        assert len(running.requests) <= total // 30 + 3
    assert problems == []


def test_rows_that_cannot_be_had_are_marked(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    """It has more, and says so, but ignores the offset and gives 40 at most."""
    monkeypatch.setattr(qido, "PAGE", 100)
    problems: list[Problem] = []
    with serving(paged(70, cap=40, offset=False, warn=True)) as running:

        def answer(request: Request) -> Reply:
            reply = paged(70, cap=40, offset=False)(request)
            reply.headers["Warning"] = '299 archive: "more"'
            return reply

        running.answer = answer
        assert len(search(connect(running.url), problems)) == 40
        assert len(running.requests) < 12
    assert [problem.code for problem in problems] == ["find.truncated"]


@pytest.mark.parametrize(("total", "truncated"), [(9, False), (10, False), (11, True), (500, True)])
def test_the_limit_of_the_query_is_marked_when_there_is_more(connect: Connect, total: int, truncated: bool) -> None:
    problems: list[Problem] = []
    with serving(paged(total)) as running:
        assert len(search(connect(running.url), problems, limit=10)) == min(total, 10)
        assert running.requests[0].value("limit") == "11"
    assert [problem.code for problem in problems] == (["find.truncated"] if truncated else [])


def test_a_server_that_invents_rows_for_ever_is_ended(connect: Connect, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(qido, "PAGE", 100)
    monkeypatch.setattr(qido, "MAX_ROWS", 1000)
    problems: list[Problem] = []

    def answer(request: Request) -> Reply:
        begin = int(request.value("offset"))
        return json_reply([row(number) for number in range(begin, begin + 100)])

    with serving(answer) as running:
        assert len(search(connect(running.url), problems)) == 1000
    assert [problem.code for problem in problems] == ["find.truncated"]


@pytest.mark.parametrize("status", [200, 204])
def test_no_matches(connect: Connect, status: int) -> None:
    with serving(lambda request: Reply(status)) as running:
        assert search(connect(running.url)) == []


def test_what_is_asked(connect: Connect) -> None:
    with serving(lambda request: json_reply([])) as running:
        finder = WebFinder(connect(running.url), fuzzy=True)
        keys = {"PatientName": "MÜLLER^J* S", "StudyDate": "2024-01-01..2024-01-31", "ModalitiesInStudy": "CT"}
        list(finder.find("study", {**keys, "StudyInstanceUID": "1.2\\1.3", "InstitutionName": ""}))
        query = running.requests[0].query
    asked = dict(query)
    assert running.requests[0].path == "/dicom-web/studies"
    assert asked["PatientName"] == "MÜLLER^J* S"
    assert asked["StudyDate"] == "20240101-20240131"
    assert asked["ModalitiesInStudy"] == "CT"
    assert asked["StudyInstanceUID"] == "1.2,1.3"
    assert asked["fuzzymatching"] == "true"
    fields = [value for name, value in query if name == "includefield"]
    assert {"StudyDescription", "NumberOfStudyRelatedInstances", "InstitutionName"} <= set(fields)
    assert len(fields) == len(set(fields))
    assert "InstitutionName" not in asked


def test_spaces_are_not_plus_signs(connect: Connect) -> None:
    raw: list[str] = []
    with serving(lambda request: json_reply([])) as running:
        service = connect(running.url)
        send = service.session.send
        service.session.send = lambda request, **more: (raw.append(request.url), send(request, **more))[1]  # type: ignore
        list(WebFinder(service).find("study", {"StudyDescription": "A+B C"}))
    assert "StudyDescription=A%2BB%20C" in raw[0]


def test_a_server_that_refuses_the_list_of_fields(connect: Connect) -> None:
    def answer(request: Request) -> Reply:
        return Reply(400) if request.value("includefield") else json_reply([row(1)])

    with serving(answer) as running:
        service = connect(running.url)
        assert search(service) == ["1.1"]
        running.requests.clear()
        assert search(service) == ["1.1"]
        assert len(running.requests) == 1  # it is remembered


def test_levels_and_paths(connect: Connect) -> None:
    images = [network_objects.ct("s", series, n) for series in ("a", "b") for n in range(3)]
    images += [network_objects.ct("t", "c", 1, patient="Other^One")]
    study, series = str(images[0].StudyInstanceUID), str(images[0].SeriesInstanceUID)
    with serving(DicomWeb(images)) as running:
        finder = WebFinder(connect(running.url))
        assert len(list(finder.find("study", {}))) == 2
        assert len(list(finder.find("series", {"StudyInstanceUID": study}))) == 2
        assert len(list(finder.find("series", {}))) == 3
        assert len(list(finder.find("image", {"StudyInstanceUID": study}))) == 6
        found = list(finder.find("image", {"StudyInstanceUID": study, "SeriesInstanceUID": series}))
        assert len(found) == 3
        assert {(entry["StudyInstanceUID"], entry["SeriesInstanceUID"]) for entry in found} == {(study, series)}
        assert {entry["PatientName"] for entry in finder.find("patient", {})} == {"Test^Person", "Other^One"}
        paths = {request.path for request in running.requests}
    assert f"/dicom-web/studies/{study}/series/{series}/instances" in paths
    assert f"/dicom-web/studies/{study}/instances" in paths


def test_a_server_that_searches_only_below_studies(connect: Connect) -> None:
    images = [network_objects.ct("s", series, n) for series in ("a", "b") for n in range(3)]
    archive = DicomWeb(images)
    archive.before = lambda request: (
        Reply(404) if request.path in ("/dicom-web/series", "/dicom-web/instances") else None
    )
    with serving(archive) as running:
        finder = WebFinder(connect(running.url))
        assert len(list(finder.find("series", {}))) == 2
        assert len(list(finder.find("image", {"PatientName": "Test^Person"}))) == 6
        assert list(finder.find("image", {"PatientName": "Nobody"})) == []


def test_a_study_that_is_not_there_and_a_service_that_is_not(connect: Connect) -> None:
    with serving(DicomWeb([])) as running:
        running.answer = lambda request: json_reply([]) if request.path == "/dicom-web/studies" else Reply(404)
        assert list(WebFinder(connect(running.url)).find("series", {"StudyInstanceUID": "1.2"})) == []
        running.answer = lambda request: Reply(404)
        with pytest.raises(WebError) as caught:
            list(WebFinder(connect(running.url)).find("series", {"StudyInstanceUID": "1.2"}))
    assert caught.value.status == 404


def test_bad_rows_are_left_out_and_said(connect: Connect) -> None:
    rows: list[Any] = [row(1), {}, "text", row(2), {"0020000D": {"vr": "UI"}}, {"0020000D": {"Value": [{"a": [1]}]}}]
    problems: list[Problem] = []
    with serving(lambda request: json_reply(rows)) as running:
        assert search(connect(running.url), problems) == ["1.1", "1.2"]
    assert {problem.code for problem in problems} == {"find.row-unreadable", "find.row-incomplete"}


def test_uids_that_break_the_standard_are_asked_for_but_not_the_address(connect: Connect) -> None:
    with serving(lambda request: json_reply([])) as running:
        finder = WebFinder(connect(running.url))
        assert list(finder.find("series", {"StudyInstanceUID": "LOCALIZER_01.002"})) == []
        assert running.requests[0].path == "/dicom-web/studies/LOCALIZER_01.002/series"
        running.requests.clear()
        for uid in ("../../system", "1.2/x", "..", "1.2#"):
            with pytest.raises(UsageError):
                list(finder.find("series", {"StudyInstanceUID": uid}))
        assert running.requests == []


def test_nonsense_is_refused_before_anything_is_sent(connect: Connect) -> None:
    with serving(lambda request: json_reply([])) as running:
        finder = WebFinder(connect(running.url))
        with pytest.raises(UsageError):
            list(finder.find("worklist", {}))
        with pytest.raises(UsageError):
            list(finder.find("study", {"NoSuchKey": "1"}))
        assert running.requests == []
