"""Every attribute of what was sent against what came back. The objects are invented, so that values may be shown."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, NamedTuple

if TYPE_CHECKING:
    from pydicom.dataelem import DataElement
    from pydicom.dataset import Dataset

_SHOWN = 60
_BULK = frozenset({0x7FE00010, 0x7FE00008, 0x7FE00009})


class Difference(NamedTuple):
    """One attribute that is not as it was: ``kind`` is ``"changed"``, ``"missing"`` or ``"added"``."""

    kind: str
    path: str
    sent: str
    got: str

    def text(self) -> str:
        """Return it in words."""
        if self.kind == "missing":
            return f"{self.path} is missing (sent {self.sent})"
        if self.kind == "added":
            return f"{self.path} was added ({self.got})"
        return f"{self.path}: sent {self.sent}, came back {self.got}"


def compare(sent: Dataset, got: Dataset, path: str = "") -> Iterator[Difference]:
    """Yield what differs, nested items included; group lengths do not count, nor an empty attribute against none.

    Both data sets are in an uncompressed little-endian encoding, explicit or implicit.
    """
    for tag in sorted(set(sent.keys()) | set(got.keys())):
        if tag.element == 0 or tag.group <= 0x0002:
            continue
        first = sent.get(tag)
        second = got.get(tag)
        element = first if first is not None else second
        assert element is not None
        name = path + (element.keyword or f"({tag.group:04X},{tag.element:04X})")
        if first is None or second is None:
            if not element.is_empty:
                kind = "missing" if second is None else "added"
                yield Difference(kind, name, _show(first), _show(second))
        elif int(tag) in _BULK:
            if not same_pixels(sent, got):
                yield Difference("changed", name, "these samples", "other samples")
        elif first.VR == "SQ" and second.VR == "SQ":
            yield from _items(first, second, name)
        elif _plain(first) != _plain(second):
            yield Difference("changed", name, _show(first), _show(second))


def _items(first: DataElement, second: DataElement, name: str) -> Iterator[Difference]:
    if len(first.value) != len(second.value):
        yield Difference("changed", name, f"{len(first.value)} items", f"{len(second.value)} items")
        return
    for number, (one, two) in enumerate(zip(first.value, second.value, strict=True)):
        yield from compare(one, two, f"{name}[{number}].")


def same_pixels(sent: Dataset, got: Dataset) -> bool:
    """Whether the samples are the same; both are uncompressed and little endian (nothing else is asked for)."""
    for word in ("PixelData", "FloatPixelData", "DoubleFloatPixelData"):
        if word not in sent and word not in got:
            continue
        if word not in sent or word not in got:
            return False
        one, two = bytes(sent[word].value), bytes(got[word].value)
        if one != two and one + b"\x00" * (len(one) % 2) != two + b"\x00" * (len(two) % 2):
            return False
    return True


def _plain(element: DataElement) -> Any:
    """Return a value in a form in which equal values are equal, whatever the encoding of the data set."""
    value = element.value
    if element.is_empty:
        return None
    if isinstance(value, bytes):
        return value[:-1] if len(value) % 2 == 0 and value.endswith(b"\x00") else value
    if element.VR in ("DS", "IS", "FD", "FL"):
        numbers = value if isinstance(value, list) or hasattr(value, "append") else [value]
        return [float(number) for number in numbers]
    if hasattr(value, "append"):
        return [str(part).rstrip(" \x00") for part in value]
    return str(value).rstrip(" \x00")


def _show(element: DataElement | None) -> str:
    if element is None:
        return "nothing"
    if element.VR == "SQ":
        return f"{len(element.value)} items"
    if isinstance(element.value, bytes):
        return f"{len(element.value)} bytes"
    text = str(element.value)
    return f"“{text[:_SHOWN]}{'…' if len(text) > _SHOWN else ''}”"
