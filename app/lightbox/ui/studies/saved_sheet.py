"""The sheet of the saved searches: keep the present one, say one in words, run, rename, replace, remove."""

from __future__ import annotations

from dataclasses import replace

from PySide6.QtCore import Qt
from PySide6.QtWidgets import QFrame, QLineEdit, QScrollArea, QVBoxLayout, QWidget

from lightbox.core.errors import LightboxError
from lightbox.network.querying.saved import SavedQuery
from lightbox.ui import theme, words
from lightbox.ui.sheet import Sheet
from lightbox.ui.studies.studies_page import StudiesPage
from lightbox.ui.widgets import ElidedLabel, button, clear, label, line, row


class SavedLine(QWidget):
    """One saved search and what can be done with it."""

    def __init__(self, sheet: SavedSheet, query: SavedQuery) -> None:
        super().__init__()
        self._sheet = sheet
        self.query = query
        self.name = ElidedLabel(query.name, "text-strong")
        self.field = QLineEdit(query.name)
        self.field.setAccessibleName(f"New name of {query.name}")
        self.field.returnPressed.connect(self._renamed)
        self.field.setProperty("role", "field")
        self.field.hide()
        texts = QWidget()
        column = QVBoxLayout(texts)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(1)
        column.addWidget(self.name)
        column.addWidget(self.field)
        column.addWidget(ElidedLabel(described(query), "text-secondary"))
        self.run = button("Search", tip="Ask it now", on_click=lambda: sheet.run_query(query))
        self.rename = button("Rename", on_click=self._rename)
        self.replace = button("Replace", tip="Keep the present search under this name", on_click=self._replace)
        self.remove = button("Remove", "danger", on_click=self._remove)
        for made in (self.run, self.rename, self.replace, self.remove):
            made.setAccessibleName(f"{made.text()} {query.name}")
        self._sure = ""
        self.setLayout(row(texts, self.run, self.rename, self.replace, self.remove, spacing=6, margins=(0, 5, 0, 5)))

    def _rename(self) -> None:
        if not self.field.isHidden():
            self._renamed()
            return
        self.name.hide()
        self.field.show()
        self.field.setFocus()
        self.field.selectAll()
        self.rename.setText("Keep")

    def _renamed(self) -> None:
        self._sheet.rename(self.query, self.field.text())

    def _replace(self) -> None:
        if self._ask_twice("replace"):
            self._sheet.keep(self.query.name, replace_same=True)

    def _remove(self) -> None:
        if self._ask_twice("remove"):
            self._sheet.remove(self.query)

    def _ask_twice(self, what: str) -> bool:
        self.replace.setText("Really replace?" if what == "replace" else "Replace")
        self.remove.setText("Really remove?" if what == "remove" else "Remove")
        sure, self._sure = self._sure == what, what
        return sure


def described(query: SavedQuery) -> str:
    """Return what a query asks, and where, in words."""
    said = query.summary().replace("..", " – ")
    said = f"{said[:1].upper()}{said[1:]}"
    if query.fuzzy:
        said += ", also names that sound alike"
    return said if query.peers else f"{said}, at all archives"


class SavedSheet(Sheet):
    """Lies over the Studies place."""

    def __init__(self, window: QWidget, page: StudiesPage) -> None:
        super().__init__(window, 760, 560)
        self._page = page
        self.column.setContentsMargins(20, 16, 20, 16)
        close = button("Close", tip="Esc", on_click=self.dismiss)
        self.column.addLayout(row(label("Saved searches", "title"), None, close))
        self.column.addWidget(label("Keep the present search", "section"))
        self.present = label("", "secondary", wrap=True)
        self.column.addWidget(self.present)
        self.name = QLineEdit()
        self.name.setPlaceholderText("Name")
        self.name.setAccessibleName("Name of the search")
        self.name.returnPressed.connect(self._save)
        self.name.setProperty("role", "field")
        self.save = button("Save", "primary", on_click=self._save)
        self.column.addLayout(row(self.name, self.save))
        self.column.addWidget(label("Or say it in words", "section"))
        self.phrase = QLineEdit()
        self.phrase.setPlaceholderText("all chest X-rays of patient 12345, past 6 months")
        self.phrase.setAccessibleName("A search in words")
        self.phrase.returnPressed.connect(self._said)
        self.phrase.setProperty("role", "field")
        self.show_it = button("Show", tip="Sets the filters and searches; then it can be saved", on_click=self._said)
        self.column.addLayout(row(self.phrase, self.show_it))
        self.said = label("", "critical", wrap=True)
        self.said.hide()
        self.column.addWidget(self.said)
        self.column.addSpacing(4)
        self.column.addWidget(line())
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        scroll.setHorizontalScrollBarPolicy(Qt.ScrollBarPolicy.ScrollBarAlwaysOff)
        inner = QWidget()
        self._list = QVBoxLayout(inner)
        self._list.setContentsMargins(0, 0, 8, 0)
        self._list.setSpacing(2)
        scroll.setWidget(inner)
        self.column.addWidget(scroll, 1)
        self.lines: dict[str, SavedLine] = {}

    def open(self) -> None:
        """Show what is saved, and what the present search is."""
        super().open()
        self.name.clear()
        self.phrase.clear()
        self._tell("")
        self.refresh()
        self.name.setFocus()

    def refresh(self) -> None:
        """List the saved searches anew."""
        self.present.setText(described(self._page.present_search("present")))
        clear(self._list)
        self.lines = {}
        try:
            found = self._page.saved_queries.all()
        except LightboxError as error:
            found = []
            self._tell(words.error(error))
        for query in found:
            made = SavedLine(self, query)
            self.lines[query.name] = made
            self._list.addWidget(made)
        if not found:
            self._list.addWidget(
                label("None saved yet. Time spans such as Last 7 days move with the day of the search.", "secondary")
            )
        self._list.addStretch(1)

    def keep(self, name: str, *, replace_same: bool) -> bool:
        """Keep the present search as `name`; say why when that is not possible."""
        try:
            self._page.saved_queries.save(self._page.present_search(name), replace_same=replace_same)
        except LightboxError as error:
            self._tell(words.error(error))
            return False
        self._tell(f"Saved as {name.strip()}", good=True)
        self.refresh()
        return True

    def rename(self, query: SavedQuery, name: str) -> None:
        """Give a saved search another name."""
        saved = self._page.saved_queries
        try:
            if name.strip().casefold() == query.name.casefold():
                saved.save(replace(query, name=name))
            else:
                saved.save(replace(query, name=name), replace_same=False)
                saved.remove(query.name)
        except LightboxError as error:
            self._tell(words.error(error))
            return
        self._tell("")
        self.refresh()

    def remove(self, query: SavedQuery) -> None:
        """Forget a saved search."""
        try:
            self._page.saved_queries.remove(query.name)
        except LightboxError as error:
            self._tell(words.error(error))
        self.refresh()

    def run_query(self, query: SavedQuery) -> None:
        """Ask a saved search, and leave."""
        self.dismiss()
        self._page.run_saved(query)

    def _save(self) -> None:
        if self.keep(self.name.text(), replace_same=False):
            self.name.clear()

    def _said(self) -> None:
        from lightbox.network.querying import phrases

        try:
            query = phrases.parse("in words", self.phrase.text())
        except LightboxError as error:
            self._tell(words.error(error))
            return
        self._page.run_saved(query)
        self._page.saved.show_running(None)
        self._tell("The list behind shows it. Give it a name to keep it.", good=True)
        self.refresh()
        self.name.setFocus()

    def _tell(self, text: str, *, good: bool = False) -> None:
        self.said.setText(text)
        self.said.setVisible(bool(text))
        theme.restyle(self.said, role="ok" if good else "critical")
