"""Errors of the network room. Importing this module loads no network library."""

from __future__ import annotations

from lightbox.core.errors import LightboxError


class AssociationError(LightboxError):
    """A peer could not be reached, or refused or broke off the association.

    Parameters
    ----------
    what, where, why, todo : str
        As `LightboxError`.
    step : str
        How far it came: ``"name resolution"``, ``"TCP connection"``, ``"association"`` or ``"operation"``.
    code : str
        Stable and machine readable, for example ``"tcp.refused"`` or ``"association.rejected"``.
    """

    def __init__(
        self, what: str, *, where: str = "", why: str = "", todo: str = "", step: str = "", code: str = ""
    ) -> None:
        super().__init__(what, where=where, why=why, todo=todo)
        self.step = step
        self.code = code


class DimseError(LightboxError):
    """A peer answered an operation with a failure status (PS3.7 Annex C).

    Parameters
    ----------
    what, where, why, todo : str
        As `LightboxError`.
    status : int
        The status code of the response.
    """

    def __init__(self, what: str, *, where: str = "", why: str = "", todo: str = "", status: int = 0) -> None:
        super().__init__(what, where=where, why=why, todo=todo)
        self.status = status
