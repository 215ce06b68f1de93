"""Before anything is written: which identifiers objects hold, what will happen to them, and what needs a look."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field

from lightbox.core.errors import LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.deid import burned_in, charsets, part10
from lightbox.deid.elements import TEXT_VRS, Element, MalformedError
from lightbox.deid.identities import STUDY_UID, codecs_of, text_of
from lightbox.deid.profile import Profile, preset
from lightbox.deid.source import ProgressCallback, Source
from lightbox.deid.table import Action, Rules, table

MAX_SAMPLES = 3
ACTION_WORDS = {
    Action.REMOVE: "removed",
    Action.EMPTY: "emptied",
    Action.DUMMY: "replaced",
    Action.MAP_UID: "new UID",
    Action.CLEAN: "cleaned",
    Action.PSEUDONYM: "pseudonym",
    Action.KEEP: "kept",
}


@dataclass(slots=True)
class InventoryRow:
    """One attribute that identifies, over all objects.

    Attributes
    ----------
    tag : int
        Tag; ``keyword`` and ``vr`` from the dictionary.
    action : str
        What will happen: removed, emptied, replaced, new UID, pseudonym, shifted, cleaned.
    rule : str
        Row and column of the table that ask for it.
    values, files : int
        How often the attribute has a value, and in how many objects.
    distinct : int
        Number of different values.
    nested : bool
        Whether it stands inside a sequence somewhere.
    samples : tuple of str
        Up to three values, for the eyes of the person at the screen only; not part of `as_dict`.
    """

    tag: int
    keyword: str
    vr: str
    action: str
    rule: str
    values: int = 0
    files: int = 0
    distinct: int = 0
    nested: bool = False
    samples: tuple[str, ...] = field(default=(), repr=False)

    def as_dict(self) -> dict[str, object]:
        """Return a JSON-ready mapping without values."""
        return {
            "tag": f"({self.tag >> 16:04X},{self.tag & 0xFFFF:04X})",
            "keyword": self.keyword,
            "vr": self.vr,
            "action": self.action,
            "rule": self.rule,
            "values": self.values,
            "files": self.files,
            "distinct": self.distinct,
            "nested": self.nested,
        }


@dataclass(slots=True)
class Refused:
    """An object that will not be exported as things stand; `label` is for the screen only."""

    label: str
    code: str
    reason: str


@dataclass(slots=True)
class Inventory:
    """What a scan found.

    Attributes
    ----------
    rows : list of InventoryRow
        Attributes that will go or change, in order of tag.
    files, patients, studies : int
        Counts.
    sop_classes : Counter of str
        Objects per SOP Class UID.
    private_creators : Counter of str
        Private elements per creator (all private elements are removed).
    refused : list of Refused
        Objects that will be kept back, with reasons; ``burned-in-risk`` can be accepted, the others cannot.
    burned_in : Counter of str
        Objects per risk of text in the pixels (low, medium, high).
    """

    rows: list[InventoryRow] = field(default_factory=list)
    files: int = 0
    patients: int = 0
    studies: int = 0
    sop_classes: Counter[str] = field(default_factory=Counter)
    private_creators: Counter[str] = field(default_factory=Counter)
    refused: list[Refused] = field(default_factory=list)
    burned_in: Counter[str] = field(default_factory=Counter)

    def as_dict(self) -> dict[str, object]:
        """Return a JSON-ready mapping without values and labels."""
        return {
            "files": self.files,
            "patients": self.patients,
            "studies": self.studies,
            "sop_classes": dict(sorted(self.sop_classes.items())),
            "private_creators": dict(sorted(self.private_creators.items())),
            "burned_in": dict(sorted(self.burned_in.items())),
            "refused": dict(sorted(Counter(one.code for one in self.refused).items())),
            "attributes": [row.as_dict() for row in self.rows],
        }


def scan(
    sources: Iterable[Source],
    profile: Profile | None = None,
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
) -> Inventory:
    """Look at objects without writing anything.

    Parameters
    ----------
    sources : iterable of Source
        The objects.
    profile : Profile, optional
        By which the actions are told; default ``basic``.
    progress, cancel : optional
        Told after each object; asked before each.

    Raises
    ------
    Cancelled
        `cancel` was used.
    """
    scanner = _Scanner(profile or preset("basic"))
    everything = list(sources)
    for number, source in enumerate(everything):
        if cancel is not None:
            cancel.raise_if_cancelled()
        scanner.add(source)
        if progress is not None:
            progress(number + 1, len(everything), unit="files")
    return scanner.inventory()


class _Scanner:
    def __init__(self, profile: Profile) -> None:
        self._profile = profile
        self._found = Inventory()
        self._rows: dict[int, InventoryRow] = {}
        self._distinct: dict[int, set[bytes]] = {}
        self._patients: set[tuple[str, str]] = set()
        self._studies: set[str] = set()
        self._rules: dict[str, Rules] = {}

    def add(self, source: Source) -> None:
        self._found.files += 1
        try:
            with source.open() as file:
                data = file.read()
            parsed = part10.read(data)
        except MalformedError as error:
            self._found.refused.append(Refused(source.label, error.code, error.why))
            return
        except OSError as error:
            self._found.refused.append(Refused(source.label, "unreadable", error.strerror or "it cannot be read"))
            return
        except LightboxError as error:
            self._found.refused.append(Refused(source.label, "unreadable", error.why or error.what))
            return
        assessment = burned_in.assess(parsed)
        refusal = burned_in.refusal(parsed)
        if refusal is not None:
            self._found.refused.append(Refused(source.label, refusal.code, refusal.why))
        elif assessment.risk is burned_in.Risk.HIGH:
            self._found.refused.append(Refused(source.label, "burned-in-risk", "; ".join(assessment.reasons)))
        self._found.burned_in[assessment.risk.value] += 1
        sop_class = parsed.text(burned_in.SOP_CLASS)
        self._found.sop_classes[sop_class] += 1
        self._patients.add((text_of(parsed, 0x00100020), text_of(parsed, 0x00100010, "PN")))
        self._studies.add(parsed.text(STUDY_UID))
        rules = self._rules.get(sop_class)
        if rules is None:
            rules = self._rules[sop_class] = table().compile(self._profile, sop_class)
        seen: set[int] = set()
        self._data_set(parsed.elements, (), rules, codecs_of(parsed), seen)
        for tag in seen:
            self._rows[tag].files += 1

    def _data_set(
        self, elements: list[Element], path: tuple[int, ...], rules: Rules, codecs: tuple[str, ...], seen: set[int]
    ) -> None:
        creators = {
            (e.tag >> 16, e.tag & 0xFF): charsets.decode(e.value, "LO", codecs)
            for e in elements
            if (e.tag >> 16) & 1 and 0x10 <= e.tag & 0xFFFF <= 0xFF and e.items is None
        }
        for element in elements:
            group, number = element.tag >> 16, element.tag & 0xFFFF
            if group & 1:
                if number > 0xFF:
                    self._found.private_creators[creators.get((group, number >> 8), "(no creator)")] += 1
                continue
            rule = rules.rule(element.tag, path)
            if rule is not None and rule.action is not Action.KEEP and element.length:
                self._note(element, rule.keyword, rule.source, rule.action, codecs, nested=bool(path))
                seen.add(element.tag)
                if rule.action is Action.REMOVE:
                    continue
            for item in element.items or ():
                self._data_set(item, (*path, element.tag), rules, codecs, seen)

    def _note(
        self, element: Element, keyword: str, rule: str, action: Action, codecs: tuple[str, ...], *, nested: bool
    ) -> None:
        row = self._rows.get(element.tag)
        if row is None:
            words = ACTION_WORDS[action]
            if action is Action.CLEAN and element.vr in ("DA", "DT"):
                words = "shifted"
            row = self._rows[element.tag] = InventoryRow(element.tag, keyword, element.vr, words, rule)
            self._distinct[element.tag] = set()
        row.values += 1
        row.nested = row.nested or nested
        if element.items is not None:
            return
        value = bytes(element.value)
        distinct = self._distinct[element.tag]
        if value in distinct:
            return
        distinct.add(value)
        row.distinct = len(distinct)
        if len(row.samples) < MAX_SAMPLES and element.vr in TEXT_VRS:
            text = charsets.decode(value, element.vr, codecs).strip()
            if text:
                row.samples = (*row.samples, text[:64])

    def inventory(self) -> Inventory:
        self._found.rows = [self._rows[tag] for tag in sorted(self._rows)]
        self._found.patients, self._found.studies = len(self._patients), len(self._studies - {""})
        return self._found
