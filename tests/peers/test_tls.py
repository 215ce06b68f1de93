"""TLS with real peers: our calls to Orthanc, DCMTK and web services, and the calls of DCMTK and OpenSSL to us."""

from __future__ import annotations

import contextlib
import subprocess
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from builders import network_objects, peer_servers
from builders.certificates import Issued
from builders.fault_proxy import FaultProxy, proxy_context
from builders.peer_servers import Server as PeerServer
from builders.pki import Pki
from lightbox.network import tls
from lightbox.network.echo import echo
from lightbox.network.errors import AssociationError
from lightbox.network.find import find
from lightbox.network.identity import LocalIdentity, TlsSettings
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.send import send
from lightbox.network.stored import of_files
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import Proposal
from lightbox.network.wire.negotiation import AssociationRequest, Decision, accept_by
from lightbox.network.wire.server import Event, Server

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("peers")]

ECHO = "1.2.840.10008.1.1"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@contextlib.contextmanager
def archive(kind: str, folder: Path, issued: Issued, pki: Pki) -> Iterator[PeerServer]:
    """Start Orthanc or storescp with a certificate, demanding one of our authority."""
    own_port = peer_servers.free_port()
    if kind == "orthanc":
        peer_servers.require("Orthanc")
        settings = peer_servers.orthanc_tls(issued, pki.ca)
        with peer_servers.start_orthanc(folder, own_port=own_port, DicomAlwaysAllowEcho=True, **settings) as server:
            yield server
    else:
        peer_servers.require("storescp")
        options = peer_servers.dcmtk_tls(issued, pki.ca)
        with peer_servers.start_storescp(folder, own_port=own_port, options=options) as server:
            yield server


def refusal(peer: Peer, identity: LocalIdentity) -> str:
    result = echo(peer, identity)
    assert not result.ok
    assert result.todo
    assert result.steps[-1].name in ("TLS", "association")
    return result.code


@pytest.mark.parametrize("kind", ["orthanc", "storescp"])
def test_our_calls(kind: str, pki: Pki, tmp_path: Path) -> None:
    with archive(kind, tmp_path, pki.server, pki) as server:
        identity = server.identity()
        good = server.peer(tls=pki.settings(pki.client))
        with associated(good, identity, [Proposal(ECHO)]) as association:
            facts = association.tls
        assert facts is not None
        assert facts.version == "TLSv1.3"
        assert (facts.subject, facts.fingerprint) == ("archive", pki.server.fingerprint)
        assert echo(good, identity).ok
        for settings in (
            pki.settings(pki.client, minimum_version="1.3"),
            pki.settings(pki.client, profile="bcp195-modified"),
            pki.settings(pki.client, pin_sha256=pki.server.fingerprint),
        ):
            assert echo(replace(good, tls=settings), identity).ok
        for settings, code in (
            (TlsSettings(str(pki.foreign.certificate), *_files(pki.client)), "tls.untrusted"),
            (pki.settings(), "tls.client-certificate-demanded"),
            (pki.settings(pki.stranger), "tls.our-certificate-refused"),
            (pki.settings(pki.expired), "tls.our-certificate-refused"),
            (pki.settings(pki.client, pin_sha256="00" * 32), "tls.pin"),
        ):
            assert refusal(replace(good, tls=settings), identity) == code
        assert refusal(replace(good, tls=None), identity) in ("association.needs-tls", "association.aborted")
        assert echo(good, identity).ok


def _files(issued: Issued) -> tuple[str, str]:
    return str(issued.certificate), str(issued.key)


@pytest.mark.parametrize(
    ("kind", "which", "code"),
    [
        ("storescp", "expired", "tls.expired"),
        ("storescp", "elsewhere", "tls.host-name"),
        ("storescp", "stranger", "tls.untrusted"),
        ("orthanc", "elsewhere", "tls.host-name"),
    ],
)
def test_their_certificate_is_wrong(kind: str, which: str, code: str, pki: Pki, tmp_path: Path) -> None:
    with archive(kind, tmp_path, getattr(pki, which), pki) as server:
        peer = server.peer(tls=pki.settings(pki.client))
        assert refusal(peer, server.identity()) == code
        if which == "elsewhere":
            assert echo(replace(peer, tls=pki.settings(pki.client, check_host=False)), server.identity()).ok


def test_a_plaintext_archive_on_the_port(pki: Pki, tmp_path: Path) -> None:
    peer_servers.require("storescp")
    with peer_servers.start_storescp(tmp_path, options=()) as server:
        identity = replace(server.identity(), connect_timeout=2)
        assert refusal(server.peer(tls=pki.settings(pki.client)), identity) in (
            "tls.plaintext",
            "tls.closed",
            "tls.timeout",
        )
        assert echo(server.peer(), identity).ok


def test_services_over_tls(pki: Pki, tmp_path: Path) -> None:
    """Send, query, and have it sent back to our TLS port, all encrypted; the archive never sees plaintext."""
    peer_servers.require("Orthanc")
    files = network_objects.study(tmp_path / "files", "tls", 3)
    own_port = peer_servers.free_port()
    us = {"us": {"AET": "LIGHTBOX", "Host": "127.0.0.1", "Port": own_port, "UseDicomTls": True}}
    settings = peer_servers.orthanc_tls(pki.server, pki.ca)
    (tmp_path / "orthanc").mkdir()
    with (
        peer_servers.start_orthanc(tmp_path / "orthanc", own_port=own_port, DicomModalities=us, **settings) as server,
        our_port(pki.settings(pki.server), own_port) as ours,
    ):
        peer = server.peer(tls=pki.settings(pki.client))
        identity = server.identity()
        report = send(peer, identity, of_files(sorted((tmp_path / "files").rglob("*.dcm"))))
        assert report.sent == 3, report.summary()
        [row] = find(peer, identity, "study", {"StudyInstanceUID": str(files[0].StudyInstanceUID)})
        assert row["StudyInstanceUID"] == files[0].StudyInstanceUID
        from lightbox.network.diagnosis.doctor import diagnose

        found = diagnose(peer, identity)
        assert found.ok, found.summary()
        job = server.rest("/modalities/us/store", server.rest("/studies")[0].encode())
        assert job["InstancesCount"] == 3
        assert job["FailedInstancesCount"] == 0
        ours.wait("closed")
        [opened] = [event for event in ours.events if event.kind == "opened"]
        assert opened.calling_ae == "ORTHANC"
        assert ours.received == 3


def test_a_server_without_tls_of_its_own_behind_a_proxy(pki: Pki, tmp_path: Path) -> None:
    peer_servers.require("dcmqrscp")
    with peer_servers.start_dcmqrscp(tmp_path, own_port=peer_servers.free_port()) as server:
        for maximum, code in (("1.3", ""), ("1.2", ""), ("1.1", "tls.old-version")):
            context = proxy_context(pki.server.certificate, pki.server.key, authority=pki.ca, maximum=maximum)
            with FaultProxy(server.port, tls=context) as proxy:
                peer = replace(server.peer(tls=pki.settings(pki.client)), port=proxy.port)
                if code:
                    assert refusal(peer, server.identity()) == code
                else:
                    assert echo(peer, server.identity()).ok
                    assert list(find(peer, server.identity(), "study", {"PatientID": "NOBODY"})) == []


def test_https(pki: Pki, tmp_path: Path) -> None:
    """Orthanc's own HTTPS crashes in this version: a proxy speaks TLS for it."""
    from lightbox.network.web.errors import WebError
    from lightbox.network.web.qido import WebFinder
    from lightbox.network.web.service import WebService

    peer_servers.require("Orthanc")
    plugin = peer_servers._PLUGINS / "libOrthancDicomWeb.so"
    if not plugin.exists():
        peer_servers.require(f"the DICOMweb plugin of Orthanc ({plugin})")

    def rows(port: int, settings: TlsSettings) -> list[dict[str, str]]:
        web = WebSettings(f"https://127.0.0.1:{port}/dicom-web", tls=settings)
        peer = server.peer(web=web)
        with WebService(peer, server.identity()) as service:
            return list(WebFinder(service).find("study", {"PatientID": "NOBODY"}, limit=1))

    own_port = peer_servers.free_port()
    with peer_servers.start_orthanc(tmp_path, own_port=own_port, Plugins=[str(plugin)]) as server:
        for issued, maximum, settings, code in (
            (pki.server, "1.3", pki.settings(pki.client), ""),
            (pki.server, "1.3", pki.settings(), "tls.client-certificate-demanded"),
            (pki.server, "1.2", pki.settings(), "tls.client-certificate-demanded"),
            (pki.server, "1.1", pki.settings(pki.client), "tls.old-version"),
            (pki.server, "1.3", pki.settings(pki.client, pin_sha256="00" * 32), "tls.pin"),
            (pki.stranger, "1.3", pki.settings(pki.client), "tls.untrusted"),
            (pki.expired, "1.3", pki.settings(pki.client), "tls.expired"),
            (pki.elsewhere, "1.3", pki.settings(pki.client), "tls.host-name"),
        ):
            context = proxy_context(issued.certificate, issued.key, authority=pki.ca, maximum=maximum)
            with FaultProxy(server.http_port, tls=context) as proxy:
                if not code:
                    assert rows(proxy.port, settings) == []
                    continue
                with pytest.raises(WebError) as caught:
                    rows(proxy.port, settings)
                assert caught.value.todo
                assert caught.value.code == code
        with pytest.raises(WebError) as caught:  # plaintext where TLS was set
            rows(server.http_port, pki.settings(pki.client))
        assert caught.value.code in ("tls.http", "tls.closed", "tls.plaintext", "tls.timeout")


# Calls to us


class OurPort:
    """Our server on a TLS port, with what it noted."""

    def __init__(self, settings: TlsSettings, port: int) -> None:
        self.events: list[Event] = []
        self.received = 0
        self._changed = threading.Condition()
        identity = LocalIdentity("LIGHTBOX", port, "127.0.0.1")

        def negotiate(asked: AssociationRequest) -> Decision:
            return accept_by(asked, lambda proposed: proposed.transfer_syntaxes[0])

        self.server = Server(
            ("127.0.0.1", port),
            identity,
            negotiate=negotiate,
            receiver=self,
            tls=tls.server_context(settings),
            log=self._note,
        )

    def open(self, *_: str) -> OurPort:
        return self

    def write(self, chunk: bytes | memoryview) -> None:
        pass

    def abort(self) -> None:
        pass

    def finish(self, incoming: object) -> int:
        self.received += 1
        return 0

    def _note(self, event: Event) -> None:
        with self._changed:
            self.events.append(event)
            self._changed.notify_all()

    def wait(self, *kinds: str) -> Event:
        """Return the first event of one of these kinds."""

        def there() -> Event | None:
            return next((event for event in self.events if event.kind in kinds), None)

        with self._changed:
            found = self._changed.wait_for(there, 10)
        assert found is not None, self.events
        return found


@contextlib.contextmanager
def our_port(settings: TlsSettings, port: int = 0) -> Iterator[OurPort]:
    ours = OurPort(settings, port)
    ours.server.start()
    try:
        yield ours
    finally:
        ours.server.stop()


def run(*command: object) -> subprocess.CompletedProcess[str]:
    program = peer_servers.program(str(command[0]))
    assert program is not None
    return subprocess.run(
        [program, *map(str, command[1:])],
        capture_output=True,
        text=True,
        timeout=20,
        env=peer_servers.environment(),
        stdin=subprocess.DEVNULL,
    )


def echoscu(port: int, *options: object) -> subprocess.CompletedProcess[str]:
    return run("echoscu", "-v", "-to", 5, "-ta", 5, *options, "-aet", "MODALITY", "-aec", "LIGHTBOX", "127.0.0.1", port)


def test_dcmtk_calls_us(pki: Pki) -> None:
    peer_servers.require("echoscu")
    with our_port(pki.settings(pki.server)) as ours:
        done = echoscu(ours.server.port, *peer_servers.dcmtk_tls(pki.client, pki.ca))
        assert done.returncode == 0, done.stderr
        assert ours.wait("closed").calling_ae == "MODALITY"


@pytest.mark.parametrize(
    ("which", "kind", "code", "words"),
    [
        ("nobody", "tls-failed", "tls.no-client-certificate", "no client certificate"),
        ("stranger", "tls-failed", "tls.untrusted", "not from a trusted authority"),
        ("expired", "tls-failed", "tls.expired", "has expired"),
        ("plaintext", "plaintext-on-tls", "tls.plaintext", "plaintext DICOM association request"),
        ("distrusts us", "tls-failed", "tls.our-certificate-refused", "call us by a name in it"),
    ],
)
def test_dcmtk_is_refused(pki: Pki, which: str, kind: str, code: str, words: str) -> None:
    peer_servers.require("echoscu")
    options: tuple[object, ...] = (
        {
            "nobody": ("+tla", "+cf", pki.ca),
            "plaintext": (),
            "distrusts us": peer_servers.dcmtk_tls(pki.client, pki.foreign.certificate),
        }.get(which)
        if which in ("nobody", "plaintext", "distrusts us")
        else peer_servers.dcmtk_tls(getattr(pki, which), pki.ca)
    )  # type: ignore[assignment]
    with our_port(pki.settings(pki.server)) as ours:
        done = echoscu(ours.server.port, *options)
        assert done.returncode != 0
        event = ours.wait(kind)
        assert event.code == code
        assert words in event.text
        assert not event.calling_ae
        # and the next caller is served
        assert echoscu(ours.server.port, *peer_servers.dcmtk_tls(pki.client, pki.ca)).returncode == 0
        assert [entry.kind for entry in ours.events].count(kind) == 1


@pytest.mark.parametrize(
    ("options", "code"),
    [
        (("-tls1_1", "-cipher", "ALL:@SECLEVEL=0"), "tls.old-version"),
        (("-tls1_2", "-cipher", "ECDHE-ECDSA-AES256-SHA384"), "tls.no-common-suite"),
        (("-verify_return_error", "-verify_hostname", "pacs.example.org"), "tls.our-certificate-refused"),
        (("-tls1_2",), ""),
        (("-tls1_3",), ""),
    ],
)
def test_openssl_calls_us(pki: Pki, options: tuple[str, ...], code: str) -> None:
    peer_servers.require("openssl")
    with our_port(pki.settings(pki.server)) as ours:
        command = ("openssl", "s_client", "-connect", f"127.0.0.1:{ours.server.port}", "-CAfile", pki.ca)
        done = run(*command, "-cert", pki.client.certificate, "-key", pki.client.key, *options)
        if code:
            assert ours.wait("tls-failed").code == code
            return
        assert "Verify return code: 0 (ok)" in done.stdout
        assert ours.wait("lost", "silent", "closed", "aborted")
        assert not [event for event in ours.events if event.kind.startswith("tls")]


@pytest.mark.parametrize(
    ("which", "code"), [("expired", "tls.expired"), ("elsewhere", "tls.host-name"), ("stranger", "tls.untrusted")]
)
def test_our_own_port_with_a_wrong_certificate_is_refused_by_our_client(pki: Pki, which: str, code: str) -> None:
    with our_port(pki.settings(getattr(pki, which))) as ours:
        us = Peer("us", "LIGHTBOX", "127.0.0.1", ours.server.port, tls=pki.settings(pki.client))
        with pytest.raises(AssociationError) as caught, associated(us, LocalIdentity(), [Proposal(ECHO)]):
            pass
        assert caught.value.code == code
        assert ours.wait("tls-failed").code in ("tls.our-certificate-refused", "tls.closed")


def test_a_silent_caller_on_the_tls_port_delays_nobody(pki: Pki) -> None:
    import socket

    with our_port(pki.settings(pki.server)) as ours:
        silent = [socket.create_connection(("127.0.0.1", ours.server.port)) for _ in range(20)]
        silent[1].sendall(b"\x16\x03\x01")
        us = Peer("us", "LIGHTBOX", "127.0.0.1", ours.server.port, tls=pki.settings(pki.client))
        result = echo(us, LocalIdentity(association_timeout=5))
        assert result.ok, result.summary()
        for sock in silent:
            sock.close()


def test_the_receiver_of_the_workstation(pki: Pki, home: Path, tmp_path: Path) -> None:
    """Its processes refuse the same callers, and go on receiving; the doctor recognises both of its ports."""
    from lightbox.library.library import Library
    from lightbox.network.diagnosis import own_port
    from lightbox.network.receiving.process import ReceiverProcess

    peer_servers.require("storescu", "echoscu")
    objects = network_objects.study(tmp_path / "files", "received", 2)
    files = sorted((tmp_path / "files").rglob("*.dcm"))
    ports = peer_servers.free_port(), peer_servers.free_port()
    identity = LocalIdentity("LIGHTBOX", ports[0], "127.0.0.1", tls_port=ports[1], tls=pki.settings(pki.server))
    with Library.open(home) as library:
        receiver = ReceiverProcess(home, identity, library=library)
        told: list[str] = []
        receiver.event.connect(lambda event: told.append(event.sentence()))
        receiver.start()
        try:
            for options in (
                ("+tla", "+cf", pki.ca),
                peer_servers.dcmtk_tls(pki.stranger, pki.ca),
                peer_servers.dcmtk_tls(pki.expired, pki.ca),
                (),
            ):
                assert echoscu(receiver.tls_port, *options).returncode != 0
            sender = ("storescu", *peer_servers.dcmtk_tls(pki.client, pki.ca), "-aec", "LIGHTBOX", "127.0.0.1")
            done = run(*sender, receiver.tls_port, *files)
            assert done.returncode == 0, done.stderr
            assert own_port.check(identity).state == "ok"
            assert "Lightbox listens" in own_port.check(identity).text
            found = own_port.tls_port(identity)
            assert found is not None
            assert found.text == f"TLS on port {ports[1]} answers"
        finally:
            receiver.stop()
        series = library.series_of(str(objects[0].StudyInstanceUID))
        assert sum(len(library.instances_of(entry.series_instance_uid)) for entry in series) == 2
    for wanted in (
        "it has no client certificate",
        "its certificate is not from an authority that we trust",
        "its certificate has expired",
        "called our TLS port without TLS",
    ):
        assert any(wanted in sentence for sentence in told), told
