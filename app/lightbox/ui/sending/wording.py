"""What the screen says of a job of the send queue and of its objects."""

from __future__ import annotations

import time

from lightbox.network.sending.states import OPEN_STATES, Confirm, JobRecord, ObjectRecord, SendProgress, State
from lightbox.ui import words

STATES = {
    "queued": ("", "waiting to be sent"),
    "sending": ("accent", "sending"),
    "waiting": ("warn", "will be tried again"),
    "paused": ("warn", "paused"),
    "confirming": ("warn", "sent, not yet confirmed"),
    "unconfirmed": ("warn", "sent, not confirmed"),
    "sent": ("ok", "sent"),
    "confirmed": ("ok", "confirmed"),
    "failed": ("critical", "failed"),
    "cancelled": ("", "cancelled"),
}
"""Kind of badge and words by `JobRecord.state`."""

_OBJECT_STATES = {
    State.QUEUED: "waiting",
    State.SENDING: "being sent",
    State.WAITING: "will be tried again",
    State.SENT: "sent",
    State.CONFIRMED: "confirmed",
    State.FAILED: "failed",
    State.CANCELLED: "cancelled",
}


def amount(job: JobRecord) -> str:
    """Return how far a job is: ``338 of 340 confirmed · 2 failed``."""
    total = words.plural(job.total, "image")
    confirmed, accepted, failed = job.count(State.CONFIRMED), job.accepted, job.count(State.FAILED)
    if confirmed == job.total:
        text = f"all of {total} confirmed" if job.total > 1 else f"{total} confirmed"
    elif confirmed or (job.commit and accepted == job.total):
        text = f"{words.count(confirmed)} of {total} confirmed"
        if accepted > confirmed:
            text += f" · {words.count(accepted - confirmed)} sent, not yet confirmed"
    else:
        text = f"{words.count(accepted)} of {total} sent"
    if failed:
        text += f" · {words.count(failed)} failed"
    cancelled = job.count(State.CANCELLED)
    return f"{text} · {words.count(cancelled)} cancelled" if cancelled else text


def pace(job: JobRecord, progress: SendProgress | None, now: float | None = None) -> str:
    """Return rate and remaining time, or when it is tried again."""
    if not job.count(*OPEN_STATES) or job.paused:
        return ""
    wait = job.retry_at - (time.time() if now is None else now)
    if job.retry_at and wait > 0:
        return f"next try in {words.duration(max(1.0, wait))}"
    if progress is None or progress.rate <= 0 or not job.count(State.SENDING):
        return ""
    text = f"{words.size(progress.rate)}/s"
    return f"{text} · {words.duration(progress.remaining_s)} left" if progress.remaining_s else text


def shares(job: JobRecord) -> list[tuple[int, str]]:
    """Return the shares of the bar: confirmed, sent, failed."""
    confirmed = job.count(State.CONFIRMED)
    settled = not job.commit and not job.awaiting
    return [
        (confirmed, "ok"),
        (job.accepted - confirmed, "ok" if settled else "warn"),
        (job.count(State.FAILED), "critical"),
    ]


def object_state(item: ObjectRecord, now: float | None = None) -> str:
    """Return the state of one object in words."""
    if item.state is State.SENT and item.confirm is Confirm.IMPOSSIBLE:
        return "sent, cannot be confirmed"
    if item.state is State.SENT and item.confirm in (Confirm.WANTED, Confirm.ASKED):
        return "sent, not yet confirmed"
    if item.state is State.WAITING and item.retry_at:
        wait = item.retry_at - (time.time() if now is None else now)
        return f"next try in {words.duration(max(1.0, wait))}" if wait > 0 else "next try now"
    return _OBJECT_STATES[item.state]


def summary(counts: dict[str, int]) -> list[tuple[str, str, str]]:
    """Return (number, words, token of the theme) for the head of the page, what needs a look first."""
    waiting = sum(counts.get(state.value, 0) for state in OPEN_STATES)
    found = [
        (counts.get("failed", 0), "failed", "critical"),
        (counts.get("unconfirmed", 0), "sent, not yet confirmed", "warn"),
        (waiting, "to be sent", "accent"),
        (counts.get("confirmed", 0), "confirmed", "ok"),
    ]
    return [(words.count(number), text, shade if number else "text-secondary") for number, text, shade in found]
