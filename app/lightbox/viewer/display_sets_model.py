"""What a viewport shows: a display set, an ordered run of frames of one series that belong together."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from lightbox.core.errors import Problem
from lightbox.dicom.image_plane import ImagePlane


class DisplaySetKind(Enum):
    """What can be done with a display set."""

    VOLUME = "volume"
    """Parallel, evenly spaced slices: stack, reformatted planes and volume rendering."""
    STACK = "stack"
    """Several images to scroll through."""
    CINE = "cine"
    """The frames of one object in the order of time, to be played."""
    SINGLE = "single"
    """One image."""
    UNSUPPORTED = "unsupported"
    """Not an image: `DisplaySet.unsupported_reason` says what it is."""


@dataclass(frozen=True, slots=True)
class FrameRef:
    """One frame of a display set.

    Attributes
    ----------
    sop_instance_uid : str
    frame_index : int
        0-based frame in that instance (DICOM frame numbers are 1-based).
    plane : ImagePlane or None
        Where the frame is in the patient; None when the object does not say.
    instance_number : int or None
    position_mm : float or None
        Position along the normal of the display set's first frame, mm.
    """

    sop_instance_uid: str
    frame_index: int = 0
    plane: ImagePlane | None = None
    instance_number: int | None = None
    position_mm: float | None = None


@dataclass(frozen=True, slots=True)
class DisplaySet:
    """Frames of one series that are shown together, in the order in which they are scrolled.

    Attributes
    ----------
    uid : str
        Series Instance UID, a number and a fingerprint of the frames: unique within the session, and another one when
        the series has grown.
    title : str
        Series number, description and, after a split, what sets this part apart.
    kind : DisplaySetKind
    frames : tuple of FrameRef
        Sorted by position along the normal where the frames have one, otherwise by instance and frame number.
    split_reasons : tuple of str
        Why the series was split, one sentence a rule ("Split by echo time: 2.46").
    problems : tuple of Problem
        Missing slices, irregular spacing, tilt and so on, naming slices and millimetres.
    is_volume : bool
        Regular, parallel, one orientation, spacing, size and frame of reference; none missing.
    spacing_mm : float or None
        Distance between neighbouring slices along the normal.
    tilt_deg : float
        Gantry tilt, 0 without.
    frame_times_ms : tuple of float
        Time each frame of a cine is shown; empty when the object does not say.
    rate_fps : float or None
        Rate at which a cine is to be played.
    """

    uid: str
    study_instance_uid: str
    series_instance_uid: str
    title: str
    modality: str
    kind: DisplaySetKind
    frames: tuple[FrameRef, ...]
    series_number: int | None = None
    series_description: str = ""
    rows: int | None = None
    columns: int | None = None
    frame_of_reference_uid: str = ""
    is_volume: bool = False
    is_localizer: bool = False
    spacing_mm: float | None = None
    tilt_deg: float = 0.0
    split_reasons: tuple[str, ...] = ()
    problems: tuple[Problem, ...] = ()
    frame_times_ms: tuple[float, ...] = ()
    rate_fps: float | None = None
    sop_class_uid: str = ""
    unsupported_reason: str = ""

    @property
    def number_of_frames(self) -> int:
        """Number of frames to scroll through."""
        return len(self.frames)

    @property
    def planes(self) -> tuple[ImagePlane | None, ...]:
        """The plane of every frame."""
        return tuple(frame.plane for frame in self.frames)

    def index_of(self, sop_instance_uid: str, frame_index: int = 0) -> int | None:
        """Return where a frame is in this display set, or None."""
        for number, frame in enumerate(self.frames):
            if frame.sop_instance_uid == sop_instance_uid and frame.frame_index == frame_index:
                return number
        return None

    def nearest(self, point: tuple[float, float, float]) -> int | None:
        """Return the frame whose plane is nearest to a patient position (mm, LPS), or None without planes."""
        best: tuple[float, int] | None = None
        for number, frame in enumerate(self.frames):
            if frame.plane is not None:
                away = abs(float(frame.plane.to_pixel(point)[2]))
                if best is None or away < best[0]:
                    best = (away, number)
        return None if best is None else best[1]
