"""What our server makes of clients that do not keep to the protocol, and that the others do not notice."""

from __future__ import annotations

import random
import socket
import ssl
import threading
import time
from collections.abc import Callable, Iterator
from io import BytesIO
from typing import Any

import pytest

from builders import certificates
from builders import raw_dicom as raw
from builders.raw_dicom import ABORT, COMMAND, DATA, ECHO, FIND, LAST, RELEASE_RP, RELEASE_RQ, Raw
from lightbox.core.errors import LightboxError
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity, TlsSettings
from lightbox.network.peers import Peer
from lightbox.network.tls import server_context
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import Steps, associated
from lightbox.network.wire.commands import Request
from lightbox.network.wire.contexts import Proposal, Proposed
from lightbox.network.wire.negotiation import (
    WRONG_CALLED_TITLE,
    AssociationRequest,
    Decision,
    Reject,
    accept_by,
)
from lightbox.network.wire.server import Event, Limits, Server, listen

US = LocalIdentity("SCP", 0, "127.0.0.1", maximum_pdu=16384)
CLIENT = LocalIdentity("LIGHTBOX", 0, "127.0.0.1", association_timeout=5, dimse_timeout=5)
SECRET = "1.2.840.113619.777.42"
"""Stands for an identifier of a patient's image: it must not be in any event."""


class Kept:
    """A receiver."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.aborted = 0
        self.refuse: Exception | None = None

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Any:
        if self.refuse is not None:
            raise self.refuse
        kept = self

        class Incoming:
            uid, data = sop_instance_uid, bytearray()

            def write(self, chunk: memoryview) -> None:
                self.data += chunk

            def abort(self) -> None:
                kept.aborted += 1

        incoming = Incoming()
        incoming.data = bytearray()
        return incoming

    def finish(self, incoming: Any) -> int:
        self.objects[incoming.uid] = bytes(incoming.data)
        return 0


def anything(proposed: Proposed) -> str | int:
    return proposed.transfer_syntaxes[0] if proposed.transfer_syntaxes else 4


class Running:
    """A server, what it received, and its events."""

    def __init__(self, **options: Any) -> None:
        self.kept = Kept()
        self.events: list[Event] = []
        self._told = threading.Condition()
        options.setdefault("negotiate", lambda request: accept_by(request, anything))
        self.server = Server(("127.0.0.1", 0), US, receiver=self.kept, log=self._log, **options)
        self.server.start()

    def _log(self, event: Event) -> None:
        with self._told:
            self.events.append(event)
            self._told.notify_all()

    def wait(self, kind: str, count: int = 1) -> Event:
        """Wait for as many events of a kind and return the first."""

        def found() -> list[Event]:
            return [event for event in self.events if event.kind == kind]

        with self._told:
            assert self._told.wait_for(lambda: len(found()) >= count, 10), [event.kind for event in self.events]
        return found()[0]

    def connect(self) -> Raw:
        """Connect."""
        return raw.connect(self.server.port)

    def associate(self, *contexts: tuple[int, str, str]) -> Raw:
        """Open an association."""
        client = self.connect()
        client.send(raw.associate_rq(*contexts))
        assert client.pdu()[0] == 2
        return client

    def echo(self) -> None:
        """Make sure that a proper client is served."""
        peer = Peer("self", "SCP", "127.0.0.1", self.server.port)
        with associated(peer, CLIENT, [Proposal(ECHO)]) as association:
            assert association.request(association.accepted[0], commands.c_echo()).status == 0


@pytest.fixture
def run() -> Iterator[Callable[..., Running]]:
    started: list[Running] = []

    def start(**options: Any) -> Running:
        started.append(Running(**options))
        return started[-1]

    yield start
    for running in started:
        before = time.monotonic()
        running.server.stop()
        assert time.monotonic() - before < 5
        assert running.server.associations == []
        assert not any(SECRET in repr(event) for event in running.events)


def fast(**options: Any) -> Limits:
    return Limits(**{"negotiation": 0.5, "idle": 0.5, **options})


# Before the association


def test_nothing_is_said(run: Callable[..., Running]) -> None:
    running = run(limits=fast())
    silent, dripping = running.connect(), running.connect()
    dripping.send(raw.associate_rq()[:3])
    running.echo()
    assert running.wait("silent").code == "before-association"
    assert silent.pdu()[0] == 0
    assert dripping.pdu()[0] == 0


def test_one_byte_now_and_then_gains_no_time(run: Callable[..., Running]) -> None:
    running = run(limits=fast())
    client = running.connect()
    begun = time.monotonic()
    try:
        for byte in raw.associate_rq():
            client.send(bytes((byte,)))
            time.sleep(0.05)
    except OSError:
        pass
    running.wait("silent")
    assert time.monotonic() - begun < 5


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"GET / HTTP/1.1\r\n\r\n", "protocol-error"),
        (RELEASE_RQ, "protocol-error"),
        (raw.p_data(1, COMMAND | LAST, b"x"), "protocol-error"),
        (raw.pdu(1, b"", length=0xFFFFFFFF), "too-large"),
        (raw.pdu(1, bytes(10)), "protocol-error"),
        (raw.pdu(1, bytes(68) + raw.item(0x20, b"", length=60_000)), "protocol-error"),
        (b"\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03", "tls-on-plaintext"),
    ],
    ids=["http", "release", "data", "bomb", "short", "item", "tls"],
)
def test_what_is_no_association_request(run: Callable[..., Running], data: bytes, kind: str) -> None:
    running = run()
    client = running.connect()
    client.send(data)
    assert client.pdu()[0] in (0, 7)
    client.close()
    running.wait(kind)
    running.echo()


def test_other_versions_and_application_contexts_are_rejected(run: Callable[..., Running]) -> None:
    running = run()
    for old, new, answer in (
        (b"\x00\x01\x00\x00X   ", b"\x00\x02\x00\x00X   ", b"\x00\x01\x02\x02"),
        (b"3.1.1.1", b"3.1.1.9", b"\x00\x01\x01\x02"),
    ):
        client = running.connect()
        client.send(raw.associate_rq().replace(old, new, 1))
        assert client.pdu() == (3, answer)
        client.close()


def test_decisions(run: Callable[..., Running]) -> None:
    asked: list[AssociationRequest] = []

    def negotiate(request: AssociationRequest) -> Decision:
        asked.append(request)
        if request.called_ae != "X":
            return WRONG_CALLED_TITLE
        return Reject() if request.calling_ae != "RAW" else accept_by(request, anything)

    running = run(negotiate=negotiate)
    for called, calling, answer in (("Y", "RAW", b"\x00\x01\x01\x07"), ("X", "WHO", b"\x00\x01\x01\x03")):
        client = running.connect()
        client.send(raw.associate_rq(called=called, calling=calling))
        assert client.pdu() == (3, answer)
        client.close()
    running.associate().close()
    running.wait("rejected", 2)
    assert {event.code for event in running.events if event.kind == "rejected"} == {"1/1/7", "1/1/3"}
    assert asked[-1].address[0] == "127.0.0.1"
    assert asked[-1].proposals == (Proposed(1, ECHO, (raw.IMPLICIT,)),)
    assert asked[-1].certificate is None


def test_a_fault_of_ours_ends_one_association_only(run: Callable[..., Running]) -> None:
    faults = [ZeroDivisionError(SECRET)]

    def negotiate(request: AssociationRequest) -> Decision:
        if faults:
            raise faults.pop()
        return accept_by(request, anything)

    running = run(negotiate=negotiate)
    client = running.connect()
    client.send(raw.associate_rq())
    assert client.pdu()[0] == 0
    assert running.wait("failed").code == "ZeroDivisionError"
    running.echo()


# Limits


def test_above_the_limit_clients_are_asked_to_come_again(run: Callable[..., Running]) -> None:
    running = run(limits=Limits(associations=2))
    first, second = running.associate(), running.associate()
    assert len(running.server.associations) == 2
    third = running.connect()
    third.send(raw.associate_rq())
    assert third.pdu() == (3, b"\x00\x02\x03\x02")
    third.close()
    with pytest.raises(AssociationError) as caught:
        running.echo()
    assert caught.value.code == "association.busy"
    first.send(RELEASE_RQ)
    assert first.pdu()[0] == 6
    first.close()
    running.wait("closed")
    deadline = time.monotonic() + 5
    while len(running.server.associations) > 1 and time.monotonic() < deadline:
        time.sleep(0.01)
    running.echo()
    second.close()


def test_one_address_cannot_take_every_place(run: Callable[..., Running]) -> None:
    running = run(limits=Limits(associations=10, per_address=1))
    taken = running.associate()
    with pytest.raises(AssociationError) as caught:
        running.echo()
    assert caught.value.code == "association.busy"
    sock = socket.create_connection(("127.0.0.1", running.server.port), 5, source_address=("127.0.0.2", 0))
    other = Raw(sock)
    other.send(raw.associate_rq())
    assert other.pdu()[0] == 2
    taken.close()
    other.close()


def test_many_silent_clients_make_room_for_others(run: Callable[..., Running]) -> None:
    running = run(limits=Limits(connections=20, negotiation=60))
    silent = [running.connect() for _ in range(60)]
    running.echo()
    running.wait("crowded", 40)
    for client in silent:
        client.close()


def test_two_hundred_associations_at_once(run: Callable[..., Running]) -> None:
    running = run(limits=Limits(associations=300, per_address=300))
    clients = [running.associate() for _ in range(200)]
    running.echo()
    for number, client in enumerate(clients):
        if number % 2:
            client.send(RELEASE_RQ)
            assert client.pdu()[0] == 6
        client.close()
    running.echo()


# In the association


def store(uid: str = SECRET) -> bytes:
    values = ((2, raw.CT), (0x0100, 1), (0x0110, 7), (0x0700, 0), (0x0800, 1), (0x1000, uid))
    return raw.p_data(1, COMMAND | LAST, raw.command(*values))


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (ABORT, "aborted"),
        (b"", "lost"),
        (b"\x04", "lost"),
        (store()[:20], "lost"),
        (store() + raw.p_data(1, DATA, b"half"), "lost"),
        (store() + raw.p_data(1, DATA, b"half") + ABORT, "aborted"),
        (store() + raw.p_data(1, DATA, b"half") + RELEASE_RQ, "closed"),
        (store() + store(), "protocol-error"),
        (store() + raw.p_data(3, DATA, b"other"), "protocol-error"),
        (raw.p_data(77, COMMAND | LAST, raw.response(0x8030, 1, 0)), "protocol-error"),
        (raw.associate_rq(), "protocol-error"),
        (RELEASE_RP, "protocol-error"),
        (raw.pdu(0, b"zero"), "protocol-error"),
        (raw.pdu(4, raw.pdv(1, 3, b"x", length=99)), "protocol-error"),
        (raw.pdu(4, b"", length=0xFFFFFFFE), "too-large"),
        (raw.p_data(1, COMMAND, bytes(70_000)), "too-large"),
        (raw.pdu(4, raw.pdv(1, COMMAND, b"", length=60_000_000), length=60_000_004), "too-large"),  # announced only
        (store() + raw.p_data(1, DATA, bytes(200_000)), "too-large"),
    ],
    ids=range(18),
)
def test_every_way_to_misbehave_ends_that_association_only(run: Callable[..., Running], data: bytes, kind: str) -> None:
    running = run(limits=Limits(object=100_000))
    client = running.associate((1, raw.CT, raw.IMPLICIT), (3, raw.CT, raw.IMPLICIT))
    client.send(data)
    if kind == "lost":
        client.close()
    else:
        assert client.pdu()[0] in (0, 6, 7)
        client.close()
    event = running.wait(kind)
    assert event.calling_ae == "RAW"
    running.echo()
    assert running.kept.objects == {}
    begun = data.startswith(store()) and data != store()[:20]
    assert running.kept.aborted == (1 if begun else 0)


def test_silence_in_the_association_ends_it(run: Callable[..., Running]) -> None:
    running = run(limits=fast())
    client = running.associate((1, raw.CT, raw.IMPLICIT))
    half = running.associate((1, raw.CT, raw.IMPLICIT))
    half.send(store(), raw.p_data(1, DATA, b"half"))
    assert client.pdu()[0] == 7
    assert half.pdu()[0] == 7
    assert running.wait("timeout").code == "operation.timeout"
    deadline = time.monotonic() + 5
    while not running.kept.aborted and time.monotonic() < deadline:
        time.sleep(0.01)
    assert running.kept.aborted == 1


def test_a_byte_now_and_then_does_not_hold_a_place_for_ever(run: Callable[..., Running]) -> None:
    running = run(limits=fast(idle=0.3))
    client = running.associate((1, raw.CT, raw.IMPLICIT))
    client.send(store(), raw.pdu(4, raw.pdv(1, DATA, b"", length=60_000), length=60_004))
    begun = time.monotonic()
    with pytest.raises(OSError):
        while time.monotonic() - begun < 10:
            client.send(b"x")
            time.sleep(0.05)
    running.wait("timeout")


def test_objects_arrive_and_are_counted(run: Callable[..., Running]) -> None:
    running = run()
    client = running.associate((1, raw.CT, raw.IMPLICIT))
    for number in range(3):
        client.send(store(f"1.2.{number}"), raw.p_data(1, DATA | LAST, b"abcdef"))
        command, _ = client.message()
        assert commands.decode(command)["Status"] == 0
    client.send(RELEASE_RQ)
    assert client.pdu()[0] == 6
    client.close()
    event = running.wait("closed")
    assert (event.received, event.calling_ae, event.called_ae) == (3, "RAW", "X")
    assert set(running.kept.objects) == {"1.2.0", "1.2.1", "1.2.2"}


@pytest.mark.parametrize("error", [LightboxError("full"), OSError("gone")])
def test_an_object_that_cannot_be_begun_is_answered(run: Callable[..., Running], error: Exception) -> None:
    running = run()
    running.kept.refuse = error
    client = running.associate((1, raw.CT, raw.IMPLICIT))
    client.send(store(), raw.p_data(1, DATA | LAST, bytes(1000)))
    assert commands.decode(client.message()[0])["Status"] == 0x0110
    running.kept.refuse = None
    client.send(store("1.2"), raw.p_data(1, DATA | LAST, b"ab"))
    assert commands.decode(client.message()[0])["Status"] == 0
    client.close()


def test_a_store_request_without_object_is_answered(run: Callable[..., Running]) -> None:
    client = run().associate((1, raw.CT, raw.IMPLICIT))
    client.send(raw.p_data(1, COMMAND | LAST, raw.command((0x0100, 1), (0x0110, 7), (0x0800, 0x0101))))
    assert commands.decode(client.message()[0])["Status"] == 0xC000
    client.close()


def test_services(run: Callable[..., Running]) -> None:
    def find(association: Association, request: Request) -> None:
        for _ in range(1000):
            if association.cancelled(request):
                association.respond(request, 0xFE00)
                return
            association.respond(request, 0xFF00, b"\x20\x00\x0d\x00\x06\x00\x00\x001.2.3\x00")
            time.sleep(0.005)
        association.respond(request, 0x0000)

    def fail(association: Association, request: Request) -> None:
        raise ValueError(SECRET)

    running = run(services={commands.C_FIND: find, commands.C_MOVE: fail})
    peer = Peer("self", "SCP", "127.0.0.1", running.server.port)
    with associated(peer, CLIENT, [Proposal(FIND)]) as association:
        context = association.accepted[0]
        responses = association.requests(context, commands.c_find(FIND), b"")
        assert next(responses).dataset().StudyInstanceUID == "1.2.3"
        responses.close()
        failed = association.request(context, commands.c_move(FIND, "X"), b"")
        assert failed.status == 0x0110
        assert association.request(context, commands.n_get(FIND, "1.2")).status == 0x0211
        assert association.request(context, commands.c_echo()).status == 0


def test_a_client_that_leaves_ends_the_service(run: Callable[..., Running]) -> None:
    ended = threading.Event()

    def endless(association: Association, request: Request) -> None:
        try:
            while not association.cancelled(request):
                association.respond(request, 0xFF00, b"")
        finally:
            ended.set()

    running = run(services={commands.C_FIND: endless})
    client = running.associate((1, FIND, raw.IMPLICIT))
    client.send(raw.p_data(1, COMMAND | LAST, raw.command((0x0100, 0x20), (0x0110, 1), (0x0800, 0x0101))))
    client.message()
    client.close()
    assert ended.wait(10)


def test_release_collision(run: Callable[..., Running]) -> None:
    met: list[Association] = []
    running = run(
        services={commands.C_FIND: lambda association, request: (met.append(association), association.release())}
    )
    client = running.associate((1, FIND, raw.IMPLICIT))
    client.send(raw.p_data(1, COMMAND | LAST, raw.command((0x0100, 0x20), (0x0110, 1), (0x0800, 0x0101))))
    assert client.pdu()[0] == 5
    client.send(RELEASE_RQ)
    assert client.pdu()[0] == 6
    client.send(RELEASE_RP)
    assert client.pdu()[0] == 0
    assert met[0].ended_by == "released"


# Noise


@pytest.mark.parametrize("seed", range(4))
def test_random_bytes_harm_nobody(run: Callable[..., Running], seed: int) -> None:
    source = random.Random(seed)
    running = run(limits=fast(negotiation=1.0, idle=1.0))
    request = raw.associate_rq((1, raw.CT, raw.IMPLICIT))
    talk = store() + raw.p_data(1, DATA | LAST, bytes(300)) + RELEASE_RQ
    for _ in range(40):
        client = running.connect()
        try:
            if source.random() < 0.4:
                client.send(source.randbytes(source.randrange(1, 400)))
            else:
                client.send(request if source.random() < 0.5 else mangled(source, request))
                client.send(mangled(source, talk))
        except OSError:
            pass  # it hung up already
        client.close()
    running.echo()
    assert not any(event.kind == "failed" for event in running.events), running.events


def mangled(source: random.Random, data: bytes) -> bytes:
    changed = bytearray(data)
    for _ in range(source.randrange(1, 6)):
        changed[source.randrange(len(changed))] = source.randrange(256)
    return bytes(changed[: source.randrange(1, len(changed) + 1)])


# Starting, stopping, sharing


def test_processes_can_share_a_socket() -> None:
    sock = listen(("127.0.0.1", 0))
    running = [Running(sock=sock), Running(sock=sock)]
    port = running[0].server.port
    assert port == running[1].server.port
    running[0].server.stop()
    running[1].echo()
    running[1].server.stop()
    sock.close()
    with pytest.raises(OSError):
        raw.connect(port)


def test_stopping_ends_what_is_open_and_starting_again_works(run: Callable[..., Running]) -> None:
    running = run()
    client, silent = running.associate(), running.connect()
    running.server.stop()
    assert client.pdu()[0] in (0, 7)
    assert silent.pdu()[0] == 0
    assert running.server.port == 0
    running.server.start()
    running.echo()


# TLS


@pytest.fixture(scope="module")
def tls(tmp_path_factory: pytest.TempPathFactory) -> tuple[ssl.SSLContext, ssl.SSLContext]:
    """Contexts for a server and for its clients."""
    authority = certificates.Authority(tmp_path_factory.mktemp("tls") / "pki")
    issued = authority.issue("scp")
    server = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    server.load_cert_chain(issued.certificate, issued.key)
    return server, ssl.create_default_context(cafile=str(authority.certificate))


def test_tls(run: Callable[..., Running], tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    running = run(tls=tls[0], limits=Limits(negotiation=2.0))
    silent = running.connect()
    plain = running.connect()
    plain.send(raw.associate_rq())
    assert plain.pdu()[0] == 0
    assert running.wait("plaintext-on-tls").code == "tls.plaintext"
    sock = socket.create_connection(("127.0.0.1", running.server.port), 5)
    client = Raw(tls[1].wrap_socket(sock, server_hostname="127.0.0.1"))
    client.send(raw.associate_rq((1, raw.CT, raw.IMPLICIT)))
    assert client.pdu()[0] == 2
    big = random.Random(3).randbytes(300_000)
    pieces = [raw.p_data(1, DATA, big[at : at + 16_000]) for at in range(0, len(big), 16_000)]
    client.send(store("1.2.3"), *pieces, raw.p_data(1, DATA | LAST, b""))
    assert commands.decode(client.message()[0])["Status"] == 0
    assert running.kept.objects["1.2.3"] == big
    client.send(RELEASE_RQ)
    assert client.pdu()[0] == 6
    client.close()
    running.wait("closed")
    assert running.wait("tls-failed").code in ("tls.timeout", "tls.closed")
    silent.close()


def test_stopping_while_tls_is_in_use(run: Callable[..., Running], tls: tuple[ssl.SSLContext, ssl.SSLContext]) -> None:
    running = run(tls=tls[0])
    sock = socket.create_connection(("127.0.0.1", running.server.port), 5)
    client = Raw(tls[1].wrap_socket(sock, server_hostname="127.0.0.1"))
    client.send(raw.associate_rq())
    assert client.pdu()[0] == 2
    running.server.stop()
    with pytest.raises((OSError, AssertionError)):
        assert client.pdu()[0] != 0
    client.close()


def test_both_sides_speak_tls_and_show_certificates(
    run: Callable[..., Running], tmp_path_factory: pytest.TempPathFactory
) -> None:
    authority = certificates.Authority(tmp_path_factory.mktemp("mutual") / "pki")
    ours, theirs = authority.issue("scp"), authority.issue("scu")

    def settings(issued: certificates.Issued) -> TlsSettings:
        return TlsSettings(str(authority.certificate), str(issued.certificate), str(issued.key))

    asked: list[AssociationRequest] = []

    def negotiate(request: AssociationRequest) -> Decision:
        asked.append(request)
        return accept_by(request, anything)

    running = run(tls=server_context(settings(ours)), negotiate=negotiate)
    peer = Peer("self", "SCP", "127.0.0.1", running.server.port, tls=settings(theirs))
    steps = Steps()
    data = random.Random(1).randbytes(5_000_000)
    with associated(peer, CLIENT, [Proposal(raw.CT)], steps=steps) as association:
        assert association.tls is not None
        assert association.tls.version == "TLSv1.3"
        assert association.store(association.accepted[0], raw.CT, "1.2.3", BytesIO(data)).status == 0
        second = threading.Timer(0.2, association.abort)
        second.start()
        second.join()
        assert not association.is_open
    assert running.kept.objects == {"1.2.3": data}
    assert [name for name, _, _ in steps.done] == ["name resolution", "TCP connection", "TLS", "association"]
    assert asked[0].certificate is not None
    assert (("commonName", "scu"),) in asked[0].certificate["subject"]
    assert asked[0].tls.subject
