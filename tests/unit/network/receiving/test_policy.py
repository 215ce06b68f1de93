from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from pydicom._uid_dict import UID_dictionary

from lightbox.core.errors import UsageError
from lightbox.core.settings import Settings
from lightbox.network import contexts
from lightbox.network.receiving import accepting, notes, services
from lightbox.network.receiving.policy import ANYONE, ECHO, FIND, STORE, Caller, ReceivingPolicy
from lightbox.network.wire.contexts import Proposed
from lightbox.network.wire.negotiation import Accept, AssociationRequest, Reject

CT = "1.2.840.10008.5.1.4.1.1.2"
EXPLICIT, IMPLICIT = services.NATIVE
LOSSY = "1.2.840.10008.1.2.4.50"
PRINT = "ab" * 32


def test_anyone_may_echo_and_store_by_default() -> None:
    policy = ReceivingPolicy()
    assert policy.operations("WHOEVER", "192.0.2.1") == set(ANYONE)
    assert ReceivingPolicy(only_known=True).operations("WHOEVER", "192.0.2.1") is None


@pytest.mark.parametrize(
    ("caller", "title", "address", "fingerprint", "matches"),
    [
        (Caller("CT1"), "CT1", "192.0.2.1", "", True),
        (Caller("CT1"), "CT1 ", "192.0.2.1", "", True),
        (Caller("CT1"), "ct1", "192.0.2.1", "", False),
        (Caller(host="192.0.2.1"), "ANY", "192.0.2.1", "", True),
        (Caller(host="192.0.2.0/24"), "ANY", "192.0.2.77", "", True),
        (Caller(host="192.0.2.0/24"), "ANY", "::ffff:192.0.2.77", "", True),
        (Caller(host="192.0.2.0/24"), "ANY", "198.51.100.1", "", False),
        (Caller(host="fe80::/10"), "ANY", "fe80::1%eth0", "", True),
        (Caller("CT1", "192.0.2.1"), "CT1", "198.51.100.1", "", False),
        (Caller(fingerprint=PRINT.upper()), "ANY", "192.0.2.1", PRINT, True),
        (Caller("CT1", fingerprint=PRINT), "CT1", "192.0.2.1", "", False),
        (Caller("CT1", fingerprint=PRINT), "CT1", "192.0.2.1", "cd" * 32, False),
    ],
)
def test_rules(caller: Caller, title: str, address: str, fingerprint: str, matches: bool) -> None:
    assert caller.matches(title, address, fingerprint) is matches
    policy = ReceivingPolicy(only_known=True, callers=(caller,))
    assert (policy.operations(title, address, fingerprint) is not None) is matches


def test_the_first_rule_counts_even_where_anyone_is_let_in() -> None:
    policy = ReceivingPolicy(callers=(Caller("LOUD", operations=(ECHO,)), Caller(host="192.0.2.0/24", operations=())))
    assert policy.operations("LOUD", "192.0.2.5") == {ECHO}
    assert policy.operations("OTHER", "192.0.2.5") == set()
    assert policy.operations("OTHER", "198.51.100.1") == set(ANYONE)


@pytest.mark.parametrize(
    "values",
    [
        {},
        {"host": "archive.example"},
        {"ae_title": "A" * 17},
        {"fingerprint": "12:34"},
        {"ae_title": "X", "operations": ("fly",)},
    ],
)
def test_nonsense_is_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Caller(**values)


@pytest.mark.parametrize("values", [{"associations": 0}, {"idle": 0}, {"reserve": -1}])
def test_nonsensical_limits_are_refused(values: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        ReceivingPolicy(**values)


def test_it_is_kept_in_the_settings(home: Any) -> None:
    policy = ReceivingPolicy(only_known=True, callers=(Caller("CT1", "192.0.2.1", PRINT, (STORE,)),), idle=5)
    policy.save(Settings(home))
    assert ReceivingPolicy.of(Settings(home)) == policy
    assert ReceivingPolicy.from_json({"only_known": True, "of_a_later_version": 1}) == ReceivingPolicy(only_known=True)


def test_storage_classes_are_those_of_the_dictionary() -> None:
    wrong = [
        uid
        for uid, (name, kind, *_) in UID_dictionary.items()
        if kind in ("SOP Class", "Meta SOP Class", "Service Class") and name
        if services.is_storage(uid) != (kind == "SOP Class" and contexts.is_storage_class(uid))
    ]
    assert wrong == []


def test_private_and_unknown_classes_are_storage() -> None:
    assert services.is_storage("1.3.6.1.4.1.55555.7.7")
    assert services.is_storage("1.2.840.10008.5.1.4.1.1.999.9")
    assert services.is_storage("1.2.840.10008.5.1.4.34.7")
    assert not services.is_storage("")


def request(*proposals: Proposed, called: str = "LIGHTBOX", fingerprint: str | None = None) -> AssociationRequest:
    facts = SimpleNamespace(fingerprint=fingerprint) if fingerprint is not None else None
    return AssociationRequest("CT1", called, ("192.0.2.1", 4000), proposals, tls=facts)


def test_what_is_accepted() -> None:
    proposals = (
        Proposed(1, services.VERIFICATION, (IMPLICIT,)),
        Proposed(3, CT, (LOSSY, EXPLICIT)),
        Proposed(5, CT, (LOSSY,)),
        Proposed(7, "1.3.6.1.4.1.55555.7.7", ("1.3.6.1.4.1.55555.8",)),
        Proposed(9, "1.2.840.10008.5.1.4.1.2.2.1", (IMPLICIT,)),
        Proposed(11, notes.STORAGE_COMMITMENT, (IMPLICIT,), False, True),
        Proposed(13, services.VERIFICATION, (LOSSY,)),
        Proposed(15, CT, ()),
    )
    decision, reason = accepting.decide(ReceivingPolicy(), "LIGHTBOX", request(*proposals))
    assert isinstance(decision, Accept)
    assert not reason
    assert decision.contexts == {1: IMPLICIT, 3: EXPLICIT, 5: LOSSY, 7: "1.3.6.1.4.1.55555.8", 11: IMPLICIT}
    assert decision.refused == {9: 3, 13: 4, 15: 4}
    assert decision.roles == {notes.STORAGE_COMMITMENT: (False, True)}


def test_what_is_not_allowed_is_refused_context_by_context() -> None:
    policy = ReceivingPolicy(callers=(Caller("CT1", operations=(ECHO, FIND)),))
    proposals = (Proposed(1, services.VERIFICATION, (IMPLICIT,)), Proposed(3, CT, (EXPLICIT,)))
    decision, _ = accepting.decide(policy, "LIGHTBOX", request(*proposals))
    assert isinstance(decision, Accept)
    assert (decision.contexts, decision.refused) == ({1: IMPLICIT}, {3: 1})


def test_rejections_say_what_is_wrong() -> None:
    ct = Proposed(1, CT, (EXPLICIT,))
    known = ReceivingPolicy(only_known=True, callers=(Caller("MR1"),))
    assert accepting.decide(known, "LIGHTBOX", request(ct)) == (Reject(1, 1, 3), accepting.CALLER)
    certified = ReceivingPolicy(only_known=True, callers=(Caller("CT1", fingerprint=PRINT),))
    assert accepting.decide(certified, "LIGHTBOX", request(ct))[1] == accepting.CERTIFICATE
    assert accepting.decide(certified, "LIGHTBOX", request(ct, fingerprint="cd" * 32))[1] == accepting.CERTIFICATE
    assert isinstance(accepting.decide(certified, "LIGHTBOX", request(ct, fingerprint=PRINT))[0], Accept)
    called = ReceivingPolicy(check_called=True)
    assert accepting.decide(called, "LIGHTBOX", request(ct, called="OTHER")) == (Reject(1, 1, 7), accepting.CALLED)
    assert isinstance(accepting.decide(called, "LIGHTBOX", request(ct))[0], Accept)
