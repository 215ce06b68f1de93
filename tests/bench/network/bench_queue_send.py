"""Sending through the durable queue beside DCMTK's ``storescu``, to the same ``storescp``, one association each.

python tests/bench/network/bench_queue_send.py [objects] [rounds]
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from builders import network_objects, peer_servers
from lightbox.core.settings import Settings
from lightbox.network.peers import PeerBook
from lightbox.network.sending.queue import SendQueue


def nothing() -> Any:
    raise RuntimeError("only files are sent here")


def main(count: int, rounds: int) -> None:
    storescu = peer_servers.program("storescu")
    assert storescu is not None
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "peer").mkdir()
        made = [network_objects.ct("b", "s", number, size=512) for number in range(1, count + 1)]
        paths = network_objects.write(folder / "files", made)
        with peer_servers.start_storescp(folder / "peer", options=("--ignore",)) as server:
            book = PeerBook(Settings(folder))
            book.add(replace(server.peer("sink"), associations=1))
            queue = SendQueue(folder, nothing, book, server.identity())
            queue.start()
            for number in range(rounds):
                begun = time.perf_counter()
                command = [storescu, "-pdu", "131072", "+sd", "-aec", "STORESCP", "127.0.0.1", str(server.port)]
                subprocess.run([*command, str(folder / "files")], check=True, env=peer_servers.environment())
                reference = count / (time.perf_counter() - begun)
                job = queue.enqueue("sink", paths, commit=False)
                begun = time.perf_counter()
                queue.wait([job], timeout=300)
                ours = count / (time.perf_counter() - begun)
                assert queue.job(job).accepted == count
                print(f"{number + 1}: storescu {reference:6.0f}/s   queue {ours:6.0f}/s   {ours / reference:.2f}")
            queue.close()


if __name__ == "__main__":
    peer_servers.require("storescp", "storescu")
    numbers = [int(text) for text in sys.argv[1:]]
    main(*(numbers + [400, 3][len(numbers) :]))
