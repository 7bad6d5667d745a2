"""Accuracy and Matthews correlation against scikit-learn, and what becomes of answers outside the label set."""

import numpy as np
import pytest
from sklearn.metrics import accuracy_score, matthews_corrcoef

from ssmpeft_lib.data._task import Example
from ssmpeft_lib.metrics import accuracy, matthews

LABELS = ("0", "1", "2")


def examples_of(labels):
    return [Example("", label) for label in labels]


def drawn(seed, n=300, answers=("0", "1", "2", "entailment", "")):
    rng = np.random.default_rng(seed)
    true = [str(label) for label in rng.integers(0, 3, n)]
    predicted = [t if rng.random() < 0.5 else str(rng.choice(answers)) for t in true]
    return true, predicted


@pytest.mark.parametrize("seed", range(5))
def test_strict_agrees_with_sklearn(seed):
    true, predicted = drawn(seed)
    examples = examples_of(true)
    assert accuracy.score(predicted, examples, labels=LABELS)["accuracy"] == pytest.approx(
        100 * accuracy_score(true, predicted)
    )
    merged = [p if p in LABELS else "other" for p in predicted]
    assert matthews.score(predicted, examples, labels=LABELS)["matthews"] == pytest.approx(
        100 * matthews_corrcoef(true, merged)
    )


@pytest.mark.parametrize("metric, peer", [(accuracy, accuracy_score), (matthews, matthews_corrcoef)])
def test_upstream_drops_answers_outside_the_labels(metric, peer):
    true, predicted = drawn(7)
    kept = [(t, p) for t, p in zip(true, predicted, strict=True) if p in LABELS]
    found = metric.score(predicted, examples_of(true), "upstream", LABELS)
    name = metric.__name__.rpartition(".")[2]
    assert found[name] == pytest.approx(100 * peer(*zip(*kept, strict=True)))
    assert found["dropped"] == len(true) - len(kept) > 0


def test_dropping_flatters_a_model_that_answers_nonsense():
    examples = examples_of("01" * 10)
    predicted = ["0", "1", *["nonsense"] * 18]
    assert accuracy.score(predicted, examples)["accuracy"] == 10
    assert accuracy.score(predicted, examples, "upstream") == {"accuracy": 100, "dropped": 18}


def test_nothing_left_to_score_is_absent_not_zero():
    assert accuracy.score(["x", "y"], examples_of("01"), "upstream") == {"dropped": 2}
    assert matthews.score(["x", "y"], examples_of("01"))["matthews"] == 0


@pytest.mark.parametrize("predicted", ["0000", "1111"])
def test_matthews_of_constant_answers_is_zero(predicted):
    assert matthews.score(list(predicted), examples_of("0101"))["matthews"] == 0


def test_label_outside_the_label_set_is_an_error():
    with pytest.raises(ValueError, match="the label '7', which is none of 0, 1"):
        accuracy.score(["0"], examples_of("7"), labels=("0", "1"))
