"""The charts of an exhibit: scores against what they cost, printed values against our own."""

from __future__ import annotations

from collections.abc import Sequence

from ..compare.rank_correlation import rank_correlation
from ..drawing import charts
from ..plan import registry
from .environment import render
from .exhibit_parts import Column, Row, View
from .page import Page

COST_AXES = {"train_seconds": "training time, seconds", "peak_memory_gb": "peak memory, GB"}

NAMES = {"printed": "printed", "small": "small models", "ours": "ours"}
"""What the kinds of numbers are called beside a chart."""

_COST = (
    "Mean over the runs of a row, on the machine that ran them, beside other work: a rough picture. Where there is no "
    "GPU the memory is that of the whole process."
)
_DRAWN = (
    "Each mark is a row of the table. Down and to the left is better: a lower error from fewer trained parameters. The "
    "line joins the rows that no other row beats in both. Pointing at a mark names it, and it leads to its row."
)
_FRONT = (
    "Each mark is a row of the table. Up and to the left is better: a higher score from fewer trained parameters. The "
    "line joins the rows that no other row beats in both. Pointing at a mark names it, and it leads to its row."
)
_AGREEMENT = (
    "Each mark is a row. On the line, {} and print have the same value; the axes differ, so that what shows is whether "
    "the rows come in the same order. The correlation is that of the ranks: 1 for the same order, 0 for none."
)


def add_fronts(page: Page, view: View) -> None:
    """Add the charts of scores over trained parameters, if the exhibit has the numbers for any.

    Numbers of miniatures are not drawn: a drawing would compare them, with each other or with printed ones.
    """
    kinds = ("printed", *(["small"] if view.small else []), *(["ours"] if view.judged else []))
    drawn = [
        charts.at_widths(*pair)
        for column in _columns_to_plot(view)
        for pair in zip(
            *(front_chart(view, column, kinds=kinds, size=size) for size in (charts.WIDE, charts.NARROW)), strict=True
        )
    ]
    if drawn:
        page.heading("Against the number of parameters", "front-" + view.id)
        page.html(render("charts.html", charts=drawn, caption=_DRAWN if _is_figure(view) else _FRONT, kind="large"))


def add_comparisons(page: Page, view: View) -> None:
    """Add the charts of own numbers over what they cost and over printed ones; none of miniatures."""
    if view.small:
        _add_agreement(page, view, "small")
    if not view.judged:
        return
    costs = [chart for column in _columns_to_plot(view)[:1] for chart in cost_charts(view, column)]
    if costs:
        page.heading("Against time and memory", "cost-" + view.id)
        page.html(render("charts.html", charts=costs, caption=_COST, kind="large"))
    _add_agreement(page, view, "ours")


def _add_agreement(page: Page, view: View, kind: str) -> None:
    """Add the charts of a kind of own numbers over the printed ones, if any column has enough of both."""
    found = [chart for column in view.scores if (chart := agreement_chart(view, column, kind))]
    if found:
        page.heading(f"Printed against {NAMES[kind]}", ("agreement-" if kind == "ours" else "small-") + view.id)
        page.html(render("charts.html", charts=found, caption=_AGREEMENT.format(NAMES[kind]), kind=""))


def front_chart(
    view: View,
    column: Column,
    address: str = "",
    kinds: Sequence[str] = ("printed",),
    size: tuple[int, int] = charts.WIDE,
) -> list[str]:
    """Scores over trainable share, a chart for printed and for own ones; none where fewer than four rows have both.

    `address` is that of the exhibit's page where the chart stands on another; `kinds` is which of `NAMES` to draw.
    """
    drawn = []
    for key in kinds:
        dots = _dots(view, column, "share", key, address)
        if len(dots) > 3:
            title = f"{_named(view, column)}, {NAMES[key]}"
            figure = _is_figure(view)
            said = _described(title, "over the share of trained parameters", dots, lower=figure)
            x_title = "share of parameters that is trained" + (", %" if figure else "")
            drawn.append(charts.front(dots, title, x_title, said, not figure, figure, size))
    return drawn


def cost_charts(view: View, column: Column) -> list[str]:
    """Own scores over training time and peak memory; none where fewer than four rows have them or all cost the same."""
    drawn = []
    for key, x_title in COST_AXES.items():
        dots = _dots(view, column, key, "ours")
        if len(dots) > 3 and max(dot.x for dot in dots) > 1.1 * min(dot.x for dot in dots):
            title = f"{_named(view, column)}, ours"
            said = _described(title, f"over {x_title}", dots)
            sizes = (charts.WIDE, charts.NARROW)
            drawn.append(charts.at_widths(*(charts.front(dots, title, x_title, said, size=size) for size in sizes)))
    return drawn


def agreement_chart(view: View, column: Column, kind: str = "ours") -> str:
    """Draw own values, or those of small models, over printed ones; empty where fewer than four rows have both."""
    dots = _dots(view, column, "printed", kind)
    if len(dots) < 4:
        return ""
    rank = rank_correlation([dot.x for dot in dots], [dot.y for dot in dots])
    title = _named(view, column) + (f": rank correlation {rank:.2f}".replace("-", "\u2212") if rank is not None else "")
    return charts.agreement(dots, title, NAMES[kind], _described(title, f"{NAMES[kind]} over printed", dots))


def _named(view: View, column: Column) -> str:
    """A column with the data set that all of the exhibit is about."""
    dataset = "" if _is_figure(view) else view.document["fixed"].get("dataset", "")
    return " ".join(filter(None, [dataset.upper(), column.group, column.label]))


def _columns_to_plot(view: View) -> list[Column]:
    """The columns that are drawn against the share: averages where there are any, else the first two."""
    first = view.document["rows"][0]["points"]
    better = "lower" if _is_figure(view) else "higher"
    scores = [column for column in view.scores if first[column.index]["better"] == better]
    averages = [column for column in scores if first[column.index]["dataset"] in registry.groups()]
    return averages[:2] if view.dense and averages else scores[:2]


def _is_figure(view: View) -> bool:
    """Whether the exhibit is a drawing of errors in the paper as well, on a linear axis."""
    return view.document["kind"] == "figure"


def _dots(view: View, column: Column, x: str, y: str, address: str = "") -> list[charts.Dot]:
    dots = []
    rows = zip(view.rows, view.document["rows"], strict=True)
    for row, document in rows:
        point, shown = document["points"][column.index], row.shown[column.index]
        values = {
            "share": point.get("share"),
            "printed": (point["printed"] or {}).get("value"),
            "ours": point["ours"].get("mean"),
            "small": point.get("small", {}).get("mean"),
            **{key: point["ours"].get(key) for key in COST_AXES},
        }
        if values[x] is None or values[y] is None or (x == "share" and values[x] <= 0):
            continue
        own = f"ours {shown.own}" if shown.own and view.judged else ""
        small = f"small models {shown.small}" if shown.small else ""
        said = [f"printed {shown.printed}" if shown.printed else "", small, own]
        share = f"{values['share']:.3g} % trained" if values["share"] is not None else ""
        dots.append(
            charts.Dot(
                family=row.family,
                x=values[x],
                y=values[y],
                label=_short_name(view, row),
                title=", ".join(filter(None, [row.name, *said, share])),
                href=f"{address}#{row.anchor}",
                spread=point.get(y, {}).get("std") if y in ("ours", "small") else None,
            )
        )
    return dots


def _short_name(view: View, row: Row) -> str:
    """A row's label with its slots, or with its group where another row would be called the same."""
    if row.slots:
        return f"{row.label} {row.slots}"
    alike = [other for other in view.rows if (other.label, other.slots) == (row.label, "")]
    group, _, own = row.name.rpartition(" / ")
    return row.label if len(alike) == 1 else f"{row.label}, {group}" if group else own


def _described(title: str, what: str, dots: list[charts.Dot], lower: bool = False) -> str:
    best = (min if lower else max)(dots, key=lambda dot: dot.y)
    return f"{title}, {what}, {len(dots)} rows; {'lowest' if lower else 'highest'}: {best.title}."
