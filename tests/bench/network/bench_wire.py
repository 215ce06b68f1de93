"""Many requests on one association without a stall: 50,000 echoes and 20,000 stores, each with its latency.

Usage: ``python tests/bench/network/bench_wire.py [ECHOES STORES]``. Peers are DCMTK's storescp and our own server in a
process of its own. No request may take longer than a second.
"""

from __future__ import annotations

import io
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))
from builders import network_bench
from builders.peer_servers import free_port, listening_ports
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.stored import describe
from lightbox.network.wire import commands
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import VERIFICATION, Proposal
from lightbox.network.wire.negotiation import accept_by
from lightbox.network.wire.server import Server

US = LocalIdentity("LIGHTBOX", 0, "127.0.0.1")
STALL_S = 1.0


class Nowhere:
    """A receiver that counts."""

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


def serve(port: int) -> None:
    """Run our server until standard input ends."""
    rule = lambda proposed: proposed.transfer_syntaxes[0]  # noqa: E731
    with Server(("127.0.0.1", port), US, negotiate=lambda r: accept_by(r, rule), receiver=Nowhere()):
        sys.stdin.read()


def latencies(title: str, count: int, once: Callable[[], int]) -> int:
    """Time `count` calls and print them; return how many stalled."""
    taken = []
    begun = time.perf_counter()
    for _ in range(count):
        before = time.perf_counter()
        if once() != 0:
            sys.exit(f"{title}: refused")
        taken.append(time.perf_counter() - before)
    total = time.perf_counter() - begun
    taken.sort()
    stalls = sum(seconds > STALL_S for seconds in taken)
    print(
        f"{title:<36} {count:6d} in {total:6.1f} s = {count / total:6.0f}/s; median {taken[count // 2] * 1e3:.2f} ms, "
        f"99.9 % {taken[int(count * 0.999)] * 1e3:.1f} ms, longest {taken[-1] * 1e3:.1f} ms, over 1 s: {stalls}"
    )
    return stalls


def measure(name: str, peer: Peer, echoes: int, stores: int, path: Path) -> int:
    """Echo and store on one association each."""
    raw = path.read_bytes()
    what = describe(io.BytesIO(raw))
    with associated(peer, US, [Proposal(VERIFICATION)]) as association:
        context = association.accepted[0]
        stalls = latencies(f"echo -> {name}", echoes, lambda: association.request(context, commands.c_echo()).status)
    with associated(peer, US, [Proposal(what.sop_class_uid, (what.transfer_syntax_uid,))]) as association:
        context = association.accepted[0]
        data = io.BytesIO(raw)
        number = iter(range(stores))

        def store() -> int:
            data.seek(what.offset)
            return association.store(context, what.sop_class_uid, f"1.2.3.{next(number)}", data).status

        return stalls + latencies(f"store {len(raw) // 1000} kB -> {name}", stores, store)


def main() -> None:
    """Run it."""
    if sys.argv[1:2] == ["--serve"]:
        serve(int(sys.argv[2]))
        return
    echoes, stores = (int(text) for text in sys.argv[1:3]) if len(sys.argv) > 2 else (50_000, 20_000)
    network_bench.alone()
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        [path] = network_bench.images(folder / "one", 1)
        with network_bench.storescp(folder / "scp", keep=False) as server:
            stalls = measure("DCMTK storescp", server.peer(), echoes, stores, path)
        port = free_port()
        own = subprocess.Popen([sys.executable, __file__, "--serve", str(port)], stdin=subprocess.PIPE)
        while port not in listening_ports():
            time.sleep(0.05)
        stalls += measure("our server", Peer("us", "LIGHTBOX", "127.0.0.1", port), echoes, stores, path)
        assert own.stdin is not None
        own.stdin.close()
        own.wait(10)
    print(f"stalls in all: {stalls}")
    sys.exit(1 if stalls else 0)


if __name__ == "__main__":
    main()
