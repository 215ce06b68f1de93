"""How the screen is divided into viewports."""

from __future__ import annotations

from dataclasses import dataclass

from lightbox.viewer.viewport import Role


@dataclass(frozen=True, slots=True)
class Cell:
    """One viewport in a grid: place, extent and purpose."""

    row: int
    column: int
    role: Role = Role.STACK
    row_span: int = 1
    column_span: int = 1


@dataclass(frozen=True, slots=True)
class Layout:
    """A named division of the screen.

    Attributes
    ----------
    key : str
        Stable name, kept in settings.
    name : str
        Name for people.
    cells : tuple of Cell
        In reading order; the first is the main one.
    """

    key: str
    name: str
    cells: tuple[Cell, ...]

    @property
    def has_mpr(self) -> bool:
        """Whether some cell shows resliced planes or the volume."""
        return any(cell.role is not Role.STACK for cell in self.cells)


ONE = Layout("1", "1 image", (Cell(0, 0),))
TWO = Layout("2", "2 side by side", (Cell(0, 0), Cell(0, 1)))
FOUR = Layout("4", "2 × 2", (Cell(0, 0), Cell(0, 1), Cell(1, 0), Cell(1, 1)))
MPR = Layout(
    "mpr",
    "MPR and volume",
    (
        Cell(0, 0, Role.AXIAL),
        Cell(0, 1, Role.CORONAL),
        Cell(1, 0, Role.SAGITTAL),
        Cell(1, 1, Role.VOLUME),
    ),
)
LAYOUTS = (ONE, TWO, FOUR, MPR)


def by_key(key: str) -> Layout:
    """Return the layout named `key`, the single viewport for an unknown name."""
    return next((layout for layout in LAYOUTS if layout.key == key), ONE)
