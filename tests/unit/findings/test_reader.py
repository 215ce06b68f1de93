from __future__ import annotations

import io

import numpy as np
import pytest

from builders import results as build
from lightbox.findings.reader import read_object, read_results


def many_frames():
    masks = np.random.default_rng(5).random((40, 11, 13)) < 0.3
    frames = [
        build.Frame(k % 3 + 1, m, (0.0, 0.0, float(k // 3)), ((f"1.2.3.{k}", (k + 1,)),)) for k, m in enumerate(masks)
    ]
    return build.seg(build.SegPlan(frames, [build.Segment(n, f"S{n}") for n in (1, 2, 3)])), masks


@pytest.mark.parametrize("encoding", [{}, {"implicit": True}, {"big_endian": True}])
@pytest.mark.parametrize("undefined_lengths", [False, True])
def test_sequences_with_and_without_lengths_read_the_same(encoding, undefined_lengths):
    dataset, masks = many_frames()
    dataset.ContentQualification = "RESEARCH"
    data = build.written(dataset, undefined_lengths=undefined_lengths, **encoding)
    (result,) = read_results([("x", lambda: io.BytesIO(data))])
    assert result.problems == []
    assert [f.voxels for f in result.findings] == [int(masks[k::3].sum()) for k in range(3)]
    assert result.findings[1].referenced_images[0].sop_instance_uid == "1.2.3.1"
    assert result.findings[1].referenced_images[0].frame_numbers == (2,)
    again = read_object(io.BytesIO(data))
    assert again.PixelData == dataset.PixelData
    assert len(again.PerFrameFunctionalGroupsSequence) == 40
    place = again.PerFrameFunctionalGroupsSequence[39].PlanePositionSequence[0].ImagePositionPatient
    assert [float(part) for part in place] == [0.0, 0.0, 13.0]


def test_cut_off_sequences_are_a_problem_and_no_crash():
    data = build.written(many_frames()[0], undefined_lengths=True)
    for end in range(200, len(data), 997):
        (result,) = read_results([("x", lambda end=end: io.BytesIO(data[:end]))])
        assert result.problems


def test_objects_are_read_in_order_and_closed():
    opened = []

    def opener(dataset):
        def open_it():
            opened.append(io.BytesIO(build.written(dataset)))
            return opened[-1]

        return open_it

    report = build.report(build.group(build.number(("1", "99X", "A"), "1")))
    results = read_results([("a", opener(many_frames()[0])), ("b", opener(report))])
    assert [result.modality for result in results] == ["SEG", "SR"]
    assert all(file.closed for file in opened)
