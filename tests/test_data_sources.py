"""Where data come from, and which official split plays which role."""

import datasets
import pytest
from official_files import write_dart, write_glue

from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data._task import Example
from ssmpeft_lib.plan import registry


@pytest.mark.parametrize("n", [5, 7, 10, 2490, 3668, 7000, 8551])
def test_cut_is_that_of_datasets(n):
    peer = datasets.Dataset.from_dict({"i": list(range(n))}).train_test_split(test_size=0.2, seed=123)
    kept, cut = sources.cut_indices(n)
    assert kept.tolist() == peer["train"]["i"]
    assert cut.tolist() == peer["test"]["i"]


@pytest.mark.parametrize("name", registry.entries("data"))
def test_facts_of_table_6_are_complete(name):
    facts = registry.facts("data", name)
    assert {"train", "val", "test", "max_seq_len", "epochs", "batch_size", "folder", "splits"} <= set(facts)
    assert set(facts["splits"]) == set(sources.ROLES)


def splits_of(**sizes):
    return {name: [Example(f"{name} {i}", "0") for i in range(size)] for name, size in sizes.items()}


def test_val_is_cut_from_train():
    roles = sources.assign_roles("glue-rte", splits_of(train=10, dev=3))
    assert [len(roles[role]) for role in sources.ROLES] == [8, 2, 3]
    assert {example.input for example in roles["train"] + roles["val"]} == {f"train {i}" for i in range(10)}


def test_test_may_be_the_part_cut_from_train():
    roles = sources.assign_roles("glue-qnli", splits_of(dev=10), {"train": "dev", "test": "dev"})
    assert [len(roles[role]) for role in sources.ROLES] == [8, 2, 2]
    assert roles["val"] == roles["test"]
    assert not {example.input for example in roles["train"]} & {example.input for example in roles["test"]}


def test_splits_may_be_joined_and_test_left_out():
    roles = sources.assign_roles("glue-mnli", splits_of(train=5, dev_matched=2, dev_mismatched=3))
    assert [example.input for example in roles["test"]] == [
        "dev_matched 0", "dev_matched 1", "dev_mismatched 0", "dev_mismatched 1", "dev_mismatched 2"
    ]  # fmt: skip
    assert list(sources.assign_roles("glue-mnli", splits_of(train=5), {"test": None})) == ["train", "val"]


def test_dart_may_train_on_dev(tmp_path):
    splits = registry.load("data", "dart").read_files("dart", write_dart(tmp_path, dev=10, test=6))
    roles = sources.assign_roles("dart", splits, {"train": "dev", "val": None})
    kept, _ = sources.cut_indices(10)
    assert len(roles["train"]) == sum(1 + i % 3 for i in kept)
    assert len(roles["val"]) == 2


def test_missing_split_says_what_there_is():
    with pytest.raises(LookupError, match=r"train is to be .* 'train', which was not found \(found: dev\).*train: dev"):
        sources.assign_roles("glue-rte", splits_of(dev=3))


def test_partial_overlap_with_train_is_refused():
    with pytest.raises(ValueError, match=r"test \(dev\) and train \(train\+dev\) share a split"):
        sources.assign_roles("glue-rte", splits_of(train=5, dev=3), {"train": "train+dev"})


@pytest.mark.parametrize("place", ["glue/RTE", "RTE", "GLUE/rte", "rte"])
def test_files_are_found_in_any_spelling(tmp_path, place):
    write_glue("glue-rte", tmp_path / place, train=3)
    source = sources.find("glue-rte", "real", tmp_path)
    assert source.kind == "files"
    assert list(source.read()) == ["train"]


def test_real_needs_files_and_paper_takes_the_hub(tmp_path):
    with pytest.raises(LookupError, match=f"no files of glue-rte .looked in: {tmp_path}/glue/RTE"):
        sources.find("glue-rte", "real", tmp_path)
    assert sources.find("glue-rte", "paper", tmp_path).kind == "hub"
    assert sources.find("glue-rte", "paper").kind == "hub"


def test_folder_with_no_known_file_is_an_error(tmp_path):
    (tmp_path / "RTE").mkdir()
    (tmp_path / "RTE" / "notes.md").write_text("nothing", encoding="utf-8")
    with pytest.raises(LookupError, match="RTE holds no file of glue-rte"):
        sources.find("glue-rte", "real", tmp_path).read()


def test_digest_follows_contents(tmp_path):
    source = sources.Source("glue-rte", "files", write_glue("glue-rte", tmp_path, train=3))
    before = source.digest()
    (tmp_path / "train.tsv").touch()
    assert source.digest() == before
    (tmp_path / "train.tsv").write_text(
        (tmp_path / "train.tsv").read_text(encoding="utf-8").replace("0th", "1st"), encoding="utf-8"
    )
    assert source.digest() != before


def test_miniature_is_made_once(tmp_path, monkeypatch):
    made = []

    def write(name, folder, seed):
        made.append(seed)
        write_glue(name, folder, train=4, dev=2)

    monkeypatch.setattr(registry.load("data", "glue-rte"), "write_miniature", write)
    first, second = (sources.find("glue-rte", "quick", miniatures=tmp_path) for _ in range(2))
    assert first == second and first.kind == "miniature" and made == [0]
    assert set(first.read()) == {"train", "dev"}
    assert [path.name for path in tmp_path.iterdir()] == [first.folder.name]


def test_failed_miniature_leaves_nothing(tmp_path, monkeypatch):
    def write(name, folder, seed):
        (folder / "train.tsv").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    monkeypatch.setattr(registry.load("data", "glue-rte"), "write_miniature", write)
    with pytest.raises(KeyboardInterrupt):
        sources.miniature("glue-rte", tmp_path)
    assert list(tmp_path.iterdir()) == []
