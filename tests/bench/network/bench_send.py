"""Sending against DCMTK's storescu with the same number of associations, interleaved; the receiver is storescp.

Usage: ``python tests/bench/network/bench_send.py [IMAGES RUNS]``; CT images of 525 kB, loopback, TCP_NODELAY on both.
"""

from __future__ import annotations

import sys
import tempfile
import threading
import time
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from builders import network_bench
from builders.peer_servers import Server, program
from lightbox.core.errors import LightboxError
from lightbox.network.identity import LocalIdentity
from lightbox.network.send import send
from lightbox.network.stored import of_files

US = LocalIdentity("LIGHTBOX", 0, "127.0.0.1")


def ours(server: Server, paths: list[Path], associations: int) -> float:
    """Send by our service, one thread an association; return images a second."""
    failures: list[str] = []

    def one(part: list[Path]) -> None:
        try:
            report = send(server.peer(), US, of_files(part))
        except LightboxError as error:
            failures.append(error.sentence())
        else:
            if not report.complete:
                failures.append(report.summary())

    threads = [threading.Thread(target=one, args=(paths[n::associations],)) for n in range(associations)]
    begun = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = time.perf_counter() - begun
    if failures:
        sys.exit("; ".join(failures))
    return len(paths) / taken


def storescu(server: Server, paths: list[Path], associations: int, *options: str) -> float:
    """Send by storescu, one process an association; return images a second."""
    command = [program("storescu") or "storescu", *options, "-aec", server.ae_title, "127.0.0.1", str(server.port)]
    parts = [[*command, *map(str, paths[n::associations])] for n in range(associations)]
    return len(paths) / network_bench.timed(*parts)


def main() -> None:
    """Run it."""
    count, runs = (int(text) for text in sys.argv[1:3]) if len(sys.argv) > 2 else (400, 5)
    network_bench.alone()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = network_bench.images(folder / "images", count)
        for keep in (True, False):
            with network_bench.storescp(folder / f"scp{keep}", keep=keep) as server:
                for associations in (1, 4):
                    found = network_bench.interleaved(
                        runs,
                        {
                            "storescu": lambda n=associations: storescu(server, paths, n),
                            "storescu, PDU 131072": lambda n=associations: storescu(server, paths, n, "-pdu", "131072"),
                            "ours": lambda n=associations: ours(server, paths, n),
                        },
                    )
                    kind = "writes files" if keep else "throws away"
                    title = f"{count} x 525 kB, {associations} association(s), storescp {kind}"
                    network_bench.show(title, found, "storescu")
                if keep:
                    got = len(list((folder / f"scp{keep}" / "received").iterdir()))
                    print(f"  storescp holds {got} objects")


if __name__ == "__main__":
    main()
