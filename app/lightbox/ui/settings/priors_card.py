"""Whether, how many and how old priors are fetched when a study is opened."""

from __future__ import annotations

from PySide6.QtWidgets import QCheckBox, QFrame, QVBoxLayout

from lightbox.ui.settings.fields import Rows, number
from lightbox.ui.widgets import label
from lightbox.workstation import Workstation

_MEGABYTE = 1_000_000


class PriorsCard(QFrame):
    """What is chosen here counts at once."""

    def __init__(self, workstation: Workstation) -> None:
        super().__init__()
        self.setProperty("role", "card")
        self._workstation = workstation
        column = QVBoxLayout(self)
        column.setContentsMargins(16, 14, 16, 14)
        column.setSpacing(10)
        self.enabled = QCheckBox("Fetch relevant earlier studies from all archives when a study is opened")
        self.years = number(1, 50, " years")
        self.most = number(0, 20)
        self.bandwidth = number(0, 1000, " MB/s")
        self.bandwidth.setSpecialValueText("no limit")
        column.addWidget(self.enabled)
        rows = self._rows = Rows()
        rows.add("Not older than", self.years, "Counted from the study that is opened")
        rows.add("At most", self.most, "Studies with images; the newest report and AI result come besides")
        rows.add("Bandwidth", self.bandwidth, "What fetching priors may use on average, so that reading goes first")
        column.addLayout(rows)
        column.addWidget(
            label(
                "The same body region comes first, then the same modality, then the newest. What only might be of the "
                "same patient is listed as a possible match and never fetched by itself.",
                "small",
                wrap=True,
            )
        )
        from lightbox.network.querying.prior_model import Rules

        rules = Rules.of(workstation.settings)
        self.enabled.setChecked(rules.enabled)
        self.years.setValue(rules.window_years)
        self.most.setValue(rules.most)
        self.bandwidth.setValue(-(-rules.bandwidth // _MEGABYTE))
        self._show()
        self.enabled.toggled.connect(self._changed)
        for field in (self.years, self.most, self.bandwidth):
            field.valueChanged.connect(self._changed)

    def _changed(self, *_: object) -> None:
        from lightbox.network.querying.prior_model import Rules

        rules = Rules(
            self.enabled.isChecked(), self.years.value(), self.most.value(), self.bandwidth.value() * _MEGABYTE
        )
        rules.save(self._workstation.settings)
        self._show()

    def _show(self) -> None:
        for field in (self.years, self.most, self.bandwidth):
            field.setEnabled(self.enabled.isChecked())
