"""The state of a viewport."""

from __future__ import annotations

import numpy as np
import pytest

from lightbox.dicom.orientation import Edges
from lightbox.dicom.voi import Voi, VoiKind
from lightbox.viewer.frame_view import FrameView
from lightbox.viewer.orientation_marks import marks
from lightbox.viewer.transforms import FrameShape
from lightbox.viewer.viewport import Aspect, ViewportState


@pytest.fixture
def state() -> ViewportState:
    made = ViewportState()
    made.show(None, 3, frame_count=10)
    made.set_shape(FrameShape(100, 200, 1.0, 1.0))
    made.resize(400, 400)
    return made


def frame(presets: tuple[Voi, ...] = (), first: Voi | None = None) -> FrameView:
    return FrameView(
        pixels=np.zeros((4, 4), np.int16),
        shape=FrameShape(4, 4),
        value_text=lambda column, row: "",
        to_grey=lambda pixels, voi, invert: pixels.astype(np.uint8),
        presets=presets,
        first_voi=first or (presets[0] if presets else None),
        has_file_voi=bool(presets),
    )


def test_scroll_stops_at_both_ends(state: ViewportState) -> None:
    told: list[Aspect] = []
    state.changed.connect(told.append)
    state.scroll(100)
    assert state.frame_index == 9
    state.scroll(1)
    assert told == [Aspect.FRAME]
    state.scroll(-100)
    assert state.frame_index == 0


def test_zoom_keeps_the_point_under_the_cursor(state: ViewportState) -> None:
    state.rotate(1)
    assert state.transform is not None
    point = state.transform.to_image(310, 120)
    state.zoom_at(2.5, 310, 120)
    assert state.transform.to_viewport(*point) == pytest.approx((310, 120))


def test_pan_moves_by_viewport_pixels(state: ViewportState) -> None:
    state.flip_horizontal()
    assert state.transform is not None
    before = state.transform.to_viewport(50, 50)
    state.pan(12, -7)
    after = state.transform.to_viewport(50, 50)
    assert (after[0] - before[0], after[1] - before[1]) == pytest.approx((12, -7))


def test_fit_after_resize(state: ViewportState) -> None:
    assert state.scale == pytest.approx(2.0)
    state.resize(200, 50)
    assert state.scale == pytest.approx(0.5)


@pytest.mark.parametrize("steps", ["r", "rh", "hr", "v", "rv", "hv", "rrh", "hrvr"])
def test_turns_and_mirrors_act_on_what_is_seen(steps: str) -> None:
    """Letters computed from the reduced state equal letters moved on the screen step by step."""
    state, seen = ViewportState(), Edges(left="R", right="L", top="A", bottom="P")
    stored = seen
    for step in steps:
        if step == "r":
            state.rotate()
            seen = seen.rotated(1)
        elif step == "h":
            state.flip_horizontal()
            seen = seen.flipped_horizontally()
        else:
            state.flip_vertical()
            seen = seen.flipped_vertically()
    assert marks(stored, state.rotation, state.flip) == seen


def test_letters_are_left_out_when_they_would_lie() -> None:
    assert not marks(Edges(left="R", right="L", top="A", bottom="P"), 30.0)


def test_window_of_the_file_follows_each_frame_until_the_user_drags(state: ViewportState) -> None:
    first, second = Voi(VoiKind.LINEAR, 40, 400), Voi(VoiKind.LINEAR, 50, 300)
    assert state.voi_for(frame((first,))) == first
    assert state.voi_for(frame((second,))) == second
    state.window(0, 0)
    assert state.voi_for(frame((first,))) == Voi(VoiKind.LINEAR, 50, 300)
    state.reset()
    assert state.voi_for(frame((first,))) == first


def test_window_made_from_pixels_does_not_flicker(state: ViewportState) -> None:
    first, second = Voi(VoiKind.LINEAR, 40, 400), Voi(VoiKind.LINEAR, 50, 300)
    assert state.voi_for(frame(first=first)) == first
    assert state.voi_for(frame(first=second)) == first


def test_colour_has_no_window(state: ViewportState) -> None:
    colour = FrameView(np.zeros((2, 2, 3), np.uint8), FrameShape(2, 2), lambda column, row: "")
    assert state.voi_for(colour) is None
    state.window(10, 10)
    assert state.voi is None


def test_drag_right_widens_and_drag_down_raises_the_level(state: ViewportState) -> None:
    state.voi_for(frame((Voi(VoiKind.LINEAR, 40, 400),)))
    state.window(100, 0)
    assert state.voi is not None and state.voi.width > 400 and state.voi.center == 40
    state.window(0, 50)
    assert state.voi.center > 40
    for _ in range(100):
        state.window(-500, 0)
    assert state.voi.width == 1.0


def test_another_display_set_starts_afresh(state: ViewportState) -> None:
    state.toggle_invert()
    state.rotate()
    state.zoom_at(3, 10, 10)
    state.show(None, 0, frame_count=2)
    assert (state.invert, state.rotation, state.flip, state.zoom, state.voi) == (False, 0, False, 1.0, None)
