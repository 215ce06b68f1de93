from __future__ import annotations

import pytest

from lightbox.network.peers import Peer
from lightbox.network.preflight import needs, services, vocabulary
from lightbox.network.preflight.declaration import Declaration
from lightbox.network.preflight.needs import Needs
from lightbox.network.preflight.observation import Observation, Observed, ServiceCheck
from lightbox.network.preflight.pairs import Pair
from lightbox.network.preflight.verdicts import (
    ACCEPTED_BUT_UNDECLARED,
    BLOCKED,
    DECLARED_BUT_REFUSED,
    LOSSY_ONLY,
    OK,
    ROLE_REFUSED,
    TRANSCODE,
    UNTESTED,
    VERDICTS,
    Judge,
    Row,
    convertible,
)

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
IMPLICIT, EXPLICIT = vocabulary.IMPLICIT_LE, vocabulary.EXPLICIT_LE
SV1, J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
BASELINE, H264 = "1.2.840.10008.1.2.4.50", "1.2.840.10008.1.2.4.102"
PEER = Peer("archive", "PACS", "127.0.0.1", 104)
PAIR = Pair(CT, EXPLICIT)


def judge(
    pair: Pair = PAIR,
    *,
    declared: bool | None = None,
    needed: bool = False,
    observed: str = "refused",
    others: tuple[str, ...] = (),
    role_refused: bool = False,
    checks: tuple[ServiceCheck, ...] = (),
) -> Row:
    """Judge one pair; `others` are accepted syntaxes of the same class, `declared` None means no declaration at all."""
    seen = Observation({Pair(pair.sop_class, other, pair.role): Observed("accepted") for other in others})
    seen.pairs[pair] = Observed(observed, role_refused=role_refused)  # type: ignore[arg-type]
    seen.services = list(checks)
    declaration = None if declared is None else Declaration((pair,) if declared else (Pair("1.2", "1.2"),), source="s")
    wanted = Needs(("store",), {pair: "3 in the library"} if needed else {}, {pair: 3} if needed else {})
    return Judge(PEER, "LIGHTBOX", declaration, wanted, seen).row(pair)


@pytest.mark.parametrize(
    ("declared", "needed", "observed", "others", "verdict", "failing"),
    [
        (None, False, "accepted", (), ACCEPTED_BUT_UNDECLARED, False),
        (None, True, "accepted", (), OK, False),
        (True, False, "accepted", (), OK, False),
        (True, True, "accepted", (), OK, False),
        (False, True, "accepted", (), ACCEPTED_BUT_UNDECLARED, False),
        (False, False, "accepted", (), ACCEPTED_BUT_UNDECLARED, False),
        (None, False, "refused", (), OK, False),
        (False, False, "refused", (IMPLICIT,), OK, False),
        (True, False, "refused", (), DECLARED_BUT_REFUSED, True),
        (True, True, "refused", (IMPLICIT,), DECLARED_BUT_REFUSED, True),
        (True, True, "refused", (), BLOCKED, True),
        (True, True, "refused", (J2K,), LOSSY_ONLY, True),
        (None, True, "refused", (), BLOCKED, True),
        (None, True, "refused", (IMPLICIT,), TRANSCODE, False),
        (None, True, "refused", (J2K, BASELINE), LOSSY_ONLY, True),
        (None, True, "refused", (J2K, IMPLICIT), TRANSCODE, False),
        # Lightbox does not write these, though they are lossless
        (None, True, "refused", (J2K_LOSSLESS,), BLOCKED, True),
        (None, True, "refused", (SV1, J2K), BLOCKED, True),
        (None, True, "untested", (IMPLICIT,), UNTESTED, False),
        (True, False, "untested", (), UNTESTED, False),
    ],
)
def test_what_follows_from_declared_needed_and_observed(
    declared: bool | None, needed: bool, observed: str, others: tuple[str, ...], verdict: str, failing: bool
) -> None:
    row = judge(declared=declared, needed=needed, observed=observed, others=others)
    assert row.verdict == verdict
    assert row.failing is failing
    assert row.declared is bool(declared)
    assert row.verdict == OK or row.advice


@pytest.mark.parametrize(
    ("held", "others", "verdict", "target"),
    [
        (BASELINE, (IMPLICIT,), TRANSCODE, IMPLICIT),
        (J2K, (EXPLICIT, IMPLICIT), TRANSCODE, EXPLICIT),
        (BASELINE, (J2K,), LOSSY_ONLY, ""),
        (H264, (EXPLICIT, IMPLICIT), BLOCKED, ""),
        ("1.2.840.10008.1.2.8.1", (EXPLICIT,), TRANSCODE, EXPLICIT),
    ],
)
def test_what_is_held_compressed(held: str, others: tuple[str, ...], verdict: str, target: str) -> None:
    row = judge(Pair(CT, held), needed=True, others=others)
    assert (row.verdict, row.convert_to) == (verdict, target)


def test_a_peer_that_sends_may_use_any_lossless_encoding() -> None:
    row = judge(Pair(CT, EXPLICIT, "scu"), needed=True, others=(J2K_LOSSLESS,))
    assert (row.verdict, row.convert_to) == (TRANSCODE, J2K_LOSSLESS)
    assert judge(Pair(CT, EXPLICIT, "scu"), needed=True, others=(J2K,)).verdict == LOSSY_ONLY


def test_only_what_sending_really_converts_counts() -> None:
    assert convertible(J2K_LOSSLESS, IMPLICIT)
    assert not convertible(EXPLICIT, J2K_LOSSLESS)
    assert not convertible(H264, EXPLICIT)
    assert not convertible(EXPLICIT, EXPLICIT)


def test_words_name_what_to_change_and_where() -> None:
    row = judge(needed=True)
    assert "At archive, accept CT Image Storage in Implicit VR Little Endian" in row.advice
    assert "AE LIGHTBOX" in row.advice
    row = judge(needed=True, others=(IMPLICIT,))
    assert "converted to Implicit LE without loss" in row.advice
    assert "enable Explicit VR Little Endian for CT Image at archive" in row.advice
    row = judge(needed=True, others=(J2K,))
    assert "only in J2K" in row.advice
    assert "pixel values would change" in row.advice
    row = judge(declared=True)
    assert "ask the vendor of archive" in row.advice
    row = judge(Pair(CT, EXPLICIT, "scu"), needed=True, role_refused=True)
    assert row.verdict == ROLE_REFUSED
    assert "C-MOVE" in row.advice


def test_services_stand_in_for_each_other() -> None:
    get, move = Pair(services.STUDY_GET, IMPLICIT), Pair(services.STUDY_MOVE, IMPLICIT)
    seen = Observation({get: Observed("refused"), move: Observed("accepted")})
    wanted = Needs(("retrieve",), {get: "x", move: "x"})
    judged = Judge(PEER, "LIGHTBOX", None, wanted, seen)
    assert judged.row(get).verdict == judged.row(move).verdict == OK
    seen.services = [ServiceCheck(services.STUDY_MOVE, "C-MOVE", "denied", "no", "do this")]
    judged = Judge(PEER, "LIGHTBOX", None, wanted, seen)
    assert judged.row(get).verdict == judged.row(move).verdict == BLOCKED
    assert "do this" in judged.row(move).advice
    # Negotiated, but declared and denied: a promise is broken
    declared = Judge(PEER, "LIGHTBOX", Declaration((move,)), Needs(("store",)), seen)
    assert declared.row(move).verdict == DECLARED_BUT_REFUSED


def test_rows_come_worst_first() -> None:
    pairs = [Pair(CT, s) for s in (EXPLICIT, IMPLICIT, J2K)] + [Pair(MR, IMPLICIT), Pair("1.2.9", IMPLICIT)]
    seen = Observation({pair: Observed("refused") for pair in pairs})
    seen.pairs[Pair(CT, IMPLICIT)] = Observed("accepted")
    wanted = Needs(("store",), {pairs[0]: "a", pairs[3]: "b"}, {pairs[0]: 5})
    rows = Judge(PEER, "LIGHTBOX", Declaration((pairs[4],)), wanted, seen).rows(pairs)
    assert [row.verdict for row in rows] == [BLOCKED, DECLARED_BUT_REFUSED, TRANSCODE, ACCEPTED_BUT_UNDECLARED, OK]
    assert sorted(VERDICTS.index(row.verdict) for row in rows) == [VERDICTS.index(row.verdict) for row in rows]


def test_needs_come_from_the_library_the_program_and_the_purposes() -> None:
    found = needs.of([(CT, J2K_LOSSLESS, 7), ("", EXPLICIT, 1)], ("store", "query"))
    assert found.counts == {Pair(CT, J2K_LOSSLESS): 7}
    assert found.reasons[Pair(CT, J2K_LOSSLESS)] == "7 in the library"
    assert Pair(services.STUDY_FIND, IMPLICIT) in found.reasons
    assert Pair(services.STUDY_GET, IMPLICIT) not in found.reasons
    assert not any(pair.role == "scu" for pair in found.reasons)
    assert all(Pair(sop_class, IMPLICIT) in found.reasons for sop_class in needs.PRODUCED)
    found = needs.of([(CT, J2K_LOSSLESS, 7)], ("retrieve", "worklist"))
    assert Pair(CT, J2K_LOSSLESS, "scu") in found.reasons
    assert Pair(CT, J2K_LOSSLESS) not in found.reasons
    assert Pair(services.WORKLIST, IMPLICIT) in found.reasons


def test_all_pairs_are_all_classes_in_all_syntaxes() -> None:
    pairs = set(needs.everything())
    assert len(pairs) > 4_000
    assert all(Pair(CT, syntax.uid) in pairs for syntax in vocabulary.SYNTAXES)
    assert Pair("1.2.840.10008.5.1.4.1.1.481.3", H264) in pairs
