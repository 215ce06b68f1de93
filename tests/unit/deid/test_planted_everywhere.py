"""Real objects with a name, a number and a date planted into every text element at every depth."""

from __future__ import annotations

import io
import warnings
from pathlib import Path

import pydicom
import pytest

from builders import phi
from lightbox.deid.engine import Engine, Outcome
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import PRESETS, preset

NAME, NUMBER, DATE = "Zwyxquartz", "QX5530917", "20170923"
ROOM = {"LO": 64, "SH": 16, "LT": 200, "ST": 200, "UT": 400, "UC": 100, "CS": 16}
KEEP = frozenset(
    (
        "SpecificCharacterSet",
        "Modality",
        "ValueType",
        "PhotometricInterpretation",
        "BurnedInAnnotation",
        "ConversionType",
    )
)
FILES = (
    "overlays-sr/other/test_SR.dcm",
    "overlays-sr/highdicom/sr_document.dcm",
    "overlays-seg/highdicom/seg_image_ct_binary.dcm",
    "private-tags/MR.dcm",
    "enhanced/CT0081.dcm",
    "overlays-rt/rtdose-rtimage/rtdose.dcm",
    "transfer-syntaxes/luts-overlays/mlut_18.dcm",
    "charsets/chrX1.dcm",
    "other-objects/parametric_map_float.dcm",
)


def plant(ds: pydicom.Dataset) -> int:
    """Put the three into what text there is; return how many elements hold them now."""
    count = 0
    for element in ds:
        if element.VR == "SQ":
            count += sum(plant(item) for item in element.value)
        elif element.VR == "PN":
            element.value = f"{NAME}^Anna"
            count += 1
        elif element.VR in ROOM and element.keyword not in KEEP and element.tag.group > 2:
            text = f"{NAME} {NUMBER} {DATE}" if element.VR != "CS" else NAME.upper()
            element.value = text[: ROOM[element.VR]]
            count += 1
    return count


@pytest.mark.data
@pytest.mark.parametrize("name", PRESETS)
@pytest.mark.parametrize("path", FILES)
def test_nothing_of_it_is_left(data: Path, path: str, name: str) -> None:
    source = data / path
    if not source.exists():
        pytest.skip(f"{path} is not among the shared files")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        ds = pydicom.dcmread(source)
        count = plant(ds)
        ds.PatientName, ds.PatientID, ds.StudyDate = f"{NAME}^Anna", NUMBER, DATE
        out = io.BytesIO()
        ds.save_as(out)
    assert count > 5
    engine = Engine(preset(name), ProjectKey(bytes(32)), accept_burned_in=True)
    engine.learn(out.getvalue())
    result, clean, _ = engine.transform(out.getvalue())
    assert result.outcome is Outcome.EXPORTED, result.reason
    assert clean is not None
    assert phi.leaks(clean, [NAME, NUMBER]) == []
    assert phi.leaks(clean, [DATE]) == [] or name == "basic"
