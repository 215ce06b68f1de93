"""Throw-away certificate authorities and certificates, made by the program ``openssl``.

How to use it::

    authority = certificates.Authority(tmp_path / "pki", "Hospital CA")
    server = authority.issue("archive")                       # for localhost and 127.0.0.1, server and client
    late = authority.issue("late", begin=-20, end=-10)        # days from now: expired
    other = authority.issue("other", hosts=("pacs.example.org",))
    server.certificate, server.key, authority.certificate     # paths of PEM files
"""

from __future__ import annotations

import hashlib
import ipaddress
import shutil
import ssl
import subprocess
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest


def require() -> str:
    """Return the path of openssl; skip with the reason where it is missing."""
    found = shutil.which("openssl")
    if found is None:
        pytest.skip("not installed: openssl")
    return found


@dataclass(frozen=True)
class Issued:
    """A certificate and its key: paths of PEM files."""

    certificate: Path
    key: Path

    @property
    def fingerprint(self) -> str:
        """SHA-256 of the certificate."""
        return hashlib.sha256(ssl.PEM_cert_to_DER_cert(self.certificate.read_text())).hexdigest()

    @property
    def both(self) -> Path:
        """One file with key and certificate."""
        path = self.certificate.with_suffix(".pem")
        path.write_text(self.certificate.read_text() + self.key.read_text())
        return path


class Authority:
    """A certificate authority of its own."""

    def __init__(self, folder: Path, name: str = "Test Authority") -> None:
        self._openssl = require()
        self._folder = folder
        folder.mkdir(parents=True)
        self.certificate, self._key = folder / "ca.crt", folder / "ca.key"
        (folder / "index.txt").write_text("")
        (folder / "serial").write_text("1000\n")
        (folder / "ca.cnf").write_text(
            "[ca]\ndefault_ca=us\n[us]\n"
            f"dir={folder}\ndatabase={folder}/index.txt\nserial={folder}/serial\nnew_certs_dir={folder}\n"
            f"certificate={self.certificate}\nprivate_key={self._key}\ndefault_md=sha256\npolicy=any\n"
            "unique_subject=no\n[any]\ncommonName=supplied\norganizationName=optional\n"
            "[req]\ndistinguished_name=dn\n[dn]\n"
        )
        self._run(
            *("req", "-utf8", "-x509", "-days", "30", "-subj", f"/O=Test Hospital/CN={name}", "-out", self.certificate),
            *(*self._new_key(self._key), "-addext", "basicConstraints=critical,CA:TRUE"),
            *("-addext", "keyUsage=critical,keyCertSign,cRLSign", "-config", folder / "ca.cnf"),
        )

    def issue(
        self,
        name: str,
        *,
        hosts: tuple[str, ...] = ("localhost", "127.0.0.1"),
        begin: float = -1,
        end: float = 30,
        usage: str = "serverAuth,clientAuth",
    ) -> Issued:
        """Return a certificate; `begin` and `end` are days from now."""
        issued = Issued(self._folder / f"{name}.crt", self._folder / f"{name}.key")
        request, extensions = self._folder / f"{name}.csr", self._folder / f"{name}.ext"
        names = ",".join(f"IP:{host}" if _is_address(host) else f"DNS:{host}" for host in hosts)
        extensions.write_text(
            "basicConstraints=CA:FALSE\nkeyUsage=critical,digitalSignature,keyEncipherment\n"
            f"extendedKeyUsage={usage}\nsubjectAltName={names}\n"
        )
        config = self._folder / "ca.cnf"
        self._run(
            "req", "-utf8", "-subj", f"/CN={name}", *self._new_key(issued.key), "-out", request, "-config", config
        )
        self._run(
            *("ca", "-batch", "-notext", "-config", config, "-in", request, "-out", issued.certificate),
            *("-extfile", extensions, "-startdate", _moment(begin), "-enddate", _moment(end)),
        )
        return issued

    def _new_key(self, path: Path) -> tuple[object, ...]:
        # Elliptic curves: keys of RSA take half a second each
        return ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-keyout", path)

    def _run(self, *arguments: object) -> None:
        done = subprocess.run([self._openssl, *map(str, arguments)], capture_output=True, text=True, timeout=60)
        assert done.returncode == 0, done.stderr


def _is_address(text: str) -> bool:
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _moment(days: float) -> str:
    return (datetime.now(UTC) + timedelta(days=days)).strftime("%Y%m%d%H%M%SZ")
