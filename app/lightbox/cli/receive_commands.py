"""The command ``receive``: listen in the foreground and say what arrives, never whom it is about."""

from __future__ import annotations

import json
import signal
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import click

from lightbox.cli.context import Context, pass_context, say
from lightbox.core.errors import UsageError

if TYPE_CHECKING:
    from lightbox.library.records import ImportReport
    from lightbox.network.identity import LocalIdentity
    from lightbox.network.receiving.events import ReceiverEvent
    from lightbox.network.receiving.policy import Caller, ReceivingPolicy
    from lightbox.network.receiving.received import Received

_TELL_S = 1.0
_QUIET = frozenset({"opened", "closed"})


@click.command(
    epilog="RULE is AE, AE@ADDRESS or @ADDRESS, or sha256:FINGERPRINT of a client certificate; "
    "what such callers may do follows after '=': CT1@10.1.2.3=echo,store"
)
@click.option("--port", type=click.IntRange(0, 65535), help="TCP port (0: any that is free).")
@click.option("--ae", "ae_title", help="Our AE title.")
@click.option("--host", help="Address to listen on.")
@click.option("--tls-port", type=click.IntRange(0, 65535), help="Port on which only TLS is spoken (see `identity`).")
@click.option("--allow", "rules", multiple=True, metavar="RULE", help="Let these callers in (repeatable).")
@click.option("--only-known/--anyone", default=None, help="Turn away callers that neither a rule nor a peer names.")
@click.option("--remember", is_flag=True, help="Keep the rules in the settings.")
@click.option("--until", type=click.IntRange(min=1), help="End after this many objects.")
@click.option("--duration", type=click.FloatRange(min=0, min_open=True), help="End after this many seconds.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON lines to standard output.")
@pass_context
def receive(
    context: Context,
    port: int | None,
    ae_title: str | None,
    host: str | None,
    tls_port: int | None,
    rules: tuple[str, ...],
    only_known: bool | None,
    remember: bool,
    until: int | None,
    duration: float | None,
    as_json: bool,
) -> None:
    """Receive what others send to us, until Ctrl-C."""
    from lightbox.network.receiving.policy import ReceivingPolicy
    from lightbox.network.receiving.process import ReceiverProcess

    workstation = context.workstation
    given = {"port": port, "ae_title": ae_title, "host": host, "tls_port": tls_port}
    identity: LocalIdentity = replace(
        workstation.identity, **{key: value for key, value in given.items() if value is not None}
    )
    policy = _policy(ReceivingPolicy.of(workstation.settings), rules, only_known)
    if remember:
        policy.save(workstation.settings)
    reporter = _Reporter(as_json, until)
    receiver = ReceiverProcess(workstation.home, identity, policy.knowing(workstation.peers.all()))
    receiver.received.connect(reporter.received)
    receiver.ingested.connect(reporter.ingested)
    receiver.event.connect(reporter.event)
    with _asked_to_end():
        try:
            receiver.start()
            reporter.listening(receiver, policy)
            reporter.follow(duration)
        except KeyboardInterrupt:
            say("Ending")
        finally:
            receiver.stop()
    reporter.end()


@contextmanager
def _asked_to_end() -> Iterator[None]:
    """Let Ctrl-C and a request to terminate end the block, also where the program was started with Ctrl-C ignored."""

    def interrupt(*_: object) -> None:
        raise KeyboardInterrupt

    before = {number: signal.signal(number, interrupt) for number in (signal.SIGINT, signal.SIGTERM)}
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)


def _policy(policy: ReceivingPolicy, rules: tuple[str, ...], only_known: bool | None) -> ReceivingPolicy:
    if only_known is not None:
        policy = replace(policy, only_known=only_known)
    return replace(policy, callers=(*(rule_of(text) for text in rules), *policy.callers))


def rule_of(text: str) -> Caller:
    """Return the rule for callers that ``--allow`` spells.

    Raises
    ------
    UsageError
        It makes no sense.
    """
    from lightbox.network.receiving.policy import ANYONE, Caller

    who, separator, what = text.partition("=")
    operations = tuple(word.strip().lower() for word in what.split(",") if word.strip()) if separator else ANYONE
    if who.lower().startswith("sha256:"):
        return Caller(fingerprint=who[len("sha256:") :], operations=operations)
    title, _, host = who.partition("@")
    if not (title or host):
        raise UsageError("A rule names nobody", where=text, todo="Use for example CT1@10.1.2.3=echo,store")
    return Caller(title, host, "", operations)


class _Reporter:
    """Says what arrives: counts by sender, events, and what the library made of it."""

    def __init__(self, as_json: bool, until: int | None) -> None:
        self._as_json = as_json
        self._until = until
        self._lock = threading.Lock()
        self._fresh: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._outcome: Counter[str] = Counter()
        self._enough = threading.Event()

    def listening(self, receiver: Any, policy: ReceivingPolicy) -> None:
        identity = receiver.identity
        if self._as_json:
            ports = {"port": receiver.port, "tls_port": receiver.tls_port}
            self._line("listening", ae_title=identity.ae_title, host=identity.host, **ports)
            return
        secure = f", with TLS on port {receiver.tls_port}" if receiver.tls_port else ""
        who = "known callers only" if policy.only_known else "anyone may send"
        say(f"Receiving as {identity.ae_title} on port {receiver.port}{secure}; {who} (Ctrl-C ends)")

    def follow(self, duration: float | None) -> None:
        """Report until it is over."""
        deadline = time.monotonic() + duration if duration is not None else None
        while not self._enough.is_set():
            left = None if deadline is None else deadline - time.monotonic()
            if left is not None and left <= 0:
                return
            self._enough.wait(_TELL_S if left is None else min(_TELL_S, left))
            self._tell()

    def received(self, event: Received) -> None:
        with self._lock:
            self._fresh[event.source] += 1
            self._totals[event.source] += 1
            if self._until is not None and self._totals.total() >= self._until:
                self._enough.set()

    def ingested(self, report: ImportReport) -> None:
        with self._lock:
            self._outcome["added"] += report.added
            self._outcome["duplicates"] += report.duplicates
            self._outcome["quarantined"] += report.quarantined
            self._outcome["refused"] += len(report.refused) - report.quarantined

    def event(self, event: ReceiverEvent) -> None:
        if self._as_json:
            self._line(**{("event" if key == "kind" else key): value for key, value in event.as_dict().items()})
        elif event.kind not in _QUIET:
            say(event.sentence())

    def _tell(self) -> None:
        with self._lock:
            fresh, self._fresh = self._fresh, Counter()
            total = self._totals.total()
        if not fresh:
            return
        if self._as_json:
            self._line("received", count=fresh.total(), total=total, senders=dict(fresh))
        else:
            parts = [f"{source or 'unnamed'}: {count}" for source, count in sorted(fresh.items())]
            click.echo(f"{', '.join(parts)} ({total} in all)")

    def end(self) -> None:
        """Say what it came to, after everything was brought in."""
        self._tell()
        with self._lock:
            outcome = {name: self._outcome[name] for name in ("added", "duplicates", "quarantined", "refused")}
            total, senders = self._totals.total(), dict(self._totals)
        if self._as_json:
            self._line("ended", received=total, senders=senders, **outcome)
            return
        pieces = [f"{number} {name}" for name, number in outcome.items() if number]
        click.echo(f"{total} objects received{': ' if pieces else ''}{', '.join(pieces)}")

    def _line(self, event: str, **values: Any) -> None:
        with self._lock:
            click.echo(json.dumps({"event": event, **values}, ensure_ascii=False))
