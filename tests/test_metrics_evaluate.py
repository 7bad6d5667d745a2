"""The metrics through the library `evaluate`, as its users load them: by path, with no network."""

from pathlib import Path

import evaluate
import pytest
from official_files import write_spider

from ssmpeft_lib.data import spider
from ssmpeft_lib.metrics import loadable
from ssmpeft_lib.plan import registry

FOLDER = Path(loadable.__file__).parent


def loaded(name, tmp_path):
    return evaluate.load(str(FOLDER / f"{name}.py"), cache_dir=str(tmp_path))


def test_what_can_be_loaded_are_metrics():
    """A metric need not be offered to `evaluate`; the pipeline scores with it all the same."""
    files = {path.stem for path in FOLDER.glob("*.py")} - {"__init__"}
    assert files <= set(registry.files("metrics"))


@pytest.mark.parametrize("name", ["accuracy", "matthews"])
def test_labels(name, tmp_path):
    metric = loaded(name, tmp_path)
    answers, labels = ["0", "1", "x", "1"], ["0", "1", "1", "1"]
    strict = metric.compute(predictions=answers, references=labels, labels=["0", "1"])
    upstream = metric.compute(predictions=answers, references=labels, labels=["0", "1"], variant="upstream")
    assert strict[name] < upstream[name] == 100
    assert upstream["dropped"] == 1


@pytest.mark.parametrize(
    "name, keys", [("bleu", ["bleu"]), ("meteor", ["meteor"]), ("rouge", ["rouge1", "rouge2", "rougeL"])]
)
def test_texts(name, keys, tmp_path):
    metric = loaded(name, tmp_path)
    answers = ["the cat sat on the mat", "a dog barked at the moon"]
    several = [["the cat sat on the mat", "a cat sat"], ["the dog barked at the moon"]]
    single = [texts[0] for texts in several]
    assert list(metric.compute(predictions=answers, references=several)) == keys
    for value in metric.compute(predictions=answers, references=single).values():
        assert 50 < value < 100
    # One batch after the other, as `evaluate` is used in loops.
    metric.add_batch(predictions=answers[:1], references=several[:1])
    metric.add(prediction=answers[1], reference=several[1])
    assert list(metric.compute()) == keys


def test_queries(tmp_path):
    examples = spider.read_files("spider", write_spider(tmp_path / "spider"))["dev"]
    references = [
        {
            "query": example.references[0],
            "database": example.info["database"],
            "hardness": example.info["hardness"],
            "same_column": [list(pair) for pair in example.info["same_column"].items()],
        }
        for example in examples
    ]
    metric = loaded("spider_exec", tmp_path)
    answers = [example.label for example in examples]
    assert metric.compute(predictions=answers, references=references)["exec_easy"] == 100
    answers[0] = "select 1"
    for variant in ("exec_single", "upstream"):
        assert metric.compute(predictions=answers, references=references, variant=variant)["exec_all"] == 80
    bare = [{**reference, "hardness": "unknown", "same_column": []} for reference in references]
    assert metric.compute(predictions=answers, references=bare) == {"exec_all": 80}


def test_groups(tmp_path):
    metric = loaded("multilabel", tmp_path)
    references = [{"answer": "1 0 1 1", "levels": "emhh"}]
    found = metric.compute(predictions=["1 0 0 1"], references=references)
    assert found == {
        "average_accuracy": 75,
        "overall_easy": 100,
        "overall_medium": 100,
        "overall_hard": 0,
        "overall_all": 0,
    }


@pytest.mark.parametrize(
    "options, error, says",
    [
        ({"variant": "nonsense"}, LookupError, "no variant 'nonsense' in this metric .have: "),
        ({"variant": ""}, LookupError, "no variant ''"),
        ({"variant": 7}, LookupError, "no variant '7'"),
        ({"nonsense": 1}, TypeError, "nonsense"),
    ],
)
@pytest.mark.parametrize("name", sorted({path.stem for path in FOLDER.glob("*.py")} - {"__init__"}))
def test_nothing_given_is_swallowed(name, options, error, says, tmp_path):
    reference = {
        "multilabel": {"answer": "a", "levels": "e"},
        "spider_exec": {"query": "select 1", "database": "none", "hardness": "easy", "same_column": []},
    }
    metric = loaded(name, tmp_path)
    with pytest.raises(error, match=says):
        metric.compute(predictions=["a"], references=[reference.get(name, "a")], **options)


@pytest.mark.parametrize("name, error", [("accuracy", "one text"), ("matthews", "one text"), ("bleu", "labels")])
def test_labels_are_a_list_of_words_where_there_are_any(name, error, tmp_path):
    with pytest.raises(TypeError, match=error):
        loaded(name, tmp_path).compute(predictions=["ab"], references=["ab"], labels="ab")
