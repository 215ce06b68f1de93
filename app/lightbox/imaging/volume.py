"""Volumes: the evenly spaced slices of one stack as an array of true values with a place in the patient."""

from __future__ import annotations

import os
import threading
from collections.abc import Callable, Sequence
from concurrent.futures import FIRST_EXCEPTION, ThreadPoolExecutor, wait
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import Cancelled, LightboxError, Problem
from lightbox.core.jobs import CancelToken
from lightbox.dicom.image_plane import ImagePlane, Vector
from lightbox.imaging import geometry, volume_native
from lightbox.imaging.grey import GreyChain
from lightbox.imaging.image_object import ImageObject

INT16 = (-32768, 32767)
MEMORY_SHARE = 0.6
"""A volume may take this share of the memory that is free."""
MAX_WORKERS = 8

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


@dataclass(frozen=True, eq=False)
class Volume:
    """An array of true values and where it is in the patient.

    Attributes
    ----------
    voxels : (k, j, i) int16 or float32
        Slice, row, column. Modality values (HU, ...): int16 where every value is a whole number that fits, otherwise
        float32. C-contiguous.
    affine : (4, 4) float64
        From (i, j, k, 1), 0-based voxel centres, to patient LPS mm. Sheared when the gantry was tilted.
    unit : str
        Unit of the values, empty when unknown.
    grey : GreyChain
        Grey chain of the middle slice: presets and default window for display.
    frame_of_reference_uid : str
    problems : tuple of Problem
        Tilt and other things to know.
    """

    voxels: Voxels
    affine: NDArray[np.float64]
    unit: str
    grey: GreyChain
    frame_of_reference_uid: str = ""
    problems: tuple[Problem, ...] = ()

    @property
    def size(self) -> tuple[int, int, int]:
        """Number of columns, rows and slices (i, j, k)."""
        k, j, i = self.voxels.shape
        return i, j, k

    @cached_property
    def spacing_mm(self) -> tuple[float, float, float]:
        """Distance between neighbouring voxel centres along i, j and k (along the shear, if any)."""
        lengths = np.linalg.norm(self.affine[:3, :3], axis=0)
        return float(lengths[0]), float(lengths[1]), float(lengths[2])

    @cached_property
    def inverse(self) -> NDArray[np.float64]:
        """4x4 matrix from patient LPS mm to (i, j, k, 1)."""
        return np.asarray(np.linalg.inv(self.affine), dtype=np.float64)

    @cached_property
    def is_sheared(self) -> bool:
        """Whether the axes are not at right angles (gantry tilt)."""
        axes = self.affine[:3, :3] / np.linalg.norm(self.affine[:3, :3], axis=0)
        products = axes.T @ axes - np.eye(3)
        return bool(np.abs(products).max() > 1e-4)

    @cached_property
    def centre(self) -> tuple[float, float, float]:
        """Middle of the volume in patient LPS mm."""
        i, j, k = self.size
        return as_point(self.affine @ np.array([(i - 1) / 2, (j - 1) / 2, (k - 1) / 2, 1.0]))

    @cached_property
    def value_range(self) -> tuple[float, float]:
        """Smallest and largest value."""
        return float(self.voxels.min()), float(self.voxels.max())

    def to_patient(self, i: float, j: float, k: float) -> Vector:
        """Return the patient position (mm, LPS) of a voxel coordinate."""
        return (self.affine @ np.array([i, j, k, 1.0]))[:3]

    def to_index(self, point: Sequence[float] | Vector) -> Vector:
        """Return the voxel coordinate (i, j, k), not rounded, of a patient position (mm, LPS)."""
        return (self.inverse @ np.array([*point, 1.0]))[:3]

    def contains(self, point: Sequence[float] | Vector) -> bool:
        """Whether a patient position lies in one of the voxels."""
        index = self.to_index(point)
        return bool(np.all(index >= -0.5) and np.all(index <= np.array(self.size) - 0.5))

    def value_at(self, point: Sequence[float] | Vector) -> float | None:
        """Return the value of the voxel at a patient position (mm, LPS), or None outside."""
        if not self.contains(point):
            return None
        index = np.clip(np.rint(self.to_index(point)).astype(int), 0, np.array(self.size) - 1)
        return float(self.voxels[index[2], index[1], index[0]])


def as_point(vector: NDArray[np.float64]) -> tuple[float, float, float]:
    """Return the first three numbers of a vector as a tuple."""
    return float(vector[0]), float(vector[1]), float(vector[2])


def assemble(
    frames: Sequence[VolumeFrame],
    *,
    progress: ProgressCallback | None = None,
    cancel: CancelToken | None = None,
    budget_bytes: int | None = None,
    workers: int | None = None,
) -> Volume:
    """Read slices into a volume.

    Parameters
    ----------
    frames : sequence of VolumeFrame
        In ascending or descending order of position; slice k of the volume is frame k.
    progress : callable, optional
        Called with (slices done, slices in all), from worker threads.
    cancel : CancelToken, optional
    budget_bytes : int, optional
        Largest size of the array; default: a share of the memory that is free.
    workers : int, optional
        Threads; default: one a processor, at most eight.

    Returns
    -------
    Volume

    Raises
    ------
    GeometryError
        The slices are not one regular stack.
    VolumeTooLargeError
        The array would be larger than the budget.
    VolumeError
        A slice cannot be read or is not grey. A volume with a hole is never returned.
    Cancelled
        `cancel` was cancelled.
    """
    planes = [frame.plane for frame in frames]
    affine = geometry.stack_affine(planes)
    shape = (len(frames), planes[0].rows, planes[0].columns)
    check_budget(shape, 2, budget_bytes)
    work = _Work(frames, progress, cancel, workers or min(MAX_WORKERS, os.cpu_count() or 1))
    voxels, grey = _native(work, shape) or _decoded(work, shape, budget_bytes)
    notes = geometry.classify(planes).problems
    return Volume(voxels, affine, grey.unit, grey, planes[0].frame_of_reference_uid, notes)


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
class _Work:
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


def _native(work: _Work, shape: tuple[int, int, int]) -> tuple[Voxels, GreyChain] | None:
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


def _decoded(work: _Work, shape: tuple[int, int, int], budget_bytes: int | None) -> tuple[Voxels, GreyChain]:
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

    def put(self, k: int, values: NDArray[np.generic]) -> None:
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
