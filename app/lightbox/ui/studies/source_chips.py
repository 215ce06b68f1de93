"""The chips that say where to search, and what each archive is doing about it."""

from __future__ import annotations

from PySide6.QtCore import QMimeData, QSize, Qt, Signal
from PySide6.QtGui import QDragEnterEvent, QDragLeaveEvent, QDropEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QHBoxLayout, QPushButton, QWidget

from lightbox.ui import theme, words
from lightbox.ui.studies import study_drag
from lightbox.ui.studies.search import Source, SourceState, StudySearch
from lightbox.ui.studies.study_row import HERE
from lightbox.ui.widgets import clear, label


class Chip(QPushButton):
    """One source: a dot, its name, and a word on its state. What is dropped on an archive is sent to it."""

    dropped = Signal(str, object)

    def __init__(self, name: str) -> None:
        super().__init__()
        self.name = name
        self._shade = "text-secondary"
        self.setProperty("role", "chip")
        self.setCheckable(True)
        self.setAutoDefault(False)
        self.setAcceptDrops(name != HERE)

    def dragEnterEvent(self, event: QDragEnterEvent) -> None:
        """Take studies of the list, files and folders."""
        if study_drag.studies_in(event.mimeData()) or study_drag.files_in(event.mimeData()):
            event.acceptProposedAction()
            theme.restyle(self, target="true")

    def dragLeaveEvent(self, event: QDragLeaveEvent) -> None:
        """They went elsewhere."""
        theme.restyle(self, target="false")

    def dropEvent(self, event: QDropEvent) -> None:
        """Have them sent."""
        theme.restyle(self, target="false")
        event.acceptProposedAction()
        self.dropped.emit(self.name, event.mimeData())

    def show_state(self, chosen: bool, shade: str, state: str, tip: str) -> None:
        """Show whether it is chosen, and its state in colour and words."""
        self._shade = shade
        self.setChecked(chosen)
        shown = self.fontMetrics().elidedText(self.name, Qt.TextElideMode.ElideMiddle, 180)
        self.setText(f"    {shown}{' · ' + state if state else ''}")
        self.setToolTip(tip)
        self.setAccessibleName(f"Search in {self.name}: {'on' if chosen else 'off'}{', ' + state if state else ''}")
        self.update()

    def sizeHint(self) -> QSize:
        """Return the room for all of it."""
        return QSize(super().sizeHint().width() + 4, 28)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Draw the button and its dot."""
        super().paintEvent(event)
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        painter.setPen(Qt.PenStyle.NoPen)
        painter.setBrush(theme.color(self._shade))
        painter.drawEllipse(12, self.height() // 2 - 4, 8, 8)


class SourceChips(QWidget):
    """One chip for this workstation and one for every archive of the settings."""

    chosen = Signal(str, bool)
    studies_dropped = Signal(str, list)
    files_dropped = Signal(str, list)

    def __init__(self, search: StudySearch) -> None:
        super().__init__()
        self._search = search
        self._line = QHBoxLayout(self)
        self._line.setContentsMargins(0, 0, 0, 0)
        self._line.setSpacing(8)
        self.chips: dict[str, Chip] = {}
        search.sources_changed.connect(self.refresh)
        self.refresh()

    def refresh(self) -> None:
        """Show the present sources and their states."""
        names = [HERE, *self._search.sources]
        if names != list(self.chips):
            clear(self._line)
            self.chips = {}
            self._line.addWidget(label("Search in", "secondary"))
            for name in names:
                chip = Chip(name)
                chip.toggled.connect(lambda on, name=name: self._toggled(name, on))
                chip.dropped.connect(self._dropped)
                self.chips[name] = chip
                self._line.addWidget(chip)
        for name, chip in self.chips.items():
            chip.blockSignals(True)
            if name == HERE:
                chip.show_state(self._search.local_chosen, "ok", "", "The studies on this workstation")
            else:
                source = self._search.sources[name]
                chip.show_state(source.chosen, *state_words(source))
            chip.blockSignals(False)

    def _dropped(self, name: str, data: QMimeData) -> None:
        studies, files = study_drag.studies_in(data), study_drag.files_in(data)
        if studies:
            self.studies_dropped.emit(name, studies)
        elif files:
            self.files_dropped.emit(name, files)

    def _toggled(self, name: str, on: bool) -> None:
        self.chosen.emit(name, on)


def state_words(source: Source) -> tuple[str, str, str]:
    """Return colour, words and tooltip for the state of an archive."""
    peer = source.peer
    address = f"{peer.ae_title} at {peer.host}:{peer.port}"
    if not source.chosen:
        return (
            "text-disabled",
            "",
            f"{address}. Choose it to search there too; drop studies or files on it to send them.",
        )
    if source.state is SourceState.SEARCHING:
        return "warn", f"{words.count(len(source.rows))} …" if source.rows else "searching", address
    if source.state is SourceState.FAILED:
        return "critical", "no answer", f"{source.error}\n{address}"
    if source.state is SourceState.ANSWERED:
        found = f"first {words.count(len(source.rows))}" if source.truncated else words.count(len(source.rows))
        told = [
            f"{address}: {words.plural(len(source.rows), 'study', 'studies')} found",
            source.truncated,
            *source.notes,
        ]
        return "warn" if source.truncated else "ok", found, "\n".join(text for text in told if text)
    return "text-secondary", "", f"{address}. Type or set a filter; Enter asks for everything."
