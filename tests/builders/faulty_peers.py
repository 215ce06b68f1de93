"""Archives that misbehave, by pynetdicom: they are independent of what is tested.

How to use it::

    with FaultyArchive(accepts={CT: [EXPLICIT]}) as archive:
        archive.answers = [0xA700, 0x0000]            # statuses of the next C-STOREs, then `answer` (success)
        archive.reject = 2                            # so many associations are rejected as transient ("busy") first
        archive.drop_after = 3                        # abort each association after so many objects
        archive.keep_older = True                     # answer success, keep what was there (by SOP Instance UID)
        archive.forget = {uid}                        # answer success, keep nothing of these
        archive.query = archive.retrieve = False      # offer neither C-FIND nor C-GET
        archive.report = Report.OTHER                 # storage commitment: how the report comes
        peer = archive.peer()

What it keeps is in ``archive.kept`` (UID -> encoded file), what came in ``archive.came`` (UIDs in order, repeated ones
too). Everything can be changed while it runs; contexts count from the next association on.
"""

from __future__ import annotations

import contextlib
import enum
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from io import BytesIO
from types import TracebackType
from typing import Any

import pydicom
from pydicom.dataset import Dataset, FileMetaDataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_context, build_role

from builders.pynetdicom_peer import quiet
from lightbox.network.peers import Peer

EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", "1.2.840.10008.1.2"
CT = "1.2.840.10008.5.1.4.1.1.2"
FIND, GET = "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
COMMITMENT, COMMITMENT_INSTANCE = "1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1"


class Report(enum.Enum):
    """How the report of a storage commitment comes."""

    REFUSED = "the request is answered with a failure status"
    SAME = "on the association of the request"
    OTHER = "on an association to us"
    NEVER = "not at all"


class FaultyArchive:
    """A storage archive with faults; see the module."""

    def __init__(
        self,
        *,
        accepts: Mapping[str, Sequence[str]] | None = None,
        title: str = "FAULTY",
        commitment: bool = False,
        query: bool = True,
        retrieve: bool = True,
    ) -> None:
        self.title = title
        self.accepts = dict(accepts or {CT: [EXPLICIT, IMPLICIT]})
        self.commitment, self.query, self.retrieve = commitment, query, retrieve
        self.answer, self.answers = 0x0000, list[int]()
        self.comment = ""
        """Error Comment of every C-STORE response that is no success."""
        self.reject, self.reject_for_good = 0, False
        self.drop_after: int | None = None
        self.stall_s = 0.0
        self.find_status = 0x0000
        """A failure status of every C-FIND."""
        self.keep_older = False
        self.forget: set[str] = set()
        self.report, self.report_delay_s = Report.OTHER, 0.05
        self.report_to: tuple[str, str, int] | None = None
        """(AE title, host, port) of ours for `Report.OTHER`."""
        self.report_failures: dict[str, int] = {}
        self.report_items = True
        """Whether a successful report lists its objects."""
        self.report_event: int | None = None
        """Event type in place of the right one."""
        self.action_status = 0x0000
        self.kept: dict[str, bytes] = {}
        self.came: list[str] = []
        self.syntaxes: dict[str, str] = {}
        self.associations = 0
        self.actions: list[Dataset] = []
        self.queries = 0
        self._counted: dict[int, int] = {}
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []
        self._ae: ApplicationEntity | None = None
        self.port = 0

    def __enter__(self) -> FaultyArchive:
        self.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(self) -> None:
        """Listen: on the same port as before, after a `stop`."""
        quiet()
        self._ae = ae = ApplicationEntity(self.title)
        ae.maximum_pdu_size = 131_072
        handlers: list[Any] = [
            (evt.EVT_REQUESTED, self._requested),
            (evt.EVT_C_STORE, self._store),
            (evt.EVT_C_FIND, self._find),
            (evt.EVT_C_GET, self._get),
            (evt.EVT_N_ACTION, self._action),
        ]
        contexts = []
        for sop_class, syntaxes in self.accepts.items():
            context = build_context(sop_class, list(syntaxes))
            context.scu_role = context.scp_role = True
            contexts.append(context)
        services = [uid for uid, offered in ((FIND, self.query), (GET, self.retrieve)) if offered]
        services += [COMMITMENT] if self.commitment else []
        contexts += [build_context(uid, [EXPLICIT, IMPLICIT]) for uid in services]
        server = ae.start_server(("127.0.0.1", self.port), block=False, evt_handlers=handlers, contexts=contexts)
        assert server is not None
        self.port = int(server.server_address[1])

    def stop(self) -> None:
        """End all associations and listen no more."""
        if self._ae is not None:
            self._ae.shutdown()
            self._ae = None
        for thread in self._threads:
            thread.join(10)

    def peer(self, name: str = "faulty", **options: Any) -> Peer:
        """Return it as a peer."""
        return Peer(name, self.title, "127.0.0.1", self.port, **options)

    def _requested(self, event: evt.Event) -> None:
        with self._lock:
            self.associations += 1
            busy = self.reject > 0
            self.reject -= busy
        if busy or self.reject_for_good:
            # Rejected by the presentation layer as busy (transient), or by the user as unknown (permanent)
            reason = (0x02, 0x03, 0x01) if busy else (0x01, 0x01, 0x03)
            event.assoc.acse.send_reject(*reason)
            event.assoc.kill()

    def _store(self, event: evt.Event) -> int | Dataset:
        request = event.request
        uid = str(request.AffectedSOPInstanceUID)
        data = request.DataSet.getvalue()
        if self.stall_s:
            time.sleep(self.stall_s)
        with self._lock:
            number = self._counted[id(event.assoc)] = self._counted.get(id(event.assoc), 0) + 1
            self.came.append(uid)
            status = self.answers.pop(0) if self.answers else self.answer
            keeps = status in (0x0000, 0xB000, 0xB006, 0xB007) and uid not in self.forget
            if keeps and not (self.keep_older and uid in self.kept):
                syntax = self.syntaxes[uid] = str(event.context.transfer_syntax)
                self.kept[uid] = _file(str(request.AffectedSOPClassUID), uid, syntax, data)
        if self.drop_after is not None and number > self.drop_after:
            with self._lock:
                if uid == self.came[-1]:
                    self.kept.pop(uid, None)
            event.assoc.abort()
        if status and self.comment:
            answer = Dataset()
            answer.Status, answer.ErrorComment = status, self.comment
            return answer
        return status

    def dataset(self, uid: str) -> Dataset:
        """Return what it keeps under a UID."""
        return pydicom.dcmread(BytesIO(self.kept[uid]))

    def _find(self, event: evt.Event) -> Iterator[tuple[int, Dataset | None]]:
        self.queries += 1
        if self.find_status:
            yield self.find_status, None
            return
        asked = event.identifier
        wanted = asked.get("SOPInstanceUID") or []
        names = {str(wanted)} if isinstance(wanted, str) else {str(uid) for uid in wanted}
        for uid in list(self.kept):
            found = self.dataset(uid)
            same = found.SeriesInstanceUID == asked.SeriesInstanceUID
            if same and (not names - {""} or uid in names):
                answer = Dataset()
                answer.QueryRetrieveLevel = "IMAGE"
                answer.SOPInstanceUID = uid
                yield 0xFF00, answer

    def _get(self, event: evt.Event) -> Iterator[Any]:
        uid = str(event.identifier.SOPInstanceUID)
        found = [self.dataset(uid)] if uid in self.kept else []
        yield len(found)
        for dataset in found:
            yield 0xFF00, dataset

    def _action(self, event: evt.Event) -> tuple[int, Dataset | None]:
        information = event.action_information
        self.actions.append(information)
        if self.action_status:
            return self.action_status, None
        if self.report is Report.SAME:
            self._later(lambda: self._send_report(event.assoc, information))
        elif self.report is Report.OTHER:
            self._later(lambda: self._call_back(information))
        return 0x0000, None

    def _later(self, work: Callable[[], None]) -> None:
        thread = threading.Timer(self.report_delay_s, work)
        thread.daemon = True
        self._threads.append(thread)
        thread.start()

    def _call_back(self, information: Dataset) -> None:
        assert self.report_to is not None
        title, host, port = self.report_to
        ae = ApplicationEntity(self.title)
        ae.add_requested_context(COMMITMENT, [EXPLICIT])
        association = ae.associate(host, port, ae_title=title, ext_neg=[build_role(COMMITMENT, scp_role=True)])
        if association.is_established:
            self._send_report(association, information)
            association.release()

    def _send_report(self, association: Any, information: Dataset) -> None:
        report = Dataset()
        report.TransactionUID = information.TransactionUID
        committed, failed = [], []
        for item in information.ReferencedSOPSequence:
            reference = Dataset()
            reference.ReferencedSOPClassUID = item.ReferencedSOPClassUID
            uid = reference.ReferencedSOPInstanceUID = item.ReferencedSOPInstanceUID
            reason = self.report_failures.get(uid, 0 if uid in self.kept else 0x0112)
            if reason:
                reference.FailureReason = reason
                failed.append(reference)
            else:
                committed.append(reference)
        if committed and self.report_items:
            report.ReferencedSOPSequence = committed
        if failed:
            report.FailedSOPSequence = failed
        event = self.report_event if self.report_event is not None else 2 if failed else 1
        with contextlib.suppress(RuntimeError, ValueError):
            association.send_n_event_report(report, event, COMMITMENT, COMMITMENT_INSTANCE)


def _file(sop_class: str, uid: str, syntax: str, data: bytes) -> bytes:
    meta = FileMetaDataset()
    meta.FileMetaInformationVersion = b"\x00\x01"
    meta.MediaStorageSOPClassUID, meta.MediaStorageSOPInstanceUID = sop_class, uid
    meta.TransferSyntaxUID, meta.ImplementationClassUID = syntax, "1.2.3.4"
    buffer = BytesIO(b"\x00" * 128 + b"DICM")
    buffer.seek(0, 2)
    pydicom.filewriter.write_file_meta_info(buffer, meta)
    return buffer.getvalue() + data
