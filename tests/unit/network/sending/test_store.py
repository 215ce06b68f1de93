"""Jobs and objects in the database: claimed, settled, paused, cancelled, recovered."""

from __future__ import annotations

import contextlib
import random
import sqlite3
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders.faulty_peers import FaultyArchive
from lightbox.core.errors import LightboxError, NotFoundError, UsageError
from lightbox.core.settings import Settings
from lightbox.network.errors import AssociationError, DimseError
from lightbox.network.sending import jobs, lease, retry, work
from lightbox.network.sending.database import Database
from lightbox.network.sending.jobs import NewObject
from lightbox.network.sending.retry import Circuit, Verdict
from lightbox.network.sending.schema import STEPS
from lightbox.network.sending.states import Confirm, QueueSettings, State
from lightbox.network.sending.work import Outcome
from lightbox.network.web import errors as web_errors

CT = "1.2.840.10008.5.1.4.1.1.2"
Files = Callable[..., list[Path]]


@pytest.fixture
def database(tmp_path: Path) -> Any:
    made = Database(tmp_path / "network" / "queue.sqlite")
    yield made
    made.close()


def add(database: Database, count: int, *, peer: str = "pacs", priority: int = 50, first: int = 1) -> int:
    objects = (NewObject(f"1.2.{number}", CT, "1.2.840.10008.1.2", size=10) for number in range(first, first + count))
    return jobs.add(database, peer, objects, priority=priority, confirm=True)


def claim(database: Database, limit: int = 100, *, peer: str = "pacs", now: float | None = None) -> list[str]:
    found = work.claim(database, peer, limit, time.time() if now is None else now, 600)
    return [entry.sop_instance_uid for entry in found]


def test_claimed_in_order_of_priority(database: Database) -> None:
    add(database, 2)
    add(database, 2, priority=0, first=10)
    add(database, 1, first=20)
    add(database, 1, peer="other", first=30)
    assert claim(database) == ["1.2.10", "1.2.11"]
    assert work.interrupted(database, "pacs", 0) is False
    assert claim(database, 2) == ["1.2.1", "1.2.2"]
    assert claim(database) == ["1.2.20"]
    assert claim(database) == []
    assert work.peers_with_work(database) == {"pacs", "other"}


def test_something_more_urgent_interrupts(database: Database) -> None:
    add(database, 2)
    claim(database)
    assert not work.interrupted(database, "pacs", 50)
    add(database, 1, priority=0, first=5)
    assert work.interrupted(database, "pacs", 50)


def test_pausing(database: Database) -> None:
    job = add(database, 3)
    for options in ({"job": job}, {"peer": "pacs"}, {}):
        jobs.set_paused(database, True, **options)
        assert jobs.get(database, job).state == "paused"
        assert claim(database) == []
        assert not work.peers_with_work(database)
        jobs.set_paused(database, False, **options)
    assert len(claim(database)) == 3
    jobs.set_paused(database, True, job=job)
    claimed = [entry.id for entry in jobs.objects_of(database, job)]
    assert work.stopped_objects(database, claimed) == set(claimed)


def test_what_a_dead_process_had_claimed_is_queued_again(database: Database) -> None:
    job = add(database, 3)
    claim(database, 2)
    assert jobs.get(database, job).count(State.SENDING) == 2
    assert work.left_behind(database, "pacs")
    assert work.recover(database, "pacs") == 2
    assert not work.left_behind(database, "pacs")
    assert jobs.get(database, job).count(State.QUEUED) == 3


def test_cancelled_while_it_was_sent(database: Database) -> None:
    job = add(database, 3)
    claim(database, 2)
    assert jobs.cancel(database, job) == 3
    first, second, _ = jobs.objects_of(database, job)
    work.settle(database, [Outcome(first.id, State.SENT), Outcome(second.id, State.WAITING, "busy")])
    # That the archive has it is true, whatever was wanted
    assert [entry.state for entry in jobs.objects_of(database, job)] == [State.SENT, State.CANCELLED, State.CANCELLED]
    assert jobs.get(database, job).sent_bytes == 10
    assert jobs.retry(database, job) == 2


def test_waiting_until_its_time(database: Database) -> None:
    job = add(database, 1)
    now = time.time()
    claim(database, now=now)
    (entry,) = jobs.objects_of(database, job)
    work.settle(database, [Outcome(entry.id, State.WAITING, "busy", retry_at=now + 100)])
    assert claim(database, now=now + 99) == []
    assert work.next_moment(database, "pacs", now, 600) == pytest.approx(now + 100)
    assert claim(database, now=now + 101) == ["1.2.1"]


def test_a_clock_that_was_set_back_does_not_stop_it(database: Database) -> None:
    job = add(database, 1)
    now = time.time()
    claim(database, now=now)
    (entry,) = jobs.objects_of(database, job)
    work.settle(database, [Outcome(entry.id, State.WAITING, "busy", retry_at=now + 100)])
    assert claim(database, now=now - 86_400) == ["1.2.1"]
    circuit = Circuit(1, now + 100, "down")
    assert circuit.blocks(now, QueueSettings())
    assert not circuit.blocks(now - 86_400, QueueSettings())


def test_retry_takes_the_peer_for_reachable(database: Database) -> None:
    job = add(database, 1)
    work.save_circuit(database, "pacs", Circuit(3, time.time() + 500, "down"))
    assert jobs.get(database, job).reason == "down"
    jobs.retry(database, job)
    assert work.circuit(database, "pacs") == Circuit()


def test_counts_follow_the_objects(database: Database) -> None:
    job = add(database, 500)
    generator = random.Random(1)
    for _ in range(5):
        claim(database, 200)
        states = [State.SENT, State.FAILED, State.WAITING, State.QUEUED, State.CONFIRMED]
        outcomes = [
            Outcome(entry.id, generator.choice(states), confirm=generator.choice(list(Confirm)))
            for entry in jobs.objects_of(database, job, states=(State.SENDING,))
        ]
        work.settle(database, outcomes)
    expected: dict[str, int] = {}
    for entry in jobs.objects_of(database, job):
        expected[entry.state.value] = expected.get(entry.state.value, 0) + 1
    found = jobs.get(database, job)
    assert {state: number for state, number in found.counts.items() if number} == expected
    totals = jobs.counts(database)
    assert sum(totals[state.value] for state in State) == found.total == 500
    assert found.sent_bytes == 10 * found.accepted


def test_the_first_answer_about_what_the_peer_held_stays(database: Database) -> None:
    job = add(database, 2)
    first, second = jobs.objects_of(database, job)
    work.note_existing(database, [(first.id, False), (second.id, True)])
    work.note_existing(database, [(first.id, True), (second.id, False)])  # our own copy is there by now
    assert [entry.existed for entry in jobs.objects_of(database, job)] == [False, True]


def test_finished_jobs_are_forgotten_in_time(database: Database) -> None:
    done, open_ = add(database, 1), add(database, 1, first=9)
    claim(database, 1)
    (entry,) = jobs.objects_of(database, done)
    work.settle(database, [Outcome(entry.id, State.SENT)])
    assert jobs.prune(database, time.time() - 100) == 0
    assert jobs.prune(database, time.time() + 100) == 1
    assert [job.id for job in jobs.listed(database)] == [open_]
    with pytest.raises(UsageError):
        jobs.remove(database, open_)
    with pytest.raises(NotFoundError):
        jobs.get(database, done)


def test_a_job_of_which_adding_failed_is_not_there(database: Database) -> None:
    def objects() -> Any:
        yield NewObject("1.2.3", CT, "1.2")
        raise OSError("the disk is gone")

    with pytest.raises(OSError, match="disk"):
        jobs.add(database, "pacs", objects(), priority=0, confirm=True)
    assert jobs.listed(database) == []
    assert jobs.get(database, add(database, 2)).total == 2


def test_a_newer_file_and_a_damaged_one(tmp_path: Path) -> None:
    path = tmp_path / "queue.sqlite"
    Database(path).close()
    with contextlib.closing(sqlite3.connect(path)) as connection:
        assert connection.execute("PRAGMA user_version").fetchone()[0] == len(STEPS)
        assert connection.execute("PRAGMA journal_mode").fetchone()[0] == "wal"
        connection.execute("PRAGMA user_version = 99")
    with pytest.raises(LightboxError, match="newer Lightbox"):
        Database(path)
    path.write_bytes(b"no database at all, but long enough to be looked at" * 100)
    with pytest.raises(LightboxError, match="cannot be opened"):
        Database(path)


def test_the_lease_ends_with_its_process(tmp_path: Path) -> None:
    code = (
        "import sys, time\nfrom pathlib import Path\nfrom lightbox.network.sending import lease\n"
        "lock = lease.of(Path(sys.argv[1]), 'pacs')\nassert lock.acquire()\nprint('held', flush=True)\ntime.sleep(60)\n"
    )
    process = subprocess.Popen([sys.executable, "-c", code, str(tmp_path)], stdout=subprocess.PIPE)
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == b"held\n"
        mine = lease.of(tmp_path, "PACS")
        assert not mine.acquire()
        assert lease.of(tmp_path, "other").acquire()
        process.kill()
        process.wait(10)
        assert mine.acquire()
        assert not lease.of(tmp_path, "pacs").acquire()
    finally:
        process.kill()
        process.wait(10)


def test_delays_double_up_to_the_longest_with_jitter() -> None:
    settings = QueueSettings()
    generator = random.Random(3)
    for attempt, longest in ((1, 5), (2, 10), (3, 20), (7, 320), (8, 600), (30, 600), (10_000, 600)):
        delays = [retry.delay(attempt, settings, generator=generator) for _ in range(200)]
        assert longest / 2 <= min(delays) < max(delays) <= longest
        assert len(set(delays)) > 100


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (0x0000, Verdict.ACCEPTED),
        (0xB000, Verdict.WARNING),
        (0xB007, Verdict.WARNING),
        (0x0107, Verdict.WARNING),
        (0xA700, Verdict.TRANSIENT),
        (0xA7FF, Verdict.TRANSIENT),
        (0x0213, Verdict.TRANSIENT),
        (None, Verdict.TRANSIENT),
        (0xA777, Verdict.PERMANENT),
        (0xA900, Verdict.PERMANENT),
        (0xC000, Verdict.PERMANENT),
        (0xCFFF, Verdict.PERMANENT),
        (0x0110, Verdict.PERMANENT),
        (0x0122, Verdict.PERMANENT),
        (0x0111, Verdict.DUPLICATE),
    ],
)
def test_statuses(status: int | None, verdict: Verdict) -> None:
    assert retry.of_status(status) is verdict


@pytest.mark.parametrize(
    ("status", "verdict"),
    [
        (200, Verdict.ACCEPTED),
        (202, Verdict.ACCEPTED),
        (408, Verdict.TRANSIENT),
        (429, Verdict.TRANSIENT),
        (502, Verdict.TRANSIENT),
        (503, Verdict.TRANSIENT),
        (504, Verdict.TRANSIENT),
        (400, Verdict.PERMANENT),
        (401, Verdict.PERMANENT),
        (403, Verdict.PERMANENT),
        (406, Verdict.PERMANENT),
        (409, Verdict.PERMANENT),
        (413, Verdict.PERMANENT),
        (500, Verdict.PERMANENT),
        (501, Verdict.PERMANENT),
    ],
)
def test_http_statuses(status: int, verdict: Verdict) -> None:
    assert retry.of_http(status) is verdict
    if status >= 400:  # and the same for a request that failed as a whole
        error = web_errors.of_status("pacs", "store", status)
        assert retry.of_error(error) is verdict


@pytest.mark.parametrize(
    ("error", "verdict"),
    [
        (AssociationError("x", code="tcp.refused"), Verdict.TRANSIENT),
        (AssociationError("x", code="association.busy"), Verdict.TRANSIENT),
        (AssociationError("x", code="operation.closed"), Verdict.TRANSIENT),
        (AssociationError("x", code="dns.unknown"), Verdict.TRANSIENT),
        (AssociationError("x", code="association.rejected"), Verdict.PERMANENT),
        (AssociationError("x", code="association.no-context"), Verdict.PERMANENT),
        (AssociationError("x", code="tls.untrusted"), Verdict.PERMANENT),
        (DimseError("x", status=0xA700), Verdict.TRANSIENT),
        (DimseError("x", status=0xC000), Verdict.PERMANENT),
        (ConnectionResetError(), Verdict.TRANSIENT),
        (ValueError(), Verdict.PERMANENT),
    ],
)
def test_errors(error: Exception, verdict: Verdict) -> None:
    assert retry.of_error(error) is verdict


def test_reports_of_storage_commitment_are_awaited_for_two_days() -> None:
    assert QueueSettings().commitment_timeout_s == 48 * 3600


def test_settings(home: Path) -> None:
    settings = Settings(home)
    settings.set("network.send", {"first_delay_s": 1.0, "of another version": 1})
    assert QueueSettings.of(settings).first_delay_s == 1.0
    for wrong in ({"tries": 0}, {"compare": "never"}, {"first_delay_s": 10.0, "maximum_delay_s": 5.0}):
        settings.set("network.send", wrong)
        with pytest.raises(UsageError):
            QueueSettings.of(settings)


def test_pause_and_resume_in_the_middle(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.stall_s = 0.05
        bench.book.add(archive.peer(associations=1))
        queue = bench.queue()
        told: list[int] = []
        queue.changed.connect(lambda: told.append(1))
        job = queue.enqueue("faulty", files(40))
        queue.start()
        while not archive.came:
            time.sleep(0.01)
        queue.pause(job)
        deadline = time.monotonic() + 10
        while queue.job(job).count(State.SENDING) and time.monotonic() < deadline:
            time.sleep(0.05)
        number = len(archive.came)
        assert 0 < number < 40
        time.sleep(0.6)
        assert len(archive.came) == number
        assert queue.job(job).state == "paused"
        archive.stall_s = 0
        queue.resume(job)
        assert queue.wait([job], timeout=20)
        assert len(archive.came) == 40
        assert told


def test_cancel_in_the_middle(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.stall_s = 0.05
        bench.book.add(archive.peer(associations=1))
        queue = bench.queue()
        job = queue.enqueue("faulty", files(40))
        queue.start()
        while not archive.came:
            time.sleep(0.01)
        assert queue.cancel(job) > 10
        deadline = time.monotonic() + 10  # what was on its way is at the archive, and is said to be
        while queue.job(job).count(State.CONFIRMED) < len(archive.came) and time.monotonic() < deadline:
            time.sleep(0.02)
        found = queue.job(job)
        assert found.accepted == len(archive.came) == found.count(State.CONFIRMED)
        assert found.count(State.CANCELLED) == 40 - found.accepted


def test_urgent_jobs_overtake(bench: Any, files: Files) -> None:
    with FaultyArchive() as archive:
        archive.stall_s = 0.03
        bench.book.add(archive.peer(associations=1))
        queue = bench.queue()
        slow = queue.enqueue("faulty", files(200))
        queue.start()
        while not archive.came:
            time.sleep(0.01)
        urgent = queue.enqueue("faulty", files(3, "urgent"), 0)
        assert queue.wait([urgent], timeout=20)
        assert not queue.job(slow).finished
        archive.stall_s = 0
        assert queue.wait([slow], timeout=20)


def test_the_bandwidth_limit_holds_for_all_associations(bench: Any, files: Files) -> None:
    with FaultyArchive(query=False) as archive:
        bench.book.add(archive.peer(associations=3, bandwidth_limit=60_000))
        queue = bench.queue()
        rates: list[float] = []
        queue.progress.connect(lambda progress: rates.append(progress.rate))
        paths = files(40)
        size = sum(path.stat().st_size for path in paths)
        begun = time.monotonic()
        job = queue.enqueue("faulty", paths, commit=False)
        queue.start()
        assert queue.wait([job], timeout=30)
        assert size / (time.monotonic() - begun) < 60_000 * 1.2
        assert rates
