"""score_all and the bootstrap."""

import subprocess
import sys

import numpy as np
import pytest

from ssmpeft_lib.data._task import Example, Task
from ssmpeft_lib.metrics import score_all
from ssmpeft_lib.metrics._scoring import bootstrap, load
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.schema import check_against_schema

TASK = Task("", ("0", "1"), ("accuracy", "matthews"), "matthews")


def test_score_all():
    examples = [Example("", label) for label in "0101010101"]
    predictions = list("010101010") + ["x"]
    found = score_all(TASK, predictions, examples)
    assert found["accuracy"] == 90 and found["n"] == 10
    assert found["score"] == found["matthews"]
    assert found["upstream"]["accuracy"] == 100 and found["upstream"]["dropped"] == 1
    assert set(found["variant"]) == {"accuracy", "upstream.accuracy", "matthews", "upstream.matthews"}
    low, high = found["ci"]["accuracy"]
    assert 60 <= low < 90 <= high <= 100
    assert found["ci"]["upstream.accuracy"] == [100, 100]
    metrics = {"schema": 1, "status": "ok", "cell": "c", "recipe": {}, "data": {}, "cost": {}, "history": []}
    check_against_schema({**metrics, "made_by": {"results_version": 1}, "val": found, "test": found}, "metrics", "m")
    assert score_all(TASK, predictions, examples, intervals=False)["ci"] == {}


def test_scores_are_the_same_each_time():
    examples = [Example("", label) for label in "01" * 20]
    predictions = list("0110" * 10)
    assert score_all(TASK, predictions, examples) == score_all(TASK, predictions, examples)


@pytest.mark.parametrize(
    "predictions, examples, says", [([], [], "no examples"), (["0"], [Example("", "0")] * 2, "1 pred")]
)
def test_bad_input(predictions, examples, says):
    with pytest.raises(ValueError, match=says):
        score_all(TASK, predictions, examples)


def test_unknown_metric():
    with pytest.raises(LookupError, match="no metric 'acuracy'.*did you mean 'accuracy'"):
        load("acuracy")


def mean(sums):
    return {"mean": sums[..., 0] / sums[..., 1]}


def test_interval_has_the_width_of_the_normal_approximation():
    rng = np.random.default_rng(0)
    for values in (rng.random(2000), (rng.random(2000) < 0.3).astype(float)):
        low, high = bootstrap(np.stack([values, np.ones(2000)], 1), mean, resamples=4000)["mean"]
        expected = 1.96 * values.std() / np.sqrt(2000)
        assert low == pytest.approx(values.mean() - expected, rel=0.02)
        assert high == pytest.approx(values.mean() + expected, rel=0.02)


def test_interval_covers_the_truth_about_as_often_as_it_says():
    rng = np.random.default_rng(1)
    covered = 0
    for seed in range(200):
        values = rng.random(100)
        low, high = bootstrap(np.stack([values, np.ones(100)], 1), mean, resamples=400, seed=seed)["mean"]
        covered += low <= 0.5 <= high
    assert 180 <= covered <= 199


def test_resampling_equals_resampling_of_examples():
    """Drawing counts of distinct rows is drawing examples: same mean and spread of the sums."""
    table = np.array([[1.0, 1], [0, 1], [0, 1], [1, 1], [0.5, 1]])
    low, high = bootstrap(table, mean, resamples=20000)["mean"]
    drawn = np.random.default_rng(5).integers(0, 5, (20000, 5))
    peer = np.percentile(table[drawn, 0].mean(1), [2.5, 97.5])
    assert [low, high] == pytest.approx(peer.tolist(), abs=1e-12)


@pytest.mark.parametrize("folder", ["data", "metrics"])
def test_importing_is_cheap(folder):
    modules = ["data._encode", "data._source", *(f"{folder}.{name}" for name in registry.files(folder))]
    heavy = ("torch", "transformers", "evaluate", "datasets", "nltk", "sacrebleu", "rouge_score", "pandas", "PIL")
    code = f"import sys; {'; '.join(f'import ssmpeft_lib.{name}' for name in modules)}; "
    code += f"print([name for name in {heavy!r} if name in sys.modules])"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, encoding="utf-8", cwd=registry.PACKAGE.parent
    )
    assert done.stdout.strip() == "[]", done.stderr


@pytest.mark.parametrize("name", registry.files("metrics"))
def test_every_metric_keeps_the_contract(name):
    metric = load(name)
    for variant in metric.VARIANTS:
        assert metric.describe(variant)
    assert callable(metric.score) and callable(metric.statistics) and callable(metric.reduce)
