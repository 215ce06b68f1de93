"""New names for patients, UIDs and numbers, and one date offset a patient, all derived from the project key."""

from __future__ import annotations

import base64
from dataclasses import dataclass
from functools import cache

from lightbox.deid.key import ProjectKey

SHIFT_RANGE_DAYS = 3650


@cache
def well_known_uids() -> frozenset[str]:
    """Return the UIDs that the standard itself registers (PS3.6 A); they name no patient's object."""
    from pydicom._uid_dict import UID_dictionary

    return frozenset(UID_dictionary)


@dataclass(frozen=True, slots=True)
class Subject:
    """Whom an object is about.

    Attributes
    ----------
    key : str
        What the patient is recognised by; identifying, never written anywhere.
    pseudonym : str
        New Patient ID, also the first component of the new name.
    shift_days : int
        Days added to every date of this patient; never 0, always into the past.
    """

    key: str
    pseudonym: str
    shift_days: int

    def __repr__(self) -> str:
        return f"Subject({self.pseudonym})"


class Pseudonyms:
    """Derives new names; nothing is stored, so that runs, machines and workers agree.

    Parameters
    ----------
    key : ProjectKey
        The project key.
    prefix : str
        What a patient's pseudonym begins with.
    """

    def __init__(self, key: ProjectKey, prefix: str = "P") -> None:
        self._key = key
        self._prefix = prefix
        self._uids: dict[str, str] = {}

    def subject(self, patient_id: str, issuer: str = "", *, fallback: str = "") -> Subject:
        """Return the subject with `patient_id` as given by `issuer`.

        Parameters
        ----------
        patient_id, issuer : str
            Patient ID (0010,0020) and Issuer of Patient ID (0010,0021), as decoded text.
        fallback : str
            What to go by when the Patient ID is empty (name and birth date, or the study).
        """
        name = f"id|{issuer.strip()}|{patient_id.strip()}" if patient_id.strip() else f"fallback|{fallback}"
        pseudonym = f"{self._prefix}-{self.short('pid', name, 10)}"
        number = int.from_bytes(self._key.derive("shift", name)[:8], "big")
        return Subject(name, pseudonym, -(1 + number % SHIFT_RANGE_DAYS))

    def uid(self, uid: str) -> str:
        """Return the new UID of `uid` (form ``2.25.`` and a 128-bit number, PS3.5 B.2); well-known UIDs stay."""
        found = self._uids.get(uid)
        if found is None:
            if uid in well_known_uids():
                found = uid
            else:
                found = f"2.25.{int.from_bytes(self._key.derive('uid', uid)[:16], 'big')}"
            self._uids[uid] = found
        return found

    def short(self, purpose: str, value: str, length: int) -> str:
        """Return `length` capital letters and digits (base 32) that stand for `value`."""
        return base64.b32encode(self._key.derive(purpose, value)).decode("ascii")[:length]

    def number(self, keyword: str, value: str, length: int) -> str:
        """Return the replacement of an identifying number: the same value gives the same replacement."""
        return self.short(f"number-{keyword}", value.strip(), length)

    def fingerprint(self, value: bytes | memoryview) -> str:
        """Return the keyed hash of an old value for the log (16 hexadecimal digits)."""
        return self._key.derive("log", bytes(value))[:8].hex()
