"""The receiver's supervisor: owns the ports, keeps the workers alive, brings what they committed into the library.

`process.ReceiverProcess` runs it as ``python -m lightbox.network.receiving.supervisor`` and sends the configuration by
standard input. It ends, and its workers with it, when that input does: a receiver never outlives its workstation.
"""

from __future__ import annotations

import logging
import logging.handlers
import os
import queue
import signal
import tempfile
import threading
import time
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any

from lightbox.core import log
from lightbox.core.errors import LightboxError
from lightbox.library.library import Library
from lightbox.library.records import ImportReport, InstancesAdded
from lightbox.library.spool_file import ReadyFile
from lightbox.network.receiving import event_log, sockets, tally
from lightbox.network.receiving.channel import Channel, Closed
from lightbox.network.receiving.child import Child
from lightbox.network.receiving.events import ReceiverEvent, stamped
from lightbox.network.receiving.intake import Intake
from lightbox.network.receiving.policy import ReceivingPolicy

logger = logging.getLogger(__name__)

_START_S = 20.0
_STOP_S = 10.0
_PATIENCE_S = 5.0
_TELL_S = 0.05
"""How long received objects are gathered before the parent is told of them."""
_REFUSALS_TOLD = 100
_SAME_EVENTS = 5
"""Events of one kind from one address that are told in a second; more are counted."""
MODULE = "lightbox.network.receiving.worker"


def workers_for(wanted: int) -> int:
    """Return how many workers to run."""
    return min(wanted or max(2, min(4, os.cpu_count() or 2)), tally.ROWS)


class Supervisor:
    """See the module.

    Parameters
    ----------
    parent : Channel
        To the workstation.
    config : dict
        Its first message.
    messages : iterator of dict
        The others.
    """

    def __init__(self, parent: Channel, config: dict[str, Any], messages: Iterator[dict[str, Any]]) -> None:
        self._parent = parent
        self._messages = messages
        self._config = config
        self._home = Path(config["home"])
        self._policy = ReceivingPolicy.from_json(config["policy"])
        self._inbox: queue.SimpleQueue[tuple[int, Any]] = queue.SimpleQueue()
        self._workers: dict[int, Child] = {}
        self._died: list[float] = []
        self._received: list[list[str]] = []
        self._told_at = 0.0
        self._events: dict[tuple[str, str], list[float]] = {}
        self._suppressed: dict[tuple[str, str], int] = {}
        self._pings: dict[int, tuple[int, set[int]]] = {}
        self._ping = 0
        self._stopping = False
        self._log = _event_log(self._home)
        handle, name = tempfile.mkstemp(prefix="lightbox-receiver-")
        os.close(handle)
        self._tally_path = Path(name)
        tally.make(self._tally_path)
        self._tally = tally.Tally(self._tally_path, 0)
        self._listeners = self._listen()
        self._library = Library.open(self._home)
        self._intake = Intake(self._library, self._ingested, self._not_ingested)

    def _listen(self) -> list[tuple[Any, bool]]:
        identity = self._config["identity"]
        host, port, tls_port = identity["host"], identity["port"], identity.get("tls_port", 0)
        found: list[tuple[Any, bool]] = []
        # The workers of a supervisor that was killed hold its port a moment longer than it
        patience = _PATIENCE_S if self._config.get("again") else 0.0
        if not tls_port or tls_port != port:
            found += [(listener, False) for listener in _listen(host, port, patience)]
        if tls_port or self._config.get("any_tls_port"):
            found += [(listener, True) for listener in _listen(host, tls_port, patience)]
        return found

    def run(self) -> None:
        """Serve until the parent ends."""
        try:
            for row in range(workers_for(self._policy.workers)):
                self._start(row)
            self._await_first()
            self._intake.start()
            ports = {secure: listener.getsockname()[1] for listener, secure in self._listeners}
            pids = [worker.pid for worker in self._workers.values()]
            self._parent.send({"listening": [ports.get(False, 0), ports.get(True, 0)], "workers": pids})
            threading.Thread(target=self._read_parent, name="parent", daemon=True).start()
            self._serve()
        finally:
            self._end()

    def _end(self) -> None:
        self._stopping = True
        for worker in self._workers.values():
            worker.end()
        deadline = time.monotonic() + _STOP_S
        while self._workers and time.monotonic() < deadline:
            try:
                self._take(*self._inbox.get(timeout=0.5))
            except queue.Empty:
                continue
        for worker in self._workers.values():
            worker.kill()
        for listener, _ in self._listeners:
            listener.close()
        if self._intake.started:
            self._intake.close()
        self._tell_received()
        self._library.close()
        self._tally.close()
        self._tally_path.unlink(missing_ok=True)

    # Workers

    def _start(self, row: int) -> None:
        self._tally.clear(row)
        listeners = [listener for listener, _ in self._listeners]
        worker = Child.start(MODULE, sockets.inheritable(listeners))
        shared = [(sockets.share(listener, worker.pid), secure) for listener, secure in self._listeners]
        config = {**self._config, "sockets": shared, "tally": str(self._tally_path), "row": row}
        config["policy"] = self._policy.as_dict()
        self._workers[row] = worker
        worker.send(config)
        threading.Thread(target=self._read_worker, args=(row, worker), name=f"worker-{row}", daemon=True).start()

    def _await_first(self) -> None:
        deadline = time.monotonic() + _START_S
        while time.monotonic() < deadline:
            try:
                row, message = self._inbox.get(timeout=deadline - time.monotonic())
            except queue.Empty:
                break
            if message is not None and "ready" in message:
                return
            if message is not None and "failed" in message:
                what, where, why, todo = message["failed"]
                raise LightboxError(what, where=where, why=why, todo=todo)
            self._take(row, message)
        raise LightboxError("The receiver did not start", why="no receiver process became ready in time")

    def _read_worker(self, row: int, worker: Child) -> None:
        for message in worker.messages():
            self._inbox.put((row, message))
        self._inbox.put((row, None))

    def _read_parent(self) -> None:
        for message in self._messages:
            self._inbox.put((-1, message))
        self._inbox.put((-1, None))

    def _serve(self) -> None:
        while True:
            wait = _TELL_S if self._received else None
            try:
                row, message = self._inbox.get(timeout=wait)
            except queue.Empty:
                self._tell_received()
                continue
            if row < 0:
                if message is None or "stop" in message:
                    return
                self._from_parent(message)
            else:
                self._take(row, message)

    def _take(self, row: int, message: Any) -> None:
        """Deal with a message of a worker; None: it ended."""
        if message is None:
            self._worker_ended(row)
        elif "object" in message:
            path, source, size, checksum = message["object"]
            self._intake.add(ReadyFile(Path(path), source, size, checksum))
            self._received.append(message["received"])
            if time.monotonic() - self._told_at > _TELL_S:
                self._tell_received()
        elif "event" in message:
            self._event(ReceiverEvent.from_json(message["event"]))
        elif "rejected" in message:
            self._tell({"rejected": message["rejected"]})
            self._event(stamped(kind="not-stored", reason=message["rejected"][1]))
        elif "note" in message:
            self._tell(message)
        elif "pong" in message:
            self._pong(message["pong"], row)

    def _worker_ended(self, row: int) -> None:
        worker = self._workers.pop(row)
        code = worker.wait()
        for number in list(self._pings):
            self._pong(number, row)
        if self._stopping:
            return
        logger.error("a receiver process ended with code %s and is started again", code)
        self._event(stamped(kind="ended-early", code=f"worker {code}"))
        self._intake.sweep()
        now = time.monotonic()
        self._died = [moment for moment in self._died if now - moment < 10] + [now]
        if len(self._died) > 2 * workers_for(self._policy.workers):
            time.sleep(1.0)  # it dies whenever it starts: do not burn the processor
        self._start(row)

    # The parent

    def _from_parent(self, message: dict[str, Any]) -> None:
        if "flush" in message:
            # What a worker announced before its pong has been read when the pong is
            self._ping += 1
            self._pings[self._ping] = (message["flush"], set(self._workers))
            for row, worker in list(self._workers.items()):
                if not worker.try_send({"ping": self._ping}):
                    self._pong(self._ping, row)
        elif "policy" in message:
            self._policy = ReceivingPolicy.from_json(message["policy"])
            for worker in self._workers.values():
                worker.try_send({"policy": message["policy"]})

    def _pong(self, number: int, row: int) -> None:
        if number not in self._pings:
            return
        answer, waiting = self._pings[number]
        waiting.discard(row)
        if not waiting:
            del self._pings[number]
            self._tell_received()
            self._intake.flush(partial(self._tell, {"flushed": answer}))

    def _tell(self, message: dict[str, Any]) -> None:
        try:
            self._parent.send(message)
        except Closed:
            self._inbox.put((-1, None))

    def _tell_received(self) -> None:
        self._told_at = time.monotonic()
        if self._received:
            received, self._received = self._received, []
            self._tell({"received": received})

    def _ingested(self, reports: list[ImportReport], added: list[InstancesAdded]) -> None:
        refused = [entry for report in reports for entry in report.refused]
        self._tell(
            {
                "ingested": {
                    "added": sum(report.added for report in reports),
                    "duplicates": sum(report.duplicates for report in reports),
                    "quarantined": sum(report.quarantined for report in reports),
                    "refused": [[entry.path, entry.reason, entry.code] for entry in refused[:_REFUSALS_TOLD]],
                    "studies": sorted({uid for report in reports for uid in report.study_uids}),
                },
                "new": [
                    sorted({uid for event in added for uid in event.study_uids}),
                    sorted({uid for event in added for uid in event.series_uids}),
                    sum(event.count for event in added),
                ],
            }
        )

    def _not_ingested(self, error: Exception) -> None:
        self._inbox.put((0, {"event": stamped(kind="not-ingested", code=type(error).__name__).as_dict()}))

    def _event(self, event: ReceiverEvent) -> None:
        """Log an event and tell the parent; a flood of the same is counted, not told one by one."""
        key = (event.kind, event.address)
        now = time.monotonic()
        recent = [moment for moment in self._events.get(key, ()) if now - moment < 1.0]
        if len(recent) >= _SAME_EVENTS:
            self._suppressed[key] = self._suppressed.get(key, 0) + 1
            return
        if len(self._events) > 1000:
            self._events.clear()
        self._events[key] = [*recent, now]
        count = 1 + self._suppressed.pop(key, 0)
        values = {**event.as_dict(), "count": count}
        self._log.info("%s", event_log.line(event, count))
        self._tell({"event": values})


def _listen(host: str, port: int, patience: float) -> list[Any]:
    deadline = time.monotonic() + patience
    while True:
        try:
            return sockets.listen(host, port)
        except OSError:
            if time.monotonic() >= deadline:
                raise
            time.sleep(0.05)


def _event_log(home: Path) -> logging.Logger:
    folder = home / "network"
    folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    handler = logging.handlers.RotatingFileHandler(
        folder / event_log.FILE, maxBytes=1_000_000, backupCount=3, encoding="ascii", errors="replace", delay=True
    )
    handler.setFormatter(logging.Formatter("%(message)s"))
    events = logging.getLogger(f"{__name__}.events")
    events.setLevel(logging.INFO)
    events.propagate = False
    events.handlers = [handler]
    return events


def main() -> None:
    """Run until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started us: it closes our input
    log.set_up()
    parent = Channel.of_standard_streams()
    messages = parent.messages()
    config = next(messages, None)
    if config is None:
        return
    try:
        supervisor = Supervisor(parent, config, messages)
        supervisor.run()
    except LightboxError as error:
        parent.send({"failed": [error.what, error.where, error.why, error.todo]})
    except OSError as error:
        parent.send({"unavailable": error.strerror or type(error).__name__})
    else:
        parent.send({"stopped": True})


if __name__ == "__main__":
    try:
        main()
    except Closed:
        os._exit(1)
