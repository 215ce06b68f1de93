"""Versions of the index: numbered steps, each applied once, in order, in one transaction."""

from __future__ import annotations

from lightbox.library.schema import step_0001, step_0002

STEPS: tuple[str, ...] = (step_0001.SQL, step_0002.SQL)
"""``STEPS[n]`` brings an index of version n to version n + 1."""
