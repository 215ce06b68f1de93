from __future__ import annotations

from pathlib import Path

from lightbox.network import conformance, contexts

STATEMENT = Path(__file__).resolve().parents[3] / "docs" / "conformance.md"


def test_the_statement_tells_what_the_program_does() -> None:
    text = STATEMENT.read_text(encoding="utf-8")
    assert all(f"<!-- table: {name} -->" in text for name in conformance.TABLES)
    assert conformance.fill(text) == text, "make the tables anew: lightbox.network.conformance.fill"


def test_tables_are_complete() -> None:
    assert conformance.storage_classes().count("\n") == len(contexts.ALL_CLASSES) + 1
    assert "1.2.840.10008.1.2.4.90" in conformance.transfer_syntaxes()
    assert "(0020,000D)" in conformance.return_keys()
