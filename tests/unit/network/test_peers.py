from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest

from builders.pki import Pki
from lightbox.cli.main import run
from lightbox.cli.peer_options import rate
from lightbox.core.errors import LightboxError, NotFoundError, UsageError
from lightbox.core.settings import Settings
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity, TlsSettings
from lightbox.network.peers import Peer, PeerBook, WebSettings, check_plaintext, is_loopback, own_identity

FAR = "10.1.2.3"


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


def full() -> Peer:
    return Peer(
        "pacs",
        "PACS",
        FAR,
        2762,
        "DEST",
        own_ae="READER",
        own_port=11113,
        tls=TlsSettings("ca.pem", "me.pem", "me.key", "1.3", "bcp195-modified", False, "ab" * 32),
        web=WebSettings("https://pacs/dicom-web", "basic", "me", TlsSettings("web.pem")),
        associations=4,
        bandwidth_limit=1_000_000,
        commitment="always",
    )


def test_kept_with_everything(home: Path) -> None:
    book = PeerBook(Settings(home))
    book.add(full())
    assert PeerBook(Settings(home)).all() == [full()]
    assert Peer.from_json({**full().as_json(), "colour": "red"}) == full()


def test_who_we_are_towards_a_peer() -> None:
    found = own_identity(full(), LocalIdentity("LIGHTBOX", 11112))
    assert (found.ae_title, found.port) == ("READER", 11113)
    assert own_identity(Peer("x", "X", "localhost", 104), found) == found


def test_every_association_has_the_title_for_its_peer() -> None:
    from lightbox.network.echo import echo
    from lightbox.network.wire.negotiation import accept_by
    from lightbox.network.wire.server import Event, Server

    events: list[Event] = []
    server = Server(
        ("127.0.0.1", 0),
        LocalIdentity("PACS", 0, "127.0.0.1"),
        negotiate=lambda asked: accept_by(asked, lambda proposed: proposed.transfer_syntaxes[0]),
        log=events.append,
    )
    server.start()
    try:
        peer = Peer("pacs", "PACS", "127.0.0.1", server.port)
        assert echo(peer, LocalIdentity("LIGHTBOX")).ok
        assert echo(replace(peer, own_ae="READER"), LocalIdentity("LIGHTBOX")).ok
    finally:
        server.stop()
    assert [event.calling_ae for event in events if event.kind == "opened"] == ["LIGHTBOX", "READER"]


@pytest.mark.parametrize(
    ("host", "here"),
    [
        ("localhost", True),
        ("LOCALHOST", True),
        ("127.0.0.1", True),
        ("127.8.8.8", True),
        ("::1", True),
        ("[::1]", True),
        (FAR, False),
        ("0.0.0.0", False),
        ("pacs.example.org", False),
        ("localhost.example.org", False),
    ],
)
def test_plaintext_to_another_computer_needs_a_reason(home: Path, host: str, here: bool) -> None:
    assert is_loopback(host) is here
    peer = Peer("pacs", "PACS", host, 104)
    assert peer.needs_reason is not here
    book = PeerBook(Settings(home))
    if here:
        check_plaintext(peer)
        book.add(peer)
        return
    with pytest.raises(UsageError, match="Without TLS"):
        book.add(peer)
    with pytest.raises(AssociationError) as caught:
        check_plaintext(peer)
    assert (caught.value.step, caught.value.code) == ("settings", "peer.plaintext")
    assert "--plaintext-reason" in caught.value.todo
    assert book.all() == []
    for allowed in (
        Peer("a", "PACS", host, 104, plaintext_reason="a modality of 1998"),
        Peer("b", "PACS", host, 104, tls=TlsSettings()),
    ):
        check_plaintext(allowed)
        book.add(allowed)
    assert Peer("c", "PACS", host, 104, plaintext_reason="   ").needs_reason


def test_a_web_address_without_tls_needs_a_reason_too() -> None:
    for url, needed in ((f"http://{FAR}/x", True), ("http://localhost:8042/x", False), (f"https://{FAR}/x", False)):
        assert Peer("p", "PACS", "localhost", 104, web=WebSettings(url)).needs_reason is needed


def test_a_peer_of_older_settings_is_kept_and_told_about(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    Settings(home).set("network.peers", [{"name": "old", "ae_title": "OLD", "host": FAR, "port": 104}])
    assert run(["peers", "list"]) == 0
    assert "old has neither TLS nor a stated reason" in capsys.readouterr().err
    assert run(["echo", "old"]) == 1
    assert "--plaintext-reason" in capsys.readouterr().err
    assert run(["find", "old", "--PatientID", "x"]) == 1
    assert "--plaintext-reason" in capsys.readouterr().err
    assert run(["peers", "edit", "old", "--plaintext-reason", "own cable between the two"]) == 0
    assert not PeerBook(Settings(home)).get("old").needs_reason


def test_changed_and_renamed_in_its_place(home: Path) -> None:
    book = PeerBook(Settings(home))
    for name in ("one", "two", "three"):
        book.add(Peer(name, name.upper(), "localhost", 104))
    book.change("TWO", Peer("zwei", "ZWEI", "localhost", 105))
    assert [peer.name for peer in book.all()] == ["one", "zwei", "three"]
    book.change("zwei", Peer("Zwei", "ZWEI", "localhost", 106))
    assert [(peer.name, peer.port) for peer in book.all()] == [("one", 104), ("Zwei", 106), ("three", 104)]
    with pytest.raises(LightboxError, match="already a peer"):
        book.change("one", Peer("three", "X", "localhost", 104))
    with pytest.raises(NotFoundError):
        book.change("nobody", Peer("x", "X", "localhost", 104))
    assert [peer.name for peer in book.all()] == ["one", "Zwei", "three"]


@pytest.mark.parametrize(
    "changes",
    [
        {"commitment": "often"},
        {"own_ae": "SEVENTEEN_LETTERS"},
        {"own_port": 70_000},
        {"associations": 0},
        {"bandwidth_limit": -1},
        {"port": 0},
    ],
)
def test_values_that_make_no_sense_are_refused(changes: dict) -> None:
    with pytest.raises(UsageError):
        Peer(**{"name": "x", "ae_title": "X", "host": "localhost", "port": 104, **changes})


@pytest.mark.parametrize(
    ("text", "value"), [("0", 0), ("500kB", 500_000), ("10 MB/s", 10_000_000), ("1.5m", 1_500_000), ("2000", 2000)]
)
def test_rates(text: str, value: int) -> None:
    assert rate(text) == value


@pytest.mark.parametrize("text", ["", "fast", "10 parsec", "-5"])
def test_rates_that_are_none(text: str) -> None:
    with pytest.raises(UsageError):
        rate(text)


# Command line


def listed(capsys: pytest.CaptureFixture[str]) -> list[dict]:
    capsys.readouterr()
    assert run(["peers", "list", "--json"]) == 0
    return json.loads(capsys.readouterr().out)


def test_every_option(home: Path, pki: Pki, capsys: pytest.CaptureFixture[str]) -> None:
    arguments = ["peers", "add", "pacs", "--ae", "PACS", "--host", FAR, "--port", "2762", "--own-ae", "READER"]
    arguments += ["--own-port", "11113", "--move-destination", "DEST", "--tls", "--ca", str(pki.ca)]
    arguments += ["--cert", str(pki.client.certificate), "--key", str(pki.client.key), "--tls-min", "1.3"]
    arguments += ["--pin", "AB:" * 31 + "AB", "--no-host-check", "--dicomweb", "https://pacs/dicom-web/", "--web-store"]
    arguments += ["--associations", "4", "--bandwidth", "1MB", "--commitment", "always"]
    assert run(arguments) == 0, capsys.readouterr().err
    [entry] = listed(capsys)
    assert entry["tls"] == {
        "ca_file": str(pki.ca),
        "certificate_file": str(pki.client.certificate),
        "key_file": str(pki.client.key),
        "minimum_version": "1.3",
        "profile": "bcp195",
        "check_host": False,
        "pin_sha256": "ab" * 32,
        "client_certificate": "required",
    }
    assert (entry["web"]["url"], entry["web"]["secret"]) == ("https://pacs/dicom-web", False)
    assert entry["web"]["store"] is True
    assert (entry["own_ae"], entry["own_port"], entry["move_destination"]) == ("READER", 11113, "DEST")
    assert (entry["associations"], entry["bandwidth_limit"], entry["commitment"]) == (4, 1_000_000, "always")

    assert run(["peers", "edit", "pacs", "--host-check", "--pin", "", "--dicomweb", "", "--port", "104"]) == 0
    [entry] = listed(capsys)
    assert entry["tls"]["check_host"] is True
    assert entry["tls"]["pin_sha256"] == ""
    assert entry["tls"]["key_file"] == str(pki.client.key)
    assert "web" not in entry
    assert entry["port"] == 104

    assert run(["peers", "edit", "pacs", "--no-tls"]) == 2
    assert "state why" in capsys.readouterr().err
    assert listed(capsys)[0]["tls"]
    assert run(["peers", "edit", "pacs", "--no-tls", "--plaintext-reason", "test"]) == 0
    assert "tls" not in listed(capsys)[0]


def test_old_form_and_mixed_form(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["peers", "add", "a", "PACS", "localhost", "104"]) == 0
    assert run(["peers", "add", "b", "PACS", "localhost", "--port", "104"]) == 0
    for arguments in (["c", "PACS", "localhost"], ["d", "PACS", "localhost", "104", "--ae", "X"], ["e"]):
        assert run(["peers", "add", *arguments]) == 2
        assert "--" in capsys.readouterr().err
    assert [entry["name"] for entry in listed(capsys)] == ["a", "b"]


def test_the_web_service_may_trust_others(home: Path, pki: Pki, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["peers", "add", "pacs", "PACS", "localhost", "104", "--dicomweb", "https://localhost/x"]
    assert run([*add, "--web-ca", str(pki.ca), "--web-cert", str(pki.client.both)]) == 0
    [entry] = listed(capsys)
    assert "tls" not in entry
    assert entry["web"]["tls"]["ca_file"] == str(pki.ca)
    assert entry["web"]["tls"]["key_file"] == str(pki.client.both)
    assert run(["peers", "edit", "pacs", "--web-ca", str(pki.client.key)]) == 1
    assert "holds none" in capsys.readouterr().err
    assert run(["peers", "edit", "pacs", "--web-user", "me"]) == 0
    assert listed(capsys)[0]["web"]["tls"]["ca_file"] == str(pki.ca)


def test_files_are_tried_when_they_are_given(home: Path, pki: Pki, capsys: pytest.CaptureFixture[str]) -> None:
    add = ["peers", "add", "pacs", "PACS", FAR, "2762", "--ca", str(pki.ca), "--cert", str(pki.client.certificate)]
    assert run([*add, "--key", str(pki.server.key)]) == 1
    assert "does not belong to our certificate" in capsys.readouterr().err
    assert listed(capsys) == []
    assert run(["peers", "add", "pacs", "PACS", FAR, "104", "--ca", "/no/such/file"]) == 2


def test_identity_with_tls(home: Path, pki: Pki, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(["identity", "--tls-port", "2762"]) == 1
    assert "--tls-cert" in capsys.readouterr().err
    files = ["--tls-cert", str(pki.server.certificate), "--tls-key", str(pki.server.key)]
    assert run(["identity", "--tls-port", "2762", *files]) == 1
    assert "--tls-ca" in capsys.readouterr().err
    assert LocalIdentity.of(Settings(home)).tls_port == 0
    assert run(["identity", "--tls-port", "2762", *files, "--tls-ca", str(pki.ca)]) == 0
    assert run(["identity", "--client-certificate", "optional", "--json"]) == 0
    shown = json.loads(capsys.readouterr().out.partition("\n")[2])
    assert shown["tls_port"] == 2762
    assert shown["tls"]["client_certificate"] == "optional"
    assert shown["tls"]["ca_file"] == str(pki.ca)
    assert run(["identity", "--tls-port", "11112"]) == 2
