"""A pre-flight from beginning to end: declared, needed, observed, judged, compared with the last one, kept."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core import clock
from lightbox.core.jobs import CancelToken
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, is_loopback, own_identity
from lightbox.network.preflight import changes, needs, services, web_checks
from lightbox.network.preflight.declaration import Declaration
from lightbox.network.preflight.observation import Observation
from lightbox.network.preflight.pairs import SCP, Pair
from lightbox.network.preflight.probe import Report as Progress
from lightbox.network.preflight.probe import probe
from lightbox.network.preflight.report import Finding, Report
from lightbox.network.preflight.store import PeerFiles
from lightbox.network.preflight.verdicts import Judge

if TYPE_CHECKING:
    from lightbox.network.secrets import Secrets


def preflight(
    peer: Peer,
    identity: LocalIdentity,
    home: Path,
    encodings: Iterable[tuple[str, str, int]],
    *,
    everything: bool = False,
    round_trip: bool = False,
    secrets: Secrets | None = None,
    cancel: CancelToken | None = None,
    progress: Progress | None = None,
) -> Report:
    """Check a peer before it is relied on, and keep the report in its history.

    Parameters
    ----------
    peer, identity : Peer, LocalIdentity
        Whom to check, and the identity of this workstation (the peer may know us under one of its own).
    home : Path
        The data folder: declarations, purposes and history lie there.
    encodings : iterable of (str, str, int)
        What the library holds (`Library.encodings`).
    everything : bool
        Probe every storage class in every usual transfer syntax, not only what is needed, declared or basic.
    round_trip : bool
        Also store invented objects at the peer, fetch them again and compare them (`round_trip.run`).
    secrets : Secrets, optional
        Password or token for DICOMweb.
    cancel, progress : optional
        Stops it; gets (pairs done, all pairs).

    Raises
    ------
    AssociationError
        The peer cannot be reached, or rejects us altogether: then there is no report.
    Cancelled
        `cancel` was cancelled.
    """
    own = own_identity(peer, identity)
    files = PeerFiles(home, peer)
    declaration = files.declaration()
    held = list(encodings)
    purposes = files.purposes() + (("commitment",) if peer.commitment == "always" else ())
    wanted = needs.of(held, services.purposes(purposes))
    pairs: list[Pair] = [*wanted.reasons, *(declaration.pairs if declaration is not None else ())]
    pairs += needs.alternatives(pairs)
    pairs += needs.everything() if everything else needs.basic()
    pairs = list(dict.fromkeys(pairs))
    seen = probe(peer, own, pairs, cancel=cancel, progress=progress)
    if peer.web is not None:
        seen.web = web_checks.run(peer, own, secrets, cancel)
    rows = Judge(peer, own.ae_title, declaration, wanted, seen).rows(pairs)
    report = Report(peer, own, clock.stamp(), rows, declaration, wanted, seen, findings(peer, declaration, seen))
    if round_trip:
        from lightbox.network.preflight import round_trip as trip

        outcome = trip.run(peer, own, report, cancel=cancel)
        report.round_trip = outcome.as_json()
        report.findings += outcome.findings()
    report.changed_since = changes.since(files.last_report(), report.as_json(full=False))
    files.keep_report(report.as_json(full=False))
    return report


def findings(peer: Peer, declaration: Declaration | None, seen: Observation) -> list[Finding]:
    """Judge TLS and DICOMweb."""
    found = [_tls(peer, declaration, seen)]
    declared = declaration.dicomweb if declaration is not None else None
    for entry in seen.web or ():
        name, state = str(entry["name"]), str(entry["state"])
        text = f"{name}: {entry['text']}"
        promised = declared is not None and name.casefold() in declared
        if state == "works":
            if declared is not None and not promised:
                found.append(Finding("DICOMweb", "warning", f"{text}; it is not declared", ""))
            else:
                found.append(Finding("DICOMweb", "ok", text))
        elif state == "refused" and not promised:
            found.append(Finding("DICOMweb", "warning", text, "DIMSE is used instead"))
        else:
            note = f"{text}; it is declared" if promised else text
            found.append(Finding("DICOMweb", "failed", note, str(entry["todo"])))
    if declared and peer.web is None:
        names = ", ".join(name.upper() for name in declared)
        found.append(
            Finding(
                "DICOMweb", "warning", f"{names} declared, not tested", "Enter its address: peers add ... --dicomweb"
            )
        )
    return found


def _tls(peer: Peer, declaration: Declaration | None, seen: Observation) -> Finding:
    promised = declaration.tls if declaration is not None else None
    facts = seen.tls
    if facts is not None:
        text = f"{facts['version']}, {facts['suite']}"
        if facts.get("not_after"):
            text += f", certificate until {str(facts['not_after'])[:10]}"
        if facts.get("ends_soon"):
            days = facts.get("days_left")
            return Finding(
                "TLS", "warning", text, f"The certificate of {peer.name} ends in {days} days: renew it there"
            )
        return Finding("TLS", "ok", text)
    if promised:
        todo = f"The declaration says that {peer.name} speaks TLS: enter TLS for this peer"
        return Finding("TLS", "warning", "Not encrypted although TLS is declared", todo)
    if is_loopback(peer.host):
        return Finding("TLS", "ok", "Not encrypted; the peer is on this computer")
    if peer.plaintext_reason:
        return Finding("TLS", "ok", f"Not encrypted, because: {peer.plaintext_reason}")
    todo = "Enter TLS for this peer, or state why plaintext is acceptable"
    return Finding("TLS", "warning", "Not encrypted: anyone on the way can read and change what is sent", todo)


def needed_classes(report: Report) -> list[str]:
    """Return the SOP classes that we need to store at the peer, in the order of the report."""
    return list(dict.fromkeys(row.pair.sop_class for row in report.rows if row.needed and row.pair.role == SCP))
