"""Where data come from, and which official split plays which role."""

import json

import datasets
import pytest
from official_files import write_dart, write_glue, write_tokenizer

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data import dataset
from ssmpeft_lib.data._task import Example
from ssmpeft_lib.plan import manifest, registry


@pytest.mark.parametrize("n", [5, 7, 10, 2490, 3668, 7000, 8551])
def test_cut_is_that_of_datasets(n):
    peer = datasets.Dataset.from_dict({"i": list(range(n))}).train_test_split(test_size=0.2, seed=123)
    kept, cut = sources.cut_indices(n)
    assert kept.tolist() == peer["train"]["i"]
    assert cut.tolist() == peer["test"]["i"]


@pytest.mark.parametrize("name", registry.entries("data"))
def test_facts_of_table_6_are_complete(name):
    facts = registry.dataset_facts(name)
    assert set(facts.splits) == set(sources.ROLES)
    assert all(size > 0 for size in (*facts.sizes.values(), facts.max_seq_len, facts.epochs, facts.batch_size))


def splits_of(**sizes):
    return {name: [Example(f"{name} {i}", "0") for i in range(size)] for name, size in sizes.items()}


def test_val_is_cut_from_train():
    roles = sources.assign_roles("glue-rte", splits_of(train=10, dev=3))
    assert [len(roles[role]) for role in sources.ROLES] == [8, 2, 3]
    assert {example.input for example in roles["train"] + roles["val"]} == {f"train {i}" for i in range(10)}


@pytest.mark.parametrize("dataset", ["glue-qnli", "dart", "cifar10-pixels"])
@pytest.mark.parametrize("val", [None, "dev"])
def test_roles_that_share_one_split_get_disjoint_parts_of_it(dataset, val):
    override = {"train": "dev", "val": val, "test": "dev"}
    roles = sources.assign_roles(dataset, splits_of(dev=100), override)
    parts = [{example.input for example in roles[role]} for role in sources.ROLES]
    assert set.union(*parts) == {f"dev {i}" for i in range(100)} and sum(map(len, parts)) == 100
    # what is tested on is what the authors' rule cuts off
    only = sources.assign_roles(dataset, splits_of(dev=100), {"train": "dev", "val": None, "test": None})
    assert [e.input for e in roles["test"]] == [e.input for e in only["val"]]
    words = sources.describe_roles(dataset, override)
    assert len(set(words.values())) == 3 and all("dev" in text for text in words.values())


def test_val_and_test_may_not_be_one_split():
    with pytest.raises(ValueError, match="val .dev. and test .dev. share the split dev"):
        sources.assign_roles("glue-qnli", splits_of(train=9, dev=10), {"val": "dev"})


def test_a_role_without_examples_is_refused():
    with pytest.raises(ValueError, match="glue-rte: test has no example"):
        sources.assign_roles("glue-rte", splits_of(train=10, dev=0))


@pytest.mark.parametrize("text", ["train=dev", "[]", '{"train": 1}', "{", '"train"'])
def test_splits_on_a_command_line_are_json(text):
    with pytest.raises(ValueError, match="--splits .* is not JSON such as"):
        sources.parse_splits(text)
    with pytest.raises(ValueError, match="no role 'trian' in --splits .*did you mean 'train'"):
        sources.parse_splits('{"trian": "dev"}')


def rows_of(start, n):
    return [{"sentence1": f"one {i}", "sentence2": "two", "label": i % 2} for i in range(start, start + n)]


def test_shards_are_read_in_order_and_a_missing_one_is_named(tmp_path):
    import pyarrow
    import pyarrow.parquet

    for number in (2, 0, 1):
        table = pyarrow.Table.from_pylist(rows_of(2 * number, 2))
        pyarrow.parquet.write_table(table, tmp_path / f"train-{number:05}-of-00003.parquet")
    source = sources.Source("glue-rte", "files", tmp_path)
    assert [e.input.split("two")[0].split()[-1].strip("#") for e in source.read()["train"]][:1] == ["0"]
    assert len({e.input for e in source.read()["train"]}) == 6
    (tmp_path / "train-00001-of-00003.parquet").unlink()
    with pytest.raises(ValueError, match="train-00001-of-00003.parquet: this part is missing"):
        source.read()


@pytest.mark.parametrize(
    "name, contents, message",
    [
        ("train.tsv", "index\tsentence1\tsentence2\tlabel\n", "there is no row in this file"),
        ("train.json", "[]", "there is no row in this file"),
        ("train.jsonl", "", "there is no row in this file"),
        ("train.csv", "sentence1,sentence2,label\n", "there is no row in this file"),
        ("train.tsv", "version https://git-lfs.github.com/spec/v1\noid sha256:0\n", "this is a git-lfs pointer"),
        ("train.parquet", "PAR1 and no more", "not a whole Parquet file"),
        ("train.json", "[" * 100_000, "nested too deeply"),
        ("train.jsonl", "[" * 100_000, "line 1 is nested too deeply"),
        ("train.json", '[{"sentence1": 5, "sentence2": "b", "label": 1}]', r"entry 1 has \[5, 'b'\] for a text"),
    ],
)
def test_a_file_without_what_it_should_hold_is_named(tmp_path, name, contents, message):
    (tmp_path / name).write_text(contents, encoding="utf-8")
    with pytest.raises(ValueError, match=f"{name}: {message}"):
        sources.Source("glue-rte", "files", tmp_path).read()


def test_two_files_for_one_split_are_told(tmp_path):
    write_glue("glue-rte", tmp_path / "old", train=4)
    write_glue("glue-rte", tmp_path / "z", train=9)
    with pytest.warns(
        UserWarning, match="old/train.tsv is read; not read, though its name fits as well: .*z/train.tsv"
    ):
        assert len(sources.Source("glue-rte", "files", tmp_path).read()["train"]) == 4


def test_a_folder_without_files_of_a_data_set_says_what_it_holds(tmp_path):
    (tmp_path / "train.tsv.gz").touch()
    with pytest.raises(LookupError, match=r"found: train.tsv.gz\); unpack .gz files"):
        sources.Source("glue-rte", "files", tmp_path).read()
    with pytest.raises(LookupError, match="there is no such folder"):
        sources.find("glue-rte", "real", tmp_path / "none")


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


def test_a_miniature_is_written_and_read(tmp_path, monkeypatch):
    made = []

    def write(name, folder, seed):
        made.append(seed)
        write_glue(name, folder, train=4, dev=2)

    monkeypatch.setattr(registry.load("data", "glue-rte"), "write_miniature", write)
    found = sources.find("glue-rte", "quick", miniatures=tmp_path)
    assert found.kind == "miniature" and made == [0]
    assert set(found.read()) == {"train", "dev"}
    assert [path.name for path in tmp_path.iterdir()] == ["glue-rte"]


def test_failed_miniature_leaves_nothing(tmp_path, monkeypatch):
    def write(name, folder, seed):
        (folder / "train.tsv").write_text("half", encoding="utf-8")
        raise KeyboardInterrupt

    monkeypatch.setattr(registry.load("data", "glue-rte"), "write_miniature", write)
    with pytest.raises(KeyboardInterrupt):
        sources.miniature("glue-rte", tmp_path)
    assert [path for path in tmp_path.iterdir() if path.suffix != ".lock"] == []


def labelled(kind, labels):
    if kind == "tsv":
        return "sentence\tlabel\n\n" + "".join(f"a film\t{label}\n" for label in labels)
    if kind == "csv":
        return "sentence,label\n" + "".join(f'"a\nfilm",{label}\n' for label in labels)
    return "\n".join(f'\n{{"sentence": "a film", "label": "{label}"}}' for label in labels)


@pytest.mark.parametrize("kind, line", [("tsv", 4), ("csv", 5), ("jsonl", 4)])
def test_a_message_names_the_line_as_an_editor_counts_it(tmp_path, kind, line):
    """Header lines, blank lines and lines within a field included."""
    (tmp_path / f"dev.{kind}").write_text(labelled(kind, ["0", "seven", "1"]), encoding="utf-8", newline="")
    with pytest.raises(ValueError, match=rf"dev.{kind}: line {line} has the label 'seven'"):
        dataset("glue-sst2").read_files("glue-sst2", tmp_path)


def test_wrong_columns_are_listed(tmp_path):
    (tmp_path / "dev.tsv").write_text("phrase\ttarget\na\t1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="dev.tsv: line 1 has the label 'target'"):
        dataset("glue-sst2").read_files("glue-sst2", tmp_path)
    (tmp_path / "dev.tsv").unlink()
    (tmp_path / "dev.jsonl").write_text('{"phrase": "a", "target": 1}\n', encoding="utf-8")
    with pytest.raises(ValueError, match="the columns sentence, label; it has phrase, target"):
        dataset("glue-sst2").read_files("glue-sst2", tmp_path)


def test_every_example_says_where_it_is_from():
    splits = {name: [Example(f"{name} {i}", "0") for i in range(20)] for name in ("train", "dev")}
    for role, examples in sources.assign_roles("glue-sst2", splits).items():
        origins = [example.origin for example in examples]
        assert len(set(origins)) == len(examples)
        for example in examples:
            split, _, number = example.origin.partition(":")
            assert example.input == f"{split} {number}" and split == ("dev" if role == "test" else "train")


def test_what_a_loader_warns_of_is_told_at_the_end_of_a_run_too(tmp_path, capsys):
    """A log is read by nobody: two files that fit, and rows that were left out."""
    folder = tmp_path / "files" / "glue" / "SST-2"
    for name in ("a", "z"):
        write_glue("glue-sst2", folder / name, train=10, dev=5)
    with (folder / "a" / "dev.tsv").open("a", encoding="utf-8") as file:
        file.write("a film without a label\t\n")
    tokenizer = write_tokenizer(tmp_path / "tokenizer.json")
    manifest.write(tmp_path / "manifest.json", {}, [tokenizer])
    output = tmp_path / "results" / "real" / "data" / "stand-in" / "glue-sst2.json"
    words = ["prepare-data", "real", "glue-sst2", "--data-dir", str(tmp_path / "files"), "--output", str(output)]
    with pytest.warns(UserWarning) as told:
        assert main([*words, "--tokenizer", str(tokenizer)]) == 0
    assert len(told) == 3
    main(["summary", "--scale", "real", "--results", str(tmp_path / "results")])
    shown = capsys.readouterr().out
    assert shown.count("warning: glue-sst2: ") == 3
    assert "a/train.tsv is read; not read" in shown and "left out 1 rows without sentence or label" in shown


@pytest.mark.parametrize("name", ["train.tsv.gz", "data-00000-of-00001.arrow"])
def test_files_of_other_names_are_listed_with_what_to_do(tmp_path, name):
    (tmp_path / name).write_bytes(b"\x1f\x8b")
    with pytest.raises(LookupError, match=rf"found: {name}.*unpack .gz files, and save .* as Parquet or JSON lines"):
        sources.Source("glue-rte", "files", tmp_path).read()


def test_dart_is_read_from_parquet_as_from_json(tmp_path):
    import pyarrow
    import pyarrow.parquet

    write_dart(tmp_path / "json", dev=5)
    rows = json.loads((tmp_path / "json" / "dart-v1.1.1-full-dev.json").read_text(encoding="utf-8"))
    (tmp_path / "parquet").mkdir()
    columns = [{key: row[key] for key in ("tripleset", "annotations")} for row in rows]
    pyarrow.parquet.write_table(
        pyarrow.Table.from_pylist(columns), tmp_path / "parquet" / "validation-00000-of-00001.parquet"
    )
    read = [dataset("dart").read_files("dart", tmp_path / kind) for kind in ("json", "parquet")]
    assert read[0] == read[1] and len(read[0]["dev"]) == 5
