"""Objects whose data set has an odd number of bytes, evened out for the wire.

Some encoders write compressed frames of odd length without the padding that PS3.5 A.4 asks for. Fragments of a message
have even lengths (PS3.8 E.2); DCMTK and what is built on it refuse others, and some then say nothing at all. Here the
padding is put in on the way: neither the stored object nor a pixel of it changes.
"""

from __future__ import annotations

import io
import os
import struct
from typing import TYPE_CHECKING, Any, BinaryIO, cast

from lightbox.core.errors import LightboxError
from lightbox.network.stored import Description
from lightbox.network.wire.datasets import DEFLATED

if TYPE_CHECKING:
    from collections.abc import Iterator

NATIVE = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1")
_PIXEL_DATA = 0x7FE00010
_EXTENDED_OFFSETS = 0x7FE00001
_ITEM, _END = b"\xfe\xff\x00\xe0", b"\xfe\xff\xdd\xe0"
_UNDEFINED = 0xFFFFFFFF


def is_odd(file: BinaryIO, description: Description) -> bool:
    """Whether the data set of an object has an odd number of bytes; a deflated one is padded at its end instead."""
    if description.transfer_syntax_uid == DEFLATED:
        return False
    return (file.seek(0, os.SEEK_END) - description.offset) % 2 == 1


def data_set(file: BinaryIO, description: Description) -> BinaryIO:
    """Return a file whose rest is the data set of an object, with fragments of pixel data that have even lengths.

    Where that does not make it even, it is what the file holds.
    """
    if is_odd(file, description) and description.transfer_syntax_uid not in NATIVE:
        pieces = _pieces(file, description.offset)
        if pieces is not None:
            return cast(BinaryIO, _Spliced(file, pieces))
    file.seek(description.offset)
    return file


def _pieces(file: BinaryIO, offset: int) -> list[tuple[int, int] | bytes] | None:
    """Return the data set as ranges of the file (begin, length) and bytes to put between them."""
    begin = _first_item(file, offset)
    if begin is None:
        return None
    fragments = list(_fragments(file, begin))
    if not fragments or fragments[-1] is None:
        return None
    found = [entry for entry in fragments if entry is not None]
    (table_at, table_length), frames = found[0], found[1:]
    odd = [at for at, length in frames if length % 2]
    if table_length % 4 or len(odd) % 2 == 0:
        return None
    first = table_at + 8 + table_length
    file.seek(table_at + 8)
    offsets = struct.unpack(f"<{table_length // 4}I", file.read(table_length))
    moved = [value + sum(at < first + value for at in odd) for value in offsets]
    pieces: list[tuple[int, int] | bytes] = [
        (offset, table_at + 8 - offset),
        struct.pack(f"<{len(moved)}I", *moved),
    ]
    at = first
    for begin, length in frames:
        if length % 2:
            pieces += [(at, begin - at), _ITEM + struct.pack("<I", length + 1), (begin + 8, length), b"\x00"]
            at = begin + 8 + length
    pieces.append((at, file.seek(0, os.SEEK_END) - at))
    return pieces


def _first_item(file: BinaryIO, offset: int) -> int | None:
    """Return where the first item of encapsulated pixel data begins."""
    from lightbox.dicom import imports

    imports.ready()
    from pydicom.filereader import read_dataset

    file.seek(offset)
    try:
        head = read_dataset(file, False, True, stop_when=lambda tag, vr, length: tag >= _PIXEL_DATA)
    except (EOFError, ValueError, KeyError, struct.error, NotImplementedError):
        return None
    header = file.read(12)
    if len(header) < 12 or header[:4] != b"\xe0\x7f\x10\x00" or header[8:] != b"\xff\xff\xff\xff":
        return None
    # An extended offset table would have to be written anew; multi-frame objects that have one are padded
    return None if _EXTENDED_OFFSETS in head else file.tell()


def _fragments(file: BinaryIO, begin: int) -> Iterator[tuple[int, int] | None]:
    """Iterate over (begin of the item, length of its value), the offset table first; None: it is damaged."""
    at = begin
    while True:
        file.seek(at)
        head = file.read(8)
        if head[:4] == _END:
            return
        length = struct.unpack("<I", head[4:])[0] if len(head) == 8 else _UNDEFINED
        if head[:4] != _ITEM or length == _UNDEFINED:
            yield None
            return
        yield at, length
        at += 8 + length


class _Spliced(io.RawIOBase):
    """Reads ranges of a file and bytes, one after the other."""

    def __init__(self, file: BinaryIO, pieces: list[tuple[int, int] | bytes]) -> None:
        super().__init__()
        self._file = file
        self._pieces = [piece for piece in pieces if piece and (isinstance(piece, bytes) or piece[1])]
        self._done = 0

    def readable(self) -> bool:
        return True

    def readinto(self, buffer: Any, /) -> int:
        if not self._pieces:
            return 0
        view, piece = memoryview(buffer).cast("B"), self._pieces[0]
        if isinstance(piece, bytes):
            count = min(len(view), len(piece) - self._done)
            view[:count] = piece[self._done : self._done + count]
            whole = len(piece)
        else:
            begin, whole = piece
            self._file.seek(begin + self._done)
            count = self._file.readinto(view[: whole - self._done])  # pyright: ignore[reportAttributeAccessIssue]
            if not count:
                raise LightboxError("This object cannot be sent", why="it was cut off while it was read")
        self._done += count
        if self._done == whole:
            del self._pieces[0]
            self._done = 0
        return count
