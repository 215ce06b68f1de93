"""The text of a report inside its card: all lines, wrapped and indented, instead of one value."""

from __future__ import annotations

import re

from PySide6.QtCore import QRect, Qt
from PySide6.QtGui import QFontMetrics
from PySide6.QtWidgets import QLabel, QWidget

from lightbox.ui import theme

LONGEST_VALUE = 32
"""Characters of a value that still stands beside its name; what is longer is set as text below it."""

MOST_LINES = 400
_LONG_WORD = re.compile(r"\S{28,}")
_BREAK = "\u200b"


def is_text(value: str) -> bool:
    """Whether a value is text to read rather than a measure."""
    return "\n" in value or len(value) > LONGEST_VALUE


def breakable(text: str) -> str:
    """Let long words (UIDs, names of files) break, so that they do not widen what they stand in."""
    return _LONG_WORD.sub(lambda found: re.sub(r"(?<=[./\\_-])|(?<=\w{12})(?=\w{12})", _BREAK, found.group()), text)


def body_of(value: str, title: str) -> str:
    """Return the lines below the title: a document begins with its title and indents the rest by two spaces."""
    lines = value.rstrip().split("\n")
    if len(lines) > 1 and lines[0].strip() == title.strip():
        lines = [line.removeprefix("  ") for line in lines[1:]]
    if len(lines) > MOST_LINES:
        lines = [*lines[:MOST_LINES], f"… {len(lines) - MOST_LINES:,} more lines"]
    return breakable("\n".join(lines))


class ReportText(QLabel):
    """Wrapped text; the mouse goes through to the card."""

    def __init__(self, text: str, parent: QWidget) -> None:
        super().__init__(text, parent)
        self.setTextFormat(Qt.TextFormat.PlainText)
        self.setWordWrap(True)
        self.setAlignment(Qt.AlignmentFlag.AlignTop | Qt.AlignmentFlag.AlignLeft)
        self.setFont(theme.font(12))
        self.setAttribute(Qt.WidgetAttribute.WA_TransparentForMouseEvents)

    def height_at(self, width: int) -> int:
        """Return the height of the text at a width."""
        flags = int(Qt.TextFlag.TextWordWrap | Qt.AlignmentFlag.AlignLeft)
        return QFontMetrics(self.font()).boundingRect(QRect(0, 0, width, 1_000_000), flags, self.text()).height() + 4
