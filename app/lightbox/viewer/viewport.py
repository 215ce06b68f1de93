"""What one viewport shows and how: the state behind a piece of the screen, without any widget."""

from __future__ import annotations

from enum import Enum
from typing import TYPE_CHECKING

from psygnal import Signal

from lightbox.viewer.transforms import FrameShape, ViewTransform, fit_scale

if TYPE_CHECKING:
    from lightbox.dicom.voi import Voi
    from lightbox.viewer.display_sets_model import DisplaySet
    from lightbox.viewer.frame_view import FrameView

MIN_ZOOM = 0.05
MAX_ZOOM = 64.0


class Interpolation(Enum):
    """How pixels are enlarged."""

    NEAREST = "nearest"
    LINEAR = "linear"


class Role(Enum):
    """What a viewport is for in the layout."""

    STACK = "stack"
    AXIAL = "axial"
    CORONAL = "coronal"
    SAGITTAL = "sagittal"
    VOLUME = "volume"


class Aspect(Enum):
    """What of a viewport changed."""

    DISPLAY_SET = "display_set"
    FRAME = "frame"
    WINDOW = "window"
    GEOMETRY = "geometry"
    OPTIONS = "options"


class ViewportState:
    """State of one viewport; every change is announced by `changed`.

    Zoom is relative to "the whole image just fits", and the position is the image point in the middle of the
    viewport, so that both survive a resize. Orientation is kept as DICOM keeps it: rotate clockwise by
    `rotation`, then mirror left to right when `flip` (PS3.3 C.10.6); any sequence of turns and mirrors on the screen
    reduces to these two.
    """

    changed = Signal(Aspect)
    """Emitted with the `Aspect` that changed."""

    def __init__(self, role: Role = Role.STACK) -> None:
        self.role = role
        self.display_set: DisplaySet | None = None
        self.is_prior = False
        self.frame_index = 0
        self.frame_count = 0
        self.voi: Voi | None = None
        self.shown_voi: Voi | None = None
        self._auto_voi: Voi | None = None
        self._transform: tuple[object, ViewTransform] | None = None
        self.invert = False
        self.zoom = 1.0
        self.centre: tuple[float, float] | None = None
        self.rotation = 0
        self.flip = False
        self.interpolation = Interpolation.LINEAR
        self.shape: FrameShape | None = None
        self.size: tuple[float, float] = (0.0, 0.0)

    def show(
        self, display_set: DisplaySet | None, frame_index: int = 0, *, frame_count: int, prior: bool = False
    ) -> None:
        """Put a display set into the viewport; window, zoom and orientation go back to the beginning."""
        self.display_set = display_set
        self.is_prior = prior
        self.frame_count = frame_count
        self.frame_index = self._clamp(frame_index)
        self.voi = self.shown_voi = self._auto_voi = None
        self.invert = False
        self.zoom, self.centre, self.rotation, self.flip = 1.0, None, 0, False
        self.shape = None
        self.changed.emit(Aspect.DISPLAY_SET)

    def _clamp(self, index: int) -> int:
        return max(0, min(int(index), self.frame_count - 1)) if self.frame_count else 0

    # -- frames ----------------------------------------------------------------------------------------------------
    def scroll(self, steps: int) -> None:
        """Move by whole frames; stops at both ends."""
        self.go_to(self.frame_index + steps)

    def go_to(self, index: int) -> None:
        """Show frame `index` (0-based, clamped)."""
        index = self._clamp(index)
        if index != self.frame_index:
            self.frame_index = index
            self.changed.emit(Aspect.FRAME)

    # -- grey ------------------------------------------------------------------------------------------------------
    def set_voi(self, voi: Voi | None) -> None:
        """Use `voi`; None returns to what each frame itself asks for."""
        self.voi = voi
        self.changed.emit(Aspect.WINDOW)

    def window(self, width_steps: float, center_steps: float) -> None:
        """Change width and centre in proportion to the present width (a drag of 256 pixels doubles the width).

        Has no effect before a frame is shown or on colour images, which have no window.
        """
        from lightbox.viewer.window import dragged

        if self.shown_voi is None:
            return
        self.shown_voi = dragged(self.shown_voi, width_steps, center_steps)
        self.set_voi(self.shown_voi)

    def voi_for(self, frame: FrameView) -> Voi | None:
        """Return the window to paint `frame` with, and remember it as the one that is shown.

        The user's own comes first, then what the file says for this frame. A window made from pixel values is made
        once for the display set: computed anew for every frame it would flicker while scrolling.
        """
        if frame.is_colour:
            self.shown_voi = None
        elif self.voi is not None:
            self.shown_voi = self.voi
        elif frame.has_file_voi:
            self.shown_voi = frame.first_voi
        else:
            if self._auto_voi is None:
                self._auto_voi = frame.first_voi
            self.shown_voi = self._auto_voi
        return self.shown_voi

    def toggle_invert(self) -> None:
        """Swap black and white."""
        self.invert = not self.invert
        self.changed.emit(Aspect.WINDOW)

    # -- geometry --------------------------------------------------------------------------------------------------
    def set_shape(self, shape: FrameShape) -> None:
        """Tell the state the size of the frame it shows; a changed size brings back the whole image."""
        if shape == self.shape:
            return
        if self.shape is not None and (shape.rows, shape.columns) != (self.shape.rows, self.shape.columns):
            self.zoom, self.centre = 1.0, None
        self.shape = shape
        self.changed.emit(Aspect.GEOMETRY)

    def resize(self, width: float, height: float) -> None:
        """Tell the state the size of its viewport in logical pixels."""
        if self.size != (width, height):
            self.size = (width, height)
            self.changed.emit(Aspect.GEOMETRY)

    @property
    def scale(self) -> float:
        """Viewport pixels per image pixel (finer direction)."""
        if self.shape is None:
            return 1.0
        return self.zoom * fit_scale(self.shape, *self.size, self.rotation)

    @property
    def transform(self) -> ViewTransform | None:
        """The map from image to viewport coordinates, None while nothing is shown."""
        if self.shape is None or self.size[0] <= 0 or self.size[1] <= 0:
            return None
        key = (self.shape, self.size, self.zoom, self.centre, self.rotation, self.flip)
        if self._transform is None or self._transform[0] != key:
            made = ViewTransform.of(
                self.shape,
                *self.size,
                scale=self.scale,
                centre=self.centre,
                rotation=self.rotation,
                flip=self.flip,
            )
            self._transform = (key, made)
        return self._transform[1]

    def pan(self, dx: float, dy: float) -> None:
        """Move the image by viewport pixels."""
        transform = self.transform
        if transform is None:
            return
        self.centre = transform.to_image(self.size[0] / 2 - dx, self.size[1] / 2 - dy)
        self.changed.emit(Aspect.GEOMETRY)

    def zoom_at(self, factor: float, x: float, y: float) -> None:
        """Zoom by `factor`; the image point under viewport position (x, y) stays where it is."""
        before = self.transform
        if before is None:
            return
        zoom = max(MIN_ZOOM, min(MAX_ZOOM, self.zoom * factor))
        if zoom == self.zoom:
            return
        fixed = before.to_image(x, y)
        self.zoom = zoom
        after = self.transform
        assert after is not None
        moved = after.to_viewport(*fixed)
        self.centre = after.to_image(self.size[0] / 2 + moved[0] - x, self.size[1] / 2 + moved[1] - y)
        self.changed.emit(Aspect.GEOMETRY)

    def set_scale(self, scale: float) -> None:
        """Show `scale` viewport pixels per image pixel (1 = one to one)."""
        if self.shape is None:
            return
        self.zoom = max(MIN_ZOOM, min(MAX_ZOOM, scale / fit_scale(self.shape, *self.size, self.rotation)))
        self.changed.emit(Aspect.GEOMETRY)

    def centre_on(self, x: float, y: float) -> None:
        """Bring an image point (image coordinates) to the middle of the viewport."""
        self.centre = (x, y)
        self.changed.emit(Aspect.GEOMETRY)

    def fit(self) -> None:
        """Show the whole image."""
        self.zoom, self.centre = 1.0, None
        self.changed.emit(Aspect.GEOMETRY)

    def rotate(self, quarter_turns: int = 1) -> None:
        """Turn what is seen clockwise by quarter turns."""
        turn = -90 * quarter_turns if self.flip else 90 * quarter_turns
        self.rotation = (self.rotation + turn) % 360
        self.changed.emit(Aspect.GEOMETRY)

    def flip_horizontal(self) -> None:
        """Mirror what is seen left to right."""
        self.flip = not self.flip
        self.changed.emit(Aspect.GEOMETRY)

    def flip_vertical(self) -> None:
        """Mirror what is seen top to bottom (= left to right and half a turn)."""
        self.flip = not self.flip
        self.rotation = (self.rotation + 180) % 360
        self.changed.emit(Aspect.GEOMETRY)

    def toggle_interpolation(self) -> None:
        """Enlarge pixels smoothly, or show each as the rectangle it is."""
        smooth = self.interpolation is Interpolation.LINEAR
        self.interpolation = Interpolation.NEAREST if smooth else Interpolation.LINEAR
        self.changed.emit(Aspect.OPTIONS)

    def reset(self) -> None:
        """Undo window, inversion, zoom, position and orientation; the frame stays."""
        self.voi = self.shown_voi = None
        self.invert = False
        self.zoom, self.centre, self.rotation, self.flip = 1.0, None, 0, False
        self.changed.emit(Aspect.GEOMETRY)
        self.changed.emit(Aspect.WINDOW)
