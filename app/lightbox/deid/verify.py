"""Reading a written file again and looking for what must not be in it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import numpy as np

from lightbox.deid import charsets, dates, part10
from lightbox.deid.elements import PIXEL_DATA, TEXT_VRS, Element, MalformedError
from lightbox.deid.lexicon import Lexicon
from lightbox.deid.needles import ESCAPES, compile_needles
from lightbox.deid.pseudonyms import Subject

_NUMERIC = frozenset(("AS", "DA", "DS", "DT", "IS", "TM"))
_NUMBER = re.compile(rb"[\d+\-.:eE \\]*[DWMY]?[ \0]?")
MIN_BYTES_IN_PIXELS = 6
PIXEL_BLOCK = 4 << 20
_UID = re.compile(rb"[0-2](?:\.\d{1,64}){3,}")


@dataclass(frozen=True, slots=True)
class Leak:
    """Something that should not be there.

    `kind` is ``identifier``, ``uid``, ``date``, ``private``, ``structure`` or ``unreadable``.
    """

    kind: str
    where: str


def verify(data: bytes, lexicon: Lexicon, subject: Subject, *, new_uid: Callable[[str], str]) -> list[Leak]:
    """Search a written file for the patient's identifiers.

    The file is parsed again, deflated content inflated. Every lexicon entry is looked for in every text element
    (decoded by its character set) and in the bytes of all elements in all usual encodings; every original UID likewise;
    every original date in text and among the dates that are not a date of this patient after moving.

    Parameters
    ----------
    data : bytes
        The file as written.
    lexicon : Lexicon
        What must not be found.
    subject : Subject
        Pseudonym and date offset of the patient.
    new_uid : callable
        Gives the new UID of an old one.

    Returns
    -------
    list of Leak
        Empty when nothing was found.
    """
    try:
        file = part10.read(data)
    except MalformedError as error:
        return [Leak("unreadable", error.why)]
    leaks = [Leak("structure", note) for note in sorted(file.notes & {"preamble", "trailing-bytes", "no-meta"})]
    allowed = {dates.DUMMY_DA} | {moved for day in lexicon.dates if (moved := dates.shift_da(day, subject.shift_days))}
    text_parts: list[str] = []
    blob: list[bytes] = []
    for where, element, codecs in _leaves([*file.meta, *file.elements], "", charsets.DEFAULT):
        if (element.tag >> 16) & 1:
            leaks.append(Leak("private", where))
        if element.tag == PIXEL_DATA:
            if in_pixels(element.value, lexicon):
                leaks.append(Leak("identifier", where))
            continue
        value = bytes(element.value)
        numeric = element.vr in _NUMERIC and _NUMBER.fullmatch(value)
        if not numeric:
            blob.append(value)
        if element.vr in TEXT_VRS and element.vr != "UI":
            text = charsets.decode(value, element.vr, codecs)
            if not numeric:
                text_parts.append(text)
            if element.vr in ("DA", "DT"):
                days = [part[:10] if element.vr == "DA" else dates.day_of_dt(part) for part in text.split("\\")]
                if any(_plain(day) in lexicon.dates and _plain(day) not in allowed for day in days):
                    leaks.append(Leak("date", where))
            elif any(days & lexicon.dates for _, _, days in dates.days_in(text)):
                leaks.append(Leak("date", where))
        found = {uid for match in _UID.findall(value) for uid in _prefixes(match.decode("ascii"))} & lexicon.uids
        if any(new_uid(uid) != uid for uid in found):
            leaks.append(Leak("uid", where))
    joined = "\n".join(text_parts).lower()
    raw = b"\n".join(blob)
    if lexicon.may_contain(joined) and lexicon.pattern.search(joined):
        leaks += _locate(file, lexicon)
    if not leaks and _in_bytes(raw, lexicon):
        leaks.append(Leak("identifier", "bytes of the file"))
    return leaks


def _plain(day: str) -> str:
    found = dates.parse_da(day)
    return "" if found is None else f"{found:%Y%m%d}"


def _prefixes(uid: str) -> Iterator[str]:
    """Yield a UID and, for one that was made longer, what it was made from."""
    while uid.count(".") >= 3:
        yield uid
        uid = uid.rsplit(".", 1)[0]


def _leaves(
    elements: list[Element], where: str, codecs: tuple[str, ...]
) -> Iterator[tuple[str, Element, tuple[str, ...]]]:
    for element in elements:
        if element.tag == charsets.SPECIFIC_CHARACTER_SET and element.items is None:
            codecs = charsets.encodings(bytes(element.value))
    for element in elements:
        name = f"{where}({element.tag >> 16:04X},{element.tag & 0xFFFF:04X})"
        if element.items is None:
            yield name, element, codecs
        for number, item in enumerate(element.items or ()):
            yield from _leaves(item, f"{name}[{number}].", codecs)


def _locate(file: part10.Part10, lexicon: Lexicon) -> list[Leak]:
    leaks = []
    for where, element, codecs in _leaves([*file.meta, *file.elements], "", charsets.DEFAULT):
        numeric = element.vr in _NUMERIC and _NUMBER.fullmatch(bytes(element.value))
        if element.vr in TEXT_VRS and element.vr != "UI" and element.tag != PIXEL_DATA and not numeric:
            text = charsets.decode(element.value, element.vr, codecs).lower()
            if lexicon.pattern.search(text):
                leaks.append(Leak("identifier", where))
    return leaks


def _in_bytes(raw: bytes, lexicon: Lexicon) -> bool:
    """Whether bytes hold an entry in any encoding; text in 16 bits a letter is found with its zero bytes taken out."""
    lower = raw.lower()
    plain = lower.decode("latin-1")
    squeezed = lower.replace(b"\0", b"").decode("latin-1")
    needles = lexicon.needles
    hits = [n for n in needles.ascii if n in plain or n in squeezed]
    if hits:
        pattern = compile_needles(hits)
        if pattern.search(plain) or pattern.search(squeezed):
            return True
    stripped = ESCAPES.sub(b"", raw)
    return any(code in raw or code in stripped for code in needles.encoded)


def in_pixels(value: bytes | memoryview, lexicon: Lexicon) -> bool:
    """Whether pixel data hold an entry as text (comments of compressed streams, text hidden in frames).

    Entries of six ASCII characters and more are looked for; shorter ones turn up in images by chance.
    """
    needles = lexicon.needles
    long = [needle for needle in needles.ascii if len(needle) >= MIN_BYTES_IN_PIXELS]
    if not long:
        return False
    overlap = max(map(len, long))
    view = memoryview(value)
    return any(
        _in_block(view[start : start + PIXEL_BLOCK + overlap], long, needles.byte_table)
        for start in range(0, len(view), PIXEL_BLOCK)
    )


def _in_block(block: memoryview, words: list[str], byte_table: np.ndarray) -> bool:
    """Look at runs of six bytes of which each occurs in some entry; in images they are rare."""
    if len(block) < MIN_BYTES_IN_PIXELS:
        return False
    fits = byte_table[np.frombuffer(block, np.uint8)]
    pairs = fits[:-1] & fits[1:]
    fours = pairs[:-2] & pairs[2:]
    starts = np.flatnonzero(fours[:-2] & pairs[4:])
    if not starts.size:
        return False
    breaks = np.flatnonzero(np.diff(starts) > 1)
    begins = starts[np.concatenate(([0], breaks + 1))]
    ends = starts[np.concatenate((breaks, [starts.size - 1]))] + MIN_BYTES_IN_PIXELS
    # One byte more on either side, since a number within a longer number is another number.
    runs = b"\n".join([bytes(block[max(begin - 1, 0) : end + 1]) for begin, end in zip(begins.tolist(), ends.tolist())])
    lower = runs.lower().decode("latin-1")
    hits = [word for word in words if word in lower]
    return bool(hits) and compile_needles(hits).search(lower) is not None
