"""Results that tables read: what is of the data set and not of the cell is told by any cell of the data set."""

from __future__ import annotations

import pytest

from ssmpeft_lib.compare.results import Results
from ssmpeft_lib.plan import paths
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.costs import SPECS
from ssmpeft_lib.plan.exhibit import Exhibit
from ssmpeft_lib.plan.results import RESULTS_VERSION, write_metrics

TABLE6 = Exhibit.load(SPECS / "table06.yaml")


def point(dataset, metric):
    return next(point for point in TABLE6.points if (point.dataset, point.metric) == (dataset, metric))


def write(folder, model, method, dataset, seed=0, scale="quick", status="ok", sizes=10):
    cell = Cell(scale, model, method, dataset, seed)
    document = {"schema": 1, "status": status, "cell": str(cell), "made_by": {"results_version": RESULTS_VERSION}}
    if status == "failed":
        document["error"] = {"type": "Diverged", "message": "at step 3"}
    else:
        data = {"sizes": {"train": sizes}, "max_seq_len": 5 * sizes}
        document |= {"recipe": {"epochs": 2}, "data": data, "cost": {}, "history": [], "val": {"accuracy": 1.0}}
    write_metrics(folder / paths.metrics_file(cell), document)
    return str(cell)


@pytest.mark.parametrize("pretrained", ["not run", "failed"])
@pytest.mark.parametrize("metric, value", [("data.sizes.train", 10), ("data.max_seq_len", 50), ("recipe.epochs", 2)])
def test_sizes_lengths_and_epochs_of_a_data_set_are_told_by_any_cell_of_it(tmp_path, pretrained, metric, value):
    if pretrained == "failed":
        write(tmp_path, "mamba-130m", "pretrained", "dart", status="failed")
    write(tmp_path, "mamba-130m", "bitfit", "dart", status="failed")
    other = write(tmp_path, "mamba-130m", "lora@linear", "dart")
    ours, _ = Results(tmp_path, "quick", range(1)).measured(point("dart", metric))
    assert ours["mean"] == value and "problems" not in ours
    # which is where the number leads to
    assert ours["cells"] == [other]


def test_the_cell_itself_goes_first_and_other_data_scales_and_tokenizers_tell_nothing(tmp_path):
    write(tmp_path, "mamba-130m", "bitfit", "dart", sizes=1)
    own = write(tmp_path, "mamba-130m", "pretrained", "dart", sizes=2)
    write(tmp_path, "s4-deep", "bitfit", "cifar10", sizes=3)
    write(tmp_path, "mamba-130m", "bitfit", "samsum", scale="real", sizes=4)
    results = Results(tmp_path, "quick", range(1))
    ours, _ = results.measured(point("dart", "data.sizes.train"))
    assert ours["mean"] == 2 and ours["cells"] == [own]
    for dataset in ("cifar10", "samsum", "glue-rte"):
        ours, value = results.measured(point(dataset, "data.sizes.train"))
        assert value is None and ours["problems"] == [f"{ours['cells'][0]}: not run"]


def test_a_score_is_told_by_its_own_cell_alone(tmp_path):
    write(tmp_path, "mamba-130m", "lora@linear", "dart")
    table = Exhibit.load(SPECS / "table08.yaml")
    other = next(point for point in table.points if point.metric.startswith("val.") and point.method == "full")
    assert Results(tmp_path, "quick", range(1)).measured(other)[1] is None
