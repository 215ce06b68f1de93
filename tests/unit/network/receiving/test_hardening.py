"""Whoever calls, and whatever he sends: a normal sender is served, nothing is lost, and no log names a patient."""

from __future__ import annotations

import contextlib
import os
import resource
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from builders import network_objects
from lightbox.library.library import Library
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receiving.events import ReceiverEvent
from lightbox.network.receiving.policy import ReceivingPolicy
from lightbox.network.receiving.process import ReceiverProcess
from lightbox.network.send import send
from lightbox.network.stored import of_files
from lightbox.network.wire import pdus
from lightbox.network.wire.client import open_association
from lightbox.network.wire.contexts import Proposal
from lightbox.network.wire.pdus import Associate, Context, UserInformation

PATIENT = "Geheim^Gertrud"


@pytest.fixture
def events(receiver: ReceiverProcess) -> list[ReceiverEvent]:
    """What the receiver tells; it is not patient."""
    receiver.policy = ReceivingPolicy(negotiation=1.0, idle=1.5, largest_object=1_000_000, reserve=0)
    receiver.flush()  # every worker has it
    told: list[ReceiverEvent] = []
    receiver.event.connect(told.append)
    return told


@pytest.fixture
def normal(
    receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> Callable[[], None]:
    """Send 10 objects as a normal sender; all must arrive."""
    rounds = 0

    def run() -> None:
        nonlocal rounds
        rounds += 1
        objects = [network_objects.ct(f"normal{rounds}", "b", n, patient=PATIENT) for n in range(10)]
        paths = network_objects.write(tmp_path / f"n{rounds}", objects)
        assert send(peer, sender, of_files(paths)).complete
        receiver.flush()
        assert all(library.instance(str(dataset.SOPInstanceUID)) is not None for dataset in objects)

    return run


def connect(receiver: ReceiverProcess) -> socket.socket:
    return socket.create_connection(("127.0.0.1", receiver.port), timeout=10)


def associate(title: str = "LORIS") -> bytes:
    """Return an A-ASSOCIATE-RQ for CT images."""
    context = Context(1, network_objects.CT, ("1.2.840.10008.1.2.1",))
    return pdus.encode_associate(pdus.ASSOCIATE_RQ, Associate("LIGHTBOX", title, [context], UserInformation(16384)))


def answer(sock: socket.socket) -> int:
    """Read one PDU and return its type."""
    head = b""
    while len(head) < 6:
        block = sock.recv(6 - len(head))
        if not block:
            return 0
        head += block
    kind, length = struct.unpack(">BxI", head)
    while length:
        length -= len(sock.recv(length))
    return kind


def told(events: list[ReceiverEvent], kind: str) -> ReceiverEvent:
    deadline = time.monotonic() + 10
    while time.monotonic() < deadline:
        for event in events:
            if event.kind == kind:
                return event
        time.sleep(0.02)
    raise AssertionError(f"no event {kind}: {[event.kind for event in events]}")


def test_silent_clients(receiver: ReceiverProcess, events: list[ReceiverEvent], normal: Callable[[], None]) -> None:
    with contextlib.ExitStack() as stack:
        silent = [stack.enter_context(connect(receiver)) for _ in range(30)]
        normal()
        assert told(events, "silent").address == "127.0.0.1"
        assert all(sock.recv(1) == b"" for sock in silent)  # all were closed in the end
    normal()


def test_a_slow_request(receiver: ReceiverProcess, events: list[ReceiverEvent], normal: Callable[[], None]) -> None:
    """An association request that comes byte by byte does not gain time."""
    with connect(receiver) as sock:
        over = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                for byte in associate():
                    sock.sendall(bytes([byte]))
                    if over.wait(0.1):
                        return

        thread = threading.Thread(target=drip)
        thread.start()
        normal()
        told(events, "silent")
        over.set()
        thread.join()


def test_a_slow_object(receiver: ReceiverProcess, events: list[ReceiverEvent], normal: Callable[[], None]) -> None:
    """An object that comes byte by byte is given up, and leaves nothing."""
    with connect(receiver) as sock:
        sock.sendall(associate())
        assert answer(sock) == pdus.ASSOCIATE_AC
        from lightbox.network.wire import commands

        command = commands.c_store(network_objects.CT, "1.2.3")
        encoded = commands.encode(command.field, {**command.attributes, "MessageID": 1}, True)
        sock.sendall(_data(encoded, 3) + _data(bytes(70_000), 0))
        over = threading.Event()

        def drip() -> None:
            with contextlib.suppress(OSError):
                while not over.wait(0.05):
                    sock.sendall(_data(b"\0\0", 0))

        thread = threading.Thread(target=drip)
        thread.start()
        normal()
        event = told(events, "timeout")
        over.set()
        thread.join()
    assert event.calling_ae == "LORIS"
    _no_parts(receiver.home)


def _data(value: bytes, control: int) -> bytes:
    """Return a P-DATA-TF PDU with one presentation data value in context 1."""
    item = struct.pack(">IBB", len(value) + 2, 1, control) + value
    return struct.pack(">BxI", pdus.P_DATA, len(item)) + item


def _no_parts(home: Path) -> None:
    deadline = time.monotonic() + 10
    while list(home.rglob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(home.rglob("*.part")) == []


@pytest.mark.parametrize("established", [False, True])
def test_a_pdu_that_claims_four_gigabytes(
    receiver: ReceiverProcess, events: list[ReceiverEvent], normal: Callable[[], None], established: bool
) -> None:
    before = [_resident(pid) for pid in receiver.worker_pids]
    with connect(receiver) as sock:
        if established:
            sock.sendall(associate())
            assert answer(sock) == pdus.ASSOCIATE_AC
        with contextlib.suppress(OSError):
            sock.sendall(struct.pack(">BxI", pdus.P_DATA if established else pdus.ASSOCIATE_RQ, 0xFFFFFFFF))
            sock.sendall(bytes(3_000_000))
        assert told(events, "too-large").address == "127.0.0.1"
    normal()
    after = [_resident(pid) for pid in receiver.worker_pids]
    assert all(later - sooner < 64_000_000 for sooner, later in zip(before, after, strict=True))


def _resident(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize()


def test_an_object_above_the_limit(
    receiver: ReceiverProcess, events: list[ReceiverEvent], peer: Peer, sender: LocalIdentity, tmp_path: Path
) -> None:
    [path] = network_objects.write(tmp_path / "big", [network_objects.ct("a", "b", 1, size=1024)])
    with pytest.raises(AssociationError, match="aborted"):
        send(peer, sender, of_files([path]))
    told(events, "too-large")
    _no_parts(receiver.home)


def test_random_bytes(receiver: ReceiverProcess, events: list[ReceiverEvent], normal: Callable[[], None]) -> None:
    for start in (b"", b"GET / HTTP/1.1\r\n\r\n", b"\x16\x03\x01", b"\x01\x00\x00\x00\x00\x50", associate()[:80]):
        with connect(receiver) as sock, contextlib.suppress(OSError):
            sock.sendall(start + os.urandom(5000))
    with connect(receiver) as sock, contextlib.suppress(OSError):
        sock.sendall(associate())
        assert answer(sock) == pdus.ASSOCIATE_AC
        sock.sendall(_data(os.urandom(3000), 3) + os.urandom(20_000))
    normal()
    told(events, "protocol-error")
    told(events, "tls-on-plaintext")


def test_two_hundred_associations(
    receiver: ReceiverProcess,
    events: list[ReceiverEvent],
    normal: Callable[[], None],
    peer: Peer,
    sender: LocalIdentity,
) -> None:
    receiver.policy = ReceivingPolicy(idle=60.0, reserve=0)
    receiver.flush()
    with _open(peer, sender, 200):
        normal()
        normal()
    normal()


@contextlib.contextmanager
def _open(peer: Peer, sender: LocalIdentity, count: int) -> Iterator[None]:
    opened = [open_association(peer, sender, [Proposal(network_objects.CT)]) for _ in range(count)]
    yield
    for association in opened:
        association.abort()


def test_no_log_names_a_patient(
    receiver: ReceiverProcess, events: list[ReceiverEvent], normal: Callable[[], None]
) -> None:
    title = "B\nA\x1b[31mD"
    with connect(receiver) as sock:
        sock.sendall(associate(title))
        answer(sock)
    normal()
    receiver.stop()
    text = (receiver.home / "network" / "receiver.log").read_text(encoding="ascii")
    assert "SENDER" in text
    assert "received=10" in text
    assert "\x1b" not in text
    for word in (*PATIENT.split("^"), f"ID-{PATIENT}", "19700102", "2.25.", "1.2.826."):
        assert word not in text
        assert not any(word in str(event) for event in events)
