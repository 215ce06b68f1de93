"""Real Orthanc and DCMTK servers, holding studies of the shared files."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest
from pydicom.dataset import Dataset

from builders import peer_servers
from builders.peer_servers import Server

FOLDERS = (
    "ct-volume/ge-head-gantry-tilt-28",
    "mr-volume/siemens-2studies",
    "overlays-seg/dcmqi",
    "overlays-seg/ct-3slice-liver",
    "overlays-sr/highdicom",
    "overlays-sr/rsna95",
    "presentation-states/04-VOI-LUT",
    "ultrasound",
    "enhanced",
    "projection",
    "other-objects",
    "charsets",
)
"""Folders of the shared files that the archives hold, and the beginning of one series in JPEG 2000."""

PARAMETRIC_MAP = "1.2.840.10008.5.1.4.1.1.30"
"""dcmqrscp 3.6.7 stores it, but as SCU of C-MOVE it never proposes it."""

UNCOMPRESSED = ("1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2")


@pytest.fixture(scope="session")
def originals(data: Path) -> dict[str, tuple[Path, Dataset]]:
    """Every object meant for the archives by SOP Instance UID: its file and its data set."""
    paths = [path for folder in FOLDERS for path in sorted((data / folder).rglob("*")) if path.is_file()]
    paths += sorted((data / "ct-volume/siemens-neck-295").iterdir())[:40]
    found: dict[str, tuple[Path, Dataset]] = {}
    for path in paths:
        try:
            dataset = pydicom.dcmread(path)
        except (pydicom.errors.InvalidDicomError, AttributeError, EOFError):
            continue
        needed = ("SOPInstanceUID", "SeriesInstanceUID", "StudyInstanceUID")
        if all(dataset.get(word) for word in needed) and "TransferSyntaxUID" in dataset.file_meta:
            found.setdefault(str(dataset.SOPInstanceUID), (path, dataset))
    assert len(found) > 150
    return found


@pytest.fixture(scope="session")
def orthanc(originals: dict, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """Orthanc holding the originals that it takes."""
    peer_servers.require("Orthanc")
    folder = tmp_path_factory.mktemp("orthanc")
    with peer_servers.start_orthanc(folder, own_port=peer_servers.free_port()) as server:
        assert server.load(path for path, _ in originals.values()) > 150
        yield server


@pytest.fixture(scope="session")
def dcmqrscp(originals: dict, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    """DCMTK's dcmqrscp holding the uncompressed originals, sent by us."""
    peer_servers.require("dcmqrscp", "findscu", "getscu", "storescu")
    from lightbox.network.send import send
    from lightbox.network.stored import of_files

    folder = tmp_path_factory.mktemp("dcmqrscp")
    with peer_servers.start_dcmqrscp(folder, own_port=peer_servers.free_port()) as server:
        plain = [
            path
            for path, ds in originals.values()
            if ds.file_meta.TransferSyntaxUID in UNCOMPRESSED and ds.SOPClassUID != PARAMETRIC_MAP
        ]
        report = send(server.peer(), server.identity(), of_files(plain))
        assert report.sent >= 100, report.summary()
        yield server


@pytest.fixture(params=["orthanc", "dcmqrscp"])
def archive(request: pytest.FixtureRequest) -> Server:
    """Each archive in turn."""
    return request.getfixturevalue(request.param)
