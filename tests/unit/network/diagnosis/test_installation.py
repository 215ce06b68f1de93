from __future__ import annotations

import socket

from lightbox.library.library import Library
from lightbox.network.archive import Archive
from lightbox.network.diagnosis.installation import checks
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.storage_scp import StorageScp


def test_free_port_and_peers(archive: Archive, identity: LocalIdentity) -> None:
    gone = Peer("gone", "GONE", "127.0.0.1", identity.port)
    port, good, bad = checks(identity, [archive.peer("pacs"), gone])
    assert (port.state, good.state, bad.state) == ("ok", "ok", "warning")
    assert str(identity.port) in port.text
    assert good.name == "peer pacs"
    assert "Nothing listens" in bad.text


def test_our_own_receiver_is_recognised(library: Library, identity: LocalIdentity) -> None:
    with StorageScp(library, identity):
        [port] = checks(identity, [])
    assert port.state == "ok"
    assert "Lightbox listens" in port.text


def test_another_program_on_our_port(identity: LocalIdentity) -> None:
    impatient = LocalIdentity("LIGHTBOX", identity.port, "127.0.0.1", association_timeout=0.3)
    with socket.create_server(("127.0.0.1", identity.port)):
        [port] = checks(impatient, [])
    assert port.state == "warning"
    assert "Another program" in port.text
