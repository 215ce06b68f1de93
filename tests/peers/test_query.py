"""Echo and queries against Orthanc and dcmqrscp, compared with DCMTK's findscu and with the files themselves."""

from __future__ import annotations

import re
import subprocess
from collections.abc import Mapping
from pathlib import Path

import pydicom
import pytest

from builders import peer_servers
from builders.peer_servers import Server
from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.network.echo import echo
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.find import find
from lightbox.network.peers import Peer

pytestmark = [pytest.mark.peers, pytest.mark.data, pytest.mark.xdist_group("peers")]

UNIQUE = {"study": "StudyInstanceUID", "series": "SeriesInstanceUID", "image": "SOPInstanceUID"}


def findscu(server: Server, level: str, keys: Mapping[str, str], folder: Path) -> list[pydicom.Dataset]:
    """Return the replies that DCMTK's findscu gets."""
    folder.mkdir(parents=True)
    words = {UNIQUE[level]: "", **keys}
    options = [part for word, value in words.items() for part in ("-k", f"{word}={value}")]
    command = [peer_servers.program("findscu"), "-S", "-aet", "LIGHTBOX", "-aec", server.ae_title]
    command += ["-X", "-od", str(folder), "-k", f"QueryRetrieveLevel={level.upper()}", *options]
    command += ["127.0.0.1", str(server.port)]
    subprocess.run(command, check=True, capture_output=True, timeout=60, env=peer_servers.environment())
    return [pydicom.dcmread(path, force=True) for path in sorted(folder.glob("rsp*.dcm"))]


def plain(name: str) -> str:
    """Return a name without the escape sequences (ISO 2022) that a decoder left in it."""
    return re.sub(r"\x1b[$()][A-Z)]?[A-Z]?", "", name).rstrip("=^")


def test_echo_succeeds_step_by_step(archive: Server) -> None:
    result = echo(archive.peer(), archive.identity())
    assert result.ok
    assert [step.name for step in result.steps] == ["name resolution", "TCP connection", "association", "echo"]
    assert all(step.ok for step in result.steps)


def test_unknown_calling_title_is_explained(orthanc: Server) -> None:
    result = echo(orthanc.peer(), orthanc.identity("STRANGER"))
    # Orthanc lets any AE associate and then aborts; either way the words name what to change
    assert not result.ok
    assert "AE title" in f"{result.why} {result.todo}"


def test_wrong_called_title_is_explained(orthanc: Server) -> None:
    result = echo(Peer("wrong", "NOBODY", "127.0.0.1", orthanc.port), orthanc.identity())
    assert not result.ok
    assert result.code == "association.rejected"
    assert "NOBODY" in result.why


def test_http_port_is_not_a_dicom_service(orthanc: Server) -> None:
    result = echo(Peer("web", "ORTHANC", "127.0.0.1", orthanc.http_port), orthanc.identity())
    assert not result.ok
    assert result.code == "association.http"


def test_query_without_permission_fails_with_words(orthanc: Server) -> None:
    with pytest.raises((AssociationError, DimseError)) as caught:
        list(find(orthanc.peer(), orthanc.identity("STOREONLY"), "study", {}))
    assert "AE title" in str(caught.value) or "allow" in str(caught.value)


@pytest.mark.parametrize("level", ["study", "series", "image"])
def test_replies_equal_those_of_findscu(archive: Server, level: str, tmp_path: Path) -> None:
    keys: dict[str, str] = {}
    studies = list(find(archive.peer(), archive.identity(), "study", {}))
    if level != "study":
        keys["StudyInstanceUID"] = max(
            studies,
            key=lambda row: sum(
                1
                for _ in find(
                    archive.peer(), archive.identity(), "series", {"StudyInstanceUID": row["StudyInstanceUID"]}
                )
            ),
        )["StudyInstanceUID"]
    if level == "image":
        first = next(find(archive.peer(), archive.identity(), "series", keys))
        keys["SeriesInstanceUID"] = first["SeriesInstanceUID"]
    asked = {
        "study": {"PatientID": "", "StudyDate": "", "StudyID": "", "AccessionNumber": ""},
        "series": {"Modality": "", "SeriesNumber": ""},
        "image": {"InstanceNumber": ""},
    }[level]
    expected = {}
    for reply in findscu(archive, level, {**asked, **keys}, tmp_path / level):
        values = tuple("" if reply.get(word) is None else str(reply.get(word)) for word in asked)
        expected[str(reply[UNIQUE[level]].value)] = values
    found = {
        row[UNIQUE[level]]: tuple(row.get(word, "") for word in asked)
        for row in find(archive.peer(), archive.identity(), level, keys)
    }
    assert found
    assert found == expected


def test_names_are_decoded_by_the_character_set_of_each_reply(archive: Server, originals: dict) -> None:
    expected = {}
    for path, dataset in originals.values():
        if path.parent.name == "charsets":
            expected[str(dataset.StudyInstanceUID)] = str(dataset.PatientName)
    rows = {
        row["StudyInstanceUID"]: row["PatientName"] for row in find(archive.peer(), archive.identity(), "study", {})
    }
    checked = {uid: name for uid, name in expected.items() if uid in rows}
    assert len(checked) >= 8
    wrong = {uid: rows[uid] for uid, name in checked.items() if plain(rows[uid]) != plain(name)}
    # The GNU C library cannot convert ISO 2022 IR 87: Orthanc then sends its raw escapes and another character set
    assert all("$B" in name for name in wrong.values())
    assert len(checked) - len(wrong) >= 8


def test_wildcards_and_date_ranges(archive: Server, originals: dict) -> None:
    studies = list(find(archive.peer(), archive.identity(), "study", {}))
    dates = sorted(row["StudyDate"] for row in studies if row.get("StudyDate"))
    low, high = dates[len(dates) // 4], dates[len(dates) // 2]
    iso = f"{low[:4]}-{low[4:6]}-{low[6:]}..{high[:4]}-{high[4:6]}-{high[6:]}"
    for text in (f"{low}-{high}", iso):
        rows = list(find(archive.peer(), archive.identity(), "study", {"StudyDate": text}))
        assert sorted(row["StudyDate"] for row in rows) == [date for date in dates if low <= date <= high]
    identifiers = [row["PatientID"] for row in studies if len(row.get("PatientID", "")) > 3]
    pattern = identifiers[0][:3] + "*"
    rows = list(find(archive.peer(), archive.identity(), "study", {"PatientID": pattern}))
    assert sorted(row["PatientID"] for row in rows) == sorted(
        row["PatientID"] for row in studies if row.get("PatientID", "").startswith(identifiers[0][:3])
    )


def test_patient_root(archive: Server) -> None:
    patients = list(find(archive.peer(), archive.identity(), "patient", {}, root="patient"))
    assert patients
    assert all(row["PatientID"] for row in patients)
    identifier = patients[0]["PatientID"]
    studies = list(find(archive.peer(), archive.identity(), "study", {"PatientID": identifier}, root="patient"))
    assert studies
    assert {row["PatientID"] for row in studies} == {identifier}


def test_several_uids_and_missing_upper_keys(archive: Server) -> None:
    studies = [row["StudyInstanceUID"] for row in find(archive.peer(), archive.identity(), "study", {})][:3]
    rows = list(find(archive.peer(), archive.identity(), "study", {"StudyInstanceUID": ",".join(studies)}))
    assert {row["StudyInstanceUID"] for row in rows} == set(studies)
    series = list(find(archive.peer(), archive.identity(), "series", {"StudyInstanceUID": "\\".join(studies)}))
    assert {row["StudyInstanceUID"] for row in series} == set(studies)


def test_limit_and_cancel(archive: Server) -> None:
    assert len(list(find(archive.peer(), archive.identity(), "study", {}, limit=2))) == 2
    token = CancelToken()
    rows = []
    with pytest.raises(Cancelled):
        for row in find(archive.peer(), archive.identity(), "study", {}, cancel=token):
            rows.append(row)
            token.cancel()
    assert rows
    assert echo(archive.peer(), archive.identity()).ok
