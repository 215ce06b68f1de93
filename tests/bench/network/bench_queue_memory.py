"""Memory of the send queue over many objects: it must not grow with their number.

    python tests/bench/network/bench_queue_memory.py [objects]

Queues that many objects of the same few files' size, sends them to DCMTK's ``storescp`` (which forgets them), and
prints the resident memory of this process while it does.
"""

from __future__ import annotations

import sys
import tempfile
import time
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from builders import network_objects, peer_servers
from lightbox.core.settings import Settings
from lightbox.network.peers import PeerBook
from lightbox.network.sending.queue import SendQueue
from lightbox.network.sending.states import QueueSettings


def resident_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1])
    return 0


def peak_kib() -> int:
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1])
    return 0


def main(count: int) -> int:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "peer").mkdir()
        source = folder / "files"
        source.mkdir()
        template = network_objects.ct("m", "s", 1, size=64)
        first = network_objects.write(source, [template])[0].read_bytes()
        uid = str(template.SOPInstanceUID).encode()
        paths = []
        for number in range(count):
            path = source / f"{number:06d}.dcm"
            path.write_bytes(first.replace(uid, f"{number:06d}".encode().rjust(len(uid), b"1")))
            paths.append(path)
        with peer_servers.start_storescp(folder / "peer", options=("--ignore",)) as server:
            book = PeerBook(Settings(folder))
            book.add(server.peer("sink"))

            def library() -> Any:
                raise RuntimeError("only files are sent here")

            queue = SendQueue(folder, library, book, server.identity(), QueueSettings())
            print(f"{'before':>24} {resident_kib():8d} KiB")
            begun = time.perf_counter()
            job = queue.enqueue("sink", iter(paths), commit=False)
            print(f"{'queued':>24} {resident_kib():8d} KiB  {count / (time.perf_counter() - begun):7.0f} objects/s")
            marks = {count * part // 10 for part in (1, 5, 10)}
            seen: dict[int, int] = {}

            def told(jobs: list[Any]) -> None:
                done = jobs[0].accepted
                for mark in sorted(marks - set(seen)):
                    if done >= mark:
                        seen[mark] = resident_kib()
                        print(f"{f'{done} sent':>24} {seen[mark]:8d} KiB")

            begun = time.perf_counter()
            queue.start()
            queue.wait([job], listener=told, timeout=1200)
            seconds = time.perf_counter() - begun
            print(f"{'sent':>24} {queue.job(job).accepted} in {seconds:.1f} s, {count / seconds:.0f} objects/s")
            print(f"{'peak':>24} {peak_kib():8d} KiB")
            queue.close()
        growth = max(seen.values()) - min(seen.values())
        print(f"{'growth while sending':>24} {growth:8d} KiB")
        return 0 if queue is not None and growth < 8 * 1024 else 1


if __name__ == "__main__":
    peer_servers.require("storescp")
    sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else 20_000))
