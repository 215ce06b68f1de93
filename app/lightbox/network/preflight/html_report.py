"""The report as one HTML file: no script, nothing loaded from elsewhere, readable on screen and on paper."""

from __future__ import annotations

from html import escape

from lightbox import __version__
from lightbox.core import resources
from lightbox.network.preflight import changes, html_matrix, vocabulary
from lightbox.network.preflight.report import Report
from lightbox.network.preflight.tasks import Task
from lightbox.network.preflight.verdicts import UNTESTED

_STATES = {
    "works": "good",
    "negotiated": "plain",
    "ok": "good",
    "warning": "fair",
    "refused": "plain",
    "untested": "plain",
    "denied": "bad",
    "failed": "bad",
    "unreachable": "bad",
}
_LISTED = 400


def render(report: Report) -> str:
    """Return the report as a whole HTML document."""
    parts = [
        _head(report),
        _todo(report),
        _changes(report),
        _services(report),
        _findings(report),
        _round_trip(report),
        html_matrix.section(report, "scp"),
        html_matrix.section(report, "scu"),
        _rows(report),
        _declaration(report),
        _foot(report),
    ]
    page = resources.read_text("preflight/report.html")
    title = f"Pre-flight of {report.peer.name}, {report.at[:10]}"
    # The title first: what a peer says must not be taken for a placeholder
    return page.replace("{{title}}", escape(title)).replace("{{body}}", "\n".join(part for part in parts if part))


def _head(report: Report) -> str:
    peer, seen = report.peer, report.observation
    implementation = " ".join(part for part in (seen.implementation_version, seen.implementation_class_uid) if part)
    facts = (
        f"<b>{escape(peer.ae_title)}</b> at <b>{escape(peer.host)}:{peer.port}</b>, called as"
        f" <b>{escape(report.identity.ae_title)}</b> on <b>{report.at[:16].replace('T', ' ')} UTC</b><br>"
        f"Implementation: <b>{escape(implementation) or 'not told'}</b>, largest PDU {seen.maximum_pdu or 'unlimited'}"
        f"<br>What this peer is for: {escape(', '.join(report.needs.purposes))}"
    )
    used = [row for row in report.rows if row.needed or row.declared]
    chips = "".join(
        f"<li><b>{count}</b>{escape(verdict)}</li>"
        for verdict in report.counts()
        if (count := sum(row.verdict == verdict for row in used))
    )
    verdict = "Ready" if report.ok else "Not ready"
    failures = _things(sum(task.failing for task in report.tasks()) + sum(f.state == "failed" for f in report.findings))
    text = (
        "Everything that is needed or declared is accepted, as it is or after conversion without loss."
        if report.ok
        else f"{failures} to settle before this peer is relied on."
    )
    return (
        f"<h1>Pre-flight of {escape(peer.name)}</h1><p class='facts'>{facts}</p>"
        f"<div class='banner{'' if report.ok else ' failed'}'><strong>{verdict}</strong>{text}"
        f"<ul class='chips'>{chips}</ul></div>"
    )


def _things(count: int) -> str:
    return "One thing is" if count == 1 else f"{count} things are"


def _todo(report: Report) -> str:
    tasks = report.tasks()
    items = [_todo_item(task, "bad") for task in tasks if task.failing]
    items += [
        f"<li class='bad'><h3><span class='tag bad'>failed</span> {escape(f.subject)}</h3>"
        f"<p>{escape(f.text)}</p><p>{escape(f.todo)}</p></li>"
        for f in report.findings
        if f.state == "failed"
    ]
    lesser = [task for task in tasks if not task.failing]
    more = [_todo_item(task, "fair") for task in lesser if task.verdict != UNTESTED]
    untested = [task for task in lesser if task.verdict == UNTESTED]
    if untested:
        why = "".join(
            f"<p>{escape(text)}</p>" for text in dict.fromkeys(text for task in untested for text in task.advice)
        )
        count = sum(task.rows for task in untested)
        more.append(f"<li><h3><span class='tag plain'>untested</span> {count} pairs</h3>{why}</li>")
    text = f"<h2>To settle</h2><ol class='todo'>{''.join(items)}</ol>" if items else ""
    if more:
        body = f"<ol class='todo'>{''.join(more)}</ol>"
        heading = "<h2>Good to know <small>nothing that stops work</small></h2>"
        text += heading + (body if len(more) <= 4 else f"<details><summary>Show all</summary>{body}</details>")
    return text


def _todo_item(task: Task, kind: str) -> str:
    advice = "".join(f"<p>{escape(text)}</p>" for text in task.advice)
    needed = f" <span class='soft'>({escape(task.reason)})</span>" if task.reason else ""
    items = f"<ul>{''.join(f'<li>{escape(item)}</li>' for item in task.items)}</ul>" if task.items else ""
    return (
        f"<li class='{'bad' if kind == 'bad' else ''}'><h3><span class='tag {kind}'>{escape(task.verdict)}</span>"
        f" {escape(task.title)}{needed}</h3>{items}{advice}</li>"
    )


def _changes(report: Report) -> str:
    words = changes.words(report.changed_since)
    listed = (report.changed_since or {}).get("changes", [])
    if not listed:
        return f"<p class='soft' style='margin-top:16px'>{escape(words)}.</p>"
    items = "".join(f"<li>{escape(change)}</li>" for change in listed)
    return f"<h2>{escape(words)}</h2><ul>{items}</ul>"


def _services(report: Report) -> str:
    lines = []
    for check in report.observation.services:
        todo = f"<br><b>{escape(check.todo)}</b>" if check.todo else ""
        time = f"{check.milliseconds:.0f} ms" if check.milliseconds else ""
        lines.append(
            f"<tr><td>{escape(check.name)}</td><td>{_tag(check.state)}</td>"
            f"<td>{escape(check.text)}{todo}</td><td class='number'>{time}</td></tr>"
        )
    return (
        "<h2>Services <small>each was asked for something that cannot exist</small></h2><table><thead><tr>"
        "<th>Service</th><th>State</th><th>What was seen</th><th></th></tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>"
    )


def _findings(report: Report) -> str:
    lines = []
    for finding in report.findings:
        if finding.subject == "Round trip":
            continue
        todo = f"<br><b>{escape(finding.todo)}</b>" if finding.todo else ""
        lines.append(
            f"<tr><td>{escape(finding.subject)}</td><td>{_tag(finding.state)}</td>"
            f"<td>{escape(finding.text)}{todo}</td></tr>"
        )
    if not lines:
        return ""
    heading = "Encryption" + (" and DICOMweb" if report.peer.web is not None else "")
    return f"<h2>{heading}</h2><table><tbody>{''.join(lines)}</tbody></table>"


def _tag(state: str) -> str:
    return f"<span class='tag {_STATES.get(state, 'plain')}'>{escape(state)}</span>"


def _round_trip(report: Report) -> str:
    if report.round_trip is None:
        return ""
    lines = []
    for item in report.round_trip["objects"]:
        steps = ", ".join(f"{escape(name)}: {escape(text)}" for name, text in item["steps"].items())
        differences = "".join(f"<br><code>{escape(text)}</code>" for text in item["differences"])
        lines.append(
            f"<tr><td>{escape(item['name'])}</td><td>{_tag(item['state'])}</td><td>{steps}{differences}</td></tr>"
        )
    left = f"<p><b>{escape(report.round_trip['left_behind'])}</b></p>" if report.round_trip["left_behind"] else ""
    left += "".join(f"<p>{escape(note)}</p>" for note in report.round_trip["notes"])
    untried = ", ".join(vocabulary.class_name(uid) for uid in report.round_trip["not_tried"])
    left += f"<p>Needed, but not tried since there is no test object: {escape(untried)}</p>" if untried else ""
    return (
        "<h2>Round trip <small>invented objects: stored, confirmed, found, fetched, compared</small></h2>"
        f"{left}<table><tbody>{''.join(lines)}</tbody></table>"
    )


def _rows(report: Report) -> str:
    told = [row for row in report.rows if row.needed or row.declared or row.observed.state == "accepted"]
    lines = []
    for row in told[:_LISTED]:
        why = " · ".join(part for part in (row.reason, row.observed.why) if part)
        lines.append(
            f"<tr><td>{escape(vocabulary.class_name(row.pair.sop_class))}</td>"
            f"<td>{escape(vocabulary.short(row.pair.transfer_syntax))}</td>"
            f"<td>{'stores or serves' if row.pair.role == 'scp' else 'sends to us'}</td>"
            f"<td>{'yes' if row.declared else '–'}</td><td>{'yes' if row.needed else '–'}</td>"
            f"<td>{row.observed.state}</td><td>{escape(row.verdict)}</td><td class='soft'>{escape(why)}</td></tr>"
        )
    rest = len(report.rows) - len(told[:_LISTED])
    left = (
        f"<p class='soft'>{rest:,} more pairs are not listed: the matrix and the JSON report have them.</p>"
        if rest
        else ""
    )
    return (
        f"<h2>All pairs</h2><details><summary>{len(told[:_LISTED]):,} pairs that are needed, declared or accepted"
        "</summary><table><thead><tr><th>SOP class</th><th>Transfer syntax</th><th>The peer</th><th>Declared</th>"
        "<th>Needed</th><th>Observed</th><th>Verdict</th><th></th></tr></thead>"
        f"<tbody>{''.join(lines)}</tbody></table>{left}</details>"
    )


def _declaration(report: Report) -> str:
    declaration = report.declaration
    if declaration is None:
        return (
            "<h2>Declaration</h2><p class='soft'>None is on file: nothing was compared with what the vendor says."
            " Import a table of the conformance statement with <code>--declaration FILE</code>, or take over what was"
            " seen now with <code>--trust-probe</code>, so that later changes are noticed.</p>"
        )
    who = f", given by {declaration.who}" if declaration.who else ""
    text = f"{len(declaration.pairs)} pairs from {declaration.title()}{who}."
    problems = "".join(f"<li>{escape(problem)}</li>" for problem in declaration.problems)
    unread = f"<p>Not understood, so that it promises nothing:</p><ul>{problems}</ul>" if problems else ""
    return f"<h2>Declaration</h2><p>{escape(text)}</p>{unread}"


def _foot(report: Report) -> str:
    seen = report.observation
    notes = "".join(f"<p>{escape(note)}</p>" for note in seen.notes)
    sent = "Only the invented objects of the round trip were sent" if report.round_trip else "No data set was sent"
    return (
        f"<footer>{notes}<p>{len(seen.pairs):,} pairs were negotiated in {seen.associations} associations within"
        f" {seen.seconds:.2f} s, one transfer syntax a context. {sent}. That a peer accepts an encoding does not prove"
        " that it can show it; a round trip and a look at the images do.</p>"
        f"<p>Made by Lightbox {escape(__version__)}. It names no patient.</p></footer>"
    )
