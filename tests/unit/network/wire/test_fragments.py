"""The length of fragments (PS3.8 E.2), and the end of a deflated data set (PS3.5 A.5)."""

from __future__ import annotations

import struct
from io import BytesIO
from typing import Any, cast

import pytest

from lightbox.network.wire.outgoing import Outgoing
from lightbox.network.wire.transport import Connection


class Listener:
    """Keeps what is sent."""

    def __init__(self) -> None:
        self.data = b""

    def send(self, parts: list[Any]) -> None:
        self.data += b"".join(bytes(part) for part in parts)

    def fragments(self) -> list[tuple[int, bytes]]:
        """Return the control header and the bytes of each fragment."""
        found, at = [], 0
        while at < len(self.data):
            length, item = struct.unpack_from(">II", self.data, at + 2)
            assert item == length - 4
            found.append((self.data[at + 11], self.data[at + 12 : at + 6 + length]))
            at += 6 + length
        return found


@pytest.mark.parametrize("of_file", [False, True])
@pytest.mark.parametrize(
    ("size", "pad", "end"), [(301, True, b"\0"), (300, True, b""), (301, False, b""), (1, True, b"\0")]
)
def test_only_what_is_deflated_is_padded(size: int, pad: bool, end: bytes, of_file: bool) -> None:
    listener = Listener()
    data = bytes(range(1, 250)) * 2
    data = data[:size]
    outgoing = Outgoing(cast("Connection", listener), 128)
    outgoing.message(1, b"command ", BytesIO(data) if of_file else data, pad=pad)
    fragments = listener.fragments()
    assert fragments[0] == (0x03, b"command ")
    assert b"".join(piece for _, piece in fragments[1:]) == data + end
    assert [control for control, _ in fragments[1:]] == [0x00] * (len(fragments) - 2) + [0x02]
    if pad:
        assert not any(len(piece) % 2 for _, piece in fragments)
