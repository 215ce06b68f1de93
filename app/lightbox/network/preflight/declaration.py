"""What the vendor of a peer says that it supports: the declaration, kept per peer."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

from lightbox.core.errors import LightboxError
from lightbox.network.preflight import vocabulary
from lightbox.network.preflight.pairs import SCP, SCU, Pair

WEB_SERVICES = ("qido-rs", "wado-rs", "stow-rs")


@dataclass(frozen=True, slots=True)
class Declaration:
    """What a peer is said to support.

    Parameters
    ----------
    pairs : tuple of Pair
        SOP class x transfer syntax x role of the peer; the services (C-FIND, worklist ...) are SOP classes as well.
    tls : bool, optional
        Whether it is said to speak TLS; None when nothing is said.
    dicomweb : tuple of str, optional
        Which of ``qido-rs``, ``wado-rs``, ``stow-rs`` it is said to serve; None when nothing is said.
    source : str
        Where it comes from: the name of a file, or ``probe`` when the last probe was trusted.
    date : str
        Of the statement, else when it was taken over (ISO 8601).
    who : str
        Who took it over, or who stated it.
    problems : tuple of str
        What could not be read: these lines promise nothing.
    """

    pairs: tuple[Pair, ...]
    tls: bool | None = None
    dicomweb: tuple[str, ...] | None = None
    source: str = ""
    date: str = ""
    who: str = ""
    problems: tuple[str, ...] = ()

    def as_json(self) -> dict[str, Any]:
        """Return it as JSON values: one row for each SOP class and role."""
        rows: dict[tuple[str, str], list[str]] = {}
        for pair in self.pairs:
            rows.setdefault((pair.sop_class, pair.role), []).append(pair.transfer_syntax)
        return {
            "source": self.source,
            "date": self.date,
            "who": self.who,
            "tls": self.tls,
            "dicomweb": None if self.dicomweb is None else list(self.dicomweb),
            "rows": [
                {
                    "sop_class": sop_class,
                    "name": vocabulary.class_name(sop_class),
                    "role": role,
                    "transfer_syntaxes": syntaxes,
                }
                for (sop_class, role), syntaxes in rows.items()
            ],
            "problems": list(self.problems),
        }

    @classmethod
    def from_json(cls, values: dict[str, Any]) -> Declaration:
        """Return the declaration of `as_json`.

        Raises
        ------
        LightboxError
            The values are not of this shape.
        """
        try:
            web = values.get("dicomweb")
            return cls(
                unique(
                    Pair(str(row["sop_class"]), str(syntax), SCU if row.get("role") == SCU else SCP)
                    for row in values["rows"]
                    for syntax in row["transfer_syntaxes"]
                ),
                values.get("tls"),
                None if web is None else tuple(str(name) for name in web),
                str(values.get("source", "")),
                str(values.get("date", "")),
                str(values.get("who", "")),
                tuple(str(text) for text in values.get("problems", ())),
            )
        except (KeyError, TypeError, AttributeError) as error:
            raise LightboxError(
                "The declaration kept for this peer is damaged", why=str(error), todo="Import it again"
            ) from error

    def title(self) -> str:
        """Return where it comes from, in a few words."""
        source = "the last trusted probe" if self.source == "probe" else self.source or "a form"
        return " of ".join(part for part in (source, self.date[:10]) if part)


def unique(pairs: Iterable[Pair]) -> tuple[Pair, ...]:
    """Return `pairs` without repetitions, in their order."""
    return tuple(dict.fromkeys(pairs))
