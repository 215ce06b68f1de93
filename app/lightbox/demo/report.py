"""The one-page report of the demonstration."""

from __future__ import annotations

import html
import platform
from dataclasses import dataclass, field
from pathlib import Path

from lightbox import __version__
from lightbox.core import clock
from lightbox.core.settings import write_atomically


@dataclass
class Step:
    """One step of the demonstration: what was done, whether it worked, what came out."""

    name: str
    ok: bool = True
    seconds: float = 0.0
    text: str = ""
    pictures: list[tuple[str, str]] = field(default_factory=list)
    """(file name beside the report, caption)"""


_STYLE = """
body{background:#0E1116;color:#D7DEE7;font:15px/1.5 Inter,system-ui,sans-serif}
body{max-width:1100px;margin:32px auto;padding:0 24px}
h1{font-weight:600;font-size:24px;margin-bottom:4px} p.lead{color:#8492A3;margin-top:0}
section{background:#151A21;border:1px solid #27303B;border-radius:8px;padding:16px 20px;margin:16px 0}
h2{font-size:16px;margin:0} .time{float:right;color:#8492A3;font-size:13px}
.ok{color:#3FB97F} .failed{color:#EF6461} figure{margin:12px 0 0} figcaption{color:#8492A3;font-size:13px}
img{max-width:100%;border:1px solid #27303B;border-radius:6px}
"""


def write(path: Path, steps: list[Step]) -> None:
    """Write the report as HTML; pictures lie beside it."""
    good = sum(step.ok for step in steps)
    body = [
        f"<h1>Lightbox {html.escape(__version__)}: demonstration</h1>",
        f"<p class=lead>{clock.stamp()} · {html.escape(platform.platform(terse=True))} · Python "
        f"{platform.python_version()} · {good} of {len(steps)} steps worked</p>",
        "<p class=lead>A synthetic study; no person. Archive, workstation and export ran on this computer only.</p>",
        *(_section(step) for step in steps),
    ]
    page = (
        '<!doctype html><html lang="en"><meta charset="utf-8"><title>Lightbox demonstration</title>'
        f"<style>{_STYLE}</style>" + "".join(body) + "</html>"
    )
    write_atomically(path, page.encode("utf-8"))


def _section(step: Step) -> str:
    state = '<span class="ok">✓</span>' if step.ok else '<span class="failed">✗ failed</span>'
    figures = "".join(
        f'<figure><img src="{html.escape(name)}" alt="{html.escape(caption)}"><figcaption>{html.escape(caption)}'
        "</figcaption></figure>"
        for name, caption in step.pictures
    )
    return (
        f"<section><span class=time>{step.seconds:.1f} s</span><h2>{state} {html.escape(step.name)}</h2>"
        f"<p>{html.escape(step.text)}</p>{figures}</section>"
    )
