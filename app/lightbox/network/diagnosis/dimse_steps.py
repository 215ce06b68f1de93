"""Association, echo, a query that matches nothing, and a C-MOVE to ourselves."""

from __future__ import annotations

import contextlib
from collections.abc import Generator
from typing import TYPE_CHECKING, Any, cast

from lightbox.network import words
from lightbox.network.diagnosis.steps import FAILED
from lightbox.network.diagnosis.transport_steps import Found, ok, requires_tls, skipped, warning
from lightbox.network.diagnosis.web_step import invented_uid
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import open_association
from lightbox.network.wire.commands import Response
from lightbox.network.wire.contexts import Accepted, Proposal

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

VERIFICATION = "1.2.840.10008.1.1"
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
SERVICES = {VERIFICATION: "echo", STUDY_FIND: "find", STUDY_MOVE: "move", STUDY_GET: "get", WORKLIST: "worklist"}

UNKNOWN_DESTINATION = 0xA801
_NOT_AUTHORIZED = (0x0124, 0x0122, 0x0211)
_MOST_ROWS = 3


def associate(peer: Peer, identity: LocalIdentity) -> tuple[Found, Association]:
    """Open an association on which the services that are examined are proposed."""
    try:
        association = open_association(peer, identity, [Proposal(uid) for uid in SERVICES])
    except AssociationError as error:
        raise requires_tls(peer, error) from error
    offered = [word for uid, word in SERVICES.items() if association.context(uid) is not None]
    software = association.implementation_version or association.implementation_class_uid
    text = f"{peer.ae_title} accepts {identity.ae_title}; offers {', '.join(offered)}"
    found = ok(
        text + (f" ({software})" if software else ""),
        services=offered,
        implementation=association.implementation_version,
        implementation_class_uid=association.implementation_class_uid,
        maximum_pdu=association.peer_maximum_pdu,
    )
    return found, association


def echo(peer: Peer, association: Association) -> Found:
    """Ask for an echo."""
    context = association.context(VERIFICATION)
    if context is None:
        return warning(
            f"{peer.ae_title} does not offer the echo",
            "Every DICOM service should",
            "Ask its administrator to allow verification to our AE title",
            "echo.refused",
        )
    response = association.request(context, commands.c_echo())
    if response.status != 0x0000:
        why = words.status_words(response.status, response.comment)
        todo = "Ask the administrator of the peer to allow verification to our AE title"
        return FAILED, f"{peer.ae_title} did not answer the echo", why, todo, "echo.failed", {}
    return ok(f"{peer.ae_title} answers the echo")


def find(peer: Peer, identity: LocalIdentity, association: Association) -> Found:
    """Ask for a study that does not exist: whether we may query shows only when we do."""
    context = association.context(STUDY_FIND)
    if context is None:
        return skipped(
            f"{peer.ae_title} does not offer queries",
            "That is usual for a peer that only stores",
            f"If it should answer queries: have its administrator allow them (C-FIND) to {identity.ae_title}",
        )
    todo = f"Ask the administrator of the peer to allow queries (C-FIND) to {identity.ae_title}"
    rows, last = 0, None
    query = _query("STUDY", StudyInstanceUID=invented_uid(), StudyDate="")
    try:
        for response in association.requests(context, commands.c_find(STUDY_FIND), query):
            last = response
            rows += response.is_pending
            if rows >= _MOST_ROWS:
                break
    except AssociationError as error:
        text = f"{peer.ae_title} broke off at our query"
        why = f"It accepted the service, and then ended the association. {error.why}"
        return FAILED, text, why, todo, "find.aborted", {}
    if rows:
        return warning(
            f"{peer.ae_title} ignores what it is asked for",
            "It returned studies for a Study Instance UID that does not exist",
            "Report this to the maker of the peer: each query brings everything",
            "find.ignores-keys",
        )
    assert last is not None
    if words.is_failure(last.status):
        why = words.status_words(last.status, last.comment)
        return FAILED, f"{peer.ae_title} refused our query", why, todo, "find.failed", {"status": last.status}
    return ok(f"{peer.ae_title} answers queries")


def move(peer: Peer, identity: LocalIdentity, association: Association) -> Found:
    """Ask for a study that does not exist to be sent to us: an archive that does not know us says so."""
    context = association.context(STUDY_MOVE)
    if context is None:
        return _no_move(peer, identity)
    query = _query("STUDY", StudyInstanceUID=invented_uid())
    last = _last(association, context, query, _destination(peer, identity))
    if isinstance(last, AssociationError):
        return _move_aborted(peer, identity, last)
    found = _move_refused(peer, identity, last)
    if found is not None:
        return found
    # Many archives look for the study first, and then have no reason to object to the destination
    return ok(
        f"{peer.ae_title} answers C-MOVE; whether it can send to {_destination(peer, identity)} shows only "
        "with an image (--move STUDY_UID)",
        status=last.status,
        proven=False,
    )


def _no_move(peer: Peer, identity: LocalIdentity) -> Found:
    return skipped(
        f"{peer.ae_title} does not offer C-MOVE",
        "That is usual for a peer that only stores, or serves C-GET only",
        f"If it should: have its administrator allow retrieving (C-MOVE) to {identity.ae_title}",
    )


def _move_aborted(peer: Peer, identity: LocalIdentity, error: AssociationError) -> Found:
    text = f"{peer.ae_title} broke off at our C-MOVE"
    why = f"It accepted the service, and then ended the association. {error.why}"
    todo = f"Ask the administrator of the peer to allow retrieving (C-MOVE) to {identity.ae_title}"
    return FAILED, text, why, todo, "move.aborted", {}


def _move_refused(peer: Peer, identity: LocalIdentity, last: Response) -> Found | None:
    why = words.status_words(last.status, last.comment)
    detail = {"status": last.status}
    if last.status == UNKNOWN_DESTINATION:
        text = f"{peer.ae_title} does not know us as a destination"
        return FAILED, text, why, enter_us(peer, identity), "move.unknown-destination", detail
    if last.status in _NOT_AUTHORIZED:
        text = f"{peer.ae_title} does not allow us to retrieve"
        todo = f"Ask the administrator of the peer to allow retrieving (C-MOVE) to {identity.ae_title}"
        return FAILED, text, why, todo, "move.not-allowed", detail
    return None


def enter_us(peer: Peer, identity: LocalIdentity) -> str:
    """Return what the administrator of the peer has to enter."""
    return (
        f"Enter us as a destination at the archive: AE title {_destination(peer, identity)}, the address of this "
        f"computer, port {identity.port}{' with TLS' if identity.only_tls else ''}"
    )


def move_one(peer: Peer, identity: LocalIdentity, association: Association, study_uid: str) -> Found:
    """Have one image of a study sent to us; the receiver runs already."""
    context = association.context(STUDY_MOVE)
    if context is None:
        return _no_move(peer, identity)
    series_uid, sop_uid = one_image(peer, association, study_uid)
    query = _query("IMAGE", StudyInstanceUID=study_uid, SeriesInstanceUID=series_uid, SOPInstanceUID=sop_uid)
    last = _last(association, context, query, _destination(peer, identity))
    if isinstance(last, AssociationError):
        return _move_aborted(peer, identity, last)
    found = _move_refused(peer, identity, last)
    if found is not None:
        return found
    completed = _count(last, "Completed") + _count(last, "Warning")
    if words.is_failure(last.status) or not completed:
        text = f"{peer.ae_title} could not send to us"
        why = words.status_words(last.status, last.comment) if last.status else "It sent nothing and gave no reason"
        todo = (
            f"{enter_us(peer, identity)}; and let firewalls pass it on that port of this computer; "
            "or retrieve by C-GET or DICOMweb"
        )
        return FAILED, text, why, todo, "move.unreachable", {"status": last.status}
    return ok(f"{peer.ae_title} sent one image to {_destination(peer, identity)}", status=last.status, proven=True)


def one_image(peer: Peer, association: Association, study_uid: str) -> tuple[str, str]:
    """Return series and SOP Instance UID of one image of a study, by two queries.

    Raises
    ------
    AssociationError
        It is not there, or the peer does not tell.
    """
    series = _first(
        association, _query("SERIES", StudyInstanceUID=study_uid, SeriesInstanceUID=""), "SeriesInstanceUID"
    )
    image = ""
    if series:
        keys = {"StudyInstanceUID": study_uid, "SeriesInstanceUID": series, "SOPInstanceUID": ""}
        image = _first(association, _query("IMAGE", **keys), "SOPInstanceUID")
    if not image:
        raise AssociationError(
            f"{peer.ae_title} names no image of this study",
            where=peer.name,
            todo="Give the Study Instance UID of a study that the archive holds",
            step="C-MOVE",
            code="move.no-study",
        )
    return series, image


def _first(association: Association, query: Dataset, keyword: str) -> str:
    context = association.context(STUDY_FIND)
    if context is None:
        return ""
    found = association.requests(context, commands.c_find(STUDY_FIND), query)
    # Stopping early ends the query at the peer, too
    with contextlib.closing(cast("Generator[Response, Any, None]", found)) as responses:
        for response in responses:
            if response.is_pending:
                value = str(response.dataset().get(keyword, "") or "")
                if value:
                    return value
    return ""


def _last(association: Association, context: Accepted, query: Dataset, destination: str) -> Response | AssociationError:
    try:
        *_, last = association.requests(context, commands.c_move(STUDY_MOVE, destination), query)
    except AssociationError as error:
        return error
    return last


def _count(response: Response, kind: str) -> int:
    return int(response.command.get(f"NumberOf{kind}Suboperations") or 0)


def _destination(peer: Peer, identity: LocalIdentity) -> str:
    return peer.move_destination or identity.ae_title


def _query(level: str, **keys: str) -> Dataset:
    from lightbox.dicom import imports

    imports.ready()
    from pydicom.dataset import Dataset

    dataset = Dataset()
    dataset.QueryRetrieveLevel = level
    for keyword, value in keys.items():
        setattr(dataset, keyword, value)
    return dataset
