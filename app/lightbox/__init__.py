"""Lightbox: a desktop imaging workstation. See ``docs/architecture.md`` for the rooms of the house."""

from __future__ import annotations

__version__ = "0.1.0"
