"""WADO-RS: objects as they are stored, their metadata, frames and pictures (PS3.18 10.4)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from lightbox.core.errors import Problem, Severity
from lightbox.core.jobs import CancelToken
from lightbox.network.web import errors
from lightbox.network.web.multipart import Part, Reader, parse_type
from lightbox.network.web.service import WebService, checked

if TYPE_CHECKING:
    from pydicom.dataset import Dataset

MAX_FRAMES_BYTES = 2 * 1024**3

_OF_MEDIA_TYPE = {
    "application/octet-stream": "1.2.840.10008.1.2.1",
    "image/jls": "1.2.840.10008.1.2.4.80",
    "image/jp2": "1.2.840.10008.1.2.4.90",
    "image/jpx": "1.2.840.10008.1.2.4.92",
    "image/jphc": "1.2.840.10008.1.2.4.201",
    "image/dicom-rle": "1.2.840.10008.1.2.5",
    "image/x-dicom-rle": "1.2.840.10008.1.2.5",
    "image/jpeg": "1.2.840.10008.1.2.4.70",
}
"""What a part without transfer syntax holds by default (PS3.18 table 8.7.3-5)."""


@dataclass(frozen=True, slots=True)
class Frame:
    """One frame as it came: its bytes and what they are encoded in."""

    data: bytes
    media_type: str
    transfer_syntax_uid: str


def objects(
    service: WebService, study_uid: str, series_uid: str = "", sop_uid: str = "", *, cancel: CancelToken | None = None
) -> Iterator[Part]:
    """Yield the objects of a study, a series or one instance as DICOM files, part by part as they come.

    They come in the transfer syntax in which the archive keeps them, where it lets us ask for that.

    Raises
    ------
    WebError
        ``status`` 404: the archive has none of it; else as `WebSession.request`. What came before stays valid.
    Cancelled
        `cancel` was cancelled.
    """
    with service.call("objects", cancel):
        response = service.session.get(service.url(study_uid, series_uid, sop_uid), stream=True)
    body = service.session.body(response, cancel=cancel)
    try:
        yield from Reader(body, response.headers.get("Content-Type", ""), service.peer.name)
    finally:
        body.close()


def frames(
    service: WebService,
    study_uid: str,
    series_uid: str,
    sop_uid: str,
    numbers: Sequence[int],
    *,
    cancel: CancelToken | None = None,
) -> list[Frame]:
    """Return frames of an instance, counted from 1, in the order asked for.

    Raises
    ------
    WebError
        Also when the archive sent another number of frames than it was asked for.
    """
    url = f"{service.url(study_uid, series_uid, sop_uid)}/frames/{','.join(str(int(n)) for n in numbers)}"
    with service.call("frames", cancel):
        response = service.session.get(url, stream=True)
    body = service.session.body(response, limit=MAX_FRAMES_BYTES, cancel=cancel)
    found: list[Frame] = []
    try:
        for part in Reader(body, response.headers.get("Content-Type", ""), service.peer.name):
            syntax = part.transfer_syntax_uid or _OF_MEDIA_TYPE.get(part.media_type, "")
            found.append(Frame(part.read(), part.media_type, syntax))
    finally:
        body.close()
    if len(found) != len(numbers):
        raise errors.unusable(service.peer.name, f"It has {len(found)} frames, not {len(numbers)}", code="web.frames")
    return found


def rendered(
    service: WebService,
    study_uid: str,
    series_uid: str,
    sop_uid: str,
    *,
    frame: int | None = None,
    viewport: tuple[int, int] | None = None,
    window: tuple[float, float] | None = None,
    cancel: CancelToken | None = None,
) -> tuple[bytes, str]:
    """Return a picture of an instance made by the archive, and its media type. Not for diagnosis.

    Parameters
    ----------
    frame : int, optional
        Counted from 1.
    viewport : (int, int), optional
        Columns and rows of the picture.
    window : (float, float), optional
        Centre and width, as values of the modality.
    """
    parameters: dict[str, Any] = {}
    if viewport is not None:
        parameters["viewport"] = f"{viewport[0]},{viewport[1]}"
    if window is not None:
        parameters["window"] = f"{window[0]:g},{window[1]:g},linear"
    uids = (checked(study_uid), checked(series_uid), checked(sop_uid))
    with service.call("rendered", cancel) as call:
        if frame is None:
            data = service.client.retrieve_instance_rendered(*uids, params=parameters)
        else:
            data = service.client.retrieve_instance_frames_rendered(*uids, [frame], params=parameters)
    return bytes(data), parse_type(call.headers.get("Content-Type", ""))[0]


def metadata(
    service: WebService,
    study_uid: str,
    series_uid: str = "",
    sop_uid: str = "",
    *,
    problems: list[Problem] | None = None,
    cancel: CancelToken | None = None,
) -> list[Dataset]:
    """Return the data sets of a study, a series or one instance without bulk data.

    Bulk data are left empty. An element that cannot be read is left out, a data set that cannot be read too; `problems`
    then gets one with the code ``"web.metadata-unreadable"``.
    """
    uids = [checked(uid) for uid in (study_uid, series_uid, sop_uid) if uid]
    client = service.client
    with service.call("metadata", cancel) as call:
        if len(uids) == 3:
            # The request for one instance of the library fails on an answer without any
            found: list[Any] = client._http_get_application_json(f"{service.url(*uids)}/metadata")
        elif len(uids) == 2:
            found = client.retrieve_series_metadata(uids[0], uids[1])
        else:
            found = client.retrieve_study_metadata(uids[0])
    result: list[Dataset] = []
    lost = call.unreadable
    for entry in found:
        dataset, bad = _dataset(entry)
        lost += bad
        if len(dataset):
            result.append(dataset)
    if lost and problems is not None:
        problems.append(
            Problem(
                Severity.WARNING,
                "web.metadata-unreadable",
                "Metadata that could not be read were left out",
                where=service.peer.name,
            )
        )
    return result


def _dataset(entry: dict[str, Any]) -> tuple[Dataset, int]:
    """Return a data set of its JSON form, and how many elements could not be read."""
    from pydicom.dataset import Dataset

    dataset, bad = Dataset(), 0
    for tag, element in entry.items():
        try:
            dataset.update(Dataset.from_json({tag: element}, bulk_data_uri_handler=_no_bulk_data))
        except Exception:  # whatever a server sends; pydicom raises all kinds on it
            bad += 1
    return dataset, bad


def _no_bulk_data(tag: str, vr: str, uri: str) -> None:
    return None
