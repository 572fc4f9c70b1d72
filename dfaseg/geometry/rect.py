"""Half-open pixel rectangles, the only place where (x, y) becomes (row, column)."""

from dataclasses import dataclass

from dfaseg.errors import ConfigError


@dataclass(frozen=True, slots=True)
class Rect:
    """A half-open pixel rectangle, ``[x, x + width) × [y, y + height)``.

    The variable's name states the frame: ``level0_rect``, ``mask_rect``.
    """

    x: int
    y: int
    width: int
    height: int

    def __post_init__(self) -> None:
        if self.width < 0 or self.height < 0:
            raise ConfigError(f"rectangle {self.width} × {self.height}: sides must not be negative")

    @property
    def right(self) -> int:
        """First column to the right of the rectangle."""
        return self.x + self.width

    @property
    def bottom(self) -> int:
        """First row below the rectangle."""
        return self.y + self.height

    @property
    def area(self) -> int:
        """Number of pixels."""
        return self.width * self.height

    @property
    def slices(self) -> tuple[slice, slice]:
        """Index of the rectangle in an array, ``(rows, columns)``."""
        return slice(self.y, self.bottom), slice(self.x, self.right)

    def shifted(self, dx: int, dy: int) -> "Rect":
        """Return the same rectangle moved by ``(dx, dy)`` pixels."""
        return Rect(self.x + dx, self.y + dy, self.width, self.height)

    def intersection(self, other: "Rect") -> "Rect":
        """Return the part both share; of area 0 where they do not meet."""
        x, y = max(self.x, other.x), max(self.y, other.y)
        width = max(0, min(self.right, other.right) - x)
        height = max(0, min(self.bottom, other.bottom) - y)
        return Rect(x, y, width, height)
