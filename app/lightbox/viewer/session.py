"""One reading: the study that is open, its display sets and results, the viewports, and what is active and selected.

All methods are called on one thread (of the screen); work runs in jobs and comes back through `post`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Any, Protocol

from psygnal import Signal

from lightbox.core.errors import Cancelled, LightboxError, NotFoundError
from lightbox.core.jobs import Job, JobState, Priority
from lightbox.viewer import hanging, layout
from lightbox.viewer.display_sets import first_to_show
from lightbox.viewer.display_sets_model import DisplaySet, DisplaySetKind
from lightbox.viewer.frame_store import FrameStore
from lightbox.viewer.latest import LatestWorker
from lightbox.viewer.layout import Layout
from lightbox.viewer.mpr_volume import MprVolume
from lightbox.viewer.overlays import OverlayStyle
from lightbox.viewer.results import ResultsState, Target, locate
from lightbox.viewer.scenes import SceneStore
from lightbox.viewer.tools import Bindings
from lightbox.viewer.viewport import Role, ViewportState
from lightbox.viewer.volume_cache import VolumeCache

if TYPE_CHECKING:
    from lightbox.core.jobs import JobRunner
    from lightbox.findings.model import Finding, ResultSet
    from lightbox.library.records import StudyRecord

Post = Callable[[Callable[[], None]], None]
"""Runs a call on the thread of the screen, soon."""


class Services(Protocol):
    """What the viewer needs of the workstation."""

    @property
    def library(self) -> Any:
        """The local library (`lightbox.library.library.Library`)."""
        ...

    @property
    def jobs(self) -> JobRunner:
        """Background work."""
        ...

    def display_sets(self, study_uid: str) -> list[DisplaySet]:
        """Return the display sets of a study."""
        ...

    def results(self, study_uid: str) -> list[ResultSet]:
        """Return the AI results and measurements of a study."""
        ...


class ViewerSession:
    """State of the reading room.

    Parameters
    ----------
    services : Services
        Library, jobs, and the ways to display sets and results.
    post : callable
        Brings calls to the thread of the screen. The default runs them at once, for use without a screen.
    """

    study_changed = Signal()
    """Study and display sets are known (or the study was closed)."""
    first_image = Signal()
    """The first image is there; what else takes time may begin."""
    layout_changed = Signal()
    """There are other viewports."""
    active_changed = Signal()
    """Another viewport is the active one."""
    results_changed = Signal()
    """Results are being read, are there, or could not be read."""
    style_changed = Signal()
    """Visibility, opacity or colours of overlays changed."""
    selection_changed = Signal(str)
    """Another finding is selected (its id, empty for none)."""
    said = Signal(str)
    """Something a person should read."""

    def __init__(self, services: Services, post: Post | None = None) -> None:
        self.services = services
        self.post: Post = post or (lambda call: call())
        self.study: StudyRecord | None = None
        self.studies: dict[str, StudyRecord] = {}
        self.display_sets: list[DisplaySet] = []
        self.prior: StudyRecord | None = None
        self.prior_sets: list[DisplaySet] = []
        self.result_sets: list[ResultSet] = []
        self.results_state = ResultsState.IDLE
        self.results_error = ""
        self.style = OverlayStyle()
        self.bindings = Bindings()
        self.layout: Layout = layout.ONE
        self.viewports: list[ViewportState] = []
        self.active = 0
        self.selected = ""
        self.worker = LatestWorker("viewer")
        self.frames = FrameStore(services.library, services.jobs, self.post)
        self.scenes = SceneStore(self.worker, self.post)
        self.scenes.failed.connect(self.said.emit)
        self.volumes = VolumeCache(services.library.open_object, services.jobs, self.frames.loader)
        self.mpr = MprVolume(self)
        self._ticket = 0
        self._touched = False
        self._target: Target | None = None
        self._compares = False
        """Whether the second viewport was opened for the prior, not by the reader."""
        self._jobs: list[Job[Any]] = []
        self._make_viewports()

    # -- open and close --------------------------------------------------------------------------------------------
    def open(self, study_uid: str) -> None:
        """Open a study: display sets first, then results, then its prior, each as soon as it is there."""
        self.close_study()
        ticket = self._ticket

        def load(_: Job[Any]) -> tuple[StudyRecord, list[DisplaySet]]:
            study = self.services.library.study(study_uid)
            if study is None:
                raise NotFoundError("This study is not in the library", todo="Retrieve or import it")
            return study, self.services.display_sets(study_uid)

        def arrived(found: tuple[StudyRecord, list[DisplaySet]]) -> None:
            self.study, self.display_sets = found
            self.studies[study_uid] = found[0]
            self.results_state = ResultsState.READING
            self._hang()
            self.study_changed.emit()
            self.results_changed.emit()
            self._after_first_image(ticket, lambda: self._read_on(ticket, study_uid))

        def failed(error: Exception) -> None:
            self.said.emit(_words("The study cannot be opened", error))
            self.study_changed.emit()

        self._run(ticket, "Opening a study", load, arrived, failed, Priority.INTERACTION)

    def close_study(self) -> None:
        """Forget the study; late answers are dropped."""
        self._ticket += 1
        for job in self._jobs:
            job.cancel()
        self._jobs.clear()
        self.study = self.prior = None
        self.studies.clear()
        self.display_sets, self.prior_sets = [], []
        self.result_sets = []
        self.results_state, self.results_error = ResultsState.IDLE, ""
        self.selected = ""
        self.style.hidden.clear()
        self.style.selected = ""
        self._touched = False
        self._target = None
        if self.mpr.display_set is not None:
            self.volumes.forget(self.mpr.display_set.uid)
        self.mpr.clear()
        self.frames.clear()
        self.scenes.clear()
        if self._compares:
            self._compares = False
            if self.layout is layout.TWO:
                self.layout = layout.ONE
                self._make_viewports()
                self.layout_changed.emit()
        for viewport in self.viewports:
            viewport.show(None, frame_count=0)

    def close(self) -> None:
        """End the reading and its threads."""
        self.close_study()
        self.worker.close()
        self.volumes.close()
        self.frames.close()

    def _run(
        self,
        ticket: int,
        title: str,
        work: Callable[[Job[Any]], Any],
        done: Callable[[Any], None],
        failed: Callable[[Exception], None],
        priority: Priority,
    ) -> None:
        """Do `work` in a job; answer on the screen's thread unless the study was closed meanwhile."""
        told = False

        def finish(job: Job[Any]) -> None:
            nonlocal told
            if told or ticket != self._ticket:
                return
            told = True
            if job.state is JobState.DONE:
                done(job.result)
            elif job.error is not None and not isinstance(job.error, Cancelled):
                failed(job.error)

        def changed() -> None:
            if job.finished:
                self.post(lambda: finish(job))

        job = self.services.jobs.submit(title, work, priority)
        self._jobs = [other for other in self._jobs if not other.finished] + [job]
        job.changed.connect(changed)
        changed()

    # -- results ---------------------------------------------------------------------------------------------------
    def _after_first_image(self, ticket: int, call: Callable[[], None]) -> None:
        """Do `call` once the first image is on its way to the screen: nothing competes with it before."""
        display_set = self.viewport.display_set
        waiting = True

        def go_on(*_: object) -> None:
            nonlocal waiting
            if waiting:
                waiting = False
                self.frames.arrived.disconnect(go_on)
                if ticket == self._ticket:
                    self.post(call)

        self.frames.arrived.connect(go_on)
        if (
            self.layout.has_mpr  # planes are cut from the volume: no stored image will arrive for a viewport
            or display_set is None
            or not display_set.frames
            or self.frames.is_settled(display_set, self.viewport.frame_index)
        ):
            go_on()

    def _read_on(self, ticket: int, study_uid: str) -> None:
        self.first_image.emit()
        self._read_results(ticket, study_uid)
        self._find_prior(ticket)

    def _read_results(self, ticket: int, study_uid: str) -> None:
        def arrived(found: list[ResultSet]) -> None:
            self.result_sets = found
            self.results_state = ResultsState.READY
            self.style.adopt(found)
            self.scenes.clear()
            self._show_results()
            self.results_changed.emit()
            self.style_changed.emit()

        def failed(error: Exception) -> None:
            self.results_state = ResultsState.FAILED
            self.results_error = _words("The AI results cannot be read", error)
            self.results_changed.emit()

        self._run(
            ticket, "Reading results", lambda _: self.services.results(study_uid), arrived, failed, Priority.PREFETCH
        )

    def _show_results(self) -> None:
        """Bring the most particular result into view, unless the user has begun to look around."""
        if self._touched:
            return
        for finding, result in sorted(self.findings, key=lambda pair: _breadth(pair[0])):
            if finding.graphics or finding.segment is not None:
                target = self.target_of(finding, result)
                if target is not None:
                    self._look_at(target, centre=False)
                    return

    @property
    def findings(self) -> list[tuple[Finding, ResultSet]]:
        """Every finding with its result set, in the order of the panel."""
        return [(finding, result) for result in self.result_sets for finding in result.findings]

    def finding(self, finding_id: str) -> tuple[Finding, ResultSet] | None:
        """Return a finding by its id."""
        return next((pair for pair in self.findings if pair[0].finding_id == finding_id), None)

    def target_of(self, finding: Finding, result: ResultSet) -> Target | None:
        """Return where a finding is seen, preferring what the active viewport shows."""
        return locate(finding, result, [*self.display_sets, *self.prior_sets], self.viewport.display_set)

    def select(self, finding_id: str) -> None:
        """Emphasise a finding on the images and in the list."""
        if finding_id != self.selected:
            self.selected = self.style.selected = finding_id
            self.selection_changed.emit(finding_id)
            self.style_changed.emit()

    def go_to(self, finding_id: str) -> bool:
        """Select a finding and bring it into view; False when it is on no image of this study."""
        pair = self.finding(finding_id)
        if pair is None:
            return False
        self.select(finding_id)
        target = self.target_of(*pair)
        if target is None:
            self.said.emit(f"“{pair[0].label}” does not lie on an image of this study")
            return False
        self._look_at(target)
        return True

    def step_finding(self, step: int) -> None:
        """Go to the next (1) or previous (-1) finding, around the end."""
        ids = [finding.finding_id for finding, _ in self.findings]
        if not ids:
            self.said.emit("There are no findings in this study")
            return
        place = ids.index(self.selected) + step if self.selected in ids else (0 if step > 0 else -1)
        self.go_to(ids[place % len(ids)])

    def _look_at(self, target: Target, *, centre: bool = True) -> None:
        self._target = target
        viewport = self.viewport
        if self.layout.has_mpr:
            if self.mpr.display_set is not target.display_set and target.display_set.is_volume:
                self.show(target.display_set)
            if target.point is not None:
                self.mpr.go_to(target.point)
            return
        if viewport.display_set is not target.display_set:
            for index, other in enumerate(self.viewports):
                if other.display_set is target.display_set:
                    self.activate(index)
                    break
            else:
                self.show(target.display_set, target.frame_index)
        viewport = self.viewport
        viewport.go_to(target.frame_index)
        if centre and target.image_point is not None and viewport.zoom > 1.05:
            viewport.centre_on(*target.image_point)

    # -- overlays --------------------------------------------------------------------------------------------------
    def toggle_overlays(self) -> None:
        """Show or hide everything that lies over the images."""
        self.style.shown = not self.style.shown
        self.style_changed.emit()

    def toggle_labels(self) -> None:
        """Write the names of findings on the image, or only draw them."""
        self.style.labels = not self.style.labels
        self.style_changed.emit()

    def set_visible(self, finding_ids: set[str], visible: bool) -> None:
        """Show or hide findings."""
        if visible:
            self.style.hidden -= finding_ids
        else:
            self.style.hidden |= finding_ids
        self.style_changed.emit()

    def set_opacity(self, opacity: float) -> None:
        """Set the opacity of the fill of regions (0 to 1)."""
        self.style.opacity = max(0.0, min(1.0, opacity))
        self.style_changed.emit()

    # -- layout and viewports --------------------------------------------------------------------------------------
    @property
    def viewport(self) -> ViewportState:
        """The active viewport."""
        return self.viewports[min(self.active, len(self.viewports) - 1)]

    def activate(self, index: int) -> None:
        """Make a viewport the active one."""
        if index != self.active and 0 <= index < len(self.viewports):
            self.active = index
            self.active_changed.emit()

    @property
    def touched(self) -> bool:
        """Whether the reader has begun to look around since the study was opened."""
        return self._touched

    def touch(self) -> None:
        """Note that the user moves around: nothing jumps by itself any more."""
        self._touched = True

    def _make_viewports(self) -> None:
        self.viewports = [ViewportState(cell.role) for cell in self.layout.cells]
        self.active = 0

    def set_layout(self, wanted: Layout) -> None:
        """Divide the screen anew; the active series stays the main one."""
        if wanted is self.layout:
            return
        main = self.viewport.display_set if not self.viewport.is_prior else None
        frame = self.viewport.frame_index
        place = self._place_in_view() if wanted.has_mpr and not self.layout.has_mpr else None
        if wanted.has_mpr and main is not None and not main.is_volume:
            main = next((item for item in self.display_sets if item.is_volume), main)
        self.layout = wanted
        self._make_viewports()
        self._hang(main, frame)
        if place is not None and self.mpr.display_set is main:
            self.mpr.go_to(place)
        self.layout_changed.emit()

    def _place_in_view(self) -> tuple[float, float, float] | None:
        """Return where the active viewport looks: at the finding it went to last, else at the middle of its slice."""
        viewport = self.viewport
        display_set = viewport.display_set
        if display_set is None or not display_set.is_volume:
            return None
        target = self._target
        here = target is not None and target.display_set is display_set
        if target is not None and here and target.point is not None and target.frame_index == viewport.frame_index:
            return target.point
        plane = display_set.frames[viewport.frame_index].plane
        if plane is None:
            return None
        x, y, z = (float(value) for value in plane.to_patient((plane.columns - 1) / 2, (plane.rows - 1) / 2))
        return x, y, z

    def _hang(self, first: DisplaySet | None = None, frame: int | None = None) -> None:
        for viewport, (display_set, prior) in zip(
            self.viewports, hanging.hang(self.layout, self.display_sets, self.prior_sets, first=first)
        ):
            self._put(viewport, display_set, frame if display_set is first else None, prior)
        if self.layout.has_mpr:
            self.mpr.use(first or first_to_show(self.display_sets))

    def _put(self, viewport: ViewportState, display_set: DisplaySet | None, frame: int | None, prior: bool) -> None:
        count = display_set.number_of_frames if display_set is not None else 0
        viewport.show(
            display_set, _first_frame(display_set) if frame is None else frame, frame_count=count, prior=prior
        )

    def show(self, display_set: DisplaySet, frame: int | None = None, index: int | None = None) -> None:
        """Put a display set into a viewport (default: the active one; in MPR into all of them)."""
        prior = any(item is display_set for item in self.prior_sets)
        if self.layout.has_mpr:
            for viewport in self.viewports:
                self._put(viewport, display_set, frame, prior)
            self.mpr.use(display_set)
        else:
            self._put(self.viewports[self.active if index is None else index], display_set, frame, prior)

    # -- prior -----------------------------------------------------------------------------------------------------
    def _find_prior(self, ticket: int) -> None:
        study = self.study
        if study is None or not study.patient_id:
            return

        def look(_: Job[Any]) -> tuple[StudyRecord, list[DisplaySet]] | None:
            others = self.services.library.studies_of_patient(study.patient_id, study.issuer_of_patient_id)
            best = hanging.latest_prior(study, others)
            return (best, self.services.display_sets(best.study_instance_uid)) if best is not None else None

        def arrived(found: tuple[StudyRecord, list[DisplaySet]] | None) -> None:
            if found is None:
                return
            self.prior, self.prior_sets = found
            self.studies[self.prior.study_instance_uid] = self.prior
            main = self.viewports[0]
            if not self._touched and not self.layout.has_mpr and main.display_set is not None:
                if len(self.viewports) > 1:
                    self._hang(main.display_set, main.frame_index)
                elif hanging.prior_match(main.display_set, self.prior_sets) is not None:
                    self._compares = True
                    self.set_layout(layout.TWO)
            self.study_changed.emit()

        self._run(
            ticket,
            "Looking for prior studies",
            look,
            arrived,
            lambda error: self.said.emit(_words("Prior studies cannot be listed", error)),
            Priority.COMPUTE,
        )


def _breadth(finding: Finding) -> tuple[bool, float]:
    """Return how much of the patient a finding is about: what a line points at, then small regions, then large ones."""
    volume = finding.volume_ml if finding.volume_ml is not None else float("inf")
    return not finding.graphics, volume if finding.segment is not None else 0.0


def _first_frame(display_set: DisplaySet | None) -> int:
    """Return where a stack begins: in the middle of a volume, at the first image otherwise."""
    if display_set is None or display_set.kind is not DisplaySetKind.VOLUME:
        return 0
    return display_set.number_of_frames // 2


def _words(what: str, error: Exception) -> str:
    why = error.sentence() if isinstance(error, LightboxError) else type(error).__name__
    return f"{what}: {why}"


__all__ = ["Post", "Role", "Services", "ViewerSession"]
