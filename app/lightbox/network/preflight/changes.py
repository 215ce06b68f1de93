"""What is different at a peer since an earlier pre-flight."""

from __future__ import annotations

from typing import Any

from lightbox.network.preflight import vocabulary

_LISTED = 12


def since(before: dict[str, Any] | None, now: dict[str, Any]) -> dict[str, Any] | None:
    """Return what changed at the peer between two reports (as JSON), None when there is none before.

    Only what both reports tested is compared: a pair that was not probed before has not changed. Changes of the
    declaration or of our needs are not changes of the peer.

    Returns
    -------
    dict
        ``"date"`` of the earlier report, ``"changes"`` (each in words) and ``"rows"`` (each flipped pair with what it
        was and is).
    """
    if before is None:
        return None
    changes: list[str] = []
    for key, name in (
        ("implementation_version", "Implementation version"),
        ("implementation_class_uid", "Implementation class UID"),
        ("maximum_pdu", "Largest PDU it takes"),
    ):
        old, new = before.get(key), now.get(key)
        if old != new and (old or new):
            changes.append(f"{name}: {old or 'none'} → {new or 'none'}")
    if (before.get("host"), before.get("port")) != (now.get("host"), now.get("port")):
        changes.append(f"Address: {before.get('host')}:{before.get('port')} → {now.get('host')}:{now.get('port')}")
    if before.get("own_ae_title") != now.get("own_ae_title"):
        changes.append(f"We called as {now.get('own_ae_title')} instead of {before.get('own_ae_title')}")
    changes += _tls(before.get("tls") or {}, now.get("tls") or {})
    changes += _states(before.get("services") or [], now.get("services") or [])
    changes += _states(before.get("dicomweb") or [], now.get("dicomweb") or [])
    rows = _flipped(before.get("rows", []), now.get("rows", []))
    for row in rows[:_LISTED]:
        name = vocabulary.class_name(row["sop_class"])
        direction = " (it sends to us)" if row["role"] == "scu" else ""
        changes.append(f"{name} in {vocabulary.short(row['transfer_syntax'])}{direction}: {row['was']} → {row['is']}")
    if len(rows) > _LISTED:
        changes.append(f"and {len(rows) - _LISTED} more pairs")
    return {"date": before.get("at", ""), "changes": changes, "rows": rows}


def words(changed: dict[str, Any] | None) -> str:
    """Return the heading of what changed."""
    if changed is None:
        return "First pre-flight of this peer"
    day = str(changed["date"])[:16].replace("T", " ")
    if not changed["changes"]:
        return f"Nothing at this peer changed since {day} UTC"
    return f"This peer changed since {day} UTC"


def _flipped(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[dict[str, str]]:
    old = {_key(row): row["observed"] for row in before if row.get("observed") in ("accepted", "refused")}
    return [
        {
            "sop_class": row["sop_class"],
            "transfer_syntax": row["transfer_syntax"],
            "role": row["role"],
            "was": old[_key(row)],
            "is": row["observed"],
        }
        for row in now
        if row["observed"] in ("accepted", "refused") and old.get(_key(row), row["observed"]) != row["observed"]
    ]


def _key(row: dict[str, Any]) -> tuple[str, str, str]:
    return row["sop_class"], row["transfer_syntax"], row["role"]


def _states(before: list[dict[str, Any]], now: list[dict[str, Any]]) -> list[str]:
    old = {entry["name"]: entry["state"] for entry in before}
    return [
        f"{entry['name']}: {old[entry['name']]} → {entry['state']}"
        for entry in now
        if entry["name"] in old
        and entry["state"] != old[entry["name"]]
        and "untested" not in (old[entry["name"]], entry["state"])
    ]


def _tls(before: dict[str, Any], now: dict[str, Any]) -> list[str]:
    if not before and not now:
        return []
    changes = []
    for key, name in (("version", "TLS"), ("suite", "Cipher suite"), ("fingerprint", "Certificate")):
        old, new = before.get(key) or "none", now.get(key) or "none"
        if old != new:
            changes.append(f"{name}: {old[:40]} → {new[:40]}")
    return changes
