"""What an order and its import look like inside an object: items of sequences."""

from __future__ import annotations

from datetime import datetime

from pydicom.dataset import Dataset
from pydicom.sequence import Sequence

from lightbox import __version__
from lightbox.network.worklist.entries import Code, WorklistEntry


def codes(coded: tuple[Code, ...]) -> list[Dataset]:
    """Return items of a code sequence (PS3.3 8.8)."""
    found = []
    for code in coded:
        item = Dataset()
        word = "CodeValue" if len(code.value) <= 16 else "LongCodeValue"
        setattr(item, word, code.value)
        item.CodingSchemeDesignator = code.scheme
        item.CodeMeaning = code.meaning
        found.append(item)
    return found


def request(entry: WorklistEntry, study_uid: str) -> Dataset:
    """Return the item of Request Attributes Sequence (PS3.3 10.6)."""
    item = Dataset()
    item.RequestedProcedureID = entry.requested_procedure_id
    if entry.accession_number:
        item.AccessionNumber = entry.accession_number
    item.StudyInstanceUID = entry.study_instance_uid or study_uid
    if entry.requested_procedure_description:
        item.RequestedProcedureDescription = entry.requested_procedure_description
    if entry.requested_procedure_codes:
        item.RequestedProcedureCodeSequence = Sequence(codes(entry.requested_procedure_codes))
    if entry.step.step_id:
        item.ScheduledProcedureStepID = entry.step.step_id
    if entry.step.description:
        item.ScheduledProcedureStepDescription = entry.step.description
    if entry.step.protocol_codes:
        item.ScheduledProtocolCodeSequence = Sequence(codes(entry.step.protocol_codes))
    return item


def texts(entry: WorklistEntry) -> list[str]:
    """Return the texts of an order that go into items."""
    meanings = [code.meaning for code in (*entry.requested_procedure_codes, *entry.step.protocol_codes)]
    return [entry.requested_procedure_description, entry.step.description, *meanings]


def issuer(entry: WorklistEntry) -> list[Dataset]:
    """Return the item of Issuer of Patient ID Qualifiers Sequence, none where the order has no universal ID."""
    value, kind = entry.issuer_universal_id
    if not value:
        return []
    item = Dataset()
    item.UniversalEntityID = value
    item.UniversalEntityIDType = kind or "ISO"
    return [item]


def accession(entry: WorklistEntry) -> list[Dataset]:
    """Return the item of Issuer of Accession Number Sequence, none where the order does not tell it."""
    if not entry.issuer_of_accession_number:
        return []
    item = Dataset()
    item.LocalNamespaceEntityID = entry.issuer_of_accession_number
    return [item]


def equipment(system: str, moment: datetime) -> Dataset:
    """Return the item of Contributing Equipment Sequence that an importer adds (PS3.3 C.12.1, CID 7005)."""
    purpose = Dataset()
    purpose.CodeValue, purpose.CodingSchemeDesignator = "MEDIM", "DCM"
    purpose.CodeMeaning = "Portable Media Importer Equipment"
    item = Dataset()
    item.PurposeOfReferenceCodeSequence = Sequence([purpose])
    item.Manufacturer = item.ManufacturerModelName = "Lightbox"
    item.StationName = system[:16]
    item.SoftwareVersions = __version__
    item.ContributionDateTime = f"{moment:%Y%m%d%H%M%S%z}"
    item.ContributionDescription = "Patient and order reconciled with the worklist on import"
    return item
