"""All results of a study: every SEG and SR becomes one `ResultSet`, and one bad object does not hide the others."""

from __future__ import annotations

import logging
import struct
from collections.abc import Callable, Iterable
from typing import BinaryIO

from pydicom.dataelem import RawDataElement
from pydicom.dataset import Dataset
from pydicom.filereader import read_dataset as read_elements
from pydicom.tag import Tag

from lightbox.core.errors import LightboxError, Problem, Severity
from lightbox.dicom.reading import read_before, read_dataset
from lightbox.findings.model import Producer, ResultSet
from lightbox.findings.read_seg import read_seg
from lightbox.findings.read_sr import read_sr
from lightbox.findings.seg_frames import PER_FRAME, first_element
from lightbox.findings.tolerant import text

logger = logging.getLogger(__name__)

SEGMENTATION_CLASSES = frozenset(("1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.66.7"))

Opener = Callable[[], BinaryIO]


def read_results(
    objects: Iterable[tuple[str, Opener]], *, known: Callable[[str], bool] | None = None
) -> list[ResultSet]:
    """Return one result set for each object, in the order given.

    Parameters
    ----------
    objects : iterable of (SOP Instance UID, opener)
        SEG and SR instances; ``opener()`` returns a seekable binary file, which is closed again.
    known : callable, optional
        Whether an image (by SOP Instance UID) is at hand; findings whose images are all missing are said as a problem.

    Returns
    -------
    list of ResultSet
        An object that cannot be read gives a result set with a problem and no findings.
    """
    return [_read_one(sop_uid, opener, known) for sop_uid, opener in objects]


def _read_one(sop_uid: str, opener: Opener, known: Callable[[str], bool] | None) -> ResultSet:
    try:
        with opener() as source:
            dataset = read_object(source)
        result = read_result(dataset, sop_uid)
    except LightboxError as error:
        return _failed(
            sop_uid, Problem(Severity.ERROR, "result.unreadable", error.what, sop_uid, error.why, error.todo)
        )
    except Exception as error:  # whatever a damaged object raises, the other results of the study must still be shown
        # Messages of decoders may hold values of the object; the type says enough.
        logger.warning("A result object could not be read: %s", type(error).__name__)
        why = f"Reading it failed ({type(error).__name__})"
        return _failed(
            sop_uid, Problem(Severity.ERROR, "result.unreadable", "The result cannot be shown", sop_uid, why)
        )
    if known is not None:
        _check_references(result, known)
    return result


def read_object(source: BinaryIO) -> Dataset:
    """Return the data set of a SEG or SR; the frames of a SEG stay encoded until `read_frames` walks them.

    A SEG has thousands of frames, and many writers give their sequences no lengths, which would make pydicom build
    every item of every frame.
    """
    dataset, body, implicit, little = read_before(source, PER_FRAME)
    encoding = dataset.original_character_set
    start = body.tell()
    head = body.read(12)
    tag = struct.unpack(("<" if little else ">") + "HH", head[:4]) if len(head) == 12 else (0, 0)
    undefined = (head[4:8] if implicit else head[8:12]) == b"\xff\xff\xff\xff"
    if tag[0] << 16 | tag[1] != PER_FRAME or not undefined:
        return read_dataset(source)
    size, frames = 1 << 20, None
    data = b""
    while frames is None:
        body.seek(start)
        more = body.read(size)
        if len(more) == len(data):
            return read_dataset(source)
        data, size = more, size * 4
        frames = first_element(data, implicit=implicit, little=little)
    _tag, at, value_end, after = frames
    body.seek(start + after)
    dataset.update(read_elements(body, implicit, little))
    value = data[at:value_end]
    dataset[PER_FRAME] = RawDataElement(Tag(PER_FRAME), "SQ", len(value), value, 0, implicit, little)
    dataset.set_original_encoding(implicit, little, encoding)
    return dataset


def read_result(dataset: Dataset, sop_instance_uid: str = "") -> ResultSet:
    """Return the findings of one SEG or SR data set."""
    is_segmentation = text(dataset, 0x00080016) in SEGMENTATION_CLASSES or "SegmentSequence" in dataset
    result = read_seg(dataset) if is_segmentation else read_sr(dataset, sop_instance_uid)
    if not result.sop_instance_uid:
        result.sop_instance_uid = sop_instance_uid
    return result


def _failed(sop_uid: str, problem: Problem) -> ResultSet:
    return ResultSet(sop_uid, "", "", "", "Unreadable result", Producer("unknown"), problems=[problem])


def _check_references(result: ResultSet, known: Callable[[str], bool]) -> None:
    """Say which findings point only to images that are not at hand."""
    images = {image.sop_instance_uid for finding in result.findings for image in finding.referenced_images}
    missing = {uid for uid in images if not known(uid)}
    if missing:
        result.problems.append(
            Problem(
                Severity.WARNING,
                "result.images-missing",
                f"{len(missing)} of {len(images)} images that the result refers to are not here",
                where=result.sop_instance_uid,
                todo="Retrieve the images of the study",
            )
        )
