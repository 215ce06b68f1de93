"""Studies on the move: what a drag from the list carries, and where it may be dropped."""

from __future__ import annotations

from pathlib import Path

from PySide6.QtCore import QByteArray, QMimeData

STUDIES = "application/x-lightbox-studies"
"""Study Instance UIDs, one a line; understood only inside the window they come from."""


def carry(study_uids: list[str]) -> QMimeData:
    """Return what a drag of studies carries."""
    made = QMimeData()
    made.setData(STUDIES, QByteArray("\n".join(study_uids).encode("ascii", "replace")))
    return made


def studies_in(data: QMimeData) -> list[str]:
    """Return the Study Instance UIDs that a drag carries."""
    return bytes(data.data(STUDIES).data()).decode("ascii", "replace").split() if data.hasFormat(STUDIES) else []


def files_in(data: QMimeData) -> list[Path]:
    """Return the files and folders that a drag carries."""
    return [Path(url.toLocalFile()) for url in data.urls() if url.isLocalFile()]
