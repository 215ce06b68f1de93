"""Decide on an association request by the policy (PS3.8 9.3.2 to 9.3.4)."""

from __future__ import annotations

from lightbox.network.receiving import notes, services
from lightbox.network.receiving.policy import ECHO, NOTIFY, STORE, ReceivingPolicy
from lightbox.network.wire.contexts import REFUSED_ABSTRACT_SYNTAX, REFUSED_BY_USER, REFUSED_TRANSFER_SYNTAXES, Proposed
from lightbox.network.wire.negotiation import WRONG_CALLED_TITLE, AssociationRequest, Decision, Reject, accept_by
from lightbox.network.wire.server import Limits

UNKNOWN_CALLER = Reject()
"""Calling AE title not recognised (PS3.8 9.3.4: 1, 1, 3)."""

CERTIFICATE, CALLER, CALLED = "certificate-not-allowed", "caller-not-allowed", "wrong-called-ae"


def decide(policy: ReceivingPolicy, own_title: str, asked: AssociationRequest) -> tuple[Decision, str]:
    """Return the decision, and when it is a rejection its reason: `CERTIFICATE`, `CALLER` or `CALLED`.

    What a caller may not do is refused context by context as "user rejection", so that it can do the rest.
    """
    if policy.check_called and asked.called_ae.strip() != own_title.strip():
        return WRONG_CALLED_TITLE, CALLED
    fingerprint = str(getattr(asked.tls, "fingerprint", "") or "")
    address = asked.address[0]
    allowed = policy.operations(asked.calling_ae, address, fingerprint)
    if allowed is None:
        lacks = policy.lacks_certificate(asked.calling_ae, address)
        return UNKNOWN_CALLER, CERTIFICATE if lacks else CALLER

    def rule(proposed: Proposed) -> str | int:
        operation = _operation(proposed.abstract_syntax)
        if operation is None:
            return REFUSED_ABSTRACT_SYNTAX
        if operation not in allowed:
            return REFUSED_BY_USER
        if operation == STORE:
            return services.best_syntax(proposed.transfer_syntaxes) or REFUSED_TRANSFER_SYNTAXES
        usable = [uid for uid in proposed.transfer_syntaxes if uid in services.NATIVE]
        return usable[0] if usable else REFUSED_TRANSFER_SYNTAXES

    # A commitment report comes from the SCP of the service, which therefore proposes the roles the other way round
    return accept_by(asked, rule, both_roles=notes.CLASSES.__contains__), ""


def limits(policy: ReceivingPolicy) -> Limits:
    """Return the limits of a server that keeps to `policy`."""
    return Limits(
        associations=policy.associations,
        per_address=policy.per_address,
        connections=policy.associations,
        negotiation=policy.negotiation,
        idle=policy.idle,
        object=policy.largest_object,
    )


def _operation(sop_class_uid: str) -> str | None:
    if sop_class_uid == services.VERIFICATION:
        return ECHO
    if sop_class_uid in notes.CLASSES:
        return NOTIFY
    return STORE if services.is_storage(sop_class_uid) else None
