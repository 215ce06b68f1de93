"""C-GET of a study from Orthanc into the spool of a library, against DCMTK's getscu, interleaved.

Usage: ``python tests/bench/network/bench_get.py [IMAGES RUNS]``; CT images of 525 kB, loopback, TCP_NODELAY on both.
Ours is durable: every object is synchronised to disk before it is acknowledged. getscu leaves that to the system.
"""

from __future__ import annotations

import shutil
import sys
import tempfile
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from builders import network_bench, network_objects
from builders.peer_servers import Server, free_port, program, start_orthanc
from lightbox.library.library import Library
from lightbox.network import get
from lightbox.network.operation import Target
from lightbox.network.receive import Receiver
from lightbox.network.retrieve import retrieve

EXPLICIT = "1.2.840.10008.1.2.1"


def ours(server: Server, study: str, count: int, folder: Path) -> float:
    """C-GET by our service; return images a second, counted when the last is durable in the spool."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with Library.open(folder) as library:
        receiver = Receiver(library)
        begun = time.perf_counter()
        pairs = [(network_objects.CT, EXPLICIT)]
        with get.session(server.peer(), server.identity(), receiver, pairs) as session:
            outcome = session.retrieve(Target(study))
        taken = time.perf_counter() - begun
        receiver.close()
    if outcome.completed != count:
        sys.exit(f"{outcome.completed} of {count}")
    return count / taken


def whole(server: Server, study: str, count: int, folder: Path) -> float:
    """Retrieve with everything around it: the query before, the index, the report after."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    with Library.open(folder) as library:
        begun = time.perf_counter()
        report = retrieve(server.peer(), server.identity(), library, study, method="c-get")
        taken = time.perf_counter() - begun
    if report.received != count:
        sys.exit(report.summary())
    return count / taken


def getscu(server: Server, study: str, count: int, folder: Path, *options: str) -> float:
    """Return images a second of getscu."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    command = [program("getscu") or "getscu", *options, "-aet", "LIGHTBOX", "-aec", server.ae_title, "-S"]
    command += ["-od", str(folder), "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    taken = network_bench.timed([*command, "127.0.0.1", str(server.port)])
    got = len(list(folder.iterdir()))
    if got != count:
        sys.exit(f"getscu: {got} of {count}")
    return count / taken


def main() -> None:
    """Run it."""
    count, runs = (int(text) for text in sys.argv[1:3]) if len(sys.argv) > 2 else (300, 5)
    network_bench.alone()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = network_bench.images(folder / "images", count)
        study = str(network_objects.ct("bench", "one", 0).StudyInstanceUID)
        (folder / "orthanc").mkdir()
        with start_orthanc(folder / "orthanc", own_port=free_port()) as server:
            server.load(paths)
            found = network_bench.interleaved(
                runs,
                {
                    "getscu": lambda: getscu(server, study, count, folder / "getscu"),
                    "getscu, bit preserving": lambda: getscu(server, study, count, folder / "getscu", "+B"),
                    "getscu, throws away": lambda: count_only(server, study, count),
                    "ours, durable in the spool": lambda: ours(server, study, count, folder / "ours"),
                    "ours, query, C-GET, index and report": lambda: whole(server, study, count, folder / "whole"),
                },
            )
            network_bench.show(f"C-GET of {count} x 525 kB from Orthanc", found, "getscu")


def count_only(server: Server, study: str, count: int) -> float:
    """Return images a second of getscu that stores nothing."""
    command = [program("getscu") or "getscu", "--ignore", "-aet", "LIGHTBOX", "-aec", server.ae_title, "-S"]
    command += ["-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study}"]
    return count / network_bench.timed([*command, "127.0.0.1", str(server.port)])


if __name__ == "__main__":
    main()
