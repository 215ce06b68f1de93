"""Importing outside files as part of an order: every object is reconciled on its way into the library.

What was changed is kept in a protected record of the data folder; logs and reports name no patient.
"""

from __future__ import annotations

import hashlib
import json
import logging
import shutil
import tempfile
import time
import uuid
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core import clock
from lightbox.core.errors import LightboxError, UsageError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.core.settings import write_atomically
from lightbox.dicom import imports
from lightbox.library.records import ImportReport, Refusal
from lightbox.network.worklist import changes
from lightbox.network.worklist.changes import Plan
from lightbox.network.worklist.entries import WorklistEntry

if TYPE_CHECKING:
    from lightbox.library.library import Library
    from lightbox.network.worklist.coerce import Applied
    from lightbox.network.worklist.mpps_items import PerformedInstance

logger = logging.getLogger(__name__)

_DIRECTORY = "1.2.840.10008.1.3.10"
_DAY_S = 86_400


@dataclass(slots=True)
class Sources:
    """The objects under some paths, and what is none."""

    objects: list[Path] = field(default_factory=list)
    refused: list[Refusal] = field(default_factory=list)

    def openers(self) -> list[changes.Opener]:
        """Return what opens each object."""
        return [partial(path.open, "rb") for path in self.objects]


@dataclass(slots=True)
class Reconciled:
    """What an import with reconciliation did.

    Attributes
    ----------
    report : ImportReport
        What came into the library, and what was refused.
    instances : list of PerformedInstance
        What is in the library now, for MPPS.
    attributes : dict of str to int
        In how many objects each attribute was changed.
    notes : list of str
    record : Path
        Where the former values are kept.
    """

    report: ImportReport
    instances: list[PerformedInstance]
    attributes: dict[str, int]
    notes: list[str]
    record: Path

    def as_dict(self) -> dict[str, object]:
        """Return the JSON shape."""
        return {
            **self.report.as_dict(),
            "changed": self.attributes,
            "reconciliation_notes": self.notes,
            "record": self.record.name,
        }


def gather(paths: Sequence[Path], *, own: Path | None = None) -> Sources:
    """Return the DICOM objects under `paths`; a DICOMDIR is no object.

    Raises
    ------
    UsageError
        A path does not exist.
    """
    imports.ready()
    from lightbox.dicom import reading, values
    from lightbox.library.sources import find

    found = Sources()
    for entry in find(list(paths), own=own):
        if isinstance(entry, Refusal):
            found.refused.append(entry)
            continue
        path = Path(entry.path)
        try:
            with path.open("rb") as stream:
                header = reading.read_header(stream)
        except (OSError, LightboxError) as error:
            reason = error.why or error.what if isinstance(error, LightboxError) else (error.strerror or "unreadable")
            found.refused.append(Refusal(entry.path, reason, "unreadable"))
            continue
        if values.text(header.file_meta, "MediaStorageSOPClassUID") == _DIRECTORY:
            continue
        found.objects.append(path)
    if not found.objects and not any(path.exists() for path in paths):
        raise UsageError("There is nothing to import", where=", ".join(str(path) for path in paths))
    return found


def plan(
    sources: Sources,
    entry: WorklistEntry,
    *,
    library: Library | None = None,
    map_study_uid: bool = False,
    new_uids: bool = False,
) -> Plan:
    """Return what would change; see `changes.plan`."""
    return changes.plan(sources.openers(), entry, map_study_uid=map_study_uid, new_uids=new_uids, library=library)


def carry_out(
    sources: Sources,
    plan: Plan,
    library: Library,
    home: Path,
    *,
    system: str,
    confirmed: bool = False,
    origin: str = "",
    progress: Callable[[Progress], object] | None = None,
    cancel: CancelToken | None = None,
) -> Reconciled:
    """Write a reconciled copy of every object into the library. The sources are only read.

    All copies are made and checked before the first one becomes part of the library, so that nothing is half done.

    Parameters
    ----------
    home : Path
        The data folder, for the protected record.
    system : str
        Modifying System: our AE title.
    confirmed : bool
        Whether a person confirmed what the plan asks for.
    origin : str
        Source of Previous Values, for example the institution that made the disc.

    Raises
    ------
    ReconcileError
        It was not confirmed, or a copy is not as it must be; nothing was imported.
    Cancelled
        Nothing was imported.
    """
    imports.ready()
    from lightbox.network.worklist import coerce, copying

    token = cancel or CancelToken()
    applied: list[Applied] = []
    moment = clock.now().astimezone()
    with tempfile.TemporaryDirectory(dir=_work_folder(home)) as work:
        copies: list[Path] = []
        for number, path in enumerate(sources.objects, 1):
            token.raise_if_cancelled()
            copies.append(Path(work) / f"{number}.dcm")
            with path.open("rb") as source, copies[-1].open("w+b") as copy:
                applied.append(
                    coerce.apply(source, copy, plan, system=system, confirmed=confirmed, origin=origin, moment=moment)
                )
            if progress is not None:
                progress(Progress(number, len(sources.objects), "images"))
        record = _keep_record(home, plan, applied, confirmed=confirmed, system=system)
        here: dict[str, bool] = {}
        digests: dict[str, set[str]] = {}
        for one, copied in zip(applied, copies, strict=True):
            here[one.sop_instance_uid] = copying.is_here(library, one.sop_instance_uid, copied)
            if not here[one.sop_instance_uid]:
                digests.setdefault(one.sop_instance_uid, set()).add(_spool(library, copied))
    report = library.ingest_spool()
    known = [one for one in applied if here[one.sop_instance_uid]]
    report.duplicates += len(known)
    report.study_uids |= {one.study_instance_uid for one in known}
    report.refused += sources.refused
    arrived = {one.sop_instance_uid: one for one in applied if _arrived(library, one, here, digests)}
    instances = [_performed(library, one) for one in arrived.values()]
    attributes: dict[str, int] = {}
    for one in applied:
        for keyword in one.changed:
            attributes[keyword] = attributes.get(keyword, 0) + 1
    notes = list(dict.fromkeys(note for one in applied for note in one.notes))
    logger.info(
        "outside objects were reconciled with an order: %d objects, %d attributes", len(applied), len(attributes)
    )
    return Reconciled(report, instances, attributes, notes, record)


def _work_folder(home: Path) -> Path:
    """Return the folder for unfinished copies; what a crash left there is removed after a day."""
    folder = home / "network" / "reconciling"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    for old in folder.iterdir():
        if time.time() - old.stat().st_mtime > _DAY_S:
            shutil.rmtree(old, ignore_errors=True)
    return folder


def _arrived(library: Library, one: Applied, here: dict[str, bool], digests: dict[str, set[str]]) -> bool:
    """Whether the library holds this very copy, or held an equal one before."""
    if here[one.sop_instance_uid]:
        return True
    record = library.instance(one.sop_instance_uid)
    return record is not None and record.sha256 in digests.get(one.sop_instance_uid, ())


def _spool(library: Library, path: Path) -> str:
    """Put a copy durably into the spool of the library and return its SHA-256."""
    digest = hashlib.sha256()
    file = library.spool().writer("import")
    try:
        with path.open("rb") as stream:
            while chunk := stream.read(1 << 20):
                file.write(chunk)
                digest.update(chunk)
    except BaseException:
        file.abort()
        raise
    file.commit()
    return digest.hexdigest()


def _performed(library: Library, one: Applied) -> PerformedInstance:
    from lightbox.network.worklist.mpps_items import PerformedInstance

    series = library.series(one.series_instance_uid)
    return PerformedInstance(
        one.sop_class_uid,
        one.sop_instance_uid,
        one.series_instance_uid,
        series.series_description if series else "",
        series.protocol_name if series else "",
        modality=series.modality if series else "",
    )


def _keep_record(home: Path, plan: Plan, applied: list[Applied], *, confirmed: bool, system: str) -> Path:
    """Write down who was reconciled with what: durable before anything becomes part of the library."""
    folder = home / "network" / "reconciled"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    moment = clock.now()
    path = folder / f"{moment:%Y%m%dT%H%M%S}-{uuid.uuid4().hex[:8]}.json"
    values = {
        "at": clock.stamp(moment),
        "system": system,
        "worklist": plan.entry.source,
        "accession_number": plan.entry.accession_number,
        "confirmed": confirmed,
        "plan": plan.as_dict(),
        "objects": [
            {
                "sop_instance_uid": one.sop_instance_uid,
                "study_instance_uid": one.study_instance_uid,
                "changed": one.changed,
                "before": one.before,
            }
            for one in applied
        ],
    }
    write_atomically(path, json.dumps(values, ensure_ascii=False, indent=1).encode("utf-8"))
    path.chmod(0o600)
    return path
