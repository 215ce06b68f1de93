"""Orthanc, dcmqrscp and the library asked at once, by DIMSE and by DICOMweb."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builders import peer_servers
from builders.peer_servers import Server
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.library.records import StudyQuery
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.querying import many, prefetch, priors
from lightbox.network.querying.many import State

pytestmark = [pytest.mark.peers, pytest.mark.data, pytest.mark.xdist_group("peers")]


def test_two_archives_and_the_library_merged(orthanc: Server, dcmqrscp: Server, originals: dict, home: Path) -> None:
    with Library.open(home) as library:
        here = sorted(path for path, _ in originals.values() if "ge-head-gantry-tilt-28" in str(path))[:20]
        library.import_paths(here)
        answer = many.query([orthanc.peer(), dcmqrscp.peer()], library, StudyQuery(), identity=orthanc.identity())
    assert {name: state.state for name, state in answer.states.items()} == dict.fromkeys(
        ("", "orthanc", "dcmqrscp"), State.DONE
    )
    counts: dict[str, int] = {}
    for _, dataset in originals.values():
        counts[str(dataset.StudyInstanceUID)] = counts.get(str(dataset.StudyInstanceUID), 0) + 1
    both = [row for row in answer.rows.values() if {"orthanc", "dcmqrscp"} <= set(row.announced)]
    assert len(both) >= 10
    partial = [row for row in answer.rows.values() if row.partial]
    assert [row.presence() for row in partial] == ["20/28"]
    for uid, row in answer.rows.items():
        if "orthanc" in row.announced and uid in counts:
            assert row.announced["orthanc"] in (-1, *range(1, counts[uid] + 1))
    assert not [row.warning for row in both if row.warning and "\x1b" not in row.record.patient_name]


def test_keys_reach_both_kinds_of_archive(orthanc: Server, dcmqrscp: Server, originals: dict) -> None:
    dataset = next(ds for path, ds in originals.values() if "ge-head-gantry-tilt-28" in str(path))
    question = StudyQuery(patient_id=str(dataset.PatientID), modalities=("CT",))
    answer = many.query([orthanc.peer(), dcmqrscp.peer()], None, question, identity=orthanc.identity())
    assert str(dataset.StudyInstanceUID) in answer.rows
    assert set(answer.rows[str(dataset.StudyInstanceUID)].announced) == {"orthanc", "dcmqrscp"}
    assert {row.record.patient_id for row in answer.rows.values()} == {str(dataset.PatientID)}


@pytest.fixture(scope="session")
def orthanc_web(originals: dict, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    peer_servers.require("Orthanc")
    plugin = peer_servers._PLUGINS / "libOrthancDicomWeb.so"
    if not plugin.exists():
        if peer_servers.demanded():
            pytest.fail(f"not installed: {plugin}")
        pytest.skip(f"not installed: {plugin}")
    folder = tmp_path_factory.mktemp("orthanc-query-web")
    settings = {"Plugins": [str(plugin)], "DicomWeb": {"Enable": True}}
    with peer_servers.start_orthanc(folder, own_port=peer_servers.free_port(), **settings) as server:
        server.load(path for path, _ in originals.values() if "siemens-2studies" in str(path))
        yield server


def test_an_archive_that_has_only_dicomweb(orthanc_web: Server, orthanc: Server, home: Path) -> None:
    url = f"http://127.0.0.1:{orthanc_web.http_port}/dicom-web"
    web = Peer("web", "ORTHANC", "127.0.0.1", 1, web=WebSettings(url))
    settings = Settings(home)
    answer = many.query([web, orthanc.peer()], None, StudyQuery(), identity=orthanc.identity(), settings=settings)
    assert answer.states["web"].state is State.DONE
    assert settings.get("network.query_ways") == {"web": "web"}
    by_web = {uid: row for uid, row in answer.rows.items() if "web" in row.announced}
    assert len(by_web) >= 2
    for row in by_web.values():
        assert row.announced["web"] == row.announced["orthanc"] > 0
        assert row.warning == ""


def test_priors_of_a_real_patient_are_found_and_fetched(orthanc: Server, originals: dict, home: Path) -> None:
    studies: dict[str, list[tuple[Path, str]]] = {}
    for path, dataset in originals.values():
        if "siemens-2studies" in str(path):
            moment = str(dataset.StudyDate) + str(dataset.get("StudyTime", ""))
            studies.setdefault(str(dataset.StudyInstanceUID), []).append((path, moment))
    assert len(studies) == 2
    earlier, later = sorted(studies, key=lambda uid: studies[uid][0][1])
    with Library.open(home) as library:
        library.import_paths([path for path, _ in studies[later]])
        current = library.study(later)
        assert current is not None
        found = priors.find(current, [orthanc.peer()], library, identity=orthanc.identity())
        assert earlier in [prior.study.uid for prior in found.priors], [prior.reason for prior in found.priors]
        prior = next(prior for prior in found.priors if prior.study.uid == earlier)
        wanted = replace(prior, role="images", certainty=priors.Certainty.SAME)
        found.priors = [wanted]
        (result,) = prefetch.fetch(found, [orthanc.peer()], orthanc.identity(), library)
        assert (result.outcome, result.received) == ("fetched", len(studies[earlier]))
        kept = library.study(earlier)
        assert kept is not None
        assert kept.number_of_instances == len(studies[earlier])
