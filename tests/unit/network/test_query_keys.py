from __future__ import annotations

from io import BytesIO

import pytest
from pynetdicom.dsutils import decode, encode

from lightbox.core.errors import UsageError
from lightbox.network import query_keys


@pytest.mark.parametrize(
    ("typed", "sent"),
    [
        ("20240131", "20240131"),
        ("2024-01-31", "20240131"),
        ("20240101-20240131", "20240101-20240131"),
        ("2024-01-01-2024-01-31", "20240101-20240131"),
        ("2024-01-01..2024-01-31", "20240101-20240131"),
        ("2024-01-01/2024-01-31", "20240101-20240131"),
        ("2024-01-01 to 2024-01-31", "20240101-20240131"),
        ("2024-01-01 - 2024-01-31", "20240101-20240131"),
        ("20240101-", "20240101-"),
        ("-20240131", "-20240131"),
        ("2024-01-01-", "20240101-"),
        ("", ""),
        ("*", ""),
    ],
)
def test_dates(typed: str, sent: str) -> None:
    assert query_keys.date_range(typed) == sent


@pytest.mark.parametrize("typed", ["yesterday", "2024", "31.01.2024", "20240101-20240131-20240201"])
def test_what_is_no_date_is_refused(typed: str) -> None:
    with pytest.raises(UsageError):
        query_keys.date_range(typed)


def test_keywords_and_tags() -> None:
    assert query_keys.keyword("PatientID") == "PatientID"
    assert query_keys.keyword("patient-id") == "PatientID"
    assert query_keys.keyword("0010,0020") == "PatientID"
    assert query_keys.keyword("(0020,000D)") == "StudyInstanceUID"
    with pytest.raises(UsageError):
        query_keys.keyword("Shoesize")


def test_uid_lists_may_be_separated_by_commas() -> None:
    assert query_keys.normalise({"StudyInstanceUID": "1.2, 1.3\\1.4"}) == {"StudyInstanceUID": "1.2\\1.3\\1.4"}


@pytest.mark.parametrize("level", query_keys.LEVELS)
def test_identifier_asks_for_all_keys_in_utf8(level: str) -> None:
    keys = {"PatientName": "Mül*", "SeriesNumber": "12"} if level != "image" else {"Rows": "512"}
    sent = encode(query_keys.identifier(level, keys), True, True)
    assert sent is not None
    received = decode(BytesIO(sent), True, True)
    assert received.SpecificCharacterSet == "ISO_IR 192"
    assert received.QueryRetrieveLevel == level.upper()
    assert all(word in received for word in query_keys.RETURN_KEYS[level])
    if level == "image":
        assert received.Rows == 512
    else:
        assert received.PatientName == "Mül*"
        assert received.SeriesNumber == 12


@pytest.mark.parametrize("keys", [{"Rows": "many"}, {"InstanceNumber": "1*"}])
def test_unusable_numbers_are_refused(keys: dict[str, str]) -> None:
    with pytest.raises(UsageError):
        query_keys.identifier("image", keys)


def test_a_star_alone_asks_for_everything() -> None:
    assert query_keys.normalise({"SeriesNumber": "*", "PatientName": "*"}) == {"SeriesNumber": "", "PatientName": ""}
