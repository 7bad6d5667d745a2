"""Numbers as text, scales, names beside marks, fronts: what charts and tables are made of."""

from __future__ import annotations

import re

import pytest

from ssmpeft_lib.compare.rank_correlation import rank_correlation, ranks
from ssmpeft_lib.drawing import charts
from ssmpeft_lib.drawing.axes import linear, logarithmic
from ssmpeft_lib.drawing.labels import Box, place
from ssmpeft_lib.drawing.numbers import duration, fixed, grouped, memory, signed
from ssmpeft_lib.plan.families import FAMILIES


def test_numbers_have_a_real_minus_and_no_signed_zero():
    assert fixed(-1.25, 1) == "\u22121.2"
    assert fixed(-0.04, 1) == "0.0"
    assert (signed(0.8), signed(-0.8), signed(0.04)) == ("+0.8", "\u22120.8", "0.0")
    assert grouped(1234567) == "1\u202f234\u202f567"


def test_durations_and_sizes_are_said_as_people_say_them():
    said = [duration(seconds).replace("\u00a0", " ") for seconds in (0.034, 0.42, 8.25, 51, 200, 7500)]
    assert said == ["0.03 s", "0.42 s", "8.2 s", "51 s", "3 min 20 s", "2 h 5 min"]
    assert [memory(size).replace("\u00a0", " ") for size in (0.6402, 1.84)] == ["640 MB", "1.8 GB"]


@pytest.mark.parametrize("values", [[46.9, 84.3], [71.2], [0, 0], [-30.7, 17.1], [0.0001, 0.0002]])
def test_linear_axis_holds_its_values_between_round_ends(values):
    scale = linear(values, 0, 100)
    assert scale.low <= min(values) and max(values) <= scale.high
    assert scale.ticks[0] == scale.low and scale.ticks[-1] == scale.high
    assert 2 <= len(scale.ticks) <= 7
    assert all(0 <= scale(value) <= 100 for value in values)


def test_logarithmic_axis_has_equal_steps_for_equal_factors():
    scale = logarithmic([0.04, 22.69, 100], 0, 400)
    assert scale.ticks == (0.01, 0.1, 1, 10, 100)
    assert scale(0.1) - scale(0.01) == pytest.approx(scale(100) - scale(10)) == pytest.approx(100)
    with pytest.raises(ValueError, match="positive"):
        logarithmic([0.0], 0, 1)


def test_names_cover_neither_marks_nor_each_other_nor_leave_the_chart():
    marks = [(50.0 + 9 * i, 60.0 + 5 * (i % 3)) for i in range(12)]
    names = [f"LoRA in_proj_{i}" for i in range(12)]
    room = Box(30, 10, 400, 200)
    boxes = []
    for spot, name in zip(place(marks, names, room), names, strict=True):
        if spot:
            width = 6.1 * len(name)
            left = {"start": spot.x, "middle": spot.x - width / 2, "end": spot.x - width}[spot.anchor]
            boxes.append(Box(left, spot.y - 10, left + width, spot.y + 3))
    assert boxes
    assert all(box.within(room) for box in boxes)
    assert not any(a.touches(b) for i, a in enumerate(boxes) for b in boxes[:i])
    assert not any(box.touches(Box(x - 5, y - 5, x + 5, y + 5)) for box in boxes for x, y in marks)


def test_front_joins_what_nothing_cheaper_reaches():
    def dot(x, y):
        return charts.Dot("lora", x, y, "", "")

    cheap, worse, better, dear = dot(0.1, 40), dot(0.2, 39), dot(1, 50), dot(100, 50)
    assert charts.undominated([dear, worse, better, cheap]) == [cheap, better]


def test_chart_escapes_what_it_is_given_and_says_what_it_shows():
    dots = [charts.Dot("lora", i + 1.0, i + 1.0, "<b>", 'a "title" & <script>', "#row") for i in range(4)]
    drawn = charts.front(dots, "BLEU", "share", "BLEU over share, 4 rows", log=True)
    assert "<script>" not in drawn and "<b>" not in drawn
    assert 'aria-label="BLEU over share, 4 rows"' in drawn and 'role="group"' in drawn
    assert len(re.findall(r'class="glyph f-lora"', drawn)) == 4


def test_every_family_has_a_shape_of_its_own():
    assert len({family.mark for family in FAMILIES.values()}) == len(FAMILIES)


def test_rank_correlation_agrees_with_scipy():
    stats = pytest.importorskip("scipy.stats", reason="scipy is not installed")
    first, second = [1, 2, 2, 5, 9, 9], [3, 1, 4, 4, 10, 8]
    assert rank_correlation(first, second) == pytest.approx(stats.spearmanr(first, second).statistic)
    assert ranks([10, 20, 10]) == [1.5, 3, 1.5]
    assert rank_correlation([1, 1, 1], [1, 2, 3]) is None


def test_both_axes_of_an_agreement_are_named():
    dots = [charts.Dot("lora", i + 1.0, i + 1.0, f"row {i}", "row", "#row") for i in range(4)]
    drawn = charts.agreement(dots, "BLEU: rank correlation 1.00", "small models", "BLEU, small models over printed")
    words = re.findall(r"<text[^>]*>([^<]+)</text>", drawn)
    assert {"printed", "small models"} <= set(words)
    tops = {word: float(re.search(rf'y="([\d.]+)"[^>]*>{word}<', drawn)[1]) for word in ("small models", "row 3")}
    assert tops["small models"] < tops["row 3"], "above the marks, not among them"


def test_no_mark_stands_inside_a_legend(monkeypatch):
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    from ssmpeft_lib.book.theory import regression_plots
    from ssmpeft_lib.compare.regression_runs import recorded

    drawn = []
    monkeypatch.setattr(regression_plots, "figure", lambda fig, name, label: drawn.append(fig))
    regression_plots.fronts(recorded("fresh_sequences"), "fresh_error", "fresh")
    (fig,) = drawn
    (axes,), (legend,) = fig.axes, fig.legends
    FigureCanvasAgg(fig).draw()
    assert axes.get_legend() is None and axes.get_ylabel() and axes.get_xlabel()
    assert not legend.get_window_extent().overlaps(axes.get_window_extent())
    names = [text.get_text() for text in legend.get_texts()]
    assert "Full" in names and len(names) == len(set(names))
