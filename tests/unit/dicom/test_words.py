"""Names, dates, ages, SOP classes and lossy marks: what people read."""

from __future__ import annotations

import subprocess
import sys

import pytest

from builders.images import make_image
from lightbox.dicom import dates, lossy, person_name, sop_classes
from lightbox.dicom.sop_classes import Kind


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("Doe^Jane", "Doe, Jane"),
        ("Adams^John Robert Quincy^^Rev.^B.A. M.Div.", "Adams, Rev. John Robert Quincy, B.A. M.Div."),
        (
            "Morrison-Jones^Susan^^^Ph.D., Chief Executive Officer",
            "Morrison-Jones, Susan, Ph.D., Chief Executive Officer",
        ),
        ("Yamada^Tarou=山田^太郎=やまだ^たろう", "Yamada, Tarou (山田, 太郎)"),
        ("=山田^太郎", "山田, 太郎"),
        ("==やまだ^たろう", "やまだ, たろう"),
        ("^Jane", "Jane"),
        ("Doe Jane", "Doe Jane"),
        ("Doe^Jane\\Roe^Richard", "Doe, Jane; Roe, Richard"),
        ("", ""),
        ("^^^^", ""),
    ],
)
def test_person_names(value, expected):
    assert person_name.display(value) == expected


def test_dates_and_times():
    assert dates.format_da("20040119") == "2004-01-19"
    assert dates.format_da("2004.01.19") == "2004-01-19"
    assert dates.format_da("20041399") == "20041399"
    assert dates.format_da("") == ""
    assert dates.format_tm("140509.123456") == "14:05:09"
    assert dates.format_tm("1405") == "14:05"
    assert dates.format_tm("07") == "07:00"
    assert dates.format_tm("235960") == "23:59:60"
    assert dates.format_tm("9 am") == "9 am"
    assert dates.format_dt("20040119140509.5+0100") == "2004-01-19 14:05:09 +01:00"
    assert dates.format_dt("200401") == "2004-01"
    assert dates.format_as("045Y") == "45 years"
    assert dates.format_as("001M") == "1 month"
    assert dates.format_as("old") == "old"
    moment = dates.parse_dt("20040119140509-0530")
    assert moment is not None
    assert moment.isoformat() == "2004-01-19T14:05:09-05:30"
    assert dates.parse_dt("2004x") is None


@pytest.mark.parametrize(
    ("born", "day", "expected"),
    [
        ("19600615", "20040614", "43 y"),
        ("19600615", "20040615", "44 y"),
        ("20040101", "20040110", "9 d"),
        ("20040101", "20040215", "6 w"),
        ("20040101", "20050630", "17 m"),
        ("20000229", "20040228", "3 y"),
        ("20040101", "20030101", ""),
        ("", "20040101", ""),
    ],
)
def test_age_on_a_day(born, day, expected):
    assert dates.age(born, day) == expected


@pytest.mark.parametrize(
    ("uid", "kind"),
    [
        ("1.2.840.10008.5.1.4.1.1.2", Kind.IMAGE),
        ("1.2.840.10008.5.1.4.1.1.4.1", Kind.IMAGE),
        ("1.2.840.10008.5.1.4.1.1.7", Kind.IMAGE),
        ("1.2.840.10008.5.1.4.1.1.77.1.6", Kind.IMAGE),
        ("1.2.840.10008.5.1.4.1.1.128", Kind.IMAGE),
        ("1.2.840.10008.5.1.4.1.1.481.1", Kind.IMAGE),
        ("1.2.840.10008.5.1.4.1.1.30", Kind.IMAGE),
        ("1.2.840.10008.5.1.4.1.1.66.4", Kind.SEG),
        ("1.2.840.10008.5.1.4.1.1.66.7", Kind.SEG),
        ("1.2.840.10008.5.1.4.1.1.88.33", Kind.SR),
        ("1.2.840.10008.5.1.4.1.1.88.67", Kind.SR),
        ("1.2.840.10008.5.1.4.1.1.88.59", Kind.KOS),
        ("1.2.840.10008.5.1.4.1.1.11.1", Kind.PR),
        ("1.2.840.10008.5.1.4.1.1.481.3", Kind.RT),
        ("1.2.840.10008.5.1.4.1.1.481.2", Kind.RT),
        ("1.2.840.10008.5.1.4.1.1.9.1.1", Kind.WAVEFORM),
        ("1.2.840.10008.5.1.4.1.1.104.1", Kind.DOCUMENT),
        ("1.2.840.10008.5.1.4.1.1.66", Kind.RAW),
        ("1.2.840.10008.5.1.4.1.1.4.2", Kind.RAW),
        ("1.2.840.10008.1.3.10", Kind.OTHER),
        ("1.2.840.10008.5.1.4.1.1.66.1", Kind.OTHER),
        ("1.3.12.2.1107.5.9.1", Kind.OTHER),
        ("", Kind.OTHER),
    ],
)
def test_kinds_of_objects(uid, kind):
    assert sop_classes.kind(uid) is kind


def test_an_unknown_class_with_pixels_is_an_image():
    assert sop_classes.kind("1.3.12.2.1107.5.9.9", has_pixels=True) is Kind.IMAGE
    assert sop_classes.kind("1.2.840.10008.5.1.4.1.1.66.4", has_pixels=True) is Kind.SEG


def test_names_of_classes():
    assert sop_classes.name("1.2.840.10008.5.1.4.1.1.2") == "CT Image"
    assert sop_classes.name("1.2.840.10008.5.1.4.1.1.66.4") == "Segmentation"
    assert sop_classes.name("1.2.3.4") == "1.2.3.4"
    assert sop_classes.name("") == "unknown object"


def test_lossy_marks_name_method_and_ratio():
    ds = make_image(
        LossyImageCompression="01", LossyImageCompressionRatio=[10, 1.5], LossyImageCompressionMethod="ISO_10918_1"
    )
    found = lossy.of(ds, "1.2.840.10008.1.2.1")
    assert found is not None
    assert found.text() == "Lossy JPEG 15:1"
    silent = lossy.of(make_image(), "1.2.840.10008.1.2.4.50")
    assert silent is not None
    assert silent.text() == "Lossy JPEG"
    assert lossy.of(make_image(LossyImageCompression="00"), "1.2.840.10008.1.2.4.90") is None
    assert lossy.of(make_image(), "1.2.840.10008.1.2.4.91") is None
    assert lossy.of(make_image(LossyImageCompression="01"), "1.2.840.10008.1.2.4.91") is not None


def test_the_vocabulary_does_not_import_pydicom():
    modules = (
        "voi, frames, calibration, orientation, person_name, dates, sop_classes, modality_lut, padding, palette, lossy"
    )
    code = f"import sys\nfrom lightbox.dicom import {modules}\nassert 'pydicom' not in sys.modules"
    subprocess.run([sys.executable, "-c", code], check=True, env=None)
