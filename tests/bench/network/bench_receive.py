"""Receiving: objects a second from DCMTK's storescu, ours against DCMTK's storescp, on loopback without Nagle's delays.

Ours are counted when every object is durable and in the index; storescp synchronises and indexes nothing. The rounds of
all receivers are interleaved; medians are compared. Before each round as much of the page cache as it needs is written
and given back, so that no receiver pays for memory that the system has to find first.

    python tests/bench/network/bench_receive.py [--files 400] [--rounds 5] [--senders 1 2 4]
"""

from __future__ import annotations

import argparse
import os
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

LIMIT = 0.8
MATRIX = 512
_PIECE = bytes(64 * 1024)


def make_objects(folder: Path, senders: int, files: int) -> list[Path]:
    """Write a series of CT images of 525 kB for each sender and return their folders."""
    from builders.network_objects import ct, write

    folders = []
    for sender in range(senders):
        series = [ct(f"study {sender}", "series", number, size=MATRIX) for number in range(files)]
        write(folder / str(sender), series)
        folders.append(folder / str(sender))
    return folders


def warm(folder: Path, size: int) -> None:
    """Make the system find the memory that a round is going to use."""
    path = folder / "warm"
    with path.open("wb", buffering=0) as file:
        for _ in range(size // len(_PIECE)):
            file.write(_PIECE)
        os.fsync(file.fileno())
    path.unlink()
    os.sync()


def send(folders: list[Path], port: int) -> None:
    """Send each folder by a storescu of its own, at the same time."""
    senders = [
        subprocess.Popen(["storescu", "-aec", "LIGHTBOX", "127.0.0.1", str(port), "+sd", "+r", str(folder)])
        for folder in folders
    ]
    if any(sender.wait() for sender in senders):
        raise SystemExit("a storescu failed")


def await_port(port: int) -> None:
    """Wait until something listens."""
    from builders.peer_servers import listening_ports

    while port not in listening_ports():
        time.sleep(0.02)


@contextmanager
def storescp(work: Path, *options: str) -> Iterator[tuple[int, Callable[[], None]]]:
    """Run DCMTK's storescp."""
    from builders.peer_servers import free_port

    port = free_port()
    folder = Path(tempfile.mkdtemp(dir=work))
    command = ["storescp", *options, "-od", str(folder), str(port)]
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    try:
        await_port(port)
        yield port, lambda: None
    finally:
        process.terminate()
        process.wait()
        shutil.rmtree(folder)


@contextmanager
def ours(work: Path, expected: int) -> Iterator[tuple[int, Callable[[], None]]]:
    """Run our receiver on a fresh data folder; every object must be in its library."""
    from lightbox.library.library import Library
    from lightbox.network.identity import LocalIdentity
    from lightbox.network.receiving.process import ReceiverProcess

    home = Path(tempfile.mkdtemp(dir=work))
    try:
        with ReceiverProcess(home, LocalIdentity("LIGHTBOX", 0, "127.0.0.1")) as receiver:
            yield receiver.port, receiver.flush
        with Library.open(home) as library:
            found = sum(study.number_of_instances for study in library.page_studies().rows)
            if found != expected:
                raise SystemExit(f"{found} of {expected} objects are in the library")
    finally:
        shutil.rmtree(home)


def main() -> None:
    """Run and print."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--files", type=int, default=400)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--senders", type=int, nargs="+", default=[1, 2, 4])
    parser.add_argument("--work", type=Path, help="Folder on the disk to measure.")
    options = parser.parse_args()
    from builders import private_network

    reason = private_network.enter()
    if reason:
        raise SystemExit(reason)
    os.environ["TCP_NODELAY"] = "1"
    work = Path(tempfile.mkdtemp(dir=options.work))
    try:
        folders = make_objects(work / "in", max(options.senders), options.files)
        size = (work / "in" / "0" / "0000.dcm").stat().st_size
        print(f"{options.files} objects of {size / 1000:.0f} kB from each sender, {os.cpu_count()} processors")
        for count in options.senders:
            measure(work, folders[:count], options.files, size, options.rounds)
    finally:
        shutil.rmtree(work)


def measure(work: Path, folders: list[Path], files: int, size: int, rounds: int) -> None:
    """Measure with as many senders as there are folders."""
    total = files * len(folders)
    fork = ("--fork",) if len(folders) > 1 else ()
    receivers = {
        "storescp": lambda: storescp(work, *fork),
        "storescp -pdu 131072": lambda: storescp(work, *fork, "-pdu", "131072"),
        "Lightbox": lambda: ours(work, total),
    }
    rates: dict[str, list[float]] = {name: [] for name in receivers}
    for _ in range(rounds):
        for name, receiver in receivers.items():
            warm(work, int(total * size * 1.2))
            with receiver() as (port, finish):
                begun = time.perf_counter()
                send(folders, port)
                finish()
                rates[name].append(total / (time.perf_counter() - begun))
    medians = {name: statistics.median(values) for name, values in rates.items()}
    senders = f"{len(folders)} sender{'s' if len(folders) > 1 else ''}"
    for name, median in medians.items():
        spread = f"{min(rates[name]):.0f} to {max(rates[name]):.0f}"
        print(f"{senders:10s} {name:21s} {median:6.0f} /s  ({spread})")
    ratio = medians["Lightbox"] / medians["storescp"]
    larger = medians["Lightbox"] / medians["storescp -pdu 131072"]
    verdict = "" if len(folders) > 1 else f" - {'holds' if ratio >= LIMIT else 'MISSES'} the limit of {LIMIT}"
    print(f"{senders:10s} ratio {ratio:.2f}{verdict}; {larger:.2f} with -pdu 131072", flush=True)


if __name__ == "__main__":
    main()
