"""Peers that leave Nagle's algorithm on (DCMTK's and Orthanc's default) must not cost 45 ms an image.

Usage: ``python tests/bench/network/bench_nagle.py [IMAGES]``; CT images of 525 kB, loopback.
"""

from __future__ import annotations

import os
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from builders import network_bench, peer_servers
from builders.peer_servers import free_port, program, start_orthanc
from lightbox.network.echo import echo
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.send import send
from lightbox.network.stored import of_files
from lightbox.network.wire.negotiation import accept_by
from lightbox.network.wire.server import Server

US = LocalIdentity("LIGHTBOX", 0, "127.0.0.1")


class Nowhere:
    """A receiver that throws away."""

    def open(self, *_: str) -> Any:
        """Begin an object."""
        return self

    def write(self, chunk: memoryview) -> None:
        """Throw it away."""

    def abort(self) -> None:
        """Do nothing."""

    def finish(self, incoming: Any) -> int:
        """Answer success."""
        return 0


def ours(name: str, peer: Peer, paths: list[Path]) -> None:
    """Send and print the time of each image."""
    begun = time.perf_counter()
    report = send(peer, US, of_files(paths))
    seconds = (time.perf_counter() - begun) / len(paths)
    if not report.complete:
        sys.exit(report.summary())
    print(f"ours -> {name:<28} {seconds * 1e3:6.2f} ms an image; echo {echo(peer, US).steps[-1].milliseconds:.2f} ms")


def main() -> None:
    """Run it."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 100
    network_bench.alone()
    plain = {key: value for key, value in os.environ.items() if key != "TCP_NODELAY"}
    peer_servers.environment = lambda: plain
    storescu = program("storescu") or "storescu"
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        paths = network_bench.images(folder / "images", count)
        with network_bench.storescp(folder / "scp", keep=False) as server:
            target = ["-aec", server.ae_title, "127.0.0.1", str(server.port)]
            seconds = network_bench.timed([storescu, *target, *map(str, paths)]) / count
            print(f"storescu -> storescp, for comparison {seconds * 1e3:6.2f} ms an image")
            ours("storescp", server.peer(), paths)
        (folder / "orthanc").mkdir()
        with start_orthanc(folder / "orthanc", own_port=free_port()) as orthanc:
            ours("Orthanc", orthanc.peer(), paths)
        rule = lambda proposed: proposed.transfer_syntaxes[0]  # noqa: E731
        with Server(("127.0.0.1", 0), US, negotiate=lambda r: accept_by(r, rule), receiver=Nowhere()) as own:
            command = [storescu, "-aec", "LIGHTBOX", "127.0.0.1", str(own.port), *map(str, paths)]
            begun = time.perf_counter()
            subprocess.run(command, check=True, capture_output=True, env=plain, timeout=600)
            print(
                f"storescu -> ours                     {(time.perf_counter() - begun) / count * 1e3:6.2f} ms an image"
            )


if __name__ == "__main__":
    main()
