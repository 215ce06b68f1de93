"""How long a pre-flight takes: 300 pairs, the default set, and every pair, with Orthanc, dcmqrscp and storescp.

Run it as ``.venv/bin/python tests/bench/network/bench_preflight.py [rounds]``. Beside it: DCMTK's echoscu that proposes
128 contexts as often as our probe opens associations (its time holds the start of a process each).
"""

from __future__ import annotations

import contextlib
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from builders import network_bench, peer_servers
from builders.peer_servers import Server


def main() -> None:
    rounds = int(sys.argv[1]) if len(sys.argv) > 1 else 9
    network_bench.alone()
    with tempfile.TemporaryDirectory(prefix="bench-preflight-") as name, contextlib.ExitStack() as stack:
        folder = Path(name)
        for part in ("orthanc", "dcmqrscp", "storescp"):
            (folder / part).mkdir()
        own_port = peer_servers.free_port()
        for server in (
            stack.enter_context(peer_servers.start_orthanc(folder / "orthanc", own_port=own_port)),
            stack.enter_context(peer_servers.start_dcmqrscp(folder / "dcmqrscp", own_port=own_port)),
            stack.enter_context(peer_servers.start_storescp(folder / "storescp", options=())),
        ):
            measure(server, folder, rounds)


def measure(server: Server, folder: Path, rounds: int) -> None:
    from lightbox.network.preflight import needs
    from lightbox.network.preflight.pairs import Pair
    from lightbox.network.preflight.probe import probe
    from lightbox.network.preflight.run import preflight

    every = list(dict.fromkeys(needs.everything()))
    storing = every[-300:]
    both = [Pair(pair.sop_class, pair.transfer_syntax, role) for pair in storing[:150] for role in ("scp", "scu")]
    held = [(pair.sop_class, pair.transfer_syntax, 1) for pair in needs.basic() if ".4.1.1." in pair.sop_class]
    peer, identity = server.peer(), server.identity()
    ways: dict[str, Callable[[], object]] = {
        "300 pairs, the peer as SCP": lambda: probe(peer, identity, storing),
        "300 pairs, half of them as SCU": lambda: probe(peer, identity, both),
        "a whole pre-flight, kept": lambda: preflight(peer, identity, folder, held),
        f"every pair ({len(every):,})": lambda: probe(peer, identity, every),
        "echoscu, 3 times 128 contexts": lambda: echoscu(server, 3),
    }
    print(f"\n{server.name}")
    for title, way in ways.items():
        times = [timed(way) for _ in range(rounds)]
        print(f"  {title:<34} {statistics.median(times):7.3f} s  ({min(times):.3f}-{max(times):.3f})")


def timed(way: Callable[[], object]) -> float:
    begun = time.perf_counter()
    way()
    return time.perf_counter() - begun


def echoscu(server: Server, times: int) -> None:
    command = [peer_servers.program("echoscu") or "echoscu", "-aet", "LIGHTBOX", "-aec", server.ae_title, "-ppc", "128"]
    for _ in range(times):
        network_bench.timed([*command, "127.0.0.1", str(server.port)])


if __name__ == "__main__":
    main()
