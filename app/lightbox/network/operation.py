"""What C-GET and C-MOVE have in common: the identifier, the responses and the counts of sub-operations (PS3.4 C.4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Any

from pydicom import config
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.network import words
from lightbox.network.errors import DimseError
from lightbox.network.peers import Peer
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import Command, Response


@dataclass(frozen=True, slots=True)
class Target:
    """What to retrieve: a study, one of its series, or some instances of a series."""

    study_uid: str
    series_uid: str = ""
    sop_uids: tuple[str, ...] = ()

    def identifier(self) -> Dataset:
        """Return the identifier of the request (PS3.4 C.4.2.1.4, C.4.3.1.3)."""
        dataset = Dataset()
        level = "IMAGE" if self.sop_uids else "SERIES" if self.series_uid else "STUDY"
        dataset.QueryRetrieveLevel = level
        _uid(dataset, "StudyInstanceUID", self.study_uid)
        if self.series_uid:
            _uid(dataset, "SeriesInstanceUID", self.series_uid)
        if self.sop_uids:
            _uid(dataset, "SOPInstanceUID", list(self.sop_uids))
        return dataset


def _uid(dataset: Dataset, keyword: str, value: str | list[str]) -> None:
    # UIDs are passed on as the archive gave them, valid or not
    dataset[keyword] = DataElement(keyword, "UI", value, validation_mode=config.IGNORE)


@dataclass(slots=True)
class Outcome:
    """How an operation ended; ``failed_uids`` only when the peer told them."""

    status: int = 0
    comment: str = ""
    completed: int = 0
    warnings: int = 0
    failed: int = 0
    remaining: int = 0
    failed_uids: list[str] = field(default_factory=list)

    @property
    def announced(self) -> int:
        """Number of sub-operations there were."""
        return self.completed + self.warnings + self.failed + self.remaining

    @property
    def reason(self) -> str:
        """Why sub-operations failed, in words."""
        return "" if self.status in (0x0000, 0xFE00) else words.status_words(self.status, self.comment)


def run(
    association: Association,
    peer: Peer,
    model: str,
    command: Command,
    target: Target,
    cancel: CancelToken | None,
) -> Outcome:
    """Send a retrieve request and follow its responses to the end.

    Raises
    ------
    DimseError
        It was refused as a whole. An operation whose sub-operations all failed returns its outcome instead.
    AssociationError
        The association ended.
    Cancelled
        `cancel` was cancelled.
    """
    outcome = Outcome()
    context = association.context(model)
    assert context is not None
    for response in association.requests(context, command, target.identifier(), cancel=cancel):
        _count(outcome, response.command)
        if not response.is_pending:
            outcome.status = response.status
            outcome.comment = response.comment
            outcome.failed_uids = _failed_uids(response)
    if words.is_failure(outcome.status) and not outcome.announced:
        raise DimseError(
            f"{peer.ae_title} refused the {command.name}",
            where=peer.name,
            why=words.status_words(outcome.status, outcome.comment),
            status=outcome.status,
        )
    return outcome


def _count(outcome: Outcome, answer: dict[str, Any]) -> None:
    for field_name, keyword in (
        ("remaining", "NumberOfRemainingSuboperations"),
        ("completed", "NumberOfCompletedSuboperations"),
        ("warnings", "NumberOfWarningSuboperations"),
        ("failed", "NumberOfFailedSuboperations"),
    ):
        value = answer.get(keyword)
        if value is not None:
            setattr(outcome, field_name, int(value))
        elif field_name == "remaining":
            outcome.remaining = 0


def _failed_uids(response: Response) -> list[str]:
    if not response.data:
        return []
    try:
        identifier = response.dataset()
    except LightboxError:  # the counts still tell how many failed
        return []
    element = identifier.get_item("FailedSOPInstanceUIDList")
    if element is None or not element.value:
        return []
    value = element.value
    if isinstance(value, bytes):
        parts: Sequence[str] = value.decode("ascii", "replace").rstrip("\x00 ").split("\\")
    else:
        parts = [str(value)] if isinstance(value, str) else [str(part) for part in value]
    return [part for part in parts if part]
