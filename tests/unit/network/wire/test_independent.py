"""With an independent implementation on the other side: pynetdicom as client and as server."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from io import BytesIO
from pathlib import Path
from typing import Any

import pytest
from pydicom.dataset import Dataset
from pynetdicom import evt
from pynetdicom.ae import ApplicationEntity
from pynetdicom.presentation import build_context, build_role

from builders import network_objects, pynetdicom_peer
from lightbox.core.errors import LightboxError
from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.stored import describe
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import associated
from lightbox.network.wire.commands import Request
from lightbox.network.wire.contexts import VERIFICATION, Proposal
from lightbox.network.wire.negotiation import accept_by
from lightbox.network.wire.server import Server
from lightbox.network.wire.transport import Throttle

US = LocalIdentity("LIGHTBOX", 0, "127.0.0.1", association_timeout=5, dimse_timeout=10)
CT, FIND, GET = network_objects.CT, "1.2.840.10008.5.1.4.1.2.2.1", "1.2.840.10008.5.1.4.1.2.2.3"
MPPS, COMMITMENT = "1.2.840.10008.3.1.2.3.3", "1.2.840.10008.1.20.1"


class Collected:
    """A receiver that keeps data sets by SOP Instance UID."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.told: list[tuple[str, str, str]] = []

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Any:
        self.told.append((sop_class_uid, transfer_syntax_uid, source))

        class Incoming(BytesIO):
            uid = sop_instance_uid

            def abort(self) -> None:
                self.close()

        return Incoming()

    def finish(self, incoming: Any) -> int:
        self.objects[incoming.uid] = incoming.getvalue()
        return 0


def image(number: int, **options: Any) -> tuple[Dataset, bytes]:
    dataset = network_objects.ct("a", "b", number, **options)
    buffer = BytesIO()
    dataset.save_as(buffer, enforce_file_format=True)
    buffer.seek(describe(buffer).offset)
    return dataset, buffer.read()


# We call


@pytest.mark.parametrize("maximum", [0, 128, 4096, 131_072])
def test_store_in_every_pdu_size(maximum: int) -> None:
    got: dict[str, bytes] = {}

    def store(event: Any) -> int:
        got[str(event.request.AffectedSOPInstanceUID)] = event.request.DataSet.getvalue()
        return 0

    objects = [image(number, size=size) for number, size in enumerate((1, 16, 64 if maximum == 128 else 512))]
    with (
        pynetdicom_peer.running([CT], [(evt.EVT_C_STORE, store)], maximum_pdu_size=maximum) as peer,
        associated(peer, US, [Proposal(CT)]) as association,
    ):
        assert association.peer_maximum_pdu == maximum
        for dataset, data in objects:
            uid = str(dataset.SOPInstanceUID)
            assert association.store(association.accepted[0], CT, uid, BytesIO(data)).status == 0
    assert got == {str(dataset.SOPInstanceUID): data for dataset, data in objects}
    assert association.ended_by == "released"


def test_no_response_is_lost() -> None:
    with (
        pynetdicom_peer.running([VERIFICATION], []) as peer,
        associated(peer, US, [Proposal(VERIFICATION)]) as association,
    ):
        context = association.accepted[0]
        assert all(association.request(context, commands.c_echo()).status == 0 for _ in range(300))
        connection = association._channel._connection
        assert connection.sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY)


def test_normalised_services_and_events() -> None:
    def create(event: Any) -> tuple[int, Dataset]:
        assert event.attribute_list.PerformedProcedureStepStatus == "IN PROGRESS"
        return 0, event.attribute_list

    def change(event: Any) -> tuple[int, Dataset]:
        return 0xB000, event.modification_list

    def action(event: Any) -> tuple[int, Dataset | None]:
        assert event.action_type == 1
        assert event.action_information.TransactionUID == "1.2.3"
        return 0, None

    step = Dataset()
    step.PerformedProcedureStepStatus = "IN PROGRESS"
    ask = Dataset()
    ask.TransactionUID = "1.2.3"
    handlers = [(evt.EVT_N_CREATE, create), (evt.EVT_N_SET, change), (evt.EVT_N_ACTION, action)]
    with (
        pynetdicom_peer.running([MPPS, COMMITMENT], handlers) as peer,
        associated(peer, US, [Proposal(MPPS), Proposal(COMMITMENT)]) as association,
    ):
        steps, commitment = association.accepted
        response = association.request(steps, commands.n_create(MPPS, "1.2.9"), step)
        assert response.status == 0
        assert response.dataset().PerformedProcedureStepStatus == "IN PROGRESS"
        assert response.command["AffectedSOPInstanceUID"] == "1.2.9"
        assert association.request(steps, commands.n_set(MPPS, "1.2.9"), step).status == 0xB000
        command = commands.n_action(COMMITMENT, "1.2.840.10008.1.20.1.1", 1)
        assert association.request(commitment, command, ask).status == 0


def test_get_with_roles() -> None:
    dataset, data = image(1, size=300)

    def get(event: Any) -> Any:
        yield 1
        yield 0xFF00, dataset

    collected = Collected()
    proposals = [Proposal(GET), Proposal(CT, ("1.2.840.10008.1.2.1",), scp_role=True)]
    with (
        pynetdicom_peer.running([GET, CT], [(evt.EVT_C_GET, get)], roles=True) as peer,
        associated(peer, US, proposals, receiver=collected) as association,
    ):
        assert (association.accepted[1].as_scu, association.accepted[1].as_scp) == (False, True)
        query = Dataset()
        query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", str(dataset.StudyInstanceUID)
        responses = list(association.requests(association.accepted[0], commands.c_get(GET), query))
    assert [response.status for response in responses] == [0xFF00, 0]
    assert responses[-1].command["NumberOfCompletedSuboperations"] == 1
    assert collected.objects == {str(dataset.SOPInstanceUID): data}
    assert collected.told == [(CT, "1.2.840.10008.1.2.1", "ODD")]


def test_what_cannot_be_read_is_not_sent(tmp_path: Path) -> None:
    class Broken(BytesIO):
        def readinto(self, buffer: Any, /) -> int:
            raise LightboxError("The disk is gone")

    with (
        pynetdicom_peer.running([CT, VERIFICATION], [(evt.EVT_C_STORE, lambda event: 0)]) as peer,
        associated(peer, US, [Proposal(CT), Proposal(VERIFICATION)]) as association,
    ):
        with pytest.raises(LightboxError, match="disk"):
            association.store(association.accepted[0], CT, "1.2", Broken())
        # nothing of it had been sent
        assert association.request(association.accepted[1], commands.c_echo()).status == 0


def test_a_throttle_is_shared_and_kept() -> None:
    throttle = Throttle(1_000_000)
    _, data = image(1, size=350)  # 245 kB
    with (
        pynetdicom_peer.running([CT], [(evt.EVT_C_STORE, lambda event: 0)]) as peer,
        associated(peer, US, [Proposal(CT)]) as association,
    ):
        begun = time.monotonic()
        for number in range(2):
            association.store(association.accepted[0], CT, f"1.2.{number}", BytesIO(data), throttle=throttle)
        assert time.monotonic() - begun >= 0.3


# We are called


@pytest.fixture
def collected() -> Collected:
    return Collected()


@pytest.fixture
def served(collected: Collected) -> Iterator[Server]:
    def find(association: Association, request: Request) -> None:
        wanted = request.dataset()
        for number in range(3):
            row = Dataset()
            row.StudyInstanceUID, row.PatientID = f"1.2.{number}", str(wanted.PatientID)
            association.respond(request, 0xFF00, row)
        association.respond(request, 0)

    def get(association: Association, request: Request) -> None:
        dataset, data = image(5, size=200)
        context = association.context(CT)
        assert context is not None
        sent = association.store(context, CT, str(dataset.SOPInstanceUID), BytesIO(data))
        association.respond(request, sent.status, NumberOfCompletedSuboperations=1)

    def negotiate(request: Any) -> Any:
        return accept_by(request, lambda p: p.transfer_syntaxes[0], both_roles=lambda uid: uid == CT)

    services = {commands.C_FIND: find, commands.C_GET: get}
    with Server(("127.0.0.1", 0), US, negotiate=negotiate, services=services, receiver=collected) as server:
        yield server


def client(*models: str) -> ApplicationEntity:
    pynetdicom_peer.quiet()
    ae = ApplicationEntity("CLIENT")
    for model in models:
        ae.add_requested_context(model, pynetdicom_peer.NATIVE[:2])
    return ae


def test_it_stores_and_queries_here(served: Server, collected: Collected) -> None:
    dataset, data = image(1, size=400)
    association = client(CT, FIND, VERIFICATION).associate("127.0.0.1", served.port)
    assert association.is_established
    assert association.send_c_echo().Status == 0
    assert association.send_c_store(dataset).Status == 0
    query = Dataset()
    query.QueryRetrieveLevel, query.PatientID = "STUDY", "77"
    answers = list(association.send_c_find(query, FIND))
    assert [status.Status for status, _ in answers] == [0xFF00, 0xFF00, 0xFF00, 0]
    rows = [row for _, row in answers if row is not None]
    assert [(str(row.StudyInstanceUID), row.PatientID) for row in rows] == [(f"1.2.{n}", "77") for n in range(3)]
    association.release()
    assert association.is_released
    assert collected.objects == {str(dataset.SOPInstanceUID): data}
    assert collected.told == [(CT, "1.2.840.10008.1.2.1", "CLIENT")]


def test_it_gets_from_here(served: Server) -> None:
    got: list[str] = []
    ae = client(GET)
    ae.requested_contexts = [*ae.requested_contexts, build_context(CT, ["1.2.840.10008.1.2.1"])]
    handlers: list[Any] = [(evt.EVT_C_STORE, lambda event: got.append(str(event.request.AffectedSOPInstanceUID)) or 0)]
    association = ae.associate("127.0.0.1", served.port, ext_neg=[build_role(CT, scp_role=True)], evt_handlers=handlers)
    assert association.is_established
    query = Dataset()
    query.QueryRetrieveLevel, query.StudyInstanceUID = "STUDY", "1.2"
    statuses = [status.Status for status, _ in association.send_c_get(query, GET)]
    association.release()
    assert statuses == [0]
    assert got == [str(network_objects.ct("a", "b", 5).SOPInstanceUID)]


def test_large_objects_do_not_pile_up_in_memory() -> None:
    import tracemalloc

    class Counting:
        size = 0

        def open(self, *_: str) -> Any:
            return self

        def write(self, chunk: memoryview) -> None:
            self.size += len(chunk)

        def abort(self) -> None:
            pass

        def finish(self, incoming: Any) -> int:
            return 0

    class Zeros(BytesIO):
        """A file of 300 MB that is nowhere."""

        left = 300_000_000

        def readinto(self, buffer: Any, /) -> int:
            count = min(len(buffer), self.left)
            self.left -= count
            return count

    counting = Counting()
    tracemalloc.start()
    try:
        with Server(
            ("127.0.0.1", 0), US, negotiate=lambda r: accept_by(r, lambda p: p.transfer_syntaxes[0]), receiver=counting
        ) as server:
            peer = Peer("us", "LIGHTBOX", "127.0.0.1", server.port)
            with associated(peer, US, [Proposal(CT)]) as association:
                assert association.store(association.accepted[0], CT, "1.2", Zeros()).status == 0
        _, peak = tracemalloc.get_traced_memory()
    finally:
        tracemalloc.stop()
    assert counting.size == 300_000_000
    assert peak < 12_000_000
