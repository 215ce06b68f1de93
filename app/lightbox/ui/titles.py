"""What studies are called on screen."""

from __future__ import annotations

from lightbox.library.records import StudyRecord
from lightbox.ui import words


def title_of(record: StudyRecord) -> str:
    """Return how a transfer of a study is called on screen."""
    pieces = [words.name(record.patient_name), ", ".join(record.modalities_in_study), record.study_description]
    return " ".join(piece for piece in pieces if piece) or "a study"
