"""Each way in which a peer can fail, and the words for it."""

from __future__ import annotations

import contextlib
import json
import socket
import ssl
from collections.abc import Callable, Iterator
from dataclasses import replace
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt

from builders.fault_proxy import FaultProxy, proxy_context
from builders.pki import Pki
from builders.tls_servers import plain_server
from lightbox.cli.main import run
from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network.archive import Archive
from lightbox.network.diagnosis import facts, own_port, steps
from lightbox.network.diagnosis.doctor import diagnose
from lightbox.network.diagnosis.steps import Diagnosis, Step
from lightbox.network.identity import LocalIdentity, TlsSettings
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.storage_scp import StorageScp
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import Request

ECHO, FIND, MOVE = "1.2.840.10008.1.1", "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.2"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@contextlib.contextmanager
def serving(statuses: dict[str, int]) -> Iterator[Peer]:
    """Start an SCP of our own that answers each service with a status."""
    from lightbox.network.wire import commands
    from lightbox.network.wire.negotiation import accept_by
    from lightbox.network.wire.server import Server

    def answer(association: Association, request: Request) -> None:
        association.respond(request, statuses[request.sop_class_uid])

    server = Server(
        ("127.0.0.1", 0),
        LocalIdentity("PACS", 0, "127.0.0.1"),
        negotiate=lambda asked: accept_by(asked, lambda proposed: proposed.transfer_syntaxes[0]),
        services={commands.C_FIND: answer, commands.C_MOVE: answer},
    )
    server.start()
    try:
        yield Peer("x", "PACS", "127.0.0.1", server.port)
    finally:
        server.stop()


def states(found: Diagnosis) -> dict[str, str]:
    assert [step.name for step in found.steps] == list(steps.NAMES)
    return {step.name: step.state for step in found.steps}


def failure(found: Diagnosis, name: str) -> Step:
    """Return the one failed step; all that depends on it must say so."""
    assert not found.ok
    assert [step.name for step in found.steps if step.state == "failed"] == [name]
    step = found.step(name)
    assert step.todo
    assert step.code
    assert json.loads(json.dumps(found.as_dict()))["ok"] is False
    return step


def text(step: Step) -> str:
    return f"{step.text}: {step.why}. {step.todo}"


def test_a_good_archive(archive: Archive, identity: LocalIdentity, home: Path) -> None:
    told: list[str] = []
    settings = Settings(home)
    found = diagnose(archive.peer("pacs"), identity, settings=settings, progress=lambda step: told.append(step.name))
    assert found.ok
    assert found.state == "ok"
    assert states(found) == dict.fromkeys(steps.NAMES, "ok") | {"TLS": "skipped", "DICOMweb": "skipped"}
    assert told == list(steps.NAMES)
    assert all(step.seconds >= 0 and step.text for step in found.steps)
    assert found.step("association").detail["services"] == ["echo", "find", "move", "get"]
    kept = facts.of(Settings(home), "PACS")
    assert kept is not None
    assert (kept.state, kept.light, kept.services) == ("ok", "ok", ("echo", "find", "move", "get"))
    assert kept.implementation.startswith("LIGHTBOX")
    assert kept.tls_version == ""


def test_an_image_sent_to_us(
    archive: Archive, identity: LocalIdentity, studies: dict[str, list[Dataset]], library: Library
) -> None:
    uid = str(studies["one"][0].StudyInstanceUID)
    found = diagnose(archive.peer(), identity, move_study=uid)
    assert found.step("C-MOVE").detail == {"status": 0, "proven": True}
    assert "sent one image to LIGHTBOX" in found.step("C-MOVE").text
    with StorageScp(library, identity) as receiver:
        found = diagnose(archive.peer(), identity, move_study=uid)
        assert found.ok
        assert "Lightbox listens" in found.step("own port").text
        receiver.stop()
    assert len(library.instances_of(library.series_of(uid)[0].series_instance_uid)) == 1


def test_an_image_of_a_study_that_is_not_there(archive: Archive, identity: LocalIdentity) -> None:
    step = failure(diagnose(archive.peer(), identity, move_study="1.2.3"), "C-MOVE")
    assert step.code == "move.no-study"


def test_unknown_host(identity: LocalIdentity) -> None:
    found = diagnose(Peer("x", "X", "no-such-host.invalid", 104, plaintext_reason="test"), identity)
    step = failure(found, "name")
    assert step.text == "Host name no-such-host.invalid is unknown"
    assert found.step("echo").state == "skipped"
    assert found.step("echo").why == "name failed"


def test_nothing_listens(identity: LocalIdentity) -> None:
    step = failure(diagnose(Peer("x", "X", "127.0.0.1", identity.port), identity), "TCP")
    assert step.code == "tcp.refused"
    assert step.text == f"Nothing listens on 127.0.0.1:{identity.port}"


def test_a_firewall_drops_it(identity: LocalIdentity) -> None:
    full = socket.socket()
    full.bind(("127.0.0.1", 0))
    full.listen(0)
    waiting = [socket.socket() for _ in range(3)]
    for sock in waiting:  # a queue that is full drops further connections
        sock.setblocking(False)
        sock.connect_ex(full.getsockname())
    peer = Peer("x", "X", "127.0.0.1", full.getsockname()[1])
    step = failure(diagnose(peer, replace(identity, connect_timeout=0.3)), "TCP")
    assert step.code == "tcp.timeout"
    assert "firewall" in step.why
    for sock in [full, *waiting]:
        sock.close()


def test_plaintext_without_a_reason(identity: LocalIdentity) -> None:
    found = diagnose(Peer("old", "OLD", "no-such-host.invalid", 104), identity)
    assert found.step("settings").code == "peer.plaintext"
    assert "--plaintext-reason" in found.step("settings").todo
    assert found.step("association").state == "skipped"


@pytest.mark.parametrize(
    ("result", "source", "reason", "words"),
    [
        (1, 1, 3, "does not know our AE title LIGHTBOX"),
        (1, 1, 7, "does not know the called AE title PACS"),
        (1, 1, 2, "application context"),
        (1, 2, 2, "protocol version"),
        (1, 1, 1, "gave no reason"),
        (2, 3, 1, "busy"),
        (2, 3, 2, "limit of associations"),
    ],
)
def test_rejections(identity: LocalIdentity, result: int, source: int, reason: int, words: str) -> None:
    with plain_server(bytes((3, 0, 0, 0, 0, 4, 0, result, source, reason))) as port:
        step = failure(diagnose(Peer("x", "PACS", "127.0.0.1", port), identity), "association")
    assert words in step.why
    assert f"result {result}, source {source}, reason {reason}" in step.why
    assert step.code == ("association.busy" if result == 2 else "association.rejected")
    if words == "does not know our AE title LIGHTBOX":
        assert "Enter LIGHTBOX" in step.todo
    if result == 2:
        assert "later" in step.todo


@pytest.mark.parametrize(
    ("reply", "code", "words"),
    [
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "association.http", "web service"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "association.not-dicom", "not a DICOM service"),
        (b"\x07\0\0\0\0\x04\0\0\x02\0", "association.aborted", "broke off"),
        (b"", "association.aborted", "broke off"),
    ],
)
def test_other_services(identity: LocalIdentity, reply: bytes, code: str, words: str) -> None:
    with plain_server(reply) as port:
        step = failure(diagnose(Peer("x", "PACS", "127.0.0.1", port), identity), "association")
    assert step.code == code
    assert words in step.text
    if code == "association.aborted":
        assert "it may require TLS" in step.why
        assert "encrypted" in step.todo


@contextlib.contextmanager
def aborting(context: ssl.SSLContext | None) -> Iterator[tuple[int, list[bytes]]]:
    """Abort each plaintext request; with a context speak TLS. Gives the port, and the first byte of each connection."""
    listener = socket.create_server(("127.0.0.1", 0))
    seen: list[bytes] = []

    def one(sock: socket.socket) -> None:
        with sock, contextlib.suppress(OSError):
            sock.settimeout(5)
            first = sock.recv(1, socket.MSG_PEEK)
            if not first:  # only a look at the port
                return
            seen.append(first)
            if first == b"\x16" and context is not None:
                context.wrap_socket(sock, server_side=True).close()
            else:
                sock.recv(65536)
                sock.sendall(b"\x07\0\0\0\0\x04\0\0\x02\0")

    def serve() -> None:
        while True:
            try:
                sock, _ = listener.accept()
            except OSError:
                return
            one(sock)

    thread = Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield int(listener.getsockname()[1]), seen
    finally:
        with contextlib.suppress(OSError):
            listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(10)


def test_tls_is_tried_once_after_an_abort(identity: LocalIdentity, pki: Pki) -> None:
    """Only to find out whether it is required: no association is opened over it."""
    with aborting(proxy_context(pki.server.certificate, pki.server.key)) as (port, seen):
        step = failure(diagnose(Peer("x", "PACS", "127.0.0.1", port), identity), "association")
    assert step.code == "association.needs-tls"
    assert step.text == "PACS requires TLS"
    assert seen == [b"\x01", b"\x16"]


def test_tls_is_tried_once_where_there_is_none(identity: LocalIdentity) -> None:
    with aborting(None) as (port, seen):
        step = failure(diagnose(Peer("x", "PACS", "127.0.0.1", port), identity), "association")
    assert step.code == "association.aborted"
    assert seen == [b"\x01", b"\x16"]


def test_a_silent_service(identity: LocalIdentity) -> None:
    with plain_server(None) as port:
        peer = Peer("x", "PACS", "127.0.0.1", port)
        step = failure(diagnose(peer, replace(identity, association_timeout=0.3)), "association")
    assert step.code == "association.timeout"


@pytest.mark.parametrize("ask", ["required", "none"])
def test_a_peer_that_requires_tls_is_recognised(archive: Archive, identity: LocalIdentity, pki: Pki, ask: str) -> None:
    context = proxy_context(pki.server.certificate, pki.server.key, authority=pki.ca if ask == "required" else None)
    with FaultProxy(archive.port, tls=context) as proxy:
        step = failure(diagnose(Peer("x", "ARCHIVE", "127.0.0.1", proxy.port), identity), "association")
    assert step.code == "association.needs-tls"
    assert step.text == "ARCHIVE requires TLS"
    assert "Hospital CA" in step.why
    assert "--tls --ca FILE" in step.todo


def test_never_plaintext_where_tls_is_set(archive: Archive, identity: LocalIdentity, pki: Pki) -> None:
    seen: list[bytes] = []

    with FaultProxy(archive.port) as proxy:
        pump = proxy._pump

        def watched(source: socket.socket, *rest: object) -> None:
            with_peek = source.recv(1, socket.MSG_PEEK)
            seen.append(with_peek)
            pump(source, *rest)  # type: ignore[arg-type]

        proxy._pump = watched  # type: ignore[method-assign]
        peer = Peer("x", "ARCHIVE", "127.0.0.1", proxy.port, tls=pki.settings())
        found = diagnose(peer, identity)
    step = failure(found, "TLS")
    assert step.code in ("tls.plaintext", "tls.closed", "tls.timeout")
    assert found.step("association").state == "skipped"
    assert b"\x01" not in seen  # no association request was ever sent
    assert b"\x16" in seen


def test_tls_facts_are_kept(archive: Archive, identity: LocalIdentity, pki: Pki, home: Path) -> None:
    context = proxy_context(pki.server.certificate, pki.server.key, authority=pki.ca)
    settings = Settings(home)
    with FaultProxy(archive.port, tls=context) as proxy:
        peer = Peer("x", "ARCHIVE", "127.0.0.1", proxy.port, tls=pki.settings(pki.client))
        found = diagnose(peer, identity, settings=settings)
        assert found.ok
        assert found.step("TLS").state == "ok"
        assert "it asks for our certificate" in found.step("TLS").text
        bare = diagnose(replace(peer, tls=pki.settings()), identity, settings=settings)
    assert found.step("TLS").detail["client_certificate_asked"] is True
    assert found.step("TLS").detail["version"] == "TLSv1.3"
    step = failure(bare, "TLS")
    assert step.text == "ARCHIVE demands a client certificate"
    assert bare.step("association").state == "skipped"
    kept = facts.of(settings, "x")
    assert kept is not None
    assert (kept.state, kept.light) == ("failed", "failed")
    assert kept.certificate_sha256 == pki.server.fingerprint  # of the time before
    assert kept.client_certificate_asked is True


def test_what_is_known_outlives_a_peer_that_is_down(
    archive: Archive, identity: LocalIdentity, pki: Pki, home: Path
) -> None:
    settings = Settings(home)
    with FaultProxy(archive.port, tls=proxy_context(pki.server.certificate, pki.server.key)) as proxy:
        peer = Peer("x", "ARCHIVE", "127.0.0.1", proxy.port, tls=pki.settings())
        diagnose(peer, identity, settings=settings)
    assert not diagnose(peer, identity, settings=settings).ok
    kept = facts.of(settings, "x")
    assert kept is not None
    assert kept.light == "failed"
    assert "Nothing listens" in kept.text
    assert (kept.tls_version, kept.certificate_sha256) == ("TLSv1.3", pki.server.fingerprint)
    assert kept.implementation.startswith("LIGHTBOX")
    facts.forget(settings, "X")
    assert facts.of(settings, "x") is None


def test_certificates_that_end_soon(archive: Archive, identity: LocalIdentity, pki: Pki, home: Path) -> None:
    settings = Settings(home)
    with FaultProxy(archive.port, tls=proxy_context(pki.ends_soon.certificate, pki.ends_soon.key)) as proxy:
        peer = Peer("x", "ARCHIVE", "127.0.0.1", proxy.port, tls=pki.settings(pki.ends_soon))
        found = diagnose(peer, identity, settings=settings)
    assert found.ok
    assert found.state == "warning"
    assert found.step("settings").code == "tls.own-ends-soon"
    assert found.step("TLS").code == "tls.ends-soon"
    assert "administrator" in found.step("TLS").todo
    kept = facts.of(settings, "x")
    assert kept is not None
    assert kept.certificate_days_left in (9, 10)
    assert "ends in" in kept.words()
    fine = replace(kept, state="ok")
    assert fine.light == "warning"
    assert replace(fine, certificate_end="2020-01-01").words().endswith("its certificate has expired")


def test_files_of_ours_that_cannot_be_used(archive: Archive, identity: LocalIdentity) -> None:
    found = diagnose(replace(archive.peer(), tls=TlsSettings("/no/such/file")), identity)
    step = failure(found, "settings")
    assert "authorities cannot be read" in step.text
    assert found.step("TCP").state == "ok"
    assert found.step("TLS").state == "skipped"


def test_a_private_key_that_others_can_read(
    archive: Archive, identity: LocalIdentity, pki: Pki, tmp_path: Path
) -> None:
    key = tmp_path / "shared.key"
    key.write_bytes(pki.client.key.read_bytes())
    key.chmod(0o644)
    settings = pki.settings(certificate_file=str(pki.client.certificate), key_file=str(key))
    with FaultProxy(archive.port, tls=proxy_context(pki.server.certificate, pki.server.key)) as proxy:
        found = diagnose(Peer("x", "ARCHIVE", "127.0.0.1", proxy.port, tls=settings), identity)
    assert found.ok
    assert found.step("settings").code == "tls.key-readable"
    assert str(key) in found.step("settings").why


def test_nothing_accepted(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    step = failure(diagnose(scp(["1.2.840.10008.5.1.4.33"], []), identity), "association")
    assert step.code == "association.no-context"
    assert "Verification SOP Class in Explicit VR Little Endian, Implicit VR Little Endian" in step.why
    assert "preflight odd lists what it takes" in step.todo


def test_a_peer_that_only_stores(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    found = diagnose(scp([ECHO, "1.2.840.10008.5.1.4.1.1.2"], []), identity)
    assert found.ok
    assert states(found)["find"] == states(found)["C-MOVE"] == "skipped"
    assert "only stores" in found.step("find").why
    assert "C-FIND" in found.step("find").todo


def test_a_peer_without_echo(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    found = diagnose(scp([FIND], [(evt.EVT_C_FIND, lambda _: iter([(0x0000, None)]))]), identity)
    assert found.ok
    assert found.step("echo").code == "echo.refused"


def test_an_echo_that_fails(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    step = failure(diagnose(scp([ECHO], [(evt.EVT_C_ECHO, lambda _: 0x0122)]), identity), "echo")
    assert "0x0122" in step.why


def test_a_query_that_is_refused(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    peer = scp([ECHO, FIND], [(evt.EVT_C_FIND, lambda _: iter([(0xA700, None)]))])
    step = failure(diagnose(peer, identity), "find")
    assert "out of resources" in step.why


def test_a_peer_that_accepts_queries_and_then_aborts(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    def abort(event: evt.Event):
        event.assoc.abort()
        yield 0xFF00, None

    def move(event: evt.Event):
        yield None, None

    found = diagnose(scp([ECHO, FIND, MOVE], [(evt.EVT_C_FIND, abort), (evt.EVT_C_MOVE, move)]), identity)
    assert found.step("find").code == "find.aborted"
    assert "LIGHTBOX" in found.step("find").todo
    assert found.step("C-MOVE").code == "move.unknown-destination"  # asked on an association of its own


def test_a_peer_that_ignores_keys(identity: LocalIdentity, scp: Callable[..., Peer]) -> None:
    def everything(_: evt.Event):
        for number in range(1000):
            row = Dataset()
            row.StudyInstanceUID = f"1.2.{number}"
            yield 0xFF00, row
        yield 0x0000, None

    found = diagnose(scp([ECHO, FIND], [(evt.EVT_C_FIND, everything)]), identity)
    assert found.ok
    assert found.step("find").code == "find.ignores-keys"


def test_unknown_destination(studies: dict[str, list[Dataset]], tmp_path: Path, identity: LocalIdentity) -> None:
    with Archive(tmp_path / "source", destinations={}) as archive:
        found = diagnose(archive.peer(), identity)
    step = found.step("C-MOVE")
    assert found.ok and step.state == "warning" and "C-GET is used instead" in step.text
    assert "0xA801" in step.why
    assert f"AE title LIGHTBOX, the address of this computer, port {identity.port}" in step.todo


@pytest.mark.parametrize(("status", "code"), [(0x0124, "move.not-allowed"), (0x0122, "move.not-allowed")])
def test_moves_that_are_not_allowed(identity: LocalIdentity, status: int, code: str) -> None:
    with serving({FIND: 0x0000, MOVE: status}) as peer:
        step = failure(diagnose(peer, identity), "C-MOVE")
    assert step.code == code


def test_an_archive_that_cannot_reach_us(
    studies: dict[str, list[Dataset]], tmp_path: Path, identity: LocalIdentity
) -> None:
    from builders.peer_servers import free_port

    uid = str(studies["one"][0].StudyInstanceUID)
    with Archive(tmp_path / "source", destinations={"LIGHTBOX": ("127.0.0.1", free_port())}) as archive:
        assert diagnose(archive.peer(), identity).ok  # it knows us: only a real move shows it
        step = failure(diagnose(archive.peer(), identity, move_study=uid), "C-MOVE")
    assert step.code == "move.unreachable"
    assert f"port {identity.port}" in step.todo
    assert "firewalls" in step.todo


def test_an_archive_that_sends_elsewhere(
    studies: dict[str, list[Dataset]], tmp_path: Path, identity: LocalIdentity, library: Library
) -> None:
    from builders.peer_servers import free_port

    uid = str(studies["one"][0].StudyInstanceUID)
    other = replace(identity, port=free_port())
    destinations = {"LIGHTBOX": ("127.0.0.1", other.port)}
    with StorageScp(library, other), Archive(tmp_path / "source", destinations=destinations) as archive:
        step = failure(diagnose(archive.peer(), identity, move_study=uid), "C-MOVE")
    assert step.code == "move.elsewhere"


def test_our_port_is_taken(archive: Archive, identity: LocalIdentity) -> None:
    with socket.create_server(("127.0.0.1", identity.port)):
        impatient = replace(identity, association_timeout=0.3)
        found = diagnose(archive.peer(), impatient)
        assert found.step("own port").code == "port.in-use"
        moved = diagnose(archive.peer(), impatient, move_study="1.2.3").step("C-MOVE")
    assert found.state == "warning"
    assert moved.code == "port.in-use"


def test_our_own_receiver_that_admits_listed_callers_only(
    studies: dict[str, list[Dataset]], archive: Archive, identity: LocalIdentity
) -> None:
    from lightbox.network.wire.negotiation import Reject, accept_by
    from lightbox.network.wire.server import Server

    counter = own_port.Counter()
    server = Server(
        ("127.0.0.1", identity.port),
        identity,
        negotiate=lambda asked: Reject() if asked.calling_ae == "LIGHTBOX" else accept_by(asked, lambda p: p[2][0]),
        receiver=counter,
    )
    server.start()
    try:
        uid = str(studies["one"][0].StudyInstanceUID)
        found = diagnose(archive.peer(), identity, move_study=uid)
    finally:
        server.stop()
    assert found.ok
    assert found.step("own port").code == "port.not-let-in"
    assert found.step("C-MOVE").state == "ok"
    assert counter.received == 1


def test_our_tls_port(archive: Archive, identity: LocalIdentity, pki: Pki) -> None:
    from builders.peer_servers import free_port

    mine = replace(identity, tls_port=free_port(), tls=pki.settings(pki.server))
    found = diagnose(archive.peer(), mine).step("own port")
    assert found.state == "ok"
    assert f"TLS on port {mine.tls_port} is set; nobody listens there now" in found.text
    found = diagnose(archive.peer(), replace(mine, tls=pki.settings(pki.expired))).step("own port")
    assert (found.state, found.code) == ("warning", "tls.own-expired")
    found = diagnose(archive.peer(), replace(mine, tls=TlsSettings("", "/none", "/none"))).step("own port")
    assert (found.state, found.code) == ("failed", "tls.settings")


def test_the_title_and_port_towards_this_peer_count(archive: Archive, identity: LocalIdentity) -> None:
    peer = replace(archive.peer(), own_ae="OTHER", own_port=0)
    assert "AE title OTHER" in diagnose(peer, identity).step("C-MOVE").todo


def test_cancelled(archive: Archive, identity: LocalIdentity) -> None:
    token = CancelToken()
    with pytest.raises(Cancelled):
        diagnose(archive.peer(), identity, cancel=token, progress=lambda _: token.cancel())


# DICOMweb


class _Web(BaseHTTPRequestHandler):
    status, body = 200, b"[]"

    def do_GET(self) -> None:
        self.send_response(self.status)
        self.send_header("Content-Type", "application/dicom+json")
        self.send_header("Content-Length", str(len(self.body)))
        self.end_headers()
        self.wfile.write(self.body)

    def log_message(self, *_: object) -> None:
        pass


ROW = b'[{"0020000D": {"vr": "UI", "Value": ["1.2.3"]}}]'


@pytest.mark.parametrize(
    ("status", "body", "state", "words"),
    [
        (200, b"[]", "ok", "answers a search"),
        (204, b"", "ok", "answers a search"),
        (200, ROW, "warning", "ignores what it is asked for"),
        (401, b"", "failed", "sign in"),
        (403, b"", "failed", "not allowed"),
        (404, b"", "failed", "address"),
        (406, b"", "failed", "media types"),
        (413, b"", "failed", "Send less"),
        (500, b"", "failed", "error of its own"),
        (200, b"<html>", "failed", ""),
    ],
)
def test_dicomweb(archive: Archive, identity: LocalIdentity, status: int, body: bytes, state: str, words: str) -> None:
    handler = type("Handler", (_Web,), {"status": status, "body": body})
    server = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    Thread(target=server.serve_forever, args=(0.02,), daemon=True).start()
    web = WebSettings(f"http://127.0.0.1:{server.server_address[1]}/dicom-web")
    try:
        found = diagnose(replace(archive.peer(), web=web), identity)
    finally:
        server.shutdown()
        server.server_close()
    step = found.step("DICOMweb")
    assert step.state == state, step
    assert words in text(step)
    assert step.todo or state == "ok"
    assert found.ok is (state != "failed")


def test_dicomweb_that_is_down_does_not_hide_the_rest(archive: Archive, identity: LocalIdentity) -> None:
    from builders.peer_servers import free_port

    web = WebSettings(f"http://127.0.0.1:{free_port()}/dicom-web")
    found = diagnose(replace(archive.peer(), web=web), identity)
    step = failure(found, "DICOMweb")
    assert "Nothing listens" in step.text
    assert found.step("C-MOVE").state == "ok"


# Command line


def test_command(archive: Archive, identity: LocalIdentity, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    identity.save(Settings(home))
    assert run(["peers", "add", "pacs", archive.ae_title, "127.0.0.1", str(archive.port)]) == 0
    assert run(["diagnose", "pacs"]) == 0
    said = capsys.readouterr()
    assert said.err == ""
    assert [line.split()[0] for line in said.out.splitlines() if line[0] != " "].count("ok") == 8
    assert run(["diagnose", "pacs", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out)
    assert shown["ok"] is True
    assert [step["name"] for step in shown["steps"]] == list(steps.NAMES)
    assert run(["peers", "list", "--json"]) == 0
    assert json.loads(capsys.readouterr().out)[0]["facts"]["light"] == "ok"
    archive.stop()
    assert run(["diagnose", "pacs", "--json"]) == 1
    said = capsys.readouterr()
    assert json.loads(said.out)["steps"][2]["code"] == "tcp.refused"
    assert "Nothing listens" in said.err
