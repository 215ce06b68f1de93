"""Volume rendering by VTK into a window that is never on screen: the only place that opens a VTK render window.

A computer without a working OpenGL makes VTK crash, not raise. `probe` therefore tries it once in a child process. What
that child says also decides who casts the rays: the processor where OpenGL is emulated in software (some ten times
faster than its shaders), the graphics card otherwise.

A `VolumeRenderer` is made, used and finished on one thread, which may be any.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
from dataclasses import dataclass
from functools import cache
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from lightbox.core.errors import LightboxError

if TYPE_CHECKING:
    from lightbox.imaging.volume import Volume

SOFTWARE = ("llvmpipe", "softpipe", "swrast", "swiftshader", "software", "gdi generic")
PROBE_SECONDS = 60
SOFTWARE_SIDE = 256
"""Longest side of the volume for the processor; more is thinned out, and said so."""

WINDOW_VARIABLE = "VTK_DEFAULT_OPENGL_WINDOW"


class NoOpenGLError(LightboxError):
    """Three dimensions cannot be drawn on this computer."""


@dataclass(frozen=True, slots=True)
class Probe:
    """What OpenGL this computer has.

    ``window`` is the class of window that worked (a value of VTK_DEFAULT_OPENGL_WINDOW, empty for VTK's own choice).
    """

    works: bool
    renderer: str = ""
    window: str = ""
    why: str = ""

    @property
    def is_software(self) -> bool:
        """Whether OpenGL is emulated on the processor."""
        return any(word in self.renderer.lower() for word in SOFTWARE)


@cache
def probe() -> Probe:
    """Try OpenGL in a child process; the answer is kept for the life of this one."""
    candidates = [os.environ.get(WINDOW_VARIABLE, "")]
    if sys.platform.startswith("linux") and "vtkEGLRenderWindow" not in candidates:
        candidates.insert(0, "vtkEGLRenderWindow")
    why = ""
    for window in candidates:
        environment = dict(os.environ)
        environment["PYTHONPATH"] = os.pathsep.join(entry for entry in sys.path if entry)
        if window:
            environment[WINDOW_VARIABLE] = window
        try:
            child = subprocess.run(
                [sys.executable, "-m", __name__, "--probe"],
                env=environment,
                capture_output=True,
                timeout=PROBE_SECONDS,
                check=False,
            )
        except (OSError, subprocess.TimeoutExpired) as error:
            why = f"the test program did not answer ({type(error).__name__})"
            continue
        lines = child.stdout.decode("utf-8", "replace").strip().splitlines()
        if child.returncode == 0 and lines:
            return Probe(True, json.loads(lines[-1])["renderer"], window)
        why = f"the test program ended with {child.returncode}"
    return Probe(False, why=why)


def _new_window(width: int, height: int) -> Any:
    import vtkmodules.vtkRenderingOpenGL2  # noqa: F401 (registers the OpenGL classes)
    from vtkmodules.vtkRenderingCore import vtkRenderWindow

    window = vtkRenderWindow()
    window.SetShowWindow(False)
    window.SetOffScreenRendering(1)
    window.SetMultiSamples(0)
    window.SetSize(width, height)
    return window


def _probe_here() -> str:
    """Render something here and return the name of the OpenGL renderer."""
    from vtkmodules.vtkRenderingCore import vtkRenderer

    window = _new_window(32, 32)
    renderer = vtkRenderer()
    window.AddRenderer(renderer)
    window.Render()
    for line in window.ReportCapabilities().splitlines():
        key, _, value = line.partition(":")
        if key.strip().lower() == "opengl renderer string":
            return value.strip()
    return "unknown"


@dataclass(frozen=True, slots=True)
class Preset:
    """Opacity and colour by value. Values are HU for CT, otherwise parts (0 to 1) of the range of the volume."""

    name: str
    opacity: tuple[tuple[float, float], ...]
    colour: tuple[tuple[float, float, float, float], ...]
    shade: bool = True
    is_mip: bool = False


CT_PRESETS = (
    Preset(
        "Bone",
        ((-1000, 0.0), (150, 0.0), (300, 0.25), (700, 0.75), (3000, 0.9)),
        ((-1000, 0.3, 0.1, 0.1), (150, 0.75, 0.45, 0.35), (350, 0.92, 0.82, 0.68), (900, 1.0, 0.98, 0.93)),
    ),
    Preset(
        "Soft tissue",
        ((-1000, 0.0), (-250, 0.0), (-120, 0.06), (20, 0.12), (120, 0.35), (400, 0.75), (3000, 0.9)),
        ((-1000, 0.4, 0.2, 0.15), (-150, 0.85, 0.62, 0.45), (60, 0.82, 0.42, 0.33), (350, 0.98, 0.92, 0.82)),
    ),
    Preset("MIP", ((-1000, 0.0), (-200, 0.0), (1200, 1.0)), ((-1000, 0, 0, 0), (1200, 1, 1, 1)), False, True),
)
OTHER_PRESETS = (
    Preset(
        "Surface",
        ((0.0, 0.0), (0.12, 0.0), (0.3, 0.25), (0.7, 0.7), (1.0, 0.85)),
        ((0.0, 0.1, 0.1, 0.1), (0.3, 0.75, 0.62, 0.52), (1.0, 1.0, 0.97, 0.92)),
    ),
    Preset("MIP", ((0.0, 0.0), (0.1, 0.0), (1.0, 1.0)), ((0.0, 0, 0, 0), (1.0, 1, 1, 1)), False, True),
)


def presets_for(unit: str) -> tuple[Preset, ...]:
    """Return the presets that make sense for values in `unit`."""
    return CT_PRESETS if unit == "HU" else OTHER_PRESETS


@dataclass(frozen=True, slots=True)
class View:
    """From where the volume is looked at.

    ``azimuth`` and ``elevation`` are degrees from the front of the patient (head up); ``zoom`` is relative to "all of
    it just fits".
    """

    azimuth: float = 0.0
    elevation: float = 0.0
    zoom: float = 1.0

    @property
    def axes(self) -> tuple[NDArray[np.float64], NDArray[np.float64], NDArray[np.float64]]:
        """Directions in the patient (LPS) of right, up and towards the viewer."""
        a, e = np.radians(self.azimuth), np.radians(self.elevation)
        # From the front the viewer looks towards posterior, the patient's left is on the right.
        towards = np.array([np.sin(a) * np.cos(e), -np.cos(a) * np.cos(e), np.sin(e)])
        right = np.array([np.cos(a), np.sin(a), 0.0])
        return right, np.cross(towards, right), towards


class VolumeRenderer:
    """Renders one volume.

    Parameters
    ----------
    volume : Volume
        True values with their affine.

    Raises
    ------
    NoOpenGLError
        OpenGL does not work here.
    """

    def __init__(self, volume: Volume) -> None:
        found = probe()
        if not found.works:
            raise NoOpenGLError(
                "The volume view needs OpenGL",
                why=f"it does not work on this computer: {found.why}",
                todo="Planes and stacks work without it. On Linux install libegl1 and libgl1",
            )
        if found.window:
            os.environ[WINDOW_VARIABLE] = found.window
        self.is_software = found.is_software
        self.renderer_name = found.renderer
        self._volume = volume
        self._preset: Preset | None = None
        self.thinned = 1
        self._window: Any = None
        self._build()

    def _build(self) -> None:
        import vtkmodules.vtkRenderingVolumeOpenGL2  # noqa: F401 (registers the GPU ray caster)
        from vtkmodules.util.numpy_support import numpy_to_vtk
        from vtkmodules.vtkCommonDataModel import vtkImageData
        from vtkmodules.vtkCommonMath import vtkMatrix4x4
        from vtkmodules.vtkRenderingCore import vtkRenderer, vtkVolume, vtkVolumeProperty
        from vtkmodules.vtkRenderingVolume import vtkFixedPointVolumeRayCastMapper, vtkGPUVolumeRayCastMapper

        voxels = self._volume.voxels
        steps = [1, 1, 1]
        if self.is_software:
            steps = [max(1, -(-size // SOFTWARE_SIDE)) for size in voxels.shape]
        self.thinned = max(steps)
        self._kept = np.ascontiguousarray(voxels[:: steps[0], :: steps[1], :: steps[2]])
        depth, rows, columns = self._kept.shape
        axes = self._volume.affine[:3, :3] * np.array([steps[2], steps[1], steps[0]], dtype=np.float64)
        spacing = np.linalg.norm(axes, axis=0)
        image = vtkImageData()
        image.SetDimensions(columns, rows, depth)
        image.SetSpacing(*(float(value) for value in spacing))
        image.GetPointData().SetScalars(numpy_to_vtk(self._kept.reshape(-1), deep=False))
        matrix = vtkMatrix4x4()
        placed = np.eye(4)
        placed[:3, :3] = axes / spacing
        placed[:3, 3] = self._volume.affine[:3, 3]
        for row in range(4):
            for column in range(4):
                matrix.SetElement(row, column, float(placed[row, column]))
        self._mapper = vtkFixedPointVolumeRayCastMapper() if self.is_software else vtkGPUVolumeRayCastMapper()
        self._mapper.SetInputData(image)
        self._property = vtkVolumeProperty()
        self._property.SetInterpolationTypeToLinear()
        self._actor = vtkVolume()
        self._actor.SetMapper(self._mapper)
        self._actor.SetProperty(self._property)
        self._actor.SetUserMatrix(matrix)
        self._renderer = vtkRenderer()
        self._renderer.SetBackground(0.0, 0.0, 0.0)
        self._renderer.AddVolume(self._actor)
        self._window = _new_window(64, 64)
        self._window.AddRenderer(self._renderer)
        corners = np.array([[i, j, k, 1.0] for i in (0, columns - 1) for j in (0, rows - 1) for k in (0, depth - 1)])
        local = np.eye(4)
        local[:3, :3] = axes
        local[:3, 3] = self._volume.affine[:3, 3]
        self._corners = (corners @ local.T)[:, :3]
        self._centre = self._corners.mean(axis=0)

    def use(self, preset: Preset) -> None:
        """Choose opacity and colours."""
        if preset is self._preset:
            return
        from vtkmodules.vtkCommonDataModel import vtkPiecewiseFunction
        from vtkmodules.vtkRenderingCore import vtkColorTransferFunction

        low, high = (0.0, 1.0) if self._volume.unit == "HU" else self._range()
        opacity, colour = vtkPiecewiseFunction(), vtkColorTransferFunction()
        for value, alpha in preset.opacity:
            opacity.AddPoint(low + value * (high - low), alpha)
        for value, red, green, blue in preset.colour:
            colour.AddRGBPoint(low + value * (high - low), red, green, blue)
        self._property.SetScalarOpacity(opacity)
        self._property.SetColor(colour)
        self._property.SetScalarOpacityUnitDistance(2.0 * max(self._volume.spacing_mm[0], 0.5))
        if preset.shade:
            self._property.ShadeOn()
            self._property.SetAmbient(0.25)
            self._property.SetDiffuse(0.75)
            self._property.SetSpecular(0.2)
            self._property.SetSpecularPower(12.0)
        else:
            self._property.ShadeOff()
        if preset.is_mip:
            self._mapper.SetBlendModeToMaximumIntensity()
        else:
            self._mapper.SetBlendModeToComposite()
        self._preset = preset

    def _range(self) -> tuple[float, float]:
        """Return a range of values without the few brightest voxels."""
        sample = self._kept.reshape(-1)[:: max(1, self._kept.size // 200_000)]
        low, high = (float(value) for value in np.percentile(sample, (0.5, 99.7)))
        return (low, high) if high > low else (low, low + 1.0)

    def render(self, view: View, width: int, height: int) -> NDArray[np.uint8]:
        """Return the picture from a point of view: (height, width, 3) RGB."""
        from vtkmodules.util.numpy_support import vtk_to_numpy
        from vtkmodules.vtkCommonCore import vtkUnsignedCharArray

        width, height = max(16, width), max(16, height)
        right, up, towards = view.axes
        spread = self._corners - self._centre
        half_height = max(float(np.abs(spread @ up).max()), float(np.abs(spread @ right).max()) * height / width)
        camera = self._renderer.GetActiveCamera()
        camera.ParallelProjectionOn()
        camera.SetFocalPoint(*self._centre)
        camera.SetPosition(*(self._centre + towards * 2000.0))
        camera.SetViewUp(*up)
        camera.SetParallelScale(1.03 * half_height / view.zoom)
        self._renderer.ResetCameraClippingRange()
        self._window.SetSize(width, height)
        self._window.Render()
        pixels = vtkUnsignedCharArray()
        self._window.GetPixelData(0, 0, width - 1, height - 1, 1, pixels, 0)
        return np.ascontiguousarray(vtk_to_numpy(pixels).reshape(height, width, 3)[::-1])

    def close(self) -> None:
        """Give the window and its memory back."""
        if self._window is not None:
            self._renderer.RemoveAllViewProps()
            self._window.Finalize()
            self._window = None


if __name__ == "__main__":
    sys.stdout.write(json.dumps({"renderer": _probe_here()}) + "\n")
