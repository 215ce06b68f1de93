from __future__ import annotations

from pathlib import Path

import pytest

from builders.certificates import Authority
from lightbox.network.certificates import Certificate, CertificateError


def test_what_a_certificate_says(tmp_path: Path) -> None:
    authority = Authority(tmp_path / "pki", "Haus Süd")
    issued = authority.issue("archive", hosts=("pacs.example.org", "10.0.0.5", "fd00::1"), begin=-2, end=40)
    found = Certificate.of_pem(issued.certificate)
    assert (found.subject, found.issuer) == ("archive", "Haus Süd (Test Hospital)")
    assert found.names == ("pacs.example.org", "10.0.0.5", "fd00::1")
    assert found.days_left in (39, 40)
    assert found.fingerprint == issued.fingerprint
    assert not found.self_signed
    assert found.not_before < found.not_after
    own = Certificate.of_pem(authority.certificate)
    assert own.self_signed
    assert own.names == ()


def test_a_day_after_2049(tmp_path: Path) -> None:
    issued = Authority(tmp_path / "pki").issue("archive", end=365 * 40)
    assert Certificate.of_pem(issued.certificate).not_after.year in (2065, 2066)


@pytest.mark.parametrize("der", [b"", b"\x30", b"\x30\x03\x02\x01\x01", b"\x30\x84\xff\xff\xff\xff", bytes(200)])
def test_other_bytes_are_refused(der: bytes) -> None:
    with pytest.raises(CertificateError):
        Certificate.of_der(der)


def test_every_cut_certificate_is_refused(tmp_path: Path) -> None:
    import ssl

    issued = Authority(tmp_path / "pki").issue("archive")
    der = ssl.PEM_cert_to_DER_cert(issued.certificate.read_text())
    for length in range(0, len(der), 7):
        with pytest.raises(CertificateError):
            Certificate.of_der(der[:length])


def test_other_files_are_refused(tmp_path: Path) -> None:
    (tmp_path / "text").write_text("no certificate")
    with pytest.raises(CertificateError, match="holds no certificate"):
        Certificate.of_pem(tmp_path / "text")
    with pytest.raises(CertificateError, match="cannot be read"):
        Certificate.of_pem(tmp_path / "nowhere")
