"""What the supervisor is told when it starts."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import Any

from lightbox.core.errors import LightboxError
from lightbox.network.identity import LocalIdentity, TlsSettings
from lightbox.network.receiving.policy import ReceivingPolicy


def config_of(home: Path, identity: LocalIdentity, policy: ReceivingPolicy, **more: Any) -> dict[str, Any]:
    """Return the first message for a supervisor, as JSON values."""
    return {"home": str(home), "identity": asdict(identity), "policy": policy.as_dict(), **more}


def identity_of(values: dict[str, Any]) -> LocalIdentity:
    """Return the identity of such a message."""
    tls = values.get("tls")
    return LocalIdentity(**{**values, "tls": TlsSettings.from_json(tls) if tls else None})


def port_unavailable(identity: LocalIdentity, why: str) -> LightboxError:
    """Return the error for a port that cannot be listened on."""
    return LightboxError(
        f"We cannot listen on port {identity.port}",
        where=identity.ae_title,
        why=why,
        todo="Another program, perhaps another Lightbox, may use it: end that one or choose another port",
    )
