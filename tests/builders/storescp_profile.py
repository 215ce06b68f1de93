"""Configuration of DCMTK's storescp (``-xf FILE PROFILE``) that accepts exactly the pairs it is told."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

PROFILE = "Narrow"

STRICT: dict[str, tuple[str, ...]] = {
    "VerificationSOPClass": ("LittleEndianImplicit",),
    "CTImageStorage": ("JPEG2000LosslessOnly", "LittleEndianImplicit"),
    "MRImageStorage": ("LittleEndianExplicit", "LittleEndianImplicit"),
    "SecondaryCaptureImageStorage": ("LittleEndianImplicit",),
    "BasicTextSRStorage": ("LittleEndianExplicit", "LittleEndianImplicit"),
}
"""A narrow archive, in DCMTK's names: SOP class -> transfer syntaxes."""

_UIDS = {
    "VerificationSOPClass": "1.2.840.10008.1.1",
    "CTImageStorage": "1.2.840.10008.5.1.4.1.1.2",
    "MRImageStorage": "1.2.840.10008.5.1.4.1.1.4",
    "SecondaryCaptureImageStorage": "1.2.840.10008.5.1.4.1.1.7",
    "BasicTextSRStorage": "1.2.840.10008.5.1.4.1.1.88.11",
    "LittleEndianImplicit": "1.2.840.10008.1.2",
    "LittleEndianExplicit": "1.2.840.10008.1.2.1",
    "JPEG2000LosslessOnly": "1.2.840.10008.1.2.4.90",
    "JPEG2000": "1.2.840.10008.1.2.4.91",
}


def pairs(profile: Mapping[str, Sequence[str]]) -> set[tuple[str, str]]:
    """Return what a profile accepts as (SOP Class UID, Transfer Syntax UID)."""
    return {(_UIDS[name], _UIDS[syntax]) for name, syntaxes in profile.items() for syntax in syntaxes}


def write(path: Path, profile: Mapping[str, Sequence[str]]) -> tuple[str, ...]:
    """Write the configuration of a profile and return the options of storescp for it."""
    lists, contexts = [], []
    for number, (name, syntaxes) in enumerate(profile.items(), 1):
        lists.append(f"[Encodings{number}]")
        lists += [f"TransferSyntax{place} = {syntax}" for place, syntax in enumerate(syntaxes, 1)]
        contexts.append(f"PresentationContext{number} = {name}\\Encodings{number}")
    lines = ["[[TransferSyntaxes]]", *lists, "[[PresentationContexts]]", "[Contexts]", *contexts]
    lines += ["[[Profiles]]", f"[{PROFILE}]", "PresentationContexts = Contexts", ""]
    path.write_text("\n".join(lines))
    return ("-xf", str(path), PROFILE)
