"""How we name ourselves in associations and file meta information (PS3.7 D.3.3.2, PS3.10 7.1)."""

from __future__ import annotations

from lightbox import __version__

CLASS_UID = "2.25.187928891548481334741574247306631651968"
"""Implementation Class UID: one for all versions of Lightbox."""

VERSION_NAME = f"LIGHTBOX_{__version__}"[:16]
"""Implementation Version Name: at most 16 characters."""
