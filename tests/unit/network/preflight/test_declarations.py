from __future__ import annotations

import json
from pathlib import Path

import pytest

from lightbox.core.errors import LightboxError, NotFoundError, UsageError
from lightbox.network.peers import Peer
from lightbox.network.preflight import declaration_csv, declaration_json, services, store, vocabulary
from lightbox.network.preflight.declaration import Declaration
from lightbox.network.preflight.pairs import Pair

CT, MR, SC = "1.2.840.10008.5.1.4.1.1.2", "1.2.840.10008.5.1.4.1.1.4", "1.2.840.10008.5.1.4.1.1.7"
IMPLICIT, EXPLICIT = vocabulary.IMPLICIT_LE, vocabulary.EXPLICIT_LE
SV1, J2K_LOSSLESS, J2K = "1.2.840.10008.1.2.4.70", "1.2.840.10008.1.2.4.90", "1.2.840.10008.1.2.4.91"
PEER = Peer("archive", "PACS", "127.0.0.1", 104)


@pytest.mark.parametrize(
    ("text", "uid"),
    [
        ("LittleEndianImplicit", IMPLICIT),
        (["Implicit VR Little Endian", " Default Transfer Syntax for DICOM"][0], IMPLICIT),
        ("implicit vr little endian", IMPLICIT),
        (" 1.2.840.10008.1.2.1 ", EXPLICIT),
        ("Explicit VR Little Endian (1.2.840.10008.1.2.1)", EXPLICIT),
        ("JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1])", SV1),
        ("JPEGLossless:Non-hierarchical-1stOrderPrediction", SV1),
        ("JPEGLosslessSV1", SV1),
        ("JPEGLossless", "1.2.840.10008.1.2.4.57"),
        ("JPEG2000LosslessOnly", J2K_LOSSLESS),
        ("JPEG 2000 Image Compression", J2K),
        ("HEVCMain10Profile/Level5.1", "1.2.840.10008.1.2.4.108"),
    ],
)
def test_transfer_syntaxes_by_any_name(text: str, uid: str) -> None:
    assert vocabulary.syntax_uid(text) == uid


@pytest.mark.parametrize(
    ("text", "uid"),
    [
        ("CTImageStorage", CT),
        ("CT Image Storage", CT),
        ("CT Image", CT),
        ("VerificationSOPClass", services.VERIFICATION),
        ("FINDStudyRootQueryRetrieveInformationModel", services.STUDY_FIND),
        ("Study Root Query/Retrieve Information Model – GET", services.STUDY_GET),
        ("StorageCommitmentPushModelSOPClass", services.COMMITMENT),
        ("GrayscaleSoftcopyPresentationStateStorage", "1.2.840.10008.5.1.4.1.1.11.1"),
        ("Greyscale Softcopy Presentation State Storage", "1.2.840.10008.5.1.4.1.1.11.1"),
        ("RETIRED_UltrasoundImageStorage", "1.2.840.10008.5.1.4.1.1.6"),
        ("Label Map Segmentation Storage", "1.2.840.10008.5.1.4.1.1.66.7"),
        ("1.3.46.670589.11.0.0.12.1", "1.3.46.670589.11.0.0.12.1"),
    ],
)
def test_sop_classes_by_any_name(text: str, uid: str) -> None:
    assert vocabulary.sop_class_uid(text) == uid


def test_unknown_names_are_told_with_the_nearest() -> None:
    with pytest.raises(UsageError, match="Did you mean CT Image Storage"):
        vocabulary.sop_class_uid("CT Imag Storag")
    with pytest.raises(UsageError, match="It is: Implicit VR Little Endian"):
        vocabulary.sop_class_uid(IMPLICIT)
    with pytest.raises(UsageError, match="not known"):
        vocabulary.syntax_uid("quantum compression")


def test_every_probed_syntax_and_its_family() -> None:
    assert {vocabulary.family(s.uid) for s in vocabulary.SYNTAXES} == set(vocabulary.FAMILIES)
    assert vocabulary.lossless(J2K_LOSSLESS)
    assert not vocabulary.lossless(J2K)
    assert vocabulary.lossless("1.2.840.10008.1.2.8.1")
    assert vocabulary.syntax_uid("Deflated Image Frame Compression") == "1.2.840.10008.1.2.8.1"


def test_a_table_with_several_syntaxes_in_a_cell() -> None:
    text = """SOP Class;Transfer Syntaxes;Role
CT Image Storage;Explicit VR Little Endian, JPEG Lossless, Non-Hierarchical, First-Order Prediction (Process 14 [Selection Value 1]);SCP
MR Image Storage;1.2.840.10008.1.2 1.2.840.10008.1.2.1;SCU/SCP
"""  # noqa: E501
    pairs, problems = declaration_csv.read(text)
    assert problems == []
    assert pairs == [
        Pair(CT, EXPLICIT),
        Pair(CT, SV1),
        Pair(MR, IMPLICIT, "scp"),
        Pair(MR, EXPLICIT, "scp"),
        Pair(MR, IMPLICIT, "scu"),
        Pair(MR, EXPLICIT, "scu"),
    ]


def test_merged_cells_quotes_and_columns_of_the_standard() -> None:
    text = (
        "SOP Class Name,SOP Class UID,Transfer Syntax Name,Transfer Syntax UID,SCU,SCP\r\n"
        f"CT Image Storage,{CT},Implicit VR Little Endian,{IMPLICIT},No,Yes\r\n"
        f',,"JPEG 2000 Image Compression (Lossless Only)",{J2K_LOSSLESS},No,Yes\r\n'
        f"Our special CT,{MR},,{EXPLICIT},x,\r\n"
    )
    pairs, problems = declaration_csv.read(text)
    assert problems == []
    assert pairs == [Pair(CT, IMPLICIT), Pair(CT, J2K_LOSSLESS), Pair(MR, EXPLICIT, "scu")]


def test_a_cell_with_lines_and_a_pasted_table() -> None:
    pairs, _ = declaration_csv.read(f'sop_class,transfer_syntax\n{CT},"{IMPLICIT}\n{EXPLICIT}"\n')
    assert pairs == [Pair(CT, IMPLICIT), Pair(CT, EXPLICIT)]
    pairs, _ = declaration_csv.read(
        "| SOP class | Transfer syntax | Role |\n|---|---|---|\n| CTImageStorage | LittleEndianImplicit | SCP |\n"
    )
    assert pairs == [Pair(CT, IMPLICIT)]
    pairs, _ = declaration_csv.read(f"{CT},uncompressed\n")
    assert pairs == [Pair(CT, IMPLICIT), Pair(CT, EXPLICIT)]


def test_what_cannot_be_read_promises_nothing_and_is_told() -> None:
    text = (
        "SOP class,Transfer syntax,Role\n"
        f"{CT},Implicit VR Little Endian,SCP\n"
        f"{CT},Quantum,SCP\n"
        "Brain waves,Implicit VR Little Endian,SCP\n"
        ",Explicit VR Little Endian,SCP\n"
        f"{MR},Explicit VR Little Endian,peer\n"
        f"{SC},,SCP\n"
    )
    pairs, problems = declaration_csv.read(text)
    assert pairs == [Pair(CT, IMPLICIT), Pair(SC, IMPLICIT)]
    assert [problem.split(":")[0] for problem in problems] == ["line 3", "line 4", "line 5", "line 6", "line 7"]
    with pytest.raises(LightboxError, match="Nothing of the declaration"):
        declaration_csv.read("SOP class,Transfer syntax\nx,y\n")
    with pytest.raises(LightboxError, match="empty"):
        declaration_csv.read("\n\n")
    with pytest.raises(UsageError, match="lacks a column"):
        declaration_csv.read("SOP class,Colour\nCT,red\n")


def test_our_own_json_and_its_way_back() -> None:
    said = Declaration(
        (Pair(CT, IMPLICIT), Pair(CT, EXPLICIT), Pair(MR, IMPLICIT, "scu")), True, ("qido-rs",), "x", "d"
    )
    values = said.as_json()
    assert values["rows"][0]["transfer_syntaxes"] == [IMPLICIT, EXPLICIT]
    assert Declaration.from_json(values) == said
    assert declaration_json.read(json.dumps(values), "PACS") == said
    names = {"rows": [{"sop_class": "CTImageStorage", "transfer_syntax": "JPEG2000LosslessOnly", "role": "SCP"}]}
    assert declaration_json.read(json.dumps(names), "PACS").pairs == (Pair(CT, J2K_LOSSLESS),)


def annex_h(title: str) -> dict[str, object]:
    return {
        "dicomAETitle": title,
        "dicomTransferCapability": [
            {"dicomSOPClass": CT, "dicomTransferRole": "SCP", "dicomTransferSyntax": [IMPLICIT, EXPLICIT]},
            {"dicomSOPClass": MR, "dicomTransferRole": "SCU", "dicomTransferSyntax": IMPLICIT},
        ],
    }


def test_attributes_of_the_standard() -> None:
    device = {
        "dicomDeviceName": "pacs",
        "dicomNetworkConnection": [{"dicomPort": 2762, "dicomTLSCipherSuite": ["TLS_AES_128_GCM_SHA256"]}],
        "dicomNetworkAE": [{"dicomAETitle": "OTHER", "dicomTransferCapability": []}, annex_h("PACS")],
    }
    found = declaration_json.read(json.dumps(device), "PACS")
    assert found.pairs == (Pair(CT, IMPLICIT), Pair(CT, EXPLICIT), Pair(MR, IMPLICIT, "scu"))
    assert found.tls is True
    assert declaration_json.read(json.dumps(annex_h("ANY")), "PACS").pairs == found.pairs
    with pytest.raises(LightboxError, match="no AE THIRD"):
        declaration_json.read(json.dumps(device), "THIRD")
    with pytest.raises(LightboxError, match="not JSON"):
        declaration_json.read("{", "PACS")
    with pytest.raises(LightboxError, match="no known shape"):
        declaration_json.read("{}", "PACS")


def test_kept_for_each_peer_with_what_was_before(home: Path, tmp_path: Path) -> None:
    files = store.PeerFiles(home, PEER)
    assert files.declaration() is None
    path = tmp_path / "brochure.csv"
    path.write_text(f"sop class,transfer syntax\n{CT},{IMPLICIT}\n", encoding="utf-8-sig")
    said = store.read_declaration(path, PEER, who="Dr. Vendor")
    assert (said.source, said.who, said.pairs) == ("brochure.csv", "Dr. Vendor", (Pair(CT, IMPLICIT),))
    files.keep_declaration(said)
    assert store.PeerFiles(home, Peer("ARCHIVE", "X", "h", 1)).declaration() == said
    assert store.PeerFiles(home, Peer("archive 2", "X", "h", 1)).declaration() is None
    files.keep_declaration(Declaration((Pair(MR, IMPLICIT),)))
    kept = sorted((home / "network" / "declarations").iterdir())
    assert len(kept) == 2
    files.forget_declaration()
    assert files.declaration() is None
    (home / "network" / "declarations" / f"{store.folder_name('archive')}.json").write_text("{}")
    with pytest.raises(LightboxError, match="damaged"):
        files.declaration()


@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16", "cp1252"])
def test_files_of_spreadsheets(tmp_path: Path, encoding: str) -> None:
    path = tmp_path / "table.csv"
    path.write_bytes(f"SOP class;Transfer syntax;Größe\r\nCTImageStorage;{IMPLICIT};–\r\n".encode(encoding))
    assert store.read_declaration(path, PEER).pairs == (Pair(CT, IMPLICIT),)
    path.write_bytes(b"PK\x03\x04\x00\x00")
    with pytest.raises(LightboxError, match="no text"):
        store.read_declaration(path, PEER)
    with pytest.raises(LightboxError, match="cannot be read"):
        store.read_declaration(tmp_path / "missing.csv", PEER)


def test_names_of_peers_cannot_leave_the_folder(home: Path) -> None:
    name = store.folder_name("../../etc/passwd")
    assert "/" not in name
    assert ".." not in name
    assert store.folder_name("a/b") != store.folder_name("a.b")


def test_purposes_and_trusting_a_probe(home: Path) -> None:
    files = store.PeerFiles(home, PEER)
    assert files.purposes() == services.DEFAULT_PURPOSES
    files.keep_purposes(services.purposes(["query", "store"]))
    assert files.purposes() == ("store", "query")
    with pytest.raises(UsageError, match="cannot be for this"):
        services.purposes(["coffee"])
    with pytest.raises(NotFoundError):
        files.trust_last_probe()
    rows = [
        {"sop_class": CT, "transfer_syntax": IMPLICIT, "role": "scp", "observed": "accepted"},
        {"sop_class": CT, "transfer_syntax": EXPLICIT, "role": "scp", "observed": "refused"},
        {"sop_class": MR, "transfer_syntax": IMPLICIT, "role": "scu", "observed": "untested"},
    ]
    files.keep_report({"at": "2026-01-02T03:04:05Z", "rows": rows})
    trusted = files.trust_last_probe()
    assert trusted.pairs == (Pair(CT, IMPLICIT),)
    assert trusted.title() == "the last trusted probe of 2026-01-02"
    assert files.declaration() == trusted
