"""What is sent is what was queued: an object that became another one, or shorter, does not leave."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pydicom
import pytest

from builders.faulty_peers import FaultyArchive
from lightbox.core.errors import LightboxError
from lightbox.library.library import Library
from lightbox.network.sending.jobs import NewObject
from lightbox.network.sending.sources import Sources, of_file
from lightbox.network.sending.states import ObjectRecord, State

Files = Callable[..., list[Path]]


def test_another_patient_under_the_same_file_name(bench: Any, files: Files) -> None:
    """The images of the next examination overwrite those that were queued, with files of exactly the same size."""
    mine, other = files(1, "a", patient="Abel^A")[0], files(1, "b", patient="Bert^B")[0]
    assert mine.stat().st_size == other.stat().st_size
    with FaultyArchive() as archive:
        bench.book.add(archive.peer(), replace=True)
        queue = bench.queue()
        job = queue.enqueue("faulty", [mine])
        mine.write_bytes(other.read_bytes())
        queue.start()
        assert queue.wait([job], timeout=20)
        (entry,) = queue.objects(job)
        assert archive.came == []
        assert (entry.state, entry.attempts) == (State.FAILED, 1)
        assert "changed after it was queued" in entry.reason


def record_of(described: NewObject, path: str) -> ObjectRecord:
    return ObjectRecord(1, 1, described.sop_instance_uid, State.SENDING, path=path, size=described.size)


def test_a_file_that_is_cut_off_while_it_is_sent(files: Files) -> None:
    path = files(1, size=256)[0]
    with Sources(lambda: pytest.fail("no library")).open(record_of(of_file(path), str(path))) as file:
        assert file.read(132)[128:] == b"DICM"
        with path.open("r+b") as other:
            other.truncate(50_000)
        buffer = bytearray(4096)
        with pytest.raises(LightboxError, match="cut off"):
            while file.readinto(buffer):  # pyright: ignore[reportAttributeAccessIssue]
                pass
        file.seek(0)
        with pytest.raises(LightboxError, match="cut off"):
            file.read()


def test_an_object_of_the_library_that_is_cut_off(bench: Any, files: Files, home: Path) -> None:
    with FaultyArchive() as archive, Library.open(home) as library:
        paths = files(2)
        library.import_paths(paths)
        bench.library = library
        uids = [str(pydicom.dcmread(path).SOPInstanceUID) for path in paths]
        first, *_ = (path for path in (home / "library" / "objects").rglob("*") if path.is_file())
        with first.open("r+b") as file:
            file.truncate(first.stat().st_size - 100)
        queue, job = bench.run(archive.peer(), uids)
        assert (job.count(State.CONFIRMED), job.count(State.FAILED)) == (1, 1)
        assert len(archive.came) == 1
        assert "cut off" in next(queue.objects(job.id, (State.FAILED,))).reason
