"""The tools of the reading room: what the left button does, windows, cine, orientation, layout, AI on and off."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

from PySide6.QtCore import QSize, Signal
from PySide6.QtGui import QActionGroup
from PySide6.QtWidgets import QFrame, QHBoxLayout, QMenu, QPushButton, QToolButton

from lightbox.ui import icons, theme, widgets
from lightbox.viewer import window
from lightbox.viewer.layout import LAYOUTS, Layout
from lightbox.viewer.mpr import SLAB_MODES, SLABS_MM, Slab
from lightbox.viewer.tools import TOOLS, Tool

if TYPE_CHECKING:
    from lightbox.dicom.voi import Voi
    from lightbox.viewer.session import ViewerSession

_TOOL_ICONS = {
    Tool.WINDOW: "ph.sun",
    Tool.PAN: "ph.arrows-out-cardinal",
    Tool.ZOOM: "ph.magnifying-glass-plus",
    Tool.SCROLL: "ph.arrows-down-up",
    Tool.CROSSHAIR: "ph.crosshair",
}


class Toolbar(QFrame):
    """A bar 48 px high; every button names its key in its tooltip."""

    layout_chosen = Signal(object)
    voi_chosen = Signal(object)
    slab_chosen = Signal(object)
    volume_preset_chosen = Signal(str)

    def __init__(self, session: ViewerSession) -> None:
        super().__init__()
        self.session = session
        self.setObjectName("bar")
        self.setFixedHeight(theme.metric("bar-height"))
        row = QHBoxLayout(self)
        row.setContentsMargins(12, 0, 12, 0)
        row.setSpacing(4)
        self.who = widgets.label("", "title")
        self.what = widgets.ElidedLabel("", "text-secondary")
        self.what.setMinimumWidth(80)
        self.what.setMaximumWidth(360)
        row.addWidget(self.who)
        row.addSpacing(6)
        row.addWidget(self.what, 1)
        row.addSpacing(12)
        self.tools: dict[Tool, QToolButton] = {}
        for info in TOOLS:
            made = self._tool(_TOOL_ICONS[info.tool], f"{info.name}  ({info.key})\n{info.hint}", info.name)
            made.setCheckable(True)
            made.clicked.connect(lambda _=False, tool=info.tool: self.choose_tool(tool))
            self.tools[info.tool] = made
            row.addWidget(made)
        row.addSpacing(4)
        row.addWidget(widgets.line(vertical=True))
        row.addSpacing(4)
        self.cine = self._tool("ph.play", "Play  (Space)", "Play")
        self.cine.setCheckable(True)
        self.invert = self._tool("ph.circle-half", "Invert  (I)", "Invert")
        self.invert.setCheckable(True)
        self.rotate = self._tool("ph.arrow-clockwise", "Rotate clockwise  (R)", "Rotate")
        self.flip_h = self._tool("ph.arrows-left-right", "Mirror left to right  (H)", "Mirror left to right")
        self.flip_v = self._tool("ph.arrows-out-line-vertical", "Mirror top to bottom  (V)", "Mirror top to bottom")
        self.fit = self._tool("ph.corners-out", "Fit to the viewport  (F)", "Fit")
        self.reset = self._tool("ph.arrow-counter-clockwise", "Reset the view  (0)", "Reset")
        for made in (self.cine, self.invert, self.rotate, self.flip_h, self.flip_v, self.fit, self.reset):
            row.addWidget(made)
        row.addStretch(2)
        self.ai = QPushButton("AI shown  A")
        self.ai.setCheckable(True)
        self.ai.setProperty("role", "chip")
        self.ai.setChecked(True)
        row.addWidget(self.ai)
        row.addSpacing(4)
        self.slab = self._menu_button("Slab", "Thickness of reformatted planes", self._fill_slab)
        self.volume = self._menu_button("3-D", "What the volume view shows", self._fill_volume)
        self.presets = self._menu_button(
            "Window", "Windows of the file and of the modality  (1 to 9)", self._fill_presets
        )
        self.layouts = self._menu_button("Layout", "How the screen is divided  (Ctrl+1 to Ctrl+4)", self._fill_layouts)
        for made in (self.slab, self.volume, self.presets, self.layouts):
            row.addWidget(made)
        self.volume_preset = ""
        self.volume_presets: tuple[str, ...] = ()
        session.style_changed.connect(self.refresh)
        session.layout_changed.connect(self.refresh)
        session.results_changed.connect(self.refresh)
        self.refresh()

    def _tool(self, icon: str, tip: str, name: str) -> QToolButton:
        made = QToolButton()
        made.setProperty("role", "tool")
        made.setFixedSize(34, 34)
        made.setIconSize(QSize(20, 20))
        made.setToolTip(tip)
        made.setAccessibleName(name)
        icons.give(made, icon)
        return made

    def _menu_button(self, text: str, tip: str, fill: Callable[[QMenu], None]) -> QPushButton:
        made = QPushButton(text)
        made.setToolTip(tip)
        made.setAutoDefault(False)
        menu = QMenu(made)
        menu.setToolTipsVisible(True)
        menu.aboutToShow.connect(lambda: (menu.clear(), fill(menu)))
        made.setMenu(menu)
        return made

    def set_study(self, who: str, what: str) -> None:
        """Say whose study is open."""
        self.who.setText(who)
        self.what.setText(what)

    def choose_tool(self, tool: Tool) -> None:
        """Give a tool to the left button."""
        self.session.bindings.active = tool
        self.refresh()

    def refresh(self) -> None:
        """Show what is chosen."""
        session = self.session
        for tool, made in self.tools.items():
            made.setChecked(tool is session.bindings.active)
        self.tools[Tool.CROSSHAIR].setVisible(session.layout.has_mpr)
        self.slab.setVisible(session.layout.has_mpr)
        self.volume.setVisible(session.layout.has_mpr)
        self.invert.setChecked(session.viewport.invert)
        shown = session.style.shown
        self.ai.setChecked(shown)
        self.ai.setText("AI shown" if shown else "AI hidden")
        self.ai.setToolTip("Hide all AI results and measurements  (A)" if shown else "Show them again  (A)")
        self.ai.setVisible(bool(session.result_sets))
        self.layouts.setText(f"{session.layout.name}  ▾")
        slab = session.mpr.planes.slab if session.mpr.planes is not None else Slab()
        self.slab.setText(f"{slab.name or 'Thin planes'}  ▾")
        self.volume.setText(f"3-D: {self.volume_preset}  ▾")
        self.presets.setText("Window  ▾")

    def _fill_presets(self, menu: QMenu) -> None:
        for number, (name, voi) in enumerate(self.offered_windows()):
            key = f"\t{number + 1}" if number < 9 else ""
            action = menu.addAction(f"{name}{key}")
            action.triggered.connect(lambda _=False, voi=voi: self.voi_chosen.emit(voi))
        if menu.isEmpty():
            menu.addAction("Colour images have no window").setEnabled(False)

    offered_windows: Callable[[], list[tuple[str, Voi | None]]] = staticmethod(list)
    """Set by the page: names and windows for the active viewport."""

    def _fill_layouts(self, menu: QMenu) -> None:
        group = QActionGroup(menu)
        for number, layout in enumerate(LAYOUTS):
            action = menu.addAction(f"{layout.name}\tCtrl+{number + 1}")
            action.setCheckable(True)
            action.setChecked(layout is self.session.layout)
            group.addAction(action)
            action.triggered.connect(lambda _=False, layout=layout: self._choose_layout(layout))

    def _choose_layout(self, layout: Layout) -> None:
        self.layout_chosen.emit(layout)

    def _fill_slab(self, menu: QMenu) -> None:
        planes = self.session.mpr.planes
        now = planes.slab if planes is not None else Slab()
        thin = menu.addAction("Thin planes")
        thin.setCheckable(True)
        thin.setChecked(now.thickness_mm == 0)
        thin.triggered.connect(lambda: self.slab_chosen.emit(Slab()))
        for mode, name in SLAB_MODES.items():
            menu.addSeparator()
            for thickness in SLABS_MM[1:]:
                slab = Slab(thickness, mode)
                action = menu.addAction(f"{name} {thickness:g} mm")
                action.setCheckable(True)
                action.setChecked(slab == now)
                action.triggered.connect(lambda _=False, slab=slab: self.slab_chosen.emit(slab))

    def _fill_volume(self, menu: QMenu) -> None:
        for name in self.volume_presets:
            action = menu.addAction(name)
            action.setCheckable(True)
            action.setChecked(name == self.volume_preset)
            action.triggered.connect(lambda _=False, name=name: self.volume_preset_chosen.emit(name))


def windows_for(
    presets: tuple[Voi, ...], modality: str, unit: str, full_range: Voi | None
) -> list[tuple[str, Voi | None]]:
    """Return the windows to offer: of the file (None = as the file says for each frame), then of the modality."""
    found: list[tuple[str, Voi | None]] = []
    if presets:
        for number, voi in enumerate(presets):
            name = voi.explanation or ("As in the file" if number == 0 else f"File {number + 1}")
            found.append((f"{name} · {window.describe(voi)}", None if number == 0 else voi))
    elif full_range is not None:
        found.append((f"All values · {window.describe(full_range)}", None))
    for preset in window.modality_presets(modality, unit):
        found.append((f"{preset.name} · {window.describe(preset.voi())}", preset.voi()))
    return found
