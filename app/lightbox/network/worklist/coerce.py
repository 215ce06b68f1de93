"""Writing one reconciled copy of an object; the source is never opened for writing (PS3.3 C.12.1.1.9).

Everything that the order does not touch is copied byte for byte: header elements in their encoding, the pixel data and
what follows it as they are. Prior values go into Original Attributes Sequence, verbatim.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass, field
from datetime import datetime
from typing import BinaryIO

from pydicom import config
from pydicom.datadict import dictionary_VR, keyword_for_tag, tag_for_keyword
from pydicom.dataelem import DataElement
from pydicom.dataset import Dataset
from pydicom.filebase import DicomBytesIO
from pydicom.filewriter import write_dataset
from pydicom.sequence import Sequence

from lightbox.core import clock
from lightbox.dicom import reading, values
from lightbox.network import reply
from lightbox.network.worklist import charset_change, copying, order_items, original, uid_mapping
from lightbox.network.worklist.changes import Plan, ReconcileError

REASONS = ("COERCE", "CORRECT")


@dataclass(slots=True)
class Applied:
    """What was changed in one object."""

    sop_class_uid: str
    sop_instance_uid: str
    series_instance_uid: str
    study_instance_uid: str
    changed: list[str] = field(default_factory=list)
    before: dict[str, str] = field(default_factory=dict)
    """Former values: for the protected record only."""
    notes: list[str] = field(default_factory=list)


def apply(
    source: BinaryIO,
    target: BinaryIO,
    plan: Plan,
    *,
    system: str,
    confirmed: bool = False,
    reason: str = "COERCE",
    origin: str = "",
    moment: datetime | None = None,
) -> Applied:
    """Write a copy of `source` with the changes of `plan` to `target`.

    Parameters
    ----------
    source : BinaryIO
        Seekable.
    target : BinaryIO
        Empty; where it can be read too, the copy is read again and compared with the source.
    system : str
        Modifying System: our AE title or station name.
    confirmed : bool
        Whether a person confirmed what `Plan.needs_confirmation` asks for.
    reason : str
        ``"COERCE"`` (import, reconciliation) or ``"CORRECT"`` (the former values were wrong); PS3.3 C.12.1.1.9.
    origin : str
        Source of Previous Values; Institution Name of the object when empty.
    moment : datetime, optional
        When it is done; now.

    Raises
    ------
    ReconcileError
        It was not confirmed, `source` is none of the objects of the plan, or the copy is not as it must be.
    NotDicomError
        `source` cannot be read.
    """
    if plan.needs_confirmation and not confirmed:
        raise ReconcileError(
            "Patient and order do not agree",
            why="; ".join(problem.what for problem in plan.problems if problem.severity.value == "error"),
            todo="Confirm that they are one person, or choose another entry",
        )
    if reason not in REASONS:
        raise ReconcileError("There is no such reason for a modification", where=reason)
    part = reading.read_part10(source)
    dataset = part.dataset
    plan.check(dataset)
    for tag in [tag for tag in dataset.keys() if tag.group == 0xFFFE]:  # noqa: SIM118 (a data set is no mapping)
        del dataset[tag]  # stray delimiters are no elements
    tail_at = copying.tail_start(part)
    implicit, little = bool(dataset.original_encoding[0]), part.little_endian
    untouched = copying.fingerprints(dataset)
    work = _Work(dataset, plan, implicit, little, moment or clock.now().astimezone())
    work.run(system, reason, origin or reply.text(dataset, "InstitutionName"))
    header = DicomBytesIO()
    header.is_implicit_VR, header.is_little_endian = implicit, little
    write_dataset(header, dataset)
    copying.write(source, target, part, header.getvalue(), tail_at, plan)
    if target.readable() and target.seekable():
        copying.verify(part, target, tail_at, {tag: mark for tag, mark in untouched.items() if tag not in work.touched})
    return work.applied()


class _Work:
    """Changes one data set in memory."""

    def __init__(self, dataset: Dataset, plan: Plan, implicit: bool, little: bool, moment: datetime) -> None:
        self._dataset = dataset
        self._plan = plan
        self._moment = moment
        self._encoding = (implicit, little)
        self._old = original.PriorValues(dataset, implicit, little)
        self._applied = Applied("", "", "", "")
        self.touched: set[int] = set()

    def run(self, system: str, reason: str, origin: str) -> None:
        dataset, entry = self._dataset, self._plan.entry
        changes: dict[str, str | None] = {
            keyword: new
            for keyword, new in self._plan.values().items()
            if (new is None and keyword in dataset) or (new is not None and reply.text(dataset, keyword) != new)
        }
        self._take_uids()
        for keyword, new in changes.items():
            self._note(keyword)
            if new is None:
                del dataset[keyword]
        if "PatientID" in changes or "IssuerOfPatientID" in changes:
            self._old.keep_context("IssuerOfPatientID")
            self._replace_sequence("IssuerOfPatientIDQualifiersSequence", order_items.issuer(entry))
        if "AccessionNumber" in changes:
            self._replace_sequence("IssuerOfAccessionNumberSequence", order_items.accession(entry))
        if entry.requested_procedure_id:
            self._replace_sequence("RequestAttributesSequence", [order_items.request(entry, self._study_uid())])
        self._change_charset([new for new in changes.values() if new is not None] + order_items.texts(entry))
        for keyword, new in changes.items():
            if new is not None:
                dataset[keyword] = DataElement(keyword, dictionary_VR(keyword), new, validation_mode=config.IGNORE)
        if not self._applied.changed:
            return
        for keyword, value in (
            ("InstanceOriginStatus", "IMPORTED"),
            ("InstanceCoercionDateTime", f"{self._moment:%Y%m%d%H%M%S.%f%z}"),
        ):
            self.touched.add(_tag(keyword))
            dataset[keyword] = DataElement(keyword, dictionary_VR(keyword), value)
        self._append("ContributingEquipmentSequence", order_items.equipment(system, self._moment))
        self._append(
            "OriginalAttributesSequence",
            self._old.item(system=system, reason=reason, origin=origin, moment=self._moment),
        )

    def applied(self) -> Applied:
        found = self._applied
        found.sop_class_uid = values.text(self._dataset, "SOPClassUID")
        found.sop_instance_uid = values.text(self._dataset, "SOPInstanceUID")
        found.series_instance_uid = values.text(self._dataset, "SeriesInstanceUID")
        found.study_instance_uid = values.text(self._dataset, "StudyInstanceUID")
        return found

    def _note(self, keyword: str) -> None:
        """Keep the prior value of an attribute that is about to change."""
        self.touched.add(_tag(keyword))
        self._applied.changed.append(keyword)
        self._applied.before[keyword] = reply.text(self._dataset, keyword)
        self._old.keep(keyword)

    def _study_uid(self) -> str:
        return reply.text(self._dataset, "StudyInstanceUID")

    def _take_uids(self) -> None:
        """Replace UIDs wherever they occur, in sequences too; the prior sequence is kept as a whole."""
        uids = self._plan.uids
        if not uids:
            return
        for tag in list(self._dataset.keys()):
            element = self._dataset.get_item(tag)
            if element is None or int(tag) == _tag("OriginalAttributesSequence"):
                continue
            vr = charset_change.vr_of(element)
            keyword = keyword_for_tag(tag)
            if vr == "UI":
                new = uid_mapping.mapped(element.value, uids)
                if new is not None and keyword:
                    self._note(keyword)
                    self._dataset[tag] = DataElement(tag, "UI", new, validation_mode=config.IGNORE)
            elif vr == "SQ" and keyword and uid_mapping.may_hold(element, uids):
                if uid_mapping.holds(copy.deepcopy(self._dataset[tag].value), uids):
                    self._dataset[tag] = element  # the prior value is kept as it was encoded
                    self._note(keyword)
                    uid_mapping.map_items(self._dataset[tag].value, uids)
                else:
                    self._dataset[tag] = element

    def _replace_sequence(self, keyword: str, items: list[Dataset]) -> None:
        existing = reply.items(self._dataset, keyword)
        if len(existing) == len(items) and all(one == other for one, other in zip(existing, items, strict=True)):
            return
        self.touched.add(_tag(keyword))
        self._applied.changed.append(keyword)
        self._old.keep(keyword)
        if items:
            self._dataset[keyword] = DataElement(keyword, "SQ", Sequence(items))
        else:
            del self._dataset[keyword]

    def _append(self, keyword: str, item: Dataset) -> None:
        self.touched.add(_tag(keyword))
        existing = values.items(self._dataset, keyword)
        self._dataset[keyword] = DataElement(keyword, "SQ", Sequence([*existing, item]))

    def _change_charset(self, texts: list[str]) -> None:
        names = charset_change.names_of(self._dataset)
        if all(charset_change.can_express(names, text) for text in texts):
            return
        self._note("SpecificCharacterSet")
        faults = charset_change.to_utf8(self._dataset)
        # All text is converted: what is still encoded is no text and stays as it is
        self._dataset.set_original_encoding(*self._encoding, self._dataset._character_set)
        self.touched |= {int(tag) for tag in self._dataset.keys()}  # noqa: SIM118 (a data set is no mapping)
        self._applied.notes.append("Text was converted to UTF-8, since the order has letters that the object's lacks")
        if faults:
            self._applied.notes.append(f"{faults} values were not in the character set that they claim")


def _tag(keyword: str) -> int:
    tag = tag_for_keyword(keyword)
    assert tag is not None
    return tag
