"""Storage commitment: asking a peer to answer for what it took, and reading its report (PS3.4 Annex J)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from lightbox.network.sending.images import text
from lightbox.network.sending.states import ObjectRecord
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.contexts import Proposal

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

SOP_CLASS = "1.2.840.10008.1.20.1"
"""Storage Commitment Push Model."""
INSTANCE = "1.2.840.10008.1.20.1.1"
"""Its well-known SOP Instance."""
_REQUEST = 1
"""Action type ID."""
SUCCESS, FAILURES = 1, 2
"""Event type IDs."""

NO_SUCH_INSTANCE, PROCESSING_FAILURE, RESOURCES, DUPLICATE_TRANSACTION = 0x0112, 0x0110, 0x0213, 0x0131
_WORDS = {
    PROCESSING_FAILURE: "the archive could not process it",
    NO_SUCH_INSTANCE: "the archive does not have it",
    RESOURCES: "the archive has no resources left",
    0x0122: "the archive does not support its SOP class",
    0x0119: "the archive has it under another SOP class",
    DUPLICATE_TRANSACTION: "the archive saw this request before",
}


@dataclass(slots=True)
class Report:
    """What an N-EVENT-REPORT says.

    Attributes
    ----------
    committed : set of str
        SOP Instance UIDs for which the peer took the responsibility.
    failed : dict
        Failure Reason (PS3.3 C.14.1.1) by SOP Instance UID.
    everything : bool
        It reports success as a whole without listing the objects.
    """

    transaction_uid: str
    committed: set[str] = field(default_factory=set)
    failed: dict[str, int] = field(default_factory=dict)
    everything: bool = False


def failure_words(reason: int) -> str:
    """Return a Failure Reason in words."""
    return f"not committed: {_WORDS.get(reason, 'the archive gave no known reason')} (reason 0x{reason:04X})"


def proposals() -> list[Proposal]:
    """Return what to propose for storage commitment."""
    return [Proposal(SOP_CLASS)]


def request(association: Association, transaction_uid: str, records: Sequence[ObjectRecord]) -> commands.Response:
    """Ask for the commitment of `records` (N-ACTION) and return the response."""
    from pydicom import config
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

    def uid(dataset: Dataset, keyword: str, value: str) -> None:
        dataset[keyword] = DataElement(keyword, "UI", value, validation_mode=config.IGNORE)

    information = Dataset()
    uid(information, "TransactionUID", transaction_uid)
    items = []
    for record in records:
        item = Dataset()
        uid(item, "ReferencedSOPClassUID", record.sop_class_uid)
        uid(item, "ReferencedSOPInstanceUID", record.sop_instance_uid)
        items.append(item)
    information.ReferencedSOPSequence = items
    context = association.context(SOP_CLASS)
    assert context is not None
    return association.request(context, commands.n_action(SOP_CLASS, INSTANCE, _REQUEST), information)


def read_report(dataset: Dataset, event_type: int | None) -> Report:
    """Read the data set of a report, tolerant of what archives leave out.

    Without event type, or with a wrong one, the sequences decide. Success that comes without any list stands for all
    objects of the transaction; a list of failures, or one that cannot be read, never does.
    """
    report = Report(text(dataset, "TransactionUID"))
    for item in _items(dataset, "FailedSOPSequence"):
        uid = text(item, "ReferencedSOPInstanceUID")
        if uid:
            report.failed[uid] = _reason(item)
    listed = _items(dataset, "ReferencedSOPSequence")
    report.committed = {uid for item in listed if (uid := text(item, "ReferencedSOPInstanceUID"))} - set(report.failed)
    report.everything = event_type == SUCCESS and not any(
        _is_present(dataset, keyword) for keyword in ("ReferencedSOPSequence", "FailedSOPSequence")
    )
    return report


def _is_present(dataset: Dataset, keyword: str) -> bool:
    element = dataset.get_item(keyword)
    return element is not None and bool(element.value)


def _items(dataset: Dataset, keyword: str) -> list[Dataset]:
    from lightbox.dicom import values

    return values.items(dataset, keyword)


def _reason(item: Dataset) -> int:
    from lightbox.dicom import values

    return values.integer(item, "FailureReason", PROCESSING_FAILURE)
