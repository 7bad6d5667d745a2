"""CIFAR-10: batches of both kinds, sizes and text of the paper, and pickles that try to run code."""

import io
import os
import pickle
import tarfile

import numpy as np
import pytest

from ssmpeft_lib.data import _encode as encode
from ssmpeft_lib.data import _source as sources
from ssmpeft_lib.data import cifar10
from ssmpeft_lib.data._pickles import loads
from ssmpeft_lib.data._source import Source


def batch(n, seed=0):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, (n, 3072), dtype=np.uint8), [int(label) for label in rng.integers(0, 10, n)]


def pickled(rows, labels, keys=bytes, protocol=2):
    names = ("data", "labels", "batch_label", "filenames")
    values = (rows, labels, b"training batch 1 of 5", [b"a.png"] * len(labels))
    return pickle.dumps(
        {keys(name, "ascii") if keys is bytes else name: v for name, v in zip(names, values, strict=True)}, protocol
    )


def write(folder, n=20, layout="python"):
    """Five training batches and a test batch of n images each."""
    folder.mkdir(parents=True, exist_ok=True)
    names = [*(f"data_batch_{number}" for number in range(1, 6)), "test_batch"]
    files = {}
    for seed, name in enumerate(names):
        rows, labels = batch(n, seed)
        if layout == "binary":
            files[f"{name}.bin"] = np.hstack([np.array(labels, np.uint8)[:, None], rows]).tobytes()
        else:
            files[name] = pickled(rows, labels)
    if layout == "archive":
        with tarfile.open(folder / "cifar-10-python.tar.gz", "w:gz") as target:
            for name, contents in files.items():
                info = tarfile.TarInfo(f"cifar-10-batches-py/{name}")
                info.size = len(contents)
                target.addfile(info, io.BytesIO(contents))
    else:
        for name, contents in files.items():
            (folder / name).write_bytes(contents)
    return folder


@pytest.mark.parametrize("layout", ["python", "binary", "archive"])
def test_every_layout(tmp_path, layout):
    images, labels = cifar10.read_images(write(tmp_path, layout=layout))["train"]
    rows, expected = batch(20, seed=1)
    assert images.shape == (100, 32, 32, 3) and labels[20:40] == expected
    # Red, green and blue planes become the three values of a pixel.
    assert images[20, 0, 1].tolist() == rows[0, [1, 1025, 2049]].tolist()
    assert images[20, 31, 31].tolist() == rows[0, [1023, 2047, 3071]].tolist()


def test_sizes_are_those_of_table_6():
    kept, cut = cifar10.cut_indices(50_000)
    facts = cifar10.DATASETS["cifar10"]
    assert (len(kept), len(cut), 10_000) == (facts["train"], facts["val"], facts["test"])
    assert sorted([*kept, *cut]) == list(range(50_000))


def test_cut_is_that_of_the_authors_code():
    import random

    order = list(range(10))
    random.Random(123).shuffle(order)
    kept, cut = cifar10.cut_indices(10)
    assert [*kept, *cut] == order and len(cut) == 2


def test_image_is_1728_numbers_of_its_middle(tmp_path):
    folder = write(tmp_path)
    example = cifar10.read_files("cifar10", folder)["test"][0]
    image = cifar10.read_images(folder)["test"][0][0]
    numbers = [int(word) for word in example.input.removesuffix("###").split(" ")]
    assert np.array_equal(np.reshape(numbers, (24, 24, 3)), image[4:28, 4:28])
    assert example.label in cifar10.task("cifar10").labels


def test_length_is_that_of_table_6(tmp_path):
    """1728 numbers, the separator and the label: one token each with the paper's tokenizer."""
    from reference import shared

    source = Source("cifar10", "files", write(tmp_path / "cifar10", n=4))
    data = encode.prepare("cifar10", source, shared("data/tokenizer/20B_tokenizer.json"), tmp_path / "cache")
    assert data.description["max_seq_len"] == cifar10.DATASETS["cifar10"]["max_seq_len"] == 1730
    assert data.description["sizes"] == {"train": 16, "val": 4, "test": 4}


def test_instruction():
    assert cifar10.task("cifar10").instruction == (
        "Decide if the following image shows a airplane (0), automobile (1), bird (2), cat (3), deer (4), dog (5), "
        "frog (6), horse (7), ship (8), truck (9): "
    )


def test_miniature_is_small_and_grey(tmp_path):
    source = Source("cifar10", "miniature", write(tmp_path))
    example = source.read()["test"][0]
    image = cifar10.read_images(tmp_path)["test"][0][0]
    numbers = [int(word) for word in example.input.removesuffix("###").split(" ")]
    assert len(numbers) == 64
    assert numbers[0] == int(image[4:7, 4:7].mean() * 10 / 256)
    assert numbers[-1] == int(image[25:28, 25:28].mean() * 10 / 256)


@pytest.mark.parametrize("protocol", range(5))
@pytest.mark.parametrize("keys", [bytes, str])
def test_pickles_of_every_protocol(tmp_path, protocol, keys):
    rows, labels = batch(3)
    (tmp_path / "test_batch").write_bytes(pickled(rows, labels, keys, protocol))
    images, found = cifar10.read_images(tmp_path)["test"]
    assert found == labels and images[2, 5, 7, 1] == rows[2, 1024 + 5 * 32 + 7]


def test_columns_first(tmp_path):
    rows, labels = batch(3)
    (tmp_path / "test_batch").write_bytes(pickled(np.asfortranarray(rows), labels))
    assert cifar10.read_images(tmp_path)["test"][0][1, 0, 0, 0] == rows[1, 0]


class Runs:
    """Pickles to a call."""

    def __init__(self, function, *arguments):
        self.call = function, arguments

    def __reduce__(self):
        return self.call


def evil(tmp_path):
    touch = f"touch {tmp_path}/ran"
    rows, labels = batch(2)
    reconstruct, arguments, _ = rows.__reduce__()
    kind = np.dtype("u1")
    return {
        "os.system": pickle.dumps(Runs(os.system, touch)),
        "in a field": pickle.dumps({b"data": rows, b"labels": [Runs(os.system, touch)]}),
        "eval": pickle.dumps(Runs(eval, f"__import__('os').system('{touch}')")),
        "getattr": b"cbuiltins\ngetattr\n(cos\nsystem\ntR.",
        "through numpy": f"cnumpy.testing._private.utils\nruncode\n(S'import os; os.system(\"{touch}\")'\ntR.".encode(),
        "numpy.load": b"cnumpy\nload\n(S'/etc/passwd'\ntR.",
        "dotted name": b"\x80\x04\x8c\x05numpy\x8c\x0ddtype.mro.__x\x93.",
        "huge array": pickle.dumps(Runs(np.ndarray, (10**12,))),
        "huge shape": pickle.dumps({b"data": Runs(reconstruct, *arguments), b"labels": []}).replace(
            b"K\x00\x85", b"J\xff\xff\xff\x7f\x85"
        ),
        "object array": pickle.dumps({b"data": np.array([None, {}], dtype=object), b"labels": [1]}),
        "odd kind": pickle.dumps({b"data": np.zeros(2, dtype=[("a", "u1"), ("b", "O")]), b"labels": [1]}),
        "kind only": pickle.dumps(kind),
        "persistent": b"Pos.system\n.",
        "extension": b"\x80\x02\x82\x01.",
        "deep": b"(" * 1000 + b"l" * 1000 + b".",
        "deep lists": b"]" * 100_000 + b"a" * 99_999 + b".",
        "not a pickle": b"hello",
        "empty": b"",
        "cut off": pickled(rows, labels)[:-500],
        "a list": pickle.dumps([1, 2]),
        "text": pickle.dumps("text"),
        "short data": pickled(rows[:, :-1], labels),
        "more labels": pickled(rows, [*labels, 1]),
        "label out of range": pickled(rows, [3, 17]),
        "labels of text": pickled(rows, ["3", "4"]),
    }


@pytest.mark.parametrize("name", evil("/tmp"))
def test_pickles_that_are_no_batches_are_refused_and_run_nothing(tmp_path, name):
    (tmp_path / "test_batch").write_bytes(evil(tmp_path)[name])
    with pytest.raises(ValueError, match="test_batch: "):
        cifar10.read_images(tmp_path)
    assert not (tmp_path / "ran").exists()


def test_a_pickle_cannot_change_what_stands_in_for_numpy():
    """BUILD sets attributes of the object before it."""
    for target in (b"cnumpy\nndarray\n", b"cnumpy._core.multiarray\n_reconstruct\n", b"c_codecs\nencode\n"):
        with pytest.raises(ValueError, match="not a pickle of plain data"):
            loads(target + b"(NS'__init__'\nI1\nd\x86b.", "file")
    rows, labels = batch(2)
    assert loads(pickled(rows, labels), "file")[b"labels"] == labels


def test_missing_batch_is_named(tmp_path):
    (write(tmp_path) / "data_batch_3").unlink()
    with pytest.raises(ValueError, match="4 of the 5 batches of train"):
        cifar10.read_files("cifar10", tmp_path)


def png(pixels):
    from PIL import Image

    target = io.BytesIO()
    Image.fromarray(pixels).save(target, "PNG")
    return target.getvalue()


def test_hub_and_its_parquet_files(tmp_path, monkeypatch):
    import datasets
    import pyarrow
    import pyarrow.parquet

    images, labels = cifar10.read_images(write(tmp_path / "files", n=2))["test"]
    rows = [
        {"img": {"bytes": png(image), "path": None}, "label": label}
        for image, label in zip(images, labels, strict=True)
    ]
    features = datasets.Features({"img": datasets.Image(), "label": datasets.Value("int64")})
    loaded = datasets.DatasetDict({"test": datasets.Dataset.from_list(rows, features=features)})
    monkeypatch.setattr(datasets, "load_dataset", lambda *arguments: loaded)
    expected = cifar10.read_files("cifar10", tmp_path / "files")["test"]
    assert cifar10.read_hub("cifar10")["test"] == expected
    (tmp_path / "p").mkdir()
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "p" / "test-00000-of-00001.parquet")
    assert cifar10.read_files("cifar10", tmp_path / "p")["test"] == expected


def test_sources_uses_the_data_set_s_own_cut(tmp_path):
    roles = sources.assign_roles("cifar10", cifar10.read_files("cifar10", write(tmp_path, n=2)))
    assert [len(roles[role]) for role in sources.ROLES] == [8, 2, 2]
    kept, _ = cifar10.cut_indices(10)
    assert roles["train"][0] == cifar10.read_files("cifar10", tmp_path)["train"][kept[0]]
