"""The Studies place: search over this workstation and the archives, the table, the details."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise
from pathlib import Path

from PySide6.QtCore import Qt, QTimer, Signal
from PySide6.QtGui import QResizeEvent
from PySide6.QtWidgets import (
    QFileDialog,
    QLineEdit,
    QMenu,
    QSizePolicy,
    QSplitter,
    QStackedWidget,
    QVBoxLayout,
    QWidget,
)

from lightbox.core.jobs import JobRunner
from lightbox.core.settings import Settings
from lightbox.library.records import InstancesAdded, StudyQuery
from lightbox.network.diagnosis import facts
from lightbox.network.peers import Peer
from lightbox.network.querying.saved import SavedQueries, SavedQuery
from lightbox.ui import actions, icons
from lightbox.ui.bridge import Bridge
from lightbox.ui.studies import send_menu
from lightbox.ui.studies.detail_pane import DetailPane
from lightbox.ui.studies.filter_bar import FilterBar
from lightbox.ui.studies.saved_menu import SavedMenu
from lightbox.ui.studies.search import SourceState, StudySearch
from lightbox.ui.studies.source_chips import SourceChips
from lightbox.ui.studies.study_model import StudyModel
from lightbox.ui.studies.study_row import HERE, StudyRow
from lightbox.ui.studies.study_table import StudyTable
from lightbox.ui.widgets import ElidedLabel, EmptyState, action_button, button, label, panel, row
from lightbox.workstation import Workstation

_CHOSEN_SOURCES = "ui.studies.sources"
_DETAIL_WIDTH = "ui.studies.detail"
_REFRESH_MS = 250


class StudiesPage(QWidget):
    """Find, look at, retrieve, open."""

    open_wanted = Signal(object)
    retrieve_wanted = Signal(list)
    deidentify_wanted = Signal(list)
    send_wanted = Signal(str, list)
    send_files_wanted = Signal(str, list)
    import_wanted = Signal(list)
    archive_wanted = Signal()
    saved_wanted = Signal()
    """The saved searches are to be shown, with the present one to save."""
    failed = Signal(str)

    def __init__(self, workstation: Workstation, bridge: Bridge, runner: JobRunner, network: JobRunner) -> None:
        super().__init__()
        self.setObjectName("page")
        self._workstation = workstation
        self._bridge = bridge
        self.search = StudySearch(workstation, bridge, runner, network)
        self.model = StudyModel()
        self._error = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._make_actions()
        column.addWidget(self._top_bar())
        column.addWidget(self._filter_bar())
        self.table = StudyTable(self.model, workstation.settings)
        self.table.show_order("study_date", True)
        self.detail = DetailPane(workstation, bridge, runner, network)
        self.detail.retrieve_from(self.search.peer_of)
        self.detail.open_wanted.connect(self._open_from_detail)
        self.detail.fetch_wanted.connect(self._fetch)
        self._split = QSplitter(Qt.Orientation.Horizontal)
        self._split.setHandleWidth(1)
        self._split.setChildrenCollapsible(False)
        self._split.addWidget(self._table_side())
        self._split.addWidget(self.detail)
        self._split.setStretchFactor(0, 1)
        self._split.setStretchFactor(1, 0)
        self._split.splitterMoved.connect(self._remember_detail)
        column.addWidget(self._split, 1)
        self._refresh_soon = QTimer(self, singleShot=True, interval=_REFRESH_MS)
        self._refresh_soon.timeout.connect(self.search.refresh)
        self._connect()
        self._tab_order()
        self.peers_changed()
        self._selection_changed()
        self._show_rows()

    # --- parts

    def _make_actions(self) -> None:
        add = actions.add
        group = "Studies"
        self.open_action = add(
            self, group, "Open study", self.open_selected, ("Ctrl+Return", "Ctrl+Enter"), tip="Open  (Enter)"
        )
        self.retrieve_action = add(
            self, group, "Retrieve from archive", self._retrieve, "Ctrl+R", tip="Bring the images here from the archive"
        )
        self.deidentify_action = add(
            self,
            group,
            "De-identify and export…",
            self._deidentify,
            "Ctrl+D",
            tip="De-identify the chosen studies and export them",
        )
        self.send_action = add(
            self, group, "Send to an archive…", self._send, "Ctrl+E", tip="Send the chosen studies to an archive"
        )
        self.import_action = add(
            self,
            group,
            "Import a folder…",
            self.choose_folder,
            "Ctrl+I",
            tip="Import a folder of DICOM files",
            everywhere=True,
        )
        self.import_files_action = add(
            self,
            group,
            "Import files…",
            self.choose_files,
            "Ctrl+Shift+I",
            tip="Import DICOM files, zip archives or a DICOMDIR",
            everywhere=True,
        )
        self.find_action = add(self, group, "Search studies", self.focus_search, "Ctrl+F")
        self.clear_action = add(self, group, "Clear search and filters", self.clear, "Ctrl+L")
        self.refresh_action = add(self, group, "Ask the archives again", self.ask_again, "F5")
        self.save_action = add(
            self, group, "Save this search…", self.saved_wanted.emit, "Ctrl+S", tip="Keep the search under a name"
        )
        self.saved_action = add(self, group, "Saved searches…", self.saved_wanted.emit, "Ctrl+Shift+S")
        self.columns_action = add(self, group, "Choose columns", self._choose_columns, "Ctrl+Shift+L")

    def _top_bar(self) -> QWidget:
        bar = panel("bar")
        bar.setFixedHeight(48)
        self.chips = SourceChips(self.search)
        bar.setLayout(row(label("Studies", "title"), None, self.chips, margins=(16, 0, 16, 0)))
        return bar

    def _filter_bar(self) -> QWidget:
        clear = self.clear_button = action_button(self.clear_action, "flat", "Clear")
        import_button = button("Import…", tip=f"{self.import_action.toolTip()}  (Ctrl+I)")
        menu = QMenu(import_button)
        menu.addAction(self.import_action)
        menu.addAction(self.import_files_action)
        import_button.clicked.connect(lambda: menu.popup(import_button.mapToGlobal(import_button.rect().bottomLeft())))
        self.import_button = import_button
        self.retrieve_button = action_button(self.retrieve_action, text="Retrieve")
        self.send_button = action_button(self.send_action, text="Send…")
        self.deidentify_button = action_button(self.deidentify_action, text="De-identify…")
        self.open_button = action_button(self.open_action, "primary", "Open  ⏎")
        self.saved_queries = SavedQueries(self._workstation.home)
        self.saved = SavedMenu(self.saved_queries, self.save_action, self.saved_action)
        doing = (import_button, self.retrieve_button, self.send_button, self.deidentify_button, self.open_button)
        bar = self.filters = FilterBar(self.saved, clear, doing)
        self.box, self.patient_id, self.accession = bar.box, bar.patient_id, bar.accession
        self.date, self.modality, self.region = bar.date, bar.modality, bar.region
        return bar

    def _table_side(self) -> QWidget:
        side = QWidget()
        column = QVBoxLayout(side)
        column.setContentsMargins(0, 0, 0, 0)
        column.setSpacing(0)
        self._stack = QStackedWidget()
        self._stack.addWidget(self.table)
        self._waiting = EmptyState("", "")
        self._stack.addWidget(self._waiting)
        self._empty = EmptyState(
            "No studies yet",
            "Drop a folder of DICOM files anywhere in this window, import one, or add the archive you work with.",
            button("Import a folder…", "primary", on_click=self.choose_folder),
            button("Import files…", on_click=self.choose_files),
            button("Add an archive…", on_click=self.archive_wanted.emit),
            icon="studies",
        )
        self._stack.addWidget(self._empty)
        self._ask_button = button("Ask the archives", "primary", on_click=self.ask_again)
        self._nothing = EmptyState(
            "Nothing fits this search",
            "",
            self._ask_button,
            button("Clear search and filters", on_click=self.clear),
            icon="search",
        )
        self._stack.addWidget(self._nothing)
        self._try_again = button("Try again", "primary", on_click=self.search.refresh)
        self._broken = EmptyState("The studies cannot be listed", "", self._try_again, icon="warn")
        self._stack.addWidget(self._broken)
        column.addWidget(self._stack, 1)
        foot = QWidget()
        self.count = label("", "secondary")
        self.count.setSizePolicy(QSizePolicy.Policy.Fixed, QSizePolicy.Policy.Fixed)
        self.hint = ElidedLabel("", "text-secondary")
        self.hint.setSizePolicy(QSizePolicy.Policy.Ignored, QSizePolicy.Policy.Fixed)
        self.narrow = button("Narrow the search", "link", on_click=self.focus_search)
        foot.setLayout(row(self.count, 6, self.hint, self.narrow, margins=(16, 6, 16, 8)))
        foot.setFixedHeight(34)
        column.addWidget(foot)
        return side

    def _connect(self) -> None:
        search = self.search
        search.rows_changed.connect(self._show_rows)
        search.sources_changed.connect(self._show_rows)
        search.failed.connect(self._failed)
        self.model.more_wanted.connect(search.more)
        self.model.sort_wanted.connect(self._sort)
        self.table.opened.connect(self.open_selected)
        self.table.current_changed.connect(self._selection_changed)
        self.chips.chosen.connect(self._choose_source)
        self.chips.studies_dropped.connect(self.send_wanted)
        self.chips.files_dropped.connect(self.send_files_wanted)
        self.filters.changed.connect(self._filters_changed)
        self.filters.entered.connect(self._enter_in_search)
        self.saved.run_wanted.connect(self.run_saved)
        self.saved.failed.connect(self.failed)

    def _tab_order(self) -> None:
        order: list[QWidget] = [
            self.box,
            self.patient_id,
            self.accession,
            self.date,
            self.modality,
            self.region,
            self.filters.name_chip,
            self.saved,
            self.clear_button,
            self.table,
            self.import_button,
            self.retrieve_button,
            self.send_button,
            self.deidentify_button,
            self.open_button,
        ]
        for first, second in pairwise(order):
            QWidget.setTabOrder(first, second)

    # --- life

    def start(self) -> None:
        """Begin, once the library is open."""
        library = self._workstation.library
        library.instances_added.connect(self._bridge.slot(self._instances_added))
        library.quality_changed.connect(self._bridge.slot(self.detail.look_again))
        self.search.start()

    def show_failure(self, text: str) -> None:
        """Say why there is no list at all."""
        self._failed(text)

    def _instances_added(self, event: InstancesAdded) -> None:
        self.detail.priors.came(event.study_uids)
        if not self._refresh_soon.isActive():
            self._refresh_soon.start()

    def peers_changed(self) -> None:
        """Take the archives from the settings again."""
        settings = self._workstation.settings
        peers = self._workstation.peers.all()
        stored = settings.get(_CHOSEN_SOURCES, None)
        chosen = {peer.name for peer in peers if _answers_queries(settings, peer)} if stored is None else set(stored)
        self.search.set_peers(peers, chosen)
        self.detail.priors.forget()

    # --- searching

    def _query(self) -> StudyQuery:
        return self.filters.query(self.search.query)

    def _ask(self, *, typed: bool = False) -> None:
        self.search.ask(self._query(), region=self.region.chosen, fuzzy=self.filters.fuzzy, typed=typed)
        self.clear_action.setEnabled(not self.filters.empty)

    def _filters_changed(self, typed: bool) -> None:
        self.saved.show_running(None)
        self._ask(typed=typed)

    def present_search(self, name: str) -> SavedQuery:
        """Return what is looked for now, and where, as a query to keep."""
        sources = self.search.sources.values()
        chosen = [source.peer.name for source in sources if source.chosen]
        return self.filters.as_saved(name, chosen if len(chosen) < len(sources) else ())

    def run_saved(self, query: SavedQuery) -> None:
        """Show and ask a query that was kept, at its archives (all when it names none)."""
        self.filters.show_query(query)
        self.saved.show_running(query)
        for name, source in self.search.sources.items():
            wanted = not query.peers or name in query.peers
            if source.chosen != wanted:
                self.search.choose(name, wanted)
        gone = [name for name in query.peers if name not in self.search.sources]
        if gone:
            self.failed.emit(f"{', '.join(gone)}: no longer in the list of archives, so it is not asked")
        self._ask()
        self.search.ask_archives()
        self.table.setFocus()

    def _enter_in_search(self) -> None:
        self._ask()
        self.search.ask_archives()
        if self.model.rows:
            self.table.setFocus()
            if not self.table.selected():
                self.table.select_line(0)

    def _sort(self, field: str, descending: bool) -> None:
        self.table.show_order(field, descending)
        order = replace(self.search.query, sort_by=field, descending=descending)
        self.search.ask(order, region=self.search.region, fuzzy=self.search.fuzzy)

    def _choose_source(self, name: str, on: bool) -> None:
        if name == HERE:
            self.search.choose_local(on)
            return
        self.search.choose(name, on)
        chosen = [source.peer.name for source in self.search.sources.values() if source.chosen]
        self._workstation.settings.set(_CHOSEN_SOURCES, chosen)

    def ask_again(self) -> None:
        """Ask the library and the chosen archives anew, also without any filter."""
        self.search.refresh()
        self.search.ask_archives()

    def clear(self) -> None:
        """Empty the search and all filters."""
        self.filters.show_query(SavedQuery("everything"))
        self.saved.show_running(None)
        self._ask()

    def focus_search(self) -> None:
        """Put the cursor into the search box."""
        self.box.setFocus()
        self.box.selectAll()

    def _choose_columns(self) -> None:
        head = self.table.horizontalHeader()
        self.table.column_menu().popup(head.mapToGlobal(head.rect().bottomLeft()))

    # --- showing

    def _show_rows(self) -> None:
        rows = self.search.rows()
        self._error = "" if self.search.loaded else self._error
        selected = {entry.uid for entry in self.table.selected()}
        self.model.show(rows, more=self.search.more_to_come)
        if selected and {entry.uid for entry in self.table.selected()} != selected:
            self.table.select_studies(selected)
        self.count.setText(self.search.count_words(len(rows)) if rows else "")
        cut = [source for source in self.search.sources.values() if source.chosen and source.truncated]
        self.hint.setText(" · ".join(f"{source.peer.name}: {source.truncated}" for source in cut[:2]))
        self.narrow.setVisible(bool(cut))
        failures = [source for source in self.search.sources.values() if source.chosen and source.error]
        if failures and not cut:
            self.hint.setText(f"{failures[0].peer.name}: {failures[0].error}")
        self._choose_state(rows)
        self._selection_changed()

    def _choose_state(self, rows: list[StudyRow]) -> None:
        asked_nothing = self.filters.empty
        if rows:
            state = self.table
        elif self._error:
            self._broken.text.setText(self._error)
            state = self._broken
        elif not self.search.loaded:
            state = self._waiting
        elif asked_nothing and self.search.local_chosen and not self.search.total:
            state = self._empty
        else:
            chosen = [source for source in self.search.sources.values() if source.chosen]
            searching = [source.peer.name for source in chosen if source.state is SourceState.SEARCHING]
            failed = [source for source in chosen if source.state is SourceState.FAILED]
            places = [HERE.lower()] if self.search.local_chosen else []
            places += [source.peer.name for source in chosen if source.state is SourceState.ANSWERED]
            text = f"Searched {', '.join(places)}." if places else "No source is chosen."
            if searching:
                text = f"Asking {', '.join(searching)} …"
            text += "".join(f"\n{source.peer.name}: {source.error}" for source in failed)
            self._nothing.text.setText(text)
            self._ask_button.setVisible(any(source.state is not SourceState.SEARCHING for source in chosen))
            state = self._nothing
        self._stack.setCurrentWidget(state)

    def _failed(self, text: str) -> None:
        self._error = text
        self.search.loaded = False
        self._show_rows()
        if self.model.rows:
            self.failed.emit(text)

    def _selection_changed(self) -> None:
        chosen = self.table.selected()
        self.detail.show_rows(chosen)
        self.open_action.setEnabled(len(chosen) == 1)
        self.deidentify_action.setEnabled(any(entry.here for entry in chosen))
        self.send_action.setEnabled(any(entry.here for entry in chosen))
        self.retrieve_action.setEnabled(any(self.search.peer_of(entry) for entry in chosen))

    # --- doing

    def open_selected(self) -> None:
        """Open the chosen study; what is only at an archive is retrieved first."""
        chosen = self.table.selected()
        if len(chosen) == 1:
            self.open_wanted.emit(chosen[0])

    def _open_from_detail(self, study_uid: str, _series_uid: str) -> None:
        known = next((entry for entry in self.model.rows if entry.uid == study_uid), None)
        if known is None:
            record = self._workstation.library.study(study_uid)
            if record is None:
                return
            known = StudyRow(record, here=True)
        self.open_wanted.emit(known)

    def _retrieve(self) -> None:
        wanted: list[tuple[Peer, StudyRow]] = []
        for entry in self.table.selected():
            peer = self.search.peer_of(entry)
            if peer is not None:
                wanted.append((peer, entry))
        self.retrieve_wanted.emit(wanted)

    def _fetch(self, entry: StudyRow) -> None:
        peer = self.search.peer_of(entry)
        if peer is not None:
            self.retrieve_wanted.emit([(peer, entry)])

    def _send(self) -> None:
        uids = [entry.uid for entry in self.table.selected() if entry.here]
        owner = self.send_button if self.send_button.isVisible() else self
        send_menu.show(
            owner, self._workstation.peers, lambda name: self.send_wanted.emit(name, uids), self.archive_wanted.emit
        )

    def _deidentify(self) -> None:
        self.deidentify_wanted.emit([entry.record for entry in self.table.selected() if entry.here])

    def choose_folder(self) -> None:
        """Ask for a folder and import it."""
        folder = QFileDialog.getExistingDirectory(self, "Import a folder")
        if folder:
            self.import_wanted.emit([Path(folder)])

    def choose_files(self) -> None:
        """Ask for files and import them."""
        files, _ = QFileDialog.getOpenFileNames(self, "Import files", "", "All files (*)")
        if files:
            self.import_wanted.emit([Path(name) for name in files])

    # --- size

    def paint_icons(self) -> None:
        """Give the search box its icon (after the window is up)."""
        self.box.addAction(icons.icon("search", "text-secondary"), QLineEdit.ActionPosition.LeadingPosition)

    def resizeEvent(self, event: QResizeEvent) -> None:
        """Keep the detail pane at its width."""
        super().resizeEvent(event)
        if event.oldSize().width() != event.size().width():
            wanted = int(self._workstation.settings.get(_DETAIL_WIDTH, 378 if self.width() > 1500 else 292))
            wanted = max(200, min(wanted, self.width() // 2))
            self._split.setSizes([self.width() - wanted - 1, wanted])

    def _remember_detail(self) -> None:
        self._workstation.settings.set(_DETAIL_WIDTH, self._split.sizes()[1])


def _answers_queries(settings: Settings, peer: Peer) -> bool:
    """Whether an archive is worth asking: not when its last examination showed that it offers no queries."""
    known = facts.of(settings, peer.name)
    return known is None or not known.services or bool({"find", "dicomweb"} & set(known.services))
