"""The connection doctor with real archives, each with its own habits of refusing."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builders import network_objects, peer_servers
from builders.fault_proxy import FaultProxy, proxy_context
from builders.peer_servers import Server
from builders.pki import Pki
from lightbox.cli.main import run
from lightbox.core.settings import Settings
from lightbox.network.diagnosis.doctor import diagnose
from lightbox.network.diagnosis.steps import NAMES, Diagnosis, Step
from lightbox.network.peers import WebSettings
from lightbox.network.secrets import Secrets

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("peers")]


@pytest.fixture(scope="module")
def study(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, list[Path]]:
    folder = tmp_path_factory.mktemp("files")
    objects = network_objects.study(folder, "doctor", 2)
    return str(objects[0].StudyInstanceUID), sorted(path for path in folder.rglob("*") if path.is_file())


@pytest.fixture(scope="module")
def orthanc(study: tuple[str, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    peer_servers.require("Orthanc")
    plugin = peer_servers._PLUGINS / "libOrthancDicomWeb.so"
    with peer_servers.start_orthanc(
        tmp_path_factory.mktemp("orthanc"),
        own_port=peer_servers.free_port(),
        Plugins=[str(plugin)] if plugin.exists() else [],
        AuthenticationEnabled=True,
        RegisteredUsers={"reader": "secret-word"},
        DicomCheckCalledAet=True,
    ) as server:
        command = [
            peer_servers.program("storescu"),
            "-aet",
            "LIGHTBOX",
            "-aec",
            "ORTHANC",
            "127.0.0.1",
            str(server.port),
        ]
        import subprocess

        subprocess.run([*command, *map(str, study[1])], check=True, capture_output=True, timeout=60)
        yield server


@pytest.fixture(scope="module")
def dcmqrscp(study: tuple[str, list[Path]], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    peer_servers.require("dcmqrscp", "storescu")
    folder = tmp_path_factory.mktemp("dcmqrscp")
    with peer_servers.start_dcmqrscp(folder, own_port=peer_servers.free_port()) as server:
        server.load(study[1])
        yield server


def failed(found: Diagnosis, name: str) -> Step:
    assert [step.name for step in found.steps] == list(NAMES)
    assert [step.name for step in found.steps if step.state == "failed"] == [name], found.as_dict()
    assert found.step(name).todo
    return found.step(name)


@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_all_is_well(kind: str, study: tuple[str, list[Path]], request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    found = diagnose(server.peer(), server.identity())
    assert found.ok, found.summary()
    assert found.state == "ok"
    assert found.step("association").detail["services"] == ["echo", "find", "move", "get"]
    assert found.step("association").detail["implementation"]
    found = diagnose(server.peer(), server.identity(), move_study=study[0])
    assert found.ok, found.summary()
    assert found.step("C-MOVE").detail["proven"] is True


@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_we_are_not_known_as_a_destination(
    kind: str, study: tuple[str, list[Path]], request: pytest.FixtureRequest
) -> None:
    server: Server = request.getfixturevalue(kind)
    peer = replace(server.peer(), move_destination="ELSEWHERE")
    step = failed(diagnose(peer, server.identity(), move_study=study[0]), "C-MOVE")
    assert f"AE title ELSEWHERE, the address of this computer, port {server.own_port}" in step.todo


@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_it_cannot_reach_us(kind: str, study: tuple[str, list[Path]], request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    moved_away = replace(server.identity(), port=peer_servers.free_port())
    step = failed(diagnose(server.peer(), moved_away, move_study=study[0]), "C-MOVE")
    assert step.code == "move.unreachable"
    assert "firewalls" in step.todo


def test_orthanc_does_not_know_our_title(orthanc: Server) -> None:
    identity = orthanc.identity("STRANGER")
    found = diagnose(orthanc.peer(), identity)
    step = failed(found, "association")
    assert step.code in ("association.rejected", "association.no-context")
    assert "STRANGER" in f"{step.why} {step.todo}"


@pytest.mark.parametrize("kind", ["orthanc", "dcmqrscp"])
def test_wrong_called_title(kind: str, request: pytest.FixtureRequest) -> None:
    server: Server = request.getfixturevalue(kind)
    step = failed(diagnose(server.peer(ae_title="NOBODY"), server.identity()), "association")
    assert step.code == "association.rejected"
    assert "called AE title NOBODY" in step.why


def test_orthanc_allows_to_store_only(orthanc: Server) -> None:
    """It accepts the contexts, and aborts when they are used."""
    found = diagnose(orthanc.peer(), orthanc.identity("STOREONLY"))
    assert found.step("echo").state == "ok"
    assert found.step("find").code in ("find.aborted", "find.failed")
    assert "STOREONLY" in found.step("find").todo
    assert found.step("C-MOVE").code in ("move.aborted", "move.not-allowed")


def test_a_peer_that_only_stores(tmp_path: Path) -> None:
    peer_servers.require("storescp")
    with peer_servers.start_storescp(tmp_path) as server:
        found = diagnose(server.peer(), replace(server.identity(), port=0))
    assert found.ok
    assert (found.step("find").state, found.step("C-MOVE").state) == ("skipped", "skipped")


def test_the_web_service(orthanc: Server, tmp_path: Path) -> None:
    if not (peer_servers._PLUGINS / "libOrthancDicomWeb.so").exists():
        peer_servers.require("the DICOMweb plugin of Orthanc")
    web = WebSettings(f"http://127.0.0.1:{orthanc.http_port}/dicom-web", "basic", "reader")
    peer = orthanc.peer(web=web)
    secrets = Secrets(tmp_path)
    secrets.set("orthanc", "secret-word")
    found = diagnose(peer, orthanc.identity(), home=tmp_path)
    assert found.ok, found.summary()
    assert found.step("DICOMweb").state == "ok"
    secrets.set("orthanc", "another")
    step = failed(diagnose(peer, orthanc.identity(), home=tmp_path), "DICOMweb")
    assert "sign in" in step.why
    assert "another" not in json.dumps(step.as_dict())
    wrong = replace(peer, web=replace(web, url=f"http://127.0.0.1:{orthanc.http_port}/nowhere"))
    secrets.set("orthanc", "secret-word")
    assert "address" in failed(diagnose(wrong, orthanc.identity(), home=tmp_path), "DICOMweb").todo


def test_the_http_port_of_orthanc_is_no_dicom_port(orthanc: Server) -> None:
    peer = replace(orthanc.peer(), port=orthanc.http_port)
    impatient = replace(orthanc.identity(), association_timeout=3)
    step = failed(diagnose(peer, impatient), "association")
    assert step.code in ("association.http", "association.timeout", "association.aborted")


def test_tls_is_found_out_but_not_used(orthanc: Server, tmp_path: Path) -> None:
    pki = Pki(tmp_path / "pki")
    with FaultProxy(orthanc.port, tls=proxy_context(pki.server.certificate, pki.server.key)) as proxy:
        peer = replace(orthanc.peer(), port=proxy.port)
        step = failed(diagnose(peer, orthanc.identity()), "association")
        assert step.code == "association.needs-tls"
        assert "Hospital CA" in step.why
        found = diagnose(replace(peer, tls=pki.settings()), orthanc.identity())
    assert found.ok, found.summary()
    assert "TLS 1.3" in found.step("TLS").text


def test_a_network_that_is_slow_or_cut(orthanc: Server) -> None:
    with FaultProxy(orthanc.port, cut_reply_after=20) as proxy:
        step = failed(diagnose(replace(orthanc.peer(), port=proxy.port), orthanc.identity()), "association")
        assert step.code == "association.aborted"
    with FaultProxy(orthanc.port, delay=0.2) as proxy:
        assert diagnose(replace(orthanc.peer(), port=proxy.port), orthanc.identity()).ok
    with FaultProxy(orthanc.port, delay=5) as proxy:
        impatient = replace(orthanc.identity(), association_timeout=0.5)
        step = failed(diagnose(replace(orthanc.peer(), port=proxy.port), impatient), "association")
        assert step.code == "association.timeout"


def test_command(orthanc: Server, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    orthanc.identity().save(Settings(home))
    assert run(["peers", "add", "pacs", "--ae", "ORTHANC", "--host", "127.0.0.1", "--port", str(orthanc.port)]) == 0
    assert run(["diagnose", "pacs", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["state"] == "ok"
    assert run(["peers", "edit", "pacs", "--ae", "ORTHANG"]) == 0
    assert run(["diagnose", "pacs"]) == 1
    said = capsys.readouterr()
    assert "Correct the AE title of the peer" in said.err
    assert "failed   association" in said.out
