"""Presentation contexts as plain data (PS3.8 9.3.2.2, 9.3.3.2)."""

from __future__ import annotations

from typing import NamedTuple

MAXIMUM_CONTEXTS = 128
"""Presentation context IDs are the odd numbers from 1 to 255."""

VERIFICATION = "1.2.840.10008.1.1"
IMPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2"
EXPLICIT_LITTLE_ENDIAN = "1.2.840.10008.1.2.1"

REFUSED_BY_USER, REFUSED_NO_REASON, REFUSED_ABSTRACT_SYNTAX, REFUSED_TRANSFER_SYNTAXES = 1, 2, 3, 4


class Proposal(NamedTuple):
    """What a requestor proposes in one presentation context.

    ``scp_role`` asks to act as SCP of the SOP class (C-GET: we receive on our own association; PS3.7 D.3.3.4).
    """

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...] = (EXPLICIT_LITTLE_ENDIAN, IMPLICIT_LITTLE_ENDIAN)
    scp_role: bool = False


class Accepted(NamedTuple):
    """An accepted presentation context; ``as_scu`` and ``as_scp`` say what *we* may do in it."""

    id: int
    abstract_syntax: str
    transfer_syntax: str
    as_scu: bool = True
    as_scp: bool = False


class Refused(NamedTuple):
    """A refused one; `result`: 1 user, 2 no reason, 3 abstract syntax, 4 transfer syntaxes (not to be relied on)."""

    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    result: int


class Proposed(NamedTuple):
    """A presentation context as an acceptor sees it; the roles are what the requestor proposes for itself."""

    id: int
    abstract_syntax: str
    transfer_syntaxes: tuple[str, ...]
    scu_role: bool = True
    scp_role: bool = False
