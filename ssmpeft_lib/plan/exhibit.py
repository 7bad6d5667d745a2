"""Exhibits: the paper's tables and figures as data, and the one place where they are expanded into cells.

Every row and every column of an exhibit assigns some of `model, method, dataset, metric`, and the exhibit's
`fixed` part may assign more; together they must assign each of the four exactly once. That rule serves every
table, whichever way round the paper laid it out. Where a row's method differs between columns, the row has a list,
one entry a column, or a mapping by the columns' groups.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

from . import registry
from .cell import Cell, check_method
from .printed import Printed
from .reading import read_yaml
from .schema import check_against_schema

BINDINGS = ("model", "method", "dataset", "metric")


@dataclass(frozen=True)
class Point:
    """What one row and one column name together.

    Attributes:
        exhibit, row, column: where the paper prints it; row and column include their groups.
        model, method, dataset, metric: what it is. `dataset` may be a group such as `glue`;
            `metric` is a dotted path into metrics.json.
        printed: the paper's number, or None.
        digits: decimals to show.
        better: `higher`, `lower` or `none`.
        read_to: how exactly the printed number was read off a picture; 0 for one that is printed as text.
    """

    exhibit: str
    row: str
    column: str
    model: str
    method: str
    dataset: str
    metric: str
    printed: Printed | None
    digits: int
    better: str
    read_to: float = 0.0

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Equal for points that name the same quantity, wherever they are printed."""
        return self.model, self.method, self.dataset, self.metric

    def cells(self, scale: str, seeds: range) -> list[Cell]:
        """The cells that feed this point, over the members of a data-set group and over seeds.

        A count of parameters (`params.*`) needs none: it is taken from the shapes of the real model.
        """
        if self.metric.startswith("params."):
            return []
        members = registry.groups().get(self.dataset, (self.dataset,))
        return [Cell(scale, self.model, self.method, member, seed) for member in members for seed in seeds]


@dataclass(frozen=True)
class Exhibit:
    """One table or figure, as read from `workflow/exhibits/<id>.yaml`."""

    id: str
    path: Path
    spec: dict[str, Any]

    @classmethod
    def load(cls, path: Path) -> Exhibit:
        """Read, check and return the exhibit of a spec file.

        Raises:
            ValueError: the file does not follow the schema, two rows have one name, or a row and a column leave
                something unbound or bind it twice.
            LookupError: a model, method, data set or option that does not exist.
        """
        path = Path(path)
        spec = read_yaml(path)
        check_against_schema(spec, "exhibit", path)
        exhibit = cls(path.stem, path, spec)
        names = [row_name(row) for row in exhibit.rows]
        if twice := sorted({name for name in names if names.count(name) > 1}):
            raise ValueError(f"{path}: two rows are called {twice[0]!r}; tell them apart by slots or detail")
        exhibit.points  # noqa: B018 - expanding checks every row against every column
        return exhibit

    @property
    def title(self) -> str:
        """The heading, which names the table or figure."""
        return self.spec["title"]

    @property
    def columns(self) -> list[dict]:
        """The columns as the spec has them: labels and what they assign."""
        return self.spec["columns"]

    @property
    def rows(self) -> list[dict]:
        """The rows as the spec has them: labels, what they assign, and printed numbers."""
        return self.spec["rows"]

    @property
    def scores(self) -> list[int]:
        """Places of the columns that say what is better."""
        return [i for i, column in enumerate(self.columns) if column.get("better", "higher") != "none"]

    @property
    def spans(self) -> set[str]:
        """The exhibits that its claims are about, beside itself."""
        wanted = [claim["columns"] for claim in self.spec.get("claims", []) if isinstance(claim.get("columns"), dict)]
        return {name for columns in wanted for name in columns} - {self.id}

    def column(self, name: str) -> int:
        """Place of the column of a label, or of a group and a label.

        Raises:
            LookupError: there is none, or several have that label.
        """
        names = [{column["label"], column_name(column)} for column in self.columns]
        found = [i for i, known in enumerate(names) if name in known]
        if not found:
            known = {column_name(column) for column in self.columns}
            raise LookupError(registry.unknown("column", name, known, f"{self.path}"))
        if len(found) > 1:
            raise LookupError(f"{self.path}: several columns are called {name!r}; put the group before it")
        return found[0]

    @cached_property
    def points(self) -> list[Point]:
        """Every row by every column, in reading order."""
        return [self._point(row, i) for row in self.rows for i in range(len(self.columns))]

    def point_rows(self) -> Iterator[tuple[dict, list[Point]]]:
        """Each row of the spec with its points, one for each column."""
        width = len(self.columns)
        for i, row in enumerate(self.rows):
            yield row, self.points[i * width : (i + 1) * width]

    def _point(self, row: dict, i: int) -> Point:
        column = self.columns[i]
        label = row_name(row)
        where = f"{self.path}: row {label!r} x column {column['label']!r}"
        bound = self._bind(row, i, where)
        printed = row.get("printed", [])
        if printed and len(printed) != len(self.columns):
            raise ValueError(
                f"{self.path}: row {label!r} prints {len(printed)} values, there are {len(self.columns)} columns"
            )
        try:
            value = None if not printed or printed[i] is None else Printed.parse(printed[i])
            _check_names(bound)
        except (ValueError, LookupError) as error:
            raise type(error)(f"{where}: {error}") from None
        return Point(
            exhibit=self.id,
            row=label,
            column=column_name(column),
            printed=value,
            digits=column.get("digits", 1),
            better=column.get("better", "higher"),
            read_to=column.get("read_to", 0.0),
            **bound,
        )

    def _bind(self, row: dict, i: int, where: str) -> dict[str, str]:
        sources = {"fixed": self.spec.get("fixed", {}), "row": row, "column": self.columns[i]}
        bound = {}
        for name in BINDINGS:
            givers = [source for source, assigned in sources.items() if assigned.get(name) is not None]
            if not givers:
                raise ValueError(f"{where} leaves {name} unbound; bind it in fixed, row or column")
            if len(givers) > 1:
                raise ValueError(f"{where} binds {name} twice, in {' and '.join(givers)}; keep one of them")
            value = sources[givers[0]][name]
            bound[name] = value if isinstance(value, str) else self._of_column(value, i, f"{where}: {name}")
        return bound

    def _of_column(self, value: list[str] | dict[str, str], i: int, where: str) -> str:
        """What a row binds in one column: a list goes column by column, a mapping by the columns' groups."""
        if isinstance(value, list):
            if len(value) != len(self.columns):
                raise ValueError(
                    f"{where} is a list, which binds column by column: it needs {len(self.columns)} entries, "
                    f"has {len(value)}"
                )
            return value[i]
        group = self.columns[i].get("group")
        if group not in value:
            raise ValueError(
                f"{where} is a mapping, which binds by the columns' groups: it has {', '.join(value)} and this "
                f"column's group is {group!r}"
            )
        return value[group]


def row_name(row: dict) -> str:
    """A row as text: group, label, slots and detail, for example `Linear projections / LoRA out_proj`."""
    own = " ".join(filter(None, [row["label"], row.get("slots"), f"({row['detail']})" if row.get("detail") else ""]))
    return " / ".join(filter(None, [row.get("group"), own]))


def column_name(column: dict) -> str:
    """A column as text: group and label, for example `Mamba-1.4B SAMSum R1`."""
    return " ".join(filter(None, [column.get("group"), column["label"]]))


def _check_names(bound: dict[str, str]) -> None:
    registry.module_of("models", bound["model"])
    check_method(bound["method"])
    if bound["dataset"] not in registry.groups():
        registry.module_of("data", bound["dataset"])


def load_exhibits(folder: Path, chosen: str | list[str] = "all") -> list[Exhibit]:
    """The exhibits of a folder of specs, all or those chosen by id.

    Raises:
        LookupError: a chosen id has no spec.
    """
    paths = {path.stem: path for path in sorted(Path(folder).glob("*.yaml"))}
    wanted = list(paths) if chosen == "all" else chosen
    for name in wanted:
        if name not in paths:
            raise LookupError(registry.unknown("exhibit", name, paths, f"{folder}/"))
    return [Exhibit.load(paths[name]) for name in wanted]


def cells_of(exhibits: list[Exhibit], scale: str, seeds: range) -> list[Cell]:
    """Every cell that the exhibits need, each once, in a stable order."""
    return sorted({cell for exhibit in exhibits for point in exhibit.points for cell in point.cells(scale, seeds)})
