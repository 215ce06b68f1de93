from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

from lightbox.core.settings import Settings
from lightbox.network.diagnosis import facts
from lightbox.network.diagnosis.facts import PeerFacts


def test_several_at_once_lose_nothing(home: Path) -> None:
    settings = Settings(home)
    names = [f"peer {number}" for number in range(16)]
    threads = [
        threading.Thread(target=facts.keep, args=(settings, name, PeerFacts(facts.now(), "ok", name))) for name in names
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    again = Settings(home)
    assert [found.text for name in names if (found := facts.of(again, name))] == names
    facts.forget(again, "PEER 3")
    assert facts.of(again, "peer 3") is None
    assert facts.of(again, "peer 4") is not None


def test_keys_of_a_later_version_are_ignored(home: Path) -> None:
    settings = Settings(home)
    settings.set("network.peer_facts", {"pacs": {"state": "ok", "colour": "red", "services": ["echo"]}})
    found = facts.of(settings, "PACS")
    assert found == PeerFacts(state="ok", services=("echo",))
    assert found.light == "ok"
    assert found.certificate_days_left is None


def test_lights_load_no_network_library() -> None:
    code = (
        "import sys, lightbox.network.diagnosis.facts, lightbox.network.diagnosis.steps\n"
        "print([name for name in ('ssl', 'pydicom', 'pynetdicom', 'requests', 'numpy') if name in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
