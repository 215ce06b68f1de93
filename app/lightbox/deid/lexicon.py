"""Everything that would tell who a patient is, collected from that patient's own objects, in the forms it takes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from lightbox.deid import charsets, dates, vocabulary
from lightbox.deid.elements import Element
from lightbox.deid.needles import Needles, compile_needles, forms, latin
from lightbox.deid.pseudonyms import well_known_uids
from lightbox.deid.table import table

IDENTIFIER_TAGS = (
    frozenset(
        (0x00080050, 0x00081010, 0x00100020, 0x00101000, 0x00101090, 0x00102180, 0x00120040, 0x00120042, 0x00181000)
    )
    | frozenset(
        (0x00181002, 0x00200010, 0x00321000, 0x00380010, 0x00380060, 0x00400009, 0x00400253, 0x00400512, 0x00400551)
    )
    | {0x00401001, 0x00402001, 0x00402016, 0x00402017, 0x22000005}
)
"""Attributes that hold the number of a person, an order, a stay, a specimen or a device."""
DEVICE_TAGS = frozenset((0x00081010, 0x00181000, 0x00181002))
PHRASE_TAGS = frozenset(
    (0x00080080, 0x00080081, 0x00080092, 0x00081040, 0x00101040, 0x00102152, 0x00401102, 0x00380300, 0x00380400)
)
"""Attributes that hold the name of a place or an address."""
PHONE_TAGS = frozenset((0x00080094, 0x00102154, 0x00401103))
TITLES = frozenset(
    ("dr", "prof", "professor", "md", "phd", "mr", "mrs", "ms", "miss", "herr", "frau", "med", "rn", "jr", "sr", "ii")
) | {"iii", "dds", "do", "msc", "bsc", "mph"}
NOBODY = (
    frozenset(
        ("anonymous", "anonymized", "anonymised", "anonymize", "anonymise", "anonym", "anon", "unknown", "none", "null")
    )
    | frozenset(
        (
            "nil",
            "test",
            "patient",
            "name",
            "removed",
            "deidentified",
            "unspecified",
            "unnamed",
            "noname",
            "na",
            "no",
            "empty",
        )
    )
    | {"not", "available", "phantom", "subject", "default"}
)
"""Words in place of a name that tell nobody's identity."""
MIN_IDENTIFIER = 4
MIN_NAME = 3
_WORD = re.compile(r"[^\W\d_]+(?:['’][^\W\d_]+)*")
_SPLIT = re.compile(r"[\s,;:/|()<>^=.\-_\\]+")


class Lexicon:
    """The identifiers of one patient.

    Attributes
    ----------
    words : set of str
        Lower-case needles that must not appear anywhere: names, numbers, addresses.
    weak : set of str
        Lower-case needles that are also common words or very short; they are removed only next to another hit.
    dates : set of str
        Days as ``YYYYMMDD``.
    uids : set of str
        UIDs of objects, series, studies, frames of reference, devices and events.
    """

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.weak: set[str] = set()
        self.dates: set[str] = set()
        self.uids: set[str] = set()
        self._pattern: re.Pattern[str] | None = None
        self._cores: tuple[str, ...] | None = None
        self._needles: Needles | None = None
        self._seen: set[tuple[int, str, bytes, tuple[str, ...]]] = set()

    def __repr__(self) -> str:
        return f"Lexicon({len(self.words)} words, {len(self.dates)} dates, {len(self.uids)} UIDs)"

    def merged(self, other: Lexicon) -> Lexicon:
        """Return a lexicon with the entries of both; `self` when `other` adds nothing."""
        if (
            other.words <= self.words
            and other.weak <= self.weak
            and other.dates <= self.dates
            and other.uids <= self.uids
        ):
            return self
        out = Lexicon()
        for one in (self, other):
            out.words |= one.words
            out.weak |= one.weak
            out.dates |= one.dates
            out.uids |= one.uids
        return out

    def collect(self, elements: Iterable[Element], codecs: tuple[str, ...] = charsets.DEFAULT) -> None:
        """Add what the elements of a data set tell, at every depth (PN, numbers, addresses, phones, dates, UIDs)."""
        rows = table().rows
        elements = list(elements)
        for element in elements:
            if element.tag == charsets.SPECIFIC_CHARACTER_SET:
                codecs = charsets.encodings(bytes(element.value))
        for element in elements:
            tag = element.tag
            if element.items is not None:
                for item in element.items:
                    self.collect(item, codecs)
                continue
            if not element.value or (tag >> 16) & 1:
                continue
            vr = element.vr
            if vr == "PN" or (vr == "UN" and tag in rows and rows[tag].vr == "PN"):
                for name in self._values(element, "PN", codecs):
                    self.add_name(name)
            elif vr in ("DA", "DT"):
                for text in self._values(element, vr, codecs):
                    day = text[:10] if vr == "DA" else dates.day_of_dt(text)
                    self.add_date(day)
            elif vr == "UI":
                row = rows.get(tag)
                if row is not None and row.basic[0] in "UX":
                    for uid in self._values(element, "UI", codecs):
                        self.add_uid(uid)
            elif tag in IDENTIFIER_TAGS:
                for text in self._values(element, "LO", codecs):
                    self.add_identifier(text, device=tag in DEVICE_TAGS)
            elif tag in PHRASE_TAGS:
                for text in self._values(element, "LO", codecs):
                    self.add_phrase(text)
            elif tag in PHONE_TAGS:
                for text in self._values(element, "LO", codecs):
                    digits = re.sub(r"\D", "", text)
                    if len(digits) >= 6:
                        self._add(text.strip().lower())
                        self._add(digits)

    def _values(self, element: Element, vr: str, codecs: tuple[str, ...]) -> list[str]:
        """Return the values of an element, or nothing when the same bytes of the same attribute were seen before."""
        mark = (element.tag, vr, bytes(element.value), codecs)
        if mark in self._seen:
            return []
        self._seen.add(mark)
        text = charsets.decode(element.value, vr, codecs)
        return [part.strip(" \0") for part in text.split("\\")]

    def add_name(self, name: str) -> None:
        """Add a person name (PN): each component of each group, together, reversed and shortened."""
        for group in name.split("="):
            components = [part.strip() for part in group.split("^")[:3]]
            parts = [
                word.strip("'’.\"")
                for component in components
                for word in _SPLIT.split(component)
                if word.strip("'’.\"") and word.lower().strip(".") not in TITLES
            ]
            parts = [part for part in parts if not part.isdigit()]
            if not parts:
                continue
            for part in parts:
                self._add_word(part)
            joined = [part for part in parts if part.lower() not in NOBODY]
            if len(joined) > 1 and (len(joined[0] + joined[1]) > MIN_NAME or not (joined[0] + joined[1]).isascii()):
                first, second = joined[0], joined[1]
                for form in (f"{first}{second}", f"{second}{first}", f"{second[0]}{first}", f"{first}{second[0]}"):
                    self._add_word(form, combined=True)
                for form in (f"{first} {second}", f"{second} {first}", f"{first}, {second}"):
                    self._add(form.lower())
        digits = re.findall(r"\d{5,}", name)
        for number in digits:
            self._add(number)

    def _add_word(self, word: str, *, combined: bool = False) -> None:
        for form in forms(word):
            if form in NOBODY or (len(form) < 2 and form.isascii()):
                continue
            wide = not all(latin(letter) for letter in form)
            if vocabulary.known(form) or (len(form) < MIN_NAME and not wide) or (wide and len(form) < 2):
                self.weak.add(form)
            elif not combined or len(form) >= MIN_IDENTIFIER:
                self._add(form)

    def add_identifier(self, text: str, *, device: bool = False) -> None:
        """Add an identifying number, also without its separators."""
        text = text.strip().lower()
        if len(text) < 2 or text in NOBODY or set(text) <= set("0-. "):
            return
        bare = re.sub(r"[\W_]+", "", text)
        distinct = any(letter.isdigit() for letter in text)
        if device and (not distinct or len(bare) < 5):
            return
        if len(bare) < MIN_IDENTIFIER or (not distinct and all(vocabulary.known(w) for w in _WORD.findall(text))):
            self.weak.add(text)
            return
        self._add(text)
        if len(bare) >= 5:
            self._add(bare)

    def add_phrase(self, text: str) -> None:
        """Add an address or the name of a place, whole and by its lines; words that radiology uses do not count."""
        for part in {text, *re.split(r"[\r\n,;^]+", text)}:
            phrase = " ".join(part.lower().split())
            unknown = [word for word in _WORD.findall(phrase) if not vocabulary.known(word) and len(word) > 2]
            if len(phrase) >= 5 and unknown and phrase not in NOBODY:
                self._add(phrase)

    def add_date(self, text: str) -> None:
        """Add a day (DA)."""
        found = dates.parse_da(text)
        if found is not None and found.year > 1000:
            self.dates.add(f"{found:%Y%m%d}")

    def add_uid(self, uid: str) -> None:
        """Add a UID unless the standard registers it."""
        if len(uid) >= 6 and uid not in well_known_uids():
            self.uids.add(uid)

    def _add(self, needle: str) -> None:
        if needle not in self.words:
            self.words.add(needle)
            self._pattern = self._cores = self._needles = None

    def may_contain(self, lower: str) -> bool:
        """Whether `pattern` can match in lower-case text; a quick look that never misses a match."""
        if self._cores is None:
            self._cores = tuple({max(needle.split(), key=len) for needle in self.words})
        return any(core in lower for core in self._cores)

    @property
    def needles(self) -> Needles:
        """The entries of `words` as they are searched in bytes."""
        if self._needles is None:
            self._needles = Needles.of(self.words)
        return self._needles

    @property
    def size(self) -> int:
        """Number of entries of all kinds."""
        return len(self.words) + len(self.weak) + len(self.dates) + len(self.uids)

    @property
    def pattern(self) -> re.Pattern[str]:
        """A pattern that finds every entry of `words` in lower-case text; it matches nothing when there are none."""
        if self._pattern is None:
            self._pattern = compile_needles(self.words)
        return self._pattern
