"""Kill a process that imports or receives at random moments: nothing acknowledged is lost, nothing half is indexed."""

from __future__ import annotations

import hashlib
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from pydicom import dcmread

from builders.library_objects import ct, encode, write_series
from lightbox.library.library import Library
from lightbox.library.records import InstanceRecord

KILLS = 20

IMPORTER = """
import sys
from pathlib import Path
from lightbox.library import import_
from lightbox.library.library import Library
import_._BATCH_OBJECTS = 25
library = Library.open(Path(sys.argv[1]))
total = 0
def tell(event):
    global total
    total += event.count
    print("committed", total, flush=True)
library.instances_added.connect(tell)
print("ready", flush=True)
library.import_paths([sys.argv[2]])
print("done", flush=True)
"""

RECEIVER = """
import sys
from pathlib import Path
from lightbox.library.library import Library
library = Library.open(Path(sys.argv[1]))
print("ready", flush=True)
for number, path in enumerate(sorted(Path(sys.argv[2]).iterdir())):
    data = path.read_bytes()
    with library.spool().writer("PACS") as file:
        for start in range(0, len(data), 4096):
            file.write(data[start:start + 4096])
        file.commit()
    print("committed", path.name, flush=True)
    if number % 7 == 6:
        library.ingest_spool()
library.ingest_spool()
print("done", flush=True)
"""


def start(script: str, home: Path, source: Path) -> subprocess.Popen[str]:
    """Start a child and wait until it is ready."""
    home.mkdir()
    command = [sys.executable, "-c", script, str(home), str(source)]
    child = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    assert child.stdout is not None
    assert child.stderr is not None
    first = child.stdout.readline()
    assert first == "ready\n", child.stderr.read()
    return child


def run_and_kill(script: str, home: Path, source: Path, commits: int) -> list[str]:
    """Run a child, kill it a random moment after it told of `commits` commits; return the lines that it wrote."""
    child = start(script, home, source)
    assert child.stdout is not None
    lines = [child.stdout.readline() for _ in range(commits)]
    time.sleep(random.uniform(0, 0.01))
    child.send_signal(signal.SIGKILL)
    rest, errors = child.communicate(timeout=60)
    assert child.returncode in (-signal.SIGKILL, 0), errors
    # A line that was cut short by the kill tells nothing.
    return [line.rstrip("\n") for line in (*lines, *rest.splitlines(keepends=True)) if line.endswith("\n")]


def everything(library: Library) -> dict[str, InstanceRecord]:
    """All instances by UID, each opened, whole, and equal to its hash."""
    found: dict[str, InstanceRecord] = {}
    for row in library.page_studies(limit=10_000).rows:
        counted = 0
        for series in library.series_of(row.study_instance_uid):
            instances = library.instances_of(series.series_instance_uid)
            assert len(instances) == series.number_of_instances
            counted += len(instances)
            for record in instances:
                with library.open_object(record.sop_instance_uid) as file:
                    data = file.read()
                assert hashlib.sha256(data).hexdigest() == record.sha256
                assert len(data) == record.size
                found[record.sop_instance_uid] = record
        assert counted == row.number_of_instances
    return found


def no_leftovers(home: Path, library: Library) -> None:
    root = home / "library"
    spool = [path for path in (root / "spool").rglob("*") if path.is_file() and path.name != "lock"]
    assert spool == []
    keys = {row[0] for row in library._index.connection().execute("SELECT object_key FROM instance")}
    stored = {path.name for path in (root / "objects").rglob("*") if path.is_file()}
    assert stored == keys


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_kill_during_import(tmp_path: Path):
    source = tmp_path / "in"
    write_series(source, 400)
    random.seed()
    interrupted = 0
    for number in range(KILLS):
        home = tmp_path / f"home-{number}"
        lines = run_and_kill(IMPORTER, home, source, random.randrange(15))
        committed = max((int(line.split()[1]) for line in lines if line.startswith("committed")), default=0)
        interrupted += "done" not in lines
        with Library.open(home) as library:
            assert library.check() == []
            found = everything(library)
            assert len(found) >= committed
            no_leftovers(home, library)
            report = library.import_paths([source])
            assert report.added == 400 - len(found)
            assert report.duplicates == len(found)
            assert report.quarantined == 0
    assert interrupted > KILLS // 2


@pytest.mark.slow
@pytest.mark.timeout(600)
@pytest.mark.skipif(sys.platform == "win32", reason="there is no SIGKILL on Windows")
def test_kill_during_receiving(tmp_path: Path):
    source = tmp_path / "in"
    source.mkdir()
    uids: dict[str, str] = {}
    for number in range(150):
        ds = ct(InstanceNumber=number)
        ds.PixelData = bytes(96) + bytes(60_000)
        (source / f"{number:03d}").write_bytes(encode(ds))
        uids[f"{number:03d}"] = ds.SOPInstanceUID
    random.seed()
    interrupted = 0
    for number in range(KILLS):
        home = tmp_path / f"home-{number}"
        lines = run_and_kill(RECEIVER, home, source, random.randrange(145))
        acknowledged = {uids[line.split()[1]] for line in lines if line.startswith("committed")}
        interrupted += "done" not in lines
        with Library.open(home) as library:
            assert library.check() == []
            found = everything(library)
            assert acknowledged <= set(found)
            assert library.quarantine() == []
            no_leftovers(home, library)
            for uid in found:
                with library.open_object(uid) as file:
                    assert dcmread(file).SOPInstanceUID == uid
    assert interrupted > KILLS // 2


def test_a_batch_that_was_moved_but_not_committed_is_finished_on_open(home: Path, tmp_path: Path, monkeypatch):
    source = tmp_path / "in"
    slices = write_series(source, 5)
    library = Library.open(home)

    def die(*_: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("lightbox.library.links.LinkJournal.append", die)  # the last step before the commit
    with pytest.raises(KeyboardInterrupt):
        library.import_paths([source])
    monkeypatch.undo()
    assert list((home / "library" / "objects").rglob("*"))
    assert library.count_studies() == 0
    library.close()
    with Library.open(home) as again:
        assert set(everything(again)) == {ds.SOPInstanceUID for ds in slices}
        no_leftovers(home, again)
