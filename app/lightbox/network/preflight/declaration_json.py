"""A declaration from JSON: our own shape, one of our reports, or the attributes of PS3.15 Annex H."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from typing import Any

from lightbox.core.errors import LightboxError, UsageError
from lightbox.network.preflight import vocabulary
from lightbox.network.preflight.declaration import WEB_SERVICES, Declaration, unique
from lightbox.network.preflight.pairs import SCP, SCU, Pair, Role


def read(text: str, ae_title: str) -> Declaration:
    """Return the declaration in a JSON text; UIDs may be names as well.

    Understood are ``{"rows": [{"sop_class", "transfer_syntaxes" | "transfer_syntax", "role"}], "tls", "dicomweb"}``
    (a report of a pre-flight counts as what was accepted), and a device, an AE or a list of them with
    ``dicomNetworkAE`` and ``dicomTransferCapability`` (PS3.15 H.1.3), of which the AE with `ae_title` is taken.

    Raises
    ------
    LightboxError
        It is not JSON, or of no known shape, or holds several AEs none of which has this title.
    """
    try:
        values = json.loads(text.lstrip("\ufeff"))
    except ValueError as error:
        raise LightboxError("The declaration is not JSON", why=str(error), todo="Give a JSON or CSV file") from error
    if isinstance(values, list) and values and isinstance(values[0], Mapping) and "sop_class" in values[0]:
        values = {"rows": values}
    if isinstance(values, Mapping) and isinstance(values.get("rows"), list):
        return _of_rows(values)
    device, entities = _entities(values)
    if entities:
        return _of_entity(device, _choose(entities, ae_title))
    raise LightboxError(
        "The declaration has no known shape",
        todo='Give {"rows": [{"sop_class", "transfer_syntaxes", "role"}]} or dicomNetworkAE of PS3.15 Annex H',
    )


def _of_rows(values: Mapping[str, Any]) -> Declaration:
    found: list[Pair] = []
    problems: list[str] = []
    for number, row in enumerate(values["rows"], 1):
        if not isinstance(row, Mapping):
            problems.append(f"row {number}: it is no object")
            continue
        if ("observed" in row and row["observed"] != "accepted") or row.get("denied"):
            continue
        names = row.get("transfer_syntaxes", row.get("transfer_syntax", ()))
        roles = row.get("role", row.get("roles", SCP))
        _add(found, problems, f"row {number}", str(row.get("sop_class", "")), _texts(names), _texts(roles))
    tls, web = values.get("tls"), values.get("dicomweb")
    if web is not None and not isinstance(web, list):  # a report, whose facts are not a promise
        web = None
    return Declaration(
        unique(found),
        tls if isinstance(tls, bool) else None,
        None
        if web is None
        else tuple(name for name in WEB_SERVICES if name in {str(entry).casefold() for entry in web}),
        str(values.get("source", "")),
        str(values.get("date", values.get("at", ""))),
        str(values.get("who", "")),
        tuple(problems),
    )


def _entities(values: Any) -> tuple[Mapping[str, Any], list[Mapping[str, Any]]]:
    """Return the device and its AEs, whichever of them the text begins with."""
    if isinstance(values, list):
        entries = [entry for entry in values if isinstance(entry, Mapping)]
        nested = [_entities(entry) for entry in entries]
        found = [entity for _, entities in nested for entity in entities]
        return (nested[0][0] if nested else {}), found
    if not isinstance(values, Mapping):
        return {}, []
    inner = values.get("dicomNetworkAE")
    if isinstance(inner, Mapping):
        inner = [inner]
    if isinstance(inner, list):
        return values, [entry for entry in inner if isinstance(entry, Mapping)]
    if "dicomTransferCapability" in values:
        return {}, [values]
    return {}, []


def _choose(entities: list[Mapping[str, Any]], ae_title: str) -> Mapping[str, Any]:
    same = [entity for entity in entities if str(entity.get("dicomAETitle", "")).strip() == ae_title.strip()]
    if same:
        return same[0]
    if len(entities) == 1:
        return entities[0]
    titles = ", ".join(str(entity.get("dicomAETitle", "?")) for entity in entities)
    raise LightboxError(
        f"The declaration has no AE {ae_title}", why=f"It has {titles}", todo="Correct the AE title of the peer"
    )


def _of_entity(device: Mapping[str, Any], entity: Mapping[str, Any]) -> Declaration:
    found: list[Pair] = []
    problems: list[str] = []
    capabilities = entity.get("dicomTransferCapability", ())
    for number, row in enumerate([capabilities] if isinstance(capabilities, Mapping) else capabilities, 1):
        if isinstance(row, Mapping):
            name, syntaxes = str(row.get("dicomSOPClass", "")), _texts(row.get("dicomTransferSyntax", ()))
            roles = _texts(row.get("dicomTransferRole", SCP))
            _add(found, problems, f"dicomTransferCapability {number}", name, syntaxes, roles)
    connections = device.get("dicomNetworkConnection", ())
    if isinstance(connections, Mapping):
        connections = [connections]
    tls = any(isinstance(entry, Mapping) and entry.get("dicomTLSCipherSuite") for entry in connections)
    title = str(entity.get("dicomAETitle", ""))
    problems += [] if found else [f"AE {title} declares nothing"]
    return Declaration(unique(found), True if tls else None, problems=tuple(problems))


def _add(
    found: list[Pair],
    problems: list[str],
    where: str,
    sop_class: str,
    names: Iterable[str],
    roles: Iterable[str],
) -> None:
    try:
        uid = vocabulary.sop_class_uid(sop_class)
        kinds = [_role(role) for role in roles]
    except UsageError as error:
        problems.append(f"{where}: {error.sentence()}")
        return
    for name in names:
        try:
            wanted = [s.uid for s in vocabulary.SYNTAXES] if name.strip() == "*" else [vocabulary.syntax_uid(name)]
        except UsageError as error:
            problems.append(f"{where}: {error.sentence()}")
            continue
        found += [Pair(uid, syntax, role) for role in kinds for syntax in wanted]


def _role(text: str) -> Role:
    folded = text.strip().casefold()
    if folded not in (SCP, SCU):
        raise UsageError("This role is not known", where=text, todo="Use SCP or SCU: the role of the peer")
    return SCU if folded == SCU else SCP


def _texts(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [str(entry) for entry in value]
