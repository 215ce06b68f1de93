"""One export: learn who the patients are, de-identify and verify each object, account for every one."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

from lightbox.core import clock
from lightbox.core.errors import LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.deid.elements import MalformedError
from lightbox.deid.engine import Crosswalk, Engine, FileResult, Outcome
from lightbox.deid.key import ProjectKey
from lightbox.deid.log import TagLog
from lightbox.deid.profile import Profile
from lightbox.deid.source import PathSource, ProgressCallback, Source
from lightbox.export import report as reports
from lightbox.export.destination import Folder, check_apart, sha256


@dataclass(frozen=True, slots=True)
class Withheld:
    """An object that was not exported. `label` is for the person at the screen only; no file of the report holds it."""

    label: str
    outcome: Outcome
    code: str
    reason: str


@dataclass(slots=True)
class ExportReport:
    """What an export did; ``total == exported + quarantined + failed`` always.

    Attributes
    ----------
    withheld : list of Withheld
        Every object that was not exported, with its reason.
    patients, studies, series : int
        In the destination, after de-identification.
    actions : Counter
        Number of changes by (tag path without item numbers, action).
    flags : Counter of str
        What reviewers should know, with the number of objects.
    """

    profile: str
    out: Path
    report_dir: Path
    started: str
    finished: str = ""
    total: int = 0
    exported: int = 0
    quarantined: int = 0
    failed: int = 0
    bytes_written: int = 0
    patients: int = 0
    studies: int = 0
    series: int = 0
    kept_elements: int = 0
    withheld: list[Withheld] = field(default_factory=list)
    reasons: Counter[str] = field(default_factory=Counter)
    actions: Counter[tuple[str, str]] = field(default_factory=Counter)
    flags: Counter[str] = field(default_factory=Counter)
    log_head: str = ""

    @property
    def complete(self) -> bool:
        """Whether every object was exported."""
        return self.exported == self.total

    def as_dict(self) -> dict[str, object]:
        """Return a JSON-ready mapping without labels of sources."""
        return {
            "profile": self.profile,
            "total": self.total,
            "exported": self.exported,
            "quarantined": self.quarantined,
            "failed": self.failed,
            "reasons": dict(sorted(self.reasons.items())),
            "patients": self.patients,
            "studies": self.studies,
            "series": self.series,
            "bytes_written": self.bytes_written,
            "started": self.started,
            "finished": self.finished,
        }


def export(
    sources: Iterable[Source],
    profile: Profile,
    key: ProjectKey,
    out: Path,
    report_dir: Path | None = None,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    accept_burned_in: bool = False,
    crosswalk: bool = False,
) -> ExportReport:
    """De-identify objects into a folder and leave the record of it in another.

    Parameters
    ----------
    sources : iterable of Source
        The objects (`lightbox.export.cohort.Cohort`); they are only read.
    profile : Profile
        What to do.
    key : ProjectKey
        What new names are derived from.
    out : Path
        Destination; holds only what may be shared: ``pseudonym/study/series/instance.dcm``.
    report_dir : Path, optional
        Certificate, tag log, summary and manifest; default ``<out>-report`` beside `out`. Never inside `out`.
    progress, cancel : optional
        Told after each object; asked before each. After a cancel, what was exported stays and is on record.
    accept_burned_in : bool
        Also export objects whose pixels probably show text.
    crosswalk : bool
        Also write ``uid_map.csv`` and ``patid_map.csv`` into a folder ``CONFIDENTIAL`` of the report.

    Returns
    -------
    ExportReport
        Its counts add up to the number of sources.

    Raises
    ------
    Cancelled
        `cancel` was used.
    UsageError
        The folders would mix what may be shared with what may not.
    LightboxError
        A folder cannot be written, or the counts do not add up.
    """
    everything = list(sources)
    out = out.absolute()
    report_dir = (report_dir or out.with_name(out.name + "-report")).absolute()
    check_apart(out, report_dir, [source.path for source in everything if isinstance(source, PathSource)])
    run = _Run(everything, profile, key, out, report_dir, accept_burned_in=accept_burned_in, crosswalk=crosswalk)
    return run.go(progress, cancel)


class _Run:
    def __init__(
        self,
        sources: list[Source],
        profile: Profile,
        key: ProjectKey,
        out: Path,
        report_dir: Path,
        *,
        accept_burned_in: bool,
        crosswalk: bool,
    ) -> None:
        self._sources = sources
        self._engine = Engine(profile, key, accept_burned_in=accept_burned_in)
        self._key = key
        self._report = ExportReport(profile.name, out, report_dir, clock.stamp(), total=len(sources))
        self._crosswalk: list[Crosswalk] | None = [] if crosswalk else None
        self._subjects: set[str] = set()
        self._studies: set[str] = set()
        self._series: set[str] = set()
        self._targets: dict[str, str] = {}
        self._instances: set[str] = set()

    def go(self, progress: ProgressCallback | None, cancel: CancelToken | None) -> ExportReport:
        report = self._report
        reports.prepare(report.report_dir)
        folder = Folder(report.out)
        steps = 2 * len(self._sources)
        try:
            with TagLog(report.report_dir / reports.LOG_NAME) as log:
                for number, source in enumerate(self._sources):
                    if cancel is not None:
                        cancel.raise_if_cancelled()
                    self._learn(source)
                    if progress is not None:
                        progress(number + 1, steps, unit="files", message="Reading identifiers")
                try:
                    for number, source in enumerate(self._sources):
                        if cancel is not None:
                            cancel.raise_if_cancelled()
                        result = self._one(source, folder)
                        self._count(source, result)
                        log.add(result)
                        if progress is not None:
                            progress(len(self._sources) + number + 1, steps, unit="files", message="De-identifying")
                finally:
                    report.log_head = log.head
        finally:
            folder.close()
            report.finished = clock.stamp()
            report.patients, report.studies, report.series = len(self._subjects), len(self._studies), len(self._series)
            reports.write(report, self._engine, self._key, self._targets, self._crosswalk)
        counted = report.exported + report.quarantined + report.failed
        if counted != report.total:
            raise LightboxError(
                "The export does not add up",
                why=f"{report.total} objects in, {counted} accounted for",
                todo="Do not use this export",
            )
        return report

    def _learn(self, source: Source) -> None:
        try:
            with source.open() as file:
                self._engine.learn(file.read())
        except (MalformedError, OSError, LightboxError):
            return  # told, with its reason, when the object's turn comes

    def _one(self, source: Source, folder: Folder) -> FileResult:
        try:
            with source.open() as file:
                data = file.read()
        except (OSError, LightboxError) as error:
            why = getattr(error, "strerror", "") or getattr(error, "why", "") or type(error).__name__
            return FileResult(Outcome.FAILED, "unreadable", why)
        try:
            result, clean, names = self._engine.transform(data)
        except Exception as error:  # one object that the engine cannot handle must not cost the others
            return FileResult(
                Outcome.FAILED, "engine", type(error).__name__, source_sha256=hashlib.sha256(data).hexdigest()
            )
        if clean is None:
            return result
        if result.sop_uid in self._instances:
            return self._withhold(result, "duplicate", "another object of this export has the same SOP Instance UID")
        staged = folder.stage(clean)
        if sha256(staged) != result.target_sha256:
            folder.discard(staged)
            return self._withhold(result, "disk", "the file that was written is not the file that was verified")
        if not folder.publish(staged, result.name):
            return self._withhold(result, "conflict", "the destination holds another file under this name")
        self._targets[result.name] = result.target_sha256
        self._instances.add(result.sop_uid)
        if self._crosswalk is not None and names is not None:
            self._crosswalk.append(names)
        return result

    @staticmethod
    def _withhold(result: FileResult, code: str, reason: str) -> FileResult:
        return FileResult(
            Outcome.QUARANTINED, code, reason, sop_class=result.sop_class, modality=result.modality,
            transfer_syntax=result.transfer_syntax, source_sha256=result.source_sha256,
        )  # fmt: skip

    def _count(self, source: Source, result: FileResult) -> None:
        report = self._report
        if result.outcome is Outcome.EXPORTED:
            report.exported += 1
            report.bytes_written += result.size
            report.kept_elements += result.kept
            self._subjects.add(result.subject)
            self._studies.add(result.study_uid)
            self._series.add(result.series_uid)
            for change in result.changes:
                report.actions[reports.without_items(change.path), change.action] += 1
        else:
            if result.outcome is Outcome.QUARANTINED:
                report.quarantined += 1
            else:
                report.failed += 1
            report.reasons[result.code] += 1
            report.withheld.append(Withheld(source.label, result.outcome, result.code, result.reason))
        report.flags.update(result.flags)
