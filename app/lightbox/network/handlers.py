"""pynetdicom event handlers that storage SCP, C-GET and the archive share."""

from __future__ import annotations

from typing import Any

from pynetdicom import evt
from pynetdicom.presentation import PresentationContext, build_context

from lightbox.network import contexts
from lightbox.network.messages import incoming_of
from lightbox.network.stack import LightboxAssociation

VERIFICATION = "1.2.840.10008.1.1"
_NO_DATA_SET = 0xC000


def accept_storage(*services: PresentationContext) -> Any:
    """Return a handler of EVT_REQUESTED that accepts verification, `services`, and every storage class proposed."""

    def negotiate(event: Any) -> None:
        association: LightboxAssociation = event.assoc
        request = association.requestor.primitive
        proposed = request.presentation_context_definition_list if request is not None else []
        association.acceptor.supported_contexts = [
            build_context(VERIFICATION, list(contexts.LITTLE_ENDIAN)),
            *services,
            *contexts.acceptable(proposed),
        ]

    return negotiate


def store(event: Any) -> int:
    """Answer a C-STORE request whose data set has streamed into the receiver of its association."""
    association: LightboxAssociation = event.assoc
    incoming = incoming_of(event.request)
    if association.receiver is None or incoming is None:
        return _NO_DATA_SET
    return association.receiver.finish(incoming)


STORE = (evt.EVT_C_STORE, store)
