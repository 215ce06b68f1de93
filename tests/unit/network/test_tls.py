"""Our client against servers that are wrong in every way, and our server against such clients."""

from __future__ import annotations

import contextlib
import socket
import ssl
import subprocess
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from builders.certificates import Issued, require
from builders.fault_proxy import FaultProxy, proxy_context
from builders.pki import Pki
from builders.tls_servers import client_context, plain_server
from lightbox.network import tls
from lightbox.network.errors import AssociationError
from lightbox.network.identity import TlsSettings
from lightbox.network.peers import Peer


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> Pki:
    return Pki(tmp_path_factory.mktemp("pki"))


@pytest.fixture(scope="module")
def echo() -> Iterator[int]:
    with plain_server(None, echo=True) as port:
        yield port


def talk(port: int, settings: TlsSettings, host: str = "127.0.0.1") -> tls.TlsFacts:
    """Do what opening an association does: TLS, a first message, its answer."""
    peer = Peer("pacs", "PACS", host, port, tls=settings)
    sock = socket.create_connection(("127.0.0.1", port), 3)
    sock.settimeout(3)
    with contextlib.closing(tls.connect(sock, peer)) as secured:
        failure: OSError | None = None
        try:
            secured.sendall(b"hello")
            answer = secured.recv(100)
        except OSError as error:
            answer, failure = b"", error
        if not answer:
            late = tls.late_failure(failure, peer)
            assert late is not None
            raise late
        assert answer == b"hello"
        return tls.facts(secured)


def refusal(port: int, settings: TlsSettings, host: str = "127.0.0.1") -> AssociationError:
    with pytest.raises(AssociationError) as caught:
        talk(port, settings, host)
    assert caught.value.step == "TLS"
    assert caught.value.todo
    return caught.value


def server(echo: int, issued: Issued, authority: Path | None = None, **options: str) -> FaultProxy:
    return FaultProxy(echo, tls=proxy_context(issued.certificate, issued.key, authority=authority, **options))


# Our client


@pytest.mark.parametrize(("maximum", "version"), [("1.3", "TLSv1.3"), ("1.2", "TLSv1.2")])
def test_what_was_negotiated_is_told(pki: Pki, echo: int, maximum: str, version: str) -> None:
    with server(echo, pki.server, pki.ca, maximum=maximum) as proxy:
        facts = talk(proxy.port, pki.settings(pki.client))
    assert facts.version == version
    assert "GCM" in facts.suite
    assert (facts.subject, facts.issuer) == ("archive", "Hospital CA (Test Hospital)")
    assert facts.fingerprint == pki.server.fingerprint
    assert facts.days_left in (299, 300)
    assert not facts.ends_soon
    assert facts.as_dict()["not_after"] == facts.not_after


@pytest.mark.parametrize("ask", ["required", "none"])
@pytest.mark.parametrize("maximum", ["1.2", "1.3"])
def test_wrong_authority(pki: Pki, echo: int, maximum: str, ask: str) -> None:
    with server(echo, pki.stranger, pki.ca if ask == "required" else None, maximum=maximum) as proxy:
        error = refusal(proxy.port, pki.settings())
    assert error.code == "tls.untrusted"
    assert "issuer: Foreign CA (Test Hospital)" in error.why
    assert "--ca" in error.todo


def test_the_authorities_of_the_system_do_not_help_when_our_own_are_given(pki: Pki, echo: int) -> None:
    with server(echo, pki.server) as proxy:
        assert refusal(proxy.port, TlsSettings()).code == "tls.untrusted"
        talk(proxy.port, pki.settings())
    context = tls.client_context(pki.settings())
    assert [dict(pair for [pair] in entry["subject"])["commonName"] for entry in context.get_ca_certs()] == [
        "Hospital CA"
    ]


def test_expired(pki: Pki, echo: int) -> None:
    with server(echo, pki.expired) as proxy:
        error = refusal(proxy.port, pki.settings())
    assert error.code == "tls.expired"
    assert "It ended on 20" in error.why


def test_not_valid_yet(pki: Pki, echo: int) -> None:
    with server(echo, pki.early) as proxy:
        error = refusal(proxy.port, pki.settings())
    assert error.code == "tls.not-yet-valid"
    assert "clock" in error.todo


def test_wrong_host_name(pki: Pki, echo: int) -> None:
    with server(echo, pki.elsewhere) as proxy:
        error = refusal(proxy.port, pki.settings())
        assert error.code == "tls.host-name"
        assert "127.0.0.1" in error.what
        assert "pacs.example.org" in error.why
        assert "--no-host-check" in error.todo
        assert refusal(proxy.port, pki.settings(), "localhost").code == "tls.host-name"
        talk(proxy.port, pki.settings(check_host=False))


@pytest.mark.parametrize("maximum", ["1.2", "1.3"])
def test_no_client_certificate(pki: Pki, echo: int, maximum: str) -> None:
    with server(echo, pki.server, pki.ca, maximum=maximum) as proxy:
        error = refusal(proxy.port, pki.settings())
        assert error.code == "tls.client-certificate-demanded"
        assert error.what == "PACS demands a client certificate"
        assert "--cert FILE --key FILE" in error.todo
        talk(proxy.port, pki.settings(pki.client))


@pytest.mark.parametrize("maximum", ["1.2", "1.3"])
def test_a_client_certificate_that_the_peer_does_not_trust(pki: Pki, echo: int, maximum: str) -> None:
    with server(echo, pki.server, pki.ca, maximum=maximum) as proxy:
        error = refusal(proxy.port, pki.settings(pki.stranger))
        assert error.code == "tls.our-certificate-refused"
        assert "not trusted there" in error.why
        assert "stranger, issuer: Foreign CA (Test Hospital)" in error.why
        assert refusal(proxy.port, pki.settings(pki.expired)).code == "tls.our-certificate-refused"


def test_an_optional_client_certificate_may_be_missing(pki: Pki, echo: int) -> None:
    with server(echo, pki.server, pki.ca, ask="optional") as proxy:
        talk(proxy.port, pki.settings())


@pytest.mark.parametrize("ask", ["required", "none"])
@pytest.mark.parametrize("maximum", ["1.0", "1.1"])
def test_old_versions(pki: Pki, echo: int, maximum: str, ask: str) -> None:
    with server(echo, pki.server, pki.ca if ask == "required" else None, maximum=maximum) as proxy:
        error = refusal(proxy.port, pki.settings())
    assert error.code == "tls.old-version"
    assert error.what == f"PACS offers only TLS {maximum}"


def test_our_own_minimum(pki: Pki, echo: int) -> None:
    with server(echo, pki.server, maximum="1.2") as proxy:
        error = refusal(proxy.port, pki.settings(minimum_version="1.3"))
    assert error.what == "PACS offers only TLS 1.2"
    assert "--tls-min 1.2" in error.todo


def test_nothing_below_the_floor_can_be_set() -> None:
    from lightbox.core.errors import UsageError

    with pytest.raises(UsageError):
        TlsSettings(minimum_version="1.1")


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (b"\x07\0\0\0\0\x04\0\0\x02\0", "tls.plaintext"),
        (b"\x03\0\0\0\0\x04\0\x01\x01\x03", "tls.plaintext"),
        (b"SSH-2.0-OpenSSH_9.2\r\n", "tls.plaintext"),
        (b"HTTP/1.1 400 Bad Request\r\n\r\n", "tls.http"),
        (b"", "tls.closed"),
        (None, "tls.timeout"),
        (b"\x15\x03\x03\0\x02\x02\x46", "tls.old-version"),
        (b"\x15\x03\x03\0\x02\x02\x28", "tls.no-common-suite"),
    ],
)
def test_peers_that_do_not_speak_tls_or_not_with_us(pki: Pki, reply: bytes | None, code: str) -> None:
    with plain_server(reply) as port:
        peer = Peer("pacs", "PACS", "127.0.0.1", port, tls=pki.settings())
        sock = socket.create_connection(("127.0.0.1", port))
        sock.settimeout(0.5)
        with pytest.raises(AssociationError) as caught:
            tls.connect(sock, peer)
    assert caught.value.code == code
    assert sock.fileno() == -1


def test_any_bytes_are_answered_with_words(pki: Pki) -> None:
    import random

    source = random.Random(5)
    heads = [
        b"",
        b"\x16\x03\x03",
        b"\x15\x03\x03\0\x02",
        b"\x16\x03\x03\0\x30\x02\0\0\x2c\x03\x03",
        b"\x14\x03\x03\0\x01",
    ]
    for number in range(40):
        reply = heads[number % len(heads)] + source.randbytes(source.randrange(1, 300))
        with plain_server(reply) as port:
            peer = Peer("pacs", "PACS", "127.0.0.1", port, tls=pki.settings())
            sock = socket.create_connection(("127.0.0.1", port))
            sock.settimeout(0.5)
            with pytest.raises(AssociationError) as caught:
                tls.connect(sock, peer)
        assert caught.value.step == "TLS"
        assert caught.value.todo, reply


def test_no_common_suite(pki: Pki, echo: int) -> None:
    context = proxy_context(pki.server.certificate, pki.server.key, maximum="1.2")
    context.set_ciphers("ECDHE-ECDSA-AES256-SHA384")
    with FaultProxy(echo, tls=context) as proxy:
        error = refusal(proxy.port, pki.settings())
    assert error.code == "tls.no-common-suite"
    assert "ECDHE-ECDSA-AES256-SHA384" in error.why


def test_pinned(pki: Pki, echo: int) -> None:
    colons = ":".join(pki.server.fingerprint[i : i + 2] for i in range(0, 64, 2)).upper()
    with server(echo, pki.server) as proxy:
        talk(proxy.port, pki.settings(pin_sha256=colons))
        error = refusal(proxy.port, pki.settings(pin_sha256=pki.client.fingerprint))
    assert error.code == "tls.pin"
    assert pki.server.fingerprint in error.why


def test_suites_of_the_profiles() -> None:
    def suites(profile: str) -> set[str]:
        found = tls.client_context(TlsSettings(profile=profile)).get_ciphers()
        return {entry["name"] for entry in found if entry["protocol"] != "TLSv1.3"}

    assert suites("bcp195") == set(tls.SUITES["bcp195"])
    assert suites("bcp195-modified") == set(tls.SUITES["bcp195-modified"])
    assert all(
        "ECDHE" in name and ("GCM" in name or "CCM" in name or "CHACHA" in name) for name in suites("bcp195-modified")
    )


# Our own files


def own(settings: TlsSettings) -> AssociationError:
    with pytest.raises(AssociationError) as caught:
        tls.client_context(settings)
    assert (caught.value.step, caught.value.code) == ("TLS", "tls.settings")
    assert caught.value.todo
    return caught.value


def test_own_files_that_cannot_be_used(pki: Pki, tmp_path: Path) -> None:
    text = tmp_path / "text"
    text.write_text("nothing")
    certificate, key = str(pki.client.certificate), str(pki.client.key)
    for changes, what in (
        ({"ca_file": str(tmp_path / "none")}, "authorities cannot be read"),
        ({"ca_file": str(text)}, "authorities holds none"),
        ({"certificate_file": str(tmp_path / "none"), "key_file": key}, "certificate file cannot be read"),
        ({"certificate_file": certificate, "key_file": str(tmp_path / "none")}, "key file cannot be read"),
        ({"certificate_file": str(text), "key_file": key}, "certificate cannot be read"),
        ({"certificate_file": certificate, "key_file": str(text)}, "key cannot be read"),
        ({"certificate_file": certificate, "key_file": str(pki.server.key)}, "does not belong to our certificate"),
    ):
        error = own(pki.settings(**changes))
        assert what in error.what, error
        assert error.where


def test_an_encrypted_key_is_not_asked_for_at_the_terminal(pki: Pki, tmp_path: Path) -> None:
    key = tmp_path / "encrypted.key"
    command = [
        require(),
        "pkey",
        "-in",
        str(pki.client.key),
        "-aes256",
        "-passout",
        "pass:a-long-one",
        "-out",
        str(key),
    ]
    subprocess.run(command, check=True, capture_output=True, timeout=30)
    error = own(pki.settings(certificate_file=str(pki.client.certificate), key_file=str(key)))
    assert error.what == "Our private key is encrypted"


def test_a_weak_certificate_of_ours(pki: Pki, tmp_path: Path) -> None:
    certificate, key = tmp_path / "weak.crt", tmp_path / "weak.key"
    command = [require(), "req", "-x509", "-newkey", "rsa:1024", "-nodes", "-subj", "/CN=weak", "-days", "9"]
    subprocess.run(
        [*command, "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True, timeout=30
    )
    assert own(pki.settings(certificate_file=str(certificate), key_file=str(key))).what == "Our certificate is too weak"


def test_renewed_files_are_used_at_once(pki: Pki, echo: int, tmp_path: Path) -> None:
    import os

    ca = tmp_path / "ca.crt"
    ca.write_bytes(pki.foreign.certificate.read_bytes())
    with server(echo, pki.server) as proxy:
        assert refusal(proxy.port, TlsSettings(str(ca))).code == "tls.untrusted"
        ca.write_bytes(pki.ca.read_bytes())
        os.utime(ca, ns=(1, 1))
        talk(proxy.port, TlsSettings(str(ca)))


# Our server


def call(
    settings: TlsSettings, context: ssl.SSLContext | None, raw: bytes = b""
) -> tuple[tls.TlsFacts | AssociationError, str]:
    """Let a client call our port; returns what we made of it, and what the client met."""
    listener = socket.create_server(("127.0.0.1", 0))
    met: list[str] = []

    def client() -> None:
        with socket.create_connection(listener.getsockname(), 5) as sock:
            try:
                if context is None:
                    sock.sendall(raw)
                    met.append(repr(sock.recv(100)))
                    return
                with context.wrap_socket(sock, server_hostname="localhost") as secured:
                    secured.sendall(b"x" * 4000)
                    met.append(repr(secured.recv(100)))
            except OSError as error:
                met.append(getattr(error, "reason", "") or type(error).__name__)

    thread = threading.Thread(target=client, daemon=True)
    thread.start()
    accepted, _ = listener.accept()
    accepted.settimeout(1.5 if raw or context else 0.3)
    found: tls.TlsFacts | AssociationError
    try:
        with tls.accept(accepted, tls.server_context(settings)) as secured:
            found = tls.facts(secured)
            secured.recv(4000)
            secured.sendall(b"welcome")
            with contextlib.suppress(OSError):
                secured.unwrap()
    except AssociationError as error:
        found = error
        assert accepted.fileno() == -1
    thread.join(10)
    listener.close()
    return found, met[0]


@pytest.mark.parametrize("maximum", ["1.2", "1.3"])
def test_our_server_knows_who_calls(pki: Pki, maximum: str) -> None:
    found, met = call(pki.settings(pki.server), client_context(pki.ca, pki.client, maximum=maximum))
    assert isinstance(found, tls.TlsFacts)
    assert (found.version, found.subject) == (f"TLSv{maximum}", "lightbox")
    assert met == "b'welcome'"


@pytest.mark.parametrize(
    ("who", "maximum", "code", "what", "met"),
    [
        ("nobody", "1.3", "tls.no-client-certificate", "no client certificate", "TLSV13_ALERT_CERTIFICATE_REQUIRED"),
        ("nobody", "1.2", "tls.no-client-certificate", "no client certificate", "SSLV3_ALERT_HANDSHAKE_FAILURE"),
        ("stranger", "1.3", "tls.untrusted", "not from a trusted authority", "TLSV1_ALERT_UNKNOWN_CA"),
        ("stranger", "1.2", "tls.untrusted", "not from a trusted authority", "TLSV1_ALERT_UNKNOWN_CA"),
        ("expired", "1.3", "tls.expired", "has expired", "SSLV3_ALERT_CERTIFICATE_EXPIRED"),
        ("early", "1.3", "tls.not-yet-valid", "not valid yet", "SSLV3_ALERT_BAD_CERTIFICATE"),
        ("client", "1.1", "tls.old-version", "below our minimum", "TLSV1_ALERT_PROTOCOL_VERSION"),
    ],
)
def test_our_server_refuses(pki: Pki, who: str, maximum: str, code: str, what: str, met: str) -> None:
    issued = None if who == "nobody" else getattr(pki, who)
    found, client = call(pki.settings(pki.server), client_context(pki.ca, issued, maximum=maximum))
    assert isinstance(found, AssociationError)
    assert (found.step, found.code) == ("TLS", code)
    assert what in found.what
    assert found.where == "127.0.0.1"
    assert client == met  # the caller was told, not just cut off


def test_our_server_with_an_optional_certificate(pki: Pki) -> None:
    settings = pki.settings(pki.server, client_certificate="optional")
    found, _ = call(settings, client_context(pki.ca))
    assert isinstance(found, tls.TlsFacts)
    assert found.subject == ""
    found, _ = call(settings, client_context(pki.ca, pki.stranger))
    assert isinstance(found, AssociationError)
    assert found.code == "tls.untrusted"


@pytest.mark.parametrize(("which", "met"), [("expired", "expired"), ("elsewhere", "name"), ("stranger", "authority")])
def test_our_server_says_when_its_own_certificate_is_refused(pki: Pki, which: str, met: str) -> None:
    found, client = call(pki.settings(getattr(pki, which)), client_context(pki.ca, pki.client))
    assert isinstance(found, AssociationError)
    assert found.code in ("tls.our-certificate-refused", "tls.closed")
    assert client == "CERTIFICATE_VERIFY_FAILED"
    assert "trust the authority that issued our certificate, and call us by a name in it" in found.todo


@pytest.mark.parametrize(
    ("raw", "code", "why"),
    [
        (b"\x01\0\0\0\0\xd0\0\x01" + bytes(200), "tls.plaintext", "plaintext DICOM association request"),
        (b"GET / HTTP/1.1\r\n\r\n", "tls.plaintext", "HTTP request"),
        (b"\x80\x2e\x01\0\x02", "tls.plaintext", "not TLS"),
        (b"\x16\x03\x01", "tls.timeout", ""),
        (b"\x16\x03\x01\0\x05hello", "tls.failed", "OpenSSL"),
        (b"\x16" + bytes(range(256)) * 40, "tls.plaintext", ""),
        (b"", "tls.timeout", ""),
    ],
)
def test_plaintext_on_our_tls_port(pki: Pki, raw: bytes, code: str, why: str) -> None:
    found, met = call(pki.settings(pki.server), None, raw)
    assert isinstance(found, AssociationError)
    assert found.code == code
    assert why in found.why
    # Nothing but a TLS alert, if anything, is ever answered
    assert met in ("b''", "ConnectionResetError") or met.startswith("b'\\x15\\x03")


def test_our_port_needs_a_certificate_and_someone_to_trust(pki: Pki) -> None:
    for settings, option in (
        (pki.settings(), "--tls-cert"),
        (TlsSettings("", str(pki.server.certificate), str(pki.server.key)), "--tls-ca"),
    ):
        with pytest.raises(AssociationError) as caught:
            tls.server_context(settings)
        assert option in caught.value.todo
