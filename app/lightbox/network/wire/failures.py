"""How an association that exists ends in failure, in words that name the setting to change."""

from __future__ import annotations

from lightbox.network.errors import AssociationError

_ABORT_REASONS = {
    0: "it gave no reason",
    1: "it met a message that it does not know",
    2: "it met a message that it did not expect",
    4: "it met a parameter that it does not know",
    5: "it met a parameter that it did not expect",
    6: "it met a parameter with a value that it does not accept",
}
_AGAIN = "Try again; if it happens every time, our AE title may not be allowed to do this"


def _error(title: str, operation: str, where: str, why: str, todo: str, code: str) -> AssociationError:
    return AssociationError(
        f"The association with {title} ended during the {operation}",
        where=where,
        why=why,
        todo=todo,
        step="operation",
        code=code,
    )


def aborted(title: str, operation: str, where: str, source: int, reason: int) -> AssociationError:
    """Return the error for an A-ABORT or A-P-ABORT of the peer (PS3.8 9.3.8)."""
    words = _ABORT_REASONS.get(reason, "it gave no reason") if source == 2 else "its program gave no reason"
    why = f"The peer aborted it: {words} (source {source}, reason {reason})"
    return _error(title, operation, where, why, _AGAIN, "operation.aborted")


def closed(title: str, operation: str, where: str) -> AssociationError:
    """Return the error for a connection that the peer, or the network, cut."""
    why = "The peer closed the connection, or the network between us cut it"
    return _error(title, operation, where, why, _AGAIN, "operation.closed")


def timed_out(title: str, operation: str, where: str, seconds: float) -> AssociationError:
    """Return the error for a peer that did not answer in time."""
    why = f"The peer did not answer for {seconds:g} s"
    todo = "Try again; if the peer needs longer, raise the time-out for DIMSE messages"
    return _error(title, operation, where, why, todo, "operation.timeout")


def released(title: str, operation: str, where: str) -> AssociationError:
    """Return the error for a peer that released the association while an answer was due."""
    why = "The peer released the association instead of answering"
    return _error(title, operation, where, why, _AGAIN, "operation.released")


def protocol(title: str, operation: str, where: str, text: str) -> AssociationError:
    """Return the error for a peer that does not keep to the protocol."""
    why = f"The peer does not keep to the DICOM protocol: {text}"
    todo = "Report this to the maker of the peer; check that the port belongs to a DICOM service"
    return _error(title, operation, where, why, todo, "operation.protocol")


def too_large(title: str, operation: str, where: str, text: str) -> AssociationError:
    """Return the error for more bytes than we take."""
    todo = "Raise the limit for receiving if such objects are expected"
    return _error(title, operation, where, text, todo, "operation.too-large")


def not_open(title: str, operation: str, where: str) -> AssociationError:
    """Return the error for the use of an association that has ended."""
    return _error(title, operation, where, "It had ended before", _AGAIN, "operation.ended")
