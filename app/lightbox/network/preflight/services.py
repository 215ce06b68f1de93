"""The services beside storage that a peer may offer, and what we use them for."""

from __future__ import annotations

from typing import NamedTuple

from lightbox.core.errors import UsageError
from lightbox.network.preflight import vocabulary

VERIFICATION = vocabulary.VERIFICATION
STUDY_FIND = "1.2.840.10008.5.1.4.1.2.2.1"
STUDY_MOVE = "1.2.840.10008.5.1.4.1.2.2.2"
STUDY_GET = "1.2.840.10008.5.1.4.1.2.2.3"
PATIENT_FIND = "1.2.840.10008.5.1.4.1.2.1.1"
PATIENT_MOVE = "1.2.840.10008.5.1.4.1.2.1.2"
PATIENT_GET = "1.2.840.10008.5.1.4.1.2.1.3"
WORKLIST = "1.2.840.10008.5.1.4.31"
MPPS = "1.2.840.10008.3.1.2.3.3"
COMMITMENT = "1.2.840.10008.1.20.1"
IAN = "1.2.840.10008.5.1.4.33"


class Service(NamedTuple):
    """A service: its SOP class, what people call it, the purpose it belongs to, and what else serves that purpose."""

    sop_class: str
    name: str
    purpose: str
    instead: str = ""


SERVICES: tuple[Service, ...] = (
    Service(VERIFICATION, "Verification (C-ECHO)", ""),
    Service(STUDY_FIND, "Query, study root (C-FIND)", "query"),
    Service(PATIENT_FIND, "Query, patient root (C-FIND)", ""),
    Service(STUDY_GET, "Retrieve, study root (C-GET)", "retrieve", STUDY_MOVE),
    Service(STUDY_MOVE, "Retrieve, study root (C-MOVE)", "retrieve", STUDY_GET),
    Service(PATIENT_GET, "Retrieve, patient root (C-GET)", ""),
    Service(PATIENT_MOVE, "Retrieve, patient root (C-MOVE)", ""),
    Service(COMMITMENT, "Storage commitment", "commitment"),
    Service(WORKLIST, "Modality worklist (C-FIND)", "worklist"),
    Service(MPPS, "Performed procedure step (MPPS)", "mpps"),
    Service(IAN, "Instance availability notification", "ian"),
)
"""In the order in which a report lists them. Those without purpose are not needed, but probed."""

BY_CLASS: dict[str, Service] = {service.sop_class: service for service in SERVICES}

PURPOSES: dict[str, str] = {
    "store": "we send objects to it",
    "query": "we search in it",
    "retrieve": "we fetch objects from it",
    "commitment": "it confirms by storage commitment that it keeps what we sent",
    "worklist": "it serves the modality worklist",
    "mpps": "it is told about performed procedure steps",
    "ian": "it is told what became available",
}
"""What a peer can be for; `DEFAULT_PURPOSES` where nothing was said."""

DEFAULT_PURPOSES = ("store", "query", "retrieve")


def purposes(names: tuple[str, ...] | list[str]) -> tuple[str, ...]:
    """Return `names` in the order of `PURPOSES`, each once.

    Raises
    ------
    UsageError
        One is not known.
    """
    unknown = [name for name in names if name not in PURPOSES]
    if unknown:
        raise UsageError("A peer cannot be for this", where=", ".join(unknown), todo=f"Use {', '.join(PURPOSES)}")
    return tuple(name for name in PURPOSES if name in names)
