"""Background jobs: order, progress, cancellation, errors."""

from __future__ import annotations

import threading

import pytest

from lightbox.core.errors import Cancelled, LightboxError
from lightbox.core.jobs import Job, JobRunner, JobState, Priority, Progress


@pytest.fixture
def runner():
    runner = JobRunner(workers=1)
    yield runner
    runner.close()


def test_result_and_state(runner: JobRunner) -> None:
    job = runner.submit("add", lambda job: 1 + 1)
    assert job.wait(5) == 2
    assert job.state is JobState.DONE


def test_error_is_raised_to_the_one_who_waits(runner: JobRunner) -> None:
    def fail(job: Job[None]) -> None:
        raise LightboxError("It broke", where="here")

    job = runner.submit("fail", fail)
    with pytest.raises(LightboxError, match="It broke"):
        job.wait(5)
    assert job.state is JobState.FAILED


def test_interaction_overtakes_prefetch(runner: JobRunner) -> None:
    gate = threading.Event()
    order: list[str] = []
    runner.submit("block", lambda job: gate.wait(5))
    late = runner.submit("prefetch", lambda job: order.append("prefetch"), Priority.PREFETCH)
    early = runner.submit("interaction", lambda job: order.append("interaction"), Priority.INTERACTION)
    gate.set()
    late.wait(5)
    early.wait(5)
    assert order == ["interaction", "prefetch"]


def test_cancel_while_queued_never_runs(runner: JobRunner) -> None:
    gate = threading.Event()
    ran: list[int] = []
    runner.submit("block", lambda job: gate.wait(5))
    job = runner.submit("never", lambda job: ran.append(1))
    job.cancel()
    gate.set()
    with pytest.raises(Cancelled):
        job.wait(5)
    assert ran == []
    assert job.state is JobState.CANCELLED


def test_cancel_while_running_stops_at_the_next_report(runner: JobRunner) -> None:
    started = threading.Event()
    go_on = threading.Event()

    def work(job: Job[None]) -> None:
        started.set()
        go_on.wait(5)
        job.report(1, 10)

    job = runner.submit("work", work)
    started.wait(5)
    job.cancel()
    go_on.set()
    with pytest.raises(Cancelled):
        job.wait(5)


def test_progress_is_throttled_but_the_end_is_always_told(runner: JobRunner) -> None:
    told: list[int] = []

    def work(job: Job[None]) -> None:
        job.changed.connect(lambda: told.append(job.progress.done))
        for done in range(1, 2001):
            job.report(done, 2000, unit="files")

    job = runner.submit("count", work)
    job.wait(5)
    assert 2000 in told
    assert len(told) < 200


def test_rate_and_remaining() -> None:
    progress = Progress(done=50, total=100, seconds=5)
    assert progress.rate == 10
    assert progress.remaining_s == 5
    assert Progress().remaining_s is None


def test_each_thread_is_prepared_before_its_first_job() -> None:
    told: list[str] = []
    runner = JobRunner(workers=1, prepare=lambda: told.append("prepared"))
    try:
        for name in ("first", "second"):
            runner.submit(name, lambda job, name=name: told.append(name)).wait(5)
    finally:
        runner.close()
    assert told == ["prepared", "first", "second"]
