"""What the wizard has gathered so far."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.library.records import StudyRecord
from lightbox.ui import words

if TYPE_CHECKING:
    from lightbox.deid.key import ProjectKey
    from lightbox.deid.profile import Profile
    from lightbox.deid.scan import Inventory
    from lightbox.deid.source import Source
    from lightbox.export.job import ExportReport
    from lightbox.workstation import Workstation


@dataclass
class Plan:
    """Source, profile, key, destination, and what came of them."""

    studies: list[StudyRecord] = field(default_factory=list)
    folders: list[Path] = field(default_factory=list)
    profile: Profile | None = None
    key: ProjectKey | None = None
    key_path: Path | None = None
    accept_burned_in: bool = False
    crosswalk: bool = False
    out: Path | None = None
    inventory: Inventory | None = None
    report: ExportReport | None = None

    def add_studies(self, studies: list[StudyRecord]) -> None:
        """Add studies, each once."""
        known = {study.study_instance_uid for study in self.studies}
        self.studies += [study for study in studies if study.study_instance_uid not in known]
        self.forget_results()

    def forget_results(self) -> None:
        """Drop what was scanned or done, since it no longer fits what is chosen."""
        self.inventory = None
        self.report = None

    @property
    def empty(self) -> bool:
        """Whether there is nothing to export."""
        return not self.studies and not self.folders

    def summary(self) -> str:
        """Return the source in a line: ``3 patients · 14 studies · 2,118 images``."""
        if self.empty:
            return ""
        pieces = []
        if self.studies:
            patients = len({(study.patient_id, study.patient_name) for study in self.studies})
            images = sum(study.number_of_instances for study in self.studies)
            pieces += [
                words.plural(patients, "patient"),
                words.plural(len(self.studies), "study", "studies"),
                words.plural(images, "image"),
            ]
        if self.folders:
            pieces.append(words.plural(len(self.folders), "folder"))
        return " · ".join(pieces)

    def sources(self, workstation: Workstation) -> list[Source]:
        """Return every object to export (reads the index and lists folders: call it in a job)."""
        from lightbox.export.cohort import Cohort

        found = list(Cohort.of_studies(workstation.library, [study.study_instance_uid for study in self.studies]))
        return found + list(Cohort.of_paths(self.folders))
