"""Floor 7: the composition root. One `Workstation` opens what a data folder holds; ``ui`` and ``cli`` start here."""

from __future__ import annotations

import threading
from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

from lightbox.core import paths
from lightbox.core.errors import NotFoundError
from lightbox.core.jobs import Job, JobRunner, Priority, Progress
from lightbox.core.settings import Settings
from lightbox.dicom import imports
from lightbox.network.peers import Peer, PeerBook
from lightbox.network.sending.states import QueueSettings

if TYPE_CHECKING:
    from lightbox.findings.model import ResultSet
    from lightbox.library.library import Library
    from lightbox.library.quality.process import QualityWatch
    from lightbox.library.records import StudyRecord
    from lightbox.network.identity import LocalIdentity
    from lightbox.network.querying.prefetch import Fetched
    from lightbox.network.querying.prior_model import Prior
    from lightbox.network.receiving.process import ReceiverProcess
    from lightbox.network.sending.queue import SendQueue
    from lightbox.network.worklist.entries import WorklistEntry
    from lightbox.network.worklist.ian import AvailabilityNotice
    from lightbox.network.worklist.mpps_store import Step
    from lightbox.viewer.display_sets import DisplaySet


class Workstation:
    """Everything behind the screen and the command line, for one data folder.

    What is heavy opens on first use, so that a window can be on screen before it.

    Parameters
    ----------
    home : Path, optional
        The data folder; default as in `lightbox.core.paths.home`.
    """

    def __init__(self, home: Path | None = None) -> None:
        self.home = paths.home(home)
        self.settings = Settings(self.home)
        self.peers = PeerBook(self.settings)
        self.jobs = JobRunner(prepare=imports.ready)
        self._lock = threading.RLock()
        self.telling = threading.Lock()
        """Held while performed procedure steps are told, so that nobody tells one twice at the same time."""
        self._receiver: ReceiverProcess | None = None
        self._quality: QualityWatch | None = None
        self._prefetching: dict[str, Job[list[Fetched]]] = {}
        self._prefetcher: JobRunner | None = None

    @cached_property
    def library(self) -> Library:
        """The local library, opened (and, after a crash, recovered) on first use."""
        from lightbox.library.library import Library

        with self._lock:
            return Library.open(self.home)

    @cached_property
    def send_queue(self) -> SendQueue:
        """The durable queue of what is to be sent; call its ``start`` to have it worked in this process."""
        from lightbox.network.sending.queue import SendQueue

        with self._lock:
            return SendQueue(
                self.home, lambda: self.library, self.peers, lambda: self.identity, QueueSettings.of(self.settings)
            )

    @property
    def identity(self) -> LocalIdentity:
        """How this workstation presents itself on the network."""
        from lightbox.network.identity import LocalIdentity

        return LocalIdentity.of(self.settings)

    @property
    def receiver(self) -> ReceiverProcess | None:
        """The running receiver, or None."""
        return self._receiver

    def start_receiver(self, peer: Peer | None = None) -> ReceiverProcess:
        """Start receiving objects in processes of its own; does nothing when it runs.

        Parameters
        ----------
        peer : Peer, optional
            Listen where this peer reaches us; without it, on the ports of `identity`.
        """
        from lightbox.network.peers import own_identity
        from lightbox.network.receiving.policy import ReceivingPolicy
        from lightbox.network.receiving.process import ReceiverProcess

        with self._lock:
            if self._receiver is None:
                policy = ReceivingPolicy.of(self.settings).knowing(self.peers.all())
                identity = own_identity(peer, self.identity) if peer is not None else self.identity
                receiver = ReceiverProcess(self.home, identity, policy, library=self.library)
                receiver.start()
                self._receiver = receiver
            return self._receiver

    def stop_receiver(self) -> None:
        """Stop receiving; what was acknowledged is in the library."""
        with self._lock:
            if self._receiver is not None:
                self._receiver.stop()
                self._receiver = None

    def watch_quality(self) -> None:
        """Look at the quality of new objects from now on, in the background (a process of its own, of low priority)."""
        from lightbox.library.quality.process import QualityWatch

        with self._lock:
            if self._quality is None:
                self._quality = QualityWatch(self.library, self.home)
                self._quality.start()

    def prefetch_priors(
        self,
        of: str | WorklistEntry,
        *,
        wanted: Callable[[list[Prior]], object] | None = None,
        progress: Callable[[Progress], object] | None = None,
    ) -> Job[list[Fetched]] | None:
        """Fetch the relevant priors of a study that is opened, or of a worklist entry, in the background.

        Parameters
        ----------
        of : str or WorklistEntry
            Study Instance UID of a study of the library, or the entry.
        wanted : callable, optional
            Called with the priors that are about to be fetched (not with those that are here), on the job's thread.
        progress : callable, optional
            Called with the progress of each prior, on the job's thread.

        Returns
        -------
        Job or None
            None when it is switched off, or there are no archives; the same job while one runs for it.
        """
        from lightbox.network.querying.prior_model import Rules

        rules, peers = Rules.of(self.settings), self.peers.all()
        if not rules.enabled or not peers:
            return None
        current = self.study(of) if isinstance(of, str) else of
        key = of if isinstance(of, str) else f"{of.source} {of.accession_number} {of.study_instance_uid}"

        def work(job: Job[list[Fetched]]) -> list[Fetched]:
            from lightbox.network.querying import prefetch, priors
            from lightbox.network.secrets import Secrets

            options: dict[str, Any] = {
                "settings": self.settings,
                "secrets": Secrets(self.home),
                "cancel": job.token,
                "rules": rules,
            }
            found = priors.find(current, peers, self.library, identity=self.identity, **options)
            missing = [prior for prior in found.wanted if not prior.study.here or prior.study.partial]
            if wanted is not None and missing:
                wanted(missing)
            return prefetch.fetch(
                found, peers, self.identity, self.library, home=self.home, progress=progress, **options
            )

        with self._lock:
            running = self._prefetching.get(key)
            if running is not None and not running.finished:
                return running
            if self._prefetcher is None:  # one at a time, and never in the way of what a person waits for
                self._prefetcher = JobRunner(1, "prefetch", prepare=imports.ready)
            job = self._prefetcher.submit("fetch priors", work, Priority.PREFETCH)
            self._prefetching[key] = job
            return job

    def tell_steps(self) -> list[Step]:
        """Tell the worklist systems which procedure steps were performed, as far as they can be reached now.

        Returns
        -------
        list of Step
            Those that are not told yet, or were refused and not looked at; see `Steps.send_waiting`.
        """
        from lightbox.network.worklist.mpps import Steps

        steps = Steps(self.home)
        with self.telling:
            if any(step.waits for step in steps.all()):
                steps.send_waiting(self.peers.all(), self.identity)
            return [step for step in steps.all() if step.open]

    def take_availability(self) -> list[AvailabilityNotice]:
        """Return what archives announced as available while the receiver ran (PS3.4 Annex R); each is told once."""
        from lightbox.network.worklist import ian

        found: list[AvailabilityNotice] = []
        ian.take(self.home, found.append)
        return found

    def study(self, study_uid: str) -> StudyRecord:
        """Return a study of the library.

        Raises
        ------
        NotFoundError
            The library has no such study.
        """
        found = self.library.study(study_uid)
        if found is None:
            raise NotFoundError("The library has no such study", where=study_uid, todo="Import or retrieve it first")
        return found

    def display_sets(self, study_uid: str) -> list[DisplaySet]:
        """Return the display sets of a study of the library, in the order in which they are shown."""
        from lightbox.viewer.display_sets import build

        study = self.study(study_uid)
        series = self.library.series_of(study_uid)
        instances = [item for entry in series for item in self.library.instances_of(entry.series_instance_uid)]
        return build(study, series, instances, self.library.open_object)

    def results(self, study_uid: str) -> list[ResultSet]:
        """Read every SEG and SR of a study of the library."""
        from functools import partial

        from lightbox.dicom.sop_classes import Kind, kind
        from lightbox.findings.reader import read_results

        found = [
            (item.sop_instance_uid, partial(self.library.open_object, item.sop_instance_uid))
            for entry in self.library.series_of(study_uid)
            for item in self.library.instances_of(entry.series_instance_uid)
            if kind(item.sop_class_uid) in (Kind.SEG, Kind.SR)
        ]
        return read_results(found, known=lambda uid: self.library.instance(uid) is not None)

    def close(self) -> None:
        """Stop background work and close the library."""
        self.stop_receiver()
        if self._quality is not None:
            self._quality.close()
        if "send_queue" in self.__dict__:
            self.send_queue.close()
        self.jobs.close()
        if self._prefetcher is not None:
            self._prefetcher.close()
        if "library" in self.__dict__:
            self.library.close()
