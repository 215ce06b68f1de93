"""The files that a DICOMDIR names (PS3.3 F, PS3.10 8)."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from lightbox.library import validate
from lightbox.library.header import quiet_pydicom
from lightbox.library.records import Refusal


def referenced_files(path: Path) -> Iterator[str | Refusal]:
    """Iterate over the files of the file-set below the DICOMDIR at `path`, each once.

    A name is looked up as it is, then in other cases and with the version suffix that some file systems show. Names
    that lead out of the file-set, and files that are missing, come as a `Refusal`.
    """
    import pydicom

    try:
        quiet_pydicom()
        ds = pydicom.dcmread(path, force=True)
        records = list(ds.get("DirectoryRecordSequence") or [])
        names = [record.get("ReferencedFileID") for record in records if record.get("RecordInUseFlag") != 0]
    except Exception as error:
        # Damaged input makes the reader raise almost anything.
        yield Refusal(str(path), f"the DICOMDIR cannot be read ({type(error).__name__})", validate.UNREADABLE)
        return
    root = path.parent
    seen: set[str] = set()
    for name in names:
        if not name:
            continue
        parts = [name] if isinstance(name, str) else [str(part) for part in name]
        label = "/".join(parts)
        if label in seen:
            continue
        seen.add(label)
        if any(part in ("", ".", "..") or "/" in part or "\\" in part for part in parts):
            reason = "the DICOMDIR names a file outside its file-set"
            yield Refusal(f"{path}: {label}", reason, validate.UNREADABLE)
            continue
        found = _find(root, parts)
        if found is None:
            yield Refusal(str(root.joinpath(*parts)), "named by the DICOMDIR but missing", validate.UNREADABLE)
        else:
            yield str(found.absolute())


def _find(root: Path, parts: list[str]) -> Path | None:
    exact = root.joinpath(*parts)
    if exact.is_file():
        return exact
    current = root
    for part in parts:
        try:
            names = {_plain(entry.name): entry for entry in current.iterdir()}
        except OSError:
            return None
        found = names.get(_plain(part))
        if found is None:
            return None
        current = found
    return current if current.is_file() else None


def _plain(name: str) -> str:
    """Return a file name without version suffix and case (ISO 9660 as some systems show it)."""
    return name.partition(";")[0].rstrip(".").upper()
