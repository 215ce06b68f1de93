from __future__ import annotations

import pytest

from lightbox.network.web.errors import WebError
from lightbox.network.web.multipart import Reader, parse_type

PARTS = [b"first", b"", b"\r\n--not-it\r\n", b"x" * 5000, b"\r\n--markers are data\r\n--mark", bytes(range(256)) * 40]


class Source:
    """Bytes in pieces of a given size."""

    def __init__(self, data: bytes, size: int, *, framed: bool = True) -> None:
        self.data, self.size, self.framed = data, size, framed
        self.most = 0

    def read(self) -> bytes:
        piece, self.data = self.data[: self.size], self.data[self.size :]
        return piece


def body(parts: list[bytes], mark: str = "mark", header: bytes = b"Content-Type: application/dicom\r\n") -> bytes:
    return b"".join(b"--" + mark.encode() + b"\r\n" + header + b"\r\n" + part + b"\r\n" for part in parts) + (
        b"--" + mark.encode() + b"--\r\n"
    )


def read(data: bytes, content_type: str = "multipart/related; boundary=mark", size: int = 7, **options: bool) -> list:
    return [(part, part.read()) for part in Reader(Source(data, size, **options), content_type, "archive")]


@pytest.mark.parametrize("size", [1, 2, 3, 7, 64, 100_000])
def test_parts_of_any_content_in_pieces_of_any_size(size: int) -> None:
    parts = PARTS[:4] + PARTS[5:]
    found = read(body(parts), size=size)
    assert [content for _, content in found] == parts
    assert {part.media_type for part, _ in found} == {"application/dicom"}


@pytest.mark.parametrize("size", [1, 5, 1000])
def test_text_that_only_begins_like_the_boundary_is_data(size: int) -> None:
    assert [content for _, content in read(body([b"\r\n--markers", b"b"]), size=size)] == [b"\r\n--markers", b"b"]


def test_headers_are_read_whatever_their_case() -> None:
    header = b'CONTENT-type: image/jls; Transfer-Syntax="1.2.840.10008.1.2.4.80"\r\nX: y\r\n'
    (part, content), *_ = read(body([b"pixels"], header=header))
    assert (part.media_type, part.transfer_syntax_uid, content) == ("image/jls", "1.2.840.10008.1.2.4.80", b"pixels")


def test_parts_without_headers() -> None:
    assert [content for _, content in read(body([b"a", b"b"], header=b""))] == [b"a", b"b"]


@pytest.mark.parametrize(
    "content_type",
    [
        'multipart/related; type="application/dicom"; boundary="mark"',
        "Multipart/Related;boundary=mark",
        "multipart/mixed; boundary=mark",
        "multipart/related",  # the boundary is forgotten
        "",
        "application/octet-stream",
    ],
)
def test_content_types_as_servers_write_them(content_type: str) -> None:
    assert [content for _, content in read(body([b"a", b"b"]), content_type)] == [b"a", b"b"]


def test_what_is_not_multipart_is_one_part() -> None:
    assert [content for _, content in read(b"DICM...", "application/dicom")] == [b"DICM..."]
    assert read(b"", "application/dicom") == []


def test_no_parts() -> None:
    assert read(b"--mark--\r\n") == []
    assert read(b"") == []


def test_a_preamble_is_skipped_and_an_epilogue_drained() -> None:
    data = b"This is a message in MIME format\r\n" + body([b"a"]) + b"the end"
    source = Source(data, 10)
    assert [part.read() for part in Reader(source, "multipart/related; boundary=mark", "archive")] == [b"a"]
    assert source.data == b""


def test_what_is_not_read_of_a_part_is_skipped() -> None:
    reader = Reader(Source(body([b"x" * 1000, b"b"]), 10), "multipart/related; boundary=mark", "archive")
    parts = iter(reader)
    assert len(next(next(parts).pieces)) < 1000
    assert next(parts).read() == b"b"


@pytest.mark.parametrize("kept", range(40, 75))
def test_a_body_that_was_cut_raises(kept: int) -> None:
    data = body([b"first", b"second"])[:kept]
    found = []
    with pytest.raises(WebError) as caught:
        for part in Reader(Source(data, 9, framed=False), "multipart/related; boundary=mark", "archive"):
            found.append(part.read())
    assert caught.value.code == "web.cut"
    assert caught.value.transient
    assert found in ([], [b"first"])


def test_a_forgotten_closing_delimiter_is_forgiven_where_the_length_was_right() -> None:
    data = body([b"first", b"second"]).removesuffix(b"\r\n--mark--\r\n")
    assert [content for _, content in read(data)] == [b"first", b"second"]
    assert [content for _, content in read(data + b"\r\n--mark")] == [b"first", b"second"]


def test_a_header_without_end_is_refused() -> None:
    with pytest.raises(WebError) as caught:
        read(b"--mark\r\n" + b"a: b\r\n" * 20_000, size=4096)
    assert caught.value.code == "web.wrong-type"


def test_multipart_without_any_boundary_is_refused() -> None:
    with pytest.raises(WebError):
        read(b"no boundary here", "multipart/related")


def test_memory_is_bounded() -> None:
    class Endless(Source):
        def read(self) -> bytes:
            self.most += 1
            return b"--mark\r\n\r\n" if self.most == 1 else b"x" * 65536 if self.most < 2000 else b"\r\n--mark--"

    largest = total = 0
    for part in Reader(Endless(b"", 0), "multipart/related; boundary=mark", "archive"):
        for piece in part.pieces:
            largest, total = max(largest, len(piece)), total + len(piece)
    assert total == 65536 * 1998
    assert largest <= 65536 + 16


def test_parse_type() -> None:
    assert parse_type('multipart/related; type="application/dicom"; boundary=a=b') == (
        "multipart/related",
        {"type": "application/dicom", "boundary": "a=b"},
    )
    assert parse_type("") == ("", {})
