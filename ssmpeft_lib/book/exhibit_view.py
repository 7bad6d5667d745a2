"""A joined exhibit as its page shows it: every number as text, with its place on the column's axis and its link."""

from __future__ import annotations

from collections import defaultdict
from typing import Any

from ..compare.join import SHARES
from ..drawing.axes import linear
from ..drawing.numbers import fixed, signed
from ..plan.cell import Cell
from ..plan.registry import family_labels
from . import links
from .exhibit_parts import Column, Group, PointView, Row, View, is_compared, is_judged


def exhibit_view(document: dict[str, Any], page: str = "") -> View:
    """The view of a joined exhibit, from the JSON that `exhibits.exhibit_document` makes.

    `page` is where it is shown, if not on the exhibit's own page.
    """
    page = page or links.exhibit_page(document["id"])
    columns = [_column(document, index) for index in range(len(document["columns"]))]
    # a miniature has no best row: which one it would be is luck
    best = {"printed": _best(document, "printed"), "ours": _best(document, "ours") if is_judged(document) else set()}
    groups: list[Group] = []
    anchors: dict[str, int] = defaultdict(int)
    for index, row in enumerate(document["rows"]):
        if not groups or groups[-1].label != row["group"]:
            groups.append(Group(row["group"], []))
        anchor = links.slug(row["name"])
        anchors[anchor] += 1
        shown = [
            _shown(
                document,
                page,
                column,
                point,
                (index, column.index) in best["printed"],
                (index, column.index) in best["ours"],
            )
            for column, point in zip(columns, row["points"], strict=True)
        ]
        number = f"-{anchors[anchor]}" if anchors[anchor] > 1 else ""
        words = {key: row[key] for key in ("name", "label", "slots", "detail", "note", "family")}
        groups[-1].rows.append(Row(anchor=anchor + number, shown=shown, **words))
    present = {row["family"] for row in document["rows"]}
    families = {name: label for name, label in family_labels().items() if name in present}
    return View(document["id"], document, columns, groups, families)


def _column(document: dict[str, Any], index: int) -> Column:
    spec = document["columns"][index]
    points = [row["points"][index] for row in document["rows"]]
    share = points[0]["metric"].startswith(SHARES)
    values = [value for point in points for value in _values(point, is_compared(document))]
    return Column(
        index=index,
        label=spec["label"],
        group=spec.get("group", ""),
        digits=points[0]["digits"],
        share=share,
        unit=spec.get("unit", ""),
        axis=linear(values, 0, 100, marks=3) if values and not share else None,
    )


def _values(point: dict[str, Any], compared: bool) -> list[float]:
    """What is drawn of a point: own numbers stand on the axis of the printed ones only where the two are compared."""
    printed, own = point["printed"], point["ours"].get("by_seed", {}) if compared else {}
    return ([printed["value"]] if printed else []) + list(own.values())


def _shown(document: dict, page: str, column: Column, point: dict[str, Any], best: bool, best_own: bool) -> PointView:
    printed, ours, digits = point["printed"], point["ours"], column.digits
    mean, spread, seeds = ours.get("mean"), ours.get("std"), ours.get("by_seed", {})
    difference, of_full = point["difference"], ours.get("of_full")
    noise = 2 * ((spread or 0) ** 2 + ((printed or {}).get("std") or 0) ** 2) ** 0.5
    hole, reason = _hole(point) if mean is None else ("", "")
    some = f"{len(seeds)}/{document['seeds']}" if seeds and len(seeds) < document["seeds"] else ""
    value = printed and printed["value"]
    compared, drawn = difference is not None, is_compared(document)
    small = point.get("small", {}).get("mean")
    keys = {"printed": value, "small": small, "ours": mean, "difference": difference, "of_full": of_full}
    return PointView(
        column=column,
        printed=_printed(printed, column) if printed else "",
        printed_spread=fixed(printed["std"], digits) if printed and printed["std"] is not None else "",
        mark=printed["mark"] if printed else "",
        best=best,
        best_own=best_own,
        own=fixed(mean, digits) if mean is not None else "",
        own_spread=fixed(spread, digits) if spread is not None else "",
        some=some,
        **_small(document, point, digits),
        hole=hole,
        reason=reason or ("; ".join(ours.get("problems", [])) if some else ""),
        difference=signed(difference, digits) if compared else "",
        of_full=f"{fixed(of_full, 0)}\u00a0%" if of_full is not None and not compared else "",
        beyond=compared and abs(difference) > noise > 0,
        matches=mean is not None and printed is not None and _matches(mean, printed, digits),
        at=column.place(value),
        own_at=column.place(mean) if drawn else "",
        seeds_at=[column.place(one) for one in seeds.values()] if drawn else [],
        href=_href(document["id"], page, cells_with_a_page(ours)),
        keys={name: number for name, number in keys.items() if number is not None},
    )


def _small(document: dict, point: dict[str, Any], digits: int) -> dict[str, str]:
    """The lane of small models, as text."""
    small = point.get("small", {})
    mean, spread, seeds = small.get("mean"), small.get("std"), len(small.get("by_seed", {}))
    asked = document.get("small_seeds", 0)
    return {
        "small": fixed(mean, digits) if mean is not None else "",
        "small_spread": fixed(spread, digits) if spread is not None else "",
        "small_some": f"{seeds}/{asked}" if 0 < seeds < asked else "",
    }


def _printed(printed: dict[str, Any], column: Column) -> str:
    # a share that was read off a picture has no digits but those that could be read
    text = f"{printed['value']:g}" if printed["read_to"] and column.share else fixed(printed["value"], column.digits)
    return ("<" if printed["bound"] else "") + text


def _matches(mean: float, printed: dict[str, Any], digits: int) -> bool:
    """Whether a count rounds to the printed number, or lies as near as it could be read off a picture."""
    near = abs(mean - printed["value"]) <= printed["read_to"]
    return near if printed["read_to"] else fixed(mean, digits) == fixed(printed["value"], digits)


def _hole(point: dict[str, Any]) -> tuple[str, str]:
    problems = point["ours"].get("problems", ["no value"])
    if any(": failed: " in problem for problem in problems):
        return "failed", "; ".join(problem for problem in problems if ": failed: " in problem)
    if all(problem.endswith("not run") for problem in problems):
        return "not run", "no run of this point has a result"
    counted = not all(problem.startswith("not counted") for problem in problems)
    return "no value" if counted else "not counted", "; ".join(problems)


def cells_with_a_page(ours: dict[str, Any]) -> list[str]:
    """The cells of a point that were run, so that they have a page."""
    return [cell for cell in ours.get("cells", []) if f"{cell}: not run" not in ours.get("problems", [])]


def _href(exhibit: str, page: str, cells: list[str]) -> str:
    """Return the address of a point's first run, or of the list of its runs where it is an average over data sets."""
    found = [Cell.parse(cell) for cell in cells]
    if not found:
        return ""
    if len({cell.dataset for cell in found}) > 1:
        return links.href(page, links.runs_page(exhibit), links.slug(f"{found[0].model} {found[0].method}"))
    return links.href(page, links.cell_page(found[0]))


def _best(document: dict[str, Any], key: str) -> set[tuple[int, int]]:
    """Rows and columns of the best values below 100 % trainable, among rows of one model, data set and metric."""
    contests: dict[tuple, dict[tuple[int, int], float]] = defaultdict(dict)
    for i, row in enumerate(document["rows"]):
        for j, point in enumerate(row["points"]):
            value = (point[key] or {}).get("mean" if key == "ours" else "value")
            if value is not None and point["better"] != "none" and point["method"] != "full":
                contest = (j, point["model"], point["dataset"], point["metric"], point["better"])
                contests[contest][i, j] = round(value, point["digits"])
    winners = set()
    for contest, values in contests.items():
        if len(values) > 1:
            top = (max if contest[-1] == "higher" else min)(values.values())
            winners |= {place for place, value in values.items() if value == top}
    return winners
