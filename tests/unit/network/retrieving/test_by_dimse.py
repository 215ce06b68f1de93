"""Several associations, archives that are busy, and going on after a death."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from builders import network_objects
from builders.peer_servers import free_port
from lightbox.core.settings import Settings
from lightbox.library.library import Library
from lightbox.network import archive as archive_module
from lightbox.network import suboperations
from lightbox.network.archive import Archive
from lightbox.network.identity import LocalIdentity
from lightbox.network.operation import Target
from lightbox.network.peers import Peer, PeerBook
from lightbox.network.retrieve import retrieve
from lightbox.network.retrieving import by_move, journal
from lightbox.network.retrieving.resume import resume
from lightbox.network.retrieving.work import Supply, share


@pytest.fixture
def images(tmp_path: Path) -> list[Dataset]:
    datasets = [network_objects.ct("many", f"s{number % 6}", number) for number in range(24)]
    network_objects.write(tmp_path / "many", datasets)
    return datasets


def study(images: list[Dataset]) -> str:
    return str(images[0].StudyInstanceUID)


def with_associations(peer: Peer, number: int) -> Peer:
    return Peer(peer.name, peer.ae_title, peer.host, peer.port, associations=number)


@pytest.mark.parametrize("associations", [1, 2, 4, 16])
def test_series_are_shared_between_associations(
    tmp_path: Path,
    identity: LocalIdentity,
    library: Library,
    images: list[Dataset],
    associations: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lightbox.network import get

    opened: list[int] = []
    session = get.session
    monkeypatch.setattr(get, "session", lambda *given: (opened.append(1), session(*given))[1])
    with Archive(tmp_path / "many") as archive:
        peer = with_associations(archive.peer(), associations)
        report = retrieve(peer, identity, library, study(images), method="c-get")
    assert report.summary() == "24 of 24"
    assert [entry.received for entry in report.series] == [4] * 6
    assert len(opened) == min(associations, 6)


def test_fewer_associations_than_wanted_do_no_harm(
    tmp_path: Path,
    identity: LocalIdentity,
    library: Library,
    images: list[Dataset],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    from lightbox.network import get
    from lightbox.network.errors import AssociationError

    lock = threading.Lock()
    granted: list[int] = []
    session = get.session

    def one(*given: Any) -> Any:
        with lock:
            granted.append(1)
            if len(granted) > 1:
                raise AssociationError("busy", code="association.busy")
        return session(*given)

    monkeypatch.setattr(get, "session", one)
    with Archive(tmp_path / "many") as archive:
        peer = with_associations(archive.peer(), 3)
        report = retrieve(peer, identity, library, study(images), method="c-get")
    assert report.summary() == "24 of 24"


def test_share_raises_what_left_work_undone() -> None:
    targets = [Target("1", str(number)) for number in range(4)]
    taken: list[Target] = []

    def work(supply: Supply) -> None:
        if threading.current_thread() is not threading.main_thread():
            raise ValueError("not one of ours")
        while (target := supply.take()) is not None:
            taken.append(target)

    with pytest.raises(ValueError, match="not one of ours"):
        share(Supply(targets), 2, work)
    assert taken == targets


def test_an_archive_without_resources_is_asked_again(
    tmp_path: Path,
    identity: LocalIdentity,
    library: Library,
    images: list[Dataset],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """As archives do whose associations to us are all in use: A702, and nothing comes."""
    monkeypatch.setattr(by_move, "PAUSES_S", (0.01, 0.01))
    attempts: list[int] = []
    send = suboperations.send_entry

    def busy(*given: Any) -> int | None:
        attempts.append(1)
        return None if len(attempts) <= 6 else send(*given)

    monkeypatch.setattr(suboperations, "send_entry", busy)
    with Archive(tmp_path / "many", destinations={"LIGHTBOX": ("127.0.0.1", identity.port)}) as archive:
        series = str(images[0].SeriesInstanceUID)
        report = retrieve(archive.peer(), identity, library, study(images), [series], method="c-move")
    assert report.summary() == "4 of 4"


def test_one_move_at_a_time_for_each_archive(
    tmp_path: Path, identity: LocalIdentity, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    studies = []
    for number in range(4):
        datasets = [network_objects.ct(f"study {number}", "s", n) for n in range(3)]
        network_objects.write(tmp_path / "four" / str(number), datasets)
        studies.append(str(datasets[0].StudyInstanceUID))
    serve = suboperations.serve
    running: list[int] = []
    most: list[int] = []

    def counted(*given: Any, **named: Any) -> None:
        running.append(1)
        most.append(len(running))
        try:
            serve(*given, **named)
        finally:
            running.pop()

    monkeypatch.setattr(archive_module.suboperations, "serve", counted)
    from lightbox.network.storage_scp import StorageScp

    with (
        Library.open(home) as library,
        StorageScp(library, identity),
        Archive(tmp_path / "four", destinations={"LIGHTBOX": ("127.0.0.1", identity.port)}) as archive,
    ):
        results: list[str] = []

        def one(uid: str) -> None:
            results.append(retrieve(archive.peer(), identity, library, uid, method="c-move").summary())

        threads = [threading.Thread(target=one, args=(uid,)) for uid in studies]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert results == ["3 of 3"] * 4
    assert max(most) == 1


_CHILD = """
import os, sys
from pathlib import Path
from lightbox.library.library import Library
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.retrieve import retrieve

home, port, own_port, study = sys.argv[1:]
with Library.open(Path(home)) as library:
    def die(progress):
        if progress.done >= 5:
            os.kill(os.getpid(), 9)
    retrieve(Peer("archive", "ARCHIVE", "127.0.0.1", int(port)), LocalIdentity("LIGHTBOX", int(own_port), "127.0.0.1"),
             library, study, method="c-get", series_progress=lambda _: None, progress=die)
"""


def test_what_a_killed_process_retrieved_is_gone_on_with(
    tmp_path: Path, home: Path, identity: LocalIdentity, images: list[Dataset], monkeypatch: pytest.MonkeyPatch
) -> None:
    from lightbox.network.retrieving import tally

    monkeypatch.setattr(tally, "PROGRESS_INTERVAL_S", 0.0)
    child = "import lightbox.network.retrieving.tally as t\nt.PROGRESS_INTERVAL_S = 0.0\n" + _CHILD
    sent: list[str] = []
    with Archive(tmp_path / "many") as archive:
        archive.sent.connect(sent.append)
        arguments = [str(home), str(archive.port), str(free_port()), study(images)]
        died = subprocess.run([sys.executable, "-c", child, *arguments], capture_output=True, timeout=60)
        assert died.returncode == -9, died.stderr.decode()
        assert len(journal.unfinished(home)) == 1
        settings = Settings(home)
        book = PeerBook(settings)
        with Library.open(home) as library:
            before = sum(entry.number_of_instances for entry in library.series_of(study(images)))
            assert 5 <= before < 24
            # As long as the peer is unknown, it stays unfinished no longer: it cannot succeed later by itself
            book.add(Peer("archive", "ARCHIVE", "127.0.0.1", free_port()))
            (failed,) = resume(book, identity, library, settings=settings)
            assert failed.error is not None
            assert len(journal.unfinished(home)) == 1  # nothing listened: it may later
            book.add(archive.peer(), replace=True)
            sent.clear()
            (resumed,) = resume(book, identity, library, settings=settings)
        assert resumed.report is not None
        assert resumed.report.complete
        assert (resumed.report.received, resumed.report.already_here) == (24, before)
        assert len(sent) == 24 - before
        assert journal.unfinished(home) == []


def test_a_retrieve_that_cannot_succeed_leaves_the_journal(
    home: Path, identity: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    folder = home / "network" / "retrieves"
    folder.mkdir(parents=True)
    (folder / "a.json").write_text('{"peer": "gone", "study_uid": "1.2"}')
    (resumed,) = resume(PeerBook(Settings(home)), identity, library)
    assert resumed.error is not None
    assert "gone" in str(resumed.error)
    assert journal.unfinished(home) == []


def test_c_move_to_the_receiver_that_runs_in_processes_of_its_own(
    tmp_path: Path, home: Path, identity: LocalIdentity, images: list[Dataset]
) -> None:
    from lightbox.network.receiving.process import ReceiverProcess

    with Library.open(home) as library:
        receiver = ReceiverProcess(home, identity, library=library)
        receiver.start()
        try:
            with Archive(tmp_path / "many", destinations={"LIGHTBOX": ("127.0.0.1", identity.port)}) as archive:
                report = retrieve(archive.peer(), identity, library, study(images), method="c-move")
            assert (report.summary(), report.notes) == ("24 of 24", [])
            assert [entry.received for entry in report.series] == [4] * 6
            assert receiver.running
        finally:
            receiver.stop()
