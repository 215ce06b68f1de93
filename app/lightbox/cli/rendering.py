"""Pictures and volumes for the command line: what a target means, and which image of it is shown."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError, NotFoundError, UsageError

if TYPE_CHECKING:
    from lightbox.dicom.voi import Voi
    from lightbox.findings.model import ResultSet
    from lightbox.imaging.reslice import PlaneName
    from lightbox.imaging.volume import Volume
    from lightbox.viewer.display_sets_model import DisplaySet
    from lightbox.viewer.overlays import OverlayStyle
    from lightbox.workstation import Workstation


def render_file(path: Path, frame: int, voi: Voi | None, *, exact: bool) -> bytes:
    """Return the PNG of a frame (1-based) of a file; overlays need a study of the library."""
    from lightbox.dicom import calibration
    from lightbox.imaging import picture
    from lightbox.imaging.image_object import ImageObject
    from lightbox.viewer import picture as composition

    with path.open("rb") as file:
        image = ImageObject.open(file)
        if frame > image.number_of_frames:
            raise UsageError("There is no such frame", where=str(frame), todo=f"It has {image.number_of_frames}")
        if exact:
            return picture.to_png(picture.exact(image, frame - 1, voi))
        pixels = picture.render(image, frame - 1, voi).pixels
        aspect = calibration.aspect_ratio(image.dataset, frame - 1)
        return picture.to_png(composition.compose(pixels, aspect=aspect))


def find_display_sets(workstation: Workstation, target: str) -> tuple[str, list[DisplaySet]]:
    """Return the study of a Series or Study Instance UID and its display sets that hold images.

    Raises
    ------
    NotFoundError
        The library has no such series or study, or it holds no image.
    """
    series = workstation.library.series(target)
    if series is None and workstation.library.study(target) is None:
        raise NotFoundError(
            "There is no such file, series or study", where=target, todo="`lightbox list` shows what is here"
        )
    study_uid = target if series is None else series.study_instance_uid
    found = [item for item in workstation.display_sets(study_uid) if item.frames]
    if series is not None:
        found = [item for item in found if item.series_instance_uid == target]
    if not found:
        raise NotFoundError("There is no image in it", where=target)
    return study_uid, found


def _choose(found: list[DisplaySet]) -> DisplaySet:
    from lightbox.viewer.display_sets import first_to_show

    return first_to_show(found) or found[0]


def volume_of(workstation: Workstation, series_uid: str, progress: Callable[[int, int], None] | None = None) -> Volume:
    """Return the volume of a series.

    Raises
    ------
    LightboxError
        Its slices are no volume; the reason names them.
    """
    _, found = find_display_sets(workstation, series_uid)
    return _assemble(workstation, _volume_set(found, series_uid), progress)


def _volume_set(found: list[DisplaySet], target: str) -> DisplaySet:
    volumes = [item for item in found if item.is_volume] or [item for item in found if item.tilt_deg]
    if not volumes:
        why = "; ".join(problem.sentence() for item in found for problem in item.problems)
        raise LightboxError("The images are not one volume", where=target, why=why or "Too few slices, or no positions")
    return max(volumes, key=lambda item: item.number_of_frames)


def _assemble(
    workstation: Workstation, chosen: DisplaySet, progress: Callable[[int, int], None] | None = None
) -> Volume:
    from lightbox.imaging.volume import VolumeFrame, assemble

    return assemble(
        [
            VolumeFrame(
                partial(workstation.library.open_object, ref.sop_instance_uid),
                ref.frame_index,
                ref.plane,
                ref.sop_instance_uid,
            )
            for ref in chosen.frames
            if ref.plane is not None
        ],
        progress=progress,
    )


def render_series(
    workstation: Workstation, target: str, frame: int | None, voi: Voi | None, *, exact: bool, overlays: bool
) -> bytes:
    """Return the PNG of an image (1-based; default the middle one) of a series or study of the library."""
    from lightbox.dicom import calibration
    from lightbox.imaging import picture
    from lightbox.imaging.image_object import ImageObject
    from lightbox.viewer import picture as composition
    from lightbox.viewer import scenes

    study_uid, found = find_display_sets(workstation, target)
    chosen = _choose(found)
    if frame is not None and frame > chosen.number_of_frames:
        raise UsageError("There is no such image", where=str(frame), todo=f"It has {chosen.number_of_frames}")
    ref = chosen.frames[chosen.number_of_frames // 2 if frame is None else frame - 1]
    with workstation.library.open_object(ref.sop_instance_uid) as file:
        image = ImageObject.open(file)
        if exact:
            return picture.to_png(picture.exact(image, ref.frame_index, voi))
        pixels = picture.render(image, ref.frame_index, voi).pixels
        aspect = calibration.aspect_ratio(image.dataset, ref.frame_index)
    if not overlays:
        return picture.to_png(composition.compose(pixels, aspect=aspect))
    results = workstation.results(study_uid)
    rows, columns = pixels.shape[:2]
    scene = scenes.make(results, chosen, chosen.frames.index(ref), rows, columns)
    return picture.to_png(composition.compose(pixels, scene, _style(results), aspect=aspect))


def _style(results: list[ResultSet]) -> OverlayStyle:
    from lightbox.viewer.overlays import OverlayStyle

    style = OverlayStyle()
    style.adopt(results)
    return style


def render_plane(
    workstation: Workstation,
    target: str,
    plane: PlaneName,
    slice_number: int | None,
    voi: Voi | None,
    *,
    overlays: bool,
) -> bytes:
    """Return the PNG of a slice (1-based; default the middle one) of a standard plane through a volume."""
    from lightbox.imaging import picture, reslice
    from lightbox.viewer import frame_view_of
    from lightbox.viewer import overlays as overlay
    from lightbox.viewer import picture as composition

    study_uid, found = find_display_sets(workstation, target)
    chosen = _volume_set(found, target)
    volume = _assemble(workstation, chosen)
    stack = reslice.standard_stack(volume, plane)
    if slice_number is not None and slice_number > len(stack):
        raise UsageError("There is no such slice", where=str(slice_number), todo=f"This plane has {len(stack)}")
    cut = stack[len(stack) // 2 if slice_number is None else slice_number - 1]
    view = frame_view_of.of_plane(volume, cut, *reslice.reslice(volume, cut))
    pixels = view.display(voi)
    if not overlays:
        return picture.to_png(composition.compose(pixels))
    planes = {(ref.sop_instance_uid, ref.frame_index): ref.plane for item in found for ref in item.frames}
    results = workstation.results(study_uid)
    scene = overlay.for_plane(
        results,
        cut,
        tolerance_mm=reslice.plane_step(volume, plane) / 2,
        plane_of=lambda uid, frame: planes.get((uid, frame)),
    )
    return picture.to_png(composition.compose(pixels, scene, _style(results)))
