"""The parts of an exhibit's page: columns, rows, and points as text."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..compare.join import COMPARED, JUDGED
from ..drawing.axes import Scale
from ..plan import registry

ROOMY = 2
"""Up to so many scores a row stand side by side; more are stacked."""

WIDE = 9
"""Up to so many scores make one table; more make one for each group of columns."""


def is_compared(document: dict[str, Any]) -> bool:
    """Whether own numbers stand for the paper's models and data, so that they are compared with printed ones."""
    return document["scale"] in COMPARED or bool(document["kept"])


def is_judged(document: dict[str, Any]) -> bool:
    """Whether own numbers are evidence of anything: those of miniatures are not."""
    return document["scale"] in JUDGED or bool(document["kept"])


@dataclass(frozen=True)
class Column:
    """A column of the exhibit: a score with its axis, or a share of trained parameters."""

    index: int
    label: str
    group: str
    digits: int
    share: bool
    unit: str
    axis: Scale | None

    @property
    def name(self) -> str:
        """The label with the heading that it stands under."""
        return f"{self.group} {self.label}".strip()

    def place(self, value: float | None) -> str:
        """Position on the axis, in percent."""
        return "" if value is None or self.axis is None else f"{self.axis(value):.1f}%"


@dataclass(frozen=True)
class PointView:
    """One point: what the paper prints and what came out, as text.

    Attributes:
        printed, printed_spread: as printed; empty where nothing is.
        mark: what is uncertain about the printed text, or empty.
        best, best_own: whether it is the best of its column below 100 % trainable.
        own, own_spread: mean and standard deviation over seeds, or empty.
        some: `2/3` where not every seed gave a value, else empty.
        small, small_spread, small_some: the same of the small models on real text; empty where there are none.
        hole: a word that stands where there is no value: `failed`, `not run`, `not counted`.
        reason: why there is a hole or not every run counts.
        difference: own minus printed, at the scale of the paper.
        of_full: own as a percentage of full fine-tuning's, where there is no difference.
        beyond: whether the difference is more than two standard deviations.
        matches: for a share, whether the count rounds to the printed value.
        at, own_at, seeds_at: places on the axis.
        href: to the run, or to the runs.
        keys: numbers to sort by.
    """

    column: Column
    printed: str
    printed_spread: str
    mark: str
    best: bool
    best_own: bool
    own: str
    own_spread: str
    some: str
    small: str
    small_spread: str
    small_some: str
    hole: str
    reason: str
    difference: str
    of_full: str
    beyond: bool
    matches: bool
    at: str
    own_at: str
    seeds_at: list[str]
    href: str
    keys: dict[str, float]


@dataclass(frozen=True)
class Panel:
    """Columns that are shown as a table of their own.

    Attributes:
        id: the table's anchor.
        columns: in reading order.
        dense: whether printed and own numbers are stacked.
    """

    id: str
    columns: list[Column]
    dense: bool

    @property
    def scores(self) -> list[Column]:
        """The columns that are not shares of trained parameters."""
        return [column for column in self.columns if not column.share]

    @property
    def legend_at(self) -> int:
        """Index of the column before which a dense table says what the lines of a cell are."""
        return next((column.index for column in self.columns if not column.share), self.columns[0].index)

    @property
    def spans(self) -> list[tuple[str, int]]:
        """Headings over groups of columns, each with its width; none where no column has a group."""
        return _spans(self.columns, self.legend_at if self.dense else None)


@dataclass(frozen=True)
class Row:
    """A row of the exhibit."""

    anchor: str
    name: str
    label: str
    slots: str
    detail: str
    note: str
    family: str
    shown: list[PointView]

    def within(self, panel: Panel) -> list[PointView]:
        """Its points in the columns of a panel."""
        return [one for one in self.shown if one.column in panel.columns]


@dataclass(frozen=True)
class Group:
    """Rows under a common heading; the heading may be empty."""

    label: str
    rows: list[Row]

    @property
    def families(self) -> str:
        """The families of methods among its rows, sorted and joined by spaces."""
        return " ".join(sorted({row.family for row in self.rows}))


@dataclass(frozen=True)
class View:
    """An exhibit, ready to be printed."""

    id: str
    document: dict[str, Any]
    columns: list[Column]
    groups: list[Group]
    families: dict[str, str]

    @property
    def panels(self) -> list[Panel]:
        """The tables that its page shows: one, or one for each group of columns where there are too many for one."""
        if len(self.scores) <= WIDE:
            return [Panel(self.id, self.columns, self.dense)]
        groups = list(dict.fromkeys(column.group for column in self.columns))
        parts = [[column for column in self.columns if column.group == group] for group in groups]
        names = [self.id, *(f"{self.id}-{number}" for number in range(2, len(parts) + 1))]
        return [Panel(name, part, self.dense) for name, part in zip(names, parts, strict=True)]

    @property
    def scores(self) -> list[Column]:
        """The columns that are not shares of trained parameters."""
        return [column for column in self.columns if not column.share]

    @property
    def dense(self) -> bool:
        """Whether there are so many scores that printed and own numbers are stacked."""
        return len(self.scores) > ROOMY

    @property
    def compared(self) -> bool:
        """Whether own numbers are compared with printed ones."""
        return is_compared(self.document)

    @property
    def judged(self) -> bool:
        """Whether own numbers are evidence of anything."""
        return is_judged(self.document)

    @property
    def small(self) -> bool:
        """Whether a lane of small models on real text stands beside the own numbers."""
        return any("small" in point for row in self.document["rows"] for point in row["points"])

    @property
    def third(self) -> tuple[str, str, str]:
        """What stands under the printed and the own number: key, short name, and name."""
        return ("difference", "diff.", "difference") if self.compared else ("of_full", "of full", "share of full")

    @property
    def has_third(self) -> bool:
        """Whether any point has what stands under the own number."""
        return any(one.difference or one.of_full for row in self.rows for one in row.shown if not one.column.share)

    @property
    def stand_ins(self) -> list[str]:
        """What stands in, at scale quick, for data sets that have no generated miniature."""
        sets = {point["dataset"] for row in self.document["rows"] for point in row["points"]}
        members = {member for name in sets for member in registry.groups().get(name, (name,))}
        known = sorted(members & registry.entries("data").keys()) if self.document["scale"] == "quick" else []
        return [words for name in known if (words := registry.dataset_facts(name).miniature)]

    @property
    def zeros(self) -> tuple[int, int]:
        """How many of how many scores of our own are zero, where more is better."""
        points = [point for row in self.document["rows"] for point in row["points"] if point["better"] == "higher"]
        means = [point["ours"]["mean"] for point in points if "mean" in point["ours"]]
        return means.count(0), len(means)

    @property
    def rows(self) -> list[Row]:
        """The rows of all groups, in order."""
        return [row for group in self.groups for row in group.rows]


def _spans(columns: list[Column], legend_at: int | None) -> list[tuple[str, int]]:
    """Headings over several columns with their widths; the legend of a dense table counts as a column."""
    spans: list[tuple[str, int]] = []
    for column in columns:
        width = 1 + (column.index == legend_at)
        if spans and column.group and spans[-1][0] == column.group:
            spans[-1] = (column.group, spans[-1][1] + width)
        else:
            spans.append((column.group, width))
    return spans if any(label for label, _ in spans) else []
