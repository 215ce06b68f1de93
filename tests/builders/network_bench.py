"""What the network benchmarks share: objects, DCMTK's programs with their times, and medians."""

from __future__ import annotations

import contextlib
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import numpy as np

from builders import network_objects, peer_servers, private_network
from builders.peer_servers import Server


def alone() -> None:
    """Move into a network namespace with loopback only, or end with the reason: DCMTK listens on every address."""
    reason = private_network.enter()
    if reason:
        sys.exit(reason)


def images(folder: Path, count: int, *, size: int = 512) -> list[Path]:
    """Write CT images of `size` x `size` x 16 bit (512: 525 kB) of one study and series."""
    pixels = np.random.default_rng(1).normal(1000, 80, (size, size)).astype("<u2")
    dataset = network_objects.ct("bench", "one", 0, size=size)
    paths = []
    folder.mkdir(parents=True, exist_ok=True)
    for number in range(1, count + 1):
        dataset.SOPInstanceUID = f"2.25.{10**30 + number}"
        dataset.InstanceNumber = str(number)
        dataset.PixelData = (pixels + number % 100).astype("<u2").tobytes()
        paths.append(folder / f"{number:05d}.dcm")
        dataset.save_as(paths[-1], enforce_file_format=True)
    return paths


@contextlib.contextmanager
def storescp(folder: Path, *, keep: bool = True, pdu: int = 131_072) -> Iterator[Server]:
    """Run storescp; it takes several associations at once and throws away what it gets unless `keep`."""
    options = ["--fork", "-pdu", str(pdu), *([] if keep else ["--ignore"])]
    with peer_servers.start_storescp(folder, options=options) as server:
        yield server


def timed(*commands: Sequence[str]) -> float:
    """Run commands side by side and return the seconds until the last has ended."""
    begun = time.perf_counter()
    running = [
        subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, env=peer_servers.environment())
        for command in commands
    ]
    for process in running:
        _, errors = process.communicate(timeout=600)
        if process.returncode:
            sys.exit(f"{process.args}: {errors.decode(errors='replace')[-500:]}")
    return time.perf_counter() - begun


def interleaved(runs: int, ways: dict[str, Callable[[], float]]) -> dict[str, list[float]]:
    """Run every way `runs` times in turns and return the values of each."""
    found: dict[str, list[float]] = {name: [] for name in ways}
    for _ in range(runs):
        for name, way in ways.items():
            found[name].append(way())
    return found


def show(title: str, found: dict[str, list[float]], reference: str, unit: str = "images/s") -> None:
    """Print the medians beside that of `reference`."""
    base = statistics.median(found[reference])
    print(f"\n{title}")
    for name, values in found.items():
        middle = statistics.median(values)
        spread = f"{min(values):.0f}-{max(values):.0f}"
        print(f"  {name:<44} {middle:8.0f} {unit}  ({spread})  {middle / base:5.2f} of {reference}")
