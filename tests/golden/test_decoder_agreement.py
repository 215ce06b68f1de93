"""Decoders against each other: the same picture in many encodings, and pydicom's plug-ins on every file."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from pydicom.pixels.utils import pixel_array

from lightbox.core.errors import LightboxError
from lightbox.imaging import picture
from lightbox.imaging.decode_format import DecodeError
from lightbox.imaging.image_object import ImageObject

pytestmark = [pytest.mark.data, pytest.mark.slow]


def stored(path: Path, frame: int = 0) -> NDArray[Any]:
    with ImageObject.open(path.open("rb")) as image:
        return image.stored(frame).copy()


def exact(path: Path, frame: int = 0) -> NDArray[np.uint8]:
    with ImageObject.open(path.open("rb")) as image:
        return picture.exact(image, frame)


def test_lossless_encodings_of_one_ct_slice_are_identical(data: Path) -> None:
    folder = data / "transfer-syntaxes/ctimage"
    lossless = ("1.2", "1.2.1", "1.2.2", "1.2.1.99", "1.2.4.57", "1.2.4.70", "1.2.4.80", "1.2.4.90", "1.2.5")
    reference = stored(folder / "CTImage.dcm")
    seen: list[str] = []
    for path in sorted(folder.glob("CTImage.dcm_*")):
        uid = path.name.rsplit("_", 1)[1].removesuffix(".dcm").removeprefix("1.2.840.10008.")
        if uid in lossless:
            assert np.array_equal(stored(path), reference), path.name
            seen.append(uid)
    assert sorted(seen) == sorted(lossless)


def test_lossy_encodings_of_one_ct_slice_are_close_in_hounsfield_units(data: Path) -> None:
    from lightbox.imaging.grey import GreyChain

    folder = data / "transfer-syntaxes/ctimage"
    with ImageObject.open((folder / "CTImage.dcm").open("rb")) as image:
        reference = GreyChain.of(image).modality(image.stored())
    # mean distance allowed: the 8-bit version has steps of 32 HU, the 12-bit ones of 2 HU
    for uid, limit in (("50", 20), ("51", 8), ("53", 8), ("55", 8), ("81", 4), ("91", 15)):
        (path,) = folder.glob(f"CTImage.dcm_*1.2.4.{uid}.dcm")
        with ImageObject.open(path.open("rb")) as image:
            values = GreyChain.of(image).modality(image.stored())
        body = (reference > -500) & (reference < 2000)
        assert np.abs(values.astype(float) - reference)[body].mean() < limit, path.name


def test_four_lossless_encodings_of_mr_slices_are_identical(data: Path) -> None:
    folders = sorted((data / "transfer-syntaxes").glob("d2n-*"))
    assert len(folders) == 4
    for name in sorted(path.name for path in folders[0].iterdir()):
        first = stored(folders[0] / name)
        for folder in folders[1:]:
            assert np.array_equal(stored(folder / name), first), (folder.name, name)


def test_lossless_encodings_of_an_enhanced_ct_are_identical(data: Path) -> None:
    folder = data / "enhanced/ct0012-encodings"
    for frame in range(2):
        reference = stored(folder / "CT0012.explicit_little_endian.dcm", frame)
        compared = 0
        for path in sorted(folder.iterdir()):
            if ".81" in path.name or ".51" in path.name:
                continue
            assert np.array_equal(stored(path, frame), reference), path.name
            compared += 1
        assert compared == 8


def test_encodings_of_a_bilevel_segmentation_are_identical(data: Path) -> None:
    folder = data / "overlays-seg/ct-3slice-liver-encodings"
    for group, names in (
        ("aligned", ("liver_expb", "liver_deflate", "liver_j2k", "liver_rle")),
        ("not aligned", ("liver_nonbyte_aligned", *(f"liver_nonbyte_aligned_{c}" for c in ("deflate", "j2k", "rle")))),
    ):
        for frame in range(3):
            found = [stored(folder / f"{name}.dcm", frame) for name in names]
            assert found[0].max() == 1
            for name, pixels in zip(names, found):
                assert np.array_equal(pixels, found[0]), (group, name, frame)


def test_encodings_of_a_colour_pattern_are_close(data: Path) -> None:
    folder = data / "transfer-syntaxes/pm5644"
    reference = exact(folder / "PM5644-960x540_RGB.dcm").astype(int)
    label = np.zeros(reference.shape[:2], bool)
    label[50:92, 398:562] = True  # names the encoding
    for path in sorted(folder.iterdir()):
        difference = np.abs(exact(path).astype(int) - reference)[~label]
        lossless = any(word in path.name for word in ("Lossless", "RLE")) and "Near" not in path.name
        if lossless:
            assert difference.max() == 0, path.name
        elif "Palette" in path.name:
            assert difference.mean() < 0.5, path.name
        else:
            assert difference.mean() < (6 if "Lossy50" in path.name else 1.5), path.name


def test_encodings_of_the_other_colour_pattern_are_close(data: Path) -> None:
    folder = data / "transfer-syntaxes/testpattern"
    reference = exact(folder / "TestPattern_RGB.dcm").astype(int)
    for path in sorted(folder.iterdir()):
        assert np.abs(exact(path).astype(int) - reference).mean() < 3, path.name


def test_a_raw_and_a_compressed_cine_show_the_same(data: Path) -> None:
    folder = data / "ultrasound"
    raw, compressed = "IM00001.implicit_little_endian.dcm", "IM00001.fragmented_no_bot_jpeg_baseline.50.dcm"
    for frame in range(8):
        difference = np.abs(exact(folder / raw, frame).astype(int) - exact(folder / compressed, frame))
        assert difference.mean() < 4, frame


def test_a_photograph_declared_rgb_but_stored_ybr_has_the_colour_of_skin(data: Path) -> None:
    red, green, blue = exact(data / "projection/GH195.dcm").reshape(-1, 3).mean(axis=0)
    assert red > green + 20
    assert red > blue + 20


# Files with pixels that are truly unreadable, and why.
UNREADABLE = {
    "malformed/GH1146.dcm": "its pixel data is empty",
    "malformed/genFile.dcm": "its frame is not a JPEG stream",
    "other-objects/multiframe.dcm": "its last tile is smaller than the header says",
}


def test_every_file_that_pydicom_decodes_has_the_same_stored_values(data: Path) -> None:
    compared, only_here = 0, 0
    wrong: list[str] = []
    unreadable: list[str] = []
    per_folder: Counter[Path] = Counter()
    for path in sorted(data.rglob("*")):
        if not path.is_file() or path.suffix in (".csv", ".md"):
            continue
        per_folder[path.parent] += 1
        if per_folder[path.parent] > 12 and path.parent.name not in ("malformed",):
            continue  # a long series is one encoding
        name = str(path.relative_to(data))
        try:
            image = ImageObject.open(path.open("rb"))
        except LightboxError:
            continue
        for frame in sorted({0, image.number_of_frames - 1}):
            try:
                mine = image.stored(frame)
            except DecodeError:
                unreadable.append(name)
                continue
            try:
                theirs = pixel_array(path, index=frame, raw=True)
            except Exception:
                only_here += 1
                continue
            compared += 1
            limit = 1 if image.transfer_syntax_uid.endswith((".4.50", ".4.51")) else 0
            if mine.shape != theirs.shape or np.abs(mine.astype(np.float64) - theirs).max() > limit:
                wrong.append(f"{name} frame {frame + 1}")
        image.close()
    print(f"{compared} frames equal pydicom's; {only_here} more are decoded here only; unreadable: {unreadable}")
    assert wrong == []
    assert set(unreadable) == set(UNREADABLE)
    assert compared > 300
