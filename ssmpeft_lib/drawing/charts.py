"""The book's charts as inline SVG: scores against trainable share, printed against own values, learning curves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from . import svg
from .axes import Scale, linear, logarithmic
from .labels import Box, place

LEFT, RIGHT, TOP, BOTTOM = 34, 10, 26, 40
"""Margins of a panel; the title stands in the upper one, the names of the horizontal axis in the lower one."""

WIDE, NARROW = (480, 320), (340, 330)
"""Sizes of a large chart, on a page and on a phone, in the pixels in which its type is 12 or 13 high."""

LINE = 16
"""Height of a line of type."""


@dataclass(frozen=True)
class Dot:
    """One value of a chart.

    Attributes:
        family: of its method, for colour and shape.
        x, y: where it lies.
        label: its short name, printed beside it where there is room.
        title: its full name with its numbers, shown on pointing.
        href: where it leads.
        spread: standard deviation along y, or None.
    """

    family: str
    x: float
    y: float
    label: str
    title: str
    href: str = ""
    spread: float | None = None


def front(
    dots: Sequence[Dot],
    title: str,
    x_title: str,
    label: str,
    log: bool = False,
    lower: bool = False,
    size: tuple[int, int] = WIDE,
) -> str:
    """Draw scores over what they cost, with a line along those that none with a smaller cost reaches.

    The axis of the cost is logarithmic, in percent, or linear. `lower` says that lower scores are better.
    """
    width, height = size
    scale = logarithmic if log else linear
    x = scale([dot.x for dot in dots], LEFT + 8, width - RIGHT - 8)
    y = _upwards([value for dot in dots for value in (dot.y - (dot.spread or 0), dot.y + (dot.spread or 0))], height)
    frame = _frame(x, y, width, title, x_title, [_percent(tick) if log else _plain(tick) for tick in x.ticks])
    best = [(x(dot.x), y(dot.y)) for dot in undominated(dots, lower)]
    stairs = "".join(f"H{left:.1f}V{top:.1f}" for left, top in best)
    line = svg.path(f"M{best[0][0]:.1f} {best[0][1]:.1f}{stairs}H{width - RIGHT}", "front")
    return svg.drawing(
        width, height, label, frame + line + _dots(dots, x, y, width, _steps(best, width - RIGHT)), "chart"
    )


def at_widths(wide: str, narrow: str) -> str:
    """Two drawings of one chart, of which the style sheet shows the one that fits."""
    return f'<div class="for-wide">{wide}</div><div class="for-narrow">{narrow}</div>'


def undominated(dots: Sequence[Dot], lower: bool = False) -> list[Dot]:
    """The dots that no other dot with a smaller or equal x reaches, from left to right."""
    sign = -1 if lower else 1
    best: list[Dot] = []
    for dot in sorted(dots, key=lambda dot: (dot.x, -sign * dot.y)):
        if not best or sign * dot.y > sign * best[-1].y:
            best.append(dot)
    return best


def _steps(corners: Sequence[tuple[float, float]], end: float) -> list[Box]:
    """The treads and risers of the line along the best dots, which names must not cross."""
    boxes = []
    for (left, top), (right, above) in zip(corners, [*corners[1:], (end, corners[-1][1])], strict=True):
        boxes += [Box(left, top - 1, right, top + 1), Box(right - 1, min(above, top), right + 1, max(above, top))]
    return boxes


def agreement(dots: Sequence[Dot], title: str, y_title: str, label: str, size: tuple[int, int] = (320, 296)) -> str:
    """Own values, which `y_title` names, over printed ones; equal values lie on the diagonal."""
    width, height = size
    x = linear([dot.x for dot in dots], LEFT + 8, width - RIGHT - 8)
    values = [value for dot in dots for value in (dot.y - (dot.spread or 0), dot.y + (dot.spread or 0))]
    y = linear(values, height - BOTTOM, TOP + 6 + LINE)
    frame = _frame(x, y, width, title, "printed", [_plain(tick) for tick in x.ticks])
    frame += svg.text(y_title, 0, 13 + LINE)
    low, high = max(x.low, y.low), min(x.high, y.high)
    diagonal = svg.line(x(low), y(low), x(high), y(high), "diagonal") if low < high else ""
    return svg.drawing(width, height, label, frame + diagonal + _dots(dots, x, y, width), "chart")


def curve(
    steps: Sequence[int],
    values: Sequence[float],
    title: str,
    label: str,
    best: int | None = None,
    size: tuple[int, int] = (360, 200),
) -> str:
    """One quantity over training steps; the step of the best validation is marked."""
    width, height = size
    x = linear([0, *steps], LEFT + 8, width - RIGHT - 8)
    y = _upwards(values, height)
    frame = _frame(x, y, width, title, "step", [_plain(tick) for tick in x.ticks])
    knots = "L".join(f"{x(step):.1f} {y(value):.1f}" for step, value in zip(steps, values, strict=True))
    drawn = svg.path(f"M{knots}", "curve")
    for step, value in zip(steps, values, strict=True):
        drawn += svg.element("circle", cx=x(step), cy=y(value), r=5 if step == best else 3, class_="knot")
    if best in steps:
        at = values[list(steps).index(best)]
        end = x(best) > width - 60
        drawn += svg.text("best", x(best) - (9 if end else -9), y(at) + 4, text_anchor="end" if end else "start")
    return svg.drawing(width, height, label, frame + drawn, "chart")


def chosen(entries: Sequence[tuple[int, int]], shape: tuple[int, int], title: str, label: str) -> str:
    """Which entries of a table of channels and states were chosen: channels run to the right, states downwards."""
    channels, states = shape
    width, step, top = 360, 5, 22
    drawn = svg.text(title, 0, 13, class_="title")
    drawn += svg.element("rect", x=0, y=top, width=width, height=step * states, class_="ground", fill="none")
    for channel, state in entries:
        at = width * channel / channels
        drawn += svg.element(
            "rect", x=at, y=top + step * state, width=max(2.0, width / channels), height=step, class_="entry"
        )
    drawn += svg.text(f"{channels} channels \u2192", width, top + step * states + 15, text_anchor="end")
    drawn += svg.text(f"\u2193 {states} states", 0, top + step * states + 15)
    return svg.drawing(width, top + step * states + 20, label, drawn, "chart f-sdlora")


def sparkline(curves: Sequence[Sequence[tuple[float, float]]], low: float, high: float, label: str) -> str:
    """A few curves on the space of a word: points (x in [0, 1], y in [low, high])."""
    width, height = 96, 22
    drawn = ""
    for curve_ in curves:
        places = [(2 + (width - 4) * x, height - 3 - (height - 6) * (y - low) / ((high - low) or 1)) for x, y in curve_]
        drawn += svg.path("M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in places), "curve")
        drawn += "".join(svg.element("circle", cx=x, cy=y, r=1.4) for x, y in places[-1:])
    return svg.drawing(width, height, label, drawn, "sparkline")


def _upwards(values: Sequence[float], height: int) -> Scale:
    return linear(values, height - BOTTOM, TOP + 6)


def _frame(x: Scale, y: Scale, width: int, title: str, x_title: str, x_ticks: Sequence[str]) -> str:
    parts = [svg.text(title, 0, 13, class_="title")]
    for tick in y.ticks:
        parts.append(svg.line(LEFT, y(tick), width - RIGHT, y(tick), "grid"))
        parts.append(svg.text(_plain(tick), LEFT - 6, y(tick) + 4, text_anchor="end"))
    base = y.start
    parts.append(svg.line(LEFT, base, width - RIGHT, base, "axis"))
    for tick, name in zip(x.ticks, x_ticks, strict=True):
        parts.append(svg.line(x(tick), base, x(tick), base + 4, "axis"))
        parts.append(svg.text(name, x(tick), base + 18, text_anchor="middle"))
    parts.append(svg.text(x_title, width - RIGHT, base + 36, text_anchor="end"))
    return "".join(parts)


def _dots(dots: Sequence[Dot], x: Scale, y: Scale, width: int, obstacles: Sequence[Box] = ()) -> str:
    at = [(x(dot.x), y(dot.y)) for dot in dots]
    drawn = ""
    for dot in dots:
        if dot.spread:
            drawn += svg.line(x(dot.x), y(dot.y - dot.spread), x(dot.x), y(dot.y + dot.spread), "spread")
    room = Box(LEFT, TOP - 4, width, y.start - 4)
    bars = [Box(x(d.x) - 1, y(d.y + d.spread), x(d.x) + 1, y(d.y - d.spread)) for d in dots if d.spread]
    for dot, spot in zip(dots, place(at, [dot.label for dot in dots], room, [*bars, *obstacles]), strict=True):
        if spot:
            drawn += svg.text(dot.label, spot.x, spot.y, text_anchor=spot.anchor, class_=f"name f-{dot.family}")
    return drawn + "".join(
        svg.mark(dot.family, left, top, dot.title, dot.href) for dot, (left, top) in zip(dots, at, strict=True)
    )


def _plain(value: float) -> str:
    return f"{value:g}".replace("-", "\u2212")


def _percent(value: float) -> str:
    return f"{value:g}\u00a0%"
