"""The pre-flight against real archives whose configuration is known."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest

from builders import peer_servers, storescp_profile
from builders.peer_servers import Server
from builders.pki import Pki
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer, PeerBook, WebSettings
from lightbox.network.preflight import declaration_json, services, verdicts, vocabulary
from lightbox.network.preflight.declaration import Declaration
from lightbox.network.preflight.pairs import Pair
from lightbox.network.preflight.report import Report
from lightbox.network.preflight.run import preflight
from lightbox.network.preflight.store import PeerFiles
from lightbox.network.sending.queue import SendQueue
from lightbox.network.sending.states import QueueSettings

pytestmark = [pytest.mark.peers, pytest.mark.xdist_group("peers")]

CT, MR = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4"
SC, SEG = "1.2.840.10008.5.1.4.1.1.7", "1.2.840.10008.5.1.4.1.1.66.4"
LABEL_MAP = "1.2.840.10008.5.1.4.1.1.66.7"
IMPLICIT, EXPLICIT = vocabulary.IMPLICIT_LE, vocabulary.EXPLICIT_LE
J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
HELD = [(CT, J2K_LOSSLESS, 120), (MR, EXPLICIT, 40), (SC, "1.2.840.10008.1.2.4.50", 3)]
Key = tuple[str, str, str]


def verdict_of(report: Report) -> dict[Key, str]:
    return {tuple(row.pair): row.verdict for row in report.rows}  # type: ignore[misc]


def accepted(report: Report, role: str = "scp") -> set[tuple[str, str]]:
    return {
        (row.pair.sop_class, row.pair.transfer_syntax)
        for row in report.rows
        if row.observed.state == "accepted" and row.pair.role == role
    }


@pytest.fixture
def strict(tmp_path: Path) -> Iterator[Callable[..., Report]]:
    """Start storescp with a profile, run a pre-flight of it, end it."""
    peer_servers.require("storescp")
    runs = iter(range(100))

    def run(
        profile: dict[str, tuple[str, ...]],
        home: Path,
        held: Sequence[tuple[str, str, int]] = HELD,
        **options: object,
    ) -> Report:
        folder = tmp_path / f"storescp{next(runs)}"
        folder.mkdir()
        settings = storescp_profile.write(folder / "profile.cfg", profile)
        with peer_servers.start_storescp(folder, options=settings) as server:
            peer = server.peer("strict")
            return preflight(peer, server.identity(), home, held, **options)  # type: ignore[arg-type]

    return run


def test_it_equals_the_configuration_exactly(strict: Callable[..., Report], home: Path) -> None:
    report = strict(storescp_profile.STRICT, home, everything=True)
    assert len(report.rows) > 4_000
    assert accepted(report) == storescp_profile.pairs(storescp_profile.STRICT)
    assert not any(row.verdict == verdicts.UNTESTED for row in report.rows if row.pair.role == "scp")
    assert not report.observation.notes


@pytest.mark.parametrize(
    ("name", "syntaxes", "key", "after"),
    [
        ("SecondaryCaptureImageStorage", (), (SC, IMPLICIT, "scp"), verdicts.BLOCKED),
        ("MRImageStorage", ("LittleEndianImplicit",), (MR, EXPLICIT, "scp"), verdicts.TRANSCODE),
        ("CTImageStorage", ("LittleEndianImplicit",), (CT, J2K_LOSSLESS, "scp"), verdicts.TRANSCODE),
        ("VerificationSOPClass", ("LittleEndianImplicit", "LittleEndianExplicit"), None, ""),
    ],
)
def test_one_changed_line_changes_exactly_one_verdict(
    strict: Callable[..., Report], home: Path, name: str, syntaxes: tuple[str, ...], key: Key | None, after: str
) -> None:
    held = [entry for entry in HELD if entry[0] != SC]
    before = strict(storescp_profile.STRICT, home, held, everything=True)
    profile = {**storescp_profile.STRICT, name: syntaxes}
    if not syntaxes:
        del profile[name]
    changed = strict(profile, home, held, everything=True)
    one, two = verdict_of(before), verdict_of(changed)
    assert one.keys() == two.keys()
    flipped = [pair for pair in one if one[pair] != two[pair]]
    if key is None:
        assert flipped == [(services.VERIFICATION, EXPLICIT, "scp")]
        return
    assert flipped == [key]
    assert two[key] == after
    # The history says so by itself
    assert changed.changed_since is not None
    assert [(r["sop_class"], r["transfer_syntax"]) for r in changed.changed_since["rows"]] == [key[:2]]


def test_a_declaration_that_is_true_and_one_that_is_not(strict: Callable[..., Report], home: Path) -> None:
    peer = Peer("strict", "STRICT", "127.0.0.1", 1)
    true = [Pair(*pair) for pair in sorted(storescp_profile.pairs(storescp_profile.STRICT))]
    extra, left_out = Pair(MR, J2K_LOSSLESS), Pair(CT, IMPLICIT)
    said = tuple(pair for pair in [*true, extra] if pair != left_out)
    PeerFiles(home, peer).keep_declaration(Declaration(said, source="brochure.csv", date="2026-01-02"))
    report = strict(storescp_profile.STRICT, home)
    found = verdict_of(report)
    assert found[tuple(extra)] == verdicts.DECLARED_BUT_REFUSED  # type: ignore[index]
    assert found[tuple(left_out)] == verdicts.ACCEPTED_BUT_UNDECLARED  # type: ignore[index]
    assert all(found[tuple(pair)] == verdicts.OK for pair in true if pair != left_out)  # type: ignore[index]
    row = next(row for row in report.rows if row.pair == extra)
    assert "brochure.csv of 2026-01-02" in row.advice
    assert row.failing
    assert not report.ok


def test_a_store_without_query_is_ready_when_it_is_only_for_storing(strict: Callable[..., Report], home: Path) -> None:
    report = strict(storescp_profile.STRICT, home)
    found = verdict_of(report)
    assert found[services.STUDY_FIND, IMPLICIT, "scp"] == verdicts.BLOCKED
    assert found[SEG, IMPLICIT, "scp"] == verdicts.BLOCKED
    assert found[CT, J2K_LOSSLESS, "scp"] == verdicts.OK
    assert found[SC, "1.2.840.10008.1.2.4.50", "scp"] == verdicts.TRANSCODE
    assert all(row.verdict == verdicts.UNTESTED for row in report.rows if row.pair.role == "scu")
    blocked = next(row for row in report.rows if row.pair == Pair(SEG, IMPLICIT))
    assert "accept Segmentation Storage in Implicit VR Little Endian" in blocked.advice
    assert "LIGHTBOX" in blocked.advice
    PeerFiles(home, Peer("strict", "S", "h", 1)).keep_purposes(("store",))
    report = strict(storescp_profile.STRICT, home)
    assert verdict_of(report)[services.STUDY_FIND, IMPLICIT, "scp"] == verdicts.OK
    assert not any(row.pair.role == "scu" for row in report.rows)


def test_lossy_only(strict: Callable[..., Report], home: Path) -> None:
    profile = {**storescp_profile.STRICT, "CTImageStorage": ("JPEG2000",)}
    report = strict(profile, home)
    row = next(row for row in report.rows if row.pair == Pair(CT, J2K_LOSSLESS))
    assert row.verdict == verdicts.LOSSY_ONLY
    assert "does not do that by itself" in row.advice
    assert (CT, J2K) in accepted(report)


def test_storescp_with_its_own_preference(tmp_path: Path, home: Path) -> None:
    """With several syntaxes in a context it would pick lossy JPEG 2000 (+xa); one a context shows all it takes."""
    peer_servers.require("storescp")
    with peer_servers.start_storescp(tmp_path / "any") as server:
        report = preflight(server.peer(), server.identity(), home, HELD)
    got = accepted(report)
    assert {(CT, IMPLICIT), (CT, EXPLICIT), (CT, J2K_LOSSLESS), (CT, J2K)} <= got
    assert verdict_of(report)[CT, J2K_LOSSLESS, "scp"] == verdicts.OK


@pytest.fixture(scope="module")
def empty_orthanc(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    peer_servers.require("Orthanc")
    folder = tmp_path_factory.mktemp("preflight-orthanc")
    plugin = peer_servers._PLUGINS / "libOrthancDicomWeb.so"
    settings = {"Plugins": [str(plugin)]} if plugin.exists() else {}
    with peer_servers.start_orthanc(
        folder, own_port=peer_servers.free_port(), UnknownSopClassAccepted=False, **settings
    ) as server:
        yield server


def test_orthanc(empty_orthanc: Server, home: Path) -> None:
    held = [*HELD, (LABEL_MAP, EXPLICIT, 1)]
    report = preflight(empty_orthanc.peer(), empty_orthanc.identity(), home, held)
    states = {check.sop_class: check.state for check in report.observation.services}
    assert states[services.VERIFICATION] == states[services.STUDY_FIND] == states[services.PATIENT_FIND] == "works"
    assert states[services.STUDY_GET] == states[services.STUDY_MOVE] == "works"
    assert states[services.COMMITMENT] == "negotiated"
    assert states[services.MPPS] == states[services.IAN] == "refused"
    found = verdict_of(report)
    assert found[LABEL_MAP, EXPLICIT, "scp"] == verdicts.BLOCKED
    assert found[CT, J2K_LOSSLESS, "scp"] == verdicts.OK
    assert found[CT, J2K_LOSSLESS, "scu"] == verdicts.OK
    assert not report.ok
    assert not empty_orthanc.rest("/instances"), "a pre-flight stores nothing"
    # Without that class, nothing is in the way
    report = preflight(empty_orthanc.peer(), empty_orthanc.identity(), home, HELD)
    assert report.ok, report.summary()
    assert report.changed_since is not None
    assert report.changed_since["changes"] == []


def test_accepted_is_not_allowed(empty_orthanc: Server, home: Path) -> None:
    """Orthanc accepts the context of a query from an AE that may only store, then aborts when the query comes."""
    report = preflight(empty_orthanc.peer(), empty_orthanc.identity("STOREONLY"), home, HELD)
    find = next(row for row in report.rows if row.pair == Pair(services.STUDY_FIND, IMPLICIT))
    assert find.observed.state == "accepted"
    assert find.verdict == verdicts.BLOCKED
    assert "request failed" in find.advice
    assert "STOREONLY" in find.advice
    assert not report.ok
    check = next(c for c in report.observation.services if c.sop_class == services.STUDY_FIND)
    assert check.state == "denied"
    # It must not become a promise either
    trusted = declaration_json.read(json.dumps(report.as_json()), "ORTHANC")
    assert find.pair not in trusted.pairs
    assert Pair(CT, IMPLICIT) in trusted.pairs


def with_web(server: Server, path: str, **settings: str) -> Peer:
    web = WebSettings(f"http://127.0.0.1:{server.http_port}/{path}", **settings)  # type: ignore[arg-type]
    return Peer("web", server.ae_title, "127.0.0.1", server.port, web=web)


def test_dicomweb(empty_orthanc: Server, home: Path) -> None:
    if not (peer_servers._PLUGINS / "libOrthancDicomWeb.so").exists():
        pytest.skip("Orthanc has no DICOMweb plugin here")
    peer = with_web(empty_orthanc, "dicom-web")
    PeerFiles(home, peer).keep_declaration(Declaration((Pair(CT, IMPLICIT),), dicomweb=("qido-rs", "wado-rs")))
    report = preflight(peer, empty_orthanc.identity(), home, [])
    assert report.observation.web is not None
    assert {entry["name"]: entry["state"] for entry in report.observation.web} == {
        "QIDO-RS": "works",
        "WADO-RS": "works",
        "STOW-RS": "works",
    }
    told = [finding for finding in report.findings if finding.subject == "DICOMweb"]
    assert [finding.state for finding in told] == ["ok", "ok", "warning"]
    assert "not declared" in told[2].text
    assert report.ok
    assert not empty_orthanc.rest("/instances"), "STOW-RS without objects stores nothing"
    # An address without such a service, where it was promised
    missing = preflight(with_web(empty_orthanc, "elsewhere"), empty_orthanc.identity(), home, [])
    assert missing.observation.web is not None
    assert missing.observation.web[0]["state"] == "refused"
    assert not missing.ok
    assert any("it is declared" in finding.text for finding in missing.findings)


def test_a_label_map_may_go_by_dicomweb(empty_orthanc: Server, home: Path) -> None:
    if not (peer_servers._PLUGINS / "libOrthancDicomWeb.so").exists():
        pytest.skip("Orthanc has no DICOMweb plugin here")
    report = preflight(with_web(empty_orthanc, "dicom-web"), empty_orthanc.identity(), home, [(LABEL_MAP, EXPLICIT, 1)])
    row = next(row for row in report.rows if row.pair == Pair(LABEL_MAP, EXPLICIT))
    assert row.verdict == verdicts.BLOCKED
    assert "STOW-RS answers" in row.advice


def test_tls_facts(tmp_path: Path, home: Path) -> None:
    peer_servers.require("Orthanc")
    pki = Pki(tmp_path / "pki")
    settings = peer_servers.orthanc_tls(pki.server, pki.ca)
    with peer_servers.start_orthanc(tmp_path, own_port=peer_servers.free_port(), **settings) as server:
        report = preflight(server.peer(tls=pki.settings(pki.client)), server.identity(), home, HELD)
        plain = server.peer("plain")
        with pytest.raises(AssociationError) as caught:
            preflight(plain, server.identity(), home, HELD)
    assert report.ok, report.summary()
    facts = report.as_json()["tls"]
    assert facts["version"] == "TLSv1.3"
    assert facts["fingerprint"] == pki.server.fingerprint
    assert next(finding for finding in report.findings if finding.subject == "TLS").text.startswith("TLSv1.3")
    assert caught.value.step == "association"


def trips(report: Report) -> dict[str, dict[str, str]]:
    assert report.round_trip is not None
    return {item["name"]: item["steps"] for item in report.round_trip["objects"]}


def test_round_trip_with_orthanc(empty_orthanc: Server, home: Path) -> None:
    report = preflight(empty_orthanc.peer(), empty_orthanc.identity(), home, HELD, round_trip=True)
    assert report.round_trip is not None
    try:
        assert report.ok, report.summary()
        found = trips(report)
        assert {"CT Image", "MR Image", "Segmentation", "Comprehensive 3D SR", "Encapsulated PDF"} <= found.keys()
        for steps in found.values():
            assert steps == {
                "store": "taken in Explicit LE",
                "commit": "committed",
                "find": "found",
                "compare": "every tag is as it was sent",
            }
        assert not report.round_trip["notes"]
        patient = report.round_trip["patient_id"]
        assert f"Remove patient {patient}" in report.round_trip["left_behind"]
        assert report.round_trip["stored"] == len(empty_orthanc.rest("/instances"))
    finally:
        empty_orthanc.clear()


def test_round_trip_by_c_move_where_c_get_is_not_allowed(empty_orthanc: Server, home: Path) -> None:
    report = preflight(empty_orthanc.peer(), empty_orthanc.identity("NOGET"), home, [], round_trip=True)
    try:
        states = {check.sop_class: check.state for check in report.observation.services}
        assert states[services.STUDY_GET] == "denied"
        assert report.ok, report.summary()
        assert {steps["compare"] for steps in trips(report).values()} == {"every tag is as it was sent"}
    finally:
        empty_orthanc.clear()


def test_round_trip_over_tls(tmp_path: Path, home: Path) -> None:
    """The archive confirms on an association of its own, to our TLS port."""
    peer_servers.require("Orthanc")
    pki = Pki(tmp_path / "pki")
    own_port = peer_servers.free_port()
    modality = {"AET": "LIGHTBOX", "Host": "127.0.0.1", "Port": own_port, "UseDicomTls": True}
    settings = peer_servers.orthanc_tls(pki.server, pki.ca)
    with peer_servers.start_orthanc(
        tmp_path, own_port=own_port, DicomModalities={"us": modality}, **settings
    ) as server:
        plain_port = peer_servers.free_port()
        own = LocalIdentity("LIGHTBOX", plain_port, "127.0.0.1", tls_port=own_port, tls=pki.settings(pki.server))
        report = preflight(server.peer(tls=pki.settings(pki.client)), own, home, [], round_trip=True)
    assert report.ok, report.summary()
    assert {steps["commit"] for steps in trips(report).values()} == {"committed"}


def test_round_trip_with_storage_only(strict: Callable[..., Report], home: Path) -> None:
    report = strict(storescp_profile.STRICT, home, round_trip=True)
    found = trips(report)
    assert found["CT Image"] == {
        "store": "taken in Implicit LE",
        "fetch": "cannot be fetched: neither C-GET nor C-MOVE",
    }
    assert found["Segmentation"] == {"store": "not sent: refused in every uncompressed encoding"}


def test_dcmqrscp_takes_uncompressed_only(tmp_path: Path, home: Path) -> None:
    peer_servers.require("dcmqrscp")
    with peer_servers.start_dcmqrscp(tmp_path / "dcmqrscp", own_port=peer_servers.free_port()) as server:
        report = preflight(server.peer(), server.identity(), home, HELD, round_trip=True)
    assert {steps["compare"] for steps in trips(report).values()} == {"every tag is as it was sent"}
    found = verdict_of(report)
    assert found[CT, J2K_LOSSLESS, "scp"] == verdicts.TRANSCODE
    assert found[MR, EXPLICIT, "scp"] == verdicts.OK
    row = next(row for row in report.rows if row.pair == Pair(CT, J2K_LOSSLESS))
    assert row.convert_to == EXPLICIT
    # It calls the syntax an unknown SOP class: nothing is concluded from the code
    assert row.observed.result == 3
    move = next(check for check in report.observation.services if check.sop_class == services.STUDY_MOVE)
    assert move.state == "works"
    assert "whether it knows us as a destination" in move.text


def test_a_rejecting_peer_and_none_at_all(empty_orthanc: Server, home: Path) -> None:
    with pytest.raises(AssociationError, match="does not know our AE title STRANGER"):
        preflight(empty_orthanc.peer(), empty_orthanc.identity("STRANGER"), home, HELD)
    nobody = Peer("gone", "GONE", "127.0.0.1", peer_servers.free_port())
    with pytest.raises(AssociationError, match="Nothing listens on"):
        preflight(nobody, LocalIdentity("LIGHTBOX", 0), home, HELD)
    assert PeerFiles(home, nobody).last_report() is None


@pytest.mark.data
@pytest.mark.parametrize("kind", ["narrow", "lossy", "dcmqrscp"])
def test_sending_does_what_was_foretold(kind: str, data: Path, tmp_path: Path, home: Path) -> None:
    """One object of each encoding of the shared files: what is ok or transcode goes, what is blocked does not."""
    peer_servers.require("dcmqrscp" if kind == "dcmqrscp" else "storescp")
    with contextlib.ExitStack() as stack:
        library = stack.enter_context(Library.open(home))
        library.import_paths([data / "transfer-syntaxes", data / "overlays-seg", data / "other-objects"], link=True)
        held = library.encodings()
        assert len(held) > 30
        examples = one_of_each(library)
        profile = {
            "narrow": storescp_profile.STRICT,
            "lossy": {"VerificationSOPClass": ("LittleEndianImplicit",), "CTImageStorage": ("JPEG2000",)},
        }.get(kind)
        folder = tmp_path / kind
        folder.mkdir()
        if profile is None:
            server = stack.enter_context(peer_servers.start_dcmqrscp(folder / "d", own_port=peer_servers.free_port()))
        else:
            options = storescp_profile.write(folder / "profile.cfg", profile)
            server = stack.enter_context(peer_servers.start_storescp(folder, options=options))
        # dcmqrscp fails now and then over two associations that store at once
        peer = server.peer(kind, commitment="never", associations=1)
        report = preflight(peer, server.identity(), home, held)
        book = PeerBook(Settings(home))
        book.add(peer)
        queue = SendQueue(home, library, book, server.identity(), QueueSettings(first_delay_s=0.05, tries=2))
        stack.callback(queue.close)
        job = queue.enqueue(kind, examples.values(), commit=False)
        queue.start()
        assert queue.wait([job], timeout=60)
        became = {entry.sop_instance_uid: entry for entry in queue.objects(job, limit=len(examples))}
    verdict = {(row.pair.sop_class, row.pair.transfer_syntax): row for row in report.rows if row.pair.role == "scp"}
    wrong = []
    for pair, uid in examples.items():
        row, entry = verdict[pair], became[uid]
        foretold = row.verdict in (verdicts.OK, verdicts.TRANSCODE, verdicts.ACCEPTED_BUT_UNDECLARED)
        if foretold != (entry.state == "sent"):
            wrong.append((*map(vocabulary.full, pair), row.verdict, entry.state, entry.reason))
    assert not wrong
    sent = sum(entry.state == "sent" for entry in became.values())
    print(f"{kind}: {sent} of {len(examples)} kinds sent, as foretold")
    assert sent >= {"narrow": 10, "lossy": 1, "dcmqrscp": 30}[kind]
    assert kind == "dcmqrscp" or len(examples) - sent >= 10


def one_of_each(library: Library) -> dict[tuple[str, str], str]:
    """Return the SOP Instance UID of one object of each SOP class and transfer syntax."""
    found: dict[tuple[str, str], str] = {}
    for study in library.page_studies(limit=1000).rows:
        for series in library.series_of(study.study_instance_uid):
            for instance in library.instances_of(series.series_instance_uid):
                found.setdefault((instance.sop_class_uid, instance.transfer_syntax_uid), instance.sop_instance_uid)
    return found
