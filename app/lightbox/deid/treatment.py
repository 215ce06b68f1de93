"""What is done to the elements of one object, at every depth."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from lightbox.deid import charsets, dates, descriptors, dummies
from lightbox.deid.elements import TEXT_VRS, Element, dictionary_vr, find
from lightbox.deid.lexicon import Lexicon
from lightbox.deid.profile import Option, Profile
from lightbox.deid.pseudonyms import Pseudonyms, Subject, well_known_uids
from lightbox.deid.table import PSEUDONYM_TAGS, Action, Rule, Rules

PATIENT_NAME, PATIENT_ID = 0x00100010, 0x00100020
FREE_TEXT_VRS = frozenset(("LT", "ST", "UT"))
CLEANED_VRS = frozenset(("CS", "LO", "LT", "SH", "ST", "UC", "UR", "UT"))
_TM = re.compile(r"\d{2}(:?\d{2}(:?\d{2}(\.\d{1,6})?)?)?")
_ZONE = re.compile(r"[+-]\d{4}")
NUMERIC = {
    "DS": re.compile(rb"[\d+\-.eE \\]*\0?"),
    "IS": re.compile(rb"[\d+\- \\]*\0?"),
    "AS": re.compile(rb"(\d{3}[DWMY] ?\\?)*"),
}
MIN_NUMBER = 6
_UID = re.compile(r"(?<![\d.])[0-2](?:\.\d{1,39}){3,}(?![\d])")


@dataclass(frozen=True, slots=True)
class Change:
    """One attribute that is not as it was.

    Attributes
    ----------
    path : str
        ``(0008,1140)[0].(0008,1155)``.
    action : str
        ``removed``, ``emptied``, ``replaced``, ``shifted``, ``mapped``, ``cleaned``, ``added``, ``masked``.
    rule : str
        What asked for it.
    vr : str
        Value representation.
    old_length : int
        Bytes of the old value; items for a sequence.
    old : str
        Keyed hash of the old value; empty for a sequence.
    """

    path: str
    action: str
    rule: str
    vr: str
    old_length: int
    old: str


@dataclass(slots=True)
class _Kept:
    """A text element that no rule touches; it is searched for the patient's identifiers."""

    element: Element
    path: tuple[str, ...]
    ancestors: tuple[Element, ...]
    codecs: tuple[str, ...]


@dataclass(slots=True)
class Treatment:
    """Applies rules to the elements of one object.

    Parameters
    ----------
    rules : Rules
        Rules of the profile for the SOP class.
    profile : Profile
        The profile.
    pseudonyms : Pseudonyms
        New names.
    subject : Subject
        Whom the object is about.
    lexicon : Lexicon
        Identifiers of the subject.
    """

    rules: Rules
    profile: Profile
    pseudonyms: Pseudonyms
    subject: Subject
    lexicon: Lexicon
    patient_id: str = ""
    changes: list[Change] = field(default_factory=list)
    notes: set[str] = field(default_factory=set)
    structured: bool = False
    _kept: list[_Kept] = field(default_factory=list)

    def apply(self, elements: list[Element], codecs: tuple[str, ...]) -> list[Element]:
        """Return the treated data set; elements that are not changed keep their bytes."""
        identifier = find(elements, PATIENT_ID)
        self.patient_id = charsets.decode(identifier.value, "LO", codecs).strip() if identifier else ""
        out = self._data_set(elements, (), (), (), codecs)
        self._search_kept()
        return out

    def _data_set(
        self,
        elements: list[Element],
        tags: tuple[int, ...],
        path: tuple[str, ...],
        ancestors: tuple[Element, ...],
        codecs: tuple[str, ...],
    ) -> list[Element]:
        own = find(elements, charsets.SPECIFIC_CHARACTER_SET) if ancestors else None
        if own is not None:
            codecs = charsets.encodings(bytes(own.value))
        out: list[Element] = []
        for element in elements:
            structural = self._structural(element)
            if structural:
                if structural != "group length":
                    self._log(element, path, "removed", structural)
                self._touch(ancestors)
                continue
            self._settle_vr(element)
            rule = self.rules.rule(element.tag, tags)
            if rule is None:
                rule = self._unlisted(element)
            kept = element if rule is None else self._obey(element, rule, path, ancestors, codecs)
            if kept is None:
                self._touch(ancestors)
                continue
            if kept.items is not None:
                deeper = (*tags, kept.tag)
                below = (*ancestors, kept)
                for number, item in enumerate(kept.items):
                    kept.items[number] = self._data_set(
                        item, deeper, (*path, f"{_name(kept.tag)}[{number}]"), below, codecs
                    )
            elif rule is None or rule.action is Action.KEEP:
                self._keep(_Kept(kept, path, ancestors, codecs))
            out.append(kept)
        return out

    def _keep(self, kept: _Kept) -> None:
        """Note an element whose text is to be searched."""
        element = kept.element
        if element.vr in charsets.SEARCHED_VRS and element.tag != charsets.SPECIFIC_CHARACTER_SET and element.value:
            self._kept.append(kept)

    def _structural(self, element: Element) -> str:
        """Return why an element goes whatever the table says about its tag, or an empty string."""
        group = element.tag >> 16
        if group & 1:
            return "E.1-1 X private"
        if element.tag & 0xFFFF == 0:
            return "group length"
        if 0x5000 <= group <= 0x50FF:
            return "E.1-1 X curve"
        if 0x6000 <= group <= 0x60FF:
            return "E.1-1 X overlay"
        if group < 0x0008 or group == 0xFFFC:
            return "structure"
        if dictionary_vr(element.tag) is None and element.tag not in self.rules.root:
            return "unknown attribute"
        return ""

    @staticmethod
    def _settle_vr(element: Element) -> None:
        """Give a standard text attribute that was written as UN the VR of the dictionary."""
        if element.vr == "UN" and element.items is None:
            known = dictionary_vr(element.tag)
            if known in TEXT_VRS:
                element.vr, element.raw = known, None

    def _unlisted(self, element: Element) -> Rule | None:
        """Return what to do with an attribute that the table does not list; None keeps it."""
        vr = element.vr
        if vr == "PN":
            return Rule(Action.EMPTY, "name outside the table")
        if vr in ("DA", "DT", "TM"):
            wanted = Action.CLEAN if self.profile.has(Option.RETAIN_MODIFIED_DATES) else Action.EMPTY
            return Rule(wanted, "date outside the table")
        if vr == "UI":
            values = bytes(element.value).decode("ascii", "replace").split("\\")
            known = any(value.strip(" \0") in self.lexicon.uids for value in values)
            return Rule(Action.MAP_UID, "UID of the cohort") if known else None
        if vr in FREE_TEXT_VRS:
            return Rule(Action.CLEAN, "free text outside the table", fallback=Action.DUMMY)
        if vr == "UN" and element.items is None:
            return Rule(Action.REMOVE, "value that cannot be read")
        if vr == "SQ" or element.items is not None:
            return None
        if vr in NUMERIC and not self._is_number(element):
            return Rule(Action.EMPTY, "no number")
        expected = dictionary_vr(element.tag)
        if expected == "SQ":
            return Rule(Action.REMOVE, "value that cannot be read")
        return None

    def _is_number(self, element: Element) -> bool:
        """Whether a value of a numeric text VR is a number, and not one that identifies the patient."""
        value = bytes(element.value)
        text = value.strip(b" \0").decode("ascii", "replace")
        return NUMERIC[element.vr].fullmatch(value) is not None and not (
            len(text) >= MIN_NUMBER and text in self.lexicon.words
        )

    def _obey(
        self,
        element: Element,
        rule: Rule,
        path: tuple[str, ...],
        ancestors: tuple[Element, ...],
        codecs: tuple[str, ...],
    ) -> Element | None:
        """Carry out `rule`; return the element that takes the place of `element`, or None when it goes."""
        action = rule.action
        if action is Action.KEEP:
            return element
        if action is Action.REMOVE:
            self._log(element, path, "removed", rule.source)
            return None
        if element.items is not None:
            return self._obey_sequence(element, rule, path, ancestors)
        if action is Action.CLEAN:
            new, done = self._clean(element, rule, codecs)
        elif action is Action.MAP_UID:
            new, done = self._map_uids(element), "mapped"
        elif action is Action.PSEUDONYM:
            new, done = self._pseudonym(element, codecs), "replaced"
        elif action is Action.EMPTY or not element.value:
            new, done = b"", "emptied"
        else:
            new, done = self._dummy(element, rule, codecs), "replaced"
        if new is None:
            self._log(element, path, "removed", rule.source)
            return None
        if new != element.value:
            self._log(element, path, done, rule.source)
            self._replace(element, new, ancestors)
        return element

    def _obey_sequence(
        self, element: Element, rule: Rule, path: tuple[str, ...], ancestors: tuple[Element, ...]
    ) -> Element | None:
        items = element.items or []
        if element.tag == dummies.CONTENT_SEQUENCE:
            self.structured = True
        if rule.action is Action.EMPTY and items:
            self._log(element, path, "emptied", rule.source)
            element.items = []
            self._touch((*ancestors, element))
        elif rule.action is Action.DUMMY and items:
            stand_in = dummies.items(element.tag, items)
            if stand_in is not None:
                self._log(element, path, "replaced", rule.source)
                element.items = []
                self._touch((*ancestors, element))
                return Element(element.tag, "SQ", b"", stand_in) if not element.implicit_items else None
        return element

    def _clean(self, element: Element, rule: Rule, codecs: tuple[str, ...]) -> tuple[bytes | None, str]:
        vr = element.vr
        text = charsets.decode(element.value, vr, codecs)
        if vr in ("DA", "DT"):
            move = dates.shift_da if vr == "DA" else dates.shift_dt
            moved = [move(part, self.subject.shift_days) for part in text.split("\\")]
            if any(part is None for part in moved):
                self.notes.add("unreadable-date")
                return self._fallback(element, rule, codecs), "emptied"
            return charsets.encode("\\".join(part or "" for part in moved), vr), "shifted"
        if vr == "TM" or element.tag == 0x00080201:
            valid = _ZONE if element.tag == 0x00080201 else _TM
            if all(valid.fullmatch(part.strip()) or not part.strip() for part in text.split("\\")):
                return bytes(element.value), "kept"
            self.notes.add("unreadable-time")
            return self._fallback(element, rule, codecs), "emptied"
        if vr not in CLEANED_VRS:
            return self._fallback(element, rule, codecs), "replaced"
        parts = [text] if vr in charsets.SINGLE_VALUED else text.split("\\")
        cleaned = [descriptors.clean(part, self.lexicon) for part in parts]
        if not any(one.removed for one in cleaned):
            return bytes(element.value), "kept"
        if not any(one.text for one in cleaned):
            return self._fallback(element, rule, codecs), "removed"
        new = "\\".join(one.text for one in cleaned)
        return charsets.encode(new.upper() if vr == "CS" else new, vr, codecs), "cleaned"

    def _fallback(self, element: Element, rule: Rule, codecs: tuple[str, ...]) -> bytes | None:
        if rule.fallback is Action.REMOVE:
            return None
        return self._dummy(element, rule, codecs) if rule.fallback is Action.DUMMY else b""

    def _map_uids(self, element: Element) -> bytes:
        if element.vr != "UI":
            return b""
        values = [value.strip(" \0") for value in bytes(element.value).decode("ascii", "replace").split("\\")]
        return charsets.encode("\\".join(self.pseudonyms.uid(value) if value else "" for value in values), "UI")

    def _pseudonym(self, element: Element, codecs: tuple[str, ...]) -> bytes:
        text = charsets.decode(element.value, element.vr, codecs).strip()
        length = PSEUDONYM_TAGS[element.tag]
        if length:
            return charsets.encode(self.pseudonyms.number(str(element.tag), text, length), element.vr) if text else b""
        if element.tag == PATIENT_NAME:
            return charsets.encode(f"{self.subject.pseudonym}^", "PN")
        own = not text or text == self.patient_id
        return charsets.encode(self.subject.pseudonym if own else self.pseudonyms.subject(text).pseudonym, "LO")

    def _dummy(self, element: Element, rule: Rule, codecs: tuple[str, ...]) -> bytes:
        if element.vr in ("LO", "SH", "UC") and rule.keyword.endswith(dummies.NUMBERED_SUFFIXES):
            text = charsets.decode(element.value, element.vr, codecs)
            return charsets.encode(self.pseudonyms.number(rule.keyword, text, 12), element.vr)
        if element.vr == "UI":
            return self._map_uids(element)
        return dummies.value(element.tag, element.vr) or bytes(len(element.value))

    def _search_kept(self) -> None:
        """Take the patient's identifiers and UIDs out of the text that no rule touched."""
        texts = [charsets.decode(kept.element.value, kept.element.vr, kept.codecs) for kept in self._kept]
        joined = "\n".join(texts).lower()
        dated = any(days & self.lexicon.dates for _, _, days in dates.days_in(joined))
        if not (dated or self.lexicon.may_contain(joined) or _UID.search(joined)):
            return
        for kept, text in zip(self._kept, texts):
            values = [text] if kept.element.vr in charsets.SINGLE_VALUED else text.split("\\")
            new = "\\".join(self._without_identifiers(value) for value in values)
            if new != "\\".join(values):
                self._log(kept.element, kept.path, "cleaned", "identifier in kept text")
                self._replace(kept.element, charsets.encode(new, kept.element.vr, kept.codecs), kept.ancestors)

    def _without_identifiers(self, text: str) -> str:
        found = descriptors.replace_identifiers(text, self.lexicon)
        text = text if found is None else found
        for start, end, days in reversed(list(dates.days_in(text))):
            if days & self.lexicon.dates:
                text = (text[:start] + text[end:]).strip()
        return _UID.sub(lambda match: self._uid_in_text(match[0]), text)

    def _uid_in_text(self, uid: str) -> str:
        return self.pseudonyms.uid(uid) if uid in self.lexicon.uids and uid not in well_known_uids() else uid

    def _replace(self, element: Element, new: bytes, ancestors: Sequence[Element]) -> None:
        element.value, element.encapsulated = new, False
        self._touch((*ancestors, element))

    @staticmethod
    def _touch(elements: Sequence[Element]) -> None:
        """Mark elements as no longer equal to what was read."""
        for element in elements:
            element.raw = None

    def _log(self, element: Element, path: tuple[str, ...], action: str, rule: str) -> None:
        old = "" if element.items is not None else self.pseudonyms.fingerprint(element.value)
        where = ".".join((*path, _name(element.tag)))
        self.changes.append(Change(where, action, rule, element.vr, element.length, old))


def _name(tag: int) -> str:
    return f"({tag >> 16:04X},{tag & 0xFFFF:04X})"
