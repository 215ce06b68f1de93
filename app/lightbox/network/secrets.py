"""Passwords and tokens of peers: the only module that keeps them, in a file of its own that only its owner reads.

They are never in the settings, in logs, in errors or in what commands print.
"""

from __future__ import annotations

import json
import os
import threading
from pathlib import Path

from lightbox.core.errors import LightboxError

WEB = "web"
"""Kind of the password or bearer token of a peer's DICOMweb service."""

_FILE = "secrets.json"


class Secrets:
    """The secrets of one data folder.

    Parameters
    ----------
    folder : Path
        The data folder (`Workstation.home`).

    Notes
    -----
    The file is read anew each time, so that a secret given on the command line is known to a running window at once.
    """

    def __init__(self, folder: Path) -> None:
        self._path = folder / _FILE
        self._lock = threading.Lock()

    def __repr__(self) -> str:
        """Return nothing that could leak."""
        return "Secrets(...)"

    def get(self, peer_name: str, kind: str = WEB) -> str | None:
        """Return the secret of a peer, or None."""
        with self._lock:
            return self._read().get(_key(peer_name, kind))

    def has(self, peer_name: str, kind: str = WEB) -> bool:
        """Whether there is a secret for a peer."""
        return self.get(peer_name, kind) is not None

    def set(self, peer_name: str, secret: str, kind: str = WEB) -> None:
        """Keep the secret of a peer; an empty one is forgotten."""
        self._change(_key(peer_name, kind), secret or None)

    def forget(self, peer_name: str, kind: str = "") -> None:
        """Forget the secrets of a peer (of one kind, or all)."""
        with self._lock:
            found = self._read()
            prefix = _key(peer_name, kind)
            kept = {
                key: value for key, value in found.items() if key != prefix and (kind or not key.startswith(prefix))
            }
            if kept != found:
                self._write(kept)

    def _change(self, key: str, secret: str | None) -> None:
        with self._lock:
            found = self._read()
            if secret is None:
                found.pop(key, None)
            else:
                found[key] = secret
            self._write(found)

    def _read(self) -> dict[str, str]:
        try:
            text = self._path.read_text(encoding="utf-8")
        except FileNotFoundError:
            return {}
        except OSError as error:
            raise self._broken(error.strerror or type(error).__name__) from error
        try:
            found = json.loads(text)
        except ValueError:
            # Without the cause: an error of the parser quotes what it reads
            raise self._broken("It is damaged") from None
        if not isinstance(found, dict):
            raise self._broken("It is damaged")
        return {str(key): str(value) for key, value in found.items()}

    def _broken(self, why: str) -> LightboxError:
        return LightboxError(
            "The passwords of the peers cannot be read",
            where=str(self._path),
            why=why,
            todo="Move the file away and enter the passwords again",
        )

    def _write(self, values: dict[str, str]) -> None:
        temporary = self._path.with_name(f".{self._path.name}.{os.getpid()}.tmp")
        temporary.unlink(missing_ok=True)
        # Readable for the owner only from its first byte on
        descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "w", encoding="utf-8") as file:
            json.dump(values, file, indent=2, sort_keys=True)
            file.flush()
            os.fsync(file.fileno())
        temporary.replace(self._path)


def _key(peer_name: str, kind: str) -> str:
    return f"{peer_name.strip().casefold()}\n{kind}"
