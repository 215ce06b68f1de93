"""The harness itself: a missing archive is never passed over in silence."""

from __future__ import annotations

import pytest

from builders import peer_servers, private_network


@pytest.fixture(autouse=True)
def undemanded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("LIGHTBOX_REQUIRE_PEERS", raising=False)
    monkeypatch.delenv("CI", raising=False)


def test_a_missing_program_skips_with_its_name() -> None:
    with pytest.raises(pytest.skip.Exception, match="not installed: no-such-archive"):
        peer_servers.require("no-such-archive")


def test_a_missing_namespace_skips_with_the_way_out(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(private_network, "enter", lambda: "no private network namespace (denied)")
    with pytest.raises(pytest.skip.Exception, match="denied"):
        peer_servers.require("sh")


@pytest.mark.parametrize(("name", "value"), [("CI", "true"), ("LIGHTBOX_REQUIRE_PEERS", "1")])
def test_where_peers_are_demanded_it_fails(monkeypatch: pytest.MonkeyPatch, name: str, value: str) -> None:
    monkeypatch.setenv(name, value)
    with pytest.raises(pytest.fail.Exception, match="no-such-archive"):
        peer_servers.require("no-such-archive")
