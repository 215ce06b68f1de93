"""Remember how headers are laid out: the objects of one series mostly differ in values, not in lengths.

A layout is where the headers of the elements (tag, VR, length) lie from the DICM prefix on, and what they are. When all
header bytes of an object equal those of a layout, its elements are where the layout says, and their values can be taken
in one go. The comparison is exact, so that a layout never guesses.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from struct import Struct

from lightbox.library.dataset_walk import EXPLICIT_LITTLE, UNDEFINED, Broken, Syntax, Unusual, element_at, key_of
from lightbox.library.header import MAX_VALUE, WANTED_LITTLE, tag_key

LONGEST = 16 * 1024
"""Layouts that reach further into an object are not kept."""
_KEPT = 32
_SEEN = 256
_START = 128
_TRANSFER_SYNTAX = tag_key(0x0002, 0x0010)
_META = frozenset({_TRANSFER_SYNTAX, tag_key(0x0002, 0x0002)})


@dataclass(frozen=True, slots=True)
class Layout:
    """One layout. ``heads`` are the masked bytes up to ``end`` as a number; ``tail`` is where the last header lies."""

    end: int
    tail: int
    tail_bytes: bytes
    mask: int
    heads: int
    keys: tuple[int, ...]
    take: Struct
    syntax: Syntax
    transfer_syntax_uid: str

    def fits(self, start: bytes) -> bool:
        """Whether an object that begins with `start` has this layout."""
        if start[self.tail : self.tail + 8] != self.tail_bytes or len(start) < self.end:
            return False
        return int.from_bytes(start[_START : self.end], "little") & self.mask == self.heads

    def values(self, start: bytes) -> dict[int, bytes]:
        """Return the values of the wanted elements by key."""
        return dict(zip(self.keys, self.take.unpack_from(start)))


class Layouts:
    """The layouts that were met last. Threads may share it: its lists are replaced, never changed."""

    def __init__(self) -> None:
        self._recent: tuple[Layout, ...] = ()
        self._seen: dict[tuple[object, ...], None] = {}

    def find(self, start: bytes) -> Layout | None:
        """Return the layout that an object has, or None."""
        for place, layout in enumerate(self._recent):
            if layout.fits(start):
                if place:
                    others = tuple(other for other in self._recent if other is not layout)
                    self._recent = (layout, *others)
                return layout
        return None

    def note(self, start: bytes, syntax: Syntax, uid: str, values: Mapping[int, bytes]) -> None:
        """Look at an object that no layout fits; the second of its kind makes a new one."""
        kind = (uid, *values, *map(len, values.values()))
        if kind not in self._seen:
            if len(self._seen) >= _SEEN:
                self._seen = {}
            self._seen[kind] = None
            return
        self._seen.pop(kind, None)  # one that is pushed out again has to show itself twice again
        layout = learn(start, syntax, uid)
        if layout is not None:
            self._recent = (layout, *self._recent[: _KEPT - 1])


def learn(start: bytes, syntax: Syntax, uid: str) -> Layout | None:
    """Return the layout of an object with DICM prefix, None when it has none that is worth keeping."""
    mask = bytearray(LONGEST)
    mask[0:4] = b"\xff" * 4
    keys: list[int] = []
    fields: list[str] = []
    position = _START + 4
    taken = 0
    tail = 0
    in_meta = True
    try:
        while position + 12 <= len(start):
            if in_meta and start[position : position + 2] != b"\x02\0":
                in_meta = False
            encoding = EXPLICIT_LITTLE if in_meta else syntax
            tag, _, length, header = element_at(start, position, encoding)
            value = position + header
            key = key_of(tag, encoding)
            if length == UNDEFINED or value + length > min(len(start), LONGEST) or key & 0xFF00 == 0x7F00 or key == 0:
                break
            mask[position - _START : value - _START] = b"\xff" * header
            if in_meta and key == _TRANSFER_SYNTAX:
                mask[value - _START : value - _START + length] = b"\xff" * length
            if (key in _META if in_meta else key in WANTED_LITTLE) and length <= MAX_VALUE:
                keys.append(key)
                fields.append(f"{value - taken}x{length}s")
                taken = value + length
            tail = position
            position = value + length
    except (Unusual, Broken):
        return None
    if in_meta or len(set(keys)) != len(keys):
        return None
    number = int.from_bytes(mask[: position - _START], "little")
    heads = int.from_bytes(start[_START:position], "little") & number
    take = Struct("<" + "".join(fields))
    return Layout(position, tail, start[tail : tail + 8], number, heads, tuple(keys), take, syntax, uid)
