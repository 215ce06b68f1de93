"""The answer to a store by STOW-RS (PS3.18 10.5.3, PS3.18 I): what became of each object."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Any
from xml.etree import ElementTree

from lightbox.network import words
from lightbox.network.web import dicom_json

if TYPE_CHECKING:
    from lightbox.network.web.errors import WebError

_OTHER = {
    0xC122: "the archive does not take its transfer syntax",
    0x0110: "the archive reports a processing failure",
    0x1196: "stored, but some warning applies",
}


@dataclass(frozen=True, slots=True)
class StoreResult:
    """What became of one object.

    Parameters
    ----------
    sop_instance_uid : str
    stored : bool
        The archive says that it keeps it (perhaps with a warning).
    status : int
        Failure or warning reason (0008,1197 or 0008,1196), of the same tables as the status of C-STORE; 0 without.
    http_status : int
        HTTP status code of the answer, 0 when there was none.
    reason : str
        In words; "" when it was stored without a warning.
    transient : bool
        Whether it may succeed later.
    retry_after : float, optional
        Seconds the server asked us to wait.
    error : WebError, optional
        What went wrong with the request as a whole.
    """

    sop_instance_uid: str
    stored: bool
    status: int = 0
    http_status: int = 0
    reason: str = ""
    transient: bool = False
    retry_after: float | None = None
    error: WebError | None = None


@dataclass(frozen=True, slots=True)
class Answer:
    """What an answer says: warning reasons of stored objects, failure reasons of others, by SOP Instance UID."""

    stored: dict[str, int]
    failed: dict[str, int]
    other: tuple[int, ...] = ()
    """Failure reasons of objects that the answer does not name (Other Failures Sequence)."""

    @property
    def says_anything(self) -> bool:
        """Whether it names any object or failure."""
        return bool(self.stored or self.failed or self.other)


def read(content: bytes, content_type: str) -> Answer:
    """Read the body of an answer, in JSON or XML; one that cannot be read says nothing."""
    try:
        found = _xml(content) if "xml" in content_type.casefold() else dicom_json.rows(content)[0]
    except (dicom_json.NotJsonError, ElementTree.ParseError, RecursionError):
        found = []
    stored: dict[str, int] = {}
    failed: dict[str, int] = {}
    other: list[int] = []
    for entry in found:
        for item in dicom_json.items(entry, "ReferencedSOPSequence"):
            stored[_uid(item)] = _code(item, "WarningReason")
        for item in dicom_json.items(entry, "FailedSOPSequence"):
            failed[_uid(item)] = _code(item, "FailureReason")
        other += [_code(item, "FailureReason") for item in dicom_json.items(entry, "OtherFailuresSequence")]
    stored.pop("", None)
    failed.pop("", None)
    return Answer({uid: code for uid, code in stored.items() if uid not in failed}, failed, tuple(other))


def reason(code: int) -> str:
    """Return a failure or warning reason in words."""
    return f"{_OTHER[code]} (status 0x{code:04X})" if code in _OTHER else words.status_words(code, storing=True)


def may_succeed_later(code: int) -> bool:
    """Whether a failure reason means that the archive has no room or time now (A7xx)."""
    return code & 0xFF00 == 0xA700


def _uid(item: dict[str, Any]) -> str:
    return dicom_json.text(item, "ReferencedSOPInstanceUID").rstrip("\x00 ")


def _code(item: dict[str, Any], keyword: str) -> int:
    text = dicom_json.text(item, keyword).partition("\\")[0]
    try:
        return int(text) if text else 0
    except ValueError:
        return 0


def _xml(content: bytes) -> list[dict[str, Any]]:
    """Return the Native DICOM Model (PS3.19 A.1) as DICOM JSON."""
    root = ElementTree.fromstring(content)
    models = [root] if _name(root) == "NativeDicomModel" else [e for e in root.iter() if _name(e) == "NativeDicomModel"]
    return [_attributes(model) for model in models]


def _attributes(element: ElementTree.Element) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for attribute in element:
        tag, vr = attribute.get("tag", ""), attribute.get("vr", "")
        values: list[Any] = [_attributes(item) for item in attribute if _name(item) == "Item"]
        values += [(value.text or "").strip() for value in attribute if _name(value) == "Value"]
        if tag:
            found[tag] = {"vr": vr, "Value": values}
    return found


def _name(element: ElementTree.Element) -> str:
    return element.tag.rpartition("}")[2]
