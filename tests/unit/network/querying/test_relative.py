from __future__ import annotations

from datetime import date

import pytest

from lightbox.core.errors import UsageError
from lightbox.network.querying import relative

DAY = date(2026, 11, 20)  # a Friday


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("", "")),
        ("Today", ("20261120", "20261120")),
        ("yesterday", ("20261119", "20261119")),
        ("last 7 days", ("20261113", "20261120")),
        ("past six months", ("20260520", "20261120")),
        ("the past 6  months", ("20260520", "20261120")),
        ("past 2 years", ("20241120", "20261120")),
        ("this week", ("20261116", "20261122")),
        ("last week", ("20261109", "20261115")),
        ("this month", ("20261101", "20261130")),
        ("last month", ("20261001", "20261031")),
        ("last 1 months", ("20261020", "20261120")),
        ("past month", ("20261020", "20261120")),
        ("this year", ("20260101", "20261231")),
        ("since yesterday", ("20261119", "")),
        ("since 2024-01-01", ("20240101", "")),
        ("2024-02", ("20240201", "20240229")),
        ("2024-01-01..2024-03-31", ("20240101", "20240331")),
        ("20240101-", ("20240101", "")),
        ("-20240101", ("", "20240101")),
    ],
)
def test_spans(text: str, expected: tuple[str, str]) -> None:
    assert relative.resolve(text, DAY) == expected


def test_months_are_not_all_of_the_same_length() -> None:
    assert relative.resolve("past 1 months", date(2026, 3, 31))[0] == "20260228"
    assert relative.resolve("past 1 years", date(2024, 2, 29))[0] == "20230228"
    assert relative.resolve("last month", date(2026, 1, 15)) == ("20251201", "20251231")


@pytest.mark.parametrize("text", ["soon", "last 0 days", "next week", "last many days", "past 99999 years"])
def test_what_is_not_understood_is_an_error(text: str) -> None:
    with pytest.raises(UsageError):
        relative.resolve(text, DAY)
