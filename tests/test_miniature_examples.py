"""The miniatures are fair: nothing tested on is trained on, labels are balanced and not given away."""

from __future__ import annotations

import json
from collections import Counter
from itertools import chain
from pathlib import Path

import numpy as np
import pytest
from miniatures import GENERATED, GLUE, examples, written
from sklearn.feature_extraction.text import CountVectorizer
from sklearn.linear_model import LogisticRegression

from ssmpeft_lib.data import dataset
from ssmpeft_lib.plan import registry

EVERY = pytest.mark.parametrize("name", GENERATED)
PAIRS = [name for name, (_, _, columns, _) in GLUE.items() if len(columns) == 2]


def contents(folder: Path) -> dict[str, bytes]:
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}


@EVERY
def test_the_same_seed_gives_the_same_bytes_and_another_does_not(name, tmp_path):
    for folder, seed in (("same", 0), ("other", 1)):
        dataset(name).write_miniature(name, tmp_path / folder, seed)
    same, other = contents(tmp_path / "same"), contents(tmp_path / "other")
    before = contents(written())
    assert same and all(before[path] == data for path, data in same.items())
    assert any(other[path] != data for path, data in same.items())


@EVERY
def test_no_input_occurs_twice(name):
    inputs = [text for split in examples(name).values() for text, _ in split]
    assert len(inputs) == len(set(inputs))


@EVERY
def test_sizes(name):
    train, *others = examples(name).values()
    expected = {"glue": (1280, [256]), "dart": (1024, [64, 128]), "samsum": (1024, [64, 128])} | {
        "spider": (1280, [128]), "cifar10": (1280, [256]), "celeba": (640, [128, 256])
    }  # fmt: skip
    rows, rest = expected[name.partition("-")[0]]
    assert len(train) == rows
    assert list(map(len, others)) == ([128, 128] if name == "glue-mnli" else rest)


@pytest.mark.parametrize("name", [*GLUE, "cifar10"])
def test_labels_are_balanced_in_every_split(name):
    for split in examples(name).values():
        counts = Counter(label for _, label in split).values()
        assert max(counts) - min(counts) <= len(counts)


@pytest.mark.parametrize("name", GLUE)
def test_the_order_of_rows_tells_nothing(name):
    for split in examples(name).values():
        labels = [label for _, label in split]
        repeats = np.mean([one == other for one, other in zip(labels, labels[1:], strict=False)])
        assert abs(repeats - 1 / len(set(labels))) < 4 * 0.5 / np.sqrt(len(labels))


@pytest.mark.parametrize("name", GLUE)
def test_no_sentence_holds_a_separator_a_digit_or_a_label(name):
    labels = {"entail", "neutral", "contradict", "accept", "equivalent", "positive", "negative"}
    for sentences, _ in chain.from_iterable(examples(name).values()):
        for sentence in sentences:
            assert "#" not in sentence and not any(map(str.isdigit, sentence))
            assert not any(label in sentence for label in labels)


@pytest.mark.parametrize("name, side", [(name, side) for name in PAIRS for side in (0, 1)])
def test_one_sentence_of_a_pair_does_not_give_the_label_away(name, side):
    """A linear model on words and pairs of words of one sentence: at chance, but for MNLI, as on the real one."""
    train, *others = examples(name).values()
    test = list(chain.from_iterable(others))
    words = CountVectorizer(ngram_range=(1, 2), token_pattern=r"\S+")
    features = words.fit_transform([sentences[side] for sentences, _ in train])
    model = LogisticRegression(C=0.1, max_iter=300).fit(features, [label for _, label in train])
    score = model.score(words.transform([sentences[side] for sentences, _ in test]), [label for _, label in test])
    assert score < (0.75 if name == "glue-mnli" else 0.58)


@pytest.mark.parametrize("name", ["dart", "samsum"])
def test_what_is_to_be_said_can_be_read(name):
    """Every content word of the answer is in the input or in many other answers."""
    splits = examples(name)
    everywhere = Counter(word for _, text in splits["train"] for word in set(text.strip(".").split()))
    for sentences, text in splits["test"]:
        given = " ".join(sentences).replace(":", " ").split()
        rare = [word for word in text.strip(".").split() if everywhere[word] < 0.15 * len(splits["train"])]
        assert all(any(word in other for other in given) for word in rare)


def test_spider_has_the_hardness_spread_of_the_original():
    """By the official rules, which the loader applies; the shares are those of Table 10 (App. C.2)."""
    for split in registry.load("data", "spider").read_files("spider", written() / "spider").values():
        levels = Counter(example.info["hardness"] for example in split)
        shares = [levels[level] / len(split) for level in ("easy", "medium", "hard", "extra")]
        assert np.allclose(shares, [0.25, 0.4, 0.2, 0.15], atol=0.03)


def test_development_databases_of_spider_are_new():
    databases = {
        split: {row["db_id"] for row in json.loads((written() / f"spider/{split}.json").read_text(encoding="utf-8"))}
        for split in ("train_spider", "dev")
    }
    assert not databases["train_spider"] & databases["dev"]
