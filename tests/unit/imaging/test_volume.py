"""Volumes from slices: true values, true places, and refusal where either is in doubt."""

from __future__ import annotations

import io
from functools import partial

import numpy as np
import pytest
from pydicom.uid import DeflatedExplicitVRLittleEndian, ExplicitVRBigEndian, ImplicitVRLittleEndian, RLELossless

from builders.images import encode, group, make_enhanced, opened, to_bytes
from builders.stacks import affine_of, make_stack
from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.imaging import volume_native
from lightbox.imaging.geometry import GeometryError
from lightbox.imaging.grey import GreyChain
from lightbox.imaging.image_object import ImageObject
from lightbox.imaging.volume import VolumeError, VolumeFrame, VolumeTooLargeError, assemble

AXIAL = affine_of((1, 0, 0), (0, 1, 0), (-10, -20, 30), (0.5, 0.75, 2.0))
rng = np.random.default_rng(7)


def stored(low: int, high: int, dtype: str, shape: tuple[int, int, int] = (5, 6, 8)) -> np.ndarray:
    values = rng.integers(low, high, size=shape, endpoint=True).astype(dtype)
    values[0, 0, 0], values[-1, -1, -1] = low, high
    return values


class TestValues:
    @pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian, ExplicitVRBigEndian])
    @pytest.mark.parametrize(
        ("values", "options"),
        [
            (stored(0, 4095, "u2"), {"bits_stored": 12, "rescale": (1, -1024)}),
            (stored(-2048, 2047, "i2"), {"bits_stored": 12, "rescale": (1, 0)}),
            (stored(-2000, 3000, "i2"), {"rescale": (2, -5)}),
            (stored(0, 32767, "u2"), {}),
            (stored(1000, 33791, "u2"), {"rescale": (1, -1024)}),
            (stored(0, 4095, "u2"), {"photometric": "MONOCHROME1", "bits_stored": 12}),
        ],
        ids=["ct12", "signed12", "slope2", "unsigned16", "fits-only-after-rescale", "mono1"],
    )
    def test_whole_numbers_become_int16(self, syntax, values, options):
        volume = assemble(make_stack(values, AXIAL, syntax=syntax, **options).volume_frames())
        slope, intercept = options.get("rescale", (1, 0))
        assert volume.voxels.dtype == np.int16
        np.testing.assert_array_equal(volume.voxels, values.astype(np.int64) * slope + intercept)

    def test_values_beyond_int16_become_float(self):
        values = stored(0, 65535, "u2")
        volume = assemble(make_stack(values, AXIAL).volume_frames())
        assert volume.voxels.dtype == np.float32
        np.testing.assert_array_equal(volume.voxels, values)

    def test_late_large_value_keeps_earlier_slices(self):
        values = stored(0, 1000, "u2")
        values[-1, 2, 3] = 60000
        volume = assemble(make_stack(values, AXIAL).volume_frames(), workers=1)
        assert volume.voxels.dtype == np.float32
        np.testing.assert_array_equal(volume.voxels, values)

    def test_every_slice_has_its_own_rescale(self):
        values = stored(-3000, 3000, "i2")
        slopes = [0.5, 0.25, 1.5, 2.125, 0.1]

        def change(ds, k):
            ds.RescaleSlope, ds.RescaleIntercept = slopes[k], 0

        volume = assemble(make_stack(values, AXIAL, modality="PT", Units="BQML", change=change).volume_frames())
        expected = values.astype(np.float64) * np.array(slopes)[:, None, None]
        assert volume.voxels.dtype == np.float32
        assert volume.unit == "Bq/ml"
        np.testing.assert_array_equal(volume.voxels, expected.astype(np.float32))

    def test_every_slice_has_its_own_whole_intercept(self):
        values = stored(0, 4095, "u2")

        def change(ds, k):
            ds.RescaleSlope, ds.RescaleIntercept = 1 + k, -100 * k

        volume = assemble(make_stack(values, AXIAL, bits_stored=12, change=change).volume_frames())
        factor, offset = 1 + np.arange(5)[:, None, None], -100 * np.arange(5)[:, None, None]
        np.testing.assert_array_equal(volume.voxels, values.astype(np.int64) * factor + offset)

    def test_bits_above_bits_stored_are_no_values(self):
        values = stored(0, 4095, "u2")
        stack = make_stack(values, AXIAL, bits_stored=12, rescale=(1, -1024))
        for ds in stack.datasets:
            dirty = np.frombuffer(ds.PixelData, np.uint16) | 0xA000
            ds.PixelData = dirty.tobytes()
            stack.files[str(ds.SOPInstanceUID)] = to_bytes(ds)
        volume = assemble(stack.volume_frames())
        np.testing.assert_array_equal(volume.voxels, values.astype(int) - 1024)

    def test_compressed_equals_uncompressed(self):
        import imagecodecs

        values = stored(0, 4095, "u2", (9, 32, 48))
        plain = make_stack(values, AXIAL, bits_stored=12, rescale=(1, -1024))
        packed = make_stack(values, AXIAL, bits_stored=12, rescale=(1, -1024))
        for ds, pixels in zip(packed.datasets, values):
            encode(
                ds,
                [imagecodecs.jpeg2k_encode(pixels, level=0, codecformat="j2k", reversible=True, bitspersample=12)],
                "",
            )
            packed.files[str(ds.SOPInstanceUID)] = to_bytes(ds, "1.2.840.10008.1.2.4.90")
        np.testing.assert_array_equal(assemble(packed.volume_frames()).voxels, assemble(plain.volume_frames()).voxels)

    def test_deflated(self):
        values = stored(0, 4095, "u2")
        volume = assemble(make_stack(values, AXIAL, syntax=DeflatedExplicitVRLittleEndian).volume_frames())
        np.testing.assert_array_equal(volume.voxels, values)

    def test_decoded_frames_are_used(self):
        values = stored(0, 4095, "u2")
        stack = make_stack(values, AXIAL, syntax=ExplicitVRBigEndian)
        frames = []
        for ds, frame in zip(stack.datasets, stack.volume_frames()):
            image = ImageObject.open(opened(ds))
            chain = GreyChain.of(image)
            frames.append(
                VolumeFrame(frame.open, 0, frame.plane, frame.key, lambda i=image, c=chain: (i.stored(0) + 1, c))
            )
        stack.opened.clear()
        np.testing.assert_array_equal(assemble(frames).voxels, values + 1)
        assert len(stack.opened) == 1  # only the look at how the first slice is stored


class TestPlace:
    def test_affine_comes_from_first_and_last_position(self):
        volume = assemble(make_stack(stored(0, 9, "u2"), AXIAL).volume_frames())
        np.testing.assert_allclose(volume.affine, AXIAL, atol=1e-6)
        assert volume.spacing_mm == pytest.approx((0.5, 0.75, 2.0))
        assert volume.size == (8, 6, 5)

    def test_left_handed_stack_keeps_its_order(self):
        affine = affine_of((1, 0, 0), (0, 1, 0), (0, 0, 0), step=(0, 0, -3))
        values = stored(0, 99, "u2")
        volume = assemble(make_stack(values, affine).volume_frames())
        np.testing.assert_allclose(volume.affine, affine, atol=1e-6)
        assert np.linalg.det(volume.affine[:3, :3]) < 0
        np.testing.assert_array_equal(volume.voxels, values)

    def test_tilt_stays_in_the_affine(self):
        row, column = (1, 0, 0), (0, np.cos(0.3), -np.sin(0.3))
        affine = affine_of(row, column, (0, 0, 0), (0.5, 0.5, 1), step=(0, 0, 4))
        stack = make_stack(stored(0, 99, "u2"), affine)
        volume = assemble(stack.volume_frames())
        assert volume.is_sheared
        for k, plane in enumerate(stack.planes):
            for i, j in ((0, 0), (7, 5)):
                np.testing.assert_allclose(volume.to_patient(i, j, k), plane.to_patient(i, j), atol=1e-5)

    def test_value_at_a_place(self):
        values = stored(0, 4095, "u2")
        volume = assemble(make_stack(values, AXIAL).volume_frames())
        assert volume.value_at(volume.to_patient(3, 2, 4)) == values[4, 2, 3]
        assert volume.value_at(volume.to_patient(3.4, 1.6, 3.7)) == values[4, 2, 3]
        assert volume.value_at(volume.to_patient(-0.6, 2, 4)) is None

    def test_enhanced_multi_frame(self):
        values = stored(0, 4095, "u2", (4, 6, 8))
        per_frame = [
            group(
                PlanePositionSequence={"ImagePositionPatient": [0, 0, 2.5 * k]},
                PixelValueTransformationSequence={"RescaleSlope": 1, "RescaleIntercept": -10 * k, "RescaleType": "US"},
            )
            for k in range(4)
        ]
        shared = group(
            PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            PixelMeasuresSequence={"PixelSpacing": [0.75, 0.5]},
        )
        data = to_bytes(make_enhanced(values, shared=shared, per_frame=per_frame))
        image = ImageObject.open(io.BytesIO(data))
        frames = [VolumeFrame(partial(io.BytesIO, data), k, image.plane(k), "one") for k in range(4)]
        volume = assemble(frames)
        np.testing.assert_array_equal(volume.voxels, values.astype(int) - 10 * np.arange(4)[:, None, None])
        assert volume.spacing_mm == pytest.approx((0.5, 0.75, 2.5))


class TestRefusal:
    def test_missing_slice(self):
        frames = make_stack(stored(0, 9, "u2"), AXIAL).volume_frames()
        with pytest.raises(GeometryError, match=r"Slice 3 of 5 missing between z = 32\.0 mm and z = 36\.0 mm"):
            assemble(frames[:2] + frames[3:])

    def test_shuffled_slices(self):
        frames = make_stack(stored(0, 9, "u2"), AXIAL).volume_frames()
        with pytest.raises(GeometryError, match="order of their positions"):
            assemble([frames[1], frames[0], *frames[2:]])

    def test_one_slice(self):
        with pytest.raises(GeometryError, match="at least two slices"):
            assemble(make_stack(stored(0, 9, "u2"), AXIAL).volume_frames()[:1])

    @pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ExplicitVRBigEndian])
    def test_broken_slice_is_named(self, syntax):
        stack = make_stack(stored(0, 9, "u2"), AXIAL, syntax=syntax)
        uid = str(stack.datasets[3].SOPInstanceUID)
        stack.files[uid] = stack.files[uid][:-40]
        with pytest.raises(VolumeError, match=r"Slice 4 of 5 .*z = 36\.0 mm.*cut off"):
            assemble(stack.volume_frames())

    def test_slice_of_another_size(self):
        stack = make_stack(stored(0, 9, "u2"), AXIAL)
        other = make_stack(stored(0, 9, "u2", (5, 7, 8)), AXIAL)
        stack.files[str(stack.datasets[2].SOPInstanceUID)] = other.files[str(other.datasets[2].SOPInstanceUID)]
        with pytest.raises(VolumeError, match="Slice 3 of 5"):
            assemble(stack.volume_frames())

    def test_budget(self):
        frames = make_stack(stored(0, 9, "u2"), AXIAL).volume_frames()
        with pytest.raises(VolumeTooLargeError, match="does not fit into memory"):
            assemble(frames, budget_bytes=479)
        assert assemble(frames, budget_bytes=480).voxels.nbytes == 480

    def test_budget_of_float(self):
        frames = make_stack(stored(0, 9, "u2"), AXIAL, rescale=(0.5, 0)).volume_frames()
        with pytest.raises(VolumeTooLargeError):
            assemble(frames, budget_bytes=480)

    @pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ExplicitVRBigEndian])
    def test_cancel(self, syntax):
        token = CancelToken()
        stack = make_stack(stored(0, 9, "u2", (40, 4, 4)), AXIAL, syntax=syntax)

        def progress(done, total):
            assert total == 40
            if done >= 3:
                token.cancel()

        with pytest.raises(Cancelled):
            assemble(stack.volume_frames(), progress=progress, cancel=token, workers=1)
        assert len(stack.opened) < 40

    def test_progress_reaches_the_end(self):
        heard: list[tuple[int, int]] = []
        stack = make_stack(stored(0, 9, "u2"), AXIAL)
        assemble(stack.volume_frames(), progress=lambda done, total: heard.append((done, total)), workers=1)
        assert heard == [(k, 5) for k in range(1, 6)]


class TestNativeScan:
    def test_finds_the_pixels(self):
        ds = make_stack(stored(0, 4095, "u2"), AXIAL, bits_stored=12, rescale=(1, -1024)).datasets[0]
        data = to_bytes(ds)
        found = volume_native.scan(io.BytesIO(data))
        assert found is not None
        assert data[found.offset : found.offset + found.frame_bytes] == ds.PixelData
        assert (found.rows, found.columns, found.bits_stored, found.signed) == (6, 8, 12, False)
        assert (found.slope, found.intercept, found.range) == (1, -1024, (-1024, 3071))

    @pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2.1", ImplicitVRLittleEndian])
    def test_sequences_and_long_headers_do_not_mislead(self, syntax):
        ds = make_stack(stored(0, 99, "u2"), AXIAL, rescale=(1, -1024)).datasets[0]
        item = group(PixelMeasuresSequence={"RescaleSlope": 7, "RescaleIntercept": 3})
        ds.RequestAttributesSequence = [item]
        ds["RequestAttributesSequence"].is_undefined_length = True
        item.is_undefined_length_sequence_item = True
        block = ds.private_block(0x0009, "MADE BY CODE", create=True)
        block.add_new(0x10, "OB", b"\xe0\x7f\x10\x00" * 30000)
        data = to_bytes(ds, syntax)
        found = volume_native.scan(io.BytesIO(data))
        assert found is not None
        assert data[found.offset : found.offset + found.frame_bytes] == ds.PixelData
        assert (found.slope, found.intercept) == (1, -1024)

    @pytest.mark.parametrize(
        "change",
        [
            lambda ds: setattr(ds, "RescaleSlope", 0.5),
            lambda ds: setattr(ds, "RescaleIntercept", 0.25),
            lambda ds: setattr(ds, "RescaleSlope", 0),
            lambda ds: delattr(ds, "RescaleIntercept"),
            lambda ds: setattr(ds, "HighBit", 14),
            lambda ds: setattr(ds, "PhotometricInterpretation", "PALETTE COLOR"),
            lambda ds: setattr(ds, "Rows", 60),
            lambda ds: setattr(ds, "NumberOfFrames", 2),
        ],
        ids=["slope", "intercept", "zero-slope", "unpaired", "high-bit", "palette", "short", "frames"],
    )
    def test_anything_unusual_is_left_to_the_ordinary_way(self, change):
        ds = make_stack(stored(0, 99, "u2"), AXIAL, rescale=(1, -1024)).datasets[0]
        assert volume_native.scan(opened(ds)) is not None
        change(ds)
        assert volume_native.scan(opened(ds)) is None

    @pytest.mark.parametrize("syntax", [ExplicitVRBigEndian, DeflatedExplicitVRLittleEndian])
    def test_other_encodings(self, syntax):
        ds = make_stack(stored(0, 99, "u2"), AXIAL).datasets[0]
        assert volume_native.scan(io.BytesIO(to_bytes(ds, syntax))) is None

    def test_encapsulated(self):
        ds = make_stack(stored(0, 99, "u2"), AXIAL).datasets[0]
        encode(ds, [b"\0" * 64], RLELossless)
        assert volume_native.scan(io.BytesIO(to_bytes(ds, RLELossless))) is None

    @pytest.mark.parametrize("data", [b"", b"\0" * 200, b"\0" * 128 + b"DICM", b"\0" * 128 + b"DICM" + b"\xff" * 500])
    def test_no_dicom(self, data):
        assert volume_native.scan(io.BytesIO(data)) is None

    def test_cut_header(self):
        data = to_bytes(make_stack(stored(0, 99, "u2"), AXIAL).datasets[0])
        for length in range(132, len(data) - 96, 7):
            assert volume_native.scan(io.BytesIO(data[:length])) is None
