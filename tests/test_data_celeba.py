"""CelebA: lists and images in every layout, answers, groups, damaged files; and the random tokens of Sec. D.9."""

import io
import zipfile
from collections import Counter

import numpy as np
import pytest
from PIL import Image
from reference import shared

from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _images, celeba, random_tokens
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data._source import Source
from ssmpeft_lib.metrics import multilabel, score_all

SPLITS = {"000001.jpg": 0, "000002.jpg": 0, "000003.jpg": 1, "000004.jpg": 2}


def jpeg(seed, size=(178, 218)):
    """A smooth picture, which JPEG keeps nearly as it is."""
    rng = np.random.default_rng(seed)
    small = Image.fromarray(rng.integers(0, 256, (4, 4, 3), dtype=np.uint8))
    target = io.BytesIO()
    small.resize(size, Image.Resampling.BICUBIC).save(target, "JPEG", quality=95)
    return target.getvalue()


def values(seed):
    return np.random.default_rng(seed).choice(["-1", " 1"], 40)


def write(folder, layout="txt"):
    folder.mkdir(parents=True, exist_ok=True)
    images = {name: jpeg(i) for i, name in enumerate(SPLITS)}
    rows = {name: values(i) for i, name in enumerate(SPLITS)}
    if layout == "csv":
        lines = [
            ",".join(["image_id", *celeba.ATTRIBUTES]),
            *(",".join([n, *map(str.strip, v)]) for n, v in rows.items()),
        ]
        (folder / "list_attr_celeba.csv").write_text("\n".join(lines), encoding="utf-8")
        parts = ["image_id,partition", *(f"{name},{part}" for name, part in SPLITS.items())]
        (folder / "list_eval_partition.csv").write_text("\n".join(parts), encoding="utf-8")
    else:
        lines = ["4", " ".join(celeba.ATTRIBUTES) + " ", *(f"{name} {' '.join(v)}" for name, v in rows.items())]
        (folder / "list_attr_celeba.txt").write_text("\r\n".join(lines) + "\r\n", encoding="utf-8")
        (folder / "list_eval_partition.txt").write_text(
            "".join(f"{name} {part}\n" for name, part in SPLITS.items()), encoding="utf-8"
        )
    if layout == "zip":
        with zipfile.ZipFile(folder / "img_align_celeba.zip", "w") as archive:
            for name, contents in images.items():
                archive.writestr(f"img_align_celeba/{name}", contents)
    else:
        (folder / "img_align_celeba" / "img_align_celeba").mkdir(parents=True)
        for name, contents in images.items():
            (folder / "img_align_celeba" / "img_align_celeba" / name).write_bytes(contents)
    return folder


@pytest.mark.parametrize("layout", ["txt", "csv", "zip"])
def test_every_layout(tmp_path, layout):
    splits = celeba.read_files("celeba", write(tmp_path, layout))
    assert {split: len(examples) for split, examples in splits.items()} == {"train": 2, "val": 1, "test": 1}
    answers = [example.label.split() for example in splits["train"] + splits["val"] + splits["test"]]
    assert answers == [["1" if value == " 1" else "0" for value in values(i)] for i in range(4)]


def test_image_is_the_face_in_32_by_32(tmp_path):
    (example,) = celeba.read_files("celeba", write(tmp_path))["test"]
    numbers = np.array([int(word) for word in example.input.removesuffix("###").split(" ")]).reshape(32, 32, 3)
    whole = np.asarray(Image.open(io.BytesIO(jpeg(3))), dtype=float)
    left, upper, right, lower = celeba.FACE
    blocks = whole[upper:lower, left:right].reshape(32, 4, 32, 4, 3).mean((1, 3))
    assert np.abs(numbers - blocks).max() <= 6


def test_length_with_the_paper_s_tokenizer(tmp_path):
    source = Source("celeba", "files", write(tmp_path / "celeba"))
    data = encode.prepare("celeba", source, shared("data/tokenizer/20B_tokenizer.json"), tmp_path / "cache")
    assert data.description["max_seq_len"] == celeba.DATASETS["celeba"]["max_seq_len"] == 3114


def test_miniature_is_small_and_grey(tmp_path):
    example = Source("celeba", "miniature", write(tmp_path)).read()["test"][0]
    assert len(example.input.split(" ")) == 64


def test_groups_are_those_of_the_paper():
    assert Counter(celeba.LEVELS) == {"e": 13, "m": 14, "h": 13}
    assert set(celeba.EASY) | set(celeba.HARD) <= set(celeba.ATTRIBUTES) and len(set(celeba.ATTRIBUTES)) == 40
    assert not set(celeba.EASY) & set(celeba.HARD)


def test_hub(monkeypatch):
    import datasets

    rows = [
        {
            "image": {"bytes": jpeg(1), "path": None},
            "celeb_id": 1,
            **dict.fromkeys(celeba.ATTRIBUTES, False),
            "Male": True,
        }
    ]
    features = datasets.Features(
        {"image": datasets.Image(), "celeb_id": datasets.Value("int64")}
        | {name: datasets.Value("bool") for name in celeba.ATTRIBUTES}
    )
    loaded = datasets.DatasetDict(
        {name: datasets.Dataset.from_list(rows, features=features) for name in ("train", "valid", "test")}
    )
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments: loaded)
    splits = celeba.read_hub("celeba")
    assert set(splits) == {"train", "val", "test"}
    assert splits["val"][0].label.split().index("1") == celeba.ATTRIBUTES.index("Male")


@pytest.mark.parametrize(
    "name, spoil, says",
    [
        ("list_attr_celeba.txt", ("Bald", "Hairy"), "attr_celeba.txt: the line that names the 40 attributes"),
        ("list_attr_celeba.txt", ("000002.jpg", "000002.jpg 1"), "attr_celeba.txt: line 4 must be a file name and 40"),
        (
            "list_attr_celeba.txt",
            ("000002.jpg", "000002.jpg 7\n"),
            "attr_celeba.txt: line 4 must be a file name and 40",
        ),
        ("list_attr_celeba.txt", ("000002", "000009"), "partition.txt: 000002.jpg is listed in train, and a line in "),
        ("list_eval_partition.txt", ("3.jpg 1", "3.jpg 5"), "partition.txt: line 3 must be a file name and 0, 1 or 2"),
        (
            "list_eval_partition.txt",
            ("000003", "../../3"),
            "partition.txt: ../../3.jpg is listed in val, and a line in ",
        ),
    ],
)
def test_damaged_lists_are_named(tmp_path, name, spoil, says):
    path = write(tmp_path) / name
    path.write_text(path.read_text(encoding="utf-8").replace(*spoil), encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        celeba.read_files("celeba", tmp_path)


@pytest.mark.parametrize("contents", [b"", b"not an image", jpeg(0)[:300], b"GIF89a" + b"\xff" * 50])
def test_damaged_images_are_named(tmp_path, contents):
    path = write(tmp_path) / "img_align_celeba" / "img_align_celeba" / "000002.jpg"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match="000002.jpg: cannot be read as an image"):
        celeba.read_files("celeba", tmp_path)


def test_too_large_images_are_refused_before_they_are_decoded(tmp_path):
    path = write(tmp_path) / "img_align_celeba" / "img_align_celeba" / "000002.jpg"
    target = io.BytesIO()
    Image.new("1", (5_000, 5_000)).save(target, "PNG")
    path.write_bytes(target.getvalue())
    with pytest.raises(ValueError, match="5000 x 5000 pixels, and no more than 10,000,000 are read"):
        celeba.read_files("celeba", tmp_path)
    assert 178 * 218 < _images.MAX_PIXELS


def test_multilabel_scores(tmp_path):
    examples = celeba.read_files("celeba", write(tmp_path))["train"]
    right = [example.label for example in examples]
    assert multilabel.score(right, examples) == dict.fromkeys(multilabel.reduce(np.ones(6)), 100)
    words = right[0].split()
    hard = celeba.LEVELS.index("h")
    words[hard] = "1" if words[hard] == "0" else "0"
    found = multilabel.score([" ".join(words), right[1]], examples)
    assert found == pytest.approx(
        {"average_accuracy": 98.75, "overall_easy": 100, "overall_medium": 100, "overall_hard": 50, "overall_all": 50}
    )
    half = " ".join(right[0].split()[:20])
    assert multilabel.score([half, ""], examples)["average_accuracy"] == 25
    assert score_all(celeba.task("celeba"), right, examples)["score"] == 100


def test_random_tokens(tmp_path):
    source = sources.find("random-tokens", "quick")
    assert source == sources.find("random-tokens", "paper")
    data = encode.prepare("random-tokens", source, shared("data/tokenizer/20B_tokenizer.json"), tmp_path / "encoded")
    train = data.splits["train"]
    assert len(train) == 2500 * 4
    assert set(train.lengths) == {375} and 4 * 375 == 1500
    ids = np.stack([train.input_ids(i) for i in range(500)])
    assert 0 <= ids.min() and ids.max() < random_tokens.VOCABULARY
    assert abs(ids.mean() - 499.5) < 5
    assert (train.batch([0, 1])["labels"] >= 0).sum() == 2 * random_tokens.LABEL_LEN
