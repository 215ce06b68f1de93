"""Files of PS3.10: preamble, file meta information, transfer syntax, and the data set as raw elements."""

from __future__ import annotations

import hashlib
import struct
import zlib
from dataclasses import dataclass, field

from lightbox.deid.elements import Element, MalformedError, Parser, Writer, find

IMPLICIT_LITTLE = "1.2.840.10008.1.2"
EXPLICIT_LITTLE = "1.2.840.10008.1.2.1"
DEFLATED = "1.2.840.10008.1.2.1.99"
EXPLICIT_BIG = "1.2.840.10008.1.2.2"
IMPLEMENTATION_CLASS_UID = "2.25.217437310735398366862018290911420583097"
IMPLEMENTATION_VERSION = "LIGHTBOX_DEID_1"
MAX_INFLATED = 4 << 30


@dataclass(slots=True)
class Part10:
    """One file, taken apart.

    ``elements`` are those of the data set; ``meta`` those of group 0002. ``notes`` names what was unusual:
    ``no-preamble``, ``no-meta``, ``preamble``, ``trailing-bytes``, ``stray-delimiter``, ``bytes-after-item``.
    """

    elements: list[Element]
    meta: list[Element]
    transfer_syntax: str
    explicit: bool
    little: bool
    notes: set[str] = field(default_factory=set)

    @property
    def deflated(self) -> bool:
        """Whether the data set is stored deflated."""
        return self.transfer_syntax == DEFLATED

    def complete(self, digest: bytes) -> None:
        """Fill in the UIDs that the data set lacks.

        SOP Class and Instance UID are taken from the file meta information; an object that names no instance, study or
        series gets UIDs of its own, made from `digest`, so that it can be filed.
        """
        stated = {
            0x00080016: ascii_value(find(self.meta, 0x00020002)),
            0x00080018: ascii_value(find(self.meta, 0x00020003)),
        }
        for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E):
            if self.text(tag):
                continue
            uid = stated.get(tag, "")
            if set(uid) - set("0123456789."):
                uid = ""
            if not uid and tag != 0x00080016:
                uid = f"2.25.{int.from_bytes(hashlib.sha256(tag.to_bytes(4, 'big') + digest).digest()[:16], 'big')}"
            if uid:
                self.elements = [element for element in self.elements if element.tag != tag]
                self.elements.append(Element(tag, "UI", padded(uid, b"\0")))
                self.notes.add("uid-filled-in")

    def text(self, tag: int) -> str:
        """Return the first value of a top-level element as ASCII text, without padding; empty when absent."""
        return ascii_value(find(self.elements, tag))


def ascii_value(element: Element | None) -> str:
    """Return the first value of an element whose VR is ASCII only; empty when absent."""
    if element is None or element.items is not None:
        return ""
    return bytes(element.value).split(b"\\", 1)[0].strip(b" \0").decode("ascii", "replace")


def read(data: bytes | memoryview) -> Part10:
    """Take a file apart.

    Parameters
    ----------
    data : bytes or memoryview
        The whole file.

    Raises
    ------
    MalformedError
        With code ``not-dicom``, ``truncated`` or ``malformed``.
    """
    view = memoryview(data)
    notes: set[str] = set()
    start = 0
    if bytes(view[128:132]) == b"DICM":
        start = 132
        if any(view[:128]):
            notes.add("preamble")
    elif bytes(view[:4]) == b"DICM":
        start = 4
        notes.add("no-preamble")
    else:
        notes.add("no-preamble")
    meta, body = _read_meta(view, start)
    syntax = ascii_value(find(meta, 0x00020010))
    if not meta:
        notes.add("no-meta")
    if set(syntax) - set("0123456789."):
        raise MalformedError("malformed", "the transfer syntax is no UID")
    if start == 0 and not meta and not _plausible(view):
        raise MalformedError("not-dicom", "it does not begin like a DICOM file")
    if not syntax:
        syntax = _guess_syntax(view, body)
        notes.add("no-transfer-syntax")
    data_set = view[body:]
    if syntax == DEFLATED:
        data_set, rest = _inflate(data_set)
        if rest:
            notes.add("trailing-bytes")
    explicit = syntax != IMPLICIT_LITTLE
    little = syntax != EXPLICIT_BIG
    if explicit and little and syntax == EXPLICIT_LITTLE and _looks_implicit(data_set):
        raise MalformedError("malformed", "the data set is not in the transfer syntax that the file names")
    parsed = Parser(data_set, explicit=explicit, little=little).parse()
    notes |= parsed.notes
    if parsed.trailing:
        notes.add("trailing-bytes")
    if not parsed.elements:
        raise MalformedError("malformed" if meta else "not-dicom", "it holds no data set")
    file = Part10(parsed.elements, meta, syntax, explicit, little, notes)
    if not all(file.text(tag) for tag in (0x00080016, 0x00080018, 0x0020000D, 0x0020000E)):
        file.complete(hashlib.sha256(view).digest())
    return file


def _read_meta(view: memoryview, start: int) -> tuple[list[Element], int]:
    """Return the elements of group 0002 (explicit VR little endian) and where the data set begins."""
    pos = start
    long_vrs = (b"OB", b"UN", b"UT", b"UR", b"UC", b"OW", b"SQ")
    while pos + 8 <= len(view) and view[pos] == 2 and view[pos + 1] == 0:
        vr = bytes(view[pos + 4 : pos + 6])
        if not vr.isalpha():
            break
        if pos + 12 > len(view):
            raise MalformedError("truncated", "the file meta information is cut off")
        size = (
            12 + struct.unpack_from("<L", view, pos + 8)[0]
            if vr in long_vrs
            else 8 + struct.unpack_from("<H", view, pos + 6)[0]
        )
        if pos + size > len(view):
            raise MalformedError("truncated", "the file meta information is cut off")
        pos += size
    if pos == start:
        return [], start
    return Parser(view[start:pos], explicit=True, little=True).parse().elements, pos


def _plausible(view: memoryview) -> bool:
    """Whether bytes without a preamble begin with an element of group 0000, 0002 or 0008 whose length fits."""
    if len(view) < 16:
        return False
    for order in "<>":
        group, number = struct.unpack_from(order + "HH", view, 0)
        if group in (0x0002, 0x0004, 0x0008) and number <= 0x0100:
            return bytes(view[4:6]).isalpha() or struct.unpack_from(order + "L", view, 4)[0] <= len(view) - 8
    return False


def _guess_syntax(view: memoryview, body: int) -> str:
    if bytes(view[body + 4 : body + 6]).isalpha():
        return EXPLICIT_LITTLE if view[body] else EXPLICIT_BIG
    return IMPLICIT_LITTLE


def _looks_implicit(view: memoryview) -> bool:
    return len(view) >= 8 and not bytes(view[4:6]).isalpha()


def _inflate(view: memoryview) -> tuple[memoryview, int]:
    machine = zlib.decompressobj(-zlib.MAX_WBITS)
    try:
        out = machine.decompress(view, MAX_INFLATED)
    except zlib.error as error:
        raise MalformedError("malformed", "the deflated data set is broken") from error
    if machine.unconsumed_tail:
        raise MalformedError("malformed", "the deflated data set is larger than 4 GiB")
    if not machine.eof:
        raise MalformedError("truncated", "the deflated data set is cut off")
    return memoryview(out), len(machine.unused_data.strip(b"\0"))


def write(part10: Part10, elements: list[Element], sop_class: str, sop_instance: str) -> bytes:
    """Return a new file: empty preamble, file meta built from scratch (PS3.10 7.1), data set in the same syntax.

    Parameters
    ----------
    part10 : Part10
        The file that the elements come from (its transfer syntax is kept).
    elements : list of Element
        The data set to write.
    sop_class, sop_instance : str
        Media Storage SOP Class and Instance UID.
    """
    meta = Writer(explicit=True, little=True)
    body = meta.encode(
        [
            Element(0x00020001, "OB", b"\0\1"),
            Element(0x00020002, "UI", padded(sop_class, b"\0")),
            Element(0x00020003, "UI", padded(sop_instance, b"\0")),
            Element(0x00020010, "UI", padded(part10.transfer_syntax, b"\0")),
            Element(0x00020012, "UI", padded(IMPLEMENTATION_CLASS_UID, b"\0")),
            Element(0x00020013, "SH", padded(IMPLEMENTATION_VERSION)),
        ]
    )
    head = meta.encode([Element(0x00020000, "UL", struct.pack("<L", len(body)))])
    chunks = Writer(explicit=part10.explicit, little=part10.little).chunks(elements)
    if not part10.deflated:
        return b"".join((bytes(128), b"DICM", head, body, *chunks))
    machine = zlib.compressobj(6, zlib.DEFLATED, -zlib.MAX_WBITS)
    packed = b"".join([machine.compress(chunk) for chunk in chunks]) + machine.flush()
    return b"".join((bytes(128), b"DICM", head, body, packed, b"\0" * (len(packed) % 2)))


def padded(text: str, pad: bytes = b" ") -> bytes:
    """Return ASCII text with an even length."""
    value = text.encode("ascii")
    return value + pad * (len(value) % 2)
