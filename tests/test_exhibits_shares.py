"""The shares of trainable parameters that the exhibits print are those of the methods that they are bound to.

The counts themselves are made in test_params.py, against the same recorded table.
"""

from __future__ import annotations

import csv
import json
from collections import Counter
from pathlib import Path

import pytest
import yaml
from exhibit_specs import points
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.plan.exhibit import Point

RECORDED = list(csv.DictReader((Path(__file__).parent / "printed_shares.csv").open(encoding="utf-8")))
MISSED = yaml.safe_load((REPOSITORY / "workflow/errata/shares.yaml").read_text(encoding="utf-8"))
TRIVIAL = {"pretrained": 0.0, "full": 100.0}


def shares(bound: bool) -> list[Point]:
    """Those of the tables; what was read off a picture is compared with the runs of the regression."""
    printed = [point for point in points() if point.metric == "params.trainable_pct" and point.printed]
    return [point for point in printed if point.printed.bound == bound and not point.read_to]


def known(row: dict, method: str = "method") -> tuple[str, str, str, float]:
    """A recorded share as `key` names it; the default of an option is not written out in a spec."""
    method = (row[method] or "").removesuffix(",freeze_states=0.75")
    return table(str(row["table"])), row["model"], method, float(row["printed"])


def key(point: Point) -> tuple[str, str, str, float]:
    return point.exhibit, point.model, point.method, point.printed.value


def table(number: str) -> str:
    return f"table{int(number.rstrip('ab')):02d}"


def test_every_printed_share_is_reproduced_or_known_to_be_missed():
    reproduced = {known(row) for row in RECORDED} | {known(row, "holds_with") for row in MISSED}
    missed = {known(row) for row in MISSED}
    for point in shares(bound=False):
        if point.method in TRIVIAL:
            assert point.printed.value == TRIVIAL[point.method]
        else:
            assert key(point) in reproduced | missed, f"{point.row} of {point.exhibit} is bound to {point.method}"


def test_only_three_rows_are_bound_to_a_method_with_another_share():
    # a prefix of 64 tokens on Mamba-1.4B, twice, and LoRA on S4 and the projections
    missed = {known(row) for row in MISSED}
    assert Counter(point.exhibit for point in shares(bound=False) if key(point) in missed) == {
        "table04": 1,
        "table09": 1,
        "table10": 1,
    }


def test_every_counted_share_has_its_point():
    there = Counter(key(point) for point in shares(bound=False))
    for row in [*({"holds_with": ""} | row for row in RECORDED), *MISSED]:
        assert known(row) in there or known(row, "holds_with") in there, row
    assert sum(there.values()) == len(RECORDED) + len(MISSED) + sum(p.method in TRIVIAL for p in shares(bound=False))


@pytest.mark.parametrize("point", shares(bound=True), ids=lambda point: f"{point.exhibit}-{point.row}-{point.column}")
def test_bounds_hold(point):
    # LoRA+ differs from LoRA in its learning rates alone
    method = point.method.replace("_plus", "")
    recorded = [known(row) for row in RECORDED] + [known(row, "holds_with") for row in MISSED]
    found = {share for _, model, name, share in recorded if (model, name) == (point.model, method)}
    assert found and max(found) < point.printed.value


def test_lora_plus_trains_what_lora_trains(capsys):
    trained = []
    for method in ("lora@output_linear,rank=7,alpha=7", "lora_plus@output_linear,rank=7,alpha=7"):
        assert main(["params", "s4-deep", method]) == 0
        trained.append(json.loads(capsys.readouterr().out)["trainable"])
    assert trained[0] == trained[1]


def test_only_one_lora_trains_less_than_every_sdlora():
    """Sec. D.9 says that LoRA did, which is how Tables 25 and 26 are bound."""
    for column in {point.column for point in shares(bound=False) if point.exhibit in ("table05", "table20")}:
        rows = [p for p in shares(bound=False) if p.column == column and p.exhibit in ("table05", "table20")]
        least = min(point.printed.value for point in rows if point.row.startswith("SDLoRA"))
        fewer = {point.method for point in rows if point.printed.value < least}
        assert fewer == {point.method for point in points() if point.exhibit in ("table25", "table26")} - {"sdlora"}
