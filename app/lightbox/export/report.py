"""The record of an export: certificate, summary by tag and action, manifest, and on request the crosswalk."""

from __future__ import annotations

import csv
import html
import json
import os
import re
from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

from lightbox.core.errors import LightboxError
from lightbox.core.settings import write_atomically
from lightbox.deid.elements import dictionary_vr
from lightbox.deid.engine import Crosswalk, Engine
from lightbox.deid.key import ProjectKey

if TYPE_CHECKING:
    from lightbox.export.job import ExportReport

LOG_NAME = "tag-log.jsonl.gz"
MANIFEST_NAME = "manifest.json"
SUMMARY_NAME = "summary.csv"
CERTIFICATE_NAME = "certificate.html"
CONFIDENTIAL = "CONFIDENTIAL"
_ITEM = re.compile(r"\[\d+\]")
_TAG = re.compile(r"\(([0-9A-F]{4}),([0-9A-F]{4})\)$")


def without_items(path: str) -> str:
    """Return a path without the numbers of items."""
    return _ITEM.sub("", path)


def keyword(path: str) -> str:
    """Return the keyword of the last attribute of a path, empty when the dictionary lacks it."""
    from pydicom.datadict import keyword_for_tag

    found = _TAG.search(path)
    if found is None or dictionary_vr(int(found[1] + found[2], 16)) is None:
        return ""
    return keyword_for_tag(int(found[1] + found[2], 16))


def prepare(folder: Path) -> None:
    """Create the folder of a report; one that holds a report already is refused."""
    try:
        folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise LightboxError("The report cannot be written", where=str(folder), why=error.strerror or "") from error
    if (folder / LOG_NAME).exists():
        raise LightboxError(
            "The folder holds the report of another export",
            where=str(folder),
            todo="Choose an empty folder: no record is overwritten",
        )


def write(
    report: ExportReport, engine: Engine, key: ProjectKey, targets: dict[str, str], crosswalk: list[Crosswalk] | None
) -> None:
    """Write everything but the tag log, which is written while the export runs."""
    folder = report.report_dir
    manifest = {
        **report.as_dict(),
        "profile_sha256": engine.profile.digest(),
        "options": sorted(option.value for option in engine.profile.options),
        "table_edition": engine.table.edition,
        "table_sha256": engine.table.digest,
        "key_id": key.id,
        "log": LOG_NAME,
        "log_head": report.log_head,
        "files": [{"file": name, "sha256": digest} for name, digest in sorted(targets.items())],
    }
    body = json.dumps(manifest, indent=1, sort_keys=True)
    seal = key.derive("manifest", body).hex()
    write_atomically(
        folder / MANIFEST_NAME, json.dumps({"manifest": manifest, "seal": seal}, indent=1, sort_keys=True).encode()
    )
    with (folder / SUMMARY_NAME).open("w", newline="", encoding="utf-8") as file:
        table = csv.writer(file)
        table.writerow(("path", "keyword", "action", "count"))
        for (path, action), count in sorted(report.actions.items()):
            table.writerow((path, keyword(path), action, count))
    write_atomically(folder / CERTIFICATE_NAME, certificate(report, engine, key, seal).encode("utf-8"))
    if crosswalk is not None:
        _write_crosswalk(folder / CONFIDENTIAL, crosswalk)


def _write_crosswalk(folder: Path, crosswalk: Iterable[Crosswalk]) -> None:
    folder.mkdir(mode=0o700, exist_ok=True)
    patients = sorted({one.patient_id for one in crosswalk})
    uids = sorted({pair for one in crosswalk for pair in one.uids})
    for name, pairs in (("patid_map.csv", patients), ("uid_map.csv", uids)):
        handle = os.open(folder / name, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(handle, "w", newline="", encoding="utf-8") as file:
            table = csv.writer(file)
            table.writerow(("id_old", "id_new"))
            table.writerows(pairs)
    note = "These files name patients. They undo the de-identification and must never be shared with its result.\n"
    (folder / "README.txt").write_text(note, encoding="utf-8")


def certificate(report: ExportReport, engine: Engine, key: ProjectKey, seal: str) -> str:
    """Return the certificate of an export as a page of its own (HTML, no scripts, nothing loaded)."""
    profile = engine.profile
    rows = [
        ("Profile", f"{profile.title or profile.name}: PS3.15 Basic Application Level Confidentiality Profile"),
        ("Options", "; ".join(sorted(option.title for option in profile.options)) or "none"),
        ("Table", f"{engine.table.edition}, SHA-256 {engine.table.digest[:16]}"),
        ("Project key", key.id),
        ("Started", report.started),
        ("Finished", report.finished),
        ("Objects in", str(report.total)),
        (
            "Exported",
            f"{report.exported} ({report.patients} patients, {report.studies} studies, {report.series} series)",
        ),
        ("Quarantined", str(report.quarantined)),
        ("Failed", str(report.failed)),
        ("Elements kept unchanged", str(report.kept_elements)),
    ]
    changes = sum(report.actions.values())
    verdict = (
        "Every object was exported and verified."
        if report.complete
        else "Not every object was exported; the reasons are below."
    )
    text = [
        "<!doctype html><html lang='en'><meta charset='utf-8'><title>De-identification certificate</title><style>",
        "body{font:15px/1.5 system-ui,sans-serif;max-width:60rem;margin:2rem auto;padding:0 1rem;color:#1c2430}",
        "table{border-collapse:collapse;margin:.5rem 0 1.5rem}td{border-bottom:1px solid #d5dbe3;padding:.25rem .8rem}",
        "h1{font-size:1.5rem}h2{font-size:1.1rem}</style>",
        f"<h1>De-identification certificate</h1><p>{html.escape(verdict)}</p>",
        _table(rows),
        "<h2>What was verified</h2><p>Each exported file was taken apart again and searched for every name, number, "
        "address and phone number of its patient in all usual encodings, for every original UID and for every original "
        "date. A file with a hit was not exported. Text in pixels is not searched: see the flags below.</p>",
    ]
    if report.reasons:
        text += [
            "<h2>Not exported</h2>",
            _table([(code, str(count)) for code, count in sorted(report.reasons.items())]),
        ]
    if report.flags:
        text += [
            "<h2>To be looked at</h2>",
            _table([(flag, str(count)) for flag, count in sorted(report.flags.items())]),
        ]
    text.append(f"<h2>Changes by attribute ({changes})</h2>")
    text.append(
        _table(
            [
                (f"{path} {keyword(path)}", action, str(count))
                for (path, action), count in sorted(report.actions.items())
            ]
        )
    )
    text.append(f"<p>Log chain {report.log_head}<br>Manifest seal {seal}</p></html>\n")
    return "".join(text)


def _table(rows: Iterable[tuple[str, ...]]) -> str:
    body = "".join("<tr>" + "".join(f"<td>{html.escape(cell)}</td>" for cell in row) + "</tr>" for row in rows)
    return f"<table>{body}</table>"
