"""What the receiver turns away is listed with what to do, and marked until somebody has looked."""

from __future__ import annotations

import socket
from dataclasses import replace
from typing import Any

import pytest

from lightbox.network.identity import LocalIdentity
from lightbox.network.peers import Peer
from lightbox.network.receiving import event_log
from lightbox.network.receiving.events import TROUBLE, ReceiverEvent, stamped
from lightbox.network.receiving.policy import ReceivingPolicy
from lightbox.ui.receiver_control import RECEIVE
from lightbox.ui.settings.receiver_words import advice

pytestmark = pytest.mark.ui
WAIT = 60_000


def free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


@pytest.fixture
def window(make_window: Any, qtbot: Any) -> Any:
    port = free_port()

    def prepare(workstation: Any) -> None:
        replace(workstation.identity, port=port, host="127.0.0.1").save(workstation.settings)
        ReceivingPolicy(only_known=True).save(workstation.settings)
        workstation.settings.set(RECEIVE, True)

    made = make_window(prepare)
    qtbot.waitUntil(lambda: made.workstation.receiver is not None and made.receiver._last[1], timeout=WAIT)
    return made


def test_a_caller_that_is_not_known_is_listed_and_marked_until_it_was_looked_at(window: Any, qtbot: Any) -> None:
    from lightbox.network.echo import echo

    assert not window.status.noticed.isVisible()
    port = window.workstation.receiver.port
    assert not echo(Peer("us", "LIGHTBOX", "127.0.0.1", port), LocalIdentity("STRANGER")).ok
    qtbot.waitUntil(window.status.noticed.isVisible, timeout=WAIT)
    assert window.status.noticed.text() == "1 turned away or noticed"
    (event,) = window.receiver_events.events
    assert (event.calling_ae, event.reason) == ("STRANGER", "caller-not-allowed")
    window.status.noticed.click()
    page = window.settings_page()
    assert window.places.currentWidget() is page
    assert page.events.told() == ["STRANGER (127.0.0.1): was turned away: it is not on the list of those that may call"]
    qtbot.waitUntil(lambda: not window.status.noticed.isVisible(), timeout=WAIT)
    assert page.events.told(), "looked at, not forgotten"
    assert not echo(Peer("us", "LIGHTBOX", "127.0.0.1", port), LocalIdentity("STRANGER")).ok
    qtbot.waitUntil(lambda: len(window.receiver_events.events) == 2, timeout=WAIT)
    assert page.events.told()[0].endswith("(2 times)")
    written = event_log.recent(window.workstation.home)
    assert [event.sentence() for event in written] == [event.sentence() for event in window.receiver_events.events]


def test_what_happened_before_is_read_from_the_log(make_window: Any, home: Any, qtbot: Any) -> None:
    folder = home / "network"
    folder.mkdir(parents=True)
    events = [
        stamped(kind="opened", address="10.1.2.3", calling_ae="CT ROOM 3"),
        stamped(kind="rejected", code="1/1/3", address="10.1.2.3", calling_ae="CT ROOM 3", reason="caller-not-allowed"),
        stamped(kind="plaintext-on-tls", address="fd00::7"),
        stamped(kind="silent", address="10.1.2.4"),
    ]
    (folder / "receiver.log").write_text("".join(f"{event_log.line(event, 1)}\n" for event in events) + "cut off\n")
    window = make_window()
    qtbot.waitUntil(lambda: len(window.receiver_events.events) == 3, timeout=WAIT)
    assert window.receiver_events.events == events[:0:-1]
    assert window.status.noticed.text() == "2 turned away or noticed", "who only knocks is listed without a mark"


def test_every_trouble_has_words_and_something_to_do() -> None:
    for kind in TROUBLE:
        event = ReceiverEvent(kind, address="10.1.2.3")
        assert event.sentence() != f"10.1.2.3: {kind}"
        assert advice(event).endswith(".")
    assert "authority" in advice(ReceiverEvent("tls-failed", "tls.untrusted"))


@pytest.mark.parametrize(
    "text",
    [
        "2026-11-20T23:19:00.000Z rejected code=1/1/3 address=10.1.2.3 calling=A B received=0 count=2",
        "2026-11-20T23:19:00.000Z rejected code=1/1/3 address=10.1.2.3 calling=A B reason=- received=0 count=2",
    ],
)
def test_lines_of_the_log_with_and_without_reason(text: str) -> None:
    event = event_log.parse(text)
    assert event is not None
    assert (event.code, event.calling_ae, event.reason, event.count) == ("1/1/3", "A B", "", 2)
    assert event_log.parse("nonsense") is None
