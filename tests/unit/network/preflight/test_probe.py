from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.preflight import needs, services, verdicts, vocabulary
from lightbox.network.preflight.pairs import Pair
from lightbox.network.preflight.probe import BATCH, probe
from lightbox.network.preflight.report import Report
from lightbox.network.preflight.run import preflight
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.commands import Request
from lightbox.network.wire.negotiation import AssociationRequest, Decision, Reject

CT, MR, SEG = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.66.4"
IMPLICIT, EXPLICIT = vocabulary.IMPLICIT_LE, vocabulary.EXPLICIT_LE
J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
BOTH = (IMPLICIT, EXPLICIT)
ARCHIVE: dict[str, tuple[str, ...]] = {
    services.VERIFICATION: BOTH,
    services.STUDY_FIND: BOTH,
    services.STUDY_GET: BOTH,
    services.STUDY_MOVE: BOTH,
    CT: (*BOTH, J2K_LOSSLESS),
    MR: BOTH,
    **dict.fromkeys(needs.PRODUCED, BOTH),
}
Start = Callable[..., Peer]


def row(report: Report, pair: Pair) -> verdicts.Row:
    return next(entry for entry in report.rows if entry.pair == pair)


def test_each_context_has_one_syntax_and_each_association_verification(start: Start, identity: LocalIdentity) -> None:
    seen: list[AssociationRequest] = []
    peer = start(ARCHIVE, decide=lambda asked: seen.append(asked))
    pairs = [Pair(f"1.2.3.{n}", s) for n in range(100) for s in (IMPLICIT, EXPLICIT, J2K)]
    found = probe(peer, identity, pairs)
    assert len(found.pairs) == 300
    assert found.associations == 3
    assert {o.state for o in found.pairs.values()} == {"refused"}
    assert all(len(context.transfer_syntaxes) == 1 for asked in seen for context in asked.proposals)
    for asked in seen[:3]:
        assert any(context.abstract_syntax == services.VERIFICATION for context in asked.proposals)
        assert len(asked.proposals) <= 128
        assert not any(context.scp_role for context in asked.proposals)
    assert len(seen[0].proposals) == BATCH + 1


def test_an_archive_that_has_all(start: Start, identity: LocalIdentity, home: Path) -> None:
    report = preflight(start(ARCHIVE), identity, home, [(CT, J2K_LOSSLESS, 5), (MR, EXPLICIT, 2)])
    assert report.ok, report.summary()
    assert not report.tasks()
    assert row(report, Pair(CT, J2K_LOSSLESS, "scu")).verdict == verdicts.OK
    values = report.as_json()
    assert values["result"] == "ok"
    assert {"sop_class", "transfer_syntax", "role", "declared", "needed", "observed", "verdict"} <= set(
        values["rows"][0]
    )
    assert values["implementation_version"].startswith("LIGHTBOX")


def test_role_refused(start: Start, identity: LocalIdentity, home: Path) -> None:
    peer = start(ARCHIVE, roles=False)
    report = preflight(peer, identity, home, [(CT, EXPLICIT, 5)])
    found = row(report, Pair(CT, EXPLICIT, "scu"))
    assert found.verdict == verdicts.ROLE_REFUSED
    assert found.observed.state == "refused"
    assert "C-GET cannot fetch" in found.advice
    assert "enter AE LIGHTBOX" in found.advice
    assert row(report, Pair(CT, EXPLICIT)).verdict == verdicts.OK
    assert report.ok, "C-MOVE serves"
    peer = start({k: v for k, v in ARCHIVE.items() if k != services.STUDY_MOVE}, roles=False)
    report = preflight(peer, identity, home, [(CT, EXPLICIT, 5)])
    assert row(report, Pair(CT, EXPLICIT, "scu")).failing
    assert not report.ok


def test_without_c_get_sending_is_untested(start: Start, identity: LocalIdentity, home: Path) -> None:
    peer = start({k: v for k, v in ARCHIVE.items() if k != services.STUDY_GET})
    report = preflight(peer, identity, home, [(CT, EXPLICIT, 5)])
    found = row(report, Pair(CT, EXPLICIT, "scu"))
    assert found.verdict == verdicts.UNTESTED
    assert "offers no C-GET" in found.advice
    assert row(report, Pair(services.STUDY_GET, IMPLICIT)).verdict == verdicts.OK
    assert "is used instead" in row(report, Pair(services.STUDY_GET, IMPLICIT)).advice
    assert report.ok


def test_a_query_that_is_aborted_though_it_was_accepted(start: Start, identity: LocalIdentity, home: Path) -> None:
    def abort(association: Association, request: Request) -> None:
        association.abort()

    report = preflight(start(ARCHIVE, services={commands.C_FIND: abort}), identity, home, [])
    found = row(report, Pair(services.STUDY_FIND, IMPLICIT))
    assert (found.observed.state, found.verdict, found.denied) == ("accepted", verdicts.BLOCKED, True)
    assert "the request failed" in found.advice
    assert not report.ok


@pytest.mark.parametrize(
    ("status", "words"),
    [(0xA801, "enter AE LIGHTBOX with the address of this computer"), (0x0124, "Allow Retrieve")],
)
def test_c_move_that_does_not_know_us(
    start: Start, identity: LocalIdentity, home: Path, status: int, words: str
) -> None:
    def refuse(association: Association, request: Request) -> None:
        association.respond(request, status)

    report = preflight(start(ARCHIVE, services={commands.C_MOVE: refuse}), identity, home, [])
    check = next(c for c in report.observation.services if c.sop_class == services.STUDY_MOVE)
    assert check.state == "denied"
    assert words in check.todo
    assert "Meanwhile" in row(report, Pair(services.STUDY_MOVE, IMPLICIT)).advice
    assert report.ok, "C-GET serves"


def test_a_query_that_ignores_its_keys_is_told(start: Start, identity: LocalIdentity, home: Path) -> None:
    from pydicom.dataset import Dataset

    def everything(association: Association, request: Request) -> None:
        found = Dataset()
        found.StudyInstanceUID = "1.2.3"
        association.respond(request, 0xFF00, found)
        association.respond(request, 0x0000)

    report = preflight(start(ARCHIVE, services={commands.C_FIND: everything}), identity, home, [])
    check = next(c for c in report.observation.services if c.sop_class == services.STUDY_FIND)
    assert check.state == "works"
    assert "ignores keys" in check.text


def test_a_peer_that_breaks_over_many_contexts_is_asked_in_smaller_pieces(
    start: Start, identity: LocalIdentity
) -> None:
    def few(asked: AssociationRequest) -> Decision | None:
        if len(asked.proposals) > 40:
            raise RuntimeError("too much for me")
        return None

    peer = start(ARCHIVE, decide=few)
    found = probe(
        peer, identity, [Pair(CT, s.uid) for s in vocabulary.SYNTAXES] + [Pair(f"1.2.{n}", IMPLICIT) for n in range(60)]
    )
    assert found.accepted(CT, "scp") == [EXPLICIT, IMPLICIT, J2K_LOSSLESS]
    assert len(found.pairs) == len(vocabulary.SYNTAXES) + 60
    assert not found.notes


def test_one_pair_that_breaks_the_peer_is_left_untested(start: Start, identity: LocalIdentity, home: Path) -> None:
    def touchy(asked: AssociationRequest) -> Decision | None:
        if any(context.abstract_syntax == SEG for context in asked.proposals):
            raise RuntimeError("segmentation fault")
        return None

    report = preflight(start(ARCHIVE, decide=touchy), identity, home, [(CT, EXPLICIT, 1)])
    assert row(report, Pair(SEG, IMPLICIT)).verdict == verdicts.UNTESTED
    assert "association for it failed" in row(report, Pair(SEG, IMPLICIT)).advice
    assert row(report, Pair(CT, EXPLICIT)).verdict == verdicts.OK
    assert not report.ok, "what is needed and unknown is not ready"
    assert report.observation.notes


def test_a_peer_that_cannot_bear_role_selection_is_not_asked_for_ever(start: Start, identity: LocalIdentity) -> None:
    def no_roles(asked: AssociationRequest) -> Decision | None:
        if any(context.scp_role for context in asked.proposals):
            raise RuntimeError("roles?")
        return None

    pairs = [Pair(CT, s.uid, "scu") for s in vocabulary.SYNTAXES] + [
        Pair(f"1.2.{n}", IMPLICIT, "scu") for n in range(300)
    ]
    found = probe(start(ARCHIVE, decide=no_roles), identity, [*pairs, Pair(CT, IMPLICIT)])
    assert found.accepted(CT, "scp") == [IMPLICIT]
    assert {found.of(pair).state for pair in pairs} == {"untested"}
    assert found.associations < 40


def test_a_busy_peer_is_asked_again(start: Start, identity: LocalIdentity) -> None:
    calls: list[int] = []

    def busy(asked: AssociationRequest) -> Decision | None:
        calls.append(1)
        return Reject(2, 3, 1) if len(calls) == 1 else None

    found = probe(start(ARCHIVE, decide=busy), identity, [Pair(CT, IMPLICIT)])
    assert found.accepted(CT, "scp") == [IMPLICIT]


def test_a_peer_that_refuses_everything_was_reached(start: Start, identity: LocalIdentity) -> None:
    found = probe(start({}), identity, [Pair(CT, IMPLICIT), Pair(services.VERIFICATION, IMPLICIT)])
    assert {o.state for o in found.pairs.values()} == {"refused"}


def test_rejected_and_unreachable_raise(start: Start, identity: LocalIdentity, home: Path) -> None:
    peer = start(ARCHIVE, decide=lambda asked: Reject(1, 1, 3))
    with pytest.raises(AssociationError, match="does not know our AE title LIGHTBOX") as caught:
        preflight(peer, identity, home, [])
    assert caught.value.code == "association.rejected"
    with pytest.raises(AssociationError, match="unknown"):
        preflight(Peer("x", "X", "no-such-host.invalid", 104, plaintext_reason="a test"), identity, home, [])


def test_cancelled_between_associations(start: Start, identity: LocalIdentity) -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        probe(start(ARCHIVE), identity, [Pair(CT, IMPLICIT)], cancel=token)


def test_the_history_tells_what_changed(start: Start, identity: LocalIdentity, home: Path) -> None:
    first = preflight(start(ARCHIVE), identity, home, [(CT, J2K_LOSSLESS, 1)])
    assert first.changed_since is None
    changed = start({**ARCHIVE, CT: BOTH, MR: (*BOTH, J2K)})
    second = preflight(changed, identity, home, [(CT, J2K_LOSSLESS, 1)])
    assert second.changed_since is not None
    assert second.changed_since["date"] == first.at
    flipped = {(r["sop_class"], r["transfer_syntax"], r["role"], r["is"]) for r in second.changed_since["rows"]}
    assert flipped == {
        (CT, J2K_LOSSLESS, "scp", "refused"),
        (CT, J2K_LOSSLESS, "scu", "refused"),
        (MR, J2K, "scp", "accepted"),
    }
    assert "CT Image in J2K lossless: accepted → refused" in second.changed_since["changes"]
