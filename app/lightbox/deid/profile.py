"""Profiles: the Basic Profile of PS3.15 Annex E with options, and the presets that are offered."""

from __future__ import annotations

import hashlib
import json
from dataclasses import asdict, dataclass
from enum import Enum

from lightbox.core.errors import UsageError


class Option(Enum):
    """Options of PS3.15 E.3; the value is the name of the column in ``resources/deid/e1-1.json``."""

    RETAIN_SAFE_PRIVATE = "RetainSafePrivate"
    RETAIN_UIDS = "RetainUIDs"
    RETAIN_DEVICE_IDENTITY = "RetainDeviceIdentity"
    RETAIN_INSTITUTION_IDENTITY = "RetainInstitutionIdentity"
    RETAIN_PATIENT_CHARACTERISTICS = "RetainPatientCharacteristics"
    RETAIN_FULL_DATES = "RetainLongitudinalFullDates"
    RETAIN_MODIFIED_DATES = "RetainLongitudinalModifiedDates"
    CLEAN_DESCRIPTORS = "CleanDescriptors"
    CLEAN_STRUCTURED_CONTENT = "CleanStructuredContent"
    CLEAN_GRAPHICS = "CleanGraphics"
    CLEAN_PIXEL_DATA = "CleanPixelData"
    CLEAN_RECOGNIZABLE_VISUAL_FEATURES = "CleanRecognizableVisualFeatures"

    @property
    def title(self) -> str:
        """Name for people."""
        return TITLES[self]

    @property
    def explanation(self) -> str:
        """What the option does, in one sentence."""
        return EXPLANATIONS.get(self, "")


BASIC_CODE = ("113100", "Basic Application Confidentiality Profile")
CODES: dict[Option, tuple[str, str]] = {
    Option.CLEAN_PIXEL_DATA: ("113101", "Clean Pixel Data Option"),
    Option.CLEAN_RECOGNIZABLE_VISUAL_FEATURES: ("113102", "Clean Recognizable Visual Features Option"),
    Option.CLEAN_GRAPHICS: ("113103", "Clean Graphics Option"),
    Option.CLEAN_STRUCTURED_CONTENT: ("113104", "Clean Structured Content Option"),
    Option.CLEAN_DESCRIPTORS: ("113105", "Clean Descriptors Option"),
    Option.RETAIN_FULL_DATES: ("113106", "Retain Longitudinal Temporal Information Full Dates Option"),
    Option.RETAIN_MODIFIED_DATES: ("113107", "Retain Longitudinal Temporal Information Modified Dates Option"),
    Option.RETAIN_PATIENT_CHARACTERISTICS: ("113108", "Retain Patient Characteristics Option"),
    Option.RETAIN_DEVICE_IDENTITY: ("113109", "Retain Device Identity Option"),
    Option.RETAIN_UIDS: ("113110", "Retain UIDs Option"),
    Option.RETAIN_SAFE_PRIVATE: ("113111", "Retain Safe Private Option"),
    Option.RETAIN_INSTITUTION_IDENTITY: ("113112", "Retain Institution Identity Option"),
}
"""De-identification Method code (DCM, PS3.16 CID 7050) and meaning of each option."""

TITLES = {option: meaning.removesuffix(" Option") for option, (_, meaning) in CODES.items()}
EXPLANATIONS = {
    Option.RETAIN_MODIFIED_DATES: "Every date of a patient is moved by the same secret number of days; "
    "times and intervals stay.",
    Option.CLEAN_DESCRIPTORS: "Descriptions keep the words that radiology uses; "
    "names, numbers and everything unknown are taken out.",
    Option.CLEAN_STRUCTURED_CONTENT: "Structured reports keep their measurements and codes; "
    "names are replaced, texts cleaned, dates and references mapped.",
}

IMPLEMENTED = frozenset((Option.RETAIN_MODIFIED_DATES, Option.CLEAN_DESCRIPTORS, Option.CLEAN_STRUCTURED_CONTENT))
"""Options that the engine carries out; a profile with any other is refused."""


@dataclass(frozen=True, slots=True)
class Profile:
    """What to do: the Basic Profile plus `options`.

    Parameters
    ----------
    name : str
        Name of the preset, or ``custom``.
    options : frozenset of Option
        Options of PS3.15 E.3, all of them implemented.
    title, description : str
        For people.
    pseudonym_prefix : str
        Capital letters and digits before the hyphen of a patient's pseudonym.

    Raises
    ------
    UsageError
        An option is not implemented, or two contradict each other.
    """

    name: str = "custom"
    options: frozenset[Option] = frozenset()
    title: str = ""
    description: str = ""
    pseudonym_prefix: str = "P"

    def __post_init__(self) -> None:
        missing = self.options - IMPLEMENTED
        if missing:
            raise UsageError(
                "The profile cannot be used",
                where=self.name,
                why="not available in this version: " + ", ".join(sorted(option.title for option in missing)),
            )
        prefix = self.pseudonym_prefix
        if not (prefix.isascii() and prefix.isalnum() and prefix == prefix.upper() and 1 <= len(prefix) <= 16):
            raise UsageError("The prefix of pseudonyms must be 1 to 16 capital letters and digits", where=prefix)

    def has(self, option: Option) -> bool:
        """Whether `option` is chosen."""
        return option in self.options

    def with_options(self, *options: Option) -> Profile:
        """Return a custom profile with `options` added."""
        return Profile("custom", self.options | set(options), "Custom", "", self.pseudonym_prefix)

    def codes(self) -> list[tuple[str, str]]:
        """Return code value and meaning of the profile and its options, in order of code."""
        return [BASIC_CODE, *sorted(CODES[option] for option in self.options)]

    def digest(self) -> str:
        """Return the SHA-256 of everything that decides what the profile does."""
        content = {**asdict(self), "options": sorted(option.value for option in self.options)}
        content = {key: content[key] for key in ("options", "pseudonym_prefix")}
        return hashlib.sha256(json.dumps(content, sort_keys=True).encode()).hexdigest()


PRESETS = {
    profile.name: profile
    for profile in (
        Profile(
            "basic",
            title="Basic",
            description="PS3.15 Basic Profile: all identifiers, dates, descriptions, private elements and the contents "
            "of reports go.",
        ),
        Profile(
            "research-modified-dates",
            frozenset((Option.RETAIN_MODIFIED_DATES, Option.CLEAN_DESCRIPTORS, Option.CLEAN_STRUCTURED_CONTENT)),
            title="Research, shifted dates",
            description="Basic Profile, but intervals between dates stay, and descriptions and reports are cleaned, "
            "not removed. Shifted dates alone do not make a Safe Harbor data set.",
        ),
    )
}
"""The presets on offer."""


def preset(name: str) -> Profile:
    """Return the preset called `name`; raise `UsageError` when there is none."""
    try:
        return PRESETS[name]
    except KeyError:
        raise UsageError("There is no such preset", where=name, todo="Use one of " + ", ".join(PRESETS)) from None
