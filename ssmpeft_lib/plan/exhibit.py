"""Exhibits: the paper's tables and figures as data, and the one place where they are expanded into cells.

Every row and every column of an exhibit assigns some of `model, method, dataset, metric`, and the exhibit's
`fixed` part may assign more; together they must assign each of the four exactly once. That rule serves every
table, whichever way round the paper laid it out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import yaml

from . import registry
from .cell import Cell, check_method
from .printed import Printed
from .schema import check_against_schema

BINDINGS = ("model", "method", "dataset", "metric")


@dataclass(frozen=True)
class Point:
    """What one row and one column name together.

    Attributes:
        exhibit, row, column: where the paper prints it; `row` includes the row's group.
        model, method, dataset, metric: what it is. `dataset` may be a group such as `glue`;
            `metric` is a dotted path into metrics.json.
        printed: the paper's number, or None.
        digits: decimals to show.
        better: `higher`, `lower` or `none`.
        unserved: why there is no cell for it, or empty.
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
    unserved: str = ""

    @property
    def key(self) -> tuple[str, str, str, str]:
        """Equal for points that name the same quantity, wherever they are printed."""
        return self.model, self.method, self.dataset, self.metric

    def cells(self, scale: str, seeds: range) -> list[Cell]:
        """The cells that feed this point, over the members of a data-set group and over seeds.

        A count of parameters (`params.*`) needs none: it is taken from the shapes of the real model.
        """
        if self.unserved or self.metric.startswith("params."):
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
            ValueError: the file does not follow the schema, or a row and a column leave something unbound or bind it twice.
            LookupError: a model, method, data set or option that does not exist.
        """
        path = Path(path)
        try:
            spec = yaml.safe_load(path.read_text(encoding="utf-8"))
        except yaml.YAMLError as error:
            raise ValueError(f"{path}: not valid YAML: {' '.join(str(error).split())}") from None
        check_against_schema(spec, "exhibit", path)
        exhibit = cls(path.stem, path, spec)
        exhibit.points  # noqa: B018 - expanding checks every row against every column
        return exhibit

    @property
    def title(self) -> str:
        return self.spec["title"]

    @property
    def columns(self) -> list[dict]:
        return self.spec["columns"]

    @property
    def rows(self) -> list[dict]:
        return self.spec["rows"]

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
        unserved = column.get("unserved") or row.get("unserved") or ""
        try:
            value = None if not printed or printed[i] is None else Printed.parse(printed[i])
            if not unserved:
                _check_names(bound)
        except (ValueError, LookupError) as error:
            raise type(error)(f"{where}: {error}") from None
        return Point(
            exhibit=self.id,
            row=label,
            column=column["label"],
            printed=value,
            digits=column.get("digits", 1),
            better=column.get("better", "higher"),
            unserved=unserved,
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
            if isinstance(value, list):
                if givers[0] != "row" or len(value) != len(self.columns):
                    raise ValueError(
                        f"{where}: a list for {name} binds column by column: it belongs in a row and "
                        f"needs {len(self.columns)} entries, has {len(value)}"
                    )
                value = value[i]
            bound[name] = value
        return bound


def row_name(row: dict) -> str:
    """A row as text: group, label, slots and detail, for example `Linear projections / LoRA out_proj`."""
    own = " ".join(filter(None, [row["label"], row.get("slots"), f"({row['detail']})" if row.get("detail") else ""]))
    return " / ".join(filter(None, [row.get("group"), own]))


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
