"""What is fetched back to be compared: one object, whatever else an archive sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset

from builders.faulty_peers import CT, FaultyArchive
from lightbox.network.identity import LocalIdentity
from lightbox.network.sending import images, readback
from lightbox.network.sending.states import ObjectRecord, State
from lightbox.network.wire.client import associated

Files = Callable[..., list[Path]]


class Generous(FaultyArchive):
    """Sends all that it has, whatever it is asked for, as archives do that ignore the keys of instances."""

    def _get(self, event: Any) -> Iterator[Any]:
        found = [self.dataset(uid) for uid in self.kept]
        yield len(found)
        for dataset in found:
            yield 0xFF00, dataset


def test_an_archive_that_gives_back_everything(bench: Any, files: Files, monkeypatch: pytest.MonkeyPatch) -> None:
    held: list[int] = []
    real = readback.fetch

    def fetch(association: Any, catcher: readback.Catcher, *more: Any) -> Any:
        found = real(association, catcher, *more)
        held.append(len(catcher.copies))
        return found

    monkeypatch.setattr(readback, "fetch", fetch)
    archive = Generous()
    with archive:
        archive.keep_older = True
        bench.run(archive.peer(), files(8))
        changed = [*files(7), *files(8, StudyDescription="Another")[7:]]
        queue, job = bench.run(archive.peer(), changed)
        states = [entry.state for entry in queue.objects(job.id)]
    assert states == [State.CONFIRMED] * 7 + [State.FAILED]
    assert len(held) == 8
    assert set(held) == {1}  # the others took up no memory


class Endless(FaultyArchive):
    """Answers a query with matches of its own, for as long as somebody listens."""

    matches = 0

    def _find(self, event: Any) -> Iterator[Any]:
        while not event.is_cancelled and self.matches < 20_000:
            self.matches += 1
            answer = Dataset()
            answer.QueryRetrieveLevel = "IMAGE"
            answer.SOPInstanceUID = f"1.2.3.{self.matches}"
            yield 0xFF00, answer
        yield (0xFE00 if event.is_cancelled else 0x0000), None


def test_an_answer_without_end(identity: LocalIdentity, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAXIMUM_ROWS", 100, raising=False)
    archive = Endless()
    record = ObjectRecord(
        1, 1, "1.2.3.5", State.SENT, study_instance_uid="1.2", series_instance_uid="1.3", sop_class_uid=CT
    )
    with archive, associated(archive.peer(), identity, images.proposals()) as association:
        assert images.held(association, archive.peer(), [record], thorough=True) == {"1.2.3.5"}
    assert archive.matches < 20_000
