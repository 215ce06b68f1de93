"""Memory of the receiver's processes while many small objects arrive: it must stay flat.

The supervisor fills the cache of the index, 16 MiB at most, as the index grows; nothing else may grow.

python tests/bench/network/bench_receive_memory.py [--objects 20000] [--senders 2]
"""

from __future__ import annotations

import argparse
import resource
import sys
import tempfile
import threading
import time
from io import BytesIO
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

MARKS = (1_000, 5_000, 10_000, 20_000, 40_000)
LIMIT_MB = 25.0
_PER_SERIES = 200


def resident(pid: int) -> float:
    """Return the resident memory of a process in MB."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * resource.getpagesize() / 1e6


def send(port: int, sender: int, objects: int) -> None:
    """Send small CT images in series of `_PER_SERIES`, a study for every four."""
    from builders.network_objects import CT, ct
    from lightbox.network.identity import LocalIdentity
    from lightbox.network.peers import Peer
    from lightbox.network.stored import describe
    from lightbox.network.wire.client import associated
    from lightbox.network.wire.contexts import Proposal

    template = BytesIO()
    dataset = ct("x" * 20, "y" * 20, 1)
    dataset.save_as(template, enforce_file_format=True)
    template.seek(0)
    data = template.getvalue()[describe(template).offset :]
    old = [str(dataset.SOPInstanceUID), str(dataset.SeriesInstanceUID), str(dataset.StudyInstanceUID)]
    us, we = Peer("us", "LIGHTBOX", "127.0.0.1", port), LocalIdentity(f"SENDER{sender}", 0, "127.0.0.1")
    with associated(us, we, [Proposal(CT)]) as association:
        context = association.context(CT)
        assert context is not None
        for number in range(objects):
            series = number // _PER_SERIES
            parts = ((number, 1), (series, 2), (series // 4, 3))
            encoded = data
            for uid, (value, kind) in zip(old, parts, strict=True):
                new = f"1.2.3.{sender + 1}.{kind}.{value + 1}."
                new += "9" * (len(uid) - len(new))  # as long as the old one
                encoded = encoded.replace(uid.encode(), new.encode())
            status = association.store(context, CT, "1.2.3", BytesIO(encoded)).status
            if status:
                raise SystemExit(f"an object was answered with 0x{status:04X}")


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--objects", type=int, default=20_000)
    parser.add_argument("--senders", type=int, default=2)
    options = parser.parse_args()
    from lightbox.library.library import Library
    from lightbox.network.identity import LocalIdentity
    from lightbox.network.receiving.process import ReceiverProcess

    home = Path(tempfile.mkdtemp())
    arrived = 0

    def count(_: object) -> None:
        nonlocal arrived
        arrived += 1

    with ReceiverProcess(home, LocalIdentity("LIGHTBOX", 0, "127.0.0.1")) as receiver:
        receiver.received.connect(count)
        share = options.objects // options.senders
        threads = [
            threading.Thread(target=send, args=(receiver.port, number, share), daemon=True)
            for number in range(options.senders)
        ]
        begun = time.perf_counter()
        for thread in threads:
            thread.start()
        memory: dict[int, float] = {}
        for mark in [mark for mark in MARKS if mark <= options.objects]:
            while arrived < mark and any(thread.is_alive() for thread in threads):
                time.sleep(0.02)
            if arrived < mark:
                receiver.flush()
            memory[mark] = sum(resident(pid) for pid in (receiver.pid, *receiver.worker_pids))
            each = ", ".join(f"{resident(pid):.1f}" for pid in (receiver.pid, *receiver.worker_pids))
            print(f"{arrived:6d} objects: {memory[mark]:.1f} MB in all (supervisor, workers: {each})", flush=True)
        for thread in threads:
            thread.join()
        receiver.flush()
        print(f"{options.objects / (time.perf_counter() - begun):.0f} objects a second")
    with Library.open(home) as library:
        found = sum(study.number_of_instances for study in library.page_studies().rows)
    first, last = memory[min(memory)], memory[max(memory)]
    verdict = "flat" if last - first < LIMIT_MB else "GROWS"
    print(f"{found} in the library; {last - first:+.1f} MB from {min(memory)} to {max(memory)} objects: {verdict}")


if __name__ == "__main__":
    main()
