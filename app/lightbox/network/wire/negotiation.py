"""Association negotiation on both sides (PS3.8 7.1, Annex D; PS3.7 D.3.3)."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from lightbox.network import implementation
from lightbox.network.wire.contexts import (
    MAXIMUM_CONTEXTS,
    REFUSED_ABSTRACT_SYNTAX,
    REFUSED_TRANSFER_SYNTAXES,
    Accepted,
    Proposal,
    Proposed,
    Refused,
)
from lightbox.network.wire.pdus import Associate, Context, UserIdentity, UserInformation

if TYPE_CHECKING:
    from lightbox.network.wire.receives import Receives

RELATIONAL = b"\x01"
"""Service-class application information by which an SCU asks for relational queries (PS3.4 C.5.1.1)."""

PERMANENT, TRANSIENT = 1, 2
BY_USER, BY_ACSE, BY_PRESENTATION = 1, 2, 3


def request(
    called: str,
    calling: str,
    proposals: Sequence[Proposal],
    maximum_pdu: int,
    *,
    relational: Collection[str] = (),
    extended: Mapping[str, bytes] | None = None,
    common_extended: Mapping[str, tuple[str, tuple[str, ...]]] | None = None,
    user: UserIdentity | None = None,
) -> Associate:
    """Return the A-ASSOCIATE-RQ for `proposals` (at most 128).

    Role selection is sent only for SOP classes in which we want to be SCP: some peers fail over more items.
    """
    if not 0 < len(proposals) <= MAXIMUM_CONTEXTS:
        raise ValueError(f"1 to {MAXIMUM_CONTEXTS} presentation contexts can be proposed")
    as_scu = {proposal.abstract_syntax for proposal in proposals if not proposal.scp_role}
    roles = {
        proposal.abstract_syntax: (proposal.abstract_syntax in as_scu, True)
        for proposal in proposals
        if proposal.scp_role
    }
    information = dict(extended or {})
    for uid in relational:
        information.setdefault(uid, RELATIONAL)
    contexts = [
        Context(2 * number + 1, proposal.abstract_syntax, tuple(proposal.transfer_syntaxes))
        for number, proposal in enumerate(proposals)
    ]
    ourselves = _ourselves(maximum_pdu, roles, information, user)
    ourselves.common_extended = dict(common_extended or {})
    return Associate(called, calling, contexts, ourselves)


def _ourselves(
    maximum_pdu: int,
    roles: dict[str, tuple[bool, bool]],
    extended: dict[str, bytes],
    user: UserIdentity | None = None,
) -> UserInformation:
    return UserInformation(
        maximum_pdu, implementation.CLASS_UID, implementation.VERSION_NAME, None, roles, extended, {}, user
    )


def outcome(asked: Associate, answer: Associate) -> tuple[list[Accepted], list[Refused]]:
    """Return what an A-ASSOCIATE-AC accepted and refused of `asked`, for the requestor.

    A context counts as accepted only when its transfer syntax is one of those proposed; without a role item in the
    answer the default roles hold: we are SCU only (PS3.7 D.3.3.4).
    """
    answers = {context.id: context for context in answer.contexts}
    accepted: list[Accepted] = []
    refused: list[Refused] = []
    for context in asked.contexts:
        found = answers.get(context.id)
        chosen = found.transfer_syntaxes[0] if found is not None and found.transfer_syntaxes else ""
        if found is None or found.result != 0 or chosen not in context.transfer_syntaxes:
            result = found.result if found is not None and found.result else 2
            refused.append(Refused(context.abstract_syntax, context.transfer_syntaxes, result))
            continue
        scu, scp = True, False
        if context.abstract_syntax in asked.user.roles:
            wanted = asked.user.roles[context.abstract_syntax]
            granted = answer.user.roles.get(context.abstract_syntax)
            if granted is not None:
                scu, scp = wanted[0] and granted[0], wanted[1] and granted[1]
        accepted.append(Accepted(context.id, context.abstract_syntax, chosen, scu, scp))
    return accepted, refused


@dataclass(frozen=True, slots=True)
class AssociationRequest:
    """What an acceptor knows of a peer that asks for an association."""

    calling_ae: str
    called_ae: str
    address: tuple[str, int]
    proposals: tuple[Proposed, ...]
    certificate: dict[str, Any] | None = None
    """The client certificate (as `ssl.SSLSocket.getpeercert`), {} when TLS without one, None without TLS."""
    implementation_class_uid: str = ""
    implementation_version: str = ""
    maximum_pdu: int = 0
    extended: Mapping[str, bytes] = field(default_factory=dict)
    common_extended: Mapping[str, tuple[str, tuple[str, ...]]] = field(default_factory=dict)
    user: UserIdentity | None = None
    tls: Any = None
    """`TlsFacts`, None without TLS."""


@dataclass(frozen=True, slots=True)
class Accept:
    """Accept an association.

    Parameters
    ----------
    contexts : mapping of int to str
        The transfer syntax chosen for each context that is accepted, by its ID.
    refused : mapping of int to int
        Result for others (PS3.8 9.3.3.2); those in neither are refused as "abstract syntax not supported".
    roles : mapping of str to tuple of (bool, bool)
        SOP class -> SCU and SCP role that the requestor is given; only for those for which it proposed roles.
    extended : mapping of str to bytes
        Answers to SOP Class Extended Negotiation.
    receiver : Receives, optional
        For this association in place of the server's.
    identity_answer : bytes, optional
        Server response to user identity negotiation.
    """

    contexts: Mapping[int, str]
    refused: Mapping[int, int] = field(default_factory=dict)
    roles: Mapping[str, tuple[bool, bool]] = field(default_factory=dict)
    extended: Mapping[str, bytes] = field(default_factory=dict)
    receiver: Receives | None = None
    identity_answer: bytes | None = None


@dataclass(frozen=True, slots=True)
class Reject:
    """Refuse an association (PS3.8 9.3.4); the default says "calling AE title not recognised"."""

    result: int = PERMANENT
    source: int = BY_USER
    reason: int = 3


Decision = Accept | Reject

BUSY = Reject(TRANSIENT, BY_PRESENTATION, 2)
"""Above our limit: the peer may try again."""
WRONG_CALLED_TITLE = Reject(PERMANENT, BY_USER, 7)


def accept_by(
    asked: AssociationRequest,
    rule: Callable[[Proposed], str | int],
    *,
    both_roles: Callable[[str], bool] = lambda _: False,
    extended: Mapping[str, bytes] | None = None,
) -> Accept:
    """Return the acceptance in which `rule` gives, for each context, the transfer syntax or the result of refusal.

    `both_roles` says for which SOP classes the requestor gets the roles it proposes (an archive that serves C-GET);
    for others it gets the default, SCU.
    """
    contexts: dict[int, str] = {}
    refused: dict[int, int] = {}
    roles: dict[str, tuple[bool, bool]] = {}
    for proposed in asked.proposals:
        answer = rule(proposed)
        if isinstance(answer, str):
            contexts[proposed.id] = answer
            if both_roles(proposed.abstract_syntax):
                roles[proposed.abstract_syntax] = (proposed.scu_role, proposed.scp_role)
        else:
            refused[proposed.id] = answer
    return Accept(contexts, refused, roles, extended or {})


def supporting(table: Mapping[str, Iterable[str]]) -> Callable[[Proposed], str | int]:
    """Return a rule for `accept_by`: SOP class -> transfer syntaxes that we take; the proposer's order counts."""
    known = {uid: frozenset(syntaxes) for uid, syntaxes in table.items()}

    def rule(proposed: Proposed) -> str | int:
        if proposed.abstract_syntax not in known:
            return REFUSED_ABSTRACT_SYNTAX
        for syntax in proposed.transfer_syntaxes:
            if syntax in known[proposed.abstract_syntax]:
                return syntax
        return REFUSED_TRANSFER_SYNTAXES

    return rule


def proposed_contexts(asked: Associate) -> tuple[Proposed, ...]:
    """Return the presentation contexts of an A-ASSOCIATE-RQ with the roles its sender proposes for itself.

    Contexts with even or repeated IDs are left out: their answers could not be told apart.
    """
    found: dict[int, Proposed] = {}
    for context in asked.contexts:
        if context.id % 2 and context.id not in found and context.abstract_syntax:
            scu, scp = asked.user.roles.get(context.abstract_syntax, (True, False))
            found[context.id] = Proposed(context.id, context.abstract_syntax, context.transfer_syntaxes, scu, scp)
    return tuple(found.values())


def answer(asked: Associate, decision: Accept, maximum_pdu: int) -> tuple[Associate, list[Accepted], list[Refused]]:
    """Return the A-ASSOCIATE-AC for `decision`, and what it means for us, the acceptor."""
    contexts: list[Context] = []
    accepted: list[Accepted] = []
    refused: list[Refused] = []
    proposals = proposed_contexts(asked)
    roles = {uid: role for uid, role in decision.roles.items() if uid in asked.user.roles}
    for proposed in proposals:
        chosen = decision.contexts.get(proposed.id, "")
        fallback = proposed.transfer_syntaxes[:1]
        if not chosen:
            result = decision.refused.get(proposed.id, REFUSED_ABSTRACT_SYNTAX)
            # The transfer syntax of a refused context has no meaning, but must be there (PS3.8 9.3.3.2)
            contexts.append(Context(proposed.id, "", fallback, result))
            refused.append(Refused(proposed.abstract_syntax, proposed.transfer_syntaxes, result))
            continue
        contexts.append(Context(proposed.id, "", (chosen,)))
        scu, scp = roles.get(proposed.abstract_syntax, (True, False))
        accepted.append(Accepted(proposed.id, proposed.abstract_syntax, chosen, as_scu=scp, as_scp=scu))
    for context in asked.contexts:
        if context.id not in {entry.id for entry in contexts}:
            contexts.append(Context(context.id, "", context.transfer_syntaxes[:1], 2))
    information = _ourselves(maximum_pdu, roles, dict(decision.extended))
    information.identity_answer = decision.identity_answer
    if asked.user.operations is not None:
        information.operations = (1, 1)  # one operation at a time (PS3.7 D.3.3.3)
    return (
        Associate(asked.called_ae, asked.calling_ae, contexts, information),
        accepted,
        refused,
    )
