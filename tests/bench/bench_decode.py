"""Decoding and the grey chain: `ImageObject` against pydicom's decoders (raw) on one 512x512 CT slice.

Both sides run in turn in this process on files in memory, opening included; medians are compared. What pydicom has no
decoder for here is printed without a ratio. The second table is the step from stored values to greys on the screen.

    python tests/bench/bench_decode.py [--rounds 15]
"""

from __future__ import annotations

import argparse
import io
import statistics
import sys
import time
import warnings
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

GREY_LIMIT_MS = 1.0


def timed(work: Callable[[], object]) -> float:
    """Return how many milliseconds `work` takes."""
    started = time.perf_counter()
    work()
    return (time.perf_counter() - started) * 1e3


def slice_in_every_encoding() -> Iterator[tuple[str, bytes]]:
    """Yield (name, file) of a CT-like slice, noisy enough to be honest about compression."""
    import imagecodecs
    import numpy as np
    from pydicom.pixels.encoders.base import get_encoder
    from pydicom.uid import ExplicitVRBigEndian, ExplicitVRLittleEndian, RLELossless

    from builders.images import DEFLATED, encode, make_image, to_bytes

    row, column = np.mgrid[0:512, 0:512]
    inside = (row - 256) ** 2 + (column - 256) ** 2 < 200**2
    noise = np.random.default_rng(0).normal(0, 12, (512, 512))
    pixels = np.where(inside, 1050 + noise, 20 + noise / 4).clip(0, 4095).astype(np.uint16)
    options = {"bits_stored": 12, "rescale": (1, -1024), "windows": [(40, 400)]}
    for name, native in (
        ("native", ExplicitVRLittleEndian),
        ("big endian", ExplicitVRBigEndian),
        ("deflated", DEFLATED),
    ):
        yield name, to_bytes(make_image(pixels, **options), native)
    eight = (pixels >> 4).astype(np.uint8)
    rle = get_encoder(RLELossless).encode(make_image(pixels, **options), index=0)
    j2k = imagecodecs.jpeg2k_encode(pixels, codecformat="j2k", reversible=True, level=0)
    for name, syntax, stream in (
        ("JPEG baseline", "1.2.840.10008.1.2.4.50", imagecodecs.jpeg8_encode(eight, level=90)),
        ("JPEG lossless", "1.2.840.10008.1.2.4.70", imagecodecs.ljpeg_encode(pixels, bitspersample=12)),
        ("JPEG-LS", "1.2.840.10008.1.2.4.80", imagecodecs.jpegls_encode(pixels)),
        ("JPEG 2000", "1.2.840.10008.1.2.4.90", j2k),
        ("HTJ2K", "1.2.840.10008.1.2.4.201", imagecodecs.htj2k_encode(pixels, reversible=True)),
        ("RLE", RLELossless, rle),
    ):
        source = eight if name == "JPEG baseline" else pixels
        bits = {"rescale": (16, -1024), "windows": [(40, 400)]} if name == "JPEG baseline" else options
        yield name, to_bytes(encode(make_image(source, **bits), [bytes(stream)], syntax), syntax)


def decode_here(data: bytes) -> object:
    """Open a file and decode its frame by Lightbox."""
    from lightbox.imaging.image_object import ImageObject

    return ImageObject.open(io.BytesIO(data)).stored()


def decode_by_pydicom(data: bytes) -> object:
    """Open a file and decode its frame by pydicom and its plug-ins."""
    from pydicom import dcmread
    from pydicom.pixels.decoders.base import get_decoder

    ds = dcmread(io.BytesIO(data))
    return get_decoder(ds.file_meta.TransferSyntaxUID).as_array(ds, index=0, raw=True)


def bench_decoding(rounds: int) -> None:
    """Print the first table."""
    print(f"{'encoding':<16}{'Lightbox ms':>12}{'pydicom ms':>12}{'ratio':>8}")
    for name, data in slice_in_every_encoding():
        here: list[float] = []
        there: list[float] = []
        for _ in range(rounds):
            here.append(timed(partial(decode_here, data)))
            try:
                there.append(timed(partial(decode_by_pydicom, data)))
            except (RuntimeError, NotImplementedError):
                continue
        ours = statistics.median(here)
        if there:
            theirs = statistics.median(there)
            print(f"{name:<16}{ours:>12.2f}{theirs:>12.2f}{theirs / ours:>8.1f}")
        else:
            print(f"{name:<16}{ours:>12.2f}{'no decoder':>12}")


def bench_grey(rounds: int) -> bool:
    """Print the second table; return whether the limit holds."""
    import numpy as np

    from lightbox.dicom.modality_lut import ModalityLut
    from lightbox.dicom.voi import Voi, VoiKind
    from lightbox.imaging.grey import GreyChain

    rng = np.random.default_rng(0)
    chain = GreyChain(ModalityLut(1.0, -1024.0))
    held = True
    print(f"\n{'stored values to greys':<24}{'same window ms':>15}{'new window ms':>15}")
    for label, pixels in (
        ("512x512 int16", rng.integers(-1000, 3000, (512, 512)).astype(np.int16)),
        ("512x512 uint16", rng.integers(0, 4096, (512, 512)).astype(np.uint16)),
        ("512x512 uint8", rng.integers(0, 256, (512, 512)).astype(np.uint8)),
        ("512x512 float32", rng.normal(0, 500, (512, 512)).astype(np.float32)),
        ("3000x2500 uint16", rng.integers(0, 4096, (3000, 2500)).astype(np.uint16)),
    ):
        windows = [Voi(VoiKind.LINEAR, 40 + step, 400 + step) for step in range(rounds)]
        chain.display(pixels, Voi(VoiKind.LINEAR, 1, 2))
        moved = statistics.median([timed(partial(chain.display, pixels, window)) for window in windows])
        same = statistics.median([timed(partial(chain.display, pixels, windows[0])) for _ in windows])
        print(f"{label:<24}{same:>15.2f}{moved:>15.2f}")
        if label == "512x512 int16":
            held = same < GREY_LIMIT_MS
    return held


def main() -> int:
    """Run both tables."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--rounds", type=int, default=15)
    rounds = parser.parse_args().rounds
    warnings.simplefilter("ignore")
    bench_decoding(rounds)
    held = bench_grey(rounds)
    print(f"\nstored values to greys, 512x512 int16, under {GREY_LIMIT_MS} ms: {'holds' if held else 'DOES NOT HOLD'}")
    return 0 if held else 1


if __name__ == "__main__":
    sys.exit(main())
