from __future__ import annotations

import random

import pytest
from pynetdicom.pdu import A_ASSOCIATE_AC, A_ASSOCIATE_RQ

from builders import raw_dicom as raw
from lightbox.network.wire import negotiation, pdus
from lightbox.network.wire.contexts import Proposal
from lightbox.network.wire.negotiation import Accept, AssociationRequest, accept_by, supporting
from lightbox.network.wire.pdus import Associate, ProtocolError, UserIdentity

CT, ECHO = raw.CT, raw.ECHO
EXPLICIT, IMPLICIT = "1.2.840.10008.1.2.1", raw.IMPLICIT


def asked() -> Associate:
    return negotiation.request(
        "PACS",
        "LIGHTBOX",
        [Proposal(ECHO), Proposal(CT, (EXPLICIT,), scp_role=True), Proposal(raw.FIND, (IMPLICIT,))],
        65536,
        relational=[raw.FIND],
        common_extended={CT: ("1.2.840.10008.4.2", ("1.2.840.10008.5.1.4.1.1.7", "1.2.3"))},
        user=UserIdentity(2, b"me", b"secret", True),
    )


def round_trip(kind: int, pdu: Associate) -> Associate:
    return pdus.decode_associate(memoryview(pdus.encode_associate(kind, pdu))[6:])


def test_a_request_comes_back_as_it_was() -> None:
    sent = asked()
    assert round_trip(pdus.ASSOCIATE_RQ, sent) == sent


def test_an_independent_decoder_reads_our_request() -> None:
    pdu = A_ASSOCIATE_RQ()
    pdu.decode(pdus.encode_associate(pdus.ASSOCIATE_RQ, asked()))
    assert (pdu.called_ae_title.strip(), pdu.calling_ae_title.strip()) == ("PACS", "LIGHTBOX")
    contexts = pdu.presentation_context
    assert [(c.context_id, c.abstract_syntax, c.transfer_syntax) for c in contexts] == [
        (1, ECHO, [EXPLICIT, IMPLICIT]),
        (3, CT, [EXPLICIT]),
        (5, raw.FIND, [IMPLICIT]),
    ]
    assert pdu.user_information is not None
    user = pdu.user_information
    assert user.maximum_length == 65536
    assert user.implementation_version_name is not None
    assert user.implementation_version_name.startswith("LIGHTBOX")
    assert {uid: (r.scu, r.scp) for uid, r in user.role_selection.items()} == {CT: (False, True)}
    assert [(str(i.uid), i.app_info) for i in user.ext_neg] == [(raw.FIND, b"\x01")]
    [common] = [i for i in user.user_data if i.item_type == 0x57]
    assert [str(uid) for uid in common.related_general_sop_class_identification] == [
        "1.2.840.10008.5.1.4.1.1.7",
        "1.2.3",
    ]
    assert user.user_identity is not None
    assert (user.user_identity.primary, user.user_identity.secondary) == (b"me", b"secret")


def request_of(pdu: Associate) -> AssociationRequest:
    return AssociationRequest(pdu.calling_ae, pdu.called_ae, ("h", 1), negotiation.proposed_contexts(pdu))


def test_an_independent_decoder_reads_our_answer() -> None:
    decision = accept_by(
        request_of(asked()), supporting({ECHO: [IMPLICIT], CT: [IMPLICIT, EXPLICIT]}), both_roles=lambda uid: uid == CT
    )
    answer, accepted, refused = negotiation.answer(asked(), decision, 4096)
    pdu = A_ASSOCIATE_AC()
    pdu.decode(pdus.encode_associate(pdus.ASSOCIATE_AC, answer))
    assert [(c.context_id, c.result, c.transfer_syntax) for c in pdu.presentation_context] == [
        (1, 0, IMPLICIT),
        (3, 0, EXPLICIT),
        (5, 3, IMPLICIT),
    ]
    assert [(c.id, c.as_scu, c.as_scp) for c in accepted] == [(1, False, True), (3, True, False)]
    assert [(r.abstract_syntax, r.result) for r in refused] == [(raw.FIND, 3)]


def test_both_sides_agree_on_what_was_agreed() -> None:
    decision = accept_by(
        request_of(asked()), lambda proposed: proposed.transfer_syntaxes[-1], both_roles=lambda _: True
    )
    answer, theirs, _ = negotiation.answer(asked(), decision, 4096)
    ours, refused = negotiation.outcome(asked(), round_trip(pdus.ASSOCIATE_AC, answer))
    assert not refused
    assert [(c.id, c.transfer_syntax) for c in ours] == [(c.id, c.transfer_syntax) for c in theirs]
    assert [(c.as_scu, c.as_scp) for c in ours] == [(c.as_scp, c.as_scu) for c in theirs]
    assert (ours[1].as_scu, ours[1].as_scp) == (False, True)


def test_a_peer_without_role_items_gives_the_default_role() -> None:
    decision = accept_by(request_of(asked()), lambda proposed: proposed.transfer_syntaxes[0])
    answer, _, _ = negotiation.answer(asked(), decision, 4096)
    ours, _ = negotiation.outcome(asked(), answer)
    assert (ours[1].as_scu, ours[1].as_scp) == (True, False)


def test_a_transfer_syntax_that_nobody_proposed_is_a_refusal() -> None:
    body = raw.associate_ac((1, 0, "1.2.3"), (3, 0, EXPLICIT))
    ours, refused = negotiation.outcome(asked(), pdus.decode_associate(memoryview(body)[6:]))
    assert [c.id for c in ours] == [3]
    assert [r.result for r in refused] == [2, 2]


def test_odd_contexts_are_answered_and_not_used() -> None:
    body = raw.associate_rq((2, ECHO, IMPLICIT), (1, ECHO, IMPLICIT), (1, CT, IMPLICIT))
    pdu = pdus.decode_associate(memoryview(body)[6:])
    answer, accepted, _ = negotiation.answer(pdu, Accept({1: IMPLICIT, 2: IMPLICIT}), 0)
    assert [(c.id, c.abstract_syntax) for c in accepted] == [(1, ECHO)]
    assert sorted((c.id, c.result) for c in answer.contexts) == [(1, 0), (2, 2)]


def test_unknown_items_are_skipped() -> None:
    extra = raw.item(0x77, b"whatever") + raw.item(0x53, b"\x00\x05\x00\x05") + raw.item(0x54, b"\x00\x03abc")
    body = raw.associate_rq((1, ECHO, IMPLICIT), extra=extra)
    pdu = pdus.decode_associate(memoryview(body)[6:])
    assert pdu.user.operations == (5, 5)
    assert pdu.contexts[0].abstract_syntax == ECHO


def test_titles_beyond_ascii() -> None:
    for title in (b"M\xc3\xbcnchen", b"M\xfcnchen"):
        body = raw.associate_rq().replace(b"RAW".ljust(16), title.ljust(16))
        assert pdus.decode_associate(memoryview(body)[6:]).calling_ae == "München"


@pytest.mark.parametrize("seed", range(20))
def test_damaged_requests_raise_nothing_but_protocol_errors(seed: int) -> None:
    source = random.Random(seed)
    whole = pdus.encode_associate(pdus.ASSOCIATE_RQ, asked())[6:]
    for _ in range(300):
        damaged = bytearray(whole[: source.randrange(len(whole))] if source.random() < 0.3 else whole)
        for _ in range(source.randrange(6)):
            if damaged:
                damaged[source.randrange(len(damaged))] = source.randrange(256)
        try:
            pdu = pdus.decode_associate(memoryview(bytes(damaged)))
            decision = accept_by(request_of(pdu), lambda p: p.transfer_syntaxes[0] if p.transfer_syntaxes else 4)
            negotiation.answer(pdu, decision, 0)
        except ProtocolError:
            pass


def test_too_many_proposals() -> None:
    with pytest.raises(ValueError, match="128"):
        negotiation.request("A", "B", [Proposal(ECHO)] * 129, 0)
