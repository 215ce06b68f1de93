"""What checks across objects need to know of one object."""

from __future__ import annotations

import json
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING

from lightbox.library.quality.charsets import declared_in
from lightbox.library.quality.elements import TEXT, element, text

if TYPE_CHECKING:
    from pydicom.dataset import Dataset


@dataclass(frozen=True, slots=True)
class ObjectFacts:
    """What checks across objects need to know of one object; all decoded text without padding.

    ``digest`` tells two objects with the same SOP Instance UID apart; empty when it was not made.
    """

    sop_instance_uid: str = ""
    series_instance_uid: str = ""
    study_instance_uid: str = ""
    patient_id: str = ""
    issuer: str = ""
    patient_name: str = ""
    birth_date: str = ""
    sex: str = ""
    study_date: str = ""
    accession_number: str = ""
    study_description: str = ""
    modality: str = ""
    series_number: str = ""
    frame_of_reference: str = ""
    instance_number: str = ""
    path: str = ""
    digest: str = ""

    def shared(self) -> str:
        """Return the facts that the objects of a series share, as JSON: what the library keeps."""
        return json.dumps([getattr(self, name) for name in SHARED], ensure_ascii=False)

    @classmethod
    def of_shared(cls, text: str, sop_instance_uid: str = "") -> ObjectFacts:
        """Return the facts that `shared` wrote, of the object `sop_instance_uid`."""
        return cls(sop_instance_uid=sop_instance_uid, **dict(zip(SHARED, json.loads(text), strict=True)))


SHARED = tuple(
    field.name
    for field in fields(ObjectFacts)
    if field.name not in ("sop_instance_uid", "instance_number", "path", "digest")
)
TAGS = {
    "sop_instance_uid": 0x00080018,
    "series_instance_uid": 0x0020000E,
    "study_instance_uid": 0x0020000D,
    "patient_id": 0x00100020,
    "issuer": 0x00100021,
    "patient_name": 0x00100010,
    "birth_date": 0x00100030,
    "sex": 0x00100040,
    "study_date": 0x00080020,
    "accession_number": 0x00080050,
    "study_description": 0x00081030,
    "modality": 0x00080060,
    "series_number": 0x00200011,
    "frame_of_reference": 0x00200052,
    "instance_number": 0x00200013,
}


def facts_of(ds: Dataset, *, path: str = "", digest: str = "") -> ObjectFacts:
    """Return the facts of an object."""
    declared = declared_in(ds, None)
    found: dict[str, str] = {}
    for name, tag in TAGS.items():
        entry = element(ds, tag)
        if entry is not None and entry.raw is not None and entry.vr in TEXT:
            decoded = declared.decode(entry.raw, person_name=entry.vr == "PN")
            found[name] = (decoded if decoded is not None else entry.raw.decode("utf-8", "replace")).strip("\0 ")
        else:
            found[name] = text(ds, tag)
    return ObjectFacts(**found, path=path, digest=digest)
