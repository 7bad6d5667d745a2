"""What checks read: the printed numbers of all exhibits, and counted parameters."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from statistics import fmean

from ...plan import registry
from ...plan.exhibit import Exhibit, Point

Evidence = dict[str, float | str]

TINY = 1e-9

TASKS = ("RTE", "MRPC", "CoLA", "SST-2", "QNLI", "QQP", "MNLI")
"""GLUE's tasks, as the columns of Tables 2 and 7 are headed."""


@dataclass(frozen=True)
class PrintedRow(Mapping[str, float]):
    """The printed numbers of a row by the headings of their columns, and what its spec says of the row.

    Attributes:
        exhibit: the exhibit's id; id: the name that the spec gives the row for checks, or empty.
        group, label, slots: as in the spec; empty where it has none.
        points: those of its columns that have a printed number.
    """

    exhibit: str
    id: str
    group: str
    label: str
    slots: str
    points: tuple[Point, ...]

    @cached_property
    def numbers(self) -> dict[str, float]:
        """The numbers by column; a column without one is left out."""
        return {point.column: point.printed.value for point in self.points}

    def __getitem__(self, column: str) -> float:
        return self.numbers[column]

    def __iter__(self) -> Iterator[str]:
        return iter(self.numbers)

    def __len__(self) -> int:
        return len(self.numbers)

    @property
    def scores(self) -> list[str]:
        """The columns that are no share of parameters."""
        return [point.column for point in self.points if not point.metric.startswith("params.")]

    @property
    def reconstructed(self) -> bool:
        """Whether a number was computed from others, so that it proves nothing."""
        return any(point.printed.mark == "reconstructed" for point in self.points)

    @property
    def method(self) -> str:
        """The method string of its first column."""
        return self.points[0].method

    def spread(self, column: str) -> float | None:
        """The printed spread of a column, or None."""
        return next(point.printed.std for point in self.points if point.column == column)


class Unavailable(LookupError):
    """Numbers that a check reads are not to be had: their table was taken away, or a method cannot be counted."""


class PrintedNumbers:
    """The printed numbers of some exhibits, by the ids that their specs give to rows."""

    def __init__(self, exhibits: list[Exhibit]):
        self._rows = {exhibit.id: list(_printed_rows(exhibit)) for exhibit in exhibits}
        self.points = [point for rows in self._rows.values() for row in rows for point in row.points]

    def row(self, exhibit: str, id: str) -> PrintedRow:
        """The row of an id.

        Raises:
            LookupError: no row of the exhibit has it.
            Unavailable: there is no such exhibit.
        """
        known = {row.id: row for row in self.rows(exhibit) if row.id}
        if id not in known:
            raise LookupError(registry.unknown("row id", id, known, exhibit))
        return known[id]

    def rows(self, exhibit: str, **words: str) -> list[PrintedRow]:
        """The rows with printed numbers, or those whose `group` or `label` is the one given.

        Raises:
            Unavailable: there is no such exhibit.
        """
        if exhibit not in self._rows:
            raise Unavailable(registry.unknown("exhibit", exhibit, self._rows, "workflow/exhibits/"))
        return [row for row in self._rows[exhibit] if all(getattr(row, name) == word for name, word in words.items())]

    def column(self, exhibit: str, column: str, **words: str) -> list[float]:
        """The numbers of a column, in the order of the rows; a row without one is left out."""
        return [row[column] for row in self.rows(exhibit, **words) if column in row]

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


def _printed_rows(exhibit: Exhibit) -> Iterator[PrintedRow]:
    for row, points in exhibit.point_rows():
        words = [row.get(key, "") for key in ("id", "group", "label", "slots")]
        if printed := tuple(point for point in points if point.printed):
            yield PrintedRow(exhibit.id, *words, printed)


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
            counted = self.by_model[model][method]
        except KeyError:
            raise LookupError(
                f"the parameters of {method} on {model} were not counted; count them with shares"
            ) from None
        if "problem" in counted:
            raise Unavailable(f"the parameters of {method} on {model} cannot be counted: {counted['problem']}")
        return counted


def mean(numbers: Mapping[str, float], columns: tuple[str, ...]) -> float:
    """The mean of some columns of a row."""
    return fmean(numbers[column] for column in columns)
