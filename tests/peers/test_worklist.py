"""Worklists of DCMTK's wlmscpfs and of Orthanc's plugin, with entries made by DCMTK; a disc imported for one."""

from __future__ import annotations

import subprocess
from collections.abc import Iterator
from pathlib import Path

import pydicom
import pytest

from builders import peer_servers
from builders.peer_servers import Server
from lightbox.core.errors import NotFoundError
from lightbox.dicom import reading
from lightbox.library.library import Library
from lightbox.network.errors import AssociationError
from lightbox.network.peers import Peer
from lightbox.network.worklist import importing, mwl
from lightbox.network.worklist.mwl import WorklistQuery

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("peers")]

DUMP = """(0008,0005) CS [{charset}]
(0008,0050) SH [{accession}]
(0008,0090) PN [Referring^Doctor]
(0010,0010) PN [{name}]
(0010,0020) LO [{patient}]
(0010,0030) DA [{born}]
(0010,0040) CS [{sex}]
(0020,000d) UI [1.2.826.0.1.3680043.8.498.{number}]
(0032,1060) LO [{what}]
(0040,0100) SQ
(fffe,e000) -
(0008,0060) CS [{modality}]
(0040,0001) AE [{station}]
(0040,0002) DA [{date}]
(0040,0003) TM [090000]
(0040,0007) LO [{what}]
(0040,0009) SH [SPS{number}]
(fffe,e00d) -
(fffe,e0dd) -
(0040,1001) SH [RP{number}]
"""
_MR = {"modality": "MR", "station": "MRSTATION"}
ENTRIES: tuple[dict[str, str], ...] = (
    {"accession": "ACC100", "name": "Doe^Jane", "patient": "P1", "born": "19300101", "sex": "F", "date": "20261120"},
    {"accession": "ACC101", "name": "Müller^Jörg", "patient": "P2", "born": "19500505", "sex": "M", "date": "20261121"},
    {
        "accession": "ACC102",
        "name": "Roe^Ann",
        "patient": "P3",
        "born": "19700707",
        "sex": "F",
        "date": "20261121",
        **_MR,
    },
)


@pytest.fixture(scope="session")
def entries(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of worklist files."""
    peer_servers.require("wlmscpfs", "dump2dcm")
    folder = tmp_path_factory.mktemp("worklists") / "WORKLIST"
    folder.mkdir()
    for number, values in enumerate(ENTRIES, 100):
        defaults = {"charset": "ISO_IR 192", "modality": "CT", "station": "LIGHTBOX", "what": "CT CHEST"}
        dump = folder.parent / f"{number}.dump"
        dump.write_text(DUMP.format(**{**defaults, **values, "number": number}), encoding="utf-8")
        command = [peer_servers.program("dump2dcm"), "-g", str(dump), str(folder / f"{number}.wl")]
        subprocess.run(command, check=True, capture_output=True, timeout=30, env=peer_servers.environment())
    return folder


@pytest.fixture(scope="session")
def wlmscpfs(entries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with peer_servers.start_wlmscpfs(tmp_path_factory.mktemp("wlmscpfs"), entries) as server:
        yield server


@pytest.fixture(scope="session")
def orthanc_worklist(entries: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    peer_servers.require("Orthanc")
    plugin = peer_servers._PLUGINS / "libModalityWorklists.so"
    if not plugin.exists():
        if peer_servers.demanded():
            pytest.fail(f"not installed: {plugin}")
        pytest.skip(f"not installed: {plugin}")
    settings = {
        "Plugins": [str(plugin)],
        "Worklists": {"Enable": True, "Database": str(entries), "FilterIssuerAet": False},
        "DicomAlwaysAllowFindWorklist": True,
    }
    folder = tmp_path_factory.mktemp("orthanc-worklist")
    with peer_servers.start_orthanc(folder, own_port=peer_servers.free_port(), **settings) as server:
        yield server


@pytest.fixture(params=["wlmscpfs", "orthanc_worklist"])
def server(request: pytest.FixtureRequest) -> Server:
    """Each worklist server in turn."""
    return request.getfixturevalue(request.param)


def test_all_entries_are_read(server: Server) -> None:
    found = mwl.query(server.peer(), server.identity())
    assert [entry.accession_number for entry in found] == ["ACC100", "ACC101", "ACC102"]
    assert [entry.patient_name for entry in found] == ["Doe^Jane", "Müller^Jörg", "Roe^Ann"]
    first = found[0]
    assert (first.patient_id, first.patient_birth_date, first.patient_sex) == ("P1", "19300101", "F")
    assert first.study_instance_uid == "1.2.826.0.1.3680043.8.498.100"
    assert (first.requested_procedure_id, first.step.step_id) == ("RP100", "SPS100")
    assert (first.step.modality, first.step.station_ae) == ("CT", ("LIGHTBOX",))
    assert first.when == ("20261120", "090000")


@pytest.mark.parametrize(
    ("wanted", "expected"),
    [
        (WorklistQuery(dates="20261121"), ["ACC101", "ACC102"]),
        (WorklistQuery(dates="2026-11-01..2026-11-20"), ["ACC100"]),
        (WorklistQuery(dates="20261122-"), []),
        (WorklistQuery(modality="mr"), ["ACC102"]),
        (WorklistQuery(station_ae="LIGHTBOX"), ["ACC100", "ACC101"]),
        (WorklistQuery(patient_id="P3"), ["ACC102"]),
        (WorklistQuery(patient_name="Doe*"), ["ACC100"]),
        (WorklistQuery(accession_number="ACC101"), ["ACC101"]),
    ],
)
def test_keys(server: Server, wanted: WorklistQuery, expected: list[str]) -> None:
    found = mwl.query(server.peer(), server.identity(), wanted)
    assert [entry.accession_number for entry in found] == expected


def test_one_order(server: Server) -> None:
    assert mwl.one(server.peer(), server.identity(), "ACC100").patient_id == "P1"
    with pytest.raises(NotFoundError):
        mwl.one(server.peer(), server.identity(), "NONE")


def test_a_worklist_of_another_name(wlmscpfs: Server) -> None:
    wrong = Peer("wrong", "NOBODY", "127.0.0.1", wlmscpfs.port)
    with pytest.raises(AssociationError) as caught:
        mwl.query(wrong, wlmscpfs.identity())
    assert caught.value.code == "association.rejected"
    assert "NOBODY" in str(caught.value)


@pytest.mark.data
def test_a_real_disc_is_reconciled_and_other_programs_read_it(
    wlmscpfs: Server, data: Path, home: Path, tmp_path: Path
) -> None:
    entry = mwl.one(wlmscpfs.peer(), wlmscpfs.identity(), "ACC101")
    sources = importing.gather([data / "ct-volume/ge-head-gantry-tilt-28"])
    plan = importing.plan(sources, entry)
    with Library.open(home) as library:
        result = importing.carry_out(sources, plan, library, home, system="LIGHTBOX", confirmed=True)
        assert result.report.added == len(sources.objects) == 28
        (study,) = library.studies_of_patient("P2", "")
        assert (study.patient_name, study.number_of_instances) == ("Müller^Jörg", 28)
        originals = {}
        for path in sources.objects:
            with path.open("rb") as stream:
                dataset = reading.read_dataset(stream)
            originals[str(dataset.SOPInstanceUID)] = dataset.PixelData
        for instance in result.instances:
            with library.open_object(instance.sop_instance_uid) as stream:
                kept = pydicom.dcmread(stream)
            assert kept.PixelData == originals[instance.sop_instance_uid]
        with library.open_object(result.instances[0].sop_instance_uid) as stream:
            (tmp_path / "one.dcm").write_bytes(stream.read())
    dumped = subprocess.run(
        [peer_servers.program("dcmdump"), "+P", "0010,0010", "+P", "0400,0561", str(tmp_path / "one.dcm")],
        check=True,
        capture_output=True,
        timeout=30,
        env=peer_servers.environment(),
    )
    # the character set of the files can express the name: it stays
    assert "Müller^Jörg" in dumped.stdout.decode("latin-1")
    assert "COERCE" in dumped.stdout.decode("latin-1")
