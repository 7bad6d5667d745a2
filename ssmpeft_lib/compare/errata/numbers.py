"""What checks read: the printed numbers of all exhibits, and counted parameters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from ...plan import registry
from ...plan.exhibit import Exhibit, Point

Evidence = dict[str, float | str]

TINY = 1e-9


class PrintedNumbers:
    """The printed numbers of some exhibits."""

    def __init__(self, exhibits: list[Exhibit]):
        self.points = [point for exhibit in exhibits for point in exhibit.points if point.printed]

    @cached_property
    def rows(self) -> dict[str, dict[str, dict[str, float]]]:
        """For each exhibit and row the numbers by column."""
        found: dict[str, dict[str, dict[str, float]]] = defaultdict(lambda: defaultdict(dict))
        for point in self.points:
            found[point.exhibit][point.row][point.column] = point.printed.value
        return found

    def row(self, exhibit: str, row: str) -> dict[str, float]:
        """The numbers of a row by column.

        Raises:
            LookupError: there is no such row.
        """
        known = self.rows[exhibit]
        if row not in known:
            raise LookupError(registry.unknown("row", row, known, exhibit))
        return known[row]

    def column(self, exhibit: str, column: str) -> dict[str, float]:
        """The numbers of a column by row; a row without one is left out."""
        return {row: numbers[column] for row, numbers in self.rows[exhibit].items() if column in numbers}

    def reconstructed_rows(self, exhibit: str) -> set[str]:
        """The rows of an exhibit with a number that was computed from others."""
        points = (point for point in self.points if point.exhibit == exhibit)
        return {point.row for point in points if point.printed.mark == "reconstructed"}

    @cached_property
    def with_one_setting_twice(self) -> set[str]:
        """The exhibits that print one quantity in two rows."""
        places = Counter((point.exhibit, *point.key) for point in self.points if not point.printed.bound)
        return {place[0] for place, count in places.items() if count > 1}

    @cached_property
    def twice(self) -> list[list[Point]]:
        """Points that name one quantity and are printed with numbers that cannot be roundings of one number."""
        by_key = defaultdict(list)
        for point in self.points:
            if not point.printed.bound:
                by_key[point.key].append(point)
        return [points for points in by_key.values() if _apart(points)]


def _apart(points: list[Point]) -> bool:
    ranges = [_range(point) for point in points]
    return max(low for low, _ in ranges) > min(high for _, high in ranges) + TINY


def _range(point: Point) -> tuple[float, float]:
    """What a printed number may have been before it was rounded, or read off a picture."""
    half = max(0.5 * 10.0**-point.digits, point.read_to)
    return point.printed.value - half, point.printed.value + half + point.printed.lost(point.digits)


@dataclass(frozen=True)
class Counts:
    """Counted parameters by model and method, as `python -m ssmpeft_lib shares` writes them."""

    by_model: Mapping[str, Mapping[str, Mapping]]

    def share(self, model: str, method: str) -> float:
        """Trained parameters in percent.

        Raises:
            LookupError: they were not counted.
        """
        return self._counted(model, method)["trainable_pct"]

    def trainable(self, model: str, method: str) -> int:
        """Trained parameters.

        Raises:
            LookupError: they were not counted.
        """
        return self._counted(model, method)["trainable"]

    def _counted(self, model: str, method: str) -> Mapping:
        try:
            return self.by_model[model][method]
        except KeyError:
            raise LookupError(
                f"the parameters of {method} on {model} were not counted; count them with shares"
            ) from None


def mean(numbers: Mapping[str, float], columns: tuple[str, ...]) -> float:
    """The mean of some columns of a row."""
    return fmean(numbers[column] for column in columns)
