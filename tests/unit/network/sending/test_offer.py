"""What is proposed for objects: their own transfer syntax, and uncompressed besides (PS3.8 9.3.2.2)."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from pydicom.encaps import encapsulate

from builders import network_objects
from builders.faulty_peers import CT, EXPLICIT, IMPLICIT, FaultyArchive
from lightbox.network.sending import offer
from lightbox.network.sending.states import State
from lightbox.network.wire.contexts import Proposal

J2K = "1.2.840.10008.1.2.4.90"
SEG, SR3D, PRIVATE = "1.2.840.10008.5.1.4.1.1.66.4", "1.2.840.10008.5.1.4.1.1.88.34", "1.3.6.1.4.1.55555.7.7"


@pytest.mark.parametrize("sop_class", [CT, SEG, SR3D, PRIVATE])
def test_each_class_in_its_own_syntax_and_uncompressed(sop_class: str) -> None:
    """Never from a fixed list of classes, one syntax in each context, no roles."""
    assert offer.proposals([(sop_class, J2K), (sop_class, J2K)]) == [
        Proposal(sop_class, (J2K,)),
        Proposal(sop_class, (EXPLICIT,)),
        Proposal(sop_class, (IMPLICIT,)),
    ]


@pytest.mark.parametrize("accepts", [[EXPLICIT, J2K], [J2K], [IMPLICIT, EXPLICIT, J2K]])
def test_jpeg_2000_goes_as_it_is_where_it_is_taken(
    bench: Any, files: Callable[..., list[Path]], accepts: list[str], tmp_path: Path
) -> None:
    dataset = network_objects.ct("j2k", "s", 1, syntax=J2K)
    dataset.PixelData = encapsulate([bytes(range(100)) * 5])
    dataset["PixelData"].VR = "OB"
    with FaultyArchive(accepts={CT: accepts}) as archive:
        _, job = bench.run(archive.peer(), network_objects.write(tmp_path / "j2k", [dataset]) + files(1))
        assert job.count(State.CONFIRMED) == (2 if EXPLICIT in accepts else 1)
        assert archive.syntaxes[str(dataset.SOPInstanceUID)] == J2K
        assert archive.dataset(str(dataset.SOPInstanceUID)).PixelData == dataset.PixelData
