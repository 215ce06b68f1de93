"""Versions of the index: numbered steps, each applied once, in order, in one transaction."""

from __future__ import annotations

from lightbox.library.schema import step_0001

STEPS: tuple[str, ...] = (step_0001.SQL,)
"""``STEPS[n]`` brings an index of version n to version n + 1."""
