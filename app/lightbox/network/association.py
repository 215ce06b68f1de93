"""Opening an association: name, TCP, negotiation, each timed, each failure with its own words."""

from __future__ import annotations

import contextlib
import socket
import threading
import time
from collections.abc import Iterable, Iterator
from typing import Any

from pydicom.uid import UID
from pynetdicom.pdu_primitives import SCP_SCU_RoleSelectionNegotiation
from pynetdicom.presentation import PresentationContext

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.network import words
from lightbox.network.identity import LocalIdentity
from lightbox.network.messages import Receives
from lightbox.network.peers import Peer
from lightbox.network.stack import Entity, LightboxAssociation

CANCEL_GRACE_S = 5.0
"""How long a peer may take to end an operation after C-CANCEL before the association is aborted."""


class Steps:
    """Collects (name, seconds, words) of the steps of opening an association."""

    def __init__(self) -> None:
        self.done: list[tuple[str, float, str]] = []

    @contextlib.contextmanager
    def timed(self, name: str, text: str) -> Iterator[None]:
        """Time one step; a step that raises is not recorded as done."""
        begun = time.perf_counter()
        yield
        self.done.append((name, time.perf_counter() - begun, text))


def resolve(peer: Peer) -> list[tuple[Any, ...]]:
    """Return the addresses of `peer` (IPv4 first, as most DICOM services listen there only)."""
    try:
        found = socket.getaddrinfo(peer.host, peer.port, type=socket.SOCK_STREAM)
    except (OSError, UnicodeError) as error:
        raise words.name_unknown(peer) from error
    return sorted(found, key=lambda entry: entry[0] != socket.AF_INET)


def connect(peer: Peer, addresses: list[tuple[Any, ...]], timeout: float) -> socket.socket:
    """Return a TCP connection to the first of `addresses` that accepts one."""
    failure: OSError = OSError("no address")
    for family, kind, protocol, _, address in addresses:
        sock = socket.socket(family, kind, protocol)
        sock.settimeout(timeout)
        try:
            sock.connect(address)
        except OSError as error:
            sock.close()
            failure = error
        else:
            return sock
    raise words.tcp_failed(peer, failure) from failure


def storage_roles(sop_class_uids: Iterable[str]) -> list[SCP_SCU_RoleSelectionNegotiation]:
    """Return role selection items by which we, the requestor, act as storage SCP (PS3.7 D.3.3.4; needed for C-GET)."""
    items = []
    for sop_class_uid in dict.fromkeys(sop_class_uids):
        item = SCP_SCU_RoleSelectionNegotiation()
        item.sop_class_uid = UID(sop_class_uid)
        item.scu_role = False
        item.scp_role = True
        items.append(item)
    return items


def open_association(
    peer: Peer,
    identity: LocalIdentity,
    contexts: list[PresentationContext],
    *,
    negotiation: Iterable[Any] = (),
    handlers: Iterable[Any] = (),
    receiver: Receives | None = None,
    steps: Steps | None = None,
) -> LightboxAssociation:
    """Return an established association with `peer`.

    Parameters
    ----------
    peer, identity : Peer, LocalIdentity
        Called and calling Application Entity.
    contexts : list of PresentationContext
        What to propose (at most 128); their IDs are set here.
    negotiation : iterable
        Extended negotiation items, for example of `storage_roles`.
    handlers : iterable
        pynetdicom event handlers.
    receiver : Receives, optional
        Takes the objects of C-STORE sub-operations.
    steps : Steps, optional
        Collects the time of each step.

    Raises
    ------
    AssociationError
        It could not be opened; step, code and words say where it failed.
    """
    steps = steps or Steps()
    with steps.timed("name resolution", f"{peer.host} is known"):
        addresses = resolve(peer)
    with steps.timed("TCP connection", f"{peer.host}:{peer.port} accepts connections"):
        connection = connect(peer, addresses, identity.connect_timeout)
    with steps.timed("association", f"{peer.ae_title} accepts {identity.ae_title}"):
        begun = time.monotonic()
        association = Entity(identity).request(
            connection,
            connection.getpeername()[:2],
            peer.ae_title,
            contexts,
            negotiation,
            handlers,
            receiver,
        )
        if not association.is_established:
            _raise_failure(peer, identity, association, contexts, time.monotonic() - begun)
    return association


def _raise_failure(
    peer: Peer,
    identity: LocalIdentity,
    association: LightboxAssociation,
    contexts: list[PresentationContext],
    seconds: float,
) -> None:
    answer = association.acceptor.primitive
    if association.is_rejected and answer is not None:
        raise words.rejected(peer, identity, answer.result, answer.result_source, answer.diagnostic)
    if answer is not None and answer.result == 0 and not association.accepted_contexts:
        names = list(dict.fromkeys(UID(str(context.abstract_syntax)).name for context in contexts))
        raise words.nothing_accepted(peer, names)
    raise words.broken_off(peer, timed_out=seconds >= identity.association_timeout)


@contextlib.contextmanager
def associated(
    peer: Peer, identity: LocalIdentity, contexts: list[PresentationContext], **options: Any
) -> Iterator[LightboxAssociation]:
    """Open an association for a block: released at its end, aborted when an exception leaves it."""
    association = open_association(peer, identity, contexts, **options)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    else:
        association.release()
    finally:
        if association.is_alive():
            association.join(timeout=2.0)


class CancelWatch:
    """Sends C-CANCEL (PS3.7 9.3.2.3) as soon as a token is cancelled, and aborts when the peer does not react.

    A call that waits for the peer cannot look at the token itself, hence a thread.
    """

    def __init__(
        self, association: LightboxAssociation, token: CancelToken | None, message_id: int, context_id: int
    ) -> None:
        self._association = association
        self._token = token
        self._message_id = message_id
        self._context_id = context_id
        self._over = threading.Event()
        self._thread: threading.Thread | None = None

    def __enter__(self) -> CancelWatch:
        if self._token is not None:
            self._token.raise_if_cancelled()
            self._thread = threading.Thread(target=self._watch, name="dicom-cancel", daemon=True)
            self._thread.start()
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self._over.set()
        if self._thread is not None:
            self._thread.join()
        if kind is None and self._token is not None and self._token.cancelled:
            raise Cancelled

    def _watch(self) -> None:
        assert self._token is not None
        while not self._over.wait(0.05):
            if self._token.cancelled:
                send_cancel(self._association, self._message_id, self._context_id)
                if not self._over.wait(CANCEL_GRACE_S):
                    self._association.abort()
                    # Whoever waits for a response would otherwise wait until the DIMSE timeout
                    self._association.dimse.msg_queue.put((None, None))
                return


def send_cancel(association: LightboxAssociation, message_id: int, context_id: int) -> None:
    """Send C-CANCEL for an operation, unless the association has ended."""
    if association.is_established:
        association.send_c_cancel(message_id, context_id)


def context_for(association: LightboxAssociation, abstract_syntax: str) -> PresentationContext | None:
    """Return the first accepted context of `abstract_syntax`."""
    for context in association.accepted_contexts:
        if str(context.abstract_syntax) == abstract_syntax:
            return context
    return None
