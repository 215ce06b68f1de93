"""An archive of our own on loopback: C-ECHO, C-FIND, C-GET, C-MOVE and C-STORE over a library or a folder.

It stands in for a PACS in the demonstration and in tests. Objects are sent byte for byte as they are stored; an
uncompressed object is re-encoded only for a receiver that takes no other uncompressed encoding.
"""

from __future__ import annotations

import logging
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from psygnal import Signal
from pydicom.dataset import Dataset

from lightbox.core.errors import UsageError
from lightbox.network import contexts, find, get, move, query_keys, reply, suboperations
from lightbox.network.archive_index import ArchiveIndex, Entry
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receive import Receiver
from lightbox.network.stored import StoredObject, of_files, of_library
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import open_association
from lightbox.network.wire.commands import Request
from lightbox.network.wire.contexts import Proposed
from lightbox.network.wire.negotiation import AssociationRequest, Decision, accept_by
from lightbox.network.wire.server import Server

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.library.records import InstancesAdded

logger = logging.getLogger(__name__)

_PATIENT_ROOT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
_PATIENT_ROOT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
_SERVICES = (*find.MODELS.values(), get.MODEL, move.MODEL, _PATIENT_ROOT_GET, _PATIENT_ROOT_MOVE)
_PAGE = 500

UNKNOWN_DESTINATION, BAD_IDENTIFIER = 0xA801, 0xA900


class Archive:
    """An embedded query/retrieve SCP.

    Parameters
    ----------
    source : Library or Path
        What it holds: a library (then it takes C-STORE, too) or a folder of DICOM files.
    ae_title : str
        Its AE title.
    port : int
        TCP port on loopback; 0 takes a free one.
    destinations : mapping of str to tuple of (str, int), optional
        Where C-MOVE may send to: AE title -> (host, port). May be changed while it runs.
    """

    sent = Signal(str)
    """Emitted on a network thread with the SOP Instance UID of each object that a receiver acknowledged."""

    def __init__(
        self,
        source: Library | Path | str,
        ae_title: str = "ARCHIVE",
        port: int = 0,
        *,
        destinations: Mapping[str, tuple[str, int]] | None = None,
        host: str = "127.0.0.1",
    ) -> None:
        self.ae_title = ae_title
        self.destinations = dict(destinations or {})
        self.index = ArchiveIndex(ae_title)
        self._identity = LocalIdentity(ae_title, port, host)
        self._folder = Path(source) if isinstance(source, Path | str) else None
        self._library: Library | None = None if isinstance(source, Path | str) else source
        self._receiver = Receiver(self._library) if self._library is not None else None
        self._server: Server | None = None

    @property
    def port(self) -> int:
        """The port it listens on, 0 when it does not."""
        return self._server.port if self._server is not None else 0

    def peer(self, name: str = "archive") -> Peer:
        """Return it as a peer."""
        return Peer(name, self.ae_title, self._identity.host, self.port)

    def start(self) -> None:
        """Index the source and begin to listen."""
        if self._server is not None:
            return
        if self._library is not None:
            self._library.instances_added.connect(self._on_added)
            self.index.add(_all_of(self._library))
        elif self._folder is not None:
            self.index.add(of_files(sorted(path for path in self._folder.rglob("*") if path.is_file())))
        server = Server(
            (self._identity.host, self._identity.port),
            self._identity,
            negotiate=self._negotiate,
            services={commands.C_FIND: self._find, commands.C_GET: self._get, commands.C_MOVE: self._move},
            receiver=self._receiver,
        )
        server.start()
        self._server = server

    def stop(self) -> None:
        """Stop listening and end associations."""
        server, self._server = self._server, None
        if server is not None:
            server.stop()
        if self._receiver is not None:
            self._receiver.close()
        if self._library is not None and server is not None:
            self._library.instances_added.disconnect(self._on_added)

    def __enter__(self) -> Archive:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _on_added(self, event: InstancesAdded) -> None:
        assert self._library is not None
        for series_uid in event.series_uids:
            uids = [record.sop_instance_uid for record in self._library.instances_of(series_uid)]
            self.index.add(of_library(self._library, uids))

    def _negotiate(self, request: AssociationRequest) -> Decision:
        return accept_by(request, self._accept, both_roles=contexts.is_storage_class)

    def _accept(self, proposed: Proposed) -> str | int:
        if proposed.abstract_syntax in _SERVICES:
            return contexts.accept_service(proposed)
        # Where the requestor leaves the choice, choose what we can send as it is stored
        held = self.index.syntaxes(proposed.abstract_syntax)
        kept = tuple(syntax for syntax in proposed.transfer_syntaxes if syntax in held)
        return contexts.accept_storage(proposed._replace(transfer_syntaxes=kept or proposed.transfer_syntaxes))

    def _find(self, association: Association, request: Request) -> None:
        identifier = request.dataset()
        asked = reply.row(identifier)
        level = reply.text(identifier, "QueryRetrieveLevel").lower()
        if level not in query_keys.LEVELS:
            association.respond(request, BAD_IDENTIFIER)
            return
        for row in self.index.find(level, {word: key for word, key in asked.items() if key}):
            if association.cancelled(request):
                association.respond(request, suboperations.CANCELLED)
                return
            answer = Dataset()
            answer.SpecificCharacterSet = "ISO_IR 192"
            answer.QueryRetrieveLevel = level.upper()
            for word in (*asked, "RetrieveAETitle"):
                try:
                    query_keys.put(answer, word, row.get(word, ""))
                except UsageError:
                    query_keys.put(answer, word, "")
            association.respond(request, suboperations.PENDING, answer)
        association.respond(request, suboperations.SUCCESS)

    def _get(self, association: Association, request: Request) -> None:
        suboperations.serve(association, request, self._selected(request), association, told=self.sent)

    def _move(self, association: Association, request: Request) -> None:
        title = str(request.command.get("MoveDestination", ""))
        if title not in self.destinations:
            suboperations.answer(association, request, UNKNOWN_DESTINATION)
            return
        entries = self._selected(request)
        if not entries:
            suboperations.serve(association, request, [], None)
            return
        host, port = self.destinations[title]
        pairs = dict.fromkeys(
            pair
            for entry in entries
            for pair in contexts.pairs_for(entry.description.sop_class_uid, [entry.description.transfer_syntax_uid])
        )
        proposed = contexts.build(list(pairs)[: contexts.MAXIMUM_CONTEXTS])
        destination = Peer(title, title, host, port, plaintext_reason="a destination that was entered by hand")
        try:
            outgoing = open_association(destination, self._identity, proposed)
        except AssociationError as error:
            logger.warning("the destination of a C-MOVE could not be reached: %s", error.code)
            counts = [0, 0, len(entries), 0]
            suboperations.answer(association, request, suboperations.ALL_FAILED, counts, entries)
            return
        try:
            originator = (association.peer_title, request.message_id)
            suboperations.serve(association, request, entries, outgoing, originator, told=self.sent)
        finally:
            outgoing.release()

    def _selected(self, request: Request) -> list[Entry]:
        return self.index.select(reply.row(request.dataset()))


def _all_of(library: Library) -> Iterator[StoredObject]:
    after = None
    while True:
        page = library.page_studies(None, after, _PAGE)
        for study in page.rows:
            for series in library.series_of(study.study_instance_uid):
                uids = [record.sop_instance_uid for record in library.instances_of(series.series_instance_uid)]
                yield from of_library(library, uids)
        after = page.next
        if after is None:
            return
