"""Examining the way to a peer: name, TCP, TLS, association, echo, query, DICOMweb, our own port, C-MOVE."""

from __future__ import annotations

import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from lightbox.core.jobs import CancelToken
from lightbox.core.settings import Settings
from lightbox.dicom import imports
from lightbox.network.diagnosis import dimse_steps, facts, own_port, steps, transport_steps, web_step
from lightbox.network.diagnosis.facts import PeerFacts
from lightbox.network.diagnosis.steps import FAILED, OK, SKIPPED, WARNING, Diagnosis, Step
from lightbox.network.diagnosis.transport_steps import WAITED, Found, failed, skipped
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, own_identity
from lightbox.network.wire.association import Association

_PLAIN = "Without TLS"


def diagnose(
    peer: Peer,
    identity: LocalIdentity,
    *,
    settings: Settings | None = None,
    home: Path | None = None,
    move_study: str = "",
    progress: Callable[[Step], None] | None = None,
    cancel: CancelToken | None = None,
) -> Diagnosis:
    """Examine a peer. What is wrong with it is part of the result, not an exception. No data of a patient are sent.

    Parameters
    ----------
    peer, identity : Peer, LocalIdentity
        Whom to examine, and who we are.
    settings : Settings, optional
        Where what was found is kept (see `facts`).
    home : Path, optional
        The data folder, for the password of the peer's DICOMweb service.
    move_study : str
        Study Instance UID of which one image is to be sent to us; it is counted and dropped, unless Lightbox receives
        on our port: then it comes into the library.
    progress : callable, optional
        Gets each step as soon as it is done.
    cancel : CancelToken, optional
        Looked at between the steps.

    Raises
    ------
    Cancelled
        `cancel` was cancelled.
    """
    imports.ready()  # loading what reads data sets takes long, and is no fault of the peer
    examination = _Examination(peer, own_identity(peer, identity), home, progress, cancel)
    examination.run(move_study)
    found = Diagnosis(peer.name, examination.steps)
    if settings is not None:
        facts.keep(settings, peer.name, _facts(found, facts.of(settings, peer.name)))
    return found


class _Examination:
    def __init__(
        self,
        peer: Peer,
        identity: LocalIdentity,
        home: Path | None,
        progress: Callable[[Step], None] | None,
        cancel: CancelToken | None,
    ) -> None:
        self.peer = peer
        self.identity = identity
        self.home = home
        self.steps: list[Step] = []
        self._progress = progress
        self._cancel = cancel
        self._association: Association | None = None

    def run(self, move_study: str) -> None:
        """Take every step; what cannot be examined any more is skipped with the reason."""
        peer = self.peer
        addresses: list[tuple[Any, ...]] = []
        connections: list[Any] = []

        def name() -> Found:
            found, resolved = transport_steps.name(peer)
            addresses.extend(resolved)
            return found

        def tcp() -> Found:
            found, sock = transport_steps.tcp(peer, self.identity, addresses)
            connections.append(sock)
            return found

        try:
            allowed = self._take(steps.SETTINGS, lambda: transport_steps.settings(peer))
            reached = self._take(steps.NAME, name) and self._take(steps.TCP, tcp, after=steps.NAME)
            if peer.tls is None:
                self._skip(steps.TLS, _PLAIN)
                secured = True
            elif not (allowed and reached):
                secured = self._skip(steps.TLS, *self._reason())
            else:
                secured = self._take(steps.TLS, lambda: transport_steps.encrypt(peer, connections.pop()))
        finally:
            for sock in connections:
                sock.close()
        try:
            self._dimse(allowed and reached and secured)
            self._web()
            self._own_port()
            self._move(move_study)
        finally:
            if self._association is not None:
                self._association.abort()

    def _dimse(self, reachable: bool) -> None:
        peer, identity = self.peer, self.identity

        def associate() -> Found:
            found, self._association = dimse_steps.associate(peer, identity)
            return found

        if not reachable:
            for name in (steps.ASSOCIATION, steps.ECHO, steps.FIND):
                self._skip(name, *self._reason())
            return
        if not self._take(steps.ASSOCIATION, associate):
            for name in (steps.ECHO, steps.FIND):
                self._skip(name, *self._reason())
            return
        association = self._association
        assert association is not None
        self._take(steps.ECHO, lambda: dimse_steps.echo(peer, association))
        self._take(steps.FIND, lambda: dimse_steps.find(peer, identity, self._open()))

    def _open(self) -> Association:
        """Return an open association: peers that refuse an operation often abort."""
        assert self._association is not None
        if not self._association.is_open:
            self._association = dimse_steps.associate(self.peer, self.identity)[1]
        return self._association

    def _web(self) -> None:
        if self.peer.web is None:
            self._skip(steps.WEB, "No DICOMweb address is set")
            return
        self._take(steps.WEB, lambda: web_step.search(self.peer, self.identity, self.home))

    def _own_port(self) -> None:
        if self.identity.port == 0:
            self._skip(steps.OWN_PORT, "We have no fixed port")
            return

        def examine() -> Found:
            plain = own_port.loopback(self.identity)
            encrypted = own_port.tls_port(self.identity) if plain.state == OK else None
            worse = encrypted if encrypted is not None and encrypted.state != OK else plain
            text = worse.text if encrypted is None or worse is encrypted else f"{worse.text}; {encrypted.text}"
            detail = {"ae_title": self.identity.ae_title, "port": self.identity.port}
            return worse.state, text, worse.why, worse.todo, worse.code, detail

        self._take(steps.OWN_PORT, examine)

    def _move(self, study_uid: str) -> None:
        peer, identity = self.peer, self.identity
        if self._association is None:
            self._skip(steps.MOVE, *self._reason())
            return

        def examine() -> Found:
            if not study_uid:
                association = self._open()
                found = dimse_steps.move(peer, identity, association)
                if found[4] == "move.unknown-destination" and association.context(dimse_steps.STUDY_GET) is not None:
                    return WARNING, f"{found[1]}; C-GET is used instead", *found[2:]
                return found
            port = own_port.check(identity)
            if port.state != OK and port.code != own_port.NOT_LET_IN:
                return FAILED, port.text, port.why, port.todo, port.code, {}
            if not port.free:  # Lightbox itself receives there
                return dimse_steps.move_one(peer, identity, self._open(), study_uid)
            counter = own_port.Counter()
            with own_port.listening(identity, counter):
                found = dimse_steps.move_one(peer, identity, self._open(), study_uid)
            if found[0] == OK and not counter.received:
                return (
                    FAILED,
                    f"{peer.ae_title} sent one image, but not to us",
                    f"It reports success, and nothing arrived on port {identity.port}",
                    dimse_steps.enter_us(peer, identity),
                    "move.elsewhere",
                    {},
                )
            return found

        self._take(steps.MOVE, examine)

    # Steps

    def _take(self, name: str, work: Callable[[], Found], *, after: str = "") -> bool:
        if self._cancel is not None:
            self._cancel.raise_if_cancelled()
        if after and next(step for step in self.steps if step.name == after).state == FAILED:
            return self._skip(name, *self._reason())
        begun = time.perf_counter()
        try:
            state, text, why, todo, code, detail = work()
        except AssociationError as error:
            state, text, why, todo, code, detail = failed(error)
        seconds = time.perf_counter() - begun - detail.pop(WAITED, 0.0)
        self._add(Step(name, state, seconds, text, why, todo, code, detail))
        return state in (OK, WARNING)

    def _skip(self, name: str, text: str, why: str = "") -> bool:
        state, text, why, todo, code, detail = skipped(text, why)
        self._add(Step(name, state, 0.0, text, why, todo, code, detail))
        return False

    def _reason(self) -> tuple[str, str]:
        cause = next((step for step in self.steps if step.state == FAILED), None)
        return "Not examined", f"{cause.name} failed" if cause is not None else ""

    def _add(self, step: Step) -> None:
        self.steps.append(step)
        if self._progress is not None:
            self._progress(step)


def _facts(found: Diagnosis, before: PeerFacts | None) -> PeerFacts:
    before = before or PeerFacts()
    association = found.step(steps.ASSOCIATION)
    encrypted = found.step(steps.TLS)
    met = association.state in (OK, WARNING)
    services = list(association.detail.get("services", [])) if met else []
    for step, service in ((steps.ECHO, "echo"), (steps.FIND, "find"), (steps.MOVE, "move")):
        if found.step(step).state == FAILED and service in services:
            services.remove(service)
    if found.step(steps.WEB).state in (OK, WARNING):
        services.append("dicomweb")
    detail = encrypted.detail
    if encrypted.state == FAILED or (encrypted.state == SKIPPED and encrypted.text != _PLAIN):
        detail = _tls_before(before)
    return PeerFacts(
        facts.now(),
        found.state,
        found.summary(),
        str(association.detail.get("implementation", "")) if met else before.implementation,
        str(association.detail.get("implementation_class_uid", "")) if met else before.implementation_class_uid,
        str(detail.get("version", "")),
        str(detail.get("suite", "")),
        str(detail.get("subject", "")),
        str(detail.get("issuer", "")),
        str(detail.get("not_after", "")),
        str(detail.get("fingerprint", "")),
        detail.get("client_certificate_asked"),
        tuple(services),
    )


def _tls_before(before: PeerFacts) -> dict[str, Any]:
    return {
        "version": before.tls_version,
        "suite": before.tls_suite,
        "subject": before.certificate_subject,
        "issuer": before.certificate_issuer,
        "not_after": before.certificate_end,
        "fingerprint": before.certificate_sha256,
        "client_certificate_asked": before.client_certificate_asked,
    }
