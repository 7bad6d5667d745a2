"""Names beside the marks of a chart: each gets the first place where it covers nothing, or none."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

LETTER, LINE, GAP = 6.1, 12.0, 8.0
"""Width of a letter and height of a line at the charts' type size, and the distance from a mark, in pixels."""


@dataclass(frozen=True)
class Box:
    """A rectangle: left, top, right, bottom."""

    left: float
    top: float
    right: float
    bottom: float

    def touches(self, other: Box) -> bool:
        """Whether two boxes overlap; a common edge is no overlap."""
        return (
            self.left < other.right and other.left < self.right and self.top < other.bottom and other.top < self.bottom
        )

    def within(self, other: Box) -> bool:
        """Whether no part of it lies outside of the other."""
        return (
            self.left >= other.left
            and self.right <= other.right
            and self.top >= other.top
            and self.bottom <= other.bottom
        )


@dataclass(frozen=True)
class Spot:
    """Where a name is written: its baseline's start, middle or end."""

    x: float
    y: float
    anchor: str


def place(
    marks: Sequence[tuple[float, float]], names: Sequence[str], room: Box, obstacles: Sequence[Box] = ()
) -> list[Spot | None]:
    """A spot for each name beside its mark, inside the room, clear of marks, obstacles and the names before it.

    A name that occurs twice is written once.
    """
    taken = [*obstacles, *(Box(x - 5, y - 5, x + 5, y + 5) for x, y in marks)]
    written: set[str] = set()
    spots: list[Spot | None] = []
    for (x, y), name in zip(marks, names, strict=True):
        spot = None
        for candidate in _around(x, y) if name and name not in written else ():
            box = _box(candidate, name)
            if box.within(room) and not any(box.touches(other) for other in taken):
                spot = candidate
                taken.append(box)
                written.add(name)
                break
        spots.append(spot)
    return spots


def _around(x: float, y: float) -> list[Spot]:
    return [
        Spot(x + GAP, y + 4, "start"),
        Spot(x - GAP, y + 4, "end"),
        Spot(x, y - GAP - 1, "middle"),
        Spot(x, y + GAP + 9, "middle"),
        Spot(x + GAP, y - 6, "start"),
        Spot(x + GAP, y + 14, "start"),
        Spot(x - GAP, y - 6, "end"),
        Spot(x - GAP, y + 14, "end"),
    ]


def _box(spot: Spot, name: str) -> Box:
    width = LETTER * len(name)
    left = {"start": spot.x, "middle": spot.x - width / 2, "end": spot.x - width}[spot.anchor]
    return Box(left, spot.y - LINE + 2, left + width, spot.y + 3)
