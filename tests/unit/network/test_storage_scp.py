from __future__ import annotations

import errno
import socket
import threading
import time
import tracemalloc
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.uid import ExplicitVRBigEndian, generate_uid

from builders import network_objects
from builders.peer_servers import free_port
from lightbox.core.errors import LightboxError
from lightbox.library.library import Library
from lightbox.library.spool import Spool, SpoolFile
from lightbox.network import contexts
from lightbox.network.echo import echo
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receive import Received
from lightbox.network.receiving.notes import STORAGE_COMMITMENT, Inbox
from lightbox.network.send import accepted_pairs, send
from lightbox.network.storage_scp import StorageScp, running_on
from lightbox.network.stored import describe, of_files, of_library
from lightbox.network.wire import commands
from lightbox.network.wire.client import associated
from lightbox.network.wire.contexts import Proposal

PRIVATE_CLASS = "1.3.6.1.4.1.55555.7.7"


@pytest.fixture
def receiver(library: Library, identity: LocalIdentity) -> Iterator[StorageScp]:
    with StorageScp(library, identity) as running:
        yield running


@pytest.fixture
def peer(receiver: StorageScp) -> Peer:
    return Peer("us", "LIGHTBOX", "127.0.0.1", receiver.port)


@pytest.fixture
def sender() -> LocalIdentity:
    return LocalIdentity("SENDER", 0, "127.0.0.1", association_timeout=3, dimse_timeout=5)


def bytes_of(file: Any) -> bytes:
    with file:
        file.seek(describe(file).offset)
        return file.read()


@pytest.mark.parametrize("sop_class", [network_objects.CT, PRIVATE_CLASS, "1.2.840.10008.5.1.4.1.1.999.9"])
def test_any_storage_class_is_stored_as_sent(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path, sop_class: str
) -> None:
    events: list[Received] = []
    receiver.received.connect(events.append)
    [path] = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", 1, sop_class=sop_class)])
    assert send(peer, sender, of_files([path])).summary() == "1 of 1 sent"
    receiver.stop()
    uid = events[0].sop_instance_uid
    assert bytes_of(library.open_object(uid)) == bytes_of(path.open("rb"))
    record = library.instance(uid)
    assert record is not None
    assert record.sop_class_uid == sop_class
    assert events[0].source == "SENDER"


def test_big_endian_and_wide_objects(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    big = network_objects.ct("a", "b", 1, syntax=ExplicitVRBigEndian)
    big["PixelData"].VR = "OW"
    wide = network_objects.ct("a", "b", 2, size=2048)  # 8 MB: many PDUs
    paths = network_objects.write(tmp_path / "x", [big, wide])
    assert send(peer, sender, of_files(paths)).complete
    receiver.stop()
    for path, dataset in zip(paths, (big, wide), strict=True):
        assert bytes_of(library.open_object(str(dataset.SOPInstanceUID))) == bytes_of(path.open("rb"))


def test_services_are_not_accepted_as_storage(receiver: StorageScp, peer: Peer, sender: LocalIdentity) -> None:
    pairs = [("1.2.840.10008.5.1.4.1.2.2.1", contexts.LITTLE_ENDIAN[0])]
    with pytest.raises(AssociationError) as caught, associated(peer, sender, contexts.build(pairs)):
        pass
    assert caught.value.code == "association.no-context"
    assert echo(peer, sender).ok


def test_durable_before_acknowledged(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    committed: list[bool] = []
    commit = SpoolFile.commit
    monkeypatch.setattr(SpoolFile, "commit", lambda self: committed.append(True) or commit(self))
    receiver.received.connect(lambda event: committed.append(False))
    [path] = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", 1)])
    assert send(peer, sender, of_files([path])).complete
    assert committed == [True, False]


@pytest.mark.parametrize("step", ["writer", "write", "commit"])
def test_full_disk_is_answered(
    receiver: StorageScp,
    peer: Peer,
    sender: LocalIdentity,
    tmp_path: Path,
    library: Library,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
) -> None:
    def full(*_: Any) -> Any:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(Spool if step == "writer" else SpoolFile, step, full)
        [path] = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", 1)])
        report = send(peer, sender, of_files([path]))
    assert "out of resources" in report.summary()
    assert "0xA700" in report.failed[0][1]
    # nothing is left, and with space again it works
    assert library.spool().ready() == []
    assert send(peer, sender, of_files([path])).complete


def test_a_listener_that_fails_does_not_refuse_an_object_that_is_safe(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, tmp_path: Path
) -> None:
    def fail(_: object) -> None:
        raise RuntimeError("the window is gone")

    receiver.received.connect(fail)
    [path] = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", 1)])
    assert send(peer, sender, of_files([path])).complete


def test_half_an_object_leaves_nothing(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library, home: Path
) -> None:
    dataset = network_objects.ct("a", "b", 1, size=2048)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    described = describe(buffer)
    pair = (described.sop_class_uid, described.transfer_syntax_uid)

    class Breaks(BytesIO):
        """Ends the connection in the middle of the data set."""

        def readinto(self, buffer: Any, /) -> int:
            if self.tell() > 3_000_000:
                deadline = time.monotonic() + 5
                while not list(home.rglob("*.part")) and time.monotonic() < deadline:
                    time.sleep(0.01)
                assert list(home.rglob("*.part"))
                raise ConnectionError("unplugged")
            return super().readinto(buffer)

    with pytest.raises(ConnectionError), associated(peer, sender, contexts.build([pair])) as association:
        data = Breaks(buffer.getvalue())
        data.seek(described.offset)
        context = accepted_pairs(association)[pair]
        association.store(context, described.sop_class_uid, described.sop_instance_uid, data)
    deadline = time.monotonic() + 5
    while list(home.rglob("*.part")) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert list(home.rglob("*.part")) == []
    receiver.stop()
    assert library.instance(described.sop_instance_uid) is None
    assert library.quarantine() == []


def test_an_overlong_uid_is_answered_not_aborted(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library
) -> None:
    dataset = network_objects.ct("a", "b", 1)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    described = describe(buffer)
    pair = (described.sop_class_uid, described.transfer_syntax_uid)
    with associated(peer, sender, contexts.build([pair])) as association:
        buffer.seek(described.offset)
        response = association.store(accepted_pairs(association)[pair], pair[0], "1." + "2" * 80, buffer)
        assert response.command["MessageIDBeingRespondedTo"] == 1
        assert association.is_open


@pytest.mark.parametrize("uid", ["1." + "2" * 80, "LOCALIZER_01"])
def test_an_object_whose_own_uid_breaks_the_standard_is_kept(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library, uid: str
) -> None:
    dataset = network_objects.ct("a", "b", 1)
    dataset.SOPInstanceUID = uid
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    described = describe(buffer)
    pair = (described.sop_class_uid, described.transfer_syntax_uid)
    with associated(peer, sender, contexts.build([pair])) as association:
        buffer.seek(described.offset)
        assert association.store(accepted_pairs(association)[pair], pair[0], uid, buffer).status == 0x0000
        assert association.is_open
    receiver.stop()
    assert bytes_of(library.open_object(uid)) == bytes_of(buffer)


def test_a_commitment_report_without_event_type_is_kept(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, home: Path
) -> None:
    implicit = "1.2.840.10008.1.2"
    command = commands.n_event_report(STORAGE_COMMITMENT, "1.2.840.10008.1.20.1.1", 1)
    del command.attributes["EventTypeID"]
    data = b"\x08\x00\x95\x11\x06\x00\x00\x001.2.3\x00"  # Transaction UID
    with associated(peer, sender, [Proposal(STORAGE_COMMITMENT, (implicit,), scp_role=True)]) as association:
        assert association.request(association.accepted[0], command, data).status == 0x0000
    [note] = Inbox(home).waiting(STORAGE_COMMITMENT)
    assert note.event_type_id is None
    assert str(note.dataset().TransactionUID) == "1.2.3"


def test_several_senders_at_once(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    groups = [
        network_objects.write(tmp_path / str(g), [network_objects.ct(f"s{g}", "b", n) for n in range(10)])
        for g in range(4)
    ]
    reports: list[bool] = []
    threads = [
        threading.Thread(target=lambda paths=paths: reports.append(send(peer, sender, of_files(paths)).complete))
        for paths in groups
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(30)
    receiver.stop()
    assert reports == [True] * 4
    assert library.count_studies() == 4
    assert all(library.study(generate_uid(entropy_srcs=[f"s{g}"])).number_of_instances == 10 for g in range(4))


def test_a_silent_client_does_not_keep_others_out(receiver: StorageScp, peer: Peer, sender: LocalIdentity) -> None:
    with socket.create_connection(("127.0.0.1", receiver.port)):
        assert echo(peer, sender).ok


def test_stored_objects_can_be_sent_on(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    paths = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", n) for n in range(3)])
    library.import_paths(paths)
    uids = [describe(path.open("rb")).sop_instance_uid for path in paths]
    other_home = tmp_path / "other"
    other_home.mkdir()
    with Library.open(other_home) as other, StorageScp(other, LocalIdentity("OTHER", free_port(), "127.0.0.1")) as scp:
        target = Peer("other", "OTHER", "127.0.0.1", scp.port)
        assert send(target, sender, of_library(library, uids)).sent == 3
        scp.stop()
        assert bytes_of(other.open_object(uids[1])) == bytes_of(paths[1].open("rb"))


def test_it_can_start_again(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    receiver.stop()
    assert echo(peer, sender).code == "tcp.refused"
    receiver.start()
    [path] = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", 1)])
    assert send(peer, sender, of_files([path])).complete
    receiver.stop()
    assert library.count_studies() == 1


def test_port_in_use_is_told(receiver: StorageScp, library: Library) -> None:
    assert running_on(receiver.port) is receiver
    other = StorageScp(library, LocalIdentity("LIGHTBOX", receiver.port, "127.0.0.1"))
    with pytest.raises(LightboxError, match=f"port {receiver.port}"):
        other.start()
    assert not other.running
    receiver.stop()
    assert running_on(receiver.port) is None


def test_large_objects_do_not_pile_up_in_memory(
    receiver: StorageScp, peer: Peer, sender: LocalIdentity, library: Library, tmp_path: Path
) -> None:
    size = 5000  # 50 MB
    [path] = network_objects.write(tmp_path / "x", [network_objects.ct("a", "b", 1, size=size)])
    objects = of_files([path])
    tracemalloc.start()
    try:
        assert send(peer, sender, objects).complete
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert peak < size * size  # neither side holds half of it
    receiver.stop()
    assert bytes_of(library.open_object(describe(path.open("rb")).sop_instance_uid)) == bytes_of(path.open("rb"))
