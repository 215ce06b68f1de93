"""What a requestor makes of peers that do not keep to the protocol."""

from __future__ import annotations

import contextlib
import random
import struct
import threading
import time
from collections.abc import Callable
from io import BytesIO
from typing import Any

import pytest

from builders import raw_dicom as raw
from builders.raw_dicom import ABORT, COMMAND, DATA, ECHO, FIND, GET, LAST, RELEASE_RP, RELEASE_RQ, Raw
from lightbox.core.errors import Cancelled
from lightbox.core.jobs import CancelToken
from lightbox.network.errors import AssociationError
from lightbox.network.identity import LocalIdentity
from lightbox.network.wire import commands
from lightbox.network.wire.association import Association
from lightbox.network.wire.client import associated, open_association
from lightbox.network.wire.contexts import Proposal

SHORT_NAMES: Any = {"ids": lambda value: value if isinstance(value, str) else "bytes"}
US = LocalIdentity("LIGHTBOX", 0, "127.0.0.1", association_timeout=2, dimse_timeout=2)
PROPOSED = [Proposal(ECHO, (raw.IMPLICIT,)), Proposal(FIND, (raw.IMPLICIT,)), Proposal(raw.CT, (raw.IMPLICIT,), True)]
ALL = raw.associate_ac(
    (1, 0, raw.IMPLICIT),
    (3, 0, raw.IMPLICIT),
    (5, 0, raw.IMPLICIT),
    extra=raw.item(0x54, struct.pack(">H", len(raw.CT)) + raw.CT.encode() + b"\x01\x01"),
)


def run(script: Callable[[Raw], Any], use: Callable[[Association], Any], answer: bytes = ALL, **options: Any) -> Any:
    with raw.scp(raw.accepting(script, answer)) as peer, associated(peer, US, PROPOSED, **options) as association:
        return use(association)


def echo(association: Association) -> int:
    return association.request(association.accepted[0], commands.c_echo()).status


def failure(script: Callable[[Raw], Any], use: Callable[[Association], Any] = echo) -> str:
    with pytest.raises(AssociationError) as caught:
        run(script, use)
    assert caught.value.step == "operation"
    assert caught.value.what and caught.value.why and caught.value.todo
    return caught.value.code


# Opening


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (raw.pdu(3, b"\x00\x01\x01\x03"), "association.rejected"),
        (raw.pdu(3, b"\x00\x02\x03\x02"), "association.busy"),
        (raw.pdu(3, b""), "association.rejected"),
        (ABORT, "association.aborted"),
        (b"", "association.aborted"),
        (ALL[:50], "association.aborted"),
        (raw.associate_ac((1, 3, raw.IMPLICIT), (3, 4, "")), "association.no-context"),
        (raw.associate_ac((77, 0, raw.IMPLICIT)), "association.no-context"),
        (raw.pdu(2, bytes(20)), "association.aborted"),
        (raw.pdu(2, b"", length=0xFFFFFFFF), "association.not-dicom"),
        (raw.p_data(1, COMMAND | LAST, b"x"), "association.not-dicom"),
    ],
    **SHORT_NAMES,
)
def test_answers_that_open_nothing(answer: bytes, code: str) -> None:
    with raw.scp(lambda peer: (peer.pdu(), peer.send(answer))) as peer, pytest.raises(AssociationError) as caught:
        open_association(peer, US, PROPOSED)
    assert caught.value.code == code
    assert caught.value.todo


def test_an_answer_in_the_middle_of_which_the_peer_falls_silent() -> None:
    quiet = threading.Event()
    impatient = LocalIdentity("LIGHTBOX", 0, "127.0.0.1", association_timeout=0.3)
    with (
        raw.scp(lambda peer: (peer.pdu(), peer.send(ALL[:100]), quiet.wait(5))) as peer,
        pytest.raises(AssociationError) as caught,
    ):
        try:
            open_association(peer, impatient, PROPOSED)
        finally:
            quiet.set()
    assert caught.value.code == "association.timeout"


def test_an_answer_byte_by_byte_with_unknown_items() -> None:
    answer = raw.associate_ac(
        (1, 0, raw.IMPLICIT), items=raw.item(0x99, b"?" * 9), extra=raw.item(0x5F, b"!" * 30), maximum=0
    )

    def script(peer: Raw) -> None:
        peer.pdu()
        for byte in answer:
            peer.send(bytes((byte,)))
        command, _ = peer.message()
        peer.send(raw.p_data(1, COMMAND | LAST, raw.response(0x8030, raw.message_id_of(command), 0)))
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RP)

    with raw.scp(script) as peer, associated(peer, US, PROPOSED) as association:
        assert association.peer_maximum_pdu == 0
        assert [refused.result for refused in association.refused] == [2, 2]
        assert echo(association) == 0


# One request, one response


def answering(*parts: bytes) -> Callable[[Raw], None]:
    """Answer one request with given bytes, then wait until the requestor leaves."""

    def script(peer: Raw) -> None:
        peer.message()
        peer.send(*parts)
        while (kind := peer.pdu()[0]) not in (0, 7):
            if kind == 5:
                peer.send(RELEASE_RP)

    return script


def test_fragments_of_one_byte_in_one_pdu_and_in_many() -> None:
    command = raw.response(0x8030, 1, 0)
    ends = [COMMAND] * (len(command) - 1) + [COMMAND | LAST]
    values = [raw.pdv(1, end, bytes((byte,))) for byte, end in zip(command, ends, strict=True)]
    assert run(answering(raw.pdu(4, b"".join(values))), echo) == 0
    assert run(answering(*(raw.pdu(4, value) for value in values)), echo) == 0
    assert run(answering(raw.pdu(4, values[0]), raw.pdu(4, b""), raw.pdu(4, b"".join(values[1:]))), echo) == 0


def test_command_and_data_in_one_pdu() -> None:
    values = raw.pdv(3, COMMAND | LAST, raw.response(0x8020, 1, 0xFF00, data=True)) + raw.pdv(
        3, DATA, b"\x20\x00\x0d\x00"
    )
    rest = raw.pdv(3, DATA, b"\x06\x00\x00\x00") + raw.pdv(3, DATA | LAST, b"1.2.3\x00")
    last = raw.pdv(3, COMMAND | LAST, raw.response(0x8020, 1, 0))

    def use(association: Association) -> list[Any]:
        return [
            (response.status, response.dataset().get("StudyInstanceUID"))
            for response in association.requests(association.accepted[1], commands.c_find(FIND), b"")
        ]

    assert run(answering(raw.pdu(4, values), raw.pdu(4, rest + last)), use) == [(0xFF00, "1.2.3"), (0, None)]


@pytest.mark.parametrize(
    ("message", "status"),
    [
        (raw.response(0x8030, 1, 0x0199), 0x0199),  # a status nobody knows
        (raw.response(0x8030, 77, 0), 0),  # a wrong number, but nothing else was asked
        (raw.response(0x8030, 0, 0), 0),
        (raw.command((0x0100, 0x8030), (0x0120, 1), (0x0900, 0)), 0),  # no data set type, no SOP class
        (raw.elements((0x0100, 0x8030), (0x0120, 1), (0x0900, 0)), 0),  # no group length
        (raw.command((0x0100, 0x8030), (0x0120, 1), (0x0800, 0x0101)), 0x0110),  # no status: not a success
    ],
    ids=range(6),
)
def test_what_is_tolerated(message: bytes, status: int) -> None:
    assert run(answering(raw.p_data(1, COMMAND | LAST, message)), echo) == status


@pytest.mark.parametrize(
    ("answer", "code"),
    [
        (ABORT, "operation.aborted"),
        (raw.pdu(7, b"\x00\x00\x02\x02"), "operation.aborted"),
        (raw.pdu(7, b""), "operation.aborted"),
        (RELEASE_RQ, "operation.released"),
        (RELEASE_RP, "operation.protocol"),
        (raw.associate_rq(), "operation.protocol"),
        (raw.pdu(0x99, b"hello"), "operation.protocol"),
        (raw.p_data(9, COMMAND | LAST, raw.response(0x8030, 1, 0)), "operation.protocol"),  # no such context
        (raw.p_data(2, COMMAND | LAST, raw.response(0x8030, 1, 0)), "operation.protocol"),
        (raw.p_data(1, COMMAND | LAST, raw.response(0x8020, 1, 0)), "operation.protocol"),  # C-FIND to C-ECHO
        (raw.p_data(1, COMMAND | LAST, b""), "operation.protocol"),
        (raw.pdu(4, raw.pdv(1, COMMAND, b"x") + raw.pdv(3, COMMAND | LAST, b"y")), "operation.protocol"),
        (raw.pdu(4, raw.pdv(1, COMMAND, b"x", length=1)), "operation.protocol"),
        (raw.pdu(4, raw.pdv(1, COMMAND, b"x", length=0xFFFFFFFF)), "operation.protocol"),
        (raw.pdu(4, b"abc"), "operation.protocol"),
        (raw.pdu(4, b"", length=0xFFFFFFFF), "operation.too-large"),
        (raw.pdu(5, b"", length=0xFFFFFFF), "operation.protocol"),
        (b"".join(raw.p_data(1, COMMAND, bytes(16000)) for _ in range(6)), "operation.too-large"),
        (raw.pdu(4, raw.pdv(1, COMMAND, b"")) * 10_002, "operation.protocol"),
        (raw.p_data(1, COMMAND | LAST, raw.response(0x8030, 1, 0))[:-3], "operation.timeout"),
        (b"", "operation.timeout"),
    ],
    **SHORT_NAMES,
)
def test_what_is_not(answer: bytes, code: str) -> None:
    assert failure(answering(answer)) == code


@pytest.mark.parametrize("cut", [0, 3, 6, 11, 20])
def test_a_peer_that_closes_in_the_middle(cut: int) -> None:
    whole = raw.p_data(1, COMMAND | LAST, raw.response(0x8030, 1, 0))
    assert failure(lambda peer: (peer.message(), peer.send(whole[:cut]))) == "operation.closed"


def test_a_peer_that_closes_while_we_send() -> None:
    def use(association: Association) -> None:
        association.store(association.accepted[2]._replace(as_scu=True), raw.CT, "1.2", BytesIO(bytes(50_000_000)))

    assert failure(lambda peer: (peer.exactly(100_000), peer.close()), use) == "operation.closed"


def test_the_abort_of_a_peer_that_does_not_want_what_we_send() -> None:
    def script(peer: Raw) -> None:
        peer.exactly(1_000_000)
        peer.send(ABORT)
        time.sleep(0.2)

    def use(association: Association) -> None:
        association.store(association.accepted[2], raw.CT, "1.2", BytesIO(bytes(50_000_000)))

    assert failure(script, use) in ("operation.aborted", "operation.closed")


def test_a_response_to_an_earlier_request_never_counts_for_a_later_one() -> None:
    def script(peer: Raw) -> None:
        def answer(number: int, status: int, uid: str = "1.2.1") -> bytes:
            values = ((0x0100, 0x8001), (0x0120, number), (0x0800, 0x0101), (0x0900, status), (0x1000, uid))
            return raw.p_data(5, COMMAND | LAST, raw.command(*values))

        peer.message()
        peer.send(answer(1, 0), answer(1, 0), answer(1, 0))  # twice more than asked
        peer.message()
        peer.send(answer(2, 0xA700, "1.2.2"))
        peer.message()
        peer.send(answer(9, 0, "1.2.2"), answer(0, 0xA900, "1.2.3"))  # wrong numbers: the instance tells
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RP)

    def use(association: Association) -> list[int]:
        context = association.accepted[2]
        return [association.store(context, raw.CT, f"1.2.{n}", BytesIO(b"abcd")).status for n in (1, 2, 3)]

    assert run(script, use) == [0, 0xA700, 0xA900]


def test_a_response_whose_data_set_was_not_announced() -> None:
    stray = raw.p_data(1, DATA, b"12") + raw.p_data(1, DATA | LAST, b"34")
    answer = raw.p_data(1, COMMAND | LAST, raw.response(0x8030, 1, 0))
    assert run(answering(stray, answer), echo) == 0


def test_requests_of_the_peer_meanwhile_are_kept() -> None:
    report = raw.command((2, "1.2.840.10008.1.20.1"), (0x0100, 0x0100), (0x0110, 4), (0x0800, 0x0101), (0x1002, 1))
    ping = raw.command((2, ECHO), (0x0100, 0x0030), (0x0110, 5), (0x0800, 0x0101))
    seen: list[bytes] = []

    def script(peer: Raw) -> None:
        peer.message()
        peer.send(raw.p_data(1, COMMAND | LAST, report), raw.p_data(1, COMMAND | LAST, ping))
        seen.append(peer.message()[0])
        peer.send(raw.p_data(1, COMMAND | LAST, raw.response(0x8030, 1, 0)))
        seen.append(peer.message()[0])
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RP)

    def use(association: Association) -> None:
        assert echo(association) == 0
        request = association.next_request(1.0)
        assert request is not None
        assert (request.name, request.message_id, request.command["EventTypeID"]) == ("N-EVENT-REPORT", 4, 1)
        association.respond(request, 0)
        assert association.next_request(0.05) is None
        assert association.is_open

    run(script, use)
    assert [commands.decode(answer)["CommandField"] for answer in seen] == [0x8030, 0x8100]


# Release


def test_release_collision() -> None:
    def script(peer: Raw) -> None:
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RQ)
        assert peer.pdu()[0] == 6
        peer.send(RELEASE_RP)

    with raw.scp(raw.accepting(script, ALL)) as peer, associated(peer, US, PROPOSED) as association:
        pass
    assert association.ended_by == "released"


def test_what_still_arrives_before_the_release_is_answered_is_dropped() -> None:
    def script(peer: Raw) -> None:
        assert peer.pdu()[0] == 5
        peer.send(raw.p_data(1, COMMAND | LAST, raw.response(0x8030, 1, 0)), RELEASE_RP)

    with raw.scp(raw.accepting(script, ALL)) as peer, associated(peer, US, PROPOSED) as association:
        pass
    assert association.ended_by == "released"


@pytest.mark.parametrize("answer", [ABORT, b"", raw.pdu(0x77, b"x"), b"garbage garbage"], **SHORT_NAMES)
def test_a_release_that_is_not_answered_properly_is_over_all_the_same(answer: bytes) -> None:
    with (
        raw.scp(raw.accepting(lambda peer: (peer.pdu(), peer.send(answer)), ALL)) as peer,
        associated(peer, US, PROPOSED) as association,
    ):
        pass
    assert not association.is_open


def test_an_ended_association_is_told() -> None:
    with raw.scp(raw.accepting(lambda peer: peer.pdu(), ALL)) as peer:
        association = open_association(peer, US, PROPOSED)
        association.abort()
        association.abort()
        association.release()
        with pytest.raises(AssociationError) as caught:
            echo(association)
    assert caught.value.code == "operation.ended"


def test_abort_from_another_thread_wakes_who_waits() -> None:
    patient = LocalIdentity("LIGHTBOX", 0, "127.0.0.1", dimse_timeout=60)
    with raw.scp(raw.accepting(lambda peer: (peer.message(), peer.pdu()), ALL)) as peer:
        association = open_association(peer, patient, PROPOSED)
        threading.Timer(0.2, association.abort).start()
        with pytest.raises(AssociationError) as caught:
            echo(association)
    assert caught.value.code == "operation.ended"


# Many responses


def pending(number: int = 1) -> bytes:
    return raw.p_data(3, COMMAND | LAST, raw.response(0x8020, number, 0xFF00))


def final(status: int, number: int = 1) -> bytes:
    return raw.p_data(3, COMMAND | LAST, raw.response(0x8020, number, status))


def find(association: Association, cancel: CancelToken | None = None) -> Any:
    return association.requests(association.accepted[1], commands.c_find(FIND), b"", cancel=cancel)


def test_cancel_while_the_peer_is_silent() -> None:
    token = CancelToken()
    seen: list[int] = []

    def script(peer: Raw) -> None:
        peer.message()
        peer.send(pending())
        command, _ = peer.message()
        seen.append(commands.decode(command)["CommandField"])
        peer.send(pending(), final(0xFE00))
        peer.pdu()

    def use(association: Association) -> list[int]:
        statuses = []
        with pytest.raises(Cancelled):
            for response in find(association, token):
                statuses.append(response.status)
                token.cancel()
        return statuses

    assert run(script, use) == [0xFF00, 0xFF00, 0xFE00]
    assert seen == [0x0FFF]


def test_cancel_of_a_peer_that_does_not_listen(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightbox.network.wire.association.CANCEL_GRACE_S", 0.2)
    token = CancelToken()
    threading.Timer(0.2, token.cancel).start()

    def script(peer: Raw) -> None:
        peer.message()
        peer.message()
        assert peer.pdu()[0] == 7

    with raw.scp(raw.accepting(script, ALL)) as peer:
        association = open_association(peer, US, PROPOSED)
        with pytest.raises(Cancelled):
            list(find(association, token))
        assert not association.is_open


def test_cancel_of_a_peer_that_goes_on_sending_objects(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("lightbox.network.wire.association.CANCEL_GRACE_S", 0.3)
    token = CancelToken()
    taken = Taken()

    def script(peer: Raw) -> None:
        peer.message()
        for number in range(1, 10_000):
            peer.send(store_request(f"1.2.{number}", number), raw.p_data(5, DATA | LAST, b"abcd"))
            while commands.decode(peer.message()[0])["CommandField"] == 0x0FFF:
                pass
            if number == 3:
                token.cancel()

    with raw.scp(lambda peer: (peer.pdu(), peer.send(ALL), suppressed(script, peer))) as peer:
        association = open_association(peer, US, PROPOSED, receiver=taken)
        with pytest.raises(Cancelled):
            list(association.requests(association.accepted[1], commands.c_get(GET), b"", cancel=token))
    assert not association.is_open
    assert 3 <= len(taken.objects) < 9_000


def suppressed(script: Callable[[Raw], Any], peer: Raw) -> None:
    """Run a script whose peer may leave in the middle of a message."""
    with contextlib.suppress(AssertionError, OSError):
        script(peer)


def test_the_association_can_be_used_after_leaving_early() -> None:
    def script(peer: Raw) -> None:
        peer.message()
        peer.send(pending(), pending())
        command, _ = peer.message()
        assert commands.decode(command)["MessageIDBeingRespondedTo"] == 1
        peer.send(pending(), final(0xFE00))
        peer.message()
        peer.send(raw.p_data(1, COMMAND | LAST, raw.response(0x8030, 2, 0)))
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RP)

    def use(association: Association) -> int:
        responses = find(association)
        next(responses)
        responses.close()
        return echo(association)

    assert run(script, use) == 0


# Objects on our own association (C-GET)


class Taken:
    """A receiver that keeps what it gets."""

    def __init__(self) -> None:
        self.objects: dict[str, bytes] = {}
        self.aborted: list[str] = []

    def open(self, sop_class_uid: str, sop_instance_uid: str, transfer_syntax_uid: str, source: str) -> Any:
        taken = self

        class Incoming:
            def __init__(self) -> None:
                self.uid, self.data = sop_instance_uid, bytearray()

            def write(self, chunk: memoryview) -> None:
                self.data += chunk

            def abort(self) -> None:
                taken.aborted.append(self.uid)

        return Incoming()

    def finish(self, incoming: Any) -> int:
        self.objects[incoming.uid] = bytes(incoming.data)
        return 0


def store_request(uid: str, number: int) -> bytes:
    values = ((2, raw.CT), (0x0100, 1), (0x0110, number), (0x0700, 0), (0x0800, 1), (0x1000, uid))
    return raw.p_data(5, COMMAND | LAST, raw.command(*values))


@pytest.mark.parametrize("seed", range(5))
def test_objects_arrive_whole_however_they_are_cut(seed: int) -> None:
    source = random.Random(seed)
    objects = {f"1.2.{n}": source.randbytes(source.choice((0, 1, 2, 100, 70_000, 300_000))) for n in range(6)}

    def script(peer: Raw) -> None:
        peer.message()
        for number, (uid, data) in enumerate(objects.items()):
            peer.send(store_request(uid, number + 1))
            stream, position = b"", 0
            while True:
                size = source.choice((0, 1, 2, 500, 16_000, 50_000))
                piece = data[position : position + size]
                position += size
                last = position >= len(data)
                stream += raw.pdv(5, LAST if last else 0, piece)
                if last or source.random() < 0.5:
                    wire, stream = raw.pdu(4, stream), b""
                    cut = source.randrange(len(wire))
                    peer.send(wire[:cut])
                    peer.send(wire[cut:])
                if last:
                    break
            command, _ = peer.message()
            assert commands.decode(command) == {
                "AffectedSOPClassUID": raw.CT,
                "CommandField": 0x8001,
                "MessageIDBeingRespondedTo": number + 1,
                "CommandDataSetType": 0x0101,
                "Status": 0,
                "AffectedSOPInstanceUID": uid,
            }
        peer.send(raw.p_data(3, COMMAND | LAST, raw.response(0x8010, 1, 0)))
        assert peer.pdu()[0] == 5
        peer.send(RELEASE_RP)

    taken = Taken()

    def use(association: Association) -> list[int]:
        assert association.accepted[2].as_scp
        return [r.status for r in association.requests(association.accepted[1], commands.c_get(GET), b"")]

    assert run(script, use, receiver=taken) == [0]
    assert taken.objects == objects


@pytest.mark.parametrize(
    "end", [b"", ABORT, RELEASE_RQ, raw.p_data(5, COMMAND | LAST, b"x"), raw.p_data(1, 0, b"x")], **SHORT_NAMES
)
def test_half_an_object_is_forgotten(end: bytes) -> None:
    def script(peer: Raw) -> None:
        peer.message()
        peer.send(store_request("1.2.1", 1), raw.p_data(5, 0, bytes(1000)), end)

    taken = Taken()
    with pytest.raises(AssociationError):
        run(
            script,
            lambda association: list(association.requests(association.accepted[1], commands.c_get(GET), b"")),
            receiver=taken,
        )
    assert (taken.objects, taken.aborted) == ({}, ["1.2.1"])


@pytest.mark.parametrize("seed", range(30))
def test_random_bytes_from_the_peer_end_in_words(seed: int) -> None:
    source = random.Random(seed)
    good = raw.p_data(1, COMMAND | LAST, raw.response(0x8030, 1, 0)) + store_request("1.2", 3) + RELEASE_RP

    def script(peer: Raw) -> None:
        noise = bytearray(good)
        for _ in range(source.randrange(1, 12)):
            noise[source.randrange(len(noise))] = source.randrange(256)
        bytes_sent = source.randbytes(source.randrange(300)) if seed % 3 == 0 else bytes(noise)
        peer.message()
        peer.send(bytes_sent)

    taken = Taken()
    with raw.scp(raw.accepting(script, ALL)) as peer:
        association = open_association(peer, US, PROPOSED, receiver=taken)
        try:
            for _ in range(3):
                echo(association)
        except AssociationError as error:
            assert error.code.startswith("operation.")
        association.abort()
        assert not association.is_open
