"""What real senders send to our receiver processes: DCMTK, Orthanc by C-STORE and by C-MOVE, with TLS and without."""

from __future__ import annotations

import re
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pydicom
import pytest

from builders import network_objects, peer_servers
from builders.compare_objects import differences
from builders.peer_servers import Server
from builders.pki import Pki
from lightbox.library.library import Library
from lightbox.network.echo import echo
from lightbox.network.errors import AssociationError
from lightbox.network.find import find
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receiving.events import ReceiverEvent
from lightbox.network.receiving.policy import Caller, ReceivingPolicy
from lightbox.network.receiving.process import ReceiverProcess
from lightbox.network.retrieve import retrieve

pytestmark = [pytest.mark.peers, pytest.mark.data, pytest.mark.xdist_group("peers")]


@pytest.fixture
def library(home: Path) -> Iterator[Library]:
    with Library.open(home) as opened:
        yield opened


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def run(*command: object) -> subprocess.CompletedProcess[str]:
    """Run a program of DCMTK."""
    path = peer_servers.program(str(command[0]))
    assert path is not None
    return subprocess.run(
        [path, *map(str, command[1:])], capture_output=True, text=True, timeout=60, env=peer_servers.environment()
    )


def eventually(condition: Callable[[], Any]) -> Any:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def test_every_kind_of_object_from_dcmtk(home: Path, library: Library, originals: dict[str, tuple[Path, Any]]) -> None:
    """Images, SR, SEG, presentation states in every encoding of the shared files, as they were sent."""
    peer_servers.require("dcmsend", "echoscu")
    identity = LocalIdentity("LIGHTBOX", peer_servers.free_port(), "127.0.0.1")
    with ReceiverProcess(home, identity, library=library) as receiver:
        address = ("127.0.0.1", receiver.port)
        assert run("echoscu", "-aec", "LIGHTBOX", *address).returncode == 0
        paths = [path for path, _ in originals.values()]
        done = run("dcmsend", "-v", "-aec", "LIGHTBOX", "--decompress-never", "--no-halt", *address, *paths)
        assert done.returncode == 0, done.stderr
        receiver.flush()
    # dcmsend leaves out what it cannot parse itself
    told = re.search(r"with status SUCCESS +: (\d+)", done.stdout + done.stderr)
    assert told is not None
    compared, kinds = 0, set()
    for uid, (path, original) in originals.items():
        if library.instance(uid) is not None:
            with library.open_object(uid) as file:
                assert differences(original, pydicom.dcmread(file)) == [], path
            compared += 1
            kinds.add((original.SOPClassUID, original.file_meta.TransferSyntaxUID))
    assert compared == int(told[1]) > 150
    assert len(kinds) > 20


def test_a_move_brings_its_objects_to_the_processes(orthanc: Server, home: Path, library: Library) -> None:
    received: list[object] = []
    with ReceiverProcess(home, orthanc.identity(), library=library) as receiver:
        receiver.received.connect(received.append)
        study = next(
            row["StudyInstanceUID"] for row in find(orthanc.peer(), orthanc.identity(), "study", {"PatientID": "*"})
        )
        report = retrieve(orthanc.peer(), orthanc.identity(), library, study, method="c-move")
        assert report.complete, (report.summary(), report.notes)
        assert report.received == len(received) > 0
        record = library.study(study)
        assert record is not None
        assert record.number_of_instances == report.received


def test_orthanc_stores(orthanc: Server, home: Path, library: Library) -> None:
    with ReceiverProcess(home, orthanc.identity(), library=library) as receiver:
        [first, *_] = orthanc.rest("/series")
        modality = next(iter(orthanc.rest("/modalities")))
        body = f'{{"Resources": ["{first}"], "Synchronous": true}}'.encode()
        answer = orthanc.rest(f"/modalities/{modality}/store", body)
        assert answer["FailedInstancesCount"] == 0
        receiver.flush()
        assert sum(study.number_of_instances for study in library.page_studies().rows) == answer["InstancesCount"]


def test_tls_from_dcmtk(home: Path, library: Library, pki: Pki, tmp_path: Path) -> None:
    peer_servers.require("storescu", "echoscu")
    [path] = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", 1)])
    plain = LocalIdentity("LIGHTBOX", 0, "127.0.0.1", tls=pki.settings(pki.server))
    allowed = Caller(fingerprint=pki.client.fingerprint)
    events: list[ReceiverEvent] = []
    with ReceiverProcess(
        home, plain, ReceivingPolicy(only_known=True, callers=(allowed,)), library=library, any_tls_port=True
    ) as receiver:
        receiver.event.connect(events.append)

        def kinds() -> set[tuple[str, str]]:
            return {(event.kind, event.reason) for event in events}

        secure = ("127.0.0.1", receiver.tls_port)
        with_certificate = peer_servers.dcmtk_tls(pki.client, pki.ca)
        done = run("storescu", *with_certificate, "-aec", "LIGHTBOX", *secure, path)
        assert done.returncode == 0, done.stderr
        receiver.flush()
        assert library.count_studies() == 1

        # The same caller without TLS has no certificate to show
        assert run("echoscu", "127.0.0.1", receiver.port).returncode != 0
        eventually(lambda: ("rejected", "certificate-not-allowed") in kinds())

        # Plaintext where TLS is spoken, and TLS where it is not
        assert run("echoscu", *secure).returncode != 0
        eventually(lambda: ("plaintext-on-tls", "") in kinds())
        assert run("echoscu", *with_certificate, "127.0.0.1", receiver.port).returncode != 0
        eventually(lambda: ("tls-on-plaintext", "") in kinds())

        # No certificate, and one of another authority
        assert run("echoscu", "+tla", "+cf", pki.ca, *secure).returncode != 0
        eventually(lambda: ("tls-failed", "") in kinds())

        ours = Peer("us", "LIGHTBOX", *secure, tls=pki.settings(pki.client))
        assert echo(ours, LocalIdentity("US", 0, "127.0.0.1")).ok
        other = replace(ours, tls=pki.settings(pki.server))  # a good certificate, but not the one that is allowed
        assert echo(other, LocalIdentity("US", 0, "127.0.0.1")).code == "association.rejected"


def test_rejections_in_the_words_of_dcmtk(home: Path) -> None:
    peer_servers.require("echoscu")
    policy = ReceivingPolicy(only_known=True, check_called=True, callers=(Caller("CT1", "127.0.0.1"),))
    with ReceiverProcess(home, LocalIdentity("LIGHTBOX", 0, "127.0.0.1"), policy) as receiver:
        address = ("127.0.0.1", receiver.port)
        assert run("echoscu", "-aet", "CT1", "-aec", "LIGHTBOX", *address).returncode == 0
        stranger = run("echoscu", "-aet", "MR1", "-aec", "LIGHTBOX", *address)
        assert "Calling AE Title Not Recognized" in stranger.stderr + stranger.stdout
        wrong = run("echoscu", "-aet", "CT1", "-aec", "OTHER", *address)
        assert "Called AE Title Not Recognized" in wrong.stderr + wrong.stdout
        with pytest.raises(AssociationError):
            list(find(Peer("us", "LIGHTBOX", *address), LocalIdentity("CT1", 0, "127.0.0.1"), "study", {}))
