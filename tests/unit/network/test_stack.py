from __future__ import annotations

from pynetdicom._globals import MODE_ACCEPTOR, MODE_REQUESTOR
from pynetdicom.dimse_primitives import C_ECHO

from lightbox.network.archive import Archive
from lightbox.network.association import associated
from lightbox.network.contexts import build
from lightbox.network.identity import LocalIdentity
from lightbox.network.stack import Entity, LightboxAssociation


def association(mode: str) -> LightboxAssociation:
    made = LightboxAssociation(Entity(LocalIdentity()), mode)
    made.dimse.msg_queue.put((1, C_ECHO()))
    return made


def test_the_reactor_leaves_responses_to_the_caller_who_waits() -> None:
    requestor = association(MODE_REQUESTOR)
    requestor._reactor_checkpoint.clear()  # a send_* call is under way
    assert requestor.dimse.get_msg(block=False) == (None, None)
    assert requestor.dimse.get_msg(block=True)[0] == 1


def test_the_reactor_serves_when_nobody_waits() -> None:
    assert association(MODE_REQUESTOR).dimse.get_msg(block=False)[0] == 1
    acceptor = association(MODE_ACCEPTOR)
    acceptor._reactor_checkpoint.clear()
    assert acceptor.dimse.get_msg(block=False)[0] == 1


def test_many_requests_on_one_association(archive: Archive, identity: LocalIdentity) -> None:
    pairs = [("1.2.840.10008.1.1", "1.2.840.10008.1.2.1")]
    with associated(archive.peer(), identity, build(pairs)) as opened:
        assert all(opened.send_c_echo(number + 1).Status == 0 for number in range(300))
    assert opened.is_released


def test_sockets_do_not_wait(archive: Archive, identity: LocalIdentity) -> None:
    import socket

    pairs = [("1.2.840.10008.1.1", "1.2.840.10008.1.2.1")]
    with associated(archive.peer(), identity, build(pairs)) as opened:
        assert opened.dul.socket is not None
        sock = opened.dul.socket.socket
        assert sock is not None
        assert sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)
