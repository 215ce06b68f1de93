"""The findings of the study: a card a result set with who made it, a card a finding with its colour and measures."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from PySide6.QtCore import QEvent, QRect, QSize, Qt, Signal
from PySide6.QtGui import QColor, QEnterEvent, QFontMetrics, QKeyEvent, QMouseEvent, QPainter, QPaintEvent
from PySide6.QtWidgets import QFrame, QHBoxLayout, QScrollArea, QSlider, QToolButton, QVBoxLayout, QWidget

from lightbox.core.errors import Severity
from lightbox.dicom import dates
from lightbox.ui import icons, theme, widgets
from lightbox.ui.viewer import report_text
from lightbox.viewer.overlays import value_text
from lightbox.viewer.palette import finding_group
from lightbox.viewer.results import ResultsState

if TYPE_CHECKING:
    from lightbox.findings.model import Finding, ResultSet
    from lightbox.viewer.session import ViewerSession

WIDTH = 320
MOST_LINES = 6
"""Lines of values a card shows; the rest is in its tooltip."""


def groups_of(result: ResultSet) -> list[list[Finding]]:
    """Return the findings of a result set, those of one measurement group together."""
    groups: dict[str, list[Finding]] = {}
    for finding in result.findings:
        groups.setdefault(finding_group(finding), []).append(finding)
    return list(groups.values())


NOT_DRAWN = {"PR": "presentation states", "RTSTRUCT": "RT structure sets", "RTPLAN": "RT plans", "REG": "registrations"}
"""Modalities of objects that say something about images and that are not drawn on them yet."""


def not_drawn(modalities: Sequence[str]) -> str:
    """Return what the study holds that is not drawn on its images, in words; empty when there is nothing."""
    held = [name for modality, name in NOT_DRAWN.items() if modality in modalities]
    return f"Not drawn on the images: {', '.join(held)} of this study" if held else ""


def _split_label(label: str) -> tuple[str, str]:
    """Return ("Nodule, lung", "Diameter") for "Nodule, lung: Diameter"; the first part is empty without a colon."""
    head, colon, tail = label.rpartition(": ")
    return (head, tail) if colon else ("", label)


def group_title(findings: Sequence[Finding]) -> str:
    """Return the name of a group: what was found, else the label of its first finding."""
    for finding in findings:
        head, _ = _split_label(finding.label)
        if head:
            return head
    plain = [finding.label for finding in findings if not value_text(finding)]
    if plain:
        return plain[0]
    return findings[0].label


def group_lines(findings: Sequence[Finding]) -> list[tuple[str, str]]:
    """Return (name, value) of every value of a group."""
    found: list[tuple[str, str]] = []
    title = group_title(findings)
    for finding in findings:
        value = value_text(finding)
        name = _split_label(finding.label)[1]
        if value and (name, value) not in found:
            found.append(("" if len(findings) == 1 and name == title else name, value))
    return found


class EyeButton(QToolButton):
    """Shows whether something is drawn, and switches it."""

    def __init__(self, what: str) -> None:
        super().__init__()
        self.setCheckable(True)
        self.setChecked(True)
        self.setStyleSheet(
            "QToolButton { background: transparent; border: 1px solid transparent; border-radius: 4px; }"
            f"QToolButton:hover {{ background: {theme.token('raised-hover')}; }}"
            f"QToolButton:focus {{ border-color: {theme.token('accent')}; }}"
        )
        self.setFixedSize(26, 26)
        self.setIconSize(QSize(16, 16))
        self._what = what
        self.toggled.connect(self._look)
        self._look(True)

    def _look(self, on: bool) -> None:
        icons.give(self, "ph.eye" if on else "ph.eye-slash", "text" if on else "text-disabled")
        self.setToolTip(f"Hide {self._what}" if on else f"Show {self._what}")
        self.setAccessibleName(self.toolTip())

    def set_on(self, on: bool) -> None:
        """Show a state without telling anyone."""
        self.blockSignals(True)
        self.setChecked(on)
        self.blockSignals(False)
        self._look(on)


class FindingCard(QWidget):
    """One finding, or one group of measurements: colour, name, values, an eye."""

    clicked = Signal(str)
    """Finding id: go there."""
    switched = Signal(object, bool)
    """Finding ids (set) and whether to draw them."""

    def __init__(self, findings: Sequence[Finding], colour: tuple[int, int, int], can_draw: bool) -> None:
        super().__init__()
        self.findings = list(findings)
        self.ids = {finding.finding_id for finding in findings}
        self._colour = QColor(*colour)
        self._selected = False
        self._hover = False
        self._dimmed = False
        self._can_draw = can_draw
        first = findings[0]
        self._title = group_title(findings)
        lines = group_lines(findings)
        self._value = lines[0][1] if len(lines) == 1 and not lines[0][0] else ""
        self._text: report_text.ReportText | None = None
        if report_text.is_text(self._value):
            self._text = report_text.ReportText(report_text.body_of(self._value, self._title), self)
            self._value, lines = "", []
        self._rows = [] if self._value else lines[:MOST_LINES]
        self._more = 0 if self._value else max(0, len(lines) - MOST_LINES)
        certainty = f"certainty {first.certainty:.2f}" if first.certainty is not None else ""
        tracking = first.tracking_id if first.tracking_id and not _is_noise(first.tracking_id) else ""
        self._notes = " · ".join(part for part in (first.site, tracking, certainty) if part and part != self._title)
        self.setFocusPolicy(Qt.FocusPolicy.StrongFocus)
        self.setCursor(Qt.CursorShape.PointingHandCursor)
        self.setFixedHeight(self._height(WIDTH - 34))
        name = f"{self._title} {self._value}".strip()
        self.setAccessibleName(name)
        tip = [name, self._notes, *(f"{label} {value}" for label, value in lines if label)]
        self.setToolTip("\n".join(line for line in tip if line))
        self.eye = EyeButton(self._title)
        self.eye.setParent(self)
        self.eye.setVisible(can_draw)
        self.eye.toggled.connect(lambda on: self.switched.emit(self.ids, on))

    def _height(self, width: int) -> int:
        rows = len(self._rows) + bool(self._more) + bool(self._notes)
        text = self._text.height_at(width - self._left - 12) if self._text is not None else 0
        return 36 + rows * 18 + text + (6 if rows or text else 0)

    @property
    def _left(self) -> int:
        return 30 if self._can_draw else 12

    def set_selected(self, selected: bool) -> None:
        """Draw the frame of the selected finding."""
        if selected != self._selected:
            self._selected = selected
            self.update()

    def set_drawn(self, on: bool) -> None:
        """Show that the finding is drawn or not."""
        self.eye.set_on(on)
        if self._dimmed == on:
            self._dimmed = not on
            self.update()

    def resizeEvent(self, event) -> None:  # noqa: ANN001
        """Keep the eye at the right."""
        self.eye.move(self.width() - 32, 5)
        if self._text is not None:
            top = 34 + (18 if self._notes else 0)
            self._text.setGeometry(self._left, top, self.width() - self._left - 12, self.height() - top - 4)
            self.setFixedHeight(self._height(self.width()))
        super().resizeEvent(event)

    def paintEvent(self, event: QPaintEvent) -> None:
        """Paint frame, colour, name and values."""
        painter = QPainter(self)
        painter.setRenderHint(QPainter.RenderHint.Antialiasing)
        back = "selection" if self._selected else "raised" if self._hover else "window"
        painter.setBrush(theme.color(back))
        painter.setPen(theme.color("accent" if self._selected or self.hasFocus() else "border"))
        painter.drawRoundedRect(self.rect().adjusted(0, 0, -1, -1), 8, 8)
        right = self.width() - (36 if self._can_draw else 12)
        if self._can_draw:
            painter.setPen(Qt.PenStyle.NoPen)
            painter.setBrush(self._colour)
            painter.setOpacity(0.35 if self._dimmed else 1.0)
            painter.drawRoundedRect(QRect(12, 13, 10, 10), 2, 2)
            painter.setOpacity(1.0)
        left = self._left
        painter.setFont(theme.font(13, tabular=True))
        metrics = QFontMetrics(painter.font())
        value_width = metrics.horizontalAdvance(self._value)
        if self._value:
            painter.setPen(theme.color("text-secondary" if self._dimmed else "text"))
            painter.drawText(
                QRect(right - value_width, 0, value_width, 36), int(Qt.AlignmentFlag.AlignVCenter), self._value
            )
        room = right - left - (value_width + 10 if self._value else 4)
        painter.setPen(theme.color("text-secondary" if self._dimmed else "text-strong"))
        shown = metrics.elidedText(self._title, Qt.TextElideMode.ElideRight, room)
        painter.drawText(QRect(left, 0, room, 36), int(Qt.AlignmentFlag.AlignVCenter), shown)
        painter.setFont(theme.font(12, tabular=True))
        metrics = QFontMetrics(painter.font())
        y = 33
        right = self.width() - 12
        if self._notes:
            painter.setPen(theme.color("text-secondary"))
            text = metrics.elidedText(self._notes, Qt.TextElideMode.ElideRight, right - left)
            painter.drawText(QRect(left, y, right - left, 18), int(Qt.AlignmentFlag.AlignVCenter), text)
            y += 18
        for name, value in self._rows:
            width = min(metrics.horizontalAdvance(value), (right - left) * 2 // 3)
            painter.setPen(theme.color("text-secondary"))
            label = metrics.elidedText(name, Qt.TextElideMode.ElideRight, right - left - width - 10)
            painter.drawText(QRect(left, y, right - left, 18), int(Qt.AlignmentFlag.AlignVCenter), label)
            painter.setPen(theme.color("text"))
            text = metrics.elidedText(value, Qt.TextElideMode.ElideRight, width + 2)
            painter.drawText(
                QRect(right - width - 2, y, width + 2, 18),
                int(Qt.AlignmentFlag.AlignVCenter | Qt.AlignmentFlag.AlignRight),
                text,
            )
            y += 18
        if self._more:
            painter.setPen(theme.color("text-secondary"))
            painter.drawText(QRect(left, y, right - left, 18), int(Qt.AlignmentFlag.AlignVCenter), f"{self._more} more")

    def mouseReleaseEvent(self, event: QMouseEvent) -> None:
        """Go to the finding."""
        if event.button() == Qt.MouseButton.LeftButton and self.rect().contains(event.position().toPoint()):
            self.clicked.emit(self.findings[0].finding_id)

    def keyPressEvent(self, event: QKeyEvent) -> None:
        """Go to the finding with Enter or Space."""
        if event.key() in (Qt.Key.Key_Return, Qt.Key.Key_Enter, Qt.Key.Key_Space):
            self.clicked.emit(self.findings[0].finding_id)
        else:
            super().keyPressEvent(event)

    def enterEvent(self, event: QEnterEvent) -> None:
        """Lift the card."""
        self._hover = True
        self.update()

    def leaveEvent(self, event: QEvent) -> None:
        """Lower the card."""
        self._hover = False
        self.update()


def _is_noise(tracking_id: str) -> bool:
    """Whether a tracking identifier is a machine's, of no use to a reader."""
    return " " not in tracking_id and any(sign.isdigit() for sign in tracking_id) and len(tracking_id) >= 10


def made_by_algorithm(result: ResultSet) -> bool:
    """Whether an algorithm made a result. The device that a dose report names is the scanner, not an algorithm."""
    return result.producer.kind == "algorithm" and "radiation dose" not in result.title.lower()


class ResultCard(QFrame):
    """Who made a result: algorithm, version, manufacturer, when; and what is wrong with it, in words."""

    switched = Signal(object, bool)

    def __init__(self, result: ResultSet) -> None:
        super().__init__()
        self.result = result
        self.setProperty("role", "card")
        self.ids = {finding.finding_id for finding in result.findings}
        column = QVBoxLayout(self)
        column.setContentsMargins(12, 8, 8, 10)
        column.setSpacing(3)
        producer = result.producer
        by_algorithm = made_by_algorithm(result)
        badge = widgets.Badge("AI" if by_algorithm else result.modality or "SR", "algorithm" if by_algorithm else "")
        if by_algorithm:
            badge.setToolTip("Made by an algorithm")
        name = " ".join(part for part in (producer.name, producer.version) if part)
        title = widgets.ElidedLabel(name or result.title or "Result", "text-strong")
        self.eye = EyeButton("all findings of this result")
        self.eye.toggled.connect(lambda on: self.switched.emit(self.ids, on))
        head = QHBoxLayout()
        head.setSpacing(8)
        head.addWidget(badge)
        head.addWidget(title, 1)
        head.addWidget(self.eye)
        column.addLayout(head)
        made = dates.format_dt(result.created_at) if result.created_at else ""
        by_person = f"by {producer.name}" if producer.kind == "person" and not name else ""
        unknown = "maker not stated" if producer.kind == "unknown" and not name else ""
        facts = [producer.manufacturer, result.title if name else "", by_person, unknown, made[:10]]
        line = widgets.ElidedLabel(" · ".join(dict.fromkeys(part for part in facts if part)), "text-secondary")
        line.setFont(theme.font(12))
        line.setToolTip("\n".join(part for part in (name, *facts, made) if part))
        column.addWidget(line)
        for problem in result.problems:
            role = "critical" if problem.severity is Severity.ERROR else "warn"
            words = widgets.label(report_text.breakable(problem.sentence()), role, wrap=True)
            words.setFont(theme.font(12))
            column.addWidget(words)
        if not result.findings and not result.problems:
            column.addWidget(widgets.label("Holds no findings", "small"))


class FindingsPanel(QFrame):
    """The pane at the right."""

    def __init__(self, session: ViewerSession) -> None:
        super().__init__()
        self.session = session
        self.setObjectName("side")
        self.setFixedWidth(WIDTH)
        self.cards: list[FindingCard] = []
        self.result_cards: list[ResultCard] = []
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        outer.setSpacing(0)
        head = QHBoxLayout()
        head.setContentsMargins(12, 10, 12, 8)
        self._title = widgets.label("Findings", "title")
        self._count = widgets.Badge("0")
        head.addWidget(self._title)
        head.addStretch(1)
        head.addWidget(self._count)
        outer.addLayout(head)
        self._opacity_row = QWidget()
        row = QHBoxLayout(self._opacity_row)
        row.setContentsMargins(12, 0, 12, 8)
        row.addWidget(widgets.label("Fill", "small"))
        self.opacity = QSlider(Qt.Orientation.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.setValue(round(session.style.opacity * 100))
        self.opacity.setToolTip("How strongly regions are filled; outlines stay")
        self.opacity.setAccessibleName("Opacity of regions")
        self.opacity.valueChanged.connect(lambda value: session.set_opacity(value / 100))
        row.addWidget(self.opacity, 1)
        outer.addWidget(self._opacity_row)
        self._hidden = widgets.label("All AI results are hidden  (A)", "warn")
        self._hidden.setContentsMargins(12, 0, 12, 8)
        outer.addWidget(self._hidden)
        self._area = QScrollArea()
        self._area.setWidgetResizable(True)
        self._area.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        self._area.setFocusPolicy(Qt.FocusPolicy.NoFocus)
        self._inner = QWidget()
        self._column = QVBoxLayout(self._inner)
        self._column.setContentsMargins(12, 0, 12, 12)
        self._column.setSpacing(6)
        self._area.setWidget(self._inner)
        outer.addWidget(self._area, 1)
        session.results_changed.connect(self.rebuild)
        session.style_changed.connect(self.refresh)
        session.selection_changed.connect(self._on_selection)
        self.rebuild()

    def rebuild(self) -> None:
        """List what was read, or say in words why there is nothing."""
        session = self.session
        widgets.clear(self._column)
        self.cards, self.result_cards = [], []
        state = session.results_state
        words = {
            ResultsState.IDLE: "",
            ResultsState.READING: "Reading results…",
            ResultsState.FAILED: session.results_error,
            ResultsState.READY: "" if session.result_sets else "No AI results in this study",
        }[state]
        if words:
            role = "critical" if state is ResultsState.FAILED else "secondary"
            self._column.addWidget(widgets.label(words, role, wrap=True))
        withheld = not_drawn(session.study.modalities_in_study) if session.study is not None else ""
        if withheld:
            self._column.addWidget(widgets.label(withheld, "warn", wrap=True))
        drawable = False
        for number, result in enumerate(session.result_sets):
            if number:
                self._column.addSpacing(8)
            card = ResultCard(result)
            card.switched.connect(session.set_visible)
            self.result_cards.append(card)
            self._column.addWidget(card)
            any_drawn = False
            for findings in groups_of(result):
                can_draw = any(finding.graphics or finding.segment is not None for finding in findings)
                any_drawn = any_drawn or can_draw
                entry = FindingCard(findings, session.style.colour(findings[0].finding_id), can_draw)
                entry.clicked.connect(session.go_to)
                entry.switched.connect(session.set_visible)
                self.cards.append(entry)
                self._column.addWidget(entry)
            card.eye.setVisible(any_drawn)
            drawable = drawable or any_drawn
        self._column.addStretch(1)
        self._count.setText(str(len(self.cards)))
        self._count.setVisible(bool(self.cards))
        self._opacity_row.setVisible(drawable)
        self.refresh()

    def refresh(self) -> None:
        """Show what is drawn, hidden and selected."""
        style = self.session.style
        self._hidden.setVisible(not style.shown and bool(self.cards))
        for card in self.cards:
            card.set_drawn(not card.ids <= style.hidden)
            card.set_selected(self.session.selected in card.ids)
        for card in self.result_cards:
            card.eye.set_on(not card.ids or not card.ids <= style.hidden)

    def _on_selection(self, finding_id: str) -> None:
        for card in self.cards:
            selected = finding_id in card.ids
            card.set_selected(selected)
            if selected:
                self._area.ensureWidgetVisible(card, 0, 24)
