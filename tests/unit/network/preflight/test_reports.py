from __future__ import annotations

import copy
from html.parser import HTMLParser

from pydicom.dataset import Dataset

from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.preflight import changes, html_report, invented, needs, tag_compare, vocabulary
from lightbox.network.preflight.declaration import Declaration
from lightbox.network.preflight.observation import Observation, Observed, ServiceCheck
from lightbox.network.preflight.pairs import Pair
from lightbox.network.preflight.report import Finding, Report
from lightbox.network.preflight.verdicts import Judge

CT = "1.2.840.10008.5.1.4.1.1.2"
IMPLICIT, EXPLICIT = vocabulary.IMPLICIT_LE, vocabulary.EXPLICIT_LE


def report(name: str = "archive", refused: tuple[str, ...] = (), version: str = "V1") -> Report:
    """Return a report of a peer that takes everything but `refused`."""
    wanted = needs.of([(CT, EXPLICIT, 12)], ("store",))
    pairs = [*wanted.reasons, Pair("1.2.840.10008.5.1.4.1.1.4", IMPLICIT)]
    seen = Observation({pair: Observed("refused" if pair.sop_class in refused else "accepted") for pair in pairs})
    seen.implementation_version = version
    seen.services = [ServiceCheck(vocabulary.VERIFICATION, "Verification (C-ECHO)", "works", "Answered")]
    peer = Peer(name, "PACS", "127.0.0.1", 104)
    declaration = Declaration((Pair(CT, EXPLICIT),), source="table.csv", date="2026-01-02", problems=("line 3: <b>?",))
    rows = Judge(peer, "LIGHTBOX", declaration, wanted, seen).rows(pairs)
    findings = [Finding("TLS", "ok", "Not encrypted; the peer is on this computer")]
    return Report(peer, LocalIdentity(), "2026-03-04T05:06:07.000Z", rows, declaration, wanted, seen, findings)


class Checker(HTMLParser):
    """Collects text and addresses, and checks that every element is closed."""

    VOID = frozenset({"meta", "br", "link", "img"})

    def __init__(self) -> None:
        super().__init__()
        self.open: list[str] = []
        self.addresses: list[str] = []
        self.text = ""
        self.tags: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.addresses += [value or "" for name, value in attrs if name in ("src", "href")]
        if tag not in self.VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data


def read(page: str) -> Checker:
    checker = Checker()
    checker.feed(page)
    assert not checker.open
    return checker


def test_the_page_stands_alone_and_is_well_formed() -> None:
    page = html_report.render(report(refused=tuple(needs.PRODUCED)))
    found = read(page)
    assert not found.addresses
    assert "script" not in found.tags
    assert "url(" not in page
    assert "Not ready" in found.text
    assert "7 SOP classes are refused in every encoding" in found.text
    assert "Segmentation in Implicit LE (Lightbox writes segmentations)" in found.text
    assert "line 3: <b>?" in found.text
    assert "table.csv of 2026-01-02" in found.text
    assert "Ready" in read(html_report.render(report())).text


def test_nothing_that_a_peer_says_becomes_markup() -> None:
    hostile = "<script>alert(1)</script>{{body}}"
    found = report(name=hostile, version=hostile)
    found.observation.services = [ServiceCheck("1.2", hostile, "denied", hostile, hostile)]
    found.observation.notes = [hostile]
    found.changed_since = {"date": hostile, "changes": [hostile], "rows": []}
    page = html_report.render(found)
    assert "<script" not in page
    assert read(page).text.count("{{body}}") >= 5


def test_the_matrix_shows_each_verdict_by_its_sign() -> None:
    found = read(html_report.render(report(refused=("1.2.840.10008.5.1.4.1.1.7",))))
    matrix = found.text[found.text.index("What it takes and serves") :]
    row = matrix[matrix.index("Secondary Capture Image") :]
    assert row.index("✕") < row.index("Segmentation")
    assert "CT Image" in matrix
    assert "12 here" in matrix


def test_changes_compare_only_what_both_saw() -> None:
    before = report().as_json(full=False)
    assert changes.since(None, before) is None
    same = changes.since(before, report().as_json(full=False))
    assert same is not None
    assert same["changes"] == []
    assert changes.words(same) == "Nothing at this peer changed since 2026-03-04 05:06 UTC"
    assert changes.words(None).startswith("First")
    now = report(refused=(CT,), version="V2").as_json(full=False)
    del before["rows"][3]
    found = changes.since(before, now)
    assert found is not None
    assert found["changes"][0] == "Implementation version: V1 → V2"
    assert "CT Image in Explicit LE: accepted → refused" in found["changes"]
    assert [row["sop_class"] for row in found["rows"]] == [CT]
    services = copy.deepcopy(now)
    services["services"][0]["state"] = "denied"
    told = changes.since(now, services)
    assert told is not None
    assert told["changes"] == ["Verification (C-ECHO): works → denied"]


def test_a_report_without_a_fault_passes_and_a_failed_finding_fails_it() -> None:
    found = report()
    assert found.ok
    assert found.as_json()["result"] == "ok"
    found.findings.append(Finding("DICOMweb", "failed", "QIDO-RS: HTTP 401", "Sign in"))
    assert not found.ok
    page = read(html_report.render(found)).text
    assert "One thing is to settle" in page
    assert "Sign in" in page


# Comparing what was sent with what came back


def test_invented_objects_are_marked_and_refer_to_each_other() -> None:
    classes = [
        invented.MR,
        invented.SC,
        invented.ENHANCED_SR,
        invented.KEY_OBJECTS,
        invented.PRESENTATION,
        invented.PDF,
    ]
    invention = invented.Invention()
    made, missing = invention.objects([*classes, "1.2.3"])
    assert missing == ["1.2.3"]
    assert {str(ds.SOPClassUID) for ds in made} == {*classes, invented.CT, invented.SEG, invented.COMPREHENSIVE_3D_SR}
    assert len({ds.SOPInstanceUID for ds in made}) == len(made)
    for dataset in made:
        assert "TEST" in str(dataset.PatientName)
        assert dataset.PatientID == invention.patient_id
        assert dataset.StudyInstanceUID == invention.study_uid
        assert len(str(dataset.SOPInstanceUID)) == 64
        assert "INVENTED" in dataset.SeriesDescription
    other = invented.Invention()
    assert (other.patient_id, other.study_uid) != (invention.patient_id, invention.study_uid)


def image() -> Dataset:
    return invented.Invention().ct()[0]


def differences(change: object) -> list[str]:
    sent = image()
    got = copy.deepcopy(sent)
    change(got)  # type: ignore[operator]
    return [found.text() for found in tag_compare.compare(sent, got)]


def test_an_equal_copy_has_no_difference() -> None:
    assert differences(lambda ds: None) == []


def test_every_kind_of_difference_is_found() -> None:
    assert differences(lambda ds: setattr(ds, "StudyID", "X")) == ["StudyID: sent “LBXTEST”, came back “X”"]
    assert differences(lambda ds: ds.__delattr__("StudyID")) == ["StudyID is missing (sent “LBXTEST”)"]
    assert differences(lambda ds: setattr(ds, "StationName", "PACS")) == ["StationName was added (“PACS”)"]
    assert differences(lambda ds: setattr(ds, "InstitutionName", None)) == []
    assert differences(lambda ds: ds.__delattr__("InstitutionName")) == []
    assert differences(lambda ds: setattr(ds, "PatientName", "ZZZTEST^LIGHTBOX^Urun"))[0].startswith("PatientName")
    assert differences(lambda ds: setattr(ds, "SOPInstanceUID", str(ds.SOPInstanceUID)[:60]))[0].startswith("SOPInst")

    def nested(ds: Dataset) -> None:
        ds.RequestAttributesSequence[0].ScheduledProtocolCodeSequence[0].CodeMeaning = "Prufung"

    path = "RequestAttributesSequence[0].ScheduledProtocolCodeSequence[0].CodeMeaning"
    assert differences(nested) == [f"{path}: sent “Prüfung”, came back “Prufung”"]

    def emptied(ds: Dataset) -> None:
        ds.RequestAttributesSequence = []

    assert differences(emptied) == ["RequestAttributesSequence: sent 1 items, came back 0 items"]

    def without_private(ds: Dataset) -> None:
        for tag in [tag for tag in ds.keys() if tag.is_private]:  # noqa: SIM118
            del ds[tag]

    assert len(differences(without_private)) == 4

    def pixel(ds: Dataset) -> None:
        ds.PixelData = ds.PixelData[:-2] + b"\x01\x00"

    assert differences(pixel) == ["PixelData: sent these samples, came back other samples"]
    assert differences(lambda ds: setattr(ds, "PixelSpacing", ["0.49218750000001", "0.49"]))[0].startswith("PixelSp")
    # The same number written otherwise is the same number
    assert differences(lambda ds: setattr(ds, "SliceThickness", "2.50")) == []
