"""The series of a study that lies at an archive."""

from __future__ import annotations

from typing import Any

from lightbox.core.jobs import Job
from lightbox.library.records import SeriesRecord
from lightbox.network.peers import Peer
from lightbox.workstation import Workstation

RETURN_KEYS = (
    "SeriesInstanceUID",
    "Modality",
    "SeriesNumber",
    "SeriesDescription",
    "BodyPartExamined",
    "NumberOfSeriesRelatedInstances",
)


def series_at(workstation: Workstation, peer: Peer, study_uid: str, job: Job[Any]) -> list[SeriesRecord]:
    """Ask `peer` for the series of a study."""
    from lightbox.network.errors import AssociationError
    from lightbox.network.querying.sources import Services, finder, ways
    from lightbox.network.secrets import Secrets

    keys = {**dict.fromkeys(RETURN_KEYS, ""), "StudyInstanceUID": study_uid}
    services = Services(workstation.identity, workstation.settings, Secrets(workstation.home))
    replies: list[dict[str, str]] = []
    order = ways(peer, workstation.settings)
    for way in order:
        try:
            with finder(peer, services, [], way=way, root="study", cancel=job.token) as session:
                replies = list(session.find("series", keys, cancel=job.token))
            break
        except AssociationError:
            if way == order[-1]:
                raise
    found = []
    for reply in replies:
        number, images = reply.get("SeriesNumber", ""), reply.get("NumberOfSeriesRelatedInstances", "")
        found.append(
            SeriesRecord(
                series_instance_uid=reply.get("SeriesInstanceUID", ""),
                study_instance_uid=study_uid,
                modality=reply.get("Modality", ""),
                series_number=int(number) if number.strip().lstrip("-").isdigit() else None,
                series_description=reply.get("SeriesDescription", ""),
                body_part_examined=reply.get("BodyPartExamined", ""),
                number_of_instances=int(images) if images.strip().isdigit() else 0,
            )
        )
    found.sort(key=lambda entry: (entry.series_number is None, entry.series_number or 0))
    return found
