"""Where a peer that is talked to with TLS reaches us: with TLS, too."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from builders import network_objects
from builders.peer_servers import free_port
from builders.pki import Pki
from lightbox.library.library import Library
from lightbox.network import move
from lightbox.network.archive import Archive
from lightbox.network.diagnosis import dimse_steps, own_port
from lightbox.network.echo import echo
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, own_identity
from lightbox.network.receiving import running
from lightbox.network.receiving.process import ReceiverProcess
from lightbox.network.send import send
from lightbox.network.storage_scp import StorageScp
from lightbox.network.stored import of_files

US = LocalIdentity("LIGHTBOX", 11112, "127.0.0.1", association_timeout=5, dimse_timeout=5)


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def test_at_the_port_of_the_peer_with_our_certificate_for_it(pki: Pki) -> None:
    peer = Peer("pacs", "PACS", "127.0.0.1", 2762, own_port=11113, tls=pki.settings(pki.client, pin_sha256="ab" * 32))
    found = own_identity(peer, US)
    assert (found.port, found.tls_port, found.only_tls) == (11113, 11113, True)
    assert found.tls is not None
    assert (found.tls.certificate_file, found.tls.pin_sha256) == (str(pki.client.certificate), "")
    assert found.tls.client_certificate == "required"
    assert own_identity(peer, found) == found


def test_at_our_tls_port_with_our_own_certificate(pki: Pki) -> None:
    us = replace(US, tls_port=2762, tls=pki.settings(pki.server))
    peer = Peer("pacs", "PACS", "127.0.0.1", 2762, tls=pki.settings(pki.client))
    found = own_identity(peer, us)
    assert (found.port, found.tls, found.only_tls) == (2762, us.tls, True)
    assert own_identity(replace(peer, own_port=2763), us).port == 2763
    plain = own_identity(replace(peer, tls=None), us)
    assert (plain.port, plain.tls_port, plain.only_tls) == (11112, 2762, False)


def test_without_any_certificate_of_ours_as_before(pki: Pki) -> None:
    peer = Peer("pacs", "PACS", "127.0.0.1", 2762, own_port=11113, tls=pki.settings())
    found = own_identity(peer, US)
    assert (found.port, found.only_tls) == (11113, False)


@pytest.fixture(params=["here", "process"])
def listening(request: pytest.FixtureRequest, home: Path, pki: Pki) -> Iterator[tuple[Any, Library, int]]:
    """A receiver that speaks nothing but TLS, in this process or in processes of its own."""
    port = free_port()
    identity = replace(US, port=port, tls_port=port, tls=pki.settings(pki.server))
    library = Library.open(home)
    made: Any = (
        StorageScp(library, identity) if request.param == "here" else ReceiverProcess(home, identity, library=library)
    )
    made.start()
    try:
        yield made, library, port
    finally:
        made.stop()
        library.close()


def test_objects_come_with_tls_and_not_without(listening: tuple[Any, Library, int], pki: Pki, tmp_path: Path) -> None:
    receiver, library, port = listening
    assert running.on(port) is receiver
    peer = Peer("us", "LIGHTBOX", "127.0.0.1", port, tls=pki.settings(pki.client))
    files = network_objects.write(tmp_path, [network_objects.ct("study", "a", number) for number in (1, 2)])
    report = send(peer, US, of_files(files))
    assert (report.sent, report.failed) == (2, [])
    receiver.receiver.flush()
    assert library.count_studies() == 1
    assert not echo(replace(peer, tls=None), US).ok
    assert not echo(replace(peer, tls=pki.settings()), US).ok  # without a certificate of the caller
    receiver.stop()
    assert running.on(port) is None


def test_our_own_port_is_examined_with_tls(pki: Pki) -> None:
    port = free_port()
    identity = replace(US, port=port, tls_port=port, tls=pki.settings(pki.server))
    free = own_port.loopback(identity)
    assert (free.state, free.free) == ("ok", True)
    assert "TLS" in free.text
    with own_port.listening(identity, own_port.Counter()):
        assert own_port.check(identity).state == "ok"


def test_what_to_enter_at_the_archive_names_tls(archive: Archive, pki: Pki) -> None:
    port = free_port()
    us = replace(US, port=port, tls_port=port, tls=pki.settings(pki.server))
    expected = f"AE title LIGHTBOX, the address of this computer, port {port} with TLS"
    with move.session(archive.peer(), us) as session:
        assert expected in session.advice(0xA801)
        assert f"on port {port} with TLS of this computer" in session.advice(0xA702)
    assert expected in dimse_steps.enter_us(archive.peer(), us)
