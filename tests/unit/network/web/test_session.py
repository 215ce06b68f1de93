"""What the service answers, and what goes out: media types, credentials, redirections, limits, failures in words."""

from __future__ import annotations

import base64
import logging
import socket
import ssl
from collections.abc import Callable, Iterator
from pathlib import Path
from threading import Thread

import pytest

from builders import certificates, web_server
from builders.peer_servers import free_port
from builders.web_server import Reply, Request, json_reply, serving
from lightbox.core.errors import Cancelled, UsageError
from lightbox.core.jobs import CancelToken
from lightbox.core.settings import Settings
from lightbox.network.identity import LocalIdentity, TlsSettings
from lightbox.network.peers import Peer, WebSettings
from lightbox.network.web import accept
from lightbox.network.web.errors import WebError
from lightbox.network.web.qido import WebFinder
from lightbox.network.web.service import WebService

Connect = Callable[..., WebService]
ROW = {"0020000D": {"vr": "UI", "Value": ["1.2"]}}


def studies(service: WebService) -> list[dict[str, str]]:
    return list(WebFinder(service).find("study", {}))


@pytest.mark.parametrize("refusal", sorted(accept.REFUSALS))
def test_other_media_types_are_tried_and_what_worked_is_remembered(connect: Connect, home: Path, refusal: int) -> None:
    only = "application/json"
    with serving(lambda request: json_reply([ROW]) if request.accept == only else Reply(refusal)) as server:
        assert studies(connect(server.url)) == [{"StudyInstanceUID": "1.2"}]
        asked = [request.accept for request in server.requests]
        assert asked[-1] == only
        assert len(asked) > 1
        assert Settings(home).get(accept.MEMORY)["archive"]["search"] == only
        server.requests.clear()
        assert studies(connect(server.url))  # another service of the same peer, as after a restart
        assert {request.accept for request in server.requests} == {only}


def test_all_media_types_refused_names_them(connect: Connect) -> None:
    with serving(lambda request: Reply(406)) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    assert caught.value.status == 406
    assert "application/dicom+json" in caught.value.why
    assert "*/*" in caught.value.why
    assert not caught.value.transient


@pytest.mark.parametrize(
    ("status", "transient", "word"),
    [
        (400, False, "does not understand"),
        (401, False, "sign in"),
        (403, False, "not allowed"),
        (404, False, "nothing at this address"),
        (405, False, "does not offer"),
        (408, True, "waited too long"),
        (409, False, "same identifiers"),
        (413, False, "does not take this much"),
        (429, True, "too often"),
        (500, False, "error of its own"),
        (501, False, "does not offer"),
        (502, True, "behind it"),
        (503, True, "busy"),
        (504, True, "in time"),
        (507, False, "full"),
        (418, False, "refuses"),
        (599, False, "error of its own"),
    ],
)
def test_status_codes_in_words(connect: Connect, status: int, transient: bool, word: str) -> None:
    reply = Reply(status, b"because\tof\nreasons", {"Retry-After": "17", "Content-Type": "text/plain"})
    with serving(lambda request: reply) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    error = caught.value
    assert (error.status, error.transient, error.retry_after) == (status, transient, 17.0)
    assert word in str(error)
    assert f"HTTP {status}" in str(error)
    assert "because of reasons" in str(error)
    assert error.todo


@pytest.mark.parametrize(
    ("body", "kind", "shown"),
    [
        (b'{"Details": "no such thing"}', "application/json", "no such thing"),
        (b'{"Details": "no such thing"}', "", "no such thing"),
        (b"<html>secret markup</html>", "text/html", ""),
        (b'["list"]', "application/json", ""),
        (b"x" * 1_000_000, "text/plain", ""),
        (b"long " * 200, "text/plain", "long long"),
    ],
)
def test_what_the_server_says_is_shown_if_it_is_plain(connect: Connect, body: bytes, kind: str, shown: str) -> None:
    reply = Reply(403, body, {"Content-Type": kind} if kind else {})
    with serving(lambda request: reply) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    assert shown in str(caught.value)
    assert "markup" not in str(caught.value)
    assert len(str(caught.value)) < 600


def test_basic_authentication(connect: Connect) -> None:
    with serving(lambda request: json_reply([ROW])) as server:
        studies(connect(server.url, authentication="basic", user="tester", secret="pässword: 1"))
    expected = base64.b64encode("tester:pässword: 1".encode()).decode()
    assert server.requests[0].headers["authorization"] == f"Basic {expected}"


def test_bearer_authentication(connect: Connect) -> None:
    with serving(lambda request: json_reply([ROW])) as server:
        studies(connect(server.url, authentication="bearer", secret="token-1\n"))
    assert server.requests[0].headers["authorization"] == "Bearer token-1"


@pytest.mark.parametrize("secret", ["", "two\nlines", "schlüssel"])
def test_a_missing_or_impossible_secret_is_said_without_showing_it(connect: Connect, secret: str) -> None:
    with pytest.raises(WebError) as caught:
        connect("http://127.0.0.1:9/x", authentication="bearer", secret=secret)
    assert caught.value.code == "web.no-secret"
    assert not secret or secret not in str(caught.value)


def test_no_credentials_without_authentication(connect: Connect) -> None:
    with serving(lambda request: json_reply([ROW])) as server:
        studies(connect(server.url, secret="kept but not used"))
    assert "authorization" not in server.requests[0].headers


def test_a_redirection_within_the_service_is_followed(connect: Connect) -> None:
    def answer(request: Request) -> Reply:
        if request.path == "/moved/studies":
            return json_reply([ROW])
        return Reply(302, headers={"Location": f"/moved/studies?{request.value('limit') and 'limit=1'}"})

    with serving(answer) as server:
        assert studies(connect(server.url, authentication="bearer", secret="token"))
        assert server.requests[-1].path == "/moved/studies"
        assert server.requests[-1].headers["authorization"] == "Bearer token"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_nothing_goes_to_another_host(connect: Connect, status: int) -> None:
    with serving(lambda request: json_reply([ROW])) as other:

        def answer(request: Request) -> Reply:
            return Reply(status, headers={"Location": f"{other.url}/studies?PatientID=42"})

        with serving(answer) as server, pytest.raises(WebError) as caught:
            studies(connect(server.url, authentication="basic", user="u", secret="pw"))
        assert other.requests == []
        assert other.connections == 0
    assert caught.value.code == "web.redirected"
    assert str(other.server_address[1]) in str(caught.value)
    assert "42" not in caught.value.why.replace(str(other.server_address[1]), "")


def test_a_redirection_to_plaintext_is_not_followed(connect: Connect, tmp_path: Path) -> None:
    authority = certificates.Authority(tmp_path / "pki")
    issued = authority.issue("archive")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with serving(lambda request: json_reply([ROW])) as plain:
        moved = Reply(301, headers={"Location": f"{plain.url}/studies"})
        with serving(lambda request: moved, context) as server, pytest.raises(WebError) as caught:
            tls = TlsSettings(ca_file=str(authority.certificate))
            studies(connect(server.url, tls=tls, authentication="bearer", secret="token"))
        assert plain.connections == 0
    assert caught.value.code == "web.redirected"


def test_a_circle_of_redirections_ends(connect: Connect) -> None:
    moved = Reply(302, headers={"Location": "/dicom-web/studies"})
    with serving(lambda request: moved) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    assert caught.value.code == "web.redirected"


def test_nothing_of_the_environment_is_used(connect: Connect, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    authority, stranger = certificates.Authority(tmp_path / "pki"), certificates.Authority(tmp_path / "stranger")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    issued = authority.issue("archive")
    context.load_cert_chain(issued.certificate, issued.key)
    (tmp_path / ".netrc").write_text("default login someone password else\n")
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.setenv("NETRC", str(tmp_path / ".netrc"))
    with serving(lambda request: json_reply([])) as proxy:
        for name in ("http_proxy", "HTTP_PROXY", "https_proxy", "HTTPS_PROXY", "all_proxy", "ALL_PROXY"):
            monkeypatch.setenv(name, proxy.url.removesuffix("/dicom-web"))
        with serving(lambda request: json_reply([ROW])) as plain:
            assert studies(connect(plain.url))
        assert "authorization" not in plain.requests[0].headers
        with serving(lambda request: json_reply([ROW]), context) as server:
            # Its authority in the environment does not make it trusted, and another one there does not harm
            for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                monkeypatch.setenv(name, str(authority.certificate))
            with pytest.raises(WebError) as caught:
                studies(connect(server.url, tls=TlsSettings(ca_file=str(stranger.certificate))))
            assert caught.value.step == "TLS"
            assert server.requests == []
            for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE"):
                monkeypatch.setenv(name, str(stranger.certificate))
            assert studies(connect(server.url, tls=TlsSettings(ca_file=str(authority.certificate))))
        assert proxy.connections == 0


@pytest.fixture(scope="module")
def pki(tmp_path_factory: pytest.TempPathFactory) -> certificates.Authority:
    return certificates.Authority(tmp_path_factory.mktemp("web") / "pki")


@pytest.fixture
def mutual(pki: certificates.Authority, tmp_path: Path) -> Iterator[web_server.Server]:
    """A server that wants client certificates of the authority."""
    issued = pki.issue(f"server-{tmp_path.name[-20:]}")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    context.load_verify_locations(pki.certificate)
    context.verify_mode = ssl.CERT_REQUIRED
    with serving(lambda request: json_reply([ROW]), context) as server:
        yield server


def test_mutual_tls(connect: Connect, mutual: web_server.Server, pki: certificates.Authority) -> None:
    ours = pki.issue("lightbox")
    tls = TlsSettings(str(pki.certificate), str(ours.certificate), str(ours.key))
    assert studies(connect(mutual.url, tls=tls))
    with pytest.raises(WebError) as caught:
        studies(connect(mutual.url, tls=TlsSettings(str(pki.certificate))))
    # TLS 1.3 refuses a client after the handshake, with the first read
    assert caught.value.step == "TLS"
    assert "certificate" in str(caught.value)


def test_a_pinned_certificate(connect: Connect, pki: certificates.Authority) -> None:
    issued, other = pki.issue("pinned"), pki.issue("not-pinned")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with serving(lambda request: json_reply([ROW]), context) as server:
        good = TlsSettings(str(pki.certificate), pin_sha256=issued.fingerprint)
        assert studies(connect(server.url, tls=good))
        server.requests.clear()
        with pytest.raises(WebError) as caught:
            studies(connect(server.url, tls=TlsSettings(str(pki.certificate), pin_sha256=other.fingerprint)))
        assert caught.value.step == "TLS"
        assert server.requests == []


def test_the_host_name_is_checked(connect: Connect, pki: certificates.Authority) -> None:
    issued = pki.issue("elsewhere", hosts=("pacs.example.org",))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(issued.certificate, issued.key)
    with serving(lambda request: json_reply([ROW]), context) as server:
        with pytest.raises(WebError) as caught:
            studies(connect(server.url, tls=TlsSettings(str(pki.certificate))))
        assert "127.0.0.1" in str(caught.value)
        assert studies(connect(server.url, tls=TlsSettings(str(pki.certificate), check_host=False)))


def test_https_to_a_plaintext_port_and_the_reverse(connect: Connect, mutual: web_server.Server) -> None:
    with serving(lambda request: json_reply([ROW])) as plain, pytest.raises(WebError) as caught:
        studies(connect(plain.url.replace("http:", "https:")))
    assert caught.value.step == "TLS"
    with pytest.raises(WebError) as caught:
        studies(connect(mutual.url.replace("https:", "http:")))
    assert caught.value.code == "web.cut"
    assert "TLS" in caught.value.why


@pytest.mark.parametrize("url", ["http://pacs.example.org/dicom-web", "http://10.1.2.3:8042/"])
def test_plaintext_to_another_computer_needs_a_reason(url: str) -> None:
    peer = Peer("archive", "ARCHIVE", "10.1.2.3", 104, web=WebSettings(url))
    with pytest.raises(WebError) as caught:
        WebService(peer, LocalIdentity())
    assert caught.value.code == "web.plaintext"
    reasoned = Peer("archive", "ARCHIVE", "10.1.2.3", 104, web=WebSettings(url), plaintext_reason="isolated network")
    WebService(reasoned, LocalIdentity()).close()


@pytest.mark.parametrize(
    "url",
    ["http://u:p@127.0.0.1/x", "http://127.0.0.1/x?y=1", "http://:80/", "http://127.0.0.1:99999/", "http://[::1/"],
)
def test_addresses_that_cannot_be_used(url: str) -> None:
    with pytest.raises(UsageError):
        WebService(Peer("archive", "ARCHIVE", "127.0.0.1", 104, web=WebSettings(url)), LocalIdentity())


def test_a_peer_without_address() -> None:
    with pytest.raises(UsageError):
        WebService(Peer("archive", "ARCHIVE", "127.0.0.1", 104), LocalIdentity())


def test_nothing_listens(connect: Connect) -> None:
    port = free_port()
    with pytest.raises(WebError) as caught:
        studies(connect(f"http://127.0.0.1:{port}/dicom-web"))
    assert (caught.value.code, caught.value.step, caught.value.transient) == ("tcp.refused", "TCP connection", True)
    assert f"127.0.0.1:{port}" in str(caught.value)


def test_a_host_name_that_is_unknown(connect: Connect) -> None:
    with pytest.raises(WebError) as caught:
        studies(connect("https://no-such-host.invalid/dicom-web"))
    assert (caught.value.code, caught.value.transient) == ("dns.unknown", False)
    assert "no-such-host.invalid" in str(caught.value)


def test_a_server_that_is_silent(connect: Connect) -> None:
    with serving(lambda request: Reply(200, b"[]", delay=3)) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    assert (caught.value.code, caught.value.transient) == ("web.timeout", True)


def test_a_server_that_drips(connect: Connect) -> None:
    import time

    def drip() -> Iterator[bytes]:
        for _ in range(40):
            time.sleep(0.1)
            yield b" "

    with serving(lambda request: Reply(200, drip())) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    assert (caught.value.code, caught.value.transient) == ("web.stalled", True)


@pytest.mark.parametrize(
    "reply",
    [
        Reply(200, b"[{}", length=1000, cut=True),
        Reply(200, [b"[{}"], chunked=True, cut=True),
    ],
)
def test_an_answer_that_was_cut(connect: Connect, reply: Reply) -> None:
    with serving(lambda request: reply) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    assert (caught.value.code, caught.value.transient) == ("web.cut", True)


def test_a_connection_the_server_closed_meanwhile_is_made_again(connect: Connect) -> None:
    replies = iter([json_reply([ROW]), Reply(cut=True, length=10), json_reply([ROW])])

    def answer(request: Request) -> Reply:
        return next(replies)

    with serving(answer) as server:
        service = connect(server.url)
        assert studies(service)
        with socket.create_connection(server.server_address[:2]):
            pass
        # The second answer is cut after its header: that is not the same and is not asked again
        with pytest.raises(WebError):
            studies(service)


def test_keep_alive_that_ended(connect: Connect) -> None:
    """A server that closes after each answer without saying so."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        body = b"[]"

        def serve() -> None:
            for _ in range(3):
                sock, _ = listener.accept()
                with sock:
                    sock.recv(65536)
                    sock.sendall(
                        b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 2\r\n\r\n" + body
                    )

        thread = Thread(target=serve, daemon=True)
        thread.start()
        service = connect(f"http://127.0.0.1:{listener.getsockname()[1]}/x")
        for _ in range(3):
            assert studies(service) == []
        thread.join(5)
        assert not thread.is_alive()


@pytest.mark.parametrize(
    ("reply", "word"),
    [
        (Reply(200, b"<html>Sign in</html>", {"Content-Type": "text/html; charset=utf-8"}), "web page"),
        (Reply(200, b"<a/>", {"Content-Type": "application/dicom+xml"}), "xml"),
        (Reply(200, b"--x", {"Content-Type": "multipart/related; boundary=x"}), "multipart"),
        (Reply(200, b"all is well", {"Content-Type": "text/plain"}), "not JSON"),
        (Reply(200, b"\x00\xff", {}), "not JSON"),
    ],
)
def test_answers_of_another_type(connect: Connect, reply: Reply, word: str) -> None:
    with serving(lambda request: reply) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    assert word in str(caught.value)
    assert not caught.value.transient


def test_json_by_another_name_is_taken(connect: Connect) -> None:
    with serving(
        lambda request: Reply(200, b'[{"0020000D": {"Value": ["1.2"]}}]', {"Content-Type": "text/plain"})
    ) as s:
        assert studies(connect(s.url)) == [{"StudyInstanceUID": "1.2"}]


def test_garbage_instead_of_http(connect: Connect) -> None:
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen()

        def serve() -> None:
            for _ in range(2):
                sock, _ = listener.accept()
                with sock:
                    sock.recv(65536)
                    sock.sendall(b"\x02\x00\x00\x00\x00\xb0 DICOM of course\r\n\r\n")

        Thread(target=serve, daemon=True).start()
        with pytest.raises(WebError) as caught:
            studies(connect(f"http://127.0.0.1:{listener.getsockname()[1]}/x"))
    assert caught.value.code in ("web.cut", "web.protocol")


def test_cancel_before_and_while_reading(connect: Connect) -> None:
    token = CancelToken()

    def answer(request: Request) -> Reply:
        token.cancel()
        return json_reply([ROW])

    with serving(answer) as server, pytest.raises(Cancelled):
        list(WebFinder(connect(server.url)).find("study", {}, cancel=token))


def test_a_compressed_answer_that_grows_without_end_is_refused(
    connect: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    import gzip

    from lightbox.network.web import session

    monkeypatch.setattr(session, "MAX_TEXT", 100_000)
    bomb = gzip.compress(b" " * 1_000_000)
    reply = Reply(200, bomb, {"Content-Type": "application/json", "Content-Encoding": "gzip"})
    with serving(lambda request: reply) as server, pytest.raises(WebError) as caught:
        studies(connect(server.url))
    assert caught.value.code == "web.too-large"


def test_nothing_of_a_query_is_logged(connect: Connect, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG):
        for name in ("urllib3", "requests", "dicomweb_client"):
            assert not logging.getLogger(f"{name}.connectionpool").isEnabledFor(logging.ERROR)
        with serving(lambda request: json_reply([ROW], Warning='299 x "there are more"')) as server:
            list(WebFinder(connect(server.url)).find("study", {"PatientName": "Planted^Name"}))
    assert "Planted" not in caplog.text
    assert "studies" not in caplog.text
