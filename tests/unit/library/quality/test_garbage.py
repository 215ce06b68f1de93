"""Whatever the bytes are, the gate answers with issues, never with an exception."""

from __future__ import annotations

import io
import random
from pathlib import Path

import pytest

from builders.quality_objects import enhanced_mr, good_ct, part10
from lightbox.library.quality import check


def test_no_dicom() -> None:
    for data in (b"", b"x", b"\0" * 200, b"%PDF-1.4" + bytes(500), random.Random(1).randbytes(4000)):
        found = check(io.BytesIO(data))
        assert [issue.code for issue in found] == ["file.not-dicom"]
        assert found[0].repair


@pytest.mark.parametrize("make", [good_ct, enhanced_mr])
def test_cut_anywhere(make) -> None:
    data = part10(make())
    for end in range(0, len(data), 7):
        check(io.BytesIO(data[:end]))


@pytest.mark.parametrize("make", [good_ct, enhanced_mr])
def test_flipped_bytes(make) -> None:
    data = part10(make())
    dice = random.Random(7)
    for _ in range(400):
        broken = bytearray(data)
        for _ in range(dice.choice((1, 3, 20))):
            broken[dice.randrange(len(broken))] = dice.randrange(256)
        for issue in check(io.BytesIO(bytes(broken))):
            assert issue.where
            assert issue.repair


def test_errors_of_the_file_itself_come_through() -> None:
    class Gone(io.BytesIO):
        def read(self, *_: object) -> bytes:
            raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        check(Gone(b""))


def test_nothing_of_the_patient_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    ds = good_ct(PatientName="Secretname^X" + "y" * 70, PatientID="SECRET-ID")
    data = bytearray(part10(ds))
    with caplog.at_level(0):
        check(io.BytesIO(bytes(data)))
        for end in range(200, len(data), 50):
            check(io.BytesIO(bytes(data[:end])))
    assert "ecret" not in caplog.text.lower()


@pytest.mark.data
def test_every_shared_file_gives_an_answer(data: Path) -> None:
    count = 0
    for path in sorted((data / "malformed").iterdir()):
        with path.open("rb") as file:
            check(file)
        count += 1
    assert count > 20
