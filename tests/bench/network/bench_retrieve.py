"""Retrieving a study from Orthanc into the library, beside DCMTK's getscu into a folder; medians of interleaved rounds.

Run it as ``.venv/bin/python tests/bench/network/bench_retrieve.py [images] [rounds] [method ...]``. Ours counts until
every object is durable and in the index; getscu neither synchronises nor indexes.
"""

from __future__ import annotations

import contextlib
import dataclasses
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

from builders import network_objects, peer_servers, private_network

METHODS = ("auto", "c-get", "wado-rs")


def main() -> None:
    images = int(sys.argv[1]) if len(sys.argv) > 1 else 400
    rounds = int(sys.argv[2]) if len(sys.argv) > 2 else 5
    methods = tuple(sys.argv[3:]) or METHODS
    reason = private_network.enter()
    if reason:
        raise SystemExit(reason)
    plugin = Path("/usr/share/orthanc/plugins/libOrthancDicomWeb.so")
    with tempfile.TemporaryDirectory(prefix="bench-retrieve-") as name:
        folder = Path(name)
        (folder / "orthanc").mkdir()
        # One stack of CT images of 512 x 512 pixels in 16 bits, in two series
        datasets = [network_objects.ct("bench", f"s{n % 2}", n, size=512) for n in range(images)]
        paths = network_objects.write(folder / "source", datasets)
        study_uid = str(datasets[0].StudyInstanceUID)
        megabytes = sum(path.stat().st_size for path in paths) / 1e6
        # A library in use has its folders
        network_objects.write(folder / "used", [network_objects.ct("used", "s", n, size=8) for n in range(1500)])
        settings = {"Plugins": [str(plugin)], "DicomWeb": {"Enable": True, "Root": "/dicom-web/"}}
        with peer_servers.start_orthanc(folder / "orthanc", own_port=peer_servers.free_port(), **settings) as server:
            server.load(paths)
            times: dict[str, list[float]] = {"getscu": [], **{method: [] for method in methods}}
            for number in range(rounds + 1):
                for label in times:
                    run = getscu if label == "getscu" else ours(label)
                    seconds = run(server, study_uid, folder / f"{label}-{number}", images)
                    if number:  # the first round warms up
                        times[label].append(seconds)
            report(times, images, megabytes)


def getscu(server: peer_servers.Server, study_uid: str, target: Path, images: int) -> float:
    target.mkdir()
    command = [peer_servers.program("getscu") or "getscu", "-S", "-aet", "LIGHTBOX", "-aec", server.ae_title, "+B"]
    command += ["-od", str(target), "-k", "QueryRetrieveLevel=STUDY", "-k", f"StudyInstanceUID={study_uid}"]
    begun = time.perf_counter()
    subprocess.run(
        [*command, "127.0.0.1", str(server.port)],
        check=True,
        capture_output=True,
        timeout=300,
        env=peer_servers.environment(),
    )
    seconds = time.perf_counter() - begun
    assert len(list(target.iterdir())) == images
    shutil.rmtree(target)
    return seconds


def ours(method: str) -> Callable[[peer_servers.Server, str, Path, int], float]:
    def run(server: peer_servers.Server, study_uid: str, home: Path, images: int) -> float:
        from lightbox.library.library import Library
        from lightbox.network.peers import WebSettings
        from lightbox.network.retrieve import retrieve

        web = WebSettings(f"http://127.0.0.1:{server.http_port}/dicom-web")
        peer = dataclasses.replace(server.peer(), web=web)
        home.mkdir()
        with contextlib.closing(Library.open(home)) as library:
            library.import_paths([home.parent / "used"])
            begun = time.perf_counter()
            found = retrieve(peer, server.identity(), library, study_uid, method=method)
            seconds = time.perf_counter() - begun
            assert found.complete and found.received == images, found.as_dict()
        shutil.rmtree(home)
        return seconds

    return run


def report(times: dict[str, list[float]], images: int, megabytes: float) -> None:
    base = statistics.median(times["getscu"])
    print(f"{images} images, {megabytes:.0f} MB, medians of {len(times['getscu'])} rounds")
    for label, values in times.items():
        middle = statistics.median(values)
        spread = f"{min(values):.2f}-{max(values):.2f} s"
        print(
            f"{label:8} {middle:6.2f} s  {images / middle:6.0f}/s  {megabytes / middle:6.0f} MB/s"
            f"  {base / middle:5.2f} of getscu  ({spread})"
        )


if __name__ == "__main__":
    main()
