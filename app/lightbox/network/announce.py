"""What an archive says it holds of a study, before it is retrieved."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from lightbox.core.jobs import CancelToken
from lightbox.network import contexts, find
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer

if TYPE_CHECKING:
    from lightbox.network.web.service import WebService

UNREACHABLE = ("dns.", "tcp.", "association.rejected", "association.busy", "association.timeout")

# No more than is needed: archives read every file to tell what they do not keep in their index
_STUDY = ("StudyInstanceUID", "SOPClassesInStudy")
_SERIES = ("SeriesInstanceUID", "Modality", "NumberOfSeriesRelatedInstances")
_INSTANCE = ("SOPInstanceUID", "SOPClassUID", "AvailableTransferSyntaxUID")


@dataclass(slots=True)
class AnnouncedSeries:
    """One series: its instances (SOP Instance UID -> SOP Class UID, "" when not told) and counted number."""

    series_uid: str
    modality: str = ""
    count: int | None = None
    instances: dict[str, str] = field(default_factory=dict)

    @property
    def number(self) -> int | None:
        """How many instances to expect, None when the archive did not tell."""
        return len(self.instances) if self.instances else self.count


@dataclass(slots=True)
class Announced:
    """The series of a study, and the transfer syntaxes that the archive says it holds by SOP class.

    ``silent`` holds the SOP classes of which it did not tell for every instance.
    """

    series: dict[str, AnnouncedSeries] = field(default_factory=dict)
    sop_classes: list[str] = field(default_factory=list)
    syntaxes: dict[str, set[str]] = field(default_factory=dict)
    silent: set[str] = field(default_factory=set)
    notes: list[str] = field(default_factory=list)
    fill: Callable[[Sequence[str]], None] | None = None
    """Asks for the instances of series, where that was put off because their number was enough."""

    def put_off(self) -> list[str]:
        """Return the series whose instances were not asked for."""
        return [uid for uid, entry in self.series.items() if not entry.instances] if self.fill is not None else []

    def pairs(
        self, series_uid: str = "", sop_uids: Collection[str] = (), *, thorough: bool = False
    ) -> list[contexts.Pair]:
        """Return the (SOP class, transfer syntax) pairs to propose for instances, for one series, or for all.

        Where the archive told the transfer syntaxes of all instances of a class, only those are proposed (and the
        uncompressed ones), unless `thorough`. Where it did not tell the SOP classes, they are guessed from the
        modality; `thorough` then adds every storage class there is, uncompressed.
        """
        entries = [entry for uid, entry in self.series.items() if not series_uid or uid == series_uid]
        held = [c for entry in entries for uid, c in entry.instances.items() if not sop_uids or uid in sop_uids]
        classes = dict.fromkeys(c for c in held if c)
        unknown = not classes or not all(held)
        if unknown:
            guesses = [contexts.guess_classes(entry.modality) for entry in entries] or [contexts.COMMON_CLASSES]
            classes |= dict.fromkeys(self.sop_classes or (c for guess in guesses for c in guess))
        told = {c: s for c, s in self.syntaxes.items() if thorough or c not in self.silent}
        found = [pair for c in classes for pair in contexts.pairs_for(c, sorted(told.get(c, ())))]
        if thorough:
            found += [pair for c in classes for pair in contexts.pairs_for(c)]
        if unknown and thorough:
            found += contexts.uncompressed_pairs()
        return list(dict.fromkeys(found))


def ask(
    peer: Peer, identity: LocalIdentity, study_uid: str, series_uids: Collection[str], cancel: CancelToken | None
) -> Announced:
    """Ask `peer` by C-FIND which series and instances a study has.

    An archive that cannot tell (it offers no query, or not at this level) gives an empty answer with a note.

    Raises
    ------
    AssociationError
        The peer cannot be reached at all.
    Cancelled
        `cancel` was cancelled.
    """
    announced = Announced()
    try:
        with find.session(peer, identity) as finder:
            _series(finder, announced, study_uid, series_uids, cancel)
            _instances(finder, announced, study_uid, list(announced.series), cancel, at_once=False)
    except (DimseError, AssociationError) as error:
        if isinstance(error, AssociationError) and error.code.startswith(UNREACHABLE):
            raise
        announced.notes.append(f"The archive did not tell what the study holds: {error.why or error.what}")
    return announced


def ask_web(
    service: WebService,
    study_uid: str,
    series_uids: Collection[str],
    cancel: CancelToken | None,
    *,
    lists: Callable[[str], bool] = lambda series_uid: True,
) -> Announced:
    """Ask by QIDO-RS which series and instances a study has.

    Parameters
    ----------
    lists : callable
        Whether the instances of a series are asked for now; where not, its number must do and ``fill`` asks later.

    Raises
    ------
    WebError
        The service cannot be reached, or does not search.
    Cancelled
        `cancel` was cancelled.
    """
    from lightbox.network.web.qido import WebFinder

    announced = Announced()
    finder = WebFinder(service)

    def fill(wanted: Sequence[str]) -> None:
        _instances(finder, announced, study_uid, wanted, cancel, at_once=not series_uids)

    _series(finder, announced, study_uid, series_uids, cancel)
    now = [uid for uid, entry in announced.series.items() if not entry.count or lists(uid)]
    fill(now)
    if len(now) < len(announced.series):
        announced.fill = fill
    return announced


class _Finds(Protocol):
    def find(
        self,
        level: str,
        keys: Mapping[str, str],
        *,
        cancel: CancelToken | None = None,
        fields: Collection[str] | None = None,
    ) -> Iterator[dict[str, str]]: ...


def _series(
    finder: _Finds, announced: Announced, study_uid: str, series_uids: Collection[str], cancel: CancelToken | None
) -> None:
    for row in finder.find("series", {"StudyInstanceUID": study_uid}, cancel=cancel, fields=_SERIES):
        uid = row["SeriesInstanceUID"]
        if series_uids and uid not in series_uids:
            continue
        count = row.get("NumberOfSeriesRelatedInstances", "")
        announced.series[uid] = AnnouncedSeries(uid, row.get("Modality", ""), int(count) if count.isdecimal() else None)


def _instances(
    finder: _Finds,
    announced: Announced,
    study_uid: str,
    wanted: Sequence[str],
    cancel: CancelToken | None,
    *,
    at_once: bool,
) -> None:
    """Ask for the instances of the series `wanted`; `at_once` in one query, and then for what that left out."""
    study = {"StudyInstanceUID": study_uid}
    if at_once and len(wanted) > 1:
        for row in finder.find("image", study, cancel=cancel, fields=("SeriesInstanceUID", *_INSTANCE)):
            entry = announced.series.get(row.get("SeriesInstanceUID", ""))
            if entry is not None:
                _note(row, entry, announced)
    for entry in (announced.series[uid] for uid in wanted):
        if not entry.instances or len(entry.instances) < (entry.count or 0):
            series = {**study, "SeriesInstanceUID": entry.series_uid}
            for row in finder.find("image", series, cancel=cancel, fields=_INSTANCE):
                _note(row, entry, announced)
    if not all(announced.series[uid].instances for uid in wanted):
        for row in finder.find("study", study, cancel=cancel, fields=_STUDY):
            announced.sop_classes = [uid for uid in row.get("SOPClassesInStudy", "").split("\\") if uid]


def _note(row: dict[str, str], entry: AnnouncedSeries, announced: Announced) -> None:
    sop_class = row.get("SOPClassUID", "")
    entry.instances[row["SOPInstanceUID"]] = sop_class
    held = [uid for uid in row.get("AvailableTransferSyntaxUID", "").split("\\") if uid]
    if held:
        announced.syntaxes.setdefault(sop_class, set()).update(held)
    else:
        announced.silent.add(sop_class)
