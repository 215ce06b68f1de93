"""A receiver process: serves associations on sockets that it shares with others, and writes objects to its own spool.

Nothing is decoded or indexed here. The supervisor runs it as ``python -m lightbox.network.receiving.worker`` and sends
the configuration by standard input; the process ends when that input does.
"""

from __future__ import annotations

import errno
import os
import shutil
import signal
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightbox.core import log
from lightbox.core.errors import LightboxError
from lightbox.library.spool import Spool
from lightbox.network.identity import TlsSettings
from lightbox.network.receiving import accepting, answering, sockets
from lightbox.network.receiving.channel import Channel, Closed
from lightbox.network.receiving.configuration import identity_of
from lightbox.network.receiving.events import ReceiverEvent, clean_title, stamped
from lightbox.network.receiving.incoming import OUT_OF_RESOURCES, IncomingObject, is_out_of_space
from lightbox.network.receiving.notes import Inbox
from lightbox.network.receiving.policy import ReceivingPolicy
from lightbox.network.receiving.received import Received
from lightbox.network.receiving.tally import Tally
from lightbox.network.wire.negotiation import BUSY, AssociationRequest, Decision, Reject
from lightbox.network.wire.server import Event, Server
from lightbox.network.wire.transport import Stalled

_LOOK_S = 1.0
"""How often the free space of the disk is asked for."""
_LOOKS = 16
"""It is asked for, too, whenever this part of the reserve was written."""


class SlowObject(IncomingObject):
    """An object that is given up when it comes too slowly: a trickle of bytes would hold an association for ever.

    So is one for which there is no room any more.
    """

    def __init__(self, *arguments: Any, slowest: int, period: float, has_room: Callable[[int], bool]) -> None:
        self._has_room = has_room
        self._slowest = slowest
        self._period = period
        self._since = time.monotonic()
        self._bytes = 0
        super().__init__(*arguments)

    def write(self, chunk: bytes | memoryview) -> None:
        """Append encoded bytes.

        Raises
        ------
        Stalled
            Too few came in the last seconds.
        """
        if self.failure is None and not self._has_room(len(chunk)):
            self._failed(_no_room())
        IncomingObject.write(self, chunk)
        self._bytes += len(chunk)
        now = time.monotonic()
        if now - self._since >= self._period:
            if self._bytes < self._slowest * (now - self._since):
                raise Stalled
            self._since, self._bytes = now, 0


def _no_room() -> OSError:
    return OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


class SpoolReceiver:
    """Takes objects into the spool of this process and tells the supervisor of each."""

    def __init__(self, home: Path, channel: Channel, policy: ReceivingPolicy) -> None:
        self.policy = policy
        self.spool = Spool.of(home, announce=lambda _: None)
        self._channel = channel
        self._looked_at = 0.0
        self._since_look = 0
        self._full = False

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> IncomingObject:
        """Begin an object; `source` is the AE title of the sender."""
        event = Received(sop_instance_uid, sop_class_uid, transfer_syntax_uid, source)
        policy = self.policy
        return SlowObject(
            event,
            lambda: self._start(source),
            slowest=policy.slowest,
            period=policy.idle,
            has_room=self._has_room,
        )

    def _has_room(self, count: int) -> bool:
        """Whether `count` more bytes leave the reserve of the disk alone; the index needs room, too."""
        reserve = self.policy.reserve
        if not reserve:
            return True
        self._since_look += count
        now = time.monotonic()
        if now - self._looked_at > _LOOK_S or self._since_look > reserve // _LOOKS:
            self._full = shutil.disk_usage(self.spool.library_root).free < reserve
            self._looked_at, self._since_look = now, 0
        return not self._full

    def _start(self, source: str) -> Any:
        if not self._has_room(0):
            raise _no_room()
        return self.spool.writer(source)

    def finish(self, incoming: IncomingObject) -> int:
        """Make an object durable, announce it, and return the status for the C-STORE response (PS3.4 B.2.3).

        The supervisor hears of it a moment later, together with others. Should this process end before that, the object
        is found in its spool.
        """
        incoming.commit()
        event, ready = incoming.event, incoming.ready
        try:
            if ready is None:
                full = incoming.failure is not None and is_out_of_space(incoming.failure)
                self._channel.post({"rejected": [event.sop_instance_uid, "out-of-space" if full else "in-the-way"]})
            else:
                name = [str(ready.path), ready.source, ready.size, ready.checksum]
                uids = [event.sop_instance_uid, event.sop_class_uid, event.transfer_syntax_uid, event.source]
                self._channel.post({"object": name, "received": uids})
        except Closed:  # it lies in the spool, but we end now: the sender shall send it again to whoever follows
            return OUT_OF_RESOURCES
        return incoming.status()


class Worker:
    """What one worker serves.

    Parameters
    ----------
    channel : Channel
        To the supervisor.
    config : dict
        Its first message.
    """

    def __init__(self, channel: Channel, config: dict[str, Any]) -> None:
        home = Path(config["home"])
        self._channel = channel
        self._identity = identity_of(config["identity"])
        self._policy = ReceivingPolicy.from_json(config["policy"])
        self._tally = Tally(Path(config["tally"]), config["row"])
        self._receiver = SpoolReceiver(home, channel, self._policy)
        self._reasons: dict[tuple[str, int], str] = {}
        self._open: set[tuple[str, int]] = set()
        self._lock = threading.Lock()
        services = answering.services(Inbox(home), lambda note: channel.send({"note": note.to_json()}))
        self._servers = [
            Server(
                ("", 0),
                self._identity,
                negotiate=self._negotiate,
                services=services,
                receiver=self._receiver,
                limits=accepting.limits(self._policy),
                log=self._log,
                sock=listener,
                tls=self._tls() if secure else None,
            )
            for listener, secure in sockets.receive(config["sockets"])
        ]

    def _tls(self) -> Any:
        from lightbox.network import tls

        return tls.server_context(self._identity.tls or TlsSettings())

    def start(self) -> None:
        """Begin to serve."""
        self._receiver.spool.folder()
        for server in self._servers:
            server.start()

    def change(self, policy: ReceivingPolicy) -> None:
        """Use another policy from the next association on."""
        self._policy = self._receiver.policy = policy
        for server in self._servers:
            server.limits = accepting.limits(policy)

    def stop(self) -> None:
        """End associations; what was committed stays in the spool for the supervisor."""
        for server in self._servers:
            server.stop()

    def _negotiate(self, asked: AssociationRequest) -> Decision:
        decision, reason = accepting.decide(self._policy, self._identity.ae_title, asked)
        address = asked.address[0]
        if not isinstance(decision, Reject) and (
            self._tally.total() >= self._policy.associations
            or self._tally.from_address(address) >= self._policy.per_address
        ):
            decision, reason = BUSY, "busy"
        if reason:
            with self._lock:
                self._reasons[asked.address] = reason
        return decision

    def _log(self, event: Event) -> None:
        with self._lock:
            reason = self._reasons.pop(event.address, "")
            if event.kind == "opened":
                self._open.add(event.address)
                self._tally.opened(event.address[0])
            elif event.address in self._open:
                self._open.discard(event.address)
                self._tally.ended(event.address[0])
        if event.kind == "rejected" and event.code == "2/3/2":
            reason = reason or "busy"
        self._tell(
            stamped(
                kind=event.kind,
                code=event.code,
                address=event.address[0],
                calling_ae=clean_title(event.calling_ae),
                called_ae=clean_title(event.called_ae),
                reason=reason,
                received=event.received,
                seconds=round(event.seconds, 3),
            )
        )

    def _tell(self, event: ReceiverEvent) -> None:
        try:
            self._channel.send({"event": event.as_dict()})
        except Closed:
            return  # this process ends at once


def main() -> None:
    """Run until standard input ends."""
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # Ctrl-C is for whoever started the supervisor
    log.set_up()
    channel = Channel.of_standard_streams()
    messages = channel.messages()
    config = next(messages, None)
    if config is None:
        return
    try:
        worker = Worker(channel, config)
        worker.start()
        channel.send({"ready": os.getpid()})
    except (LightboxError, OSError) as error:
        told = error if isinstance(error, LightboxError) else LightboxError("A receiver process failed", why=str(error))
        channel.send({"failed": [told.what, told.where, told.why, told.todo]})
        return
    for message in messages:
        if "policy" in message:
            worker.change(ReceivingPolicy.from_json(message["policy"]))
        elif "ping" in message:
            channel.send({"pong": message["ping"]})
    # Told to end, or the supervisor is gone: either way nothing may be acknowledged that nobody would hear of
    worker.stop()
    channel.close_writing()


if __name__ == "__main__":
    try:
        main()
    except Closed:
        os._exit(1)
