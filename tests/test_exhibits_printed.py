"""Every number that the paper's tables print has one point, and every point's number is printed."""

from __future__ import annotations

import csv
from collections import Counter
from functools import cache

import pytest
from exhibit_specs import Row, exhibits, in_printed_order, names, points, reconstructed, table
from reference import shared

from ssmpeft_lib.plan.exhibit import Exhibit, Point
from ssmpeft_lib.plan.printed import Printed

SCORES = [number for number in range(1, 28) if number != 6]
SHARE = "params.trainable_pct"


@cache
def matches(number: int) -> list[tuple[Row, Point]]:
    """The numbers of a reference table with their points; rows go by their order, columns by what they name."""
    exhibit = exhibits()[f"table{number:02d}"]
    found = []
    for rows, (_, own) in zip(in_printed_order(table(number)), exhibit.point_rows(), strict=True):
        for row in rows:
            named = [point for point in own if names(point, row)]
            assert len(named) == 1, f"{exhibit.id}: {len(named)} points for {row}"
            found.append((row, named[0]))
    return found


@pytest.mark.parametrize("number", SCORES)
def test_rows_are_those_of_the_page(number):
    assert len(in_printed_order(table(number))) == len(exhibits()[f"table{number:02d}"].rows)


@pytest.mark.parametrize("number", SCORES)
def test_every_printed_number_has_one_point_with_that_number(number):
    for row, point in matches(number):
        assert is_print_of(point.printed, point.digits, row), f"{point.exhibit}, {point.row}, {point.column}: {row}"
    used = Counter((point.row, point.column) for _, point in matches(number))
    assert set(used.values()) == {1}


def test_no_point_has_a_number_that_is_not_printed():
    used = {(point.exhibit, point.row, point.column) for number in SCORES for _, point in matches(number)}
    lost = {(point.exhibit, point.row, point.column) for _, point in lost_cells()}
    for point in points():
        if point.printed and point.metric != SHARE and point.exhibit in {f"table{number:02d}" for number in SCORES}:
            assert (point.exhibit, point.row, point.column) in used | lost


def test_there_are_1021_scores():
    assert sum(len(matches(number)) for number in SCORES) == 1021


def lost_cells() -> list[tuple[Row, Point]]:
    """Cells that the text lost, and their points."""
    found = []
    for lost in reconstructed():
        if lost["field"] == "value" and not lost["visible"]:
            number = int(lost["table"])
            rows = zip(in_printed_order(table(number)), exhibits()[f"table{number:02d}"].point_rows(), strict=True)
            placed = ("target_layers", "target_modules", "method")
            own = next(own for (first, *_), (_, own) in rows if all(first[key] == lost[key] for key in placed))
            found += [(lost, point) for point in own if names(point, lost)]
    return found


def test_cells_that_were_lost_are_marked_and_within_their_bounds():
    assert len(lost_cells()) == 4
    for row, point in lost_cells():
        assert point.printed.mark == "reconstructed"
        assert point.printed.value == float(row["estimate"])
        assert float(row["low"]) <= point.printed.value <= float(row["high"])


def test_digits_that_follow_from_others_are_the_estimated_ones():
    cut = [row for row in reconstructed() if row["field"] == "value" and row["visible"]]
    placed = [key for key in cut[0] if key in table(7)[0] and key != "value"]
    for lost in cut:
        found = [point for row, point in matches(int(lost["table"])) if all(row[key] == lost[key] for key in placed)]
        assert len(found) == 1, lost
        printed, digits = found[0].printed, found[0].digits
        assert printed.value == float(lost["estimate"] or lost["visible"])
        assert printed.mark == ("reconstructed" if lost["estimate"] else "cut")
        assert (printed.lost(digits) == 0) == bool(lost["estimate"])


def test_a_mark_says_what_is_known_of_the_digits():
    """`?` stands on every number that was computed and on no other, `~` where digits are really missing."""
    marked = Counter(point.printed.mark for point in points() if point.printed)
    estimated = [row for row in reconstructed() if row["field"] == "value" and row["estimate"]]
    assert marked["reconstructed"] == len(estimated) == 22
    # of a spread that lost digits the number itself is whole
    whole = [point for point in points() if point.printed and point.printed.mark == "cut" and point.printed.std is None]
    assert all(point.printed.lost(point.digits) > 0 for point in whole)


@pytest.mark.parametrize("exhibit", [f"table{number:02d}" for number in SCORES])
def test_every_share_is_printed_in_its_row(exhibit):
    number = int(exhibit.removeprefix("table"))
    for rows, (_, own) in zip(in_printed_order(table(number)), exhibits()[exhibit].point_rows(), strict=True):
        shares = [point for point in own if point.metric == SHARE]
        for point in shares:
            printed = {row["params_pct"] for row in rows if row["model"] == point.model}
            assert len(printed) == 1 and is_same(point.printed, printed.pop(), point.digits), f"{exhibit}, {point.row}"
        # the bounds of Tables 13 and 16 stand in the group of the first model alone
        models = {row["model"] for row in rows if row["params_pct"]}
        assert models == {point.model for point in shares} or (exhibit in ("table13", "table16") and len(shares) == 1)


def test_table_6():
    columns = {"Train": "train", "Val": "val", "Test": "test", "Max. seq. len.": "max_seq_len", "Epochs": "epochs"}
    exhibit: Exhibit = exhibits()["table06"]
    for row, (_, own) in zip(table(6), exhibit.point_rows(), strict=True):
        assert own[0].dataset == "-".join(filter(None, [row["dataset"], row["task"]]))
        assert own[0].model == row["models"].partition(";")[0]
        assert {point.column: point.printed.value for point in own} == {c: float(row[k]) for c, k in columns.items()}


@pytest.mark.parametrize("figure", ["1", "2"])
def test_the_points_of_the_figures_are_the_public_ones(figure):
    with shared("paper/figures_points.csv").open(encoding="utf-8") as file:
        rows = [row for row in csv.DictReader(file) if figure in row["figure"]]
    public = {(float(row["trainable_pct"]), float(row["mse"])) for row in rows}
    drawn = _points_of(f"figure{figure}")
    assert drawn >= public
    # Figure 2 shows SDLoRA's points of Figure 1 again
    first = _points_of("figure1")
    assert drawn - first <= public
    assert all(point.read_to for point in exhibits()[f"figure{figure}"].points)


def _points_of(figure: str) -> set[tuple[float, float]]:
    rows = exhibits()[figure].point_rows()
    return {(share.printed.value, error.printed.value) for _, (share, error) in rows if error.printed}


def test_lora_on_s4_lies_the_step_sizes_right_of_lora_on_the_projections():
    shares = {
        label: [share.printed.value for row, (share, _) in exhibits()["figure1"].point_rows() if row["label"] == label]
        for label in ("LoRA (Proj)", "LoRA (S4+Proj)")
    }
    step_sizes = 100 * 4 * 64 / 33536
    pairs = zip(shares["LoRA (Proj)"], shares["LoRA (S4+Proj)"], strict=True)
    assert all(right - left == pytest.approx(step_sizes, abs=0.01) for left, right in pairs)


def is_print_of(printed: Printed | None, digits: int, row: Row) -> bool:
    """Whether a spec's entry says what a reference row says, digits, spread and marks included."""
    if printed is None or printed.bound:
        return False
    if row["marks"] == "cut":
        visible = float(row["value"])
        unit = 10.0 ** -len(row["value"].partition(".")[2])
        return printed.mark in ("cut", "reconstructed") and visible <= printed.value < visible + unit
    spread = float(row["std"]) if row["std"] else None
    return printed.mark == "" and is_same(printed, row["value"], digits) and printed.std == spread


def is_same(printed: Printed, text: str, digits: int) -> bool:
    decimals = len(text.partition(".")[2])
    return printed.bound == text.startswith("<") and printed.value == float(text.lstrip("<")) and decimals <= digits
