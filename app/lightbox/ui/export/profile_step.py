"""Step 2: by which rules, and with which key."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import Signal
from PySide6.QtWidgets import QCheckBox, QFileDialog, QFrame, QLineEdit, QRadioButton, QScrollArea, QVBoxLayout, QWidget

from lightbox.core.errors import LightboxError
from lightbox.ui import words
from lightbox.ui.export.plan import Plan
from lightbox.ui.widgets import button, card, label, row

SAFE_HARBOR = (
    "Shifted dates keep the intervals between studies. A data set with shifted dates is not de-identified in the sense "
    "of the HIPAA Safe Harbor method, which removes every element of a date but the year: share it under an agreement "
    "or an expert determination, or leave this option off."
)
_WIDTH = 860


class ProfileStep(QWidget):
    """Profile, options and project key."""

    changed = Signal()

    def __init__(self, plan: Plan, keys: Path) -> None:
        super().__init__()
        from lightbox.deid.profile import IMPLEMENTED, PRESETS, Option

        self._plan = plan
        self._keys = keys
        outer = QVBoxLayout(self)
        outer.setContentsMargins(0, 0, 0, 0)
        scroll = QScrollArea()
        scroll.setWidgetResizable(True)
        scroll.setFrameShape(QFrame.Shape.NoFrame)
        inner = QWidget()
        column = QVBoxLayout(inner)
        column.setContentsMargins(24, 18, 24, 16)
        column.setSpacing(10)
        column.addWidget(label("Profile", "heading"))
        self.presets: dict[str, QRadioButton] = {}
        self._options: dict[str, frozenset[Option]] = {}
        box, inside = card()
        for name, preset in PRESETS.items():
            choice = QRadioButton(preset.title)
            choice.setAccessibleDescription(preset.description)
            choice.clicked.connect(lambda _=False, name=name: self.choose_preset(name))
            self.presets[name] = choice
            self._options[name] = preset.options
            inside.addWidget(choice)
            said = label(preset.description, "small", wrap=True)
            said.setIndent(25)
            inside.addWidget(said)
        self.custom = QRadioButton("Your own choice of options")
        self.custom.clicked.connect(self._read)
        inside.addWidget(self.custom)
        box.setMaximumWidth(_WIDTH)
        column.addWidget(box)
        column.addWidget(label("Options of PS3.15 Annex E", "heading"))
        self.options: dict[Option, QCheckBox] = {}
        box, inside = card()
        for option in sorted(IMPLEMENTED, key=lambda entry: entry.title):
            check = QCheckBox(option.title)
            check.setAccessibleDescription(option.explanation)
            check.clicked.connect(self._option_changed)
            self.options[option] = check
            inside.addWidget(check)
            said = label(option.explanation, "small", wrap=True)
            said.setIndent(25)
            inside.addWidget(said)
            if option is Option.RETAIN_MODIFIED_DATES:
                self.safe_harbor = label(SAFE_HARBOR, "warn", wrap=True)
                self.safe_harbor.setIndent(25)
                inside.addWidget(self.safe_harbor)
        box.setMaximumWidth(_WIDTH)
        column.addWidget(box)
        column.addWidget(label("Project key", "heading"))
        box, inside = card()
        box.setMaximumWidth(_WIDTH)
        inside.setSpacing(8)
        inside.addWidget(
            label(
                "Pseudonyms, new UIDs and the shift of dates are derived from this secret. With the same key the same "
                "patient gets the same pseudonym in every export; without it nobody can lead a pseudonym back. Keep it "
                "as carefully as the patients' names, and never beside the exported files.",
                "small",
                wrap=True,
            )
        )
        self.key_field = QLineEdit()
        self.key_field.setReadOnly(True)
        self.key_field.setPlaceholderText("No key yet")
        self.key_field.setAccessibleName("Project key file")
        inside.addLayout(
            row(
                self.key_field,
                button("New key…", on_click=self.ask_new_key),
                button("Use a key…", on_click=self.ask_existing_key),
            )
        )
        self.key_state = label("", "small", wrap=True)
        inside.addWidget(self.key_state)
        column.addWidget(box)
        self.crosswalk = QCheckBox("Also write who is who (crosswalk) into the folder CONFIDENTIAL of the report")
        self.crosswalk.clicked.connect(self._read)
        column.addWidget(self.crosswalk)
        column.addStretch(1)
        scroll.setWidget(inner)
        outer.addWidget(scroll)
        self.choose_preset("research-modified-dates")

    def choose_preset(self, name: str) -> None:
        """Take a preset: its options are ticked."""
        self.presets[name].setChecked(True)
        for option, check in self.options.items():
            check.setChecked(option in self._options[name])
        self._read()

    def _option_changed(self) -> None:
        chosen = frozenset(option for option, check in self.options.items() if check.isChecked())
        for name, options in self._options.items():
            if options == chosen:
                self.presets[name].setChecked(True)
                break
        else:
            self.custom.setChecked(True)
        self._read()

    def _read(self) -> None:
        from lightbox.deid.profile import Option, Profile, preset

        named = next((name for name, choice in self.presets.items() if choice.isChecked()), None)
        if named is not None:
            self._plan.profile = preset(named)
        else:
            chosen = frozenset(option for option, check in self.options.items() if check.isChecked())
            self._plan.profile = Profile("custom", chosen, "Custom")
        self.safe_harbor.setVisible(self.options[Option.RETAIN_MODIFIED_DATES].isChecked())
        self._plan.crosswalk = self.crosswalk.isChecked()
        self._plan.forget_results()
        self.changed.emit()

    # --- the key

    def ask_new_key(self) -> None:
        """Ask where to write a new key."""
        self._keys.mkdir(parents=True, exist_ok=True, mode=0o700)
        name, _ = QFileDialog.getSaveFileName(
            self, "New project key", str(self._keys / "project.lightbox-key"), "Project keys (*.lightbox-key)"
        )
        if name:
            self.make_key(Path(name))

    def ask_existing_key(self) -> None:
        """Ask for the file of a key."""
        start = str(self._keys) if self._keys.is_dir() else ""
        name, _ = QFileDialog.getOpenFileName(
            self, "Project key", start, "Project keys (*.lightbox-key);;All files (*)"
        )
        if name:
            self.use_key(Path(name))

    def make_key(self, path: Path) -> None:
        """Write a new key to `path` and use it."""
        from lightbox.deid.key import ProjectKey

        try:
            self._take(ProjectKey.create(path), path, "New key, readable only by you. Keep a copy in a safe place.")
        except (LightboxError, OSError) as error:
            self._wrong(error)

    def use_key(self, path: Path) -> None:
        """Use the key in `path`."""
        from lightbox.deid.key import ProjectKey

        try:
            self._take(ProjectKey.load(path), path, "Patients who were exported with this key keep their pseudonyms.")
        except (LightboxError, OSError) as error:
            self._wrong(error)

    def _take(self, key: object, path: Path, said: str) -> None:
        self._plan.key, self._plan.key_path = key, path  # type: ignore[assignment]
        self.key_field.setText(words.place(path))
        self._say(f"{said} Its name in reports: {key.id}.", "small")  # type: ignore[attr-defined]
        self._plan.report = None
        self.changed.emit()

    def _wrong(self, error: Exception) -> None:
        self._plan.key, self._plan.key_path = None, None
        self.key_field.clear()
        self._say(words.error(error), "critical")
        self.changed.emit()

    def _say(self, text: str, role: str) -> None:
        from lightbox.ui import theme

        self.key_state.setText(text)
        theme.restyle(self.key_state, role=role)
