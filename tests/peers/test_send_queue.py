"""The send queue with real archives: killed, cut off, delayed, strict, and keeping what is older."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pydicom
import pytest
from pydicom.pixels import pixel_array

from builders import network_objects, peer_servers, storescp_profile
from builders.fault_proxy import FaultProxy
from builders.peer_servers import Server
from builders.report_receiver import report_receiver
from lightbox.core.settings import Settings
from lightbox.network.peers import Peer, PeerBook, WebSettings
from lightbox.network.sending.queue import SendQueue
from lightbox.network.sending.states import JobRecord, QueueSettings, State

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("peers")]

QUICK = QueueSettings(
    first_delay_s=0.1,
    maximum_delay_s=0.5,
    tries=50,
    commitment_wait_s=0.3,
    commitment_again_s=1.0,
    commitment_timeout_s=60,
    commitment_chunk=40,
)


class Desk:
    """A data folder with a queue for one archive."""

    def __init__(self, home: Path, server: Server) -> None:
        self.home, self.server = home, server
        self.identity = replace(server.identity(), association_timeout=5, dimse_timeout=5)
        self.book = PeerBook(Settings(home))
        self.queues: list[SendQueue] = []

    def queue(self, settings: QueueSettings = QUICK) -> SendQueue:
        def library() -> Any:
            raise AssertionError("only files are sent here")

        made = SendQueue(self.home, library, self.book, self.identity, settings)
        self.queues.append(made)
        return made

    def held(self) -> list[str]:
        """Return the SOP Instance UIDs that Orthanc holds, each as often as it holds it."""
        return [entry["MainDicomTags"]["SOPInstanceUID"] for entry in self.server.rest("/instances?expand")]


@pytest.fixture
def orthanc(tmp_path: Path) -> Iterator[Server]:
    peer_servers.require("Orthanc")
    folder = tmp_path / "orthanc"
    folder.mkdir()
    with peer_servers.start_orthanc(folder, own_port=peer_servers.free_port()) as server:
        yield server
        with contextlib.suppress(ProcessLookupError):  # it takes seconds to end otherwise
            os.killpg(server.process.pid, signal.SIGKILL)


@pytest.fixture
def desk(home: Path, orthanc: Server) -> Iterator[Desk]:
    made = Desk(home, orthanc)
    with report_receiver(home, made.identity):
        yield made
        for queue in made.queues:
            queue.close()


def images(folder: Path, count: int, *, size: int = 64, **attributes: Any) -> list[Path]:
    made = [network_objects.ct("q", "s", number, size=size, **attributes) for number in range(1, count + 1)]
    return network_objects.write(folder, made)


def uids(paths: list[Path]) -> list[str]:
    return sorted(str(pydicom.dcmread(path, stop_before_pixels=True).SOPInstanceUID) for path in paths)


def until(condition: Callable[[], object], seconds: float = 30) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline, "waited in vain"
        time.sleep(0.005)


def check(desk: Desk, queue: SendQueue, job: int, paths: list[Path]) -> JobRecord:
    """Everything is at the archive exactly once, and confirmed."""
    assert queue.wait([job], timeout=60), (queue.job(job), queue.counts())
    found = queue.job(job)
    assert found.count(State.CONFIRMED) == len(paths), [entry for entry in queue.objects(job) if entry.reason][:3]
    assert sorted(desk.held()) == uids(paths)
    return found


@contextlib.contextmanager
def started_again(server: Server) -> Iterator[None]:
    """Start a killed Orthanc anew, on what it had stored and on the same ports."""
    program = peer_servers.program("Orthanc")
    assert program is not None
    with (server.folder / "again.log").open("wb") as log:
        process = subprocess.Popen(
            [program, str(server.folder / "orthanc.json")],
            stdout=log,
            stderr=log,
            env=peer_servers.environment(),
            start_new_session=True,
        )
        try:
            until(lambda: {server.port, server.http_port} <= peer_servers.listening_ports())
            yield
        finally:
            os.killpg(process.pid, signal.SIGKILL)
            process.wait(10)


def test_the_archive_is_killed_in_the_middle(desk: Desk, tmp_path: Path) -> None:
    paths = images(tmp_path / "files", 150)
    desk.book.add(desk.server.peer("orthanc", bandwidth_limit=600_000))  # so that there is a middle
    queue = desk.queue()
    job = queue.enqueue("orthanc", paths)
    queue.start()
    until(lambda: queue.job(job).accepted >= 30)
    os.killpg(desk.server.process.pid, signal.SIGKILL)
    desk.server.process.wait(10)
    until(lambda: queue.job(job).reason)
    assert "127.0.0.1" in queue.job(job).reason
    before = queue.job(job).accepted
    assert before < 150
    with started_again(desk.server):
        check(desk, queue, job, paths)


_WORKER = """
import sys, time
from pathlib import Path
from lightbox.core.settings import Settings
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import PeerBook
from lightbox.network.sending.queue import SendQueue
from lightbox.network.sending.states import QueueSettings

home = Path(sys.argv[1])
settings = QueueSettings(first_delay_s=0.1, maximum_delay_s=0.5, commitment_wait_s=0.3, commitment_again_s=1.0,
                         commitment_chunk=40)
queue = SendQueue(home, lambda: None, PeerBook(Settings(home)), LocalIdentity("LIGHTBOX", int(sys.argv[2])), settings)
queue.start()
time.sleep(120)
"""


def worker(desk: Desk) -> subprocess.Popen[bytes]:
    return subprocess.Popen([sys.executable, "-c", _WORKER, str(desk.home), str(desk.identity.port)])


def test_we_are_killed_in_the_middle_many_times(desk: Desk, tmp_path: Path) -> None:
    paths = images(tmp_path / "files", 160)
    # Slow enough that each life of the process ends in the middle of something
    desk.book.add(desk.server.peer("orthanc", bandwidth_limit=400_000))
    queue = desk.queue()
    job = queue.enqueue("orthanc", paths)
    points: list[Callable[[], object]] = [
        lambda: queue.job(job).count(State.SENDING) > 0,
        lambda: len(desk.held()) >= 3,
        lambda: queue.job(job).accepted >= 10,
        lambda: queue.job(job).accepted >= 41,
        lambda: len(desk.held()) >= 90,
        lambda: queue.job(job).accepted >= 110,
        lambda: queue.job(job).accepted >= 160,
        lambda: commitments(desk.home) > 0,
        lambda: queue.job(job).count(State.CONFIRMED) > 0,
    ]
    for reached in points:
        process = worker(desk)
        try:
            until(reached, 60)
        finally:
            process.kill()
            process.wait(10)
    queue.start()  # who comes after it finds its lease free
    check(desk, queue, job, paths)


def commitments(home: Path) -> int:
    with contextlib.closing(sqlite3.connect(home / "network" / "queue.sqlite")) as connection:
        return connection.execute("SELECT count(*) FROM commitment").fetchone()[0]


def test_only_one_process_sends(desk: Desk, tmp_path: Path) -> None:
    paths = images(tmp_path / "files", 60)
    desk.book.add(desk.server.peer("orthanc", bandwidth_limit=400_000))
    queue = desk.queue()
    others = [worker(desk), worker(desk)]
    try:
        time.sleep(1.0)
        job = queue.enqueue("orthanc", paths)
        queue.start()
        check(desk, queue, job, paths)
        assert {entry.attempts for entry in queue.objects(job)} == {1}
    finally:
        for process in others:
            process.kill()
            process.wait(10)


def test_the_network_is_cut_and_delayed(desk: Desk, tmp_path: Path) -> None:
    paths = images(tmp_path / "files", 120)
    with FaultProxy(desk.server.port) as proxy:
        desk.book.add(Peer("far", "ORTHANC", "127.0.0.1", proxy.port))
        proxy.cut_after = 150_000  # about 17 objects
        queue = desk.queue()
        job = queue.enqueue("far", paths)
        queue.start()
        until(lambda: queue.job(job).accepted >= 40)
        proxy.refuse = True
        proxy.cut_now()
        until(lambda: queue.job(job).reason)
        proxy.refuse, proxy.cut_after, proxy.lag = False, None, 0.01
        until(lambda: queue.job(job).accepted >= 80)
        proxy.cut_reply_after = 4_000  # what was stored, and not heard of
        proxy.cut_now()
        until(lambda: queue.job(job).accepted >= 95)
        proxy.cut_reply_after, proxy.lag = None, 0
        proxy.cut_now()
        check(desk, queue, job, paths)


def test_a_network_that_swallows(desk: Desk, tmp_path: Path) -> None:
    paths = images(tmp_path / "files", 40)
    desk.identity = replace(desk.identity, dimse_timeout=1, association_timeout=1)
    with FaultProxy(desk.server.port) as proxy:
        desk.book.add(Peer("far", "ORTHANC", "127.0.0.1", proxy.port, bandwidth_limit=300_000))
        queue = desk.queue()
        job = queue.enqueue("far", paths)
        queue.start()
        until(lambda: queue.job(job).accepted >= 5)
        proxy.swallow = True
        until(lambda: queue.job(job).reason or queue.job(job).count(State.WAITING))
        proxy.swallow = False
        proxy.cut_now()
        check(desk, queue, job, paths)


def test_an_archive_that_keeps_older_content(home: Path, tmp_path: Path) -> None:
    peer_servers.require("Orthanc")
    folder = tmp_path / "orthanc"
    folder.mkdir()
    own_port = peer_servers.free_port()
    with peer_servers.start_orthanc(folder, own_port=own_port, OverwriteInstances=False) as server:
        desk = Desk(home, server)
        desk.book.add(server.peer("orthanc"))
        with report_receiver(home, desk.identity):
            queue = desk.queue()
            queue.start()
            paths = images(tmp_path / "a", 6)
            check(desk, queue, queue.enqueue("orthanc", paths), paths)
            pixels = images(tmp_path / "b", 1, PixelData=bytes(64 * 64 * 2))
            name = images(tmp_path / "c", 2, patient="Corrected^Name")[1:]
            same = images(tmp_path / "d", 3)[2:]
            job = queue.enqueue("orthanc", [*pixels, *name, *same])
            assert queue.wait([job], timeout=30)
            found = {entry.sop_instance_uid: entry for entry in queue.objects(job)}
            prefix = "the archive kept other content under this SOP Instance UID"
            assert found[uids(pixels)[0]].reason == f"{prefix}: PixelData differs"
            assert found[uids(name)[0]].reason.startswith(f"{prefix}: PatientName, PatientID differ")
            assert found[uids(pixels)[0]].state is found[uids(name)[0]].state is State.FAILED
            assert found[uids(same)[0]].state is State.CONFIRMED
            queue.close()


def test_commitment_comes_to_the_receiver(home: Path, orthanc: Server, tmp_path: Path) -> None:
    """Orthanc reports on an association of its own to the real receiver."""
    from lightbox.network.receiving.process import ReceiverProcess

    desk = Desk(home, orthanc)
    desk.book.add(orthanc.peer("orthanc", commitment="always"))
    receiver = ReceiverProcess(home, desk.identity)
    receiver.start()
    try:
        queue = desk.queue()
        queue.start()
        paths = images(tmp_path / "files", 30)
        check(desk, queue, queue.enqueue("orthanc", paths), paths)
        # A report of an object that is not there: sent again, then confirmed
        paths += images(tmp_path / "more", 31)[30:]
        job = queue.enqueue("orthanc", paths[-1:])
        until(lambda: len(desk.held()) == 31)
        check_last = queue.wait([job], timeout=30)
        assert check_last
        assert queue.job(job).state == "confirmed"
        queue.close()
    finally:
        receiver.stop()


@pytest.mark.data
def test_a_strict_archive_gets_converted_objects(home: Path, data: Path, tmp_path: Path) -> None:
    """Only uncompressed CT and MR are taken: everything arrives with the same pixel values."""
    peer_servers.require("storescp", "dcmdump")
    folder = tmp_path / "storescp"
    folder.mkdir()
    native = ("LittleEndianExplicit", "LittleEndianImplicit")
    profile = {
        "VerificationSOPClass": native,
        "CTImageStorage": native[1:],
        "MRImageStorage": native,
        "SecondaryCaptureImageStorage": native,
        "UltrasoundImageStorage": native,
        "UltrasoundMultiframeImageStorage": native,
        "ComputedRadiographyImageStorage": native,
        "DigitalMammographyXRayImageStorageForPresentation": native,
    }
    classes = {
        "1.2.840.10008.5.1.4.1.1.2",
        "1.2.840.10008.5.1.4.1.1.4",
        "1.2.840.10008.5.1.4.1.1.7",
        "1.2.840.10008.5.1.4.1.1.6.1",
        "1.2.840.10008.5.1.4.1.1.3.1",
        "1.2.840.10008.5.1.4.1.1.1",
        "1.2.840.10008.5.1.4.1.1.1.2",
    }
    chosen: dict[tuple[str, str], Path] = {}
    for path in sorted([*(data / "transfer-syntaxes").rglob("*"), *(data / "projection").rglob("*")]):
        with contextlib.suppress(pydicom.errors.InvalidDicomError, IsADirectoryError, AttributeError):
            header = pydicom.dcmread(path, stop_before_pixels=True)
            syntax = header.file_meta.TransferSyntaxUID
            if header.SOPClassUID in classes and not syntax.is_private and "StudyInstanceUID" in header:
                chosen.setdefault((str(syntax), str(header.SOPInstanceUID)), path)
    by_uid = {uid: path for (_, uid), path in chosen.items()}
    syntaxes = {syntax for syntax, uid in chosen if by_uid[uid] == chosen[(syntax, uid)]}
    assert len(syntaxes) >= 6, syntaxes
    options = storescp_profile.write(tmp_path / "profile.cfg", profile)
    with peer_servers.start_storescp(folder, options=options) as server:
        desk = Desk(home, server)
        desk.book.add(server.peer("strict"))
        queue = desk.queue()
        job = queue.enqueue("strict", list(by_uid.values()))
        queue.start()
        assert queue.wait([job], timeout=60)
        queue.stop()
        sent = {entry.sop_instance_uid for entry in queue.objects(job, (State.SENT,))}
        refused = {entry.reason for entry in queue.objects(job, (State.FAILED,))}
        queue.close()
        received = {
            str(found.SOPInstanceUID): found
            for found in (pydicom.dcmread(path) for path in (folder / "received").iterdir())
        }
    assert set(received) == sent
    assert len(sent) >= 20, refused
    compared = 0
    for uid, found in received.items():
        assert found.file_meta.TransferSyntaxUID in ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
        try:  # raw: as the decoder of pydicom gives it, colours not converted
            expected = pixel_array(by_uid[uid], raw=True)
        except (RuntimeError, NotImplementedError, AttributeError, ValueError):
            continue  # pydicom cannot decode it, and is no reference here
        values = pixel_array(BytesIO(dicom_bytes(found)), raw=True)
        assert values.dtype.itemsize == expected.dtype.itemsize
        assert np.array_equal(values, expected), by_uid[uid].name
        compared += 1
    assert compared >= 15


def dicom_bytes(dataset: pydicom.Dataset) -> bytes:
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    return buffer.getvalue()


def test_stow(home: Path, tmp_path: Path) -> None:
    """By STOW-RS where the peer is set so; checked by QIDO-RS and WADO-RS."""
    peer_servers.require("Orthanc")
    plugin = next(iter(Path("/usr/share/orthanc/plugins").glob("libOrthancDicomWeb.so*")), None)
    if plugin is None:
        pytest.skip("Orthanc has no DICOMweb plug-in")
    folder = tmp_path / "orthanc"
    folder.mkdir()
    settings = {"Plugins": [str(plugin)], "OverwriteInstances": False, "DicomWeb": {"Enable": True}}
    with peer_servers.start_orthanc(folder, own_port=peer_servers.free_port(), **settings) as server:
        desk = Desk(home, server)
        web = WebSettings(f"http://127.0.0.1:{server.http_port}/dicom-web", store=True)
        desk.book.add(Peer("web", "NOBODY", "127.0.0.1", peer_servers.free_port(), web=web, commitment="never"))
        queue = desk.queue()
        queue.start()
        paths = images(tmp_path / "files", 25)
        check(desk, queue, queue.enqueue("web", paths), paths)
        job = queue.enqueue("web", images(tmp_path / "other", 1, StudyDescription="Another"))
        assert queue.wait([job], timeout=30)
        found = next(queue.objects(job))
        assert found.state is State.FAILED
        assert found.reason.endswith("StudyDescription differs")
        queue.close()


def test_what_is_refused_by_dimse_goes_by_stow(home: Path, tmp_path: Path) -> None:
    """A label map segmentation: Orthanc refuses its SOP class in negotiation, and takes it by DICOMweb."""
    peer_servers.require("Orthanc")
    plugin = next(iter(Path("/usr/share/orthanc/plugins").glob("libOrthancDicomWeb.so*")), None)
    if plugin is None:
        pytest.skip("Orthanc has no DICOMweb plug-in")
    folder = tmp_path / "orthanc"
    folder.mkdir()
    labelmap = "1.2.840.10008.5.1.4.1.1.66.7"
    made = [network_objects.ct("q", "s", 1), network_objects.ct("q", "t", 2, sop_class=labelmap)]
    settings = {"Plugins": [str(plugin)], "DicomWeb": {"Enable": True}, "UnknownSopClassAccepted": False}
    with peer_servers.start_orthanc(folder, own_port=peer_servers.free_port(), **settings) as server:
        desk = Desk(home, server)
        web = WebSettings(f"http://127.0.0.1:{server.http_port}/dicom-web")
        desk.book.add(replace(server.peer("both"), web=web, commitment="never"))
        queue = desk.queue()
        queue.start()
        paths = network_objects.write(tmp_path / "files", made)
        check(desk, queue, queue.enqueue("both", paths), paths)
        held = server.rest(f"/instances/{server.rest('/instances')[0]}/file")
        assert pydicom.dcmread(BytesIO(held)).StudyInstanceUID == made[0].StudyInstanceUID
        queue.close()


def test_the_command_line_takes_the_report_itself(home: Path, orthanc: Server, tmp_path: Path) -> None:
    """``send --commit --wait`` listens on our port while it waits, since Orthanc reports by a call of its own."""
    settings = Settings(home)
    orthanc.identity().save(settings)
    PeerBook(settings).add(orthanc.peer("orthanc", commitment="always"))
    paths = images(tmp_path / "files", 12)
    command = [sys.executable, "-m", "lightbox", "--home", str(home), "send", "orthanc", str(tmp_path / "files")]
    done = subprocess.run(
        [*command, "--commit", "--wait", "--timeout", "60", "--json"], capture_output=True, timeout=90, check=False
    )
    assert done.returncode == 0, done.stderr
    told = json.loads(done.stdout)
    assert (told["queued"], told["sent"], told["confirmed"], told["failed"]) == (12, 12, 12, [])
    assert len(orthanc.rest("/instances")) == len(paths)
