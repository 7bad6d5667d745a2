"""Numbers that are none, losses that run away and answers that never vary: caught, told, and in no average."""

from __future__ import annotations

import math

import pytest
import torch
import yaml
from sklearn.metrics import matthews_corrcoef
from torch import nn

from ssmpeft_lib import ops
from ssmpeft_lib.__main__ import main
from ssmpeft_lib.compare.join import exhibit_document
from ssmpeft_lib.compare.results import Results
from ssmpeft_lib.data._task import Example, Task
from ssmpeft_lib.generation import generate
from ssmpeft_lib.metrics import score_all
from ssmpeft_lib.plan import paths
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.costs import SPECS
from ssmpeft_lib.plan.exhibit import Exhibit, Point
from ssmpeft_lib.plan.results import RESULTS_VERSION, write_metrics
from ssmpeft_lib.runs import notebook_report as report
from ssmpeft_lib.runs.many_rates import outcome, train_side_by_side
from ssmpeft_lib.runs.open import adapt_run, open_run
from ssmpeft_lib.training.loop import Diverged, Trainer, Watch
from ssmpeft_lib.training.recipe import Recipe

PRECISIONS = pytest.mark.parametrize("precision", ["fp32", "bf16"])
DATASETS = pytest.mark.parametrize("dataset", ["glue-sst2", "dart"])


def opened(results, method="lora@linear", dataset="glue-sst2", **overrides):
    small = {"steps": 6, "train_examples": 64, "eval_examples": 16, "max_new_tokens": 4}
    run = open_run(Cell("quick", "mamba-130m", method, dataset, 0), results, small | overrides)
    adapt_run(run)
    return run


@pytest.mark.parametrize("clip", [1.0, None])
@pytest.mark.parametrize("gradient", [math.nan, math.inf])
def test_a_gradient_that_is_no_number_ends_the_run_in_its_last_step_too(clip, gradient):
    parameter = nn.Parameter(torch.tensor([1.0, 2.0]))
    parameter.register_hook(lambda own: own * torch.tensor([1.0, gradient]))
    trainer = Trainer([{"params": [parameter], "lr": 0.5}], Recipe(0.5, precision="fp32", clip=clip), total_steps=1)
    with pytest.raises(Diverged, match=r"norm of the gradient is (nan|inf) at step 0; lower .* \(it is 0.5\)"):
        trainer.take(lambda: parameter.square().sum())
    assert parameter.tolist() == [1.0, 2.0] and trainer.norms == []


@pytest.mark.parametrize("clip", [1e-3, None])
def test_the_history_has_the_norms_of_the_gradients_before_they_are_clipped(results, clip):
    run, same = opened(results, clip=clip, evaluations=6), opened(results)
    next(same.problem.losses(0))().backward()
    expected = torch.cat([parameter.grad.flatten() for parameter in same.trained.values()]).norm().item()
    run.train()
    first, *_, last = run.progress.history
    assert first["grad_norm"] == first["max_grad_norm"] == pytest.approx(expected, rel=1e-4)
    assert last["max_grad_norm"] > 1e-3
    assert f"Gradient norm: {first['grad_norm']:.3g} in the mean at first" in report.learning_curve(run).text


def test_a_loss_that_runs_away_ends_the_run_unless_all_steps_are_wanted(results):
    def running_away():
        run = opened(results, learning_rate=1e-3, steps=30)
        losses = run.problem.losses
        # the untouched model's loss is near that of a uniform guess
        run.problem.losses = lambda seed, first=0: (
            lambda loss=loss, step=step: loss() * (1 + 10 * (step > 3)) for step, loss in enumerate(losses(seed, first))
        )
        return run

    with pytest.raises(Diverged, match=r"stays above 1[34][\d.]* at step 19; lower the learning rate \(it is 0.001\)"):
        running_away().train()
    assert running_away().train(to_the_end=True).step == 30


def test_a_watch_goes_on_where_it_was():
    losses = [1.0, 1.0, 3.0, 3.0, 3.0]
    whole, first, second = (Watch(uniform=2.5, steps=3) for _ in range(3))
    expected = [whole.ran_away(loss) for loss in losses]
    found = [first.ran_away(loss) for loss in losses[:2]]
    second.load_state_dict(first.state_dict())
    assert found + [second.ran_away(loss) for loss in losses[2:]] == expected == [False] * 4 + [True]


@PRECISIONS
@DATASETS
def test_answers_of_a_model_that_computes_no_numbers_are_no_answers(results, dataset, precision):
    """The largest of some logits is found even where one is NaN."""
    run = opened(results, dataset=dataset, precision=precision)
    run.train()
    with torch.no_grad():
        run.model.get_output_embeddings().weight[5] = math.nan
    for ask in (run.validation_score, lambda: run.score("test")):
        with pytest.raises(Diverged, match="not all finite.* at step 6; lower the learning rate"):
            ask()
    run.progress.step = 0
    with pytest.raises(FloatingPointError, match="not all finite"):
        run.score("test")
    for beams in (1, 3):
        with pytest.raises(FloatingPointError, match="no token is the likeliest"):
            generate(run.model, [[1, 2, 3]], 4, 0, beams)


@PRECISIONS
def test_a_rate_whose_model_answers_with_no_numbers_is_a_diverged_one(results, precision):
    """The loss of the only step is one of the untouched model."""
    rates = (1e37, 1e-3)
    run = opened(results, "full", steps=1, precision=precision)
    versions = train_side_by_side(run, rates, [None, None])
    diverged, fine = (outcome(run, version) for version in versions)
    assert diverged["status"] == "diverged" and "not all finite at step 1; lower" in diverged["message"]
    assert "(it is 1e+37)" in diverged["message"] and fine["status"] == "ok"


@PRECISIONS
def test_a_rate_whose_gradient_is_no_number_leaves_the_others_alone(results, precision, monkeypatch):
    update = Trainer.update

    def broken(self):
        if self.recipe.learning_rate == 1e-2 and self.step == 2:
            self.parameters[0].grad[:] = math.inf
        update(self)

    monkeypatch.setattr(Trainer, "update", broken)
    run = opened(results, precision=precision)
    broken_one, fine = train_side_by_side(run, (1e-2, 1e-3), [None, None])
    assert outcome(run, broken_one)["message"].startswith("the norm of the gradient is inf at step 2; lower")
    assert outcome(run, fine)["steps"] == 6


@pytest.mark.parametrize("kind", [torch.bfloat16, torch.float32])
@pytest.mark.parametrize("scale", [1e4, 1e18])
def test_scans_of_large_numbers_stay_numbers(kind, scale):
    """A step of 10,000 decays to nothing, and a gradient that is 0 times infinity would be NaN."""
    torch.manual_seed(0)
    u, delta = torch.randn(2, 6, 40), torch.full((2, 6, 40), 1e4)
    A, B, C = -torch.rand(6, 4) * 16, torch.randn(2, 4, 40), torch.randn(2, 4, 40)
    inputs = [tensor.to(kind).requires_grad_() for tensor in (u * scale, delta, B, C)]
    backends = [name for name, state in ops.backends().items() if state.available and name in ("torch", "cpp", "naive")]
    assert "torch" in backends
    for backend in backends:
        y = ops.selective_scan(inputs[0], inputs[1], A, inputs[2], inputs[3], backend=backend)
        assert y.dtype == kind and y.isfinite().all(), backend
        gradients = torch.autograd.grad(y.float().sum(), inputs)
        assert all(gradient.isfinite().all() for gradient in gradients), backend


def test_a_failed_run_is_in_no_average_and_its_step_and_rate_are_told(tmp_path):
    for seed, score in enumerate((70.0, None, 74.0)):
        cell = Cell("quick", "mamba-130m", "lora@linear", "glue-sst2", seed)
        document = {"schema": 1, "status": "ok", "cell": str(cell), "made_by": {"results_version": RESULTS_VERSION}}
        if score is None:
            message = "the norm of the gradient is nan at step 5; lower the learning rate (it is 0.4)"
            document |= {"status": "failed", "error": {"type": "Diverged", "message": message}}
        else:
            document |= {"test": {"accuracy": score}, "recipe": {}, "data": {}, "cost": {}, "history": []}
        write_metrics(tmp_path / paths.metrics_file(cell), document)
    point = Point("table", "r", "c", "mamba-130m", "lora@linear", "glue-sst2", "test.accuracy", None, 1, "higher")
    ours, value = Results(tmp_path, "quick", range(3)).measured(point)
    assert ours["mean"] == value.mean == 72.0 and list(ours["by_seed"]) == ["0", "2"]
    assert len(ours["problems"]) == 1 and "at step 5; lower the learning rate (it is 0.4)" in ours["problems"][0]


def test_scores_with_nan_are_not_written(tmp_path):
    document = {"schema": 1, "status": "ok", "cell": "c", "recipe": {}, "data": {}, "cost": {}, "history": []}
    made_by = {"results_version": RESULTS_VERSION}
    for path, broken in (
        ("test.accuracy", {"test": {"accuracy": math.nan}}),
        ("history.0.train_loss", {"history": [{"step": 1, "train_loss": math.inf}]}),
    ):
        with pytest.raises(ValueError, match=f"{path} is (nan|inf)"):
            write_metrics(tmp_path / "metrics.json", document | {"made_by": made_by} | broken)
    assert not any(tmp_path.iterdir())


LABELLED = Task("", ("0", "1"), ("matthews",), "matthews")


@pytest.mark.parametrize(
    "answers, labels, note",
    [
        ("1111", "0110", "Matthews 0 by definition, as all answers are the same"),
        ("xxxx", "0110", "Matthews 0 by definition, as all answers are the same"),
        ("0110", "1111", "Matthews 0 by definition, as all labels are the same"),
        ("1111", "1111", "Matthews 0 by definition, as all answers and all labels are the same"),
        ("0110", "0101", None),
    ],
)
def test_a_correlation_of_what_never_varies_is_told_to_be_zero_by_definition(answers, labels, note):
    found = score_all(LABELLED, list(answers), [Example("", label) for label in labels])
    assert found["matthews"] == pytest.approx(100 * matthews_corrcoef(list(labels), list(answers)))
    assert found.get("note", {}).get("matthews") == note
    assert found["answers"]["distinct"] == len(set(answers))
    assert found["answers"]["most_frequent_pct"] == 100 * answers.count(found["answers"]["most_frequent"]) / 4


def test_the_most_frequent_answer_and_its_share_stand_beside_the_score(results, tmp_path, capsys):
    run = opened(results)
    run.problem.answers = lambda split: ["1"] * 16
    run.score("val"), run.score("test")
    assert "accuracy" in (text := report.scores(run).text) and text.count("'1', 100.0\u00a0%") == 2
    run.save(tmp_path / run.cell.path)
    main(["summary", "--scale", "quick", "--results", str(tmp_path)])
    assert f"1 cells gave all test examples one answer: {run.cell}" in capsys.readouterr().out


def test_a_generated_text_is_counted_and_not_passed_on_with_the_scores(results):
    run = opened(results, dataset="dart")
    run.problem.answers = lambda split: ["a text"] * 12 + ["another"] * 4
    assert run.score("test")["answers"] == {"distinct": 2, "most_frequent_pct": 75.0}


def test_a_note_on_a_score_reaches_the_table_the_notebook_and_the_summary(results, tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("ssmpeft_lib.metrics.meteor._wordnet", lambda: None)
    run = opened(results, dataset="dart")
    run.score("val"), run.score("test")
    run.save(tmp_path / run.cell.path)
    assert "test: METEOR without WordNet" in report.scores(run).text
    spec = yaml.safe_load((SPECS / "table08.yaml").read_text(encoding="utf-8"))
    kept = spec | {"rows": [row for row in spec["rows"] if row["method"] == run.cell.method], "claims": []}
    (tmp_path / "table08.yaml").write_text(yaml.safe_dump(kept), encoding="utf-8")
    exhibit = Exhibit.load(tmp_path / "table08.yaml")
    document = exhibit_document(exhibit, "quick", range(1), tmp_path, {})
    (note,) = (note for note in document["notes"] if note["title"] == "About our scores")
    assert "NLTK_DATA" in note["text"] and f"`{run.cell}`" in note["text"]
    for scale, told in (("quick", False), ("real", True)):
        (tmp_path / "quick").rename(tmp_path / scale)
        main(["summary", "--scale", scale, "--results", str(tmp_path)])
        assert ("warning: METEOR without WordNet" in capsys.readouterr().out) == told


@pytest.mark.parametrize("scale, told", [("paper", True), ("quick", False)])
def test_the_plan_warns_of_data_that_a_metric_lacks(scale, told, capsys, monkeypatch, tmp_path):
    monkeypatch.setattr("ssmpeft_lib.metrics.meteor._wordnet", lambda: None)
    main(["plan", "--scale", scale, "--results", str(tmp_path)])
    assert ("warning: METEOR without WordNet" in capsys.readouterr().out) == told
