"""SAMSum: sizes, line ends, the empty chat, archives, the hub's forms."""

import io
import json
import tarfile
import zipfile

import pytest

from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data import samsum

SIZES = {"train": 14732, "val": 818, "test": 819}


def chats(n):
    """Chats with CRLF line ends, as most of the original's have; the last one is empty."""
    rows = [
        {"id": f"13818{i}", "summary": f"Amanda baked {i} cookies.", "dialogue": f"Amanda: {i}?\r\nJerry: Sure!"}
        for i in range(n)
    ]
    return [*rows[:-1], {**rows[-1], "dialogue": ""}]


def write(folder, **sizes):
    for split, n in sizes.items():
        (folder / f"{split}.json").write_text(json.dumps(chats(n)), encoding="utf-8")
    return folder


def test_sizes_are_those_of_table_6(tmp_path):
    roles = sources.assign_roles("samsum", samsum.read_files("samsum", write(tmp_path, **SIZES)))
    assert {role: len(examples) for role, examples in roles.items()} == SIZES
    assert {role: samsum.DATASETS["samsum"][role] for role in sources.ROLES} == SIZES


def test_chats_stay_as_they_are(tmp_path):
    first, last = samsum.read_files("samsum", write(tmp_path, val=2))["val"]
    assert first.input == "Amanda: 0?\r\nJerry: Sure!###"
    assert first.references == (first.label,) == ("Amanda baked 0 cookies.",)
    assert last.input == "###"
    assert samsum.task("samsum").instruction == ""


def archive(path, members):
    """An archive of the kind that the name says."""
    if path.suffix == ".zip":
        with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as target:
            for name, contents in members.items():
                target.writestr(name, contents)
    elif path.suffix == ".7z":
        py7zr = pytest.importorskip("py7zr")
        with py7zr.SevenZipFile(path, "w") as target:
            for name, contents in members.items():
                target.writestr(contents, name)
    else:
        with tarfile.open(path, "w:gz") as target:
            for name, contents in members.items():
                info = tarfile.TarInfo(name)
                info.size = len(contents)
                target.addfile(info, io.BytesIO(contents))


@pytest.mark.parametrize("name", ["corpus.7z", "corpus.zip", "corpus.tar.gz"])
def test_archive(tmp_path, name):
    members = {f"{split}.json": json.dumps(chats(3)).encode() for split in SIZES}
    archive(tmp_path / name, members)
    splits = samsum.read_files("samsum", tmp_path)
    assert {split: len(examples) for split, examples in splits.items()} == dict.fromkeys(SIZES, 3)


@pytest.mark.parametrize("name", ["corpus.zip", "corpus.tar.gz"])
def test_archive_writes_nothing_anywhere(tmp_path, name):
    folder = tmp_path / "a" / "b"
    folder.mkdir(parents=True)
    members = {f"../../{split}.json": json.dumps(chats(3)).encode() for split in SIZES}
    archive(folder / name, {**members, "/tmp/ssmpeft-evil.json": b"[]"})
    before = sorted(tmp_path.rglob("*"))
    assert set(samsum.read_files("samsum", folder)) == set(SIZES)
    assert sorted(tmp_path.rglob("*")) == before


def test_link_in_an_archive_is_not_followed(tmp_path):
    secret = tmp_path / "secret.json"
    secret.write_text(json.dumps(chats(2)), encoding="utf-8")
    (tmp_path / "data").mkdir()
    with tarfile.open(tmp_path / "data" / "corpus.tar", "w") as target:
        link = tarfile.TarInfo("train.json")
        link.type, link.linkname = tarfile.SYMTYPE, str(secret)
        target.addfile(link)
    assert samsum.read_files("samsum", tmp_path / "data") == {}


@pytest.mark.slow
@pytest.mark.parametrize("name", ["corpus.zip", "corpus.tar.gz", "corpus.7z"])
def test_what_unpacks_to_too_much_is_refused(tmp_path, name, monkeypatch):
    from ssmpeft_lib.data import _files

    monkeypatch.setattr(_files, "MAX_BYTES", 10_000)
    archive(tmp_path / name, {"train.json": b" " * 50_000_000})
    with pytest.raises(ValueError, match="train.json: more than 10,000 bytes"):
        samsum.read_files("samsum", tmp_path)


@pytest.mark.parametrize("name", ["corpus.zip", "corpus.tar.gz", "corpus.7z"])
def test_damaged_archive_is_named(tmp_path, name):
    if name.endswith("7z"):
        pytest.importorskip("py7zr")
    (tmp_path / name).write_bytes(b"not an archive")
    with pytest.raises(ValueError, match=f"{name}: the archive cannot be read"):
        samsum.read_files("samsum", tmp_path)


def test_entry_without_summary_is_named(tmp_path):
    (tmp_path / "test.json").write_text(json.dumps([*chats(2), {"dialogue": "x", "id": "1"}]), encoding="utf-8")
    with pytest.raises(
        ValueError, match="test.json: entry 3 has no dialogue or no summary in words; it has dialogue, id"
    ):
        samsum.read_files("samsum", tmp_path)


def test_csv_of_the_mirror(tmp_path):
    text = 'id,dialogue,summary\r\n1,"A: ""hi""\r\nB: yo",They greet.\r\n'
    (tmp_path / "validation.csv").write_text(text, newline="", encoding="utf-8")
    (example,) = samsum.read_files("samsum", tmp_path)["val"]
    assert example.input == 'A: "hi"\r\nB: yo###'


def test_hub_takes_the_mirror_last(monkeypatch):
    import datasets

    asked = []

    def load_dataset(path, *arguments, **options):
        asked.append(path)
        if path != "knkarthick/samsum":
            raise datasets.exceptions.DatasetNotFoundError("gone")
        rows = [{"id": "1", "dialogue": None, "summary": "s"}]
        return datasets.DatasetDict(
            {name: datasets.Dataset.from_list(rows) for name in ("train", "validation", "test")}
        )

    monkeypatch.setattr(datasets, "load_dataset", load_dataset)
    splits = samsum.read_hub("samsum")
    assert asked == ["Samsung/samsum", "parquet", "knkarthick/samsum"]
    assert set(splits) == set(SIZES) and splits["val"][0].input == "###"


@pytest.mark.parametrize("dialogue", [5, ["a"], {"a": 1}, True])
def test_a_dialogue_that_is_no_text_is_named(tmp_path, dialogue):
    (tmp_path / "test.json").write_text(json.dumps([{"dialogue": dialogue, "summary": "x"}]), encoding="utf-8")
    with pytest.raises(ValueError, match="test.json: entry 1 has no dialogue or no summary in words"):
        samsum.read_files("samsum", tmp_path)


def test_a_field_longer_than_the_csv_reader_s_default_is_read(tmp_path):
    (tmp_path / "test.csv").write_text(f"dialogue,summary\n{'a' * 200_000},b\n", encoding="utf-8")
    assert len(samsum.read_files("samsum", tmp_path)["test"][0].input) > 200_000
