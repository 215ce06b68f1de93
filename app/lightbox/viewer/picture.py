"""Pictures without a screen: a rendered image with its overlays as RGB pixels, for files and reports."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.core import opencv
from lightbox.viewer.overlays import EMPTY, OverlayScene, OverlayStyle

if TYPE_CHECKING:
    from lightbox.viewer.palette import Rgb

SHORTEST_SIDE = 512
"""Small images are enlarged by a whole number until their shorter side has at least this many pixels."""

_HALO: Rgb = (0, 0, 0)
_SUBPIXEL_BITS = 4
_TEXT_SCALE = 0.45
_MARKER_RADIUS = 5


def compose(
    pixels: NDArray[np.uint8],
    scene: OverlayScene = EMPTY,
    style: OverlayStyle | None = None,
    *,
    aspect: float = 1.0,
) -> NDArray[np.uint8]:
    """Draw a scene on a rendered image.

    Parameters
    ----------
    pixels : ndarray of uint8
        (rows, columns) grey or (rows, columns, 3) RGB on the stored grid.
    scene : OverlayScene
        In image coordinates of `pixels` (see `lightbox.viewer.transforms`).
    style : OverlayStyle, optional
        Colours, opacity and what is hidden.
    aspect : float
        Height of a pixel divided by its width; the picture gets square pixels.

    Returns
    -------
    ndarray of uint8
        (rows', columns', 3) RGB; whole-number enlargement only, apart from the correction of the aspect.
    """
    cv2 = opencv.cv2()
    style = style or OverlayStyle()
    rows, columns = pixels.shape[:2]
    across, down = (1.0, aspect) if aspect >= 1 else (1 / aspect, 1.0)
    factor = max(1, -(-SHORTEST_SIDE // max(1, round(min(rows * down, columns * across)))))
    across, down = across * factor, down * factor
    size = (max(1, round(columns * across)), max(1, round(rows * down)))
    rgb = pixels if pixels.ndim == 3 else np.repeat(pixels[:, :, None], 3, axis=2)
    canvas: Any = np.ascontiguousarray(rgb)
    if size != (columns, rows):
        canvas = cv2.resize(canvas, size, interpolation=cv2.INTER_LINEAR)
    scale = np.array([size[0] / columns, size[1] / rows])
    for layer in scene.layers:
        fill = style.fill(layer)
        if fill is not None:
            canvas = _blend(
                canvas, cv2.resize(fill.view(np.int32), size, interpolation=cv2.INTER_NEAREST).view(np.uint32)
            )
        for region in layer.regions.values():
            if style.visible(region.finding_id):
                for outline in region.outlines:
                    _line(canvas, outline * scale, True, style.colour(region.finding_id))
                _label(canvas, np.array(region.anchor) * scale, (region.label,), style.colour(region.finding_id))
    for shape in scene.shapes:
        shown = [finding_id for finding_id in shape.finding_ids if style.visible(finding_id)]
        if not shown:
            continue
        colour = style.colour(shown[0])
        for stroke in shape.strokes:
            if len(stroke.points) == 1:
                _marker(canvas, stroke.points[0] * scale, colour)
            else:
                _line(canvas, stroke.points * scale, stroke.closed, colour)
        _label(canvas, np.array(shape.anchor) * scale, shape.lines_of_text, colour)
    return np.asarray(canvas, dtype=np.uint8)


def _blend(canvas: NDArray[np.uint8], fill: NDArray[np.uint32]) -> NDArray[np.uint8]:
    """Lay premultiplied 0xAARRGGBB over RGB."""
    shifts = np.array([16, 8, 0], dtype=np.uint32)
    over = (fill[:, :, None] >> shifts) & 0xFF
    left = 255 - (fill >> 24)
    return np.ascontiguousarray((over + canvas * left[:, :, None].astype(np.uint32) // 255).clip(0, 255), np.uint8)


def _fixed(points: NDArray[np.float64]) -> NDArray[np.int32]:
    # The drawing functions count from pixel centres, image coordinates from the outer corner.
    return np.rint((np.atleast_2d(points) - 0.5) * (1 << _SUBPIXEL_BITS)).astype(np.int32)


def _line(canvas: Any, points: NDArray[np.float64], closed: bool, colour: Rgb) -> None:
    cv2 = opencv.cv2()
    fixed = _fixed(points)[:, None, :]
    for thickness, paint in ((4, _HALO), (2, colour)):
        cv2.polylines(canvas, [fixed], closed, paint, thickness, cv2.LINE_AA, _SUBPIXEL_BITS)


def _marker(canvas: Any, point: NDArray[np.float64], colour: Rgb) -> None:
    cv2 = opencv.cv2()
    x, y = (int(value) for value in np.rint(point - 0.5))
    for thickness, paint in ((4, _HALO), (2, colour)):
        cv2.circle(canvas, (x, y), _MARKER_RADIUS, paint, thickness, cv2.LINE_AA)


def _label(canvas: Any, anchor: NDArray[np.float64], lines: tuple[str, ...], colour: Rgb) -> None:
    """Write lines of text beside a point, moved so that they stay on the picture."""
    cv2 = opencv.cv2()
    height, width = canvas.shape[:2]
    texts = [_drawable(line) for line in lines if line]
    if not texts:
        return
    boxes = [cv2.getTextSize(text, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, 1)[0] for text in texts]
    step = max(box[1] for box in boxes) + 6
    x = int(min(anchor[0] + 10, width - 4 - max(box[0] for box in boxes)))
    y = int(min(max(anchor[1] - 4, step), height - 4 - step * (len(texts) - 1)))
    for number, text in enumerate(texts):
        place = (max(2, x), y + number * step)
        for thickness, paint in ((3, _HALO), (1, colour)):
            cv2.putText(canvas, text, place, cv2.FONT_HERSHEY_SIMPLEX, _TEXT_SCALE, paint, thickness, cv2.LINE_AA)


def _drawable(text: str) -> str:
    """Return `text` with what the built-in line font lacks spelt out."""
    for sign, spelt in (
        ("²", "2"),
        ("³", "3"),
        ("µ", "u"),
        ("×", "x"),
        ("°", " deg"),
        ("–", "-"),
        ("—", "-"),
        ("·", "-"),
    ):
        text = text.replace(sign, spelt)
    return text.encode("ascii", "replace").decode("ascii")
