"""A data set as a tree of undecoded elements: every byte that is not changed is written as it was read (PS3.5 7)."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from functools import cache

from lightbox.core.errors import LightboxError

ITEM = 0xFFFEE000
ITEM_END = 0xFFFEE00D
SEQUENCE_END = 0xFFFEE0DD
PIXEL_DATA = 0x7FE00010
UNDEFINED = 0xFFFFFFFF
MAX_DEPTH = 64

LONG_VRS = frozenset((b"OB", b"OD", b"OF", b"OL", b"OV", b"OW", b"SQ", b"SV", b"UC", b"UN", b"UR", b"UT", b"UV"))
SHORT_VRS = frozenset(
    (b"AE", b"AS", b"AT", b"CS", b"DA", b"DS", b"DT", b"FD", b"FL", b"IS", b"LO", b"LT", b"PN", b"SH", b"SL", b"SS")
) | {b"ST", b"TM", b"UI", b"UL", b"US"}
TEXT_VRS = frozenset(
    ("AE", "AS", "CS", "DA", "DS", "DT", "IS", "LO", "LT", "PN", "SH", "ST", "TM", "UC", "UI", "UR", "UT")
)


class MalformedError(LightboxError):
    """The bytes are no data set in the encoding that they claim; `code` is ``truncated`` or ``malformed``."""

    def __init__(self, code: str, why: str) -> None:
        self.code = code
        super().__init__("The file cannot be parsed", why=why)


@dataclass(slots=True)
class Element:
    """One element.

    Attributes
    ----------
    tag : int
        Group and element number, ``0xGGGGEEEE``.
    vr : str
        Two letters; in implicit VR as the dictionary says, ``UN`` when unknown.
    value : bytes or memoryview
        Value as encoded in the file, empty for a sequence.
    items : list of list of Element or None
        Data sets of a sequence, else None.
    raw : memoryview or None
        Header and value as read, valid while nothing below was changed; None once changed or built anew.
    encapsulated : bool
        Pixel data of undefined length: `value` holds the fragments without the closing delimiter.
    implicit_items : bool
        The items are in implicit VR little endian inside an element of VR UN (PS3.5 6.2.2).
    """

    tag: int
    vr: str
    value: bytes | memoryview = b""
    items: list[list[Element]] | None = None
    raw: memoryview | None = None
    encapsulated: bool = False
    implicit_items: bool = False

    @property
    def length(self) -> int:
        """Length of the value in bytes; for a sequence the number of items."""
        return len(self.items) if self.items is not None else len(self.value)


@cache
def dictionary() -> dict[int, str]:
    """Return the VR of each standard attribute by tag (first choice where several are allowed)."""
    from pydicom._dicom_dict import DicomDictionary

    return {int(tag): entry[0].split(" or ")[0] for tag, entry in DicomDictionary.items() if len(entry[0]) != 4}


@cache
def dictionary_vr(tag: int) -> str | None:
    """Return the VR of a standard attribute, repeating groups included, or None when the dictionary lacks it."""
    found = dictionary().get(tag)
    if found is None and (tag >> 16) & 1 == 0:
        from pydicom.datadict import dictionary_VR

        try:
            found = dictionary_VR(tag).split(" or ")[0]
        except KeyError:
            return None
        if len(found) != 2:
            return None
    return found


@dataclass(slots=True)
class Parsed:
    """A parsed data set and what was noticed: ``trailing`` counts bytes after the last element."""

    elements: list[Element]
    trailing: int = 0
    notes: set[str] = field(default_factory=set)


class Parser:
    """Parses one data set.

    Parameters
    ----------
    data : memoryview
        Bytes that hold the data set (deflated data sets must be inflated before).
    explicit, little : bool
        Encoding as the transfer syntax says.
    """

    def __init__(self, data: memoryview, *, explicit: bool, little: bool) -> None:
        self._data = data
        self._explicit = explicit
        self._little = little
        order = "<" if little else ">"
        self._tag = struct.Struct(order + "HH").unpack_from
        self._u16 = struct.Struct(order + "H").unpack_from
        self._u32 = struct.Struct(order + "L").unpack_from
        self.notes: set[str] = set()

    def parse(self, start: int = 0) -> Parsed:
        """Return the data set that begins at `start` and runs to the end of the data.

        Raises
        ------
        MalformedError
            An element does not fit into the data, or a VR is none that the standard knows.
        """
        elements: list[Element] = []
        end = self._elements(elements, start, len(self._data), self._explicit, 0, to_delimiter=False)
        return Parsed(elements, len(self._data) - end, self.notes)

    def _elements(
        self, out: list[Element], pos: int, end: int, explicit: bool, depth: int, *, to_delimiter: bool
    ) -> int:
        """Append elements to `out`; return the position after the last one (after the delimiter, if there is one)."""
        data, vr_of, seen_pixels = self._data, dictionary_vr, False
        if depth > MAX_DEPTH:
            raise MalformedError("malformed", f"sequences are nested more than {MAX_DEPTH} deep")
        while pos + 8 <= end:
            group, number = self._tag(data, pos)
            tag = group << 16 | number
            if group == 0xFFFE:
                if tag == ITEM_END and to_delimiter:
                    return pos + 8
                if depth == 0 and seen_pixels:
                    return pos
                if tag in (ITEM_END, SEQUENCE_END):  # a stray delimiter is harmless and carries nothing
                    self.notes.add("stray-delimiter")
                    pos += 8
                    continue
                raise MalformedError("malformed", "an item stands outside a sequence")
            begin = pos
            if explicit:
                code = bytes(data[pos + 4 : pos + 6])
                if code in SHORT_VRS:
                    length = self._u16(data, pos + 6)[0]
                    pos += 8
                elif code in LONG_VRS:
                    if pos + 12 > end:
                        return self._stop(begin, depth, seen_pixels, "an element is cut off")
                    length = self._u32(data, pos + 8)[0]
                    pos += 12
                else:
                    return self._stop(
                        begin, depth, seen_pixels, f"({group:04X},{number:04X}) has no valid VR", code="malformed"
                    )
                vr = code.decode("ascii")
            else:
                length = self._u32(data, pos + 4)[0]
                pos += 8
                vr = "UN" if group & 1 else vr_of(tag) or "UN"
                if group & 1 and 0x10 <= number <= 0xFF:
                    vr = "LO"
            if length == UNDEFINED:
                if tag == PIXEL_DATA or vr in ("OB", "OW"):
                    stop = self._fragments(pos, end)
                    out.append(Element(tag, vr, data[pos : stop - 8], None, data[begin:stop], encapsulated=True))
                    pos = stop
                    seen_pixels = seen_pixels or tag == PIXEL_DATA
                    continue
                as_implicit = explicit and vr == "UN"
                items: list[list[Element]] = []
                pos = self._items(items, pos, end, explicit and not as_implicit, depth + 1, defined=False)
                out.append(Element(tag, "UN" if as_implicit else "SQ", b"", items, data[begin:pos], False, as_implicit))
                continue
            stop = pos + length
            if stop > end:
                return self._stop(begin, depth, seen_pixels, f"({group:04X},{number:04X}) is longer than the file")
            if vr == "SQ":
                items = []
                self._items(items, pos, stop, explicit, depth + 1, defined=True)
                out.append(Element(tag, vr, b"", items, data[begin:stop]))
            elif vr == "UN" and length >= 8 and data[pos : pos + 4] == b"\xfe\xff\x00\xe0":
                out.append(self._unknown(tag, begin, pos, stop, depth))
            else:
                out.append(Element(tag, vr, data[pos:stop], None, data[begin:stop]))
                if tag == PIXEL_DATA:
                    seen_pixels = True
            pos = stop
        if to_delimiter:
            raise MalformedError("truncated", "an item is not closed")
        if pos != end and depth:
            self.notes.add("bytes-after-item")
        return pos

    def _stop(self, begin: int, depth: int, seen_pixels: bool, why: str, code: str = "truncated") -> int:
        """Treat what follows the pixel data as trailing bytes; anything else is an error."""
        if depth == 0 and seen_pixels:
            return begin
        raise MalformedError(code, why)

    def _unknown(self, tag: int, begin: int, pos: int, stop: int, depth: int) -> Element:
        """Return an element of VR UN whose value looks like items, as a sequence where it parses as one."""
        items: list[list[Element]] = []
        try:
            self._items(items, pos, stop, False, depth + 1, defined=True)
        except MalformedError:
            return Element(tag, "UN", self._data[pos:stop], None, self._data[begin:stop])
        return Element(tag, "UN", b"", items, self._data[begin:stop], False, self._explicit)

    def _items(self, out: list[list[Element]], pos: int, end: int, explicit: bool, depth: int, *, defined: bool) -> int:
        data = self._data
        while pos + 8 <= end:
            group, number = self._tag(data, pos)
            length = self._u32(data, pos + 4)[0]
            tag = group << 16 | number
            pos += 8
            if tag == SEQUENCE_END:
                return pos
            if tag != ITEM:
                raise MalformedError("malformed", f"({group:04X},{number:04X}) stands where an item should be")
            elements: list[Element] = []
            if length == UNDEFINED:
                pos = self._elements(elements, pos, end, explicit, depth, to_delimiter=True)
            else:
                if pos + length > end:
                    raise MalformedError("truncated", "an item is longer than its sequence")
                self._elements(elements, pos, pos + length, explicit, depth, to_delimiter=False)
                pos += length
            out.append(elements)
        if not defined:
            raise MalformedError("truncated", "a sequence is not closed")
        if pos != end:
            self.notes.add("bytes-after-item")
        return pos

    def _fragments(self, pos: int, end: int) -> int:
        """Return the position after the delimiter that closes encapsulated pixel data."""
        while pos + 8 <= end:
            group, number = self._tag(self._data, pos)
            length = self._u32(self._data, pos + 4)[0]
            pos += 8
            if (group, number) == (0xFFFE, 0xE0DD):
                return pos
            if (group, number) != (0xFFFE, 0xE000) or length == UNDEFINED:
                raise MalformedError("malformed", "the encapsulated pixel data are broken")
            pos += length
        raise MalformedError("truncated", "the encapsulated pixel data are not closed")


class Writer:
    """Encodes elements; sequences that were changed get defined lengths.

    Parameters
    ----------
    explicit, little : bool
        Encoding; it must be the one the elements were read in.
    """

    def __init__(self, *, explicit: bool, little: bool) -> None:
        self._explicit = explicit
        order = "<" if little else ">"
        self._short = struct.Struct(order + "HH2sH").pack
        self._long = struct.Struct(order + "HH2sHL").pack
        self._implicit = struct.Struct(order + "HHL").pack

    def chunks(self, elements: Iterable[Element]) -> Iterator[bytes | memoryview]:
        """Yield the bytes of a data set in order of tag; the first of several elements with one tag is kept."""
        last = -1
        for element in sorted(elements, key=_tag_of):
            if element.tag == last:
                continue
            last = element.tag
            if element.raw is not None:
                yield element.raw
            elif element.items is not None:
                yield self._sequence(element)
            elif element.encapsulated:
                yield self._header(element.tag, element.vr, UNDEFINED)
                yield element.value
                yield self._implicit(0xFFFE, 0xE0DD, 0)
            else:
                yield self._header(element.tag, element.vr, len(element.value))
                yield element.value

    def encode(self, elements: Iterable[Element]) -> bytes:
        """Return the bytes of a data set."""
        return b"".join(self.chunks(elements))

    def _sequence(self, element: Element) -> bytes:
        inner = Writer(explicit=False, little=True) if element.implicit_items else self
        parts: list[bytes] = []
        for item in element.items or ():
            body = inner.encode(item)
            parts += (inner._implicit(0xFFFE, 0xE000, len(body)), body)
        content = b"".join(parts)
        return self._header(element.tag, element.vr, len(content)) + content

    def _header(self, tag: int, vr: str, length: int) -> bytes:
        group, number = tag >> 16, tag & 0xFFFF
        if not self._explicit:
            return self._implicit(group, number, length)
        code = vr.encode("ascii")
        if code in LONG_VRS:
            return self._long(group, number, code, 0, length)
        if length > 0xFFFF:  # PS3.5 6.2.2: a value too long for its VR is written as UN
            return self._long(group, number, b"UN", 0, length)
        return self._short(group, number, code, length)


def _tag_of(element: Element) -> int:
    return element.tag


def find(elements: Iterable[Element], tag: int) -> Element | None:
    """Return the first element with `tag`, or None."""
    for element in elements:
        if element.tag == tag:
            return element
    return None


def walk(elements: Iterable[Element], path: tuple[int, ...] = ()) -> Iterator[tuple[tuple[int, ...], Element]]:
    """Yield every element at every depth with the tags of the sequences around it."""
    for element in elements:
        yield path, element
        for item in element.items or ():
            yield from walk(item, (*path, element.tag))
