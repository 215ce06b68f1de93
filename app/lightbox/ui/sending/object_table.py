"""The objects of a job: state and reason of each."""

from __future__ import annotations

from collections.abc import Sequence

from PySide6.QtCore import Qt

from lightbox.network.sending.states import ObjectRecord, State
from lightbox.ui import words
from lightbox.ui.plain_table import PlainTable
from lightbox.ui.sending import wording

MOST_ROWS = 500
_SHADES = {State.FAILED: "critical", State.WAITING: "warn", State.CONFIRMED: "ok", State.SENT: "text"}


class ObjectTable(PlainTable):
    """Object, state, reason and tries."""

    def __init__(self) -> None:
        super().__init__("Objects of this job", ("Object", "State", "Why", "Tries"), (330, 190, 300, 60), 2)
        self.setTextElideMode(Qt.TextElideMode.ElideMiddle)  # what differs in a UID is its end

    def show_objects(self, objects: Sequence[ObjectRecord], total: int) -> None:
        """Show `objects`, of `total` in the job."""
        rows = [
            (
                (item.sop_instance_uid or item.path.rpartition("/")[2] or "an object", ""),
                (wording.object_state(item), _SHADES.get(item.state, "text-secondary")),
                (item.reason, ""),
                (str(item.attempts or ""), "text-secondary"),
            )
            for item in objects[:MOST_ROWS]
        ]
        if total > len(rows):
            rows.append(
                ((f"and {words.count(total - len(rows))} more", "text-secondary"), ("", ""), ("", ""), ("", ""))
            )
        self.fill(rows, right=(3,))
