"""What to do about what happened at our port."""

from __future__ import annotations

from lightbox.network.receiving.events import ReceiverEvent

_BY_REASON = {
    "certificate-not-allowed": "If it has a new certificate, enter its fingerprint among the callers above.",
    "caller-not-allowed": "If it may send to us, add it to the callers above.",
    "wrong-called-ae": "At the sender, enter our AE title as it stands above.",
    "busy": "The sender tries again by itself; if it does not get through, see what holds so many connections.",
    "out-of-space": "Make room on the disk of this computer; the sender sends again.",
    "in-the-way": "See the log of Lightbox; the sender still has the objects.",
    "tls.no-client-certificate": "At the sender, set up a certificate and key of its own.",
    "tls.untrusted": "Add the authority of its certificate to the trusted authorities above, if you trust it.",
    "tls.expired": "The sender needs a new certificate.",
    "tls.not-yet-valid": "Compare the clocks of both computers.",
    "tls.purpose": "The sender needs a certificate that is made for clients.",
    "tls.old-version": "Switch TLS 1.2 or later on at the sender.",
    "tls.no-common-suite": "Allow current cipher suites at the sender (BCP 195).",
    "tls.our-certificate-refused": "Give the sender the authority that issued our certificate.",
    "tls.closed": "Give the sender the authority that issued our certificate.",
    "tls.timeout": "See whether the sender is overloaded, or the network loses packets.",
}
_BY_KIND = {
    "rejected": "Compare AE titles and the callers above with the settings of the sender.",
    "aborted": "The log of the sender says why; it sends again what was not acknowledged.",
    "lost": "The sender sends again what was not acknowledged; see whether the network is stable.",
    "timeout": "See whether the sender hangs; it sends again what was not acknowledged.",
    "too-large": "If such objects are expected, raise largest_object under network.receiving in the settings file.",
    "protocol-error": "See what it is: perhaps a scanner of the network, or another program with a wrong port.",
    "plaintext-on-tls": "Switch TLS on at the sender, or let it use our port without TLS.",
    "tls-on-plaintext": "Let the sender use our TLS port.",
    "tls-failed": "Compare certificates and TLS versions of both sides.",
    "silent": "See what it is: perhaps monitoring, or a scanner of the network.",
    "crowded": "See what holds so many connections open without using them.",
    "failed": "See the log of Lightbox; the sender still has the objects.",
    "not-stored": "See the log of Lightbox; the sender was told and still has the object.",
    "not-ingested": "Nothing to do: they are brought in as soon as the library takes them.",
    "ended-early": "Nothing to do once; if it happens again, see the log of Lightbox.",
}


def advice(event: ReceiverEvent) -> str:
    """Return what a person can do about `event`, in one sentence."""
    return _BY_REASON.get(event.reason) or _BY_REASON.get(event.code) or _BY_KIND.get(event.kind, "")
