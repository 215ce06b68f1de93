"""What is kept for each peer under ``network`` of the data folder: its declaration, its purposes, its reports."""

from __future__ import annotations

import getpass
import hashlib
import json
import re
from dataclasses import replace
from pathlib import Path
from typing import Any

from lightbox.core import clock
from lightbox.core.errors import LightboxError, NotFoundError
from lightbox.core.settings import write_atomically
from lightbox.network.peers import Peer
from lightbox.network.preflight import declaration_csv, declaration_json, services
from lightbox.network.preflight.declaration import Declaration, unique

_KEPT = 200
"""Reports kept for a peer; the oldest go first."""


def folder_name(name: str) -> str:
    """Return a name of a file or folder for a peer: readable, and different for different peers."""
    folded = name.strip().casefold()
    readable = re.sub(r"[^a-z0-9-]+", "-", folded).strip("-")[:40]
    return f"{readable or 'peer'}-{hashlib.sha256(folded.encode()).hexdigest()[:8]}"


def read_declaration(path: Path, peer: Peer, *, who: str = "") -> Declaration:
    """Read a declaration from a CSV or JSON file.

    Raises
    ------
    LightboxError
        The file cannot be read, or nothing in it.
    """
    try:
        data = path.read_bytes()
    except OSError as error:
        why = error.strerror or type(error).__name__
        raise LightboxError("The declaration cannot be read", where=str(path), why=why) from error
    text = _text(data, path)
    if text.lstrip()[:1] in ("{", "["):
        found = declaration_json.read(text, peer.ae_title)
    else:
        pairs, problems = declaration_csv.read(text)
        found = Declaration(unique(pairs), problems=tuple(problems))
    return replace(
        found, source=found.source or path.name, date=found.date or clock.stamp(), who=found.who or who or _user()
    )


def _text(data: bytes, path: Path) -> str:
    """Decode a file of a spreadsheet: UTF-8, UTF-16 with its mark, or the encoding of Windows in western Europe."""
    if b"\x00" in data and not data.startswith((b"\xff\xfe", b"\xfe\xff")):
        todo = "Save it as CSV or JSON"
        raise LightboxError("The declaration is no text", where=str(path), todo=todo)
    if data.startswith((b"\xff\xfe", b"\xfe\xff")):
        return data.decode("utf-16", "replace")
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError:
        return data.decode("cp1252", "replace")


class PeerFiles:
    """The files of one peer.

    Parameters
    ----------
    home : Path
        The data folder.
    peer : Peer
        Its name makes the name of the files.
    """

    def __init__(self, home: Path, peer: Peer) -> None:
        self._peer = peer
        base = home / "network"
        self._declaration = base / "declarations" / f"{folder_name(peer.name)}.json"
        self._reports = base / "preflight" / folder_name(peer.name)

    def declaration(self) -> Declaration | None:
        """Return the declaration kept for the peer, or None."""
        values = self._read(self._declaration)
        return None if values is None else Declaration.from_json(values)

    def keep_declaration(self, declaration: Declaration) -> None:
        """Keep `declaration` for the peer; the one before stays beside it with its date."""
        values = {"peer": self._peer.name, **declaration.as_json()}
        if self._declaration.exists():
            old = self._declaration
            old.replace(old.with_name(f"{old.stem}.until-{_file_stamp()}.json"))
        self._write(self._declaration, values)

    def forget_declaration(self) -> None:
        """Remove the declaration of the peer (kept beside it with its date)."""
        if self._declaration.exists():
            old = self._declaration
            old.replace(old.with_name(f"{old.stem}.until-{_file_stamp()}.json"))

    def purposes(self) -> tuple[str, ...]:
        """Return what the peer is for."""
        values = self._read(self._reports / "purposes.json")
        return services.DEFAULT_PURPOSES if values is None else services.purposes(list(values["purposes"]))

    def keep_purposes(self, names: tuple[str, ...]) -> None:
        """Keep what the peer is for."""
        self._write(self._reports / "purposes.json", {"purposes": list(names)})

    def keep_report(self, report: dict[str, Any]) -> Path:
        """Add a report to the history of the peer and return its file."""
        path = self._reports / f"{_file_stamp()}.json"
        self._write(path, report)
        for old in self._history()[:-_KEPT]:
            old.unlink()
        return path

    def last_report(self) -> dict[str, Any] | None:
        """Return the latest report of the peer, or None."""
        found = self._history()
        return self._read(found[-1]) if found else None

    def reports(self) -> list[dict[str, Any]]:
        """Return the reports of the peer, oldest first."""
        return [report for path in self._history() if (report := self._read(path)) is not None]

    def trust_last_probe(self) -> Declaration:
        """Take what the last probe saw accepted as the declaration, keep it and return it.

        Raises
        ------
        NotFoundError
            The peer was never probed.
        """
        last = self.last_report()
        if last is None:
            raise NotFoundError("There is no probe of this peer yet", where=self._peer.name, todo="Run a pre-flight")
        found = declaration_json.read(json.dumps(last), self._peer.ae_title)
        trusted = replace(found, source="probe", date=str(last.get("at", "")), who=_user())
        self.keep_declaration(trusted)
        return trusted

    def _history(self) -> list[Path]:
        return sorted(self._reports.glob("[0-9]*.json"))

    @staticmethod
    def _read(path: Path) -> dict[str, Any] | None:
        try:
            return json.loads(path.read_text(encoding="utf-8"))
        except FileNotFoundError:
            return None
        except (OSError, ValueError) as error:
            raise LightboxError(
                "A file of the pre-flight cannot be read", where=str(path), why=str(error), todo="Move it away"
            ) from error

    @staticmethod
    def _write(path: Path, values: dict[str, Any]) -> None:
        path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        write_atomically(path, json.dumps(values, indent=1, ensure_ascii=False).encode("utf-8"))


def _file_stamp() -> str:
    return f"{clock.now():%Y%m%dT%H%M%S-%fZ}"


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # no such user on this computer, as in containers
        return ""
