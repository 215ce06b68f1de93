"""The frame loader: wanted first, neighbours next, bad frames apart, late answers dropped."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from builders.images import make_image, to_bytes
from builders.stacks import Stack, affine_of, make_stack
from lightbox.core.errors import LightboxError
from lightbox.core.jobs import JobRunner
from lightbox.viewer.display_sets import DisplaySet
from lightbox.viewer.loader import FrameLoader
from lightbox.viewer.loader_cache import HEADER_BYTES
from lightbox.viewer.volume_cache import VolumeCache, volume_frames

AXIAL = affine_of((1, 0, 0), (0, 1, 0), (-10, -20, 30), (0.5, 0.5, 2.5))
FRAME = 6 * 8 * 2 + HEADER_BYTES


def numbered(count: int, **options) -> Stack:
    """A stack whose pixels say which slice they are."""
    voxels = np.arange(count, dtype=np.uint16)[:, None, None] * np.ones((1, 6, 8), np.uint16)
    return make_stack(voxels, AXIAL, **options)


def until(condition: Callable[[], bool], seconds: float = 20.0) -> None:
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "waited in vain"
        time.sleep(0.002)


@pytest.fixture
def jobs() -> Iterator[JobRunner]:
    runner = JobRunner(3)
    yield runner
    runner.close()


@pytest.fixture
def one_worker() -> Iterator[JobRunner]:
    runner = JobRunner(1)
    yield runner
    runner.close()


class Gate:
    """Opens objects, but only as long as the gate is open; notes the order."""

    def __init__(self, stack: Stack) -> None:
        self.stack = stack
        self.open = threading.Event()
        self.order: list[str] = []

    def __call__(self, uid: str):
        assert self.open.wait(20)
        self.order.append(uid)
        return self.stack.open_object(uid)


def only(stack: Stack) -> DisplaySet:
    (found,) = stack.build()
    return found


def test_the_wanted_frame_is_told_and_kept(jobs):
    stack = numbered(9)
    shown = only(stack)
    loader = FrameLoader(stack.open_object, jobs)
    ready: list[tuple[str, int]] = []
    loader.frame_ready.connect(lambda uid, number: ready.append((uid, number)))
    request = loader.request(shown, 4, prefetch=False)
    assert request.loaded is None
    until(lambda: loader.get(shown.uid, 4) is not None)
    until(lambda: ready == [(shown.uid, 4)])
    loaded = loader.get(shown.uid, 4)
    assert (loaded.decoded.values == 4).all()
    assert loaded.plane == shown.frames[4].plane
    again = loader.request(shown, 4, prefetch=False)
    assert again.loaded is loaded
    assert again.id > request.id


def test_neighbours_follow_from_the_wanted_frame_outward(one_worker):
    stack = numbered(9)
    shown = only(stack)
    gate = Gate(stack)
    loader = FrameLoader(gate, one_worker)
    order: list[int] = []
    loader.frame_ready.connect(lambda _uid, number: order.append(number))
    loader.request(shown, 3)
    gate.open.set()
    until(lambda: len(order) == 9)
    assert order == [3, 4, 2, 5, 1, 6, 0, 7, 8]
    assert loader.progress(shown) == (9, 9)


def test_a_new_wish_comes_before_the_neighbours(one_worker):
    stack = numbered(300)
    shown = only(stack)
    slow = threading.Semaphore(0)

    def open_slowly(uid: str):
        slow.acquire()
        return stack.open_object(uid)

    loader = FrameLoader(open_slowly, one_worker)
    order: list[int] = []
    loader.frame_ready.connect(lambda _uid, number: order.append(number))
    loader.request(shown, 0)
    slow.release(20)
    until(lambda: len(order) >= 5)
    loader.request(shown, 250)
    slow.release(10_000)
    until(lambda: 250 in order)
    # What a background job had in hand may still come first; the whole series does not.
    until(lambda: loader.progress(shown) == (300, 300))
    near = order[order.index(250) :][:9]
    assert set(near[1:]) <= set(range(240, 260))


def test_overtaken_wishes_are_not_answered(one_worker):
    stack = numbered(30)
    shown = only(stack)
    gate = Gate(stack)
    loader = FrameLoader(gate, one_worker)
    answers: list[int] = []
    loader.answered.connect(lambda request: answers.append(request.number))
    requests = [loader.request(shown, number, channel="a", prefetch=False) for number in range(10)]
    other = loader.request(shown, 20, channel="b", prefetch=False)
    gate.open.set()
    until(lambda: len(answers) == 2)
    assert sorted(answers) == [9, 20]
    assert [loader.is_current(request) for request in requests] == [False] * 9 + [True]
    assert loader.is_current(other)
    # At most the first had been started when it was overtaken.
    assert set(gate.order) <= {shown.frames[number].sop_instance_uid for number in (0, 9, 20)}


def test_a_bad_frame_says_why_and_the_others_go_on(jobs):
    stack = numbered(7)
    shown = only(stack)
    bad = shown.frames[2].sop_instance_uid
    good = stack.files[bad]
    stack.files[bad] = good[:-30]
    missing = shown.frames[5].sop_instance_uid
    kept = stack.files.pop(missing)
    loader = FrameLoader(stack.open_object, jobs)
    failed: list[int] = []
    loader.frame_failed.connect(lambda _uid, number: failed.append(number))
    loader.request(shown, 2)
    until(lambda: loader.progress(shown) == (7, 7))
    until(lambda: len(failed) == 2)
    assert sorted(failed) == [2, 5]
    assert "cut off" in loader.error(shown.uid, 2).sentence()
    assert "image 6" in loader.error(shown.uid, 5).sentence()
    assert all(loader.get(shown.uid, number) for number in (0, 1, 3, 4, 6))
    with pytest.raises(LightboxError, match="cut off"):
        loader.load(shown, 2)

    stack.files[bad], stack.files[missing] = good, kept
    loader.retry(shown)
    loader.request(shown, 2)
    until(lambda: loader.progress(shown) == (7, 7))
    assert (loader.get(shown.uid, 2).decoded.values == 2).all()


def test_progress_is_told_to_the_end(jobs):
    stack = numbered(25)
    shown = only(stack)
    loader = FrameLoader(stack.open_object, jobs)
    heard: list[tuple[int, int]] = []
    loader.progressed.connect(lambda _uid, done, total: heard.append((done, total)))
    loader.request(shown, 12)
    until(lambda: bool(heard) and heard[-1] == (25, 25))
    assert len(heard) < 25


def test_the_cache_keeps_its_budget_and_what_is_near(jobs):
    stack = numbered(100)
    shown = only(stack)
    loader = FrameLoader(stack.open_object, jobs, cache_bytes=20 * FRAME)
    loader.request(shown, 50)
    until(lambda: loader.get(shown.uid, 50) is not None and loader.cached_bytes >= 15 * FRAME)
    until(lambda: not loader._prefetching)
    assert loader.cached_bytes <= 20 * FRAME
    assert all(loader.get(shown.uid, number) for number in range(45, 56))
    loader.request(shown, 0)
    until(lambda: all(loader.get(shown.uid, number) for number in range(10)))
    until(lambda: not loader._prefetching)
    assert loader.cached_bytes <= 20 * FRAME
    assert loader.get(shown.uid, 50) is None


def test_frames_of_one_object_read_its_header_once(jobs):
    pixels = np.arange(12, dtype=np.uint16)[:, None, None] * np.ones((1, 6, 8), np.uint16)
    ds = make_image(pixels, modality="US", StudyInstanceUID="1.2.3", InstanceNumber=1, FrameTime=40)
    ds.SOPClassUID = "1.2.840.10008.5.1.4.1.1.3.1"
    stack = Stack([ds], {str(ds.SOPInstanceUID): to_bytes(ds)})
    shown = only(stack)
    stack.opened.clear()
    loader = FrameLoader(stack.open_object, jobs)
    loader.request(shown, 0)
    until(lambda: loader.progress(shown) == (12, 12))
    for number in range(12):
        assert (loader.get(shown.uid, number).decoded.values == number).all()
    assert len({id(loader.get(shown.uid, number).image) for number in range(12)}) == 1
    assert len(stack.opened) == 13  # the header, and every frame


def test_waiting_for_a_frame_that_is_on_its_way(jobs):
    stack = numbered(3)
    shown = only(stack)
    gate = Gate(stack)
    loader = FrameLoader(gate, jobs)
    loader.request(shown, 1, prefetch=False)
    timer = threading.Timer(0.05, gate.open.set)
    timer.start()
    assert (loader.load(shown, 1).decoded.values == 1).all()
    assert gate.order.count(shown.frames[1].sop_instance_uid) <= 2  # header and pixels, once


def test_forget_and_close(jobs):
    stack = numbered(5)
    shown = only(stack)
    loader = FrameLoader(stack.open_object, jobs)
    loader.load(shown, 2)
    loader.forget(shown.uid)
    assert loader.get(shown.uid, 2) is None
    assert loader.cached_bytes == 0
    loader.load(shown, 3)
    loader.close()
    assert loader.get(shown.uid, 3) is None
    assert loader.request(shown, 1).loaded is None
    with pytest.raises(IndexError):
        loader.request(shown, 5)


class TestVolumeCache:
    def test_assembles_once_and_tells(self, jobs):
        stack = numbered(8)
        shown = only(stack)
        cache = VolumeCache(stack.open_object, jobs)
        told: list[str] = []
        cache.volume_ready.connect(told.append)
        volume = cache.request(shown).wait(20)
        assert cache.get(shown.uid) is volume
        np.testing.assert_array_equal(volume.voxels[:, 0, 0], np.arange(8))
        until(lambda: told == [shown.uid])
        opened = len(stack.opened)
        assert cache.request(shown).wait(20) is volume
        assert len(stack.opened) == opened

    def test_uses_what_the_loader_has_decoded(self, jobs):
        stack = numbered(8, syntax="1.2.840.10008.1.2.2")
        shown = only(stack)
        loader = FrameLoader(stack.open_object, jobs)
        loader.request(shown, 0)
        until(lambda: loader.progress(shown) == (8, 8))
        stack.opened.clear()
        volume = VolumeCache(stack.open_object, jobs, loader).request(shown).wait(20)
        np.testing.assert_array_equal(volume.voxels[:, 0, 0], np.arange(8))
        assert len(stack.opened) == 1

    def test_a_broken_slice_is_told(self, jobs):
        stack = numbered(8)
        shown = only(stack)
        stack.files[shown.frames[3].sop_instance_uid] = b"nothing"
        cache = VolumeCache(stack.open_object, jobs)
        told: list[LightboxError] = []
        cache.volume_failed.connect(lambda _uid, error: told.append(error))
        with pytest.raises(LightboxError, match="Slice 4 of 8"):
            cache.request(shown).wait(20)
        until(lambda: bool(told))
        assert "Slice 4 of 8" in cache.error(shown.uid).sentence()
        assert cache.get(shown.uid) is None

    def test_no_volume_is_refused_with_the_reason(self, jobs):
        stack = numbered(8)
        stack.datasets.pop(3)
        shown = only(stack)
        with pytest.raises(LightboxError, match="Slice 4 of 8 missing"):
            VolumeCache(stack.open_object, jobs).request(shown)

    def test_oldest_goes_first(self, jobs):
        stacks = [numbered(8, SeriesNumber=number) for number in range(3)]
        everything = stacks[0].extended(stacks[1]).extended(stacks[2])
        sets = everything.build()
        cache = VolumeCache(everything.open_object, jobs, cache_bytes=2 * 8 * 96)
        for entry in sets:
            cache.request(entry).wait(20)
        assert [cache.get(entry.uid) is not None for entry in sets] == [False, True, True]
        cache.forget(sets[1].uid)
        assert cache.get(sets[1].uid) is None

    def test_cancel(self, one_worker):
        stack = numbered(40)
        shown = only(stack)
        gate = Gate(stack)
        cache = VolumeCache(gate, one_worker)
        job = cache.request(shown)
        assert cache.request(shown) is job
        cache.cancel(shown.uid)
        gate.open.set()
        with pytest.raises(LightboxError, match="Cancelled"):
            job.wait(20)
        assert cache.get(shown.uid) is None

    def test_slices_are_the_frames_of_the_display_set(self):
        stack = numbered(6)
        shown = only(stack)
        frames = volume_frames(shown, stack.open_object)
        assert [frame.plane for frame in frames] == list(shown.planes)
        assert [frame.key for frame in frames] == [frame.sop_instance_uid for frame in shown.frames]


def test_a_late_answer_is_not_taken_for_a_slice_of_the_series_that_has_grown(jobs):
    stack = numbered(9)
    part = only(Stack(stack.datasets[4:], stack.files))
    whole = only(stack)
    assert only(stack).uid == whole.uid != part.uid
    gate = Gate(stack)
    loader = FrameLoader(gate, jobs)
    late: list[int] = []
    loader.frame_ready.connect(lambda _uid, number: late.append(number))
    loader.request(part, 0, prefetch=False)
    loader.forget(part.uid)  # the study is closed and opened again while the first frame is still being read
    gate.open.set()
    until(lambda: late == [0])
    loader.request(whole, 0, prefetch=False)
    until(lambda: loader.get(whole.uid, 0) is not None)
    assert (loader.get(whole.uid, 0).decoded.values == 0).all()
