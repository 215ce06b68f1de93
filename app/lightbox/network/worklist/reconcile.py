"""Reconciliation of outside objects with a worklist entry: look at `plan`, then `apply` to each object.

`importing.carry_out` does it for files on their way into the library.
"""

from __future__ import annotations

from lightbox.network.worklist.changes import Change, Plan, ReconcileError, plan
from lightbox.network.worklist.coerce import Applied, apply

__all__ = ["Applied", "Change", "Plan", "ReconcileError", "apply", "plan"]
