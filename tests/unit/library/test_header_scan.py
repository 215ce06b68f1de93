from __future__ import annotations

import random
import re
import warnings
from pathlib import Path

import pytest
from pydicom import dcmread
from pydicom.multival import MultiValue
from pydicom.sequence import Sequence
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
)

from builders.library_objects import ct, encode
from lightbox.library import header_scan, validate
from lightbox.library.dataset_walk import Unusual
from lightbox.library.header import KEYS, PERSON_NAMES, TAGS, Header
from lightbox.library.header_scan import Descriptor, Memory, NotDicom, ScanResult, scan

BINARY = {"Rows", "Columns", "SamplesPerPixel", "BitsAllocated"}
TEXT = {
    "AccessionNumber",
    "BodyPartExamined",
    "InstitutionName",
    "IssuerOfPatientID",
    "Manufacturer",
    "ManufacturerModelName",
    "PatientID",
    "ProtocolName",
    "SeriesDescription",
    "StationName",
    "StudyDescription",
    "StudyID",
} | PERSON_NAMES


def of_scanner(header: Header, keyword: str) -> object:
    if keyword in BINARY:
        return header.unsigned(keyword)
    return header.text(keyword) if keyword in TEXT else header.code(keyword)


def of_pydicom(ds, keyword: str) -> object:
    group, element = TAGS[keyword]
    if (group, element) not in ds:
        return None if keyword in BINARY else ""
    raw = ds.get_item((group, element))
    if keyword not in TEXT and keyword not in BINARY and isinstance(raw.value, bytes):
        # pydicom turns numbers into objects; what the file says is what counts.
        return raw.value.decode("latin-1").strip("\0 \t\r\n")
    value = ds[group, element].value
    if keyword in BINARY:
        return value
    if value is None:
        return ""
    parts = value if isinstance(value, (MultiValue, list)) else [value]
    text = "\\".join(str(part) for part in parts).strip("\0 \t\r\n")
    # pydicom leaves some escape sequences in the text; nobody wants to see them in a list.
    return re.sub(r"\x1b[ -/]*[0-~]", "", text)


@pytest.mark.data
def test_agrees_with_pydicom_on_every_shared_file(data: Path):
    compared = 0
    wrong: list[str] = []
    for path in sorted(entry for entry in data.rglob("*") if entry.is_file()):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            ds = dcmread(path, force=True, stop_before_pixels=True)
            if "SOPInstanceUID" not in ds:
                continue
            header = scan(Memory(path.read_bytes())).header
            for keyword in KEYS:
                expected = of_pydicom(ds, keyword)
                if of_scanner(header, keyword) != expected:
                    wrong.append(f"{path.name} {keyword}: {of_scanner(header, keyword)!r}, pydicom {expected!r}")
            uid = str(getattr(ds.file_meta, "TransferSyntaxUID", ""))
            if uid and header.transfer_syntax_uid != uid:
                wrong.append(f"{path.name}: transfer syntax {header.transfer_syntax_uid}, pydicom {uid}")
        compared += 1
    assert compared > 1000
    assert not wrong, "\n".join(wrong)


@pytest.mark.data
def test_reads_nearly_every_shared_file_without_pydicom(data: Path):
    fallbacks = []
    for path in sorted(entry for entry in data.rglob("*") if entry.is_file()):
        try:
            header_scan._scan_native(Memory(path.read_bytes()))
        except NotDicom:
            continue
        except Unusual:
            fallbacks.append(path.name)
    assert len(fallbacks) < 25, fallbacks


@pytest.mark.data
def test_a_file_and_its_bytes_give_the_same(data: Path):
    files = sorted((data / "private-tags").rglob("*")) + sorted((data / "enhanced").rglob("*"))
    for path in (entry for entry in files if entry.is_file()):
        with path.open("rb") as file:
            one = scan(Descriptor(file.fileno(), path.stat().st_size))
        other = scan(Memory(path.read_bytes()))
        assert one.header.values == other.header.values
        assert (one.pixels, one.damage) == (other.pixels, other.damage)


@pytest.mark.parametrize(
    "syntax",
    [ExplicitVRLittleEndian, ImplicitVRLittleEndian, ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian],
)
def test_every_uncompressed_transfer_syntax(syntax: str):
    ds = ct(PatientName="Müller^Jürgen", ReferencedImageSequence=Sequence([ct(), ct()]))
    ds["ReferencedImageSequence"].is_undefined_length = True
    if syntax == ExplicitVRBigEndian:
        for item in (ds, *ds.ReferencedImageSequence):
            item.PixelData = bytes(96)
    header = scan(Memory(encode(ds, syntax))).header
    assert header.transfer_syntax_uid == syntax
    assert header.text("PatientName") == "Müller^Jürgen"
    assert (header.unsigned("Rows"), header.unsigned("Columns")) == (6, 8)
    assert header.code("SOPInstanceUID") == ds.SOPInstanceUID


def test_values_beyond_the_first_read_are_found():
    ds = ct()
    block = ds.private_block(0x0009, "LONG", create=True)
    block.add_new(0x01, "OB", bytes(3 * header_scan.FIRST_READ))
    result = scan(Memory(encode(ds)))
    assert result.header.code("StudyInstanceUID") == ds.StudyInstanceUID
    assert result.pixels is not None
    assert result.pixels.length == 96


@pytest.mark.parametrize("preamble", [True, False])
@pytest.mark.parametrize("syntax", [ExplicitVRLittleEndian, ImplicitVRLittleEndian])
def test_without_file_meta_information(preamble: bool, syntax: str):
    ds = ct()
    data = encode(ds, syntax)
    length = int.from_bytes(data[140:144], "little")
    bare = data[144 + length :] if not preamble else data
    assert scan(Memory(bare)).header.code("SOPInstanceUID") == ds.SOPInstanceUID


@pytest.mark.parametrize(
    ("data", "words"),
    [
        (b"", "empty"),
        (b"\x1f\x8b" + bytes(300), "gzip"),
        (b"hello world, this is text", "text"),
        (bytes(1000), "zero"),
        (b"\x89PNG" + bytes(300), "PNG"),
    ],
)
def test_what_is_not_dicom_is_named(data: bytes, words: str):
    with pytest.raises(NotDicom, match=words):
        scan(Memory(data))


@pytest.mark.data
def test_a_file_cut_anywhere_is_refused(data: Path):
    random.seed(7)
    names = [
        "private-tags/MR.dcm",
        "overlays-sr/rsna95/1.2.276.0.7230010.3.1.4.1787205428.166.1117461927.105",
        "enhanced/ct0012-encodings/CT0012.explicit_little_endian.dcm",
        "enhanced/ct0012-encodings/CT0012.fragmented_no_bot_jpeg_ls.80.dcm",
        "transfer-syntaxes/ctimage/CTImage.dcm_BigEndianExplicitTransferSyntax_1.2.840.10008.1.2.2.dcm",
        "transfer-syntaxes/ctimage/CTImage.dcm_LittleEndianImplicitTransferSyntax_1.2.840.10008.1.2.dcm",
        "transfer-syntaxes/deflated/image_dfl",
    ]
    for name in names:
        whole = (data / name).read_bytes()
        assert validate.refusal(scan(Memory(whole))) is None, name
        pixels = scan(Memory(whole)).pixels
        end = len(whole)
        if pixels is not None and pixels.length is not None:
            # In a deflated object the offset is that of the inflated data set, and padding may follow the end.
            end = len(whole) - 50 if name.endswith("_dfl") else pixels.offset + pixels.length
        for cut in [*(random.randrange(0, end) for _ in range(60)), end - 1]:
            try:
                result = scan(Memory(whole[:cut]))
            except NotDicom:
                continue
            refused = validate.refusal(result)
            if refused is None:
                # Only a cut exactly between two elements of an object without pixel data leaves a whole object.
                assert pixels is None, (name, cut)


def test_random_damage_never_escapes():
    random.seed(3)
    whole = encode(ct(ReferencedImageSequence=Sequence([ct()])))
    for _ in range(400):
        damaged = bytearray(whole)
        for _ in range(random.randrange(1, 6)):
            damaged[random.randrange(132, len(damaged))] = random.randrange(256)
        try:
            result = scan(Memory(bytes(damaged)))
        except NotDicom:
            continue
        validate.refusal(result)


def test_a_deflated_bomb_is_refused(monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(header_scan, "MAX_INFLATED", 1_000_000)
    ds = ct(Rows=4000, Columns=4000)
    ds.PixelData = bytes(32_000_000)
    result = scan(Memory(encode(ds, DeflatedExplicitVRLittleEndian)))
    assert "grows beyond" in result.damage


def test_odd_uids_are_taken_as_they_are():
    for uid in ("1.02.003", "1.2." + "3" * 90, "1.2.A"):
        header = scan(Memory(encode(ct(StudyInstanceUID=uid)))).header
        assert validate.refusal(ScanResult(header, None)) is None
        assert header.code("StudyInstanceUID") == uid


@pytest.mark.parametrize("keyword", ["SOPClassUID", "SOPInstanceUID", "StudyInstanceUID", "SeriesInstanceUID"])
def test_a_missing_uid_is_named(keyword: str):
    whole = encode(ct())
    group, element = TAGS[keyword]
    tag = group.to_bytes(2, "little") + element.to_bytes(2, "little") + b"UI"
    start = whole.index(tag)
    length = int.from_bytes(whole[start + 6 : start + 8], "little")
    cut = whole[:start] + whole[start + 8 + length :]
    refused = validate.refusal(scan(Memory(cut)))
    assert refused is not None
    assert refused[0] == validate.MISSING_UID
    words = keyword.removesuffix("UID").replace("Instance", " Instance").replace("Class", " Class")
    assert refused[1].startswith(words)


def test_pixel_data_shorter_than_described_are_refused():
    ds = ct(Rows=600)
    refused = validate.refusal(scan(Memory(encode(ds))))
    assert refused is not None
    assert refused[0] == validate.TRUNCATED
    assert "9600" in refused[1]
