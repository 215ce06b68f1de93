"""Receiving in processes of its own, as the workstation sees it. Nothing of the network is imported here."""

from __future__ import annotations

import logging
import threading
import time
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from psygnal import EmitLoopError, Signal, SignalInstance

from lightbox.core.errors import LightboxError
from lightbox.library.records import ImportReport, InstancesAdded, Refusal
from lightbox.network.identity import LocalIdentity
from lightbox.network.receiving import running
from lightbox.network.receiving.channel import Closed
from lightbox.network.receiving.child import Child
from lightbox.network.receiving.events import ReceiverEvent, stamped
from lightbox.network.receiving.notes import Note
from lightbox.network.receiving.policy import ReceivingPolicy
from lightbox.network.receiving.received import Received

if TYPE_CHECKING:
    from lightbox.library.library import Library

logger = logging.getLogger(__name__)

_MODULE = "lightbox.network.receiving.supervisor"
_START_S, _STOP_S, _FLUSH_S = 60.0, 30.0, 60.0
_PAUSES_S = (0.1, 1.0, 5.0, 15.0)
"""Before a receiver that ended by itself is started again."""
_HEALTHY_S = 30.0
_MOST_KEPT = 10_000
_WHY = {"out-of-space": "the disk of this computer is full", "in-the-way": "it could not be stored on this computer"}


class ReceiverProcess:
    """Listens on our port in processes of its own and puts what comes into the library.

    Parameters
    ----------
    home : Path
        The data folder.
    identity : LocalIdentity
        AE title, address, ports; port 0 takes a free one. With `LocalIdentity.only_tls` nothing but TLS is spoken.
    policy : ReceivingPolicy, optional
        Whom to let in.
    library : Library, optional
        The library of `home` as this process has it open: it is told what was added.
    any_tls_port : bool
        Whether to listen with TLS on a free port when ``identity.tls_port`` is 0.
    """

    received = Signal(Received)
    """For each object, once it is durable. All signals are emitted on the thread that reads from the processes."""

    ingested = Signal(object)
    """With the `ImportReport` of one or more batches, once they are in the library."""

    event = Signal(ReceiverEvent)
    """What happened at our port."""

    notes = Signal(Note)
    """A request for a service was kept; see `notes.Inbox`."""

    def __init__(
        self,
        home: Path,
        identity: LocalIdentity,
        policy: ReceivingPolicy | None = None,
        *,
        library: Library | None = None,
        any_tls_port: bool = False,
    ) -> None:
        self.home = home
        self.identity = identity
        self.library = library
        self._policy = policy or ReceivingPolicy()
        self._any_tls_port = any_tls_port
        self._lock = threading.RLock()
        self._child: Child | None = None
        self._thread: threading.Thread | None = None
        self._ports = (0, 0)
        self._begun = 0.0
        self._started = threading.Event()
        self._failure: LightboxError | None = None
        self._stopping = threading.Event()
        self._flushes: dict[int, threading.Event] = {}
        self._flush = 0
        self.worker_pids: list[int] = []
        """Process IDs of the workers as they were when it started to listen."""
        self.rejected: dict[str, str] = {}
        """Reasons by SOP Instance UID of objects that could not be stored."""
        self.refused: list[Refusal] = []
        """Objects that are durable but that the library did not take."""

    @property
    def receiver(self) -> ReceiverProcess:
        """What `storage_scp.StorageScp` has as ``receiver``: ``rejected``, ``refused`` and `flush`."""
        return self

    @property
    def port(self) -> int:
        """The port it listens on, 0 when it does not."""
        return self._ports[0]

    @property
    def tls_port(self) -> int:
        """The port on which it speaks TLS, 0 without."""
        return self._ports[1]

    @property
    def running(self) -> bool:
        """Whether it listens."""
        return self._ports != (0, 0)

    @property
    def pid(self) -> int:
        """Process ID of the supervisor, 0 when none runs."""
        child = self._child
        return child.pid if child is not None else 0

    @property
    def policy(self) -> ReceivingPolicy:
        """Whom it lets in; a new one counts from the next association on."""
        return self._policy

    @policy.setter
    def policy(self, policy: ReceivingPolicy) -> None:
        with self._lock:
            self._policy = policy
            if self._child is not None:
                self._child.try_send({"policy": policy.as_dict()})

    def start(self) -> None:
        """Begin to listen; returns when it does. Does nothing when it listens already.

        Raises
        ------
        LightboxError
            The port is in use or not allowed, the TLS settings are wrong, or the processes cannot be started.
        """
        with self._lock:
            if self._thread is not None:
                return
            self._stopping.clear()
            self._started.clear()
            self._failure = None
            self._launch(self.identity)
            self._thread = threading.Thread(target=self._follow, name="receiver-events", daemon=True)
            self._thread.start()
        if not self._started.wait(_START_S):
            self._failure = LightboxError("The receiver did not start", why="it gave no sign in time")
        if self._failure is not None:
            failure = self._failure
            self.stop()
            raise failure
        for port in filter(None, self._ports):
            running.enter(port, self)

    def stop(self) -> None:
        """Stop listening, end associations, and bring what was acknowledged into the library."""
        with self._lock:
            thread, self._thread = self._thread, None
            if thread is None:
                return
            self._stopping.set()
            for port in filter(None, self._ports):
                running.leave(port)
            if self._child is not None:
                self._child.end()
        if thread is not threading.current_thread():
            thread.join(_STOP_S)
            if thread.is_alive() and self._child is not None:
                self._child.kill()
                thread.join()
        self._ports = (0, 0)

    def flush(self) -> None:
        """Wait until everything that was acknowledged before is in the library (or was refused by it)."""
        with self._lock:
            child = self._child
            self._flush += 1
            number, done = self._flush, threading.Event()
            self._flushes[number] = done
        if child is None or not child.try_send({"flush": number}):
            self._flushes.pop(number, None)
            return
        if not done.wait(_FLUSH_S):
            logger.warning("received objects were not brought into the library in time")
        self._flushes.pop(number, None)

    def __enter__(self) -> ReceiverProcess:
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        self.stop()

    def _launch(self, identity: LocalIdentity, *, again: bool = False) -> None:
        from lightbox.network.receiving.configuration import config_of

        try:
            child = Child.start(_MODULE)
            child.send(config_of(self.home, identity, self._policy, any_tls_port=self._any_tls_port, again=again))
        except (OSError, Closed) as error:
            why = getattr(error, "strerror", "") or type(error).__name__
            raise LightboxError("The receiver could not be started", why=why) from error
        self._child = child
        self._begun = time.monotonic()

    def _follow(self) -> None:
        """Read from the processes; start them again when they end by themselves."""
        failures = 0
        while True:
            child = self._child
            assert child is not None
            for message in child.messages():
                self._take(message)
            code = child.wait()
            self._release_waiting()
            if self._stopping.is_set() or self._failure is not None or not self._started.is_set():
                if self._failure is None and not self._started.is_set():
                    self._failure = LightboxError("The receiver did not start", why=f"it ended with code {code}")
                self._started.set()
                return
            logger.error("the receiver ended with code %s and is started again", code)
            _tell(self.event, stamped(kind="ended-early", code=f"receiver {code}"))
            failures = failures + 1 if time.monotonic() - self._begun < _HEALTHY_S else 1
            if not self._again(failures):
                return

    def _again(self, failures: int) -> bool:
        # On the same ports: others know them
        identity = replace(self.identity, port=self.port or self.tls_port, tls_port=self.tls_port)
        while not self._stopping.wait(_PAUSES_S[min(failures, len(_PAUSES_S)) - 1]):
            with self._lock:
                if self._stopping.is_set():
                    return False
                try:
                    self._launch(identity, again=True)
                except LightboxError as error:
                    logger.error("the receiver cannot be started again: %s", error.why)
                    failures += 1
                    continue
            return True
        return False

    def _release_waiting(self) -> None:
        for done in list(self._flushes.values()):
            done.set()

    def _take(self, message: dict[str, Any]) -> None:
        if "received" in message:
            for uids in message["received"]:
                _tell(self.received, Received(*uids))
                self.rejected.pop(uids[0], None)
        elif "ingested" in message:
            self._ingested(message["ingested"], message["new"])
        elif "event" in message:
            _tell(self.event, ReceiverEvent.from_json(message["event"]))
        elif "flushed" in message:
            done = self._flushes.get(message["flushed"])
            if done is not None:
                done.set()
        elif "rejected" in message:
            uid, reason = message["rejected"]
            if len(self.rejected) < _MOST_KEPT:
                self.rejected[uid] = _WHY.get(reason) or str(reason)
        elif "note" in message:
            _tell(self.notes, Note.from_json(message["note"]))
        elif "listening" in message:
            plain, secure = message["listening"]
            self._ports = (plain, secure)
            self.worker_pids = message["workers"]
            self._started.set()
        elif "failed" in message or "unavailable" in message:
            self._not_started(message)

    def _not_started(self, message: dict[str, Any]) -> None:
        from lightbox.network.receiving.configuration import port_unavailable

        if "unavailable" in message:
            error = port_unavailable(self.identity, message["unavailable"])
        else:
            what, where, why, todo = message["failed"]
            error = LightboxError(what, where=where, why=why, todo=todo)
        if not self._started.is_set():
            self._failure = error
        else:
            logger.error("the receiver cannot be started again: %s", error.why)

    def _ingested(self, values: dict[str, Any], new: list[Any]) -> None:
        refused = [Refusal(*entry) for entry in values["refused"]]
        self.refused = [*self.refused, *refused][-_MOST_KEPT:]
        report = ImportReport(
            values["added"], values["duplicates"], values["quarantined"], refused, [], set(values["studies"])
        )
        studies, series, count = new
        library = self.library
        if library is not None and count:
            _tell(library.instances_added, InstancesAdded(frozenset(studies), frozenset(series), count))
            _tell(library.changed)
        _tell(self.ingested, report)


def _tell(signal: SignalInstance, *values: Any) -> None:
    """Emit; a listener that fails must not end the thread that reads."""
    try:
        signal.emit(*values)
    except EmitLoopError as error:
        logger.warning("a listener failed: %s", type(error.__cause__ or error).__name__)
