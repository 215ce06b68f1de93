from __future__ import annotations

from collections.abc import Callable
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt

from builders import network_objects
from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken, Progress
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.send import send
from lightbox.network.stored import StoredObject, describe, of_files

CT, MR = network_objects.CT, "1.2.840.10008.5.1.4.1.1.4"


@pytest.fixture
def paths(tmp_path: Path) -> list[Path]:
    datasets = [network_objects.ct("a", "b", number) for number in range(4)]
    datasets.append(network_objects.ct("a", "c", 9, sop_class=MR))
    return network_objects.write(tmp_path / "out", datasets)


def test_each_object_has_its_status(scp: Callable[..., Peer], identity: LocalIdentity, paths: list[Path]) -> None:
    answers: dict[int, Any] = {1: 0xA700, 2: 0xB000}

    def store(event: evt.Event) -> int:
        return answers.get(int(event.dataset.InstanceNumber), 0x0000)

    told: list[Progress] = []
    peer = scp([CT], [(evt.EVT_C_STORE, store)])
    report = send(peer, identity, of_files(paths), progress=told.append)
    assert (report.total, report.sent) == (5, 3)
    reasons = dict(report.failed)
    assert len(reasons) == 2
    assert any("0xA700" in reason for reason in reasons.values())
    assert any("does not accept this kind" in reason for reason in reasons.values())
    assert [reason for _, reason in report.warnings] == ["stored, but elements were changed (status 0xB000)"]
    assert told[-1].done == told[-1].total == 5
    assert not report.complete


def test_a_peer_that_accepts_nothing(scp: Callable[..., Peer], identity: LocalIdentity, paths: list[Path]) -> None:
    report = send(scp(["1.2.840.10008.1.1"], []), identity, of_files(paths))
    assert report.sent == 0
    assert len(report.failed) == 5


def test_what_cannot_be_read_is_reported(scp: Callable[..., Peer], identity: LocalIdentity, tmp_path: Path) -> None:
    (tmp_path / "text").write_text("not an image")
    objects = [*of_files([tmp_path / "text"]), StoredObject("1.2.3", lambda: (tmp_path / "gone").open("rb"))]
    report = send(scp([CT], []), identity, objects)
    assert [uid for uid, _ in report.failed] == ["", "1.2.3"]


def test_cancel(scp: Callable[..., Peer], identity: LocalIdentity, paths: list[Path]) -> None:
    token = CancelToken()

    def store(event: evt.Event) -> int:
        token.cancel()
        return 0x0000

    with pytest.raises(Cancelled):
        send(scp([CT], [(evt.EVT_C_STORE, store)]), identity, of_files(paths), cancel=token)


def saved(dataset: Dataset, **options: Any) -> BytesIO:
    buffer = BytesIO()
    dataset.save_as(buffer, **options)
    return buffer


def test_the_data_set_counts_not_the_file_meta_information() -> None:
    dataset = network_objects.ct("a", "b", 1)
    buffer = saved(dataset, enforce_file_format=True)
    raw = bytearray(buffer.getvalue())
    uid = str(dataset.SOPInstanceUID).encode()
    first = raw.index(uid)
    raw[first : first + len(uid)] = b"9" + uid[1:]
    found = describe(BytesIO(bytes(raw)))
    assert found.sop_instance_uid == dataset.SOPInstanceUID
    assert raw[found.offset : found.offset + 4] == b"\x08\x00\x05\x00"


@pytest.mark.parametrize("syntax", ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2"])
def test_bare_data_sets(syntax: str) -> None:
    dataset = network_objects.ct("a", "b", 1)
    dataset["PixelData"].VR = "OW"
    implicit, little = syntax == "1.2.840.10008.1.2", syntax != "1.2.840.10008.1.2.2"
    del dataset.file_meta
    found = describe(saved(dataset, implicit_vr=implicit, little_endian=little))
    assert found == type(found)(CT, str(dataset.SOPInstanceUID), syntax, 0)


def test_deflated() -> None:
    dataset = network_objects.ct("a", "b", 1, syntax="1.2.840.10008.1.2.1.99")
    dataset["PixelData"].VR = "OW"
    found = describe(saved(dataset, enforce_file_format=True))
    assert (found.sop_class_uid, found.sop_instance_uid) == (CT, dataset.SOPInstanceUID)


@pytest.mark.parametrize("content", [b"", b"hello" * 100, b"\x00" * 128 + b"DICM"])
def test_what_is_no_object(content: bytes) -> None:
    with pytest.raises(LightboxError):
        describe(BytesIO(content))
