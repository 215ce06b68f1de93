"""Opening an association: name, TCP, TLS, negotiation, each timed, each failure with its own words."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from lightbox.core.jobs import CancelToken
from lightbox.network import words
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, check_plaintext, own_identity
from lightbox.network.wire import negotiation, pdus
from lightbox.network.wire.association import Association
from lightbox.network.wire.contexts import Proposal, Refused
from lightbox.network.wire.messages import Sizes
from lightbox.network.wire.pdus import Associate, ProtocolError, UserIdentity
from lightbox.network.wire.receives import Receives
from lightbox.network.wire.terms import Terms
from lightbox.network.wire.transport import Connection, ConnectionEnded, Stalled

if TYPE_CHECKING:
    from lightbox.network.tls import TlsFacts

_LARGEST_ANSWER = 1_048_576


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
        found = socket.getaddrinfo(peer.host.strip("[]"), peer.port, type=socket.SOCK_STREAM)
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


def open_association(
    peer: Peer,
    identity: LocalIdentity,
    proposals: Sequence[Proposal],
    *,
    receiver: Receives | None = None,
    steps: Steps | None = None,
    relational: Collection[str] = (),
    extended: Mapping[str, bytes] | None = None,
    common_extended: Mapping[str, tuple[str, tuple[str, ...]]] | None = None,
    user: UserIdentity | None = None,
    cancel: CancelToken | None = None,
    sizes: Sizes | None = None,
) -> Association:
    """Return an established association with `peer`.

    Parameters
    ----------
    peer, identity : Peer, LocalIdentity
        Called and calling Application Entity.
    proposals : sequence of Proposal
        What to propose (1 to 128).
    receiver : Receives, optional
        Takes the objects of C-STORE sub-operations.
    steps : Steps, optional
        Collects the time of each step.
    relational : collection of str
        C-FIND, C-GET and C-MOVE SOP classes for which relational queries are asked for (PS3.4 C.5.1.1).
    extended : mapping of str to bytes, optional
        Other SOP Class Extended Negotiation.
    common_extended : mapping of str to tuple, optional
        SOP class -> (service class, related general SOP classes): SOP Class Common Extended Negotiation.
    user : UserIdentity, optional
        For user identity negotiation.
    cancel : CancelToken, optional
        Looked at between the steps.
    sizes : Sizes, optional
        What the peer may send.

    Raises
    ------
    AssociationError
        It could not be opened; step, code and words say where it failed.
    Cancelled
        `cancel` was cancelled.
    """
    check_plaintext(peer)
    identity = own_identity(peer, identity)
    steps = steps or Steps()
    with steps.timed("name resolution", f"{peer.host} is known"):
        addresses = resolve(peer)
    _check(cancel)
    with steps.timed("TCP connection", f"{peer.host}:{peer.port} accepts connections"):
        sock = connect(peer, addresses, identity.connect_timeout)
    facts: TlsFacts | None = None
    try:
        _check(cancel)
        if peer.tls is not None:
            from lightbox.network import tls

            with steps.timed("TLS", f"{peer.host}:{peer.port} speaks TLS"):
                secured = tls.connect(sock, peer)
                sock, facts = secured, tls.facts(secured)
        with steps.timed("association", f"{peer.ae_title} accepts {identity.ae_title}"):
            asked = negotiation.request(
                peer.ae_title,
                identity.ae_title,
                proposals,
                identity.maximum_pdu,
                relational=relational,
                extended=extended,
                common_extended=common_extended,
                user=user,
            )
            connection = Connection(sock, identity.association_timeout)
            terms = _negotiate(peer, identity, connection, asked)
    except BaseException:
        sock.close()
        raise
    connection.set_timeout(identity.dimse_timeout)
    return Association(connection, terms, receiver=receiver, timeout=identity.dimse_timeout, sizes=sizes, tls=facts)


def _check(cancel: CancelToken | None) -> None:
    if cancel is not None:
        cancel.raise_if_cancelled()


def _negotiate(peer: Peer, identity: LocalIdentity, connection: Connection, asked: Associate) -> Terms:
    kind, body = _answer(peer, connection, pdus.encode_associate(pdus.ASSOCIATE_RQ, asked))
    if kind == pdus.ASSOCIATE_RJ:
        result, source, reason = body[1:4] if len(body) >= 4 else (1, 0, 0)
        raise words.rejected(peer, identity, result, source, reason)
    if kind == pdus.ABORT:
        raise words.broken_off(peer, timed_out=False)
    try:
        answer = pdus.decode_associate(memoryview(body))
    except ProtocolError as error:
        connection.send_last(pdus.encode_abort(2, error.reason))
        raise words.broken_off(peer, timed_out=False) from error
    accepted, refused = negotiation.outcome(asked, answer)
    if not accepted:
        connection.send_last(pdus.encode_abort())
        raise words.nothing_accepted(peer, _pairs(refused))
    return Terms(
        identity.ae_title,
        peer.ae_title,
        accepted,
        refused,
        answer.user.maximum_length,
        answer.user.implementation_class_uid,
        answer.user.implementation_version,
        answer.user.extended,
        answer.user.identity_answer,
        peer.name,
        connection.sock.getpeername()[:2],
        str(connection.sock.getsockname()[0]),
    )


def _answer(peer: Peer, connection: Connection, request: bytes) -> tuple[int, bytes]:
    try:
        connection.send([request])
        connection.fill_some()
        kind = connection.peek(1)[0]
        if kind not in (pdus.ASSOCIATE_AC, pdus.ASSOCIATE_RJ, pdus.ABORT):
            raise words.odd_reply(peer, bytes(connection.peek(connection.available)))
        connection.fill(6)
        kind, length = pdus.HEADER.unpack(connection.take(6))
        if length > _LARGEST_ANSWER:
            raise words.odd_reply(peer, b"")
        connection.fill(length)
        return kind, bytes(connection.take(length))
    except Stalled as error:
        raise words.broken_off(peer, timed_out=True) from error
    except ConnectionEnded as error:
        if peer.tls is not None:
            from lightbox.network import tls

            cause = error.__cause__
            late = tls.late_failure(cause if isinstance(cause, OSError) else None, peer)
            if late is not None:
                raise late from error
        raise words.broken_off(peer, timed_out=False) from error


def _pairs(refused: Sequence[Refused]) -> list[str]:
    """Return each SOP class that was refused, with the transfer syntaxes in which it was proposed, in words."""
    from pydicom.uid import UID

    syntaxes: dict[str, dict[str, None]] = {}
    for context in refused:
        names = dict.fromkeys(UID(syntax).name for syntax in context.transfer_syntaxes)
        syntaxes.setdefault(UID(context.abstract_syntax).name, {}).update(names)
    return [f"{name} in {', '.join(proposed)}" for name, proposed in syntaxes.items()]


@contextlib.contextmanager
def associated(
    peer: Peer, identity: LocalIdentity, proposals: Sequence[Proposal], **options: Any
) -> Iterator[Association]:
    """Open an association for a block: released at its end, aborted when an exception leaves it."""
    association = open_association(peer, identity, proposals, **options)
    try:
        yield association
    except BaseException:
        association.abort()
        raise
    else:
        association.release()
