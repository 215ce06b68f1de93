from __future__ import annotations

import pytest
from pydicom.uid import (
    DeflatedExplicitVRLittleEndian,
    ExplicitVRBigEndian,
    ExplicitVRLittleEndian,
    ImplicitVRLittleEndian,
    JPEG2000Lossless,
    JPEGBaseline8Bit,
)

from lightbox.network import contexts
from lightbox.network.wire.contexts import Proposed

CT = "1.2.840.10008.5.1.4.1.1.2"
SR = "1.2.840.10008.5.1.4.1.1.88.33"


@pytest.mark.parametrize(
    ("uid", "storage"),
    [
        (CT, True),
        ("1.2.840.10008.5.1.4.1.1.66.7", True),  # Label Map Segmentation
        ("1.2.840.10008.5.1.4.1.1.1.1", True),  # its name goes on after "Storage"
        ("1.3.12.2.1107.5.9.1", True),  # private
        ("1.2.840.10008.5.1.4.1.1.999.1", True),  # not in our dictionary yet
        ("1.2.840.10008.1.1", False),  # Verification
        ("1.2.840.10008.1.20.1", False),  # Storage Commitment
        ("1.2.840.10008.1.3.10", False),  # Media Storage Directory
        ("1.2.840.10008.5.1.4.1.2.2.1", False),  # C-FIND
        ("1.2.840.10008.5.1.4.31", False),  # Modality Worklist
    ],
)
def test_what_is_storage(uid: str, storage: bool) -> None:
    assert contexts.is_storage_class(uid) is storage


def test_each_transfer_syntax_has_a_context_of_its_own() -> None:
    built = contexts.build(contexts.pairs_for(CT))
    assert all(len(context.transfer_syntaxes) == 1 for context in built)
    assert built[0].transfer_syntaxes == (ExplicitVRLittleEndian,)
    assert len({context.transfer_syntaxes[0] for context in built}) == len(built) > 10


def test_what_the_archive_says_it_holds_comes_first() -> None:
    pairs = contexts.pairs_for(CT, [str(JPEG2000Lossless)])
    assert pairs == [
        (CT, JPEG2000Lossless),
        (CT, ExplicitVRLittleEndian),
        (CT, ImplicitVRLittleEndian),
    ]


def test_documents_are_not_offered_in_picture_encodings() -> None:
    assert JPEGBaseline8Bit not in contexts.syntaxes_for(SR)
    assert JPEGBaseline8Bit in contexts.syntaxes_for(CT)


@pytest.mark.parametrize(
    ("offered", "first"),
    [
        ([JPEGBaseline8Bit, ExplicitVRLittleEndian], ExplicitVRLittleEndian),
        ([ExplicitVRBigEndian, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([DeflatedExplicitVRLittleEndian, ImplicitVRLittleEndian], ImplicitVRLittleEndian),
        ([JPEG2000Lossless, ExplicitVRLittleEndian], JPEG2000Lossless),
        ([JPEGBaseline8Bit], JPEGBaseline8Bit),
        ([ExplicitVRBigEndian], ExplicitVRBigEndian),
        (["1.2.3.4.5"], "1.2.3.4.5"),
    ],
)
def test_senders_are_not_led_to_convert(offered: list[str], first: str) -> None:
    assert contexts.accept_storage(Proposed(1, CT, tuple(offered))) == first


def test_services_are_not_storage() -> None:
    assert contexts.accept_storage(Proposed(1, "1.2.840.10008.5.1.4.1.2.2.1", contexts.LITTLE_ENDIAN)) == 3
    assert contexts.accept_storage(Proposed(1, CT, ())) == 4


def test_classes_are_guessed_from_the_modality() -> None:
    assert CT in contexts.guess_classes("CT")
    assert SR in contexts.guess_classes("SR")
    assert contexts.guess_classes("??") == contexts.COMMON_CLASSES
    assert len(contexts.guess_classes("MR")) < len(contexts.COMMON_CLASSES)
