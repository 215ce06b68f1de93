"""What is fetched back to be compared: one object, whatever else an archive sends."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.faulty_peers import FaultyArchive
from lightbox.network.sending import readback
from lightbox.network.sending.states import State

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
