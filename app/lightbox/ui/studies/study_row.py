"""A row of the study table: one study, wherever it lies."""

from __future__ import annotations

from dataclasses import dataclass

from lightbox.network.querying.rows import RESULT_MODALITIES, FoundStudy
from lightbox.ui import words

HERE = "This workstation"


@dataclass(frozen=True, slots=True)
class StudyRow(FoundStudy):
    """A study that was found, with the words the screen says of it."""

    def badge(self) -> tuple[str, str]:
        """Return the word for the column Here, and the kind of its badge."""
        if not self.here:
            return "at archive", ""
        if self.partial:
            return "partial", "warn"
        return ("complete", "") if self.expected else ("here", "")

    def presence_reason(self) -> str:
        """Return what that word rests on, as a sentence."""
        if not self.here:
            return f"Not on this workstation; held by {', '.join(self.announced)}. Opening retrieves it first."
        if self.partial:
            holder = max(self.announced, key=lambda name: self.announced[name])
            missing = self.expected - self.images_here
            return (
                f"{words.plural(missing, 'image')} missing: {holder} has {words.count(self.expected)}. Retrieve again."
            )
        if self.expected:
            return "All images that the archives hold are on this workstation."
        return "On this workstation. No archive was asked how many images the study has."

    def images(self) -> str:
        """Return the number of images, as ``118/120`` where some are missing."""
        if self.partial:
            return f"{words.count(self.images_here)}/{words.count(self.expected)}"
        number = self.images_here if self.here else self.expected
        return words.count(number) if number else ""

    def source(self) -> str:
        """Return where it came from, or lies."""
        if self.announced and not self.here:
            return ", ".join(self.announced)
        return {"": HERE, "file": "Imported"}.get(self.record.source, self.record.source)

    def results(self) -> list[str]:
        """Return the modalities that hold results (SEG, SR)."""
        return [modality for modality in RESULT_MODALITIES if modality in self.record.modalities_in_study]

    def modalities(self) -> list[str]:
        """Return the modalities, images first and without the result objects when there are images."""
        all_of_them = list(self.record.modalities_in_study)
        images = [modality for modality in all_of_them if modality not in (*RESULT_MODALITIES, "PR", "KO")]
        return images or all_of_them
