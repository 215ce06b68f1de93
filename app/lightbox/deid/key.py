"""The project key: 256 random bits from which every pseudonym, new UID and date offset is derived."""

from __future__ import annotations

import base64
import hmac
import json
import os
import secrets
import stat
from pathlib import Path

from lightbox.core.errors import LightboxError

KEY_BYTES = 32


class ProjectKey:
    """A secret from which names are derived by HMAC-SHA-256; equal keys give equal results on every machine.

    Parameters
    ----------
    secret : bytes
        32 bytes.
    """

    __slots__ = ("_secret", "id")

    def __init__(self, secret: bytes) -> None:
        if len(secret) != KEY_BYTES:
            raise LightboxError(
                "The project key cannot be used", why=f"it has {len(secret)} bytes instead of {KEY_BYTES}"
            )
        self._secret = secret
        self.id = self.derive("key-id", "").hex()[:16]

    def __repr__(self) -> str:
        return f"ProjectKey(id={self.id})"

    def __eq__(self, other: object) -> bool:
        return isinstance(other, ProjectKey) and hmac.compare_digest(self._secret, other._secret)

    def __hash__(self) -> int:
        return hash(self.id)

    def derive(self, purpose: str, value: str | bytes) -> bytes:
        """Return 32 bytes that depend on the key, on `purpose` and on `value` and tell nothing about them."""
        data = value.encode("utf-8") if isinstance(value, str) else value
        return hmac.digest(self._secret, purpose.encode("ascii") + b"\0" + data, "sha256")

    @classmethod
    def generate(cls) -> ProjectKey:
        """Return a new random key."""
        return cls(secrets.token_bytes(KEY_BYTES))

    @classmethod
    def create(cls, path: Path) -> ProjectKey:
        """Make a new key and write it to `path` (readable by its owner only); an existing file is never replaced."""
        key = cls.generate()
        key.save(path)
        return key

    def save(self, path: Path) -> None:
        """Write the key to a new file, readable by its owner only."""
        text = json.dumps(
            {"lightbox-project-key": 1, "id": self.id, "key": base64.b64encode(self._secret).decode("ascii")}
        )
        path.parent.mkdir(parents=True, exist_ok=True)
        try:
            handle = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        except FileExistsError as error:
            raise LightboxError(
                "The project key cannot be written", where=str(path), why="the file exists", todo="Choose another name"
            ) from error
        with os.fdopen(handle, "w", encoding="ascii") as file:
            file.write(text + "\n")
            file.flush()
            os.fsync(file.fileno())

    @classmethod
    def load(cls, path: Path) -> ProjectKey:
        """Read a key from `path`.

        Raises
        ------
        LightboxError
            The file is missing, is no project key, or others than its owner may read it.
        """
        todo = "Give the file that was made with the project"
        try:
            text = path.read_text(encoding="ascii")
            found = json.loads(text)
            key = cls(base64.b64decode(found["key"], validate=True))
        except OSError as error:
            raise LightboxError(
                "The project key cannot be read", where=str(path), why=error.strerror or "", todo=todo
            ) from error
        except (ValueError, KeyError, TypeError) as error:
            raise LightboxError("The file is no project key", where=str(path), todo=todo) from error
        if os.name == "posix" and stat.S_IMODE(path.stat().st_mode) & 0o077:
            raise LightboxError(
                "The project key is not private", where=str(path), why="others may read the file", todo="chmod 600 it"
            )
        return key

    @classmethod
    def load_or_create(cls, path: Path) -> ProjectKey:
        """Read the key at `path`, or make a new one there."""
        return cls.load(path) if path.exists() else cls.create(path)
