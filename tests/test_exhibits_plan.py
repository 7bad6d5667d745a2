"""Exhibits as the plan: which cells they come to, in the library and in Snakemake; and specs that are refused."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections import Counter

import pytest
import yaml
from exhibit_specs import SPECS, exhibits, points
from reference import REPOSITORY

from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.exhibit import Exhibit, cells_of, row_name
from ssmpeft_lib.plan.printed import Printed
from ssmpeft_lib.plan.snakemake.workflow import Workflow

CONFIG = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
SPEC = """\
title: "Table 99: a test"
source: Sec. 9
fixed: {dataset: dart}
columns:
  - {group: Small, label: BLEU, model: mamba-130m, metric: val.bleu, digits: 1}
  - {group: Large, label: BLEU, model: mamba-1.4b, metric: val.bleu, digits: 1}
rows:
  - {label: LoRA, method: METHOD, printed: [1.0, 2.0]}
"""


def test_all_tables_and_figures_of_the_paper_are_there():
    """Others may lie beside them."""
    assert {"figure1", "figure2", *(f"table{number:02d}" for number in range(1, 28))} <= exhibits().keys()


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_the_plan_is_the_cells_of_all_points(scale):
    plan = Workflow(CONFIG | {"scale": scale, "exhibits": "all"}, REPOSITORY)
    seeds = range(CONFIG["seeds"][scale])
    wanted = {cell for point in points() for cell in point.cells(scale, seeds)}
    assert set(plan.exhibits.cells) == wanted
    assert len(plan.exhibits.cells) == len(wanted) == len(plan.exhibits.metrics_files)


def test_quick_and_paper_plan_the_same_cells():
    names = [
        {(cell.model, cell.method, cell.dataset) for cell in cells_of(list(exhibits().values()), scale, range(1))}
        for scale in ("quick", "paper")
    ]
    assert names[0] == names[1]


@pytest.mark.slow
@pytest.mark.parametrize("scale", ["quick", "paper"])
def test_snakemake_plans_one_job_for_each_cell(scale, tmp_path):
    chosen = ["table21", "table24"]
    cells = cells_of([exhibits()[name] for name in chosen], scale, range(CONFIG["seeds"][scale]))
    command = ["-m", "snakemake", "-s", str(REPOSITORY / "Snakefile"), "--directory", str(tmp_path), "-n", "cells"]
    command += ["--config", f"scale={scale}", f"exhibits={chosen}".replace("'", '"')]
    environment = os.environ | {"XDG_CACHE_HOME": str(tmp_path / "cache")}
    done = subprocess.run(
        [sys.executable, *command], capture_output=True, encoding="utf-8", cwd=tmp_path, env=environment
    )
    assert done.returncode == 0, done.stderr
    jobs = dict(re.findall(r"^(\w+)\s+(\d+)$", done.stdout + done.stderr, flags=re.M))
    assert int(jobs["cell"]) == len(cells) == CONFIG["seeds"][scale] * 14


def test_every_number_but_a_count_has_a_cell():
    for point in points():
        needs_none = point.metric.startswith("params.")
        assert bool(point.cells("quick", range(1))) != needs_none, point


def test_metrics_are_a_closed_set():
    data = {"data.sizes.train", "data.sizes.val", "data.sizes.test", "data.max_seq_len", "recipe.epochs"}
    cost = "peak_memory_gb train_seconds selection_train_seconds selection_choose_seconds selection_seconds "
    cost += "selection_share_of_1_epoch selection_share_of_5_epochs"
    scores = "score accuracy matthews meteor bleu rouge1 rouge2 rougeL exec_all exec_easy exec_medium exec_hard "
    scores += "exec_extra average_accuracy overall_easy overall_medium overall_hard mse"
    known = data | {f"cost.{name}" for name in cost.split()} | {"params.trainable_pct"}
    known |= {f"{split}.{name}" for split in ("val", "test") for name in scores.split()}
    assert {point.metric for point in points()} <= known


def test_names_of_rows_and_points_are_unique():
    for exhibit in exhibits().values():
        assert len({row_name(row) for row in exhibit.rows}) == len(exhibit.rows)
    assert max(Counter((point.exhibit, point.row, point.column) for point in points()).values()) == 1


def test_every_family_has_a_colour():
    for method in {point.method.partition("@")[0].partition(",")[0] for point in points()}:
        assert registry.class_literal("methods", method, "family")


def spec(tmp_path, method: str, change: tuple[str, str] = ("", "")) -> Exhibit:
    path = tmp_path / "table99.yaml"
    path.write_text(SPEC.replace("METHOD", method).replace(*change), encoding="utf-8")
    return Exhibit.load(path)


def test_a_mapping_binds_by_group_and_a_list_by_column(tmp_path):
    for method in ("{Small: bitfit, Large: prompt}", "[bitfit, prompt]"):
        assert [point.method for point in spec(tmp_path, method).points] == ["bitfit", "prompt"]


@pytest.mark.parametrize(
    "method, change, says",
    [
        ("[bitfit]", ("", ""), r"column by column: it needs 2 entries, has 1"),
        ("{Small: bitfit}", ("", ""), r"it has Small and this column's group is 'Large'"),
        ("bitfit", ("printed: [1.0, 2.0]}", "}\n  - {label: LoRA, method: full}"), "two rows are called 'LoRA'"),
        ("bitfit", ("fixed: {dataset: dart}", "fixed: {}"), "leaves dataset unbound"),
        ("bitfit", ("fixed: {", "fixed: {method: full, "), "binds method twice, in fixed and row"),
    ],
)
def test_a_bad_spec_is_named(tmp_path, method, change, says):
    with pytest.raises(ValueError, match=f"table99.yaml.*{says}"):
        spec(tmp_path, method, change)


def test_a_column_goes_by_label_or_group_and_label(tmp_path):
    exhibit = spec(tmp_path, "bitfit")
    assert exhibit.column("Large BLEU") == 1
    with pytest.raises(LookupError, match="several columns are called 'BLEU'; put the group before it"):
        exhibit.column("BLEU")
    with pytest.raises(LookupError, match="no column 'Large BLUE' .* did you mean 'Large BLEU'"):
        exhibit.column("Large BLUE")


@pytest.mark.parametrize("text, digits, lost", [("44.~", 1, 1.0), ("61.1~", 2, 0.1), ("80.5~", 1, 0.0), (44.0, 1, 0.0)])
def test_lost_digits_leave_room(text, digits, lost):
    assert Printed.parse(text).lost(digits) == pytest.approx(lost)


def test_specs_are_read_against_the_page():
    """A printed row is one line, where it fits one."""
    for path in SPECS.glob("table*.yaml"):
        rows = path.read_text(encoding="utf-8").partition("\nrows:\n")[2].partition("\nclaims:")[0]
        one_line = [line for line in rows.splitlines() if line.startswith("  - {") and line.endswith("}")]
        assert len(one_line) >= len(exhibits()[path.stem].rows) - 3, path
