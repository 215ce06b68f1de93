from __future__ import annotations

import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from builders import network_objects
from lightbox.core.errors import LightboxError
from lightbox.library.library import Library
from lightbox.library.records import InstancesAdded
from lightbox.network import storage_scp
from lightbox.network.echo import echo
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receiving import notes
from lightbox.network.receiving.events import ReceiverEvent
from lightbox.network.receiving.notes import Inbox, Note
from lightbox.network.receiving.policy import ECHO, Caller, ReceivingPolicy
from lightbox.network.receiving.process import ReceiverProcess
from lightbox.network.receiving.received import Received
from lightbox.network.send import send
from lightbox.network.stored import of_files
from lightbox.network.wire import commands
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import Proposal


def eventually(condition: Callable[[], Any], seconds: float = 15.0) -> Any:
    """Wait until `condition` holds and return what it gave."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        found = condition()
        if found:
            return found
        time.sleep(0.02)
    raise AssertionError("it did not happen in time")


def is_alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_is_sent_is_in_the_library(
    receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    received: list[Received] = []
    added: list[InstancesAdded] = []
    receiver.received.connect(received.append)
    library.instances_added.connect(added.append)
    paths = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", n) for n in range(25)])
    assert send(peer, sender, of_files(paths)).complete
    receiver.flush()
    assert len(received) == 25
    assert {event.source for event in received} == {"SENDER"}
    assert all(library.instance(event.sop_instance_uid) is not None for event in received)
    assert sum(event.count for event in added) == 25
    assert storage_scp.running_on(receiver.port) is receiver
    port = receiver.port
    receiver.stop()
    assert not receiver.running
    assert storage_scp.running_on(port) is None
    assert [path for path in (library.spool().library_root / "spool").rglob("*") if path.is_file()] == []


def test_objects_that_cannot_be_indexed_are_kept(
    receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity, library: Library, encoded: bytes
) -> None:
    """UID faults of every kind are answered with success: what can be indexed is, the rest is in quarantine."""
    from io import BytesIO

    with associated(peer, sender, [Proposal(network_objects.CT)]) as association:
        context = association.context(network_objects.CT)
        assert context is not None
        for uid in ("1." + "2" * 80, "", "LOCALIZER 1", "1.02.3", "1.2.µ", "x" * 3000):
            status = association.store(context, network_objects.CT, uid, BytesIO(encoded)).status
            assert status == 0x0000, uid
        wrong = encoded.replace(b"\x08\x00\x18\x00UI", b"\x08\x00\x18\x00UI")
        start = wrong.index(b"\x08\x00\x18\x00UI") + 8
        for value in (b"1.02.3", b"LOCALIZER", b"1 2 3", b"\xff\xfe"):
            padded = value + b"\0" * (len(value) % 2)
            length = int.from_bytes(wrong[start - 2 : start], "little")
            data = wrong[: start - 2] + len(padded).to_bytes(2, "little") + padded + wrong[start + length :]
            assert association.store(context, network_objects.CT, "1.2.3", BytesIO(data)).status == 0x0000
    receiver.flush()
    assert library.instance("1.02.3") is not None
    assert library.instance("LOCALIZER") is not None
    for uid in ("1.02.3", "LOCALIZER"):  # and they are on the quality list
        assert any(issue.code.startswith("uid.") for issue in library.quality_issues_of(uid))
    kept = sum(record.number_of_instances for record in library.page_studies().rows) + len(library.quarantine())
    assert kept == 5 + 5  # six with the same bytes but other file meta information: one is in, five in quarantine


def test_a_port_in_use_is_told(receiver: ReceiverProcess, home: Path) -> None:
    other = ReceiverProcess(home, LocalIdentity("OTHER", receiver.port, "127.0.0.1"))
    with pytest.raises(LightboxError, match=f"port {receiver.port}"):
        other.start()
    assert not other.running


def test_wrong_tls_settings_are_told(home: Path) -> None:
    from lightbox.network.identity import TlsSettings

    tls = TlsSettings(certificate_file=str(home / "none.pem"), client_certificate="optional")
    other = ReceiverProcess(home, LocalIdentity("OTHER", 0, "127.0.0.1", tls=tls), any_tls_port=True)
    with pytest.raises(LightboxError, match="certificate"):
        other.start()


def test_it_can_start_again(receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity) -> None:
    receiver.stop()
    assert echo(peer, sender).code == "tcp.refused"
    receiver.start()
    assert echo(Peer("us", "LIGHTBOX", "127.0.0.1", receiver.port), sender).ok


def test_a_policy_can_change_while_it_runs(receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity) -> None:
    events: list[ReceiverEvent] = []
    receiver.event.connect(events.append)
    receiver.policy = ReceivingPolicy(only_known=True, callers=(Caller("OTHER"), Caller("ECHOES", operations=(ECHO,))))

    def rejected() -> bool:
        return echo(peer, sender).code.startswith("association.rejected")

    assert eventually(rejected)
    event = eventually(lambda: next((event for event in events if event.kind == "rejected"), None))
    assert (event.code, event.calling_ae, event.reason) == ("1/1/3", "SENDER", "caller-not-allowed")
    assert "not on the list" in event.sentence()
    limited = LocalIdentity("ECHOES", 0, "127.0.0.1")
    assert echo(peer, limited).ok
    with pytest.raises(AssociationError) as caught, associated(peer, limited, [Proposal(network_objects.CT)]):
        pass
    assert caught.value.code == "association.no-context"


def test_limits_hold_for_all_workers_together(
    receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity, library: Library
) -> None:
    receiver.policy = ReceivingPolicy(associations=6, reserve=0)
    opened = []
    verification = [Proposal(commands.c_echo().attributes["AffectedSOPClassUID"])]  # type: ignore[arg-type]

    def busy() -> bool:
        from lightbox.network.wire.client import open_association

        try:
            opened.append(open_association(peer, sender, verification))
        except AssociationError as error:
            return error.code == "association.busy"
        return False

    assert eventually(busy)
    assert 6 <= len(opened) <= 8  # workers that let somebody in at the same moment may exceed it
    for association in opened:
        association.release()
    assert eventually(lambda: echo(peer, sender).ok)


@pytest.mark.parametrize("sop_class", notes.CLASSES)
def test_requests_for_services_are_kept(
    receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity, home: Path, sop_class: str
) -> None:
    told: list[Note] = []
    receiver.notes.connect(told.append)
    data = b"\x08\x00\x95\x11\x06\x00\x00\x001.2.3\x00"  # Transaction UID
    implicit = "1.2.840.10008.1.2"
    report = sop_class == notes.STORAGE_COMMITMENT
    with associated(peer, sender, [Proposal(sop_class, (implicit,), scp_role=report)]) as association:
        [context] = association.accepted
        assert context.as_scp == report
        if report:
            command = commands.n_event_report(sop_class, "1.2.840.10008.1.20.1.1", 2)
        else:
            command = commands.n_create(sop_class)
        response = association.request(context, command, data)
        assert response.status == 0x0000
        # durable before it is answered
        [note] = Inbox(home).waiting(sop_class)
    assert note.calling_ae == "SENDER"
    assert str(note.dataset().TransactionUID) == "1.2.3"
    assert note.event_type_id == (2 if report else None)
    assert note.sop_instance_uid
    assert response.command["AffectedSOPInstanceUID"] == note.sop_instance_uid
    assert eventually(lambda: told) == [note]


def test_a_worker_that_is_killed_loses_nothing_that_was_acknowledged(
    receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    events: list[ReceiverEvent] = []
    receiver.event.connect(events.append)
    sent, stop, errors = _send_on_and_on(peer, sender, tmp_path)
    eventually(lambda: len(sent) > 20)
    for pid in receiver.worker_pids:
        os.kill(pid, signal.SIGKILL)
    before = len(sent)
    eventually(lambda: len(sent) > before + 20)  # it goes on by itself
    stop()
    assert errors
    receiver.flush()
    assert eventually(lambda: all(library.instance(uid) is not None for uid in sent))
    assert sum(event.kind == "ended-early" for event in events) == 2
    assert library.quarantine() == []


def test_a_supervisor_that_is_killed_loses_nothing_that_was_acknowledged(
    receiver: ReceiverProcess, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    port, workers = receiver.port, receiver.worker_pids
    sent, stop, _ = _send_on_and_on(peer, sender, tmp_path)
    eventually(lambda: len(sent) > 20)
    os.kill(receiver.pid, signal.SIGKILL)
    eventually(lambda: not any(is_alive(pid) for pid in workers))
    before = len(sent)
    eventually(lambda: len(sent) > before + 20, 30)
    stop()
    assert receiver.port == port
    receiver.stop()
    library.recover()
    assert [uid for uid in sent if library.instance(uid) is None] == []
    assert library.quarantine() == []


def _send_on_and_on(
    peer: Peer, sender: LocalIdentity, folder: Path
) -> tuple[list[str], Callable[[], None], list[Exception]]:
    """Send on four threads, association after association; return what was acknowledged, and how to stop."""
    from io import BytesIO

    from lightbox.network.stored import describe

    sent: list[str] = []
    errors: list[Exception] = []
    over = threading.Event()

    def run(thread: int) -> None:
        number = 0
        while not over.is_set():
            try:
                with associated(peer, sender, [Proposal(network_objects.CT)]) as association:
                    context = association.context(network_objects.CT)
                    assert context is not None
                    while not over.is_set():
                        number += 1
                        dataset = network_objects.ct(f"s{thread}", "b", number, size=64)
                        buffer = BytesIO()
                        dataset.save_as(buffer, enforce_file_format=True)
                        described = describe(buffer)
                        buffer.seek(described.offset)
                        uid = described.sop_instance_uid
                        if association.store(context, network_objects.CT, uid, buffer).status == 0:
                            sent.append(uid)
            except AssociationError as error:
                errors.append(error)
                time.sleep(0.05)

    threads = [threading.Thread(target=run, args=(number,)) for number in range(4)]
    for thread in threads:
        thread.start()

    def stop() -> None:
        over.set()
        for thread in threads:
            thread.join(30)
            assert not thread.is_alive()

    return sent, stop, errors


PARENT = """
import sys, time
from pathlib import Path
from lightbox.network.identity import LocalIdentity
from lightbox.network.receiving.process import ReceiverProcess
receiver = ReceiverProcess(Path(sys.argv[1]), LocalIdentity("LIGHTBOX", 0, "127.0.0.1"))
receiver.start()
print(receiver.pid, *receiver.worker_pids, flush=True)
time.sleep(60)
"""


def test_it_ends_when_its_workstation_is_killed(home: Path) -> None:
    parent = subprocess.Popen([sys.executable, "-c", PARENT, str(home)], stdout=subprocess.PIPE, text=True)
    assert parent.stdout is not None
    pids = [int(word) for word in parent.stdout.readline().split()]
    assert len(pids) >= 3
    assert all(is_alive(pid) for pid in pids)
    parent.kill()
    parent.wait()
    parent.stdout.close()
    eventually(lambda: not any(is_alive(pid) for pid in pids))


def test_starting_it_imports_nothing_of_the_network() -> None:
    script = (
        "import sys, lightbox.workstation, lightbox.network.receiving.process\n"
        "print([name for name in sys.modules if name.split('.')[0] in ('pynetdicom', 'pydicom', 'numpy', 'ssl')"
        " or 'network.wire' in name])"
    )
    found = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert found.stdout.strip() == "[]"
