"""Older content under the same SOP Instance UID is caught, too, when the archive could not be asked beforehand."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from builders.faulty_peers import FaultyArchive
from lightbox.network.sending.states import State

Files = Callable[..., list[Path]]


class Busy(FaultyArchive):
    """Refuses some queries because it has no resources at the moment, then answers them."""

    busy_queries = 0

    def _find(self, event: Any) -> Iterator[Any]:
        self.find_status = 0xA700 if self.busy_queries else 0x0000
        self.busy_queries -= bool(self.busy_queries)
        yield from super()._find(event)


@pytest.mark.parametrize("commit", [True, False])
@pytest.mark.parametrize("busy", [1, 2])
def test_an_archive_that_is_busy_when_it_is_asked(bench: Any, files: Files, busy: int, commit: bool) -> None:
    archive = Busy()
    with archive:
        archive.keep_older = True
        _, job = bench.run(archive.peer(), files(2))
        assert job.state == "confirmed"
        archive.busy_queries = busy
        same, other = files(1)[0], files(2, PatientName="Someone^Else")[1]
        queue, job = bench.run(archive.peer(), [same, other], commit=commit)
        first, second = queue.objects(job.id)
        assert first.state is State.CONFIRMED
        assert second.state is State.FAILED
        assert "PatientName differs" in second.reason
