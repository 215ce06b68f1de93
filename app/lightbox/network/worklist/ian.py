"""Instance Availability Notification (PS3.4 Annex R): what an archive tells us, and telling it ourselves."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from enum import Enum
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import LightboxError
from lightbox.dicom import imports
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, own_identity

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

    from lightbox.network.receiving.notes import Note

logger = logging.getLogger(__name__)

SOP_CLASS = "1.2.840.10008.5.1.4.33"


class Availability(Enum):
    """Instance Availability (0008,0056), PS3.3 C.4.23.1.1."""

    ONLINE = "ONLINE"
    NEARLINE = "NEARLINE"
    OFFLINE = "OFFLINE"
    UNAVAILABLE = "UNAVAILABLE"
    UNKNOWN = "UNKNOWN"
    """The notification says something else, or nothing."""

    @property
    def retrievable(self) -> bool:
        """Whether asking for it makes sense now: from a nearline store it takes longer."""
        return self in (Availability.ONLINE, Availability.NEARLINE)


@dataclass(frozen=True, slots=True)
class Instance:
    """One instance of a notification."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    availability: Availability
    retrieve_ae: tuple[str, ...] = ()
    retrieve_location_uid: str = ""
    retrieve_url: str = ""


@dataclass(frozen=True, slots=True)
class AvailabilityNotice:
    """What a notification says of one study.

    Attributes
    ----------
    study_instance_uid : str
    instances : tuple of Instance
    performed_steps : tuple of str
        SOP Instance UIDs of the performed procedure steps in which they were made.
    sender_ae, received_at : str, str
        Who sent it, and when it came (UTC).
    notes : tuple of str
        What was wrong with it, in words.
    """

    study_instance_uid: str
    instances: tuple[Instance, ...]
    performed_steps: tuple[str, ...] = ()
    sender_ae: str = ""
    received_at: str = ""
    notes: tuple[str, ...] = ()

    @property
    def counts(self) -> dict[str, int]:
        """How many instances have each availability."""
        found: dict[str, int] = {}
        for instance in self.instances:
            found[instance.availability.value] = found.get(instance.availability.value, 0) + 1
        return found

    def holders(self) -> list[str]:
        """Return the AE titles from which everything retrievable can be retrieved, most often named first."""
        count: dict[str, int] = {}
        for instance in self.instances:
            if instance.availability.retrievable:
                for title in instance.retrieve_ae:
                    count[title] = count.get(title, 0) + 1
        return sorted(count, key=lambda title: -count[title])

    def peers(self, peers: Iterable[Peer]) -> list[Peer]:
        """Return which of `peers` are meant by `holders`, in that order."""
        known = list(peers)
        return [peer for title in self.holders() for peer in known if peer.ae_title.strip() == title]

    def summary(self) -> str:
        """Return it in words, without identifiers."""
        counted = ", ".join(f"{number} {word.lower()}" for word, number in self.counts.items()) or "no instances"
        return f"{counted}; retrieve from {', '.join(self.holders()) or 'nowhere'}"


def interpret(note: Note) -> AvailabilityNotice:
    """Return what a notification that was received says.

    Parameters
    ----------
    note : Note
        An N-CREATE request kept in the inbox.

    Raises
    ------
    LightboxError
        It is no notification, cannot be read, or names no study.
    """
    if note.sop_class_uid != SOP_CLASS:
        raise LightboxError("This request is no availability notification", where=note.sop_class_uid)
    try:
        found = read(note.dataset())
    except (ValueError, KeyError, TypeError, AttributeError, struct.error) as error:
        raise LightboxError("An availability notification cannot be read", why=type(error).__name__) from error
    return AvailabilityNotice(
        found.study_instance_uid,
        found.instances,
        found.performed_steps,
        note.calling_ae,
        note.received_at,
        found.notes,
    )


def take(home: Path, handle: Callable[[AvailabilityNotice], object]) -> int:
    """Give every notification that waits in the inbox to `handle`, oldest first, and return how many there were.

    One that `handle` raises for stays in the inbox; one that cannot be understood is logged and removed.

    Parameters
    ----------
    home : Path
        The data folder.
    """
    from lightbox.network.receiving.notes import Inbox

    inbox = Inbox(home)
    count = 0
    for note in inbox.waiting(SOP_CLASS):
        try:
            notice = interpret(note)
        except LightboxError as error:
            logger.warning("an availability notification is not understood: %s", error.what)
        else:
            handle(notice)
            count += 1
        inbox.done(note)
    return count


def read(dataset: Dataset) -> AvailabilityNotice:
    """Return the content of a notification's data set, tolerantly.

    Raises
    ------
    LightboxError
        It names no study.
    """
    imports.ready()
    from lightbox.network import reply

    study = reply.text(dataset, "StudyInstanceUID")
    if not study:
        raise LightboxError("An availability notification names no study", todo="Report this to whoever sent it")
    notes: list[str] = []
    instances: list[Instance] = []
    for series in reply.items(dataset, "ReferencedSeriesSequence"):
        series_uid = reply.text(series, "SeriesInstanceUID")
        for item in reply.items(series, "ReferencedSOPSequence"):
            uid = reply.text(item, "ReferencedSOPInstanceUID")
            if not uid:
                notes.append("An instance without UID was left out")
                continue
            word = reply.text(item, "InstanceAvailability").upper()
            try:
                availability = Availability(word)
            except ValueError:
                availability = Availability.UNKNOWN
                notes.append("The availability of an instance is not a defined term")
            titles = reply.text(item, "RetrieveAETitle")
            instances.append(
                Instance(
                    reply.text(item, "ReferencedSOPClassUID"),
                    uid,
                    series_uid,
                    availability,
                    tuple(part.strip() for part in titles.split("\\") if part.strip()),
                    reply.text(item, "RetrieveLocationUID"),
                    reply.text(item, "RetrieveURI") or reply.text(item, "RetrieveURL"),
                )
            )
    if not instances:
        notes.append("The notification names no instances")
    steps = [
        reply.text(item, "ReferencedSOPInstanceUID")
        for item in reply.items(dataset, "ReferencedPerformedProcedureStepSequence")
    ]
    return AvailabilityNotice(
        study, tuple(instances), tuple(step for step in steps if step), notes=tuple(dict.fromkeys(notes))
    )


def notify(
    peer: Peer,
    identity: LocalIdentity,
    study_uid: str,
    instances: Sequence[tuple[str, str, str]],
    *,
    availability: Availability = Availability.ONLINE,
    performed_step: str = "",
    retrieve_ae: str = "",
) -> None:
    """Tell `peer` that instances of a study are available here (N-CREATE as SCU).

    Parameters
    ----------
    instances : sequence of (SOP class UID, SOP instance UID, series instance UID)
    performed_step : str
        SOP Instance UID of the performed procedure step.
    retrieve_ae : str
        From where they can be retrieved; our own title when empty.

    Raises
    ------
    AssociationError, DimseError
        It was not told.
    """
    imports.ready()
    from pydicom.uid import generate_uid

    from lightbox.network import words
    from lightbox.network.contexts import LITTLE_ENDIAN
    from lightbox.network.errors import DimseError
    from lightbox.network.wire import commands
    from lightbox.network.wire.client import associated
    from lightbox.network.wire.contexts import Proposal

    own = own_identity(peer, identity)
    dataset = _notification(study_uid, instances, availability, performed_step, retrieve_ae or own.ae_title)
    with associated(peer, own, [Proposal(SOP_CLASS, LITTLE_ENDIAN)]) as association:
        context = association.context(SOP_CLASS)
        assert context is not None
        response = association.request(context, commands.n_create(SOP_CLASS, str(generate_uid())), dataset)
    if words.is_failure(response.status):
        raise DimseError(
            f"{peer.ae_title} refused the availability notification",
            where=peer.name,
            why=words.status_words(response.status, response.comment),
            status=response.status,
        )


def _notification(
    study_uid: str,
    instances: Sequence[tuple[str, str, str]],
    availability: Availability,
    performed_step: str,
    retrieve_ae: str,
) -> Any:
    from pydicom.dataset import Dataset
    from pydicom.sequence import Sequence as Items

    by_series: dict[str, list[Dataset]] = {}
    for sop_class, sop_instance, series in instances:
        item = Dataset()
        item.ReferencedSOPClassUID, item.ReferencedSOPInstanceUID = sop_class, sop_instance
        item.InstanceAvailability, item.RetrieveAETitle = availability.value, retrieve_ae
        by_series.setdefault(series, []).append(item)
    dataset = Dataset()
    dataset.StudyInstanceUID = study_uid
    steps = []
    if performed_step:
        step = Dataset()
        step.ReferencedSOPClassUID = "1.2.840.10008.3.1.2.3.3"
        step.ReferencedSOPInstanceUID = performed_step
        step.PerformedWorkitemCodeSequence = Items([])
        steps.append(step)
    dataset.ReferencedPerformedProcedureStepSequence = Items(steps)
    series_items = []
    for uid, references in by_series.items():
        series_item = Dataset()
        series_item.SeriesInstanceUID = uid
        series_item.ReferencedSOPSequence = Items(references)
        series_items.append(series_item)
    dataset.ReferencedSeriesSequence = Items(series_items)
    return dataset
