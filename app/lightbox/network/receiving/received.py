"""The event that an object arrived."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Received:
    """Event: an object was received, is durable and will be (or was just) acknowledged."""

    sop_instance_uid: str
    sop_class_uid: str
    transfer_syntax_uid: str
    source: str
