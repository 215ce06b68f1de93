"""A process that is killed while it retrieves loses nothing that it acknowledged, and leaves nothing half done."""

from __future__ import annotations

import random
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from builders import network_objects
from builders.peer_servers import free_port
from lightbox.library.library import Library
from lightbox.network.archive import Archive
from lightbox.network.stored import describe

KILLS = 20
IMAGES = 60
_CHILD = """
import sys
from pathlib import Path
from lightbox.library.library import Library
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.retrieve import retrieve

home, archive_port, own_port, study, method = sys.argv[1:]
peer = Peer("archive", "ARCHIVE", "127.0.0.1", int(archive_port))
identity = LocalIdentity("LIGHTBOX", int(own_port), "127.0.0.1")
with Library.open(Path(home)) as library:
    while True:
        retrieve(peer, identity, library, study, method=method, force=True)
"""


@pytest.mark.slow
def test_twenty_kills(tmp_path: Path) -> None:
    rng = random.Random(2024)
    sources: dict[str, bytes] = {}
    studies = []
    for number in range(KILLS):
        datasets = network_objects.study(tmp_path / "source" / str(number), f"study {number}", IMAGES, size=96)
        studies.append(str(datasets[0].StudyInstanceUID))
    for path in (tmp_path / "source").rglob("*.dcm"):
        with path.open("rb") as file:
            described = describe(file)
            file.seek(described.offset)
            sources[described.sop_instance_uid] = file.read()

    home = tmp_path / "home"
    home.mkdir()
    acknowledged: set[str] = set()
    fresh = threading.Semaphore(0)

    def on_sent(uid: str) -> None:
        acknowledged.add(uid)
        fresh.release()

    own_port = free_port()
    interrupted = 0
    with Archive(tmp_path / "source", destinations={"LIGHTBOX": ("127.0.0.1", own_port)}) as archive:
        archive.sent.connect(on_sent)
        for number, study_uid in enumerate(studies):
            while fresh.acquire(blocking=False):
                pass
            before = len(acknowledged)
            arguments = [str(home), str(archive.port), str(own_port), study_uid, ("c-get", "c-move")[number % 2]]
            child = subprocess.Popen([sys.executable, "-c", _CHILD, *arguments], stderr=subprocess.PIPE)
            try:
                for _ in range(rng.randrange(1, IMAGES)):
                    assert fresh.acquire(timeout=60), child.stderr.read() if child.stderr else ""
                time.sleep(rng.random() * 0.02)
            finally:
                child.kill()
                child.communicate()
            time.sleep(0.05)  # the archive notices that the connection is gone
            interrupted += before < len(acknowledged) < before + IMAGES

    assert interrupted >= KILLS // 2
    with Library.open(home) as library:
        assert library.check() == []
        assert library.quarantine() == []
        held = {
            record.sop_instance_uid
            for study_uid in studies
            for series in library.series_of(study_uid)
            for record in library.instances_of(series.series_instance_uid)
        }
        assert acknowledged <= held
        for uid in held:
            with library.open_object(uid) as file:
                file.seek(describe(file).offset)
                assert file.read() == sources[uid]
        spool = [path for path in home.rglob("*") if path.suffix in (".part", ".ready", ".batch")]
        assert spool == []
