from __future__ import annotations

import random
from io import BytesIO

import pytest
from pydicom.dataset import Dataset
from pynetdicom.dsutils import decode as independent_decode

from builders import raw_dicom as raw
from lightbox.core.errors import LightboxError
from lightbox.network.wire import commands, datasets
from lightbox.network.wire.commands import Message, Request, Response
from lightbox.network.wire.contexts import Accepted

CONTEXT = Accepted(1, raw.FIND, raw.IMPLICIT)

EVERY = [
    commands.c_echo(),
    commands.c_store(raw.CT, "1.2.3", originator=("MOVER", 7)),
    commands.c_find(raw.FIND),
    commands.c_get(raw.GET),
    commands.c_move("1.2.840.10008.5.1.4.1.2.2.2", "DEST"),
    commands.c_cancel(9),
    commands.n_action("1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1", 1),
    commands.n_event_report("1.2.840.10008.1.20.1", "1.2.840.10008.1.20.1.1", 2),
    commands.n_create("1.2.840.10008.3.1.2.3.3", "1.2.9"),
    commands.n_create("1.2.840.10008.3.1.2.3.3"),
    commands.n_set("1.2.840.10008.3.1.2.3.3", "1.2.9"),
    commands.n_get("1.2.840.10008.3.1.2.3.3", "1.2.9", [0x00100010, 0x00400252]),
    commands.n_delete("1.2.840.10008.3.1.2.3.3", "1.2.9"),
]


@pytest.mark.parametrize("command", EVERY, ids=lambda command: command.name)
def test_an_independent_decoder_reads_what_we_encode(command: commands.Command) -> None:
    encoded = commands.encode(command.field, {**command.attributes, "MessageID": 5}, True)
    read = independent_decode(BytesIO(encoded), True, True)
    assert read.CommandGroupLength == len(encoded) - 12
    assert read.CommandField == command.field
    assert read.CommandDataSetType == 1
    for word, value in command.attributes.items():
        found = read[word].value
        assert (list(found) if isinstance(value, list) else found) == value
    again = commands.decode(encoded)
    assert {word: again[word] for word in command.attributes} == command.attributes
    assert again["MessageID"] == 5


def test_what_is_cut_off_or_unknown_is_left_out() -> None:
    encoded = raw.command((0x0100, 0x8030), (0x5555, "what"), (0x0900, 0))
    assert commands.decode(encoded)["Status"] == 0
    assert "Status" not in commands.decode(encoded[:-1])
    assert commands.decode(b"") == {}
    explicit = b"\x08\x00\x05\x00CS\x0a\x00ISO_IR 100"
    assert commands.decode(explicit) == {}


def test_one_byte_and_empty_numbers() -> None:
    found = commands.decode(b"\x00\x00\x00\x09\x01\x00\x00\x00\x05" + b"\x00\x00\x10\x01\x00\x00\x00\x00")
    assert found == {"Status": 5}


def test_a_response_without_status_is_no_success() -> None:
    response = Response(CONTEXT, {"CommandField": 0x8001})
    assert response.status == 0x0110
    assert not response.is_pending
    assert response.comment == ""


def test_random_bytes_never_raise() -> None:
    source = random.Random(1)
    whole = commands.encode(1, {**EVERY[1].attributes, "MessageID": 5}, True)
    for _ in range(3000):
        damaged = bytearray(whole)
        for _ in range(source.randrange(1, 8)):
            damaged[source.randrange(len(damaged))] = source.randrange(256)
        command = commands.decode(damaged[: source.randrange(len(damaged))])
        request = Request(CONTEXT, command)
        assert isinstance(request.message_id, int)
        assert isinstance(request.sop_class_uid, str)
        assert isinstance(request.name, str)


@pytest.mark.parametrize(
    "syntax",
    ["1.2.840.10008.1.2", "1.2.840.10008.1.2.1", "1.2.840.10008.1.2.2", "1.2.840.10008.1.2.1.99"],
)
def test_data_sets_come_back(syntax: str) -> None:
    dataset = Dataset()
    dataset.SpecificCharacterSet, dataset.PatientName = "ISO_IR 192", "Müller^Jörg"
    dataset.ReferencedSOPSequence = [Dataset()]
    dataset.ReferencedSOPSequence[0].ReferencedSOPInstanceUID = "1.2.3"
    encoded = datasets.encode(dataset, syntax)
    read = datasets.decode(encoded, syntax)
    assert read.PatientName == "Müller^Jörg"
    assert read.ReferencedSOPSequence[0].ReferencedSOPInstanceUID == "1.2.3"


def test_the_other_vr_encoding_is_read_all_the_same() -> None:
    dataset = Dataset()
    dataset.PatientID, dataset.StudyInstanceUID = "7", "1.2.3"
    for told, meant in (("1.2.840.10008.1.2", "1.2.840.10008.1.2.1"), ("1.2.840.10008.1.2.1", "1.2.840.10008.1.2")):
        assert datasets.decode(datasets.encode(dataset, meant), told).StudyInstanceUID == "1.2.3"


def test_what_cannot_be_read_is_told() -> None:
    with pytest.raises(LightboxError):
        Message(CONTEXT._replace(transfer_syntax="1.2.840.10008.1.2.1.99"), {}, b"not deflated").dataset()
    assert len(Message(CONTEXT, {}, None).dataset()) == 0
