"""Letters of directions and edges, also after turns and flips."""

from __future__ import annotations

import numpy as np
import pytest

from builders.images import group, make_enhanced, make_image
from lightbox.dicom import orientation
from lightbox.dicom.orientation import Edges


@pytest.mark.parametrize(
    ("direction", "expected"),
    [
        ((1, 0, 0), "L"),
        ((-1, 0, 0), "R"),
        ((0, 1, 0), "P"),
        ((0, -1, 0), "A"),
        ((0, 0, 1), "H"),
        ((0, 0, -1), "F"),
        ((-0.5, 0.86, 0), "PR"),
        ((0.57, 0.55, 0.61), "HLP"),
        ((0.995, 0.1, 0), "L"),
        ((10, 0, 0), "L"),
        ((0, 0, 0), ""),
    ],
)
def test_letters_name_the_strongest_axis_first(direction, expected):
    assert orientation.letters(direction) == expected


@pytest.mark.parametrize(
    ("cosines", "expected"),
    [
        ((1, 0, 0, 0, 1, 0), Edges("R", "L", "A", "P")),  # axial, head first supine
        ((-1, 0, 0, 0, -1, 0), Edges("L", "R", "P", "A")),  # axial, prone
        ((1, 0, 0, 0, 0, -1), Edges("R", "L", "H", "F")),  # coronal
        ((0, 1, 0, 0, 0, -1), Edges("A", "P", "H", "F")),  # sagittal
        ((0, 1, 0, -1, 0, 0), Edges("A", "P", "L", "R")),  # decubitus
    ],
)
def test_edges_of_a_plane(cosines, expected):
    ds = make_image(position=(0, 0, 0), orientation=cosines, spacing=(1, 1))
    assert orientation.edges_of(ds) == expected


def test_projection_images_use_patient_orientation():
    assert orientation.edges_of(make_image(modality="MG", PatientOrientation=["A", "FR"])) == Edges(
        "P", "A", "HL", "FR"
    )
    assert orientation.edges_of(make_image(modality="CR", PatientOrientation=["L", "F"])) == Edges("R", "L", "H", "F")
    assert not orientation.edges_of(make_image(modality="CR", PatientOrientation=["", ""]))
    assert not orientation.edges_of(make_image(modality="CR"))
    assert not orientation.edges_of(make_image(modality="CR", PatientOrientation=["LE", "RT"])).left


def test_enhanced_frames_have_their_own_edges():
    cosines = ([1, 0, 0, 0, 1, 0], [0, 1, 0, 0, 0, -1])
    ds = make_enhanced(
        np.zeros((2, 4, 4), np.uint16),
        shared=group(PixelMeasuresSequence={"PixelSpacing": [1, 1]}),
        per_frame=[
            group(
                PlanePositionSequence={"ImagePositionPatient": [0, 0, 0]},
                PlaneOrientationSequence={"ImageOrientationPatient": values},
            )
            for values in cosines
        ],
    )
    assert [orientation.edges_of(ds, frame).top for frame in range(2)] == ["A", "H"]


def test_turns_and_flips_carry_the_letters():
    axial = Edges("R", "L", "A", "P")
    assert axial.flipped_horizontally() == Edges("L", "R", "A", "P")
    assert axial.flipped_vertically() == Edges("R", "L", "P", "A")
    assert axial.rotated(1) == Edges(left="P", right="A", top="R", bottom="L")
    assert axial.rotated(2) == axial.flipped_horizontally().flipped_vertically()
    assert axial.rotated(4) == axial == axial.rotated(3).rotated(1)
