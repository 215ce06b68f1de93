"""The very first hanging: which display set comes up in which viewport when a study is opened."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

from lightbox.viewer.display_sets import first_to_show
from lightbox.viewer.display_sets_model import DisplaySet, DisplaySetKind
from lightbox.viewer.layout import Layout
from lightbox.viewer.viewport import Role

if TYPE_CHECKING:
    from lightbox.library.records import StudyRecord

Assignment = tuple[DisplaySet | None, bool]
"""A display set and whether it belongs to a prior."""


def images(display_sets: Sequence[DisplaySet]) -> list[DisplaySet]:
    """Return what can be shown as an image."""
    return [item for item in display_sets if item.kind is not DisplaySetKind.UNSUPPORTED]


def same_person(one: StudyRecord, other: StudyRecord) -> bool:
    """Whether two studies under one patient ID agree on who that is: by birth date or, without one, by name.

    A number is given twice more often than one thinks; the images of a stranger are never hung as a prior.
    """
    if one.patient_birth_date and other.patient_birth_date:
        return one.patient_birth_date == other.patient_birth_date
    names = [item.patient_name.split("=")[0].replace("^", " ").casefold().split() for item in (one, other)]
    return names[0] == names[1]


def latest_prior(study: StudyRecord, others: Iterable[StudyRecord]) -> StudyRecord | None:
    """Return the study to compare with: the latest earlier one of the same person, of a common modality if there is."""
    earlier = [
        item
        for item in others
        if item.study_instance_uid != study.study_instance_uid
        and same_person(item, study)
        and item.study_date
        and (item.study_date, item.study_time) < (study.study_date or "99999999", study.study_time)
    ]
    alike = [item for item in earlier if set(item.modalities_in_study) & set(study.modalities_in_study)]
    return max(alike or earlier, key=lambda item: (item.study_date, item.study_time), default=None)


def prior_match(current: DisplaySet, candidates: Sequence[DisplaySet]) -> DisplaySet | None:
    """Return what of a prior to put beside `current`: same modality, then orientation, name and slices alike."""
    found = [item for item in images(candidates) if item.modality == current.modality] or images(candidates)
    if not found:
        return None

    def unlike(item: DisplaySet) -> tuple[float, ...]:
        here, there = current.planes[:1], item.planes[:1]
        parallel = bool(here and there and here[0] and there[0] and here[0].is_parallel(there[0], 0.05))
        return (
            item.is_localizer != current.is_localizer,
            not parallel,
            item.series_description.casefold() != current.series_description.casefold(),
            abs(item.number_of_frames - current.number_of_frames),
        )

    return min(found, key=unlike)


def hang(
    layout: Layout,
    display_sets: Sequence[DisplaySet],
    prior: Sequence[DisplaySet] = (),
    first: DisplaySet | None = None,
) -> list[Assignment]:
    """Return what each cell of `layout` shows.

    The main series comes first; its prior is beside it when there is more than one cell, the other series of the study
    follow in order. In an MPR layout all cells share the main series.

    Parameters
    ----------
    layout : Layout
        The cells.
    display_sets, prior : sequence of DisplaySet
        Of the study, and of the prior study to compare with.
    first : DisplaySet, optional
        Use this as the main series.
    """
    main = first or first_to_show(display_sets)
    if layout.has_mpr:
        return [(main, False) if cell.role is not Role.STACK else (None, False) for cell in layout.cells]
    shown: list[Assignment] = [(main, False)]
    if main is not None and len(layout.cells) > 1:
        beside = prior_match(main, prior)
        if beside is not None:
            shown.append((beside, True))
        others = sorted(
            (item for item in images(display_sets) if item is not main),
            key=lambda item: (
                item.is_localizer,
                item.series_number if item.series_number is not None else 1_000_000,
                item.uid,
            ),
        )
        shown += [(item, False) for item in others]
    shown += [(None, False)] * len(layout.cells)
    return shown[: len(layout.cells)]
