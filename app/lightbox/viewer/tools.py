"""What mouse and keys do in a viewport."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Tool(Enum):
    """What a drag does."""

    WINDOW = "window"
    PAN = "pan"
    ZOOM = "zoom"
    SCROLL = "scroll"
    CROSSHAIR = "crosshair"


class Button(Enum):
    """A mouse button."""

    LEFT = "left"
    MIDDLE = "middle"
    RIGHT = "right"


@dataclass(frozen=True, slots=True)
class ToolInfo:
    """How a tool presents itself. ``key`` is the shortcut that chooses it for the left button."""

    tool: Tool
    name: str
    hint: str
    key: str


TOOLS = (
    ToolInfo(Tool.WINDOW, "Window / level", "Drag right for more width, down for a higher level", "W"),
    ToolInfo(Tool.PAN, "Move", "Drag the image", "M"),
    ToolInfo(Tool.ZOOM, "Zoom", "Drag up to enlarge, down to reduce", "Z"),
    ToolInfo(Tool.SCROLL, "Scroll", "Drag up and down through the images", "S"),
    ToolInfo(Tool.CROSSHAIR, "Crosshair", "In MPR: click or drag the point that all planes pass through", "C"),
)
DEFAULT_TOOL = Tool.WINDOW


@dataclass(slots=True)
class Bindings:
    """Which button does what. The wheel scrolls, Ctrl + wheel zooms; the left button is the chosen tool's.

    Attributes
    ----------
    active : Tool
        Tool of the left button.
    """

    active: Tool = DEFAULT_TOOL
    middle: Tool = Tool.PAN
    right: Tool = Tool.WINDOW

    def tool_for(self, button: Button) -> Tool:
        """Return what a drag with `button` does."""
        return {Button.LEFT: self.active, Button.MIDDLE: self.middle, Button.RIGHT: self.right}[button]

    def reset(self) -> None:
        """Give the left button its first tool back."""
        self.active = DEFAULT_TOOL


ZOOM_PER_PIXEL = 1.008
"""Factor of one pixel of a zoom drag."""

ZOOM_PER_WHEEL_STEP = 1.15
"""Factor of one notch of the wheel with Ctrl."""


def frames_of_drag(pixels: float, height: float, frame_count: int) -> int:
    """Return how many frames a vertical drag means: all of the height is all of the stack, at least 4 pixels each."""
    if frame_count <= 1 or height <= 0:
        return 0
    return int(pixels / max(4.0, 0.8 * height / frame_count))
