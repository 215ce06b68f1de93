"""The certificates of one hospital and of a stranger, as tests of TLS need them."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path

from builders.certificates import Authority, Issued
from lightbox.network.identity import TlsSettings


class Pki:
    """Made when first asked for, all in one folder."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self.ours = Authority(folder / "ours", "Hospital CA")
        self.foreign = Authority(folder / "foreign", "Foreign CA")

    @property
    def ca(self) -> Path:
        """The authority that both sides trust."""
        return self.ours.certificate

    @cached_property
    def server(self) -> Issued:
        """For localhost and 127.0.0.1, long enough to cause no warning."""
        return self.ours.issue("archive", end=300)

    @cached_property
    def client(self) -> Issued:
        """For us."""
        return self.ours.issue("lightbox", end=300)

    @cached_property
    def expired(self) -> Issued:
        """Ended ten days ago."""
        return self.ours.issue("expired", begin=-20, end=-10)

    @cached_property
    def early(self) -> Issued:
        """Begins in five days."""
        return self.ours.issue("early", begin=5)

    @cached_property
    def ends_soon(self) -> Issued:
        """Ends in ten days."""
        return self.ours.issue("ends-soon", end=10)

    @cached_property
    def elsewhere(self) -> Issued:
        """For another host."""
        return self.ours.issue("elsewhere", hosts=("pacs.example.org",))

    @cached_property
    def stranger(self) -> Issued:
        """From an authority that nobody trusts."""
        return self.foreign.issue("stranger")

    def settings(self, own: Issued | None = None, **changes: object) -> TlsSettings:
        """Return settings that trust our authority, with a certificate of our own or none."""
        files = {"certificate_file": str(own.certificate), "key_file": str(own.key)} if own is not None else {}
        return TlsSettings(**{"ca_file": str(self.ca), **files, **changes})  # type: ignore[arg-type]
