"""Text of reports inside the cards of the findings pane."""

from __future__ import annotations

from lightbox.ui.viewer.findings_panel import not_drawn
from lightbox.ui.viewer.report_text import body_of, breakable, is_text


def test_a_document_loses_its_title_and_its_indent() -> None:
    assert body_of("CT Report\n  History: pain\n    Since: 2 d\n", "CT Report") == "History: pain\n  Since: 2 d"
    assert body_of("one line", "CT Report") == "one line"


def test_a_very_long_document_says_how_much_is_left_out() -> None:
    text = body_of("\n".join(str(number) for number in range(1000)), "")
    assert text.endswith("… 600 more lines")


def test_what_is_text_and_what_a_measure() -> None:
    assert not is_text("249 mm³")
    assert is_text("a\nb")
    assert is_text("Ultrasound evaluation demonstrated a lesion")


def test_long_words_may_break_and_short_ones_stay() -> None:
    uid = "1.2.826.0.1.3680043.8.498.10230567335252703"
    assert breakable(f"see {uid}").replace("\u200b", "") == f"see {uid}"
    assert "\u200b" in breakable(uid)
    assert breakable("8.3 mm") == "8.3 mm"


def test_what_is_not_drawn_is_said() -> None:
    assert not_drawn(("CT", "RTSTRUCT")) == "Not drawn on the images: RT structure sets of this study"
    assert not_drawn(("CT", "SEG")) == ""
