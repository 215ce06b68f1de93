"""What went wrong on the network, in words that name the setting to change."""

from __future__ import annotations

import errno
import socket

from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer

_STORE_STATUS = {
    0xA700: "the receiver is out of resources (disk full?)",
    0xA900: "the object does not match its SOP class",
    0xC000: "the receiver could not understand the object",
    0x0111: "the receiver has this object already and refuses it again",
    0x0117: "the receiver does not accept the SOP Instance UID",
    0x0122: "the SOP class was not accepted",
    0x0124: "the receiver does not allow us to store",
    0xA777: "the receiver requires an identifier that the object lacks",
    0xB000: "stored, but elements were changed",
    0xB006: "stored, but elements were discarded",
    0xB007: "stored, but the object does not match its SOP class",
}

_QUERY_STATUS = {
    0xA700: "the archive is out of resources",
    0xA701: "the archive is out of resources: it could not count the matches",
    0xA702: "the archive is out of resources: it could not send the objects",
    0xA801: "the archive does not know us as a destination",
    0xA900: "the query does not match the SOP class",
    0xAA00: "none of the objects asked for are in the archive",
    0xAA04: "the archive cannot take a request for this many objects",
    0xB000: "some objects could not be sent",
    0xC000: "the archive could not process the request",
    0xFE00: "cancelled",
    0x0112: "the archive does not know the object asked for",
    0x0122: "the archive does not offer this service",
    0x0124: "the archive does not allow us to do this",
    0x0110: "the archive reports a processing failure",
    0x0211: "the archive does not know this operation",
}


def status_words(status: int | None, comment: str = "", *, storing: bool = False) -> str:
    """Return a DIMSE status (PS3.7 Annex C, PS3.4 B.2.3, C.4) as words, with the peer's comment."""
    if status is None:
        return "no response"
    table = _STORE_STATUS if storing else _QUERY_STATUS
    text = table.get(status)
    if text is None and status & 0xF000 == 0xC000:
        text = table[0xC000]
    if text is None and status & 0xFF00 in (0xA700, 0xA900):
        text = table[status & 0xFF00]
    text = f"{text or 'failed'} (status 0x{status:04X})"
    return f"{text}: {comment.strip()}" if comment and comment.strip() else text


def is_failure(status: int | None) -> bool:
    """Whether a status is neither success, warning, pending nor cancel (PS3.7 C.1)."""
    return status is None or not (
        status in (0x0000, 0x0001, 0x0107, 0x0116, 0xFE00, 0xFF00, 0xFF01) or status & 0xF000 == 0xB000
    )


def name_unknown(peer: Peer) -> AssociationError:
    """Return the error for a host name that does not resolve."""
    return AssociationError(
        f"Host name {peer.host} is unknown",
        where=peer.name,
        todo="Check the host of the peer, or the name server of this computer",
        step="name resolution",
        code="dns.unknown",
    )


def tcp_failed(peer: Peer, error: OSError) -> AssociationError:
    """Return the error for a TCP connection that could not be made."""
    target = f"{peer.host}:{peer.port}"
    step = "TCP connection"
    if isinstance(error, ConnectionRefusedError):
        return AssociationError(
            f"Nothing listens on {target}",
            where=peer.name,
            todo="Check the port of the peer and whether its DICOM service runs",
            step=step,
            code="tcp.refused",
        )
    if isinstance(error, TimeoutError | socket.timeout) or error.errno == errno.ETIMEDOUT:
        return AssociationError(
            f"{target} does not answer",
            where=peer.name,
            why="A firewall drops the connection, or it is the wrong network or address",
            todo="Check host and port of the peer",
            step=step,
            code="tcp.timeout",
        )
    return AssociationError(
        f"{target} cannot be reached",
        where=peer.name,
        why=(error.strerror or type(error).__name__),
        todo="Check the network connection and the address of the peer",
        step=step,
        code="tcp.unreachable",
    )


def rejected(
    peer: Peer, identity: LocalIdentity, result: int | None, source: int | None, reason: int | None
) -> AssociationError:
    """Return the error for A-ASSOCIATE-RJ (PS3.8 9.3.4)."""
    transient = result == 2
    table = {
        (1, 2): ("It does not support our application context", "Report this: the peer is not a usual DICOM service"),
        (1, 3): (
            f"It does not know our AE title {identity.ae_title}",
            f"Enter {identity.ae_title} with this computer's address at the peer, or correct our AE title",
        ),
        (1, 7): (
            f"It does not know the called AE title {peer.ae_title}",
            "Correct the AE title of the peer (upper and lower case matter)",
        ),
        (2, 2): ("It does not support our protocol version", "Report this: the peer is not a usual DICOM service"),
        (3, 1): ("It is busy", "Try again later"),
        (3, 2): ("It has reached its limit of associations", "Try again later"),
    }
    why, todo = table.get(
        (source or 0, reason or 0),
        (
            "It is busy" if transient else "It gave no reason",
            "Try again later" if transient else "Ask the administrator of the peer to allow our AE title",
        ),
    )
    return AssociationError(
        f"{peer.ae_title} refused the association",
        where=peer.name,
        why=f"{why} (rejected: result {result}, source {source}, reason {reason})",
        todo=todo,
        step="association",
        code="association.busy" if transient else "association.rejected",
    )


def nothing_accepted(peer: Peer, refused: list[str]) -> AssociationError:
    """Return the error for an association in which the peer accepted no presentation context.

    Parameters
    ----------
    peer : Peer
        Whom we called.
    refused : list of str
        What it refused: each SOP class with the transfer syntaxes in which it was proposed, in words.
    """
    shown = "; ".join(refused[:4]) + (f"; and {len(refused) - 4} more" if len(refused) > 4 else "")
    return AssociationError(
        f"{peer.ae_title} offers none of the services asked for",
        where=peer.name,
        why=f"Refused: {shown}",
        todo="Ask the administrator of the peer to allow these services to our AE title; "
        f"preflight {peer.name} lists what it takes",
        step="association",
        code="association.no-context",
    )


def broken_off(peer: Peer, *, timed_out: bool) -> AssociationError:
    """Return the error for a peer that closed, aborted or did not answer during negotiation."""
    target = f"{peer.host}:{peer.port}"
    if timed_out:
        return AssociationError(
            f"{target} does not answer the association request",
            where=peer.name,
            why="It accepted the connection but sent nothing",
            todo="Check that the port belongs to a DICOM service",
            step="association",
            code="association.timeout",
        )
    return AssociationError(
        f"{target} broke off the association request",
        where=peer.name,
        why="It may not be a DICOM service" + (", or it may require TLS" if peer.tls is None else ""),
        todo="Check the port of the peer"
        + (" and whether it expects an encrypted connection" if peer.tls is None else ", and look into its log"),
        step="association",
        code="association.aborted",
    )


def needs_tls(peer: Peer, version: str = "", issuer: str = "") -> AssociationError:
    """Return the error for a peer that wants TLS where we called it without; version and issuer help to set it up."""
    known = [version.replace("TLSv", "TLS "), f"a certificate from {issuer}" if issuer else ""]
    offers = " with ".join(part for part in known if part)
    return AssociationError(
        f"{peer.ae_title} requires TLS",
        where=peer.name,
        why=f"It does not take our plaintext request, but offers {offers}" if offers else "It answered with TLS",
        todo="Set TLS up for this peer: --tls --ca FILE, and --cert FILE --key FILE where it demands a certificate",
        step="association",
        code="association.needs-tls",
    )


def odd_reply(peer: Peer, first: bytes) -> AssociationError:
    """Return the error for an answer to our association request that is no DICOM message.

    Parameters
    ----------
    peer : Peer
        Whom we called, without TLS.
    first : bytes
        The first bytes of the answer.
    """
    target = f"{peer.host}:{peer.port}"
    if first[:1] in (b"\x15", b"\x16") and first[1:2] == b"\x03":
        return needs_tls(peer)
    if first.startswith((b"HTTP/", b"<!DO", b"<htm", b"<HTM")):
        return AssociationError(
            f"{target} is a web service, not a DICOM one",
            where=peer.name,
            why="It answered with HTTP",
            todo="Enter the DICOM port of the peer; a DICOMweb address is given with --dicomweb",
            step="association",
            code="association.http",
        )
    return AssociationError(
        f"{target} is not a DICOM service",
        where=peer.name,
        why="Its answer is no DICOM message",
        todo="Check the port of the peer",
        step="association",
        code="association.not-dicom",
    )


def lost(peer: Peer, operation: str) -> AssociationError:
    """Return the error for an association that ended during an operation."""
    return AssociationError(
        f"The association with {peer.ae_title} ended during the {operation}",
        where=peer.name,
        why="The peer aborted, closed the connection or did not answer in time",
        todo="Try again; if it happens every time, our AE title may not be allowed to do this",
        step="operation",
        code="operation.aborted",
    )
