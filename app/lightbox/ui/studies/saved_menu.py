"""The pull-down of the saved searches."""

from __future__ import annotations

from PySide6.QtCore import Signal
from PySide6.QtGui import QAction

from lightbox.core.errors import LightboxError
from lightbox.network.querying.saved import SavedQueries, SavedQuery
from lightbox.ui import words
from lightbox.ui.studies.pull_downs import PullDown


class SavedMenu(PullDown):
    """Lists the saved searches; the button names the one that is shown."""

    run_wanted = Signal(object)
    failed = Signal(str)

    def __init__(self, saved: SavedQueries, *doing: QAction) -> None:
        super().__init__("Saved")
        self._saved = saved
        self._doing = doing
        self.menu_shown.setToolTipsVisible(True)
        self.menu_shown.aboutToShow.connect(self._fill)
        self.show_value("")
        self.setToolTip("Searches that are kept under a name")

    def show_running(self, query: SavedQuery | None) -> None:
        """Name the saved search that the list shows, if it does."""
        self.show_value(query.name if query is not None else "")
        self.setToolTip(query.summary() if query is not None else "Searches that are kept under a name")

    def _fill(self) -> None:
        menu = self.menu_shown
        menu.clear()
        try:
            found = self._saved.all()
        except LightboxError as error:
            found = []
            self.failed.emit(words.error(error))
        for query in found:
            entry = menu.addAction(query.name.replace("&", "&&"))
            entry.setToolTip(query.summary())
            entry.triggered.connect(lambda _=False, query=query: self.run_wanted.emit(query))
        if not found:
            menu.addAction("None saved yet").setEnabled(False)
        menu.addSeparator()
        menu.addActions(list(self._doing))
