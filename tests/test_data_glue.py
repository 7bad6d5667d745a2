"""GLUE: sizes of Table 6, the traps of the real files, every layout, the hub's form."""

import json
import zipfile

import pytest
from official_files import GLUE_HEADERS, glue_row, write_glue
from reference import shared

from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data import glue
from ssmpeft_lib.plan import registry

TASKS = list(glue.DATASETS)
SLOW = {"glue-qqp", "glue-mnli", "glue-qnli", "glue-sst2"}


@pytest.mark.parametrize("name", [pytest.param(name, marks=pytest.mark.slow if name in SLOW else ()) for name in TASKS])
def test_sizes_are_those_of_table_6(name, tmp_path):
    facts = glue.DATASETS[name]
    official = {"train": facts["train"] + facts["val"], "dev": facts["test"]}
    if name == "glue-mnli":
        official = {"train": official["train"], "dev_matched": 9815, "dev_mismatched": 9832}
    splits = glue.read_files(name, write_glue(name, tmp_path, **official))
    roles = sources.assign_roles(name, splits)
    assert {role: len(examples) for role, examples in roles.items()} == {key: facts[key] for key in sources.ROLES}


@pytest.mark.parametrize("name", TASKS)
def test_rows_become_examples(name, tmp_path):
    split = "dev_matched" if name == "glue-mnli" else "dev"
    (examples,) = glue.read_files(name, write_glue(name, tmp_path, **{split: 3})).values()
    first = '"The 0th sentence .' + (" " if name == "glue-sst2" else "")
    second = "A second one , 0###" if len(glue._FORMS[name].texts) == 2 else ""
    assert examples[0].input == f"{first}###{second}"
    assert [example.label for example in examples] == (["0", "1", "2"] if name == "glue-mnli" else ["0", "1", "0"])


@pytest.mark.parametrize("name", TASKS)
def test_task_has_a_word_for_each_class(name):
    task = glue.task(name)
    assert task.instruction.endswith(": ###")
    assert all(f"'{label}' if" in task.instruction for label in task.labels)
    assert task.headline == ("matthews" if name == "glue-cola" else "accuracy")


def test_group_lists_every_task():
    assert set(registry.groups()["glue"]) == set(TASKS)


def test_real_qnli_dev():
    examples = glue.read_files("glue-qnli", shared("data/glue/QNLI"))["dev"]
    assert len(examples) == glue.DATASETS["glue-qnli"]["test"] == 5463
    assert sum(example.input.count('"') % 2 for example in examples) == 90  # rows with an unbalanced quote
    assert {example.label for example in examples} == {"0", "1"}
    assert all(example.input.count("###") >= 2 for example in examples)


def test_real_mnli_dev():
    examples = glue.read_files("glue-mnli", shared("data/glue/MNLI"))["dev_matched"]
    assert len(examples) == 9815
    assert {example.label for example in examples} == {"0", "1", "2"}


def test_windows_line_ends_byte_order_mark_and_missing_last_newline(tmp_path):
    text = "\r\n".join([GLUE_HEADERS["glue-rte"], glue_row("glue-rte", 0), glue_row("glue-rte", 1)])
    (tmp_path / "train.tsv").write_bytes(b"\xef\xbb\xbf" + text.encode())
    examples = glue.read_files("glue-rte", tmp_path)["train"]
    assert [example.label for example in examples] == ["0", "1"]


def test_other_control_characters_do_not_split_lines(tmp_path):
    # str.splitlines would split at each of these.
    odd = "one\x0btwo\x0cthree\x85four\u2028five\rsix"
    (tmp_path / "dev.tsv").write_text(f"sentence\tlabel\n{odd}\t1\n", encoding="utf-8", newline="")
    (example,) = glue.read_files("glue-sst2", tmp_path)["dev"]
    assert example.input == f"{odd}###"


@pytest.mark.parametrize("name", [name for name in TASKS if glue._FORMS[name].columns])
def test_header_line_may_be_missing(name, tmp_path):
    (tmp_path / "dev.tsv").write_text("\n".join(glue_row(name, i) for i in range(2)), encoding="utf-8")
    assert [example.label for example in glue.read_files(name, tmp_path)["dev"]] == ["0", "1"]


def test_missing_header_with_other_columns_is_an_error(tmp_path):
    (tmp_path / "dev.tsv").write_text("a sentence\t1\t7\n", encoding="utf-8")
    with pytest.raises(ValueError, match="dev.tsv: the first line has 3 fields and is no header.*sentence, label"):
        glue.read_files("glue-sst2", tmp_path)


def test_rows_with_missing_fields_are_left_out_with_a_warning(tmp_path):
    lines = [GLUE_HEADERS["glue-qqp"], glue_row("glue-qqp", 0), "7\t8\t9\tonly one question", glue_row("glue-qqp", 1)]
    (tmp_path / "train.tsv").write_text("\n".join(lines), encoding="utf-8")
    with pytest.warns(UserWarning, match="train.tsv: left out 1 rows"):
        assert len(glue.read_files("glue-qqp", tmp_path)["train"]) == 2


def test_wrong_file_is_an_error(tmp_path):
    (tmp_path / "train.tsv").write_text("a\tb\n1\t2\n", encoding="utf-8")
    with pytest.raises(ValueError, match="train.tsv"):
        glue.read_files("glue-mnli", tmp_path)


def test_unknown_label_names_file_and_row(tmp_path):
    (tmp_path / "dev.tsv").write_text("sentence\tlabel\nfine\t1\nodd\t7\n", encoding="utf-8")
    with pytest.raises(ValueError, match=r"dev.tsv: line 3 has the label '7' \(allowed: negative, positive, 0, 1\)"):
        glue.read_files("glue-sst2", tmp_path)


def test_not_utf8_names_the_byte(tmp_path):
    (tmp_path / "dev.tsv").write_bytes(b"sentence\tlabel\ncaf\xe9\t1\n")
    with pytest.raises(ValueError, match="dev.tsv: not UTF-8 at byte 18"):
        glue.read_files("glue-sst2", tmp_path)


def test_mrpc_as_microsoft_distributes_it(tmp_path):
    write_glue("glue-mrpc", tmp_path, msr_paraphrase_train=10)
    (tmp_path / "msr_paraphrase_train.tsv").rename(tmp_path / "msr_paraphrase_train.txt")
    (tmp_path / "dev_ids.tsv").write_text("3\t4\n8\t9\n", encoding="utf-8")
    splits = glue.read_files("glue-mrpc", tmp_path)
    assert {name: len(examples) for name, examples in splits.items()} == {"train": 8, "dev": 2}
    assert splits["dev"][0].input.startswith('"The 3th')


def test_cola_as_its_authors_distribute_it(tmp_path):
    raw = tmp_path / "cola_public" / "raw"
    write_glue("glue-cola", raw, in_domain_train=4, in_domain_dev=2, out_of_domain_dev=3)
    splits = glue.read_files("glue-cola", tmp_path)
    # as in GLUE, whose dev split is both
    assert {name: len(examples) for name, examples in splits.items()} == {"train": 4, "dev": 5}
    (raw / "out_of_domain_dev.tsv").unlink()
    with pytest.raises(ValueError, match="in_domain_dev.tsv: out_of_domain_dev.tsv is missing beside it"):
        glue.read_files("glue-cola", tmp_path)


def test_json_lines_archive_and_parquet(tmp_path):
    import pyarrow
    import pyarrow.parquet

    rows = [{"sentence1": f"one {i}", "sentence2": "two", "label": i % 2, "idx": i} for i in range(3)]
    (tmp_path / "l").mkdir()
    (tmp_path / "l" / "dev.jsonl").write_text("\n".join(map(json.dumps, rows)), encoding="utf-8")
    (tmp_path / "p").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "p" / "validation-00000-of-00001.parquet")
    (tmp_path / "z").mkdir()
    with zipfile.ZipFile(tmp_path / "z" / "RTE.zip", "w") as archive:
        archive.write(write_glue("glue-rte", tmp_path / "t", dev=3) / "dev.tsv", "RTE/dev.tsv")
    lines, parquet, archive = (glue.read_files("glue-rte", tmp_path / kind)["dev"] for kind in "lpz")
    assert lines == parquet
    assert [example.label for example in lines] == ["0", "1", "0"]
    assert archive == glue.read_files("glue-rte", tmp_path / "t")["dev"]


def test_hub(monkeypatch):
    import datasets

    rows = [{"premise": "a", "hypothesis": "b", "label": 2, "idx": 0}]
    names = ("train", "validation_matched", "validation_mismatched", "test_matched", "test_mismatched")
    asked = []

    def load_dataset(*arguments):
        asked.append(arguments)
        return datasets.DatasetDict({name: datasets.Dataset.from_list(rows) for name in names})

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    splits = glue.read_hub("glue-mnli")
    assert asked == [("nyu-mll/glue", "mnli")]
    assert set(splits) == {"train", "dev_matched", "dev_mismatched"}
    assert splits["train"][0].input == "a###b###" and splits["train"][0].label == "2"
