"""Real archives for tests: Orthanc, DCMTK's dcmqrscp and storescp, each on free ports of a private network namespace.

How to use it in any test folder::

    from builders import peer_servers

    @pytest.fixture(scope="session")
    def orthanc(tmp_path_factory):
        peer_servers.require("Orthanc")              # skips with a reason, or fails where peers are demanded
        own_port = peer_servers.free_port()          # our storage SCP: Orthanc moves to it
        with peer_servers.start_orthanc(tmp_path_factory.mktemp("orthanc"), own_port=own_port) as server:
            server.load(paths)                       # files, by Orthanc's REST interface
            yield server                             # server.peer() -> Peer, server.identity() -> LocalIdentity

Mark such tests ``@pytest.mark.peers`` and ``@pytest.mark.xdist_group("peers")``. `require` moves the test process into
a network namespace in which only loopback exists (see `private_network`). Where that, or a server program, is missing,
the test is skipped with the reason; with ``CI=true`` or ``LIGHTBOX_REQUIRE_PEERS=1`` it fails instead.

Servers end with their ``with`` block, by process id. Their logs lie in the folder they were given.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import pytest

from builders import private_network

OWN_TITLE = "LIGHTBOX"
# The network library brings scripts of the same names as DCMTK's programs: its folder does not count.
_SCRIPTS = str(Path(sys.executable).parent)
_PATH = os.pathsep.join(
    [entry for entry in os.environ.get("PATH", "").split(os.pathsep) if entry != _SCRIPTS] + ["/usr/sbin", "/sbin"]
)
_PLUGINS = Path("/usr/share/orthanc/plugins")
_START_S = 30.0
_NO_PROXY = urllib.request.build_opener(urllib.request.ProxyHandler({}))


def program(name: str) -> str | None:
    """Return the path of an installed program."""
    return shutil.which(name, path=_PATH)


def demanded() -> bool:
    """Whether a missing peer is an error."""
    return os.environ.get("LIGHTBOX_REQUIRE_PEERS", "") not in ("", "0") or os.environ.get("CI", "") == "true"


def require(*programs: str) -> None:
    """Enter a private network namespace and make sure of `programs`; else skip, or fail where peers are demanded."""
    missing = [name for name in programs if program(name) is None]
    reason = f"not installed: {', '.join(missing)}" if missing else private_network.enter()
    if not reason:
        return
    if demanded():
        pytest.fail(f"the tests with real archives cannot run: {reason}")
    pytest.skip(reason)


def free_port() -> int:
    """Return a TCP port that nothing listens on."""
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@dataclass
class Server:
    """A running archive."""

    name: str
    ae_title: str
    port: int
    own_port: int
    folder: Path
    process: subprocess.Popen[bytes]
    http_port: int = 0
    log: Path = field(default_factory=Path)

    def peer(self, name: str = "", *, ae_title: str = "", **settings: Any) -> Any:
        """Return it as a `Peer`; `settings` are further fields, for example ``tls``."""
        from lightbox.network.peers import Peer

        return Peer(name or self.name, ae_title or self.ae_title, "127.0.0.1", self.port, **settings)

    def identity(self, ae_title: str = OWN_TITLE) -> Any:
        """Return the `LocalIdentity` it knows: our AE title and the port it moves to."""
        from lightbox.network.identity import LocalIdentity

        return LocalIdentity(ae_title, self.own_port, "127.0.0.1")

    def load(self, paths: Iterable[Path]) -> int:
        """Put files into the archive and return how many it took (Orthanc: REST, else DCMTK storescu)."""
        files = [Path(path) for path in paths]
        if self.http_port:
            taken = 0
            for path in files:
                try:
                    self.rest("/instances", path.read_bytes())
                    taken += 1
                except urllib.error.HTTPError as error:
                    if error.code >= 500:
                        raise
            return taken
        storescu = program("storescu")
        assert storescu is not None
        command = [storescu, "-aet", OWN_TITLE, "-aec", self.ae_title, "127.0.0.1", str(self.port), *map(str, files)]
        subprocess.run(command, check=True, capture_output=True, timeout=120, env=environment())
        return len(files)

    def rest(self, path: str, body: bytes | None = None, *, method: str = "") -> Any:
        """Call Orthanc's REST interface and return the decoded JSON (or bytes)."""
        url = f"http://127.0.0.1:{self.http_port}{path}"
        headers = {"Content-Type": "application/dicom"} if body is not None else {}
        request = urllib.request.Request(url, data=body, headers=headers, method=method or None)
        with _NO_PROXY.open(request, timeout=30) as answer:
            data = answer.read()
            if "json" in answer.headers.get("Content-Type", ""):
                return json.loads(data)
            return data

    def clear(self) -> None:
        """Remove everything from Orthanc."""
        for patient in self.rest("/patients"):
            self.rest(f"/patients/{patient}", method="DELETE")

    def stop(self) -> None:
        """End the process and the children it forked."""
        if self.process.poll() is None:
            os.killpg(self.process.pid, signal.SIGTERM)
            try:
                self.process.wait(10)
            except subprocess.TimeoutExpired:
                os.killpg(self.process.pid, signal.SIGKILL)
                self.process.wait(10)


def environment() -> dict[str, str]:
    """Return the environment for DICOM programs: without TCP_NODELAY each C-STORE takes 45 ms."""
    return {**os.environ, "PATH": _PATH, "TCP_NODELAY": "1", "LANG": "C.UTF-8"}


def orthanc_tls(issued: Any, authority: Path, *, ask: bool = True) -> dict[str, Any]:
    """Return the settings with which Orthanc speaks DICOM by TLS only (see `certificates.Issued`)."""
    return {
        "DicomTlsEnabled": True,
        "DicomTlsCertificate": str(issued.certificate),
        "DicomTlsPrivateKey": str(issued.key),
        "DicomTlsTrustedCertificates": str(authority),
        "DicomTlsRemoteCertificateRequired": ask,
    }


def dcmtk_tls(issued: Any, authority: Path) -> tuple[str, ...]:
    """Return the options with which storescp, storescu, echoscu and findscu of DCMTK speak TLS only.

    dcmqrscp, wlmscpfs, getscu, movescu and dcmsend have none in DCMTK 3.6.7: put a `FaultProxy` before them.
    """
    return ("+tls", str(issued.key), str(issued.certificate), "+cf", str(authority))


@contextlib.contextmanager
def start_orthanc(folder: Path, *, own_port: int, own_title: str = OWN_TITLE, **settings: Any) -> Iterator[Server]:
    """Start an empty Orthanc (AE title ORTHANC) that knows us; `settings` override its configuration."""
    dicom_port, http_port = free_port(), free_port()
    configuration = {
        "Name": "test archive",
        "StorageDirectory": str(folder / "storage"),
        "IndexDirectory": str(folder / "storage"),
        "Plugins": [],
        "HttpServerEnabled": True,
        "HttpPort": http_port,
        "RemoteAccessAllowed": False,
        "AuthenticationEnabled": False,
        "DicomAet": "ORTHANC",
        "DicomPort": dicom_port,
        "DicomCheckCalledAet": True,
        "DicomAlwaysAllowEcho": False,
        "DicomAlwaysAllowStore": False,
        "DicomAlwaysAllowFind": False,
        "DicomAlwaysAllowGet": False,
        "DicomAlwaysAllowMove": False,
        "DicomModalities": {
            "us": {"AET": own_title, "Host": "127.0.0.1", "Port": own_port},
            "storeonly": {
                "AET": "STOREONLY",
                "Host": "127.0.0.1",
                "Port": own_port,
                "AllowFind": False,
                "AllowGet": False,
                "AllowMove": False,
            },
            "noget": {"AET": "NOGET", "Host": "127.0.0.1", "Port": own_port, "AllowGet": False},
        },
        "DefaultEncoding": "Utf8",
        "UnknownSopClassAccepted": True,
        "OverwriteInstances": True,
        "StableAge": 1,
        "SaveJobs": False,
        "TranscodeDicomProtocol": True,
        **settings,
    }
    (folder / "orthanc.json").write_text(json.dumps(configuration, indent=1))
    with _running([program("Orthanc") or "Orthanc", str(folder / "orthanc.json")], folder, "orthanc") as process:
        server = Server("orthanc", "ORTHANC", dicom_port, own_port, folder, process, http_port, folder / "orthanc.log")
        _wait_for(server, (dicom_port, http_port))
        yield server


@contextlib.contextmanager
def start_dcmqrscp(folder: Path, *, own_port: int, own_title: str = OWN_TITLE) -> Iterator[Server]:
    """Start an empty dcmqrscp (AE title DCMQR; it takes uncompressed objects only) that knows us."""
    port = free_port()
    (folder / "storage").mkdir(parents=True)
    (folder / "dcmqrscp.cfg").write_text(
        "\n".join(
            (
                'NetworkType = "tcp"',
                f"NetworkTCPPort = {port}",
                "MaxPDUSize = 131072",
                "MaxAssociations = 16",
                "HostTable BEGIN",
                # compared with the name that the address of a peer resolves to
                f"us = ({own_title}, localhost, {own_port})",
                "HostTable END",
                "VendorTable BEGIN",
                "VendorTable END",
                "AETable BEGIN",
                f"DCMQR {folder / 'storage'} RW (500, 1024mb) ANY",
                "AETable END",
                "",
            )
        )
    )
    # --fork: in one process, dcmqrscp 3.6.7 crashes after its first association
    command = [program("dcmqrscp") or "dcmqrscp", "-v", "--fork", "-c", str(folder / "dcmqrscp.cfg")]
    with _running(command, folder, "dcmqrscp") as process:
        server = Server("dcmqrscp", "DCMQR", port, own_port, folder, process, log=folder / "dcmqrscp.log")
        _wait_for(server, (port,))
        yield server


@contextlib.contextmanager
def start_storescp(folder: Path, *, own_port: int = 0, options: Sequence[str] = ("+xa",)) -> Iterator[Server]:
    """Start DCMTK's storescp (AE title STORESCP) that writes what it receives to ``folder / "received"``."""
    port = free_port()
    (folder / "received").mkdir(parents=True)
    command = [program("storescp") or "storescp", "-v", "-aet", "STORESCP", *options]
    command += ["+B", "-od", str(folder / "received"), str(port)]
    with _running(command, folder, "storescp") as process:
        server = Server("storescp", "STORESCP", port, own_port, folder, process, log=folder / "storescp.log")
        _wait_for(server, (port,))
        yield server


@contextlib.contextmanager
def start_wlmscpfs(folder: Path, entries: Path, *, options: Sequence[str] = ()) -> Iterator[Server]:
    """Start DCMTK's worklist server (AE title WORKLIST) over the ``*.wl`` files of `entries`, a folder of that name."""
    port = free_port()
    (entries / "lockfile").touch()
    command = [program("wlmscpfs") or "wlmscpfs", "-v", "--single-process", *options, "-dfp", str(entries.parent)]
    with _running([*command, str(port)], folder, "wlmscpfs") as process:
        server = Server("wlmscpfs", entries.name, port, 0, folder, process, log=folder / "wlmscpfs.log")
        _wait_for(server, (port,))
        yield server


@contextlib.contextmanager
def _running(command: list[str], folder: Path, name: str) -> Iterator[subprocess.Popen[bytes]]:
    with (folder / f"{name}.log").open("wb") as log:
        process = subprocess.Popen(
            command, stdout=log, stderr=log, stdin=subprocess.DEVNULL, env=environment(), start_new_session=True
        )
        try:
            yield process
        finally:
            Server(name, "", 0, 0, folder, process).stop()


def _wait_for(server: Server, ports: Iterable[int]) -> None:
    deadline = time.monotonic() + _START_S
    waiting = set(ports)
    while waiting:
        waiting -= listening_ports()
        if server.process.poll() is not None or time.monotonic() > deadline:
            tail = server.log.read_text(errors="replace")[-2000:]
            raise RuntimeError(f"{server.name} did not start:\n{tail}")
        if waiting:
            time.sleep(0.05)


def listening_ports() -> set[int]:
    """Return the TCP ports that something listens on in this namespace.

    A trial connection would tell the same, but disturb the log of a DICOM peer.
    """
    found = set()
    for table in ("/proc/self/net/tcp", "/proc/self/net/tcp6"):
        with contextlib.suppress(FileNotFoundError):
            for line in Path(table).read_text().splitlines()[1:]:
                fields = line.split()
                if fields[3] == "0A":
                    found.add(int(fields[1].rpartition(":")[2], 16))
    return found
