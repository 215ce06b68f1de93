"""The scan before and the log after: what they tell, and what they never tell."""

from __future__ import annotations

import gzip
import io
import json
from pathlib import Path

import pytest

from builders import phi
from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import CancelToken
from lightbox.deid import log
from lightbox.deid.engine import Engine
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import preset
from lightbox.deid.scan import scan
from lightbox.deid.source import OpenerSource

KEY = ProjectKey(bytes(range(32)))


def source(data: bytes, label: str = "x") -> OpenerSource:
    return OpenerSource(label, lambda: io.BytesIO(data))


def objects() -> list[OpenerSource]:
    person = phi.Person()
    other = phi.Person(name="Sauerampfer^Liesl", patient_id="77120033", root="1.3.6.1.4.1.99999.77")
    ultrasound = phi.ct(other, extras=False).data.replace(b"ORIGINAL\\PRIMARY\\AXIAL", b"DERIVED\\SCREEN SAVE\\CT")
    return [
        source(phi.ct(person).data),
        source(phi.ct(person, number=2).data),
        source(ultrasound, "screen"),
        source(b"no DICOM", "text"),
    ]


def test_scan_tells_what_will_go() -> None:
    seen: list[int] = []
    found = scan(objects(), preset("basic"), progress=lambda done, total=0, **_: seen.append(done))
    rows = {row.keyword: row for row in found.rows}
    assert seen == [1, 2, 3, 4]
    assert (found.files, found.patients, found.studies) == (4, 2, 2)
    name = rows["PatientName"]
    assert (name.action, name.distinct, name.files, name.nested) == ("pseudonym", 2, 3, False)
    assert "Müßigbrödt^Jörg^Kasimir" in name.samples
    assert rows["StudyDescription"].action == "removed"
    assert rows["SOPInstanceUID"].action == "new UID"
    assert rows["StudyInstanceUID"].distinct == 2
    assert rows["ReferencedSOPInstanceUID"].nested
    assert found.private_creators["Müßigbrödt PRIVATE"] == 8
    assert {(one.label, one.code) for one in found.refused} == {("screen", "burned-in-risk"), ("text", "not-dicom")}
    assert found.burned_in == {"low": 2, "high": 1}
    cleaned = {row.keyword: row.action for row in scan(objects(), preset("research-modified-dates")).rows}
    assert (cleaned["StudyDate"], cleaned["StudyDescription"]) == ("shifted", "cleaned")


def test_a_scan_as_data_holds_no_values() -> None:
    found = scan(objects())
    text = json.dumps(found.as_dict()["attributes"]) + repr(found.rows)
    assert [needle for needle in phi.Person().needles if needle in text] == []


def test_scan_can_be_cancelled() -> None:
    token = CancelToken()
    token.cancel()
    with pytest.raises(Cancelled):
        scan(objects(), cancel=token)


def test_scan_goes_on_after_what_cannot_be_opened() -> None:
    def refuse() -> io.BytesIO:
        raise PermissionError(13, "Permission denied")

    found = scan([OpenerSource("locked", refuse), *objects()[:1]])
    assert [(one.label, one.code) for one in found.refused] == [("locked", "unreadable")]
    assert found.rows


def write_log(path: Path) -> str:
    engine = Engine(preset("basic"), KEY)
    with log.TagLog(path) as out:
        for one in objects():
            out.add(engine.transform(one.open().read())[0])
        return out.head


def test_the_log_is_the_same_each_time_and_holds_no_old_value(tmp_path: Path) -> None:
    one, two = tmp_path / "1.jsonl.gz", tmp_path / "2.jsonl.gz"
    assert write_log(one) == write_log(two)
    assert one.read_bytes() == two.read_bytes()
    text = gzip.decompress(one.read_bytes()).decode()
    assert [needle for needle in phi.Person().needles if needle in text] == []
    records = list(log.read(one))
    assert [record["outcome"] for record in records] == ["exported", "exported", "quarantined", "quarantined"]
    path, action, rule, vr, length, old = next(c for c in records[0]["changes"] if c[0] == "(0010,0010)")
    assert (path, action, rule, vr, length) == ("(0010,0010)", "replaced", "E.1-1 Z", "PN", 24)
    assert len(old) == 16


def test_a_log_that_was_changed_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "log.jsonl.gz"
    write_log(path)
    lines = gzip.decompress(path.read_bytes()).decode().splitlines()
    for broken in (lines[1:], lines[:1] + lines[2:], [lines[0].replace("removed", "emptied", 1), *lines[1:]]):
        path.write_bytes(gzip.compress("".join(line + "\n" for line in broken).encode()))
        with pytest.raises(LightboxError, match="tampered"):
            list(log.read(path))
