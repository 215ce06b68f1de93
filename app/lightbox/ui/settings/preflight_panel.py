"""The pre-flight of an archive: declared, needed and observed, with a verdict and what to change, row by row."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from PySide6.QtCore import QUrl
from PySide6.QtGui import QDesktopServices
from PySide6.QtWidgets import QCheckBox, QFileDialog, QFrame, QVBoxLayout, QWidget

from lightbox.core.errors import Cancelled
from lightbox.core.jobs import Job, JobRunner
from lightbox.network.peers import Peer
from lightbox.ui import words
from lightbox.ui.bridge import Bridge
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.widgets import Badge, ThinProgress, button, clear, label, row
from lightbox.workstation import Workstation

if TYPE_CHECKING:
    from lightbox.network.preflight.report import Report
    from lightbox.network.preflight.verdicts import Row

_KINDS = {
    "ok": "ok",
    "transcode": "accent",
    "accepted but undeclared": "accent",
    "untested": "",
    "lossy only": "critical",
    "blocked": "critical",
    "declared but refused": "warn",
    "role refused": "warn",
}
_SHADES = {"ok": "ok", "accent": "accent", "critical": "critical", "warn": "warn", "": "text-secondary"}
_QUIET = ("ok", "accepted but undeclared", "untested")


class PreflightPanel(QFrame):
    """Runs the pre-flight and shows what needs a look; the whole report is an HTML page."""

    def __init__(self, workstation: Workstation, bridge: Bridge, network: JobRunner) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._workstation = workstation
        self._bridge = bridge
        self._network = network
        self._peer: Peer | None = None
        self._job: Job[Report] | None = None
        self._rows: list[Row] = []
        self.html = ""
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        self.heading = label("", "title")
        column.addLayout(row(self.heading, None, button("Close", "flat", on_click=self.shut)))
        column.addWidget(
            label(
                "Compares what the archive declares, what this workstation needs of it, and what it accepts. "
                "Nothing is sent unless you ask for the round trip.",
                "small",
                wrap=True,
            )
        )
        self.everything = QCheckBox("Every storage class")
        self.everything.setToolTip("Also what is neither needed nor declared")
        self.round_trip = QCheckBox("Round trip with an invented patient")
        self.round_trip.setToolTip(
            "Stores invented objects there, fetches them again and compares every element. "
            "They cannot be deleted from here."
        )
        self.start = button("Run the pre-flight", "primary", on_click=self.run)
        self.stop = button("Stop", on_click=self._stop)
        self.declare = button(
            "Declaration…", tip="What the vendor states it accepts, as CSV or JSON", on_click=self._choose_declaration
        )
        self.trust = button(
            "Trust this probe",
            tip="Take what was accepted as the declaration, to see later what changed",
            on_click=self._trust,
        )
        column.addLayout(
            row(self.start, self.stop, self.declare, self.trust, 8, self.everything, self.round_trip, None)
        )
        self.bar = ThinProgress()
        column.addWidget(self.bar)
        self.summary = label("", wrap=True, selectable=True)
        column.addWidget(self.summary)
        self._counts = QWidget()
        self._counts_row = row(spacing=6)
        self._counts.setLayout(self._counts_row)
        column.addWidget(self._counts)
        self.changed = label("", "warn", wrap=True, selectable=True)
        column.addWidget(self.changed)
        self.remarks = label("", "secondary", wrap=True, selectable=True)
        column.addWidget(self.remarks)
        self.table = PlainTable(
            "Rows of the pre-flight",
            ("Kind of object or service", "Encoding", "Declared", "Needed", "Seen", "Verdict", "What to do"),
            (220, 130, 76, 70, 84, 170, 200),
            6,
        )
        self.table.setFixedHeight(300)
        column.addWidget(self.table)
        self.all_rows = QCheckBox("Show also what is fine")
        self.all_rows.toggled.connect(self._fill)
        self.report = button(
            "Open the report", tip="The whole report as a page to read or print", on_click=self.open_report
        )
        column.addLayout(row(self.all_rows, None, self.report))

    def show_peer(self, peer: Peer) -> None:
        """Show `peer`; the pre-flight starts on request."""
        self._stop()
        self._peer = peer
        self.heading.setText(f"Pre-flight of {peer.name}")
        self._rows, self.html = [], ""
        self.summary.setText("")
        self._show_result(False)
        self._show_running(False)
        self.start.setFocus()

    def run(self) -> None:
        """Probe the archive and judge it."""
        peer, workstation = self._peer, self._workstation
        if peer is None or self._job is not None:
            return
        everything, round_trip = self.everything.isChecked(), self.round_trip.isChecked()
        self._show_result(False)
        self.summary.setText("")
        self._show_running(True)
        listen = self._bridge.slot(lambda done, total: self.bar.show_progress(done, total))
        job: Job[Report]

        def work(running: Job[Report]) -> Report:
            from lightbox.network.preflight.run import preflight
            from lightbox.network.secrets import Secrets

            return preflight(
                peer,
                workstation.identity,
                workstation.home,
                workstation.library.encodings(),
                everything=everything,
                round_trip=round_trip,
                secrets=Secrets(workstation.home),
                cancel=running.token,
                progress=listen,
            )

        def done(report: Report) -> None:
            if self._job is job:
                self._end()
                self._show_report(report)

        def failed(error: Exception) -> None:
            if self._job is job:
                self._end()
                self._say("Stopped" if isinstance(error, Cancelled) else words.error(error), "critical")

        job = self._job = self._bridge.run(self._network, "pre-flight", work, done, failed)

    def _show_report(self, report: Report) -> None:
        from lightbox.network.preflight import html_report

        self.html = html_report.render(report)
        self._rows = report.rows
        self._say(report.summary(), "ok" if report.ok else "critical")
        clear(self._counts_row)
        for verdict, number in report.counts().items():
            self._counts_row.addWidget(Badge(f"{words.count(number)} {verdict}", _KINDS[verdict]))
        self._counts_row.addStretch(1)
        since = report.changed_since or {}
        changes = [str(change) for change in since.get("changes", ())]
        head = f"This archive changed since {str(since.get('date', ''))[:16].replace('T', ' ')}: "
        self.changed.setText(head + "; ".join(changes[:6]) if changes else "")
        told = [f"{f.subject}: {f.text}. {f.todo}".rstrip(". ") for f in report.findings if f.state != "ok"]
        self.remarks.setText("\n".join(told + list(report.observation.notes)))
        self._show_result(True)
        self._fill()
        self.start.setFocus()

    def _fill(self) -> None:
        shown = (
            self._rows if self.all_rows.isChecked() else [entry for entry in self._rows if entry.verdict not in _QUIET]
        )
        self.table.fill([_cells(entry) for entry in shown])
        self.table.setVisible(bool(shown))

    def _say(self, text: str, role: str) -> None:
        self.summary.setText(text)
        self.summary.setProperty("role", role)
        self.summary.style().unpolish(self.summary)
        self.summary.style().polish(self.summary)

    def _show_result(self, shown: bool) -> None:
        for part in (self._counts, self.table, self.all_rows, self.report, self.trust):
            part.setVisible(shown)
        self.changed.setVisible(shown and bool(self.changed.text()))
        self.remarks.setVisible(shown and bool(self.remarks.text()))

    def _show_running(self, running: bool) -> None:
        self.start.setVisible(not running)
        self.stop.setVisible(running)
        self.bar.setVisible(running)
        if running:
            self.bar.show_progress(0, 0)

    def _end(self) -> None:
        self._job = None
        self._show_running(False)

    def _stop(self) -> None:
        if self._job is not None:
            self._job.cancel()
            self._end()
            self._say("Stopped", "secondary")

    def shut(self) -> None:
        """Stop and hide."""
        self._stop()
        self.hide()

    def _choose_declaration(self) -> None:
        found, _ = QFileDialog.getOpenFileName(
            self, "What the vendor declares", "", "Declarations (*.csv *.json);;All (*)"
        )
        if found:
            self.read_declaration(Path(found))

    def read_declaration(self, path: Path) -> None:
        """Keep a declaration for the archive, and say what was not understood in it."""
        peer, home = self._peer, self._workstation.home
        if peer is None:
            return

        def work(_job: object) -> list[str]:
            from lightbox.network.preflight import store

            read = store.read_declaration(path, peer)
            store.PeerFiles(home, peer).keep_declaration(read)
            return [f"{len(read.pairs)} pairs are declared now. Run the pre-flight again.", *read.problems]

        self._bridge.run(
            self._network,
            "read a declaration",
            work,
            lambda told: self._say("\n".join(told), "warn" if len(told) > 1 else "ok"),
            lambda error: self._say(words.error(error), "critical"),
        )

    def _trust(self) -> None:
        peer, home = self._peer, self._workstation.home
        if peer is None:
            return

        def work(_job: object) -> int:
            from lightbox.network.preflight.store import PeerFiles

            return len(PeerFiles(home, peer).trust_last_probe().pairs)

        self._bridge.run(
            self._network,
            "trust a probe",
            work,
            lambda number: self._say(f"{words.count(number)} pairs count as declared from now on.", "ok"),
            lambda error: self._say(words.error(error), "critical"),
        )

    def write_report(self) -> Path:
        """Write the page beside the history of the archive, and return it."""
        from lightbox.core.settings import write_atomically
        from lightbox.network.preflight.store import folder_name

        assert self._peer is not None
        folder = self._workstation.home / "network" / "preflight"
        folder.mkdir(parents=True, exist_ok=True)
        path = folder / f"{folder_name(self._peer.name)}.html"
        write_atomically(path, self.html.encode("utf-8"))
        return path

    def open_report(self) -> None:
        """Show the page in the browser."""
        QDesktopServices.openUrl(QUrl.fromLocalFile(str(self.write_report())))


def _cells(entry: Row) -> tuple[tuple[str, str], ...]:
    from lightbox.network.preflight import vocabulary

    role = "" if entry.pair.role == "scp" else " (it sends)"
    shade = _SHADES[_KINDS[entry.verdict]]
    return (
        (f"{vocabulary.class_name(entry.pair.sop_class)}{role}", ""),
        (vocabulary.short(entry.pair.transfer_syntax), ""),
        ("yes" if entry.declared else "", "text-secondary"),
        ("yes" if entry.needed else "", "text-secondary"),
        (entry.observed.state, "text-secondary"),
        (entry.verdict, shade),
        (entry.advice, ""),
    )
