"""Keys, pseudonyms, dates, profiles: small parts with sharp edges."""

from __future__ import annotations

import os
import stat
from datetime import date, timedelta
from pathlib import Path

import pytest

from lightbox.core.errors import LightboxError, UsageError
from lightbox.deid import dates
from lightbox.deid.key import ProjectKey
from lightbox.deid.profile import CODES, IMPLEMENTED, PRESETS, Option, Profile, preset
from lightbox.deid.pseudonyms import Pseudonyms


def test_a_key_file_is_private_and_never_replaced(tmp_path: Path) -> None:
    path = tmp_path / "deep" / "project.key"
    key = ProjectKey.create(path)
    assert ProjectKey.load(path) == key
    assert ProjectKey.load_or_create(path) == key
    if os.name == "posix":
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    with pytest.raises(LightboxError, match="exists"):
        ProjectKey.create(path)


@pytest.mark.skipif(os.name != "posix", reason="file modes are checked on POSIX systems only")
def test_a_key_that_others_can_read_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "project.key"
    ProjectKey.create(path)
    path.chmod(0o644)
    with pytest.raises(LightboxError, match="not private"):
        ProjectKey.load(path)


@pytest.mark.parametrize("text", ["", "{}", "not json", '{"key": "abc"}', '{"key": "AAAA"}'])
def test_what_is_no_key_is_refused(tmp_path: Path, text: str) -> None:
    path = tmp_path / "project.key"
    path.write_text(text)
    path.chmod(0o600)
    with pytest.raises(LightboxError):
        ProjectKey.load(path)


def test_a_key_does_not_show_itself() -> None:
    secret = bytes(range(32))
    assert secret.hex() not in repr(ProjectKey(secret))
    assert ProjectKey(secret).id != ProjectKey(bytes(32)).id


def test_pseudonyms_depend_on_key_id_and_issuer_only() -> None:
    one, again, other = (
        Pseudonyms(ProjectKey(bytes(32))),
        Pseudonyms(ProjectKey(bytes(32))),
        Pseudonyms(ProjectKey.generate()),
    )
    assert one.subject("4711", "A") == again.subject(" 4711 ", "A")
    assert one.subject("4711", "A").pseudonym != other.subject("4711", "A").pseudonym
    assert one.subject("4711", "A").pseudonym != one.subject("4711", "B").pseudonym
    assert one.subject("", fallback="x").pseudonym != one.subject("", fallback="y").pseudonym
    assert one.uid("1.2.3.4.5") == again.uid("1.2.3.4.5") != other.uid("1.2.3.4.5")
    assert len(one.uid("1.2.3.4.5")) <= 64
    assert one.uid("1.2.840.10008.1.2.1") == "1.2.840.10008.1.2.1"
    assert one.uid("1.2.840.10008.999.1.2.3") != "1.2.840.10008.999.1.2.3"  # not registered: somebody's own


def test_offsets_are_never_zero_and_go_into_the_past() -> None:
    pseudonyms = Pseudonyms(ProjectKey(bytes(32)))
    offsets = [pseudonyms.subject(str(number)).shift_days for number in range(3000)]
    assert max(offsets) < 0
    assert min(offsets) >= -3650
    assert len(set(offsets)) > 1500


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("20180326", "20180316"),
        ("2018.03.05", "20180223"),
        ("20000101", "19991222"),
        ("", ""),
        ("20180231", None),
        ("March", None),
    ],
)
def test_shift_da(old: str, new: str | None) -> None:
    assert dates.shift_da(old, -10) == new


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("20180326101112.123456+0130", "20180316101112.123456+0130"),
        ("20180326101112.5", "20180316101112.5"),
        ("201803261011-0800", "201803161011-0800"),
        ("20180326", "20180316"),
        ("201803", "201803"),
        ("2018", "2018"),
        ("20180326 ", "20180316"),
        ("", ""),
        ("20180326T101112", None),
        ("Müller", None),
    ],
)
def test_shift_dt(old: str, new: str | None) -> None:
    assert dates.shift_dt(old, -10) == new


def test_intervals_survive_leap_days() -> None:
    days = [date(2019, 12, 20) + timedelta(days=n) for n in range(120)]
    moved = [dates.parse_da(dates.shift_da(f"{day:%Y%m%d}", -777) or "") for day in days]
    assert all(b is not None and b - a == timedelta(days=-777) for a, b in zip(days, moved))


def test_presets_offer_only_what_is_implemented() -> None:
    assert set(PRESETS) == {"basic", "research-modified-dates"}
    assert all(profile.options <= IMPLEMENTED for profile in PRESETS.values())
    assert set(CODES) == set(Option)
    with pytest.raises(UsageError):
        preset("safe-harbor")
    with pytest.raises(UsageError, match="Clean Pixel Data"):
        Profile("custom", frozenset((Option.CLEAN_PIXEL_DATA,)))
    with pytest.raises(UsageError):
        Profile("custom", pseudonym_prefix="../x")


def test_a_profile_is_known_by_what_it_does() -> None:
    assert preset("basic").digest() == Profile("other name").digest()
    assert preset("basic").digest() != preset("research-modified-dates").digest()
    custom = preset("basic").with_options(Option.RETAIN_MODIFIED_DATES)
    assert [code for code, _ in custom.codes()] == ["113100", "113107"]
