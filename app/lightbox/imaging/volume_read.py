"""Reading the slices of a volume: straight from uncompressed files, or decoded like any other image, in threads."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.dicom.image_plane import ImagePlane
from lightbox.imaging import volume_native
from lightbox.imaging.grey import GreyChain
from lightbox.imaging.image_object import ImageObject

INT16 = (-32768, 32767)
MEMORY_SHARE = 0.6
"""A volume may take this share of the memory that is free."""

ProgressCallback = Callable[[int, int], None]
Voxels = NDArray[np.int16 | np.float32]


class VolumeError(LightboxError):
    """The slices could not be made into a volume."""


class VolumeTooLargeError(VolumeError):
    """The volume does not fit into memory."""


@dataclass(frozen=True)
class VolumeFrame:
    """One slice on its way into a volume.

    Attributes
    ----------
    open : callable
        Returns the seekable file that holds the frame.
    frame : int
        0-based frame in that file.
    plane : ImagePlane
    key : str
        Frames with one non-empty key come from one object, which is then opened once (its SOP Instance UID).
    decoded : callable, optional
        Returns (stored values, GreyChain) when the frame happens to be decoded already, else None.
    """

    open: Callable[[], BinaryIO]
    frame: int
    plane: ImagePlane
    key: str = ""
    decoded: Callable[[], tuple[NDArray[np.generic], GreyChain] | None] | None = None


def check_budget(shape: tuple[int, ...], bytes_per_voxel: int, budget_bytes: int | None = None) -> None:
    """Raise `VolumeTooLargeError` when an array would not fit."""
    needed = int(np.prod(shape, dtype=np.int64)) * bytes_per_voxel
    free = available_memory()
    budget = budget_bytes if budget_bytes is not None else None if free is None else int(free * MEMORY_SHARE)
    if budget is not None and needed > budget:
        raise VolumeTooLargeError(
            "This volume does not fit into memory",
            why=f"it needs {needed / 1e6:.0f} MB and {budget / 1e6:.0f} MB may be used",
            todo="Look at it as a stack, or close other studies",
        )


def available_memory() -> int | None:
    """Return the bytes of memory that are free for use, or None when the system does not say."""
    meminfo = Path("/proc/meminfo")
    if meminfo.exists():
        for line in meminfo.read_text(encoding="ascii", errors="replace").splitlines():
            if line.startswith("MemAvailable:"):
                return int(line.split()[1]) * 1024
    try:
        # Half of what is built in: other systems do not say what is free without further libraries.
        return os.sysconf("SC_PHYS_PAGES") * os.sysconf("SC_PAGE_SIZE") // 2
    except (AttributeError, OSError, ValueError):
        return None


class _DoesNotFit(Exception):
    """A value does not fit into the array chosen at first."""


@dataclass
class Work:
    """The slices to read, and who hears of it."""

    frames: Sequence[VolumeFrame]
    progress: ProgressCallback | None
    cancel: CancelToken | None
    workers: int
    _done: int = 0
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _stop: bool = False

    def check(self) -> None:
        """Raise when the work was cancelled or failed elsewhere."""
        if self.cancel is not None:
            self.cancel.raise_if_cancelled()
        if self._stop:
            raise Cancelled

    def step(self, count: int = 1) -> None:
        """Note that slices are done."""
        with self._lock:
            self._done += count
            done = self._done
        if self.progress is not None:
            self.progress(done, len(self.frames))

    def restart(self) -> None:
        """Forget what was done."""
        self._done = 0
        self._stop = False

    def run(self, tasks: Sequence[Callable[[], None]]) -> None:
        """Do tasks in threads; the first error stops the others and is raised."""
        if self.workers == 1 or len(tasks) == 1:
            for task in tasks:
                self.check()
                task()
            return

        def guarded(task: Callable[[], None]) -> None:
            self.check()
            task()

        with ThreadPoolExecutor(self.workers, thread_name_prefix="volume") as pool:
            futures = [pool.submit(guarded, task) for task in tasks]
            _, pending = wait(futures, return_when=FIRST_EXCEPTION)
            if pending:
                self._stop = True
                for future in pending:
                    future.cancel()
            wait(pending)
        errors = [error for future in futures if not future.cancelled() and (error := future.exception())]
        # Tasks that were only told to stop are not the cause.
        causes = [error for error in errors if not isinstance(error, Cancelled)] or errors
        if causes:
            raise causes[0]


def read_native(work: Work, shape: tuple[int, int, int]) -> tuple[Voxels, GreyChain] | None:
    """Read uncompressed slices straight into the array; None when any of them is out of the ordinary."""
    count = shape[0]
    with work.frames[0].open() as file:
        first = volume_native.scan(file)
    if first is None or (first.rows, first.columns) != shape[1:]:
        return None
    voxels = np.empty(shape, dtype=np.int16)

    def read(k: int) -> None:
        frame = work.frames[k]
        with frame.open() as file:
            pixels = volume_native.scan(file)
            if pixels is None or (pixels.rows, pixels.columns) != shape[1:] or frame.frame >= pixels.frames:
                raise _DoesNotFit
            if not volume_native.read_into(file, pixels, frame.frame, voxels[k]):
                raise _DoesNotFit

    def read_all(numbers: range) -> None:
        for k in numbers:
            work.check()
            read(k)
            work.step()

    try:
        # Few long tasks: handing out slices one by one would cost as much as reading them.
        work.run([lambda n=n: read_all(range(n, count, work.workers)) for n in range(work.workers)])
    except (_DoesNotFit, EOFError):
        work.restart()
        return None  # the ordinary way reads it, or says which slice is broken and why
    middle = count // 2
    expected, grey = _modality(work.frames[middle])
    if not np.array_equal(expected, voxels[middle]):
        work.restart()
        return None
    return voxels, grey


def read_decoded(work: Work, shape: tuple[int, int, int], budget_bytes: int | None) -> tuple[Voxels, GreyChain]:
    """Decode slices by the ordinary way."""
    array = _Array(shape, budget_bytes)
    groups: dict[str, list[int]] = {}
    for k, frame in enumerate(work.frames):
        groups.setdefault(frame.key or f"\0{k}", []).append(k)
    middle = shape[0] // 2
    kept: list[GreyChain] = []

    def read_group(numbers: list[int]) -> None:
        image: ImageObject | None = None
        try:
            for k in numbers:
                work.check()
                frame = work.frames[k]
                try:
                    decoded = frame.decoded() if frame.decoded is not None else None
                    if decoded is None:
                        image = image or ImageObject.open(frame.open())
                        decoded = image.stored(frame.frame), GreyChain.of(image, frame.frame)
                    stored, grey = decoded
                    values = _grey_values(stored, grey)
                    array.put(k, values)
                except Cancelled:
                    raise
                except Exception as error:
                    raise _slice_error(k, shape[0], frame.plane, error) from error
                if k == middle:
                    kept.append(grey)
                work.step()
        finally:
            _close(image)

    # A large multi-frame object is shared out, so that every thread opens it once.
    tasks: list[list[int]] = []
    for numbers in groups.values():
        share = max(16, -(-len(numbers) // work.workers))
        tasks.extend(numbers[start : start + share] for start in range(0, len(numbers), share))
    work.run([lambda numbers=numbers: read_group(numbers) for numbers in tasks])
    return array.voxels, kept[0]


def _close(image: ImageObject | None) -> None:
    close = getattr(image, "close", None)
    if close is not None:
        close()


def _grey_values(stored: NDArray[np.generic], grey: GreyChain) -> NDArray[np.generic]:
    if stored.ndim != 2:
        raise VolumeError("A colour image cannot be part of a volume")
    return grey.modality(stored)


def _modality(frame: VolumeFrame) -> tuple[NDArray[np.generic], GreyChain]:
    image = ImageObject.open(frame.open())
    try:
        grey = GreyChain.of(image, frame.frame)
        return _grey_values(image.stored(frame.frame), grey), grey
    finally:
        _close(image)


class _Array:
    """The array being filled: int16 as long as every value is a whole number that fits, float32 from then on."""

    def __init__(self, shape: tuple[int, int, int], budget_bytes: int | None) -> None:
        self.voxels: Voxels = np.empty(shape, dtype=np.int16)
        self._budget = budget_bytes
        self._lock = threading.Lock()
        self._filled = np.zeros(shape[0], dtype=bool)

    def put(self, k: int, values: NDArray[Any]) -> None:
        """Store slice `k`."""
        if values.shape != self.voxels.shape[1:]:
            raise VolumeError(
                "The slice has another size than the first",
                why=f"expected {self.voxels.shape[1:]}, found {values.shape}",
            )
        fits = np.issubdtype(values.dtype, np.integer) and (
            np.can_cast(values.dtype, np.int16) or (INT16[0] <= int(values.min()) and int(values.max()) <= INT16[1])
        )
        with self._lock:
            if not fits and self.voxels.dtype == np.int16:
                self._promote()
            self.voxels[k] = values
            self._filled[k] = True

    def _promote(self) -> None:
        check_budget(self.voxels.shape, 4, self._budget)
        wide = np.empty(self.voxels.shape, dtype=np.float32)
        wide[self._filled] = self.voxels[self._filled]
        self.voxels = wide


def _slice_error(k: int, count: int, plane: ImagePlane, error: Exception) -> LightboxError:
    if isinstance(error, VolumeTooLargeError):
        return error
    why = error.sentence() if isinstance(error, LightboxError) else f"{type(error).__name__}: {error}"
    axis = int(np.argmax(np.abs(plane.normal)))
    return VolumeError(
        f"Slice {k + 1} of {count} cannot be read",
        where=f"{'xyz'[axis]} = {plane.position[axis]:.1f} mm",
        why=why,
        todo="Look at the other slices as a stack, or retrieve the series again",
    )
