"""Display sets made by code: order, splits with reasons, problems that name slices."""

from __future__ import annotations

import numpy as np
import pytest
from pydicom.dataset import Dataset
from pydicom.uid import (
    EncapsulatedPDFStorage,
    EnhancedMRImageStorage,
    SegmentationStorage,
    UltrasoundMultiFrameImageStorage,
)

from builders.images import group, make_enhanced, make_image, to_bytes
from builders.stacks import Stack, affine_of, make_stack
from lightbox.viewer.display_sets import DisplaySet, DisplaySetKind, build, first_to_show

AXIAL = affine_of((1, 0, 0), (0, 1, 0), (-10, -20, 30), (0.5, 0.5, 2.5))
SAGITTAL = affine_of((0, 1, 0), (0, 0, -1), (0, -20, 60), (0.5, 0.5, 4))


def blank(count: int, rows: int = 6, columns: int = 8) -> np.ndarray:
    return np.zeros((count, rows, columns), np.uint16)


def positions(display_set: DisplaySet) -> list[float]:
    return [frame.plane.distance for frame in display_set.frames]


def codes(display_set: DisplaySet) -> list[str]:
    return [problem.code for problem in display_set.problems]


def without(stack: Stack, *indices: int) -> Stack:
    return Stack([ds for number, ds in enumerate(stack.datasets) if number not in indices], stack.files)


class TestOrder:
    def test_sorted_along_the_normal_not_by_number(self):
        stack = make_stack(blank(12), AXIAL, numbers=[5, 3, 9, 1, 12, 2, 8, 7, 11, 4, 10, 6], SeriesNumber=3)
        stack.datasets.reverse()
        (found,) = stack.build()
        assert found.kind is DisplaySetKind.VOLUME
        assert positions(found) == sorted(positions(found))
        assert [frame.instance_number for frame in found.frames] == [5, 3, 9, 1, 12, 2, 8, 7, 11, 4, 10, 6]
        assert found.spacing_mm == pytest.approx(2.5)
        assert found.title == "3: Made by code"
        assert found.problems == ()
        assert [frame.position_mm for frame in found.frames] == pytest.approx(positions(found))

    def test_no_file_is_opened(self):
        stack = make_stack(blank(300), AXIAL)
        stack.build()
        assert stack.opened == []

    def test_without_geometry_by_number(self):
        stack = Stack([make_image(InstanceNumber=number, SeriesInstanceUID="1.5") for number in (3, 1, 2)])
        (found,) = stack.build()
        assert [frame.instance_number for frame in found.frames] == [1, 2, 3]
        assert found.kind is DisplaySetKind.STACK
        assert not found.is_volume
        assert found.spacing_mm is None

    def test_series_by_number(self):
        one = make_stack(blank(3), AXIAL, SeriesNumber=11)
        two = make_stack(blank(3), AXIAL, SeriesNumber=2)
        assert [found.series_number for found in one.extended(two).build()] == [2, 11]

    def test_single_image(self):
        (found,) = make_stack(blank(1), AXIAL).build()
        assert found.kind is DisplaySetKind.SINGLE
        assert not found.is_volume

    def test_impossible_orientation_is_ignored_with_a_problem(self):
        def change(ds, k):
            if k == 2:
                ds.ImageOrientationPatient = [0, 0, 0, 0, 0, 0]

        found = make_stack(blank(6), AXIAL, change=change).build()
        assert [entry.number_of_frames for entry in found] == [5, 1]
        assert found[1].frames[0].plane is None
        assert [problem.where for problem in found[1].problems] == ["image 3"]
        assert "geometry.missing-slice" in codes(found[0])

    def test_lookups(self):
        stack = make_stack(blank(5), AXIAL)
        (found,) = stack.build()
        assert found.index_of(str(stack.datasets[3].SOPInstanceUID)) == 3
        assert found.index_of("9.9") is None
        assert found.nearest((0, 0, 36.0)) == 2


class TestProblems:
    def test_missing_slice(self):
        stack = without(make_stack(blank(74), AXIAL), 16)
        (found,) = stack.build()
        assert not found.is_volume
        assert found.kind is DisplaySetKind.STACK
        assert found.problems[0].what == "Slice 17 of 74 missing between z = 67.5 mm and z = 72.5 mm"
        assert found.problems[0].where == "between image 16 and image 18"

    def test_uneven_spacing(self):
        def change(ds, k):
            ds.ImagePositionPatient = [-10, -20, 30 + k * 2.5 + (0.8 if k == 4 else 0)]

        (found,) = make_stack(blank(9), AXIAL, change=change).build()
        assert codes(found) == ["geometry.irregular-spacing"]
        assert "image 4" in found.problems[0].where

    def test_gantry_tilt(self):
        affine = affine_of((1, 0, 0), (0, np.cos(0.2), -np.sin(0.2)), (0, 0, 0), (0.5, 0.5, 1), step=(0, 0, 4))
        (found,) = make_stack(blank(10), affine).build()
        assert found.is_volume
        assert abs(found.tilt_deg) == pytest.approx(np.degrees(0.2), abs=1e-4)
        assert codes(found) == ["geometry.tilt"]


class TestSplits:
    def test_size(self):
        stack = make_stack(blank(4), AXIAL, series_uid="1.5", frame_of_reference_uid="1.6").extended(
            make_stack(blank(2, 10, 12), AXIAL, series_uid="1.5", frame_of_reference_uid="1.6")
        )
        found = stack.build()
        assert sorted(entry.number_of_frames for entry in found) == [2, 4]
        assert {entry.split_reasons for entry in found} == {
            ("Split by image size: 8 x 6",),
            ("Split by image size: 12 x 10",),
        }
        assert len({entry.uid for entry in found}) == 2

    def test_orientation(self):
        common = {"series_uid": "1.5", "frame_of_reference_uid": "1.6"}
        found = make_stack(blank(6), AXIAL, **common).extended(make_stack(blank(5), SAGITTAL, **common)).build()
        assert sorted(entry.number_of_frames for entry in found) == [5, 6]
        assert all(entry.is_volume for entry in found)
        assert all(entry.split_reasons == ("Split by orientation",) for entry in found)

    def test_three_localizer_planes_stay_together(self):
        common = {
            "series_uid": "1.5",
            "frame_of_reference_uid": "1.6",
            "ImageType": ["ORIGINAL", "PRIMARY", "LOCALIZER"],
        }
        coronal = affine_of((1, 0, 0), (0, 0, -1), (0, 0, 0), (0.5, 0.5, 1))
        stack = make_stack(blank(1), AXIAL, **common)
        for affine in (SAGITTAL, coronal):
            stack = stack.extended(make_stack(blank(1), affine, **common))
        (found,) = stack.build()
        assert found.number_of_frames == 3
        assert found.is_localizer
        assert not found.is_volume

    def test_localizer_in_a_volume(self):
        def change(ds, k):
            ds.ImageType = ["ORIGINAL", "PRIMARY", "LOCALIZER"] if k == 0 else ["ORIGINAL", "PRIMARY", "AXIAL"]

        found = make_stack(blank(9), AXIAL, change=change).build()
        assert [(entry.number_of_frames, entry.is_localizer) for entry in found] == [(8, False), (1, True)]
        assert found[0].is_volume

    def test_frame_of_reference(self):
        found = (
            make_stack(blank(4), AXIAL, series_uid="1.5")
            .extended(make_stack(blank(4), AXIAL, series_uid="1.5"))
            .build()
        )
        assert len(found) == 2
        assert all(entry.is_volume for entry in found)

    def test_counting_acquisition_numbers_tear_nothing(self):
        def change(ds, k):
            ds.AcquisitionNumber = k + 1

        (found,) = make_stack(blank(20), AXIAL, change=change).build()
        assert found.is_volume

    @pytest.mark.parametrize(
        ("keyword", "values", "reason"),
        [
            ("EchoTime", [2.46, 4.92], "Split by echo time: 2.46 ms"),
            ("AcquisitionNumber", [1, 2], "Split by acquisition: 1"),
            ("ContentTime", ["101500", "101730"], "Split by time: 101500"),
        ],
    )
    def test_repeated_positions_by_what_the_index_holds(self, keyword, values, reason):
        common = {"series_uid": "1.5", "frame_of_reference_uid": "1.6", "modality": "MR"}
        stack = make_stack(blank(8), AXIAL, **common, **{keyword: values[0]}).extended(
            make_stack(blank(8), AXIAL, numbers=range(9, 17), **common, **{keyword: values[1]})
        )
        found = stack.build()
        assert [entry.number_of_frames for entry in found] == [8, 8]
        assert all(entry.is_volume for entry in found)
        assert found[0].split_reasons == (reason,)
        assert stack.opened == []

    def test_repeated_positions_by_what_only_the_objects_hold(self):
        common = {"series_uid": "1.5", "frame_of_reference_uid": "1.6", "modality": "MR"}
        stack = Stack([])
        for number, b_value in enumerate((0.0, 500.0, 1000.0)):
            numbers = range(8 * number + 1, 8 * number + 9)
            stack = stack.extended(make_stack(blank(8), AXIAL, numbers=numbers, DiffusionBValue=b_value, **common))
        found = stack.build()
        assert [entry.split_reasons for entry in found] == [
            (f"Split by b-value: {b} s/mm²",) for b in ("0", "500", "1000")
        ]
        assert all(entry.is_volume and entry.number_of_frames == 8 for entry in found)

    def test_two_attributes_together(self):
        common = {"series_uid": "1.5", "frame_of_reference_uid": "1.6", "modality": "MR"}
        stack = Stack([])
        for echo in (2.0, 4.0):
            for acquisition in (1, 2):
                stack = stack.extended(
                    make_stack(blank(5), AXIAL, EchoTime=echo, AcquisitionNumber=acquisition, **common)
                )
        found = stack.build()
        assert len(found) == 4
        assert all(entry.is_volume for entry in found)
        assert all(len(entry.split_reasons) == 2 for entry in found)

    def test_nothing_tells_them_apart(self):
        common = {"series_uid": "1.5", "frame_of_reference_uid": "1.6"}
        stack = make_stack(blank(6), AXIAL, **common).extended(
            make_stack(blank(6), AXIAL, numbers=range(7, 13), **common)
        )
        found = stack.build()
        assert [[frame.instance_number for frame in entry.frames] for entry in found] == [
            [1, 2, 3, 4, 5, 6],
            [7, 8, 9, 10, 11, 12],
        ]
        assert all("no attribute tells the images apart" in entry.split_reasons[0] for entry in found)

    def test_two_zones_by_slice_thickness(self):
        common = {"series_uid": "1.5", "frame_of_reference_uid": "1.6"}
        upper = affine_of((1, 0, 0), (0, 1, 0), (-10, -20, 56), (0.5, 0.5, 7))
        stack = make_stack(blank(10), AXIAL, SliceThickness=2.5, **common).extended(
            make_stack(blank(8), upper, SliceThickness=7, **common)
        )
        found = stack.build()
        assert [entry.spacing_mm for entry in found] == pytest.approx([2.5, 7])
        assert all(entry.is_volume for entry in found)

    def test_a_split_does_not_hide_a_missing_slice(self):
        def change(ds, k):
            ds.AcquisitionNumber = 1 if k < 10 else 2

        stack = without(make_stack(blank(20), AXIAL, change=change), 10)
        found = stack.build()
        assert all("geometry.missing-slice" in codes(entry) for entry in found)

    def test_time_series_of_one_place(self):
        stack = Stack([])
        for number in range(40):
            one = make_stack(blank(1), AXIAL, series_uid="1.5", frame_of_reference_uid="1.6", numbers=[number + 1])
            stack = stack.extended(one)
        (found,) = stack.build()
        assert [frame.instance_number for frame in found.frames] == list(range(1, 41))
        assert not found.is_volume

    def test_hundreds_of_repeats_stay_one_stack(self):
        stack = Stack([])
        for number in range(40):
            stack = stack.extended(
                make_stack(
                    blank(3),
                    AXIAL,
                    series_uid="1.5",
                    frame_of_reference_uid="1.6",
                    AcquisitionNumber=number,
                    numbers=range(3 * number + 1, 3 * number + 4),
                )
            )
        (found,) = stack.build()
        assert [frame.instance_number for frame in found.frames] == list(range(1, 121))
        assert codes(found) == ["geometry.many-repeats"]
        assert not found.is_volume


class TestMultiFrame:
    def enhanced(self, tables: list[dict], **options) -> Stack:
        shared = group(
            PlaneOrientationSequence={"ImageOrientationPatient": [1, 0, 0, 0, 1, 0]},
            PixelMeasuresSequence={"PixelSpacing": [0.5, 0.5], "SliceThickness": 3},
        )
        per_frame = [
            group(
                PlanePositionSequence={"ImagePositionPatient": [0, 0, table.pop("z")]},
                FrameContentSequence=table,
            )
            for table in tables
        ]
        ds = make_enhanced(blank(len(tables)), shared=shared, per_frame=per_frame, InstanceNumber=1, **options)
        ds.StudyInstanceUID = "1.2.3"
        return Stack([ds], {str(ds.SOPInstanceUID): to_bytes(ds)})

    def test_frames_out_of_order(self):
        z = [6.0, 0.0, 3.0, 9.0]
        stack = self.enhanced([{"z": value, "StackID": "1"} for value in z])
        (found,) = stack.build()
        assert [frame.frame_index for frame in found.frames] == [1, 2, 0, 3]
        assert found.is_volume
        assert found.spacing_mm == pytest.approx(3.0)
        assert len(stack.opened) == 1

    def test_stacks_and_time_points(self):
        tables = [{"z": 3.0 * k, "TemporalPositionIndex": t + 1} for t in range(3) for k in range(5)]
        found = self.enhanced(tables).build()
        assert [entry.split_reasons for entry in found] == [(f"Split by time point: {t}",) for t in (1, 2, 3)]
        assert [[frame.frame_index for frame in entry.frames] for entry in found] == [
            list(range(5 * t, 5 * t + 5)) for t in range(3)
        ]

    def test_dimension_index_values(self):
        tables = [{"z": 3.0 * k, "DimensionIndexValues": [t + 1, k + 1]} for t in range(2) for k in range(5)]
        stack = self.enhanced(tables)
        (ds,) = stack.datasets
        ds.DimensionIndexSequence = [Dataset(), Dataset()]
        ds.DimensionIndexSequence[0].DimensionIndexPointer = 0x00189087
        ds.DimensionIndexSequence[1].DimensionIndexPointer = 0x00200032
        stack.files[str(ds.SOPInstanceUID)] = to_bytes(ds)
        found = stack.build()
        assert [entry.split_reasons for entry in found] == [(f"Split by dimension: {t}",) for t in (1, 2)]
        assert all(entry.is_volume for entry in found)

    def test_single_frame_enhanced_objects_make_one_volume(self):
        stack = Stack([])
        for k in (2, 0, 1, 3):
            one = self.enhanced([{"z": 3.0 * k}], SeriesInstanceUID="1.5")
            one.datasets[0].FrameOfReferenceUID = "1.6"
            one.datasets[0].SOPClassUID = EnhancedMRImageStorage
            uid = str(one.datasets[0].SOPInstanceUID)
            one.files[uid] = to_bytes(one.datasets[0])
            stack = stack.extended(one)
        (found,) = stack.build()
        assert found.is_volume
        assert positions(found) == pytest.approx([0, 3, 6, 9])

    def ultrasound(self, **attributes) -> Stack:
        ds = make_image(blank(5), modality="US", StudyInstanceUID="1.2.3", InstanceNumber=1, **attributes)
        ds.SOPClassUID = UltrasoundMultiFrameImageStorage
        return Stack([ds], {str(ds.SOPInstanceUID): to_bytes(ds)})

    @pytest.mark.parametrize(
        ("attributes", "rate", "times"),
        [
            ({"FrameTime": 40}, 25.0, (0, 40, 80, 120, 160)),
            ({"FrameTimeVector": [0, 30, 50, 30, 50]}, 25.0, (0, 30, 80, 110, 160)),
            ({"FrameTime": 40, "CineRate": 30}, 30.0, (0, 40, 80, 120, 160)),
            ({"RecommendedDisplayFrameRate": 12, "CineRate": 30}, 12.0, ()),
            ({}, None, ()),
        ],
    )
    def test_cine(self, attributes, rate, times):
        (found,) = self.ultrasound(**attributes).build()
        assert found.kind is DisplaySetKind.CINE
        assert [frame.frame_index for frame in found.frames] == [0, 1, 2, 3, 4]
        assert found.rate_fps == (None if rate is None else pytest.approx(rate))
        assert found.frame_times_ms == pytest.approx(times)

    def test_parts_of_a_concatenation_are_one(self):
        stack = Stack([])
        for part in (1, 0):
            ds = make_image(
                blank(3),
                modality="US",
                StudyInstanceUID="1.2.3",
                SeriesInstanceUID="1.5",
                InstanceNumber=1,
                ConcatenationUID="1.7",
                ConcatenationFrameOffsetNumber=3 * part,
                FrameTime=40,
            )
            ds.SOPClassUID = UltrasoundMultiFrameImageStorage
            stack = stack.extended(Stack([ds], {str(ds.SOPInstanceUID): to_bytes(ds)}))
        (found,) = stack.build()
        second, first = (str(ds.SOPInstanceUID) for ds in stack.datasets)
        assert [(frame.sop_instance_uid, frame.frame_index) for frame in found.frames] == [
            *((first, number) for number in range(3)),
            *((second, number) for number in range(3)),
        ]
        assert found.kind is DisplaySetKind.CINE
        assert found.rate_fps == pytest.approx(25)

    def test_an_object_that_cannot_be_opened_is_a_problem(self):
        stack = self.ultrasound(FrameTime=40)
        stack.files = dict.fromkeys(stack.files, b"not DICOM at all")
        (found,) = stack.build()
        assert found.number_of_frames == 5
        assert codes(found) == ["object.unreadable"]
        assert found.problems[0].where == "image 1"


class TestOtherObjects:
    def record_of(self, sop_class: str, **attributes) -> Stack:
        ds = make_image(StudyInstanceUID="1.2.3", **attributes)
        ds.SOPClassUID = sop_class
        return Stack([ds])

    def test_results_are_no_display_sets(self):
        assert self.record_of(SegmentationStorage, modality="SEG").build() == []

    def test_documents_say_why(self):
        (found,) = self.record_of(EncapsulatedPDFStorage, modality="DOC").build()
        assert found.kind is DisplaySetKind.UNSUPPORTED
        assert found.frames == ()
        assert "Encapsulated PDF" in found.unsupported_reason

    def test_nothing(self):
        stack = make_stack(blank(2), AXIAL)
        assert build(stack.study, stack.series, [], stack.open_object) == []
        assert build(stack.study, stack.series[0], stack.records, stack.open_object)[0].number_of_frames == 2


class TestFirst:
    def test_largest_volume_before_localizer_and_captures(self):
        localizer = make_stack(blank(9), AXIAL, SeriesNumber=1, ImageType=["ORIGINAL", "PRIMARY", "LOCALIZER"])
        small = make_stack(blank(4), AXIAL, SeriesNumber=2)
        large = make_stack(blank(8), AXIAL, SeriesNumber=3)
        capture = make_stack(blank(90), AXIAL, SeriesNumber=4, modality="OT")
        found = localizer.extended(small).extended(large).extended(capture).build()
        chosen = first_to_show(found)
        assert chosen is not None
        assert chosen.series_number == 3

    def test_without_volumes_the_first_series(self):
        found = Stack(
            [make_image(modality="DX", SeriesNumber=n, StudyInstanceUID="1.2.3", InstanceNumber=1) for n in (7, 4)]
        ).build()
        chosen = first_to_show(found)
        assert chosen is not None
        assert chosen.series_number == 4

    def test_nothing_to_show(self):
        assert first_to_show([]) is None
