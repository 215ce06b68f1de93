"""The list of retrieves under way: it outlives only the death of the process, and is gone on with once."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from lightbox.network.retrieving import journal
from lightbox.network.retrieving.journal import Entry

_CHILD = """
import sys, time
from pathlib import Path
from lightbox.network.retrieving import journal
with journal.entered(Path(sys.argv[1]), journal.Entry("archive", "1.2.3", ("1.2.3.4",), "c-move")):
    print("under way", flush=True)
    time.sleep(60)
"""


def die(home: Path) -> None:
    before = len(journal.unfinished(home))
    child = subprocess.Popen([sys.executable, "-c", _CHILD, str(home)], stdout=subprocess.PIPE)
    assert child.stdout is not None
    assert child.stdout.readline() == b"under way\n"
    assert len(journal.unfinished(home)) == before  # it lives
    child.kill()
    child.communicate()


def files(home: Path) -> list[Path]:
    return list((home / "network" / "retrieves").iterdir())


def test_an_orderly_end_leaves_nothing(home: Path) -> None:
    assert journal.unfinished(home) == []
    with journal.entered(home, Entry("archive", "1.2.3")):
        assert journal.unfinished(home) == []
        assert len(files(home)) == 2
    with pytest.raises(ValueError), journal.entered(home, Entry("archive", "1.2.3")):
        raise ValueError
    assert files(home) == []


def test_a_death_leaves_it_until_it_is_done(home: Path) -> None:
    die(home)
    (entry,) = journal.unfinished(home)
    assert (entry.peer, entry.study_uid, entry.series_uids, entry.method) == (
        "archive",
        "1.2.3",
        ("1.2.3.4",),
        "c-move",
    )
    assert entry.begun
    with journal.taken(home) as found:
        assert [item.entry for item in found] == [entry]
        with journal.taken(home) as others:
            assert others == []
    assert journal.unfinished(home) == [entry]
    with journal.taken(home) as found:
        found[0].done = True
    assert journal.unfinished(home) == []
    assert files(home) == []


def test_the_oldest_first_and_forget(home: Path) -> None:
    for _ in range(3):
        die(home)
    moments = [entry.begun for entry in journal.unfinished(home)]
    assert moments == sorted(moments)
    assert journal.forget(home) == 3
    assert files(home) == []


@pytest.mark.parametrize("text", ["", "{", "[]", '{"peer": 1', '{"unknown": 1}', "5", '{"series_uids": 5}'])
def test_what_cannot_be_read_is_removed(home: Path, text: str) -> None:
    die(home)
    path = next(path for path in files(home) if path.suffix == ".json")
    path.write_text(text)
    assert journal.unfinished(home) == []
    assert files(home) == []


def test_keys_of_other_versions_are_ignored(home: Path) -> None:
    die(home)
    path = next(path for path in files(home) if path.suffix == ".json")
    path.write_text('{"peer": "a", "study_uid": "1.2", "colour": "blue"}')
    assert journal.unfinished(home) == [Entry("a", "1.2")]


def test_somebody_who_only_looks_does_not_keep_an_entry_from_being_dropped(home: Path) -> None:
    die(home)
    (entry,) = journal.unfinished(home)
    with ThreadPoolExecutor(1) as pool, journal.taken(home) as looked_at:
        dropped = pool.submit(journal.drop, home, entry)
        with pytest.raises(TimeoutError):
            dropped.result(0.2)
        assert [item.entry for item in looked_at] == [entry]
        for item in looked_at:
            item.lock.release()
        assert dropped.result(10)
    assert files(home) == []
    assert not journal.drop(home, entry)
