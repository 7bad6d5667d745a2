"""Hostile and damaged input, tried broadly: every parser answers in words that name the file and touches nothing else.

Together the tests try `SSMPEFT_FUZZ` inputs, 5,000 unless that says otherwise; `make fuzz` tries 100,000 new ones.
"""

from __future__ import annotations

import contextlib
import copy
import gzip
import hashlib
import io
import json
import os
import pickle
import shutil
import signal
import tarfile
import tempfile
import warnings
import zipfile
from functools import cache
from pathlib import Path

import numpy as np
import pytest
import yaml
from families import build
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from official_files import CONCERTS, GLUE_HEADERS, dart_entry, glue_row, write_spider_database
from PIL import Image
from reference import REPOSITORY

from ssmpeft_lib import adapt
from ssmpeft_lib.adapters import storage
from ssmpeft_lib.data import dataset
from ssmpeft_lib.data.celeba import ATTRIBUTES
from ssmpeft_lib.plan.archive import MANIFEST, unpack
from ssmpeft_lib.plan.cell import Cell, parse_method
from ssmpeft_lib.plan.config import Config
from ssmpeft_lib.plan.exhibit import Exhibit
from ssmpeft_lib.plan.manifest import NotPrepared
from ssmpeft_lib.plan.manifest import read as read_manifest
from ssmpeft_lib.plan.results import RESULTS_VERSION, read_metrics
from ssmpeft_lib.spider.grammar import parse

NIGHTLY = "SSMPEFT_FUZZ" in os.environ
INPUTS = int(os.environ.get("SSMPEFT_FUZZ", "5000"))
SECONDS = 60
"""After which one input counts as one that hangs, on a busy machine too."""

CELL = "quick/cells/mamba-130m/lora/dart/seed0"
CONFIG = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
EXHIBIT = yaml.safe_load((REPOSITORY / "workflow/exhibits/table08.yaml").read_text(encoding="utf-8"))
EXHIBIT["rows"] = EXHIBIT["rows"][:3]
EXHIBIT["claims"] = []
METRICS = {
    "schema": 1, "status": "ok", "cell": "quick/mamba-130m/lora/dart/seed0", "recipe": {"steps": 3}, "data": {},
    "test": {"bleu": 5.0, "ci": {"bleu": [1.0, 9.0]}}, "cost": {"steps": 3}, "history": [{"step": 3}],
    "made_by": {"results_version": RESULTS_VERSION},
}  # fmt: skip
CHAT = {"id": "1", "dialogue": "A: hi\r\nB: yo", "summary": "They greet."}
QUESTION = {"db_id": "concerts", "question": "How many singers?", "query": "SELECT count(*) FROM singer"}
SCHEMA = {"singer": ["singer_id", "name", "age"], "concert": ["concert_id", "singer_id"]}


def as_json(document) -> bytes:
    return json.dumps(document).encode()


def as_yaml(document) -> bytes:
    return yaml.safe_dump(document, allow_unicode=True).encode("utf-8", "surrogatepass")


def as_lines(rows) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in (rows if isinstance(rows, list) else [rows]))


def as_tar(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with tarfile.open(fileobj=file, mode="w") as tar:
        for name, contents in members.items():
            member = tarfile.TarInfo(name)
            member.size = len(contents)
            tar.addfile(member, io.BytesIO(contents))
    return file.getvalue()


def as_zip(members: dict[str, bytes]) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        for name, contents in members.items():
            archive.writestr(name, contents)
    return file.getvalue()


def manifest_of(members: dict[str, bytes]) -> bytes:
    files = {name: hashlib.sha256(contents).hexdigest() for name, contents in members.items()}
    return as_json({"format": 1, "results_version": RESULTS_VERSION, "files": files})


GLUE = "\n".join([GLUE_HEADERS["glue-qnli"], *(glue_row("glue-qnli", i) for i in range(4))]).encode() + b"\n"
XML = b"""<?xml version="1.0"?><benchmark><entries><entry><modifiedtripleset><mtriple>a | b | c</mtriple>
</modifiedtripleset><lex comment="">A text.</lex></entry></entries></benchmark>"""
FACES = "2\n{}\n{}\n{}\n".format(
    " ".join(ATTRIBUTES), "000001.jpg " + " ".join(["1"] * 40), "000002.jpg " + " ".join(["-1"] * 40)
).encode()
IMAGE = np.zeros((2, 3072), dtype=np.uint8)

# ---- how an input is made worse

ODD = st.sampled_from(
    [None, True, -1, 0, 10**30, 1e308, "", " ", "../x", "/etc/passwd", "\x00", "\ud800", "\u202e", "nan", "1e999",
     [], {}, [[]], {"": 1}, [None], "${HOME}", "%s", "{0}", "<script>", "a" * 3000]
)  # fmt: skip
WORDS = st.sampled_from(
    [b"\x00", b"\xff", b"\xef\xbb\xbf", b"\r\n", b"\n", b"\t", b'"', b"'", b"[" * 200, b"{", b"}", b",", b":", b"..",
     b"/", b"&a", b"*a", b"!!python/object:x", b"9" * 400, b"-", b"NaN", b"Infinity", b"\xed\xa0\x80", b"%", b"\\u0000",
     b"\\ud800"]
)  # fmt: skip


@st.composite
def damaged_bytes(draw, contents: bytes) -> bytes:
    """Contents after some cuts, flips, insertions, repetitions."""
    for _ in range(draw(st.integers(1, 3))):
        at, to = sorted((draw(st.integers(0, len(contents))), draw(st.integers(0, len(contents)))))
        kind = draw(st.integers(0, 4))
        if kind == 0:
            contents = contents[:at] + draw(WORDS) + contents[at:]
        elif kind == 1:
            contents = contents[:at] + contents[to:]
        elif kind == 2:
            contents = contents[:to] + contents[at:to] + contents[to:]
        elif kind == 3:
            contents = contents[:at] + draw(st.binary(min_size=1, max_size=4)) + contents[at + 1 :]
        else:
            contents = contents[:at]
    return contents


def damaged_text(text: str) -> st.SearchStrategy[str]:
    return damaged_bytes(text.encode()).map(lambda contents: contents.decode("latin1"))


def places(document, path=()):
    """Every place in a document, as keys on the way there."""
    yield path
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        yield from places(value, (*path, key))


@st.composite
def damaged_document(draw, document):
    """A document in which some values are others, missing, doubled, or under another key."""
    document = copy.deepcopy(document)
    for _ in range(draw(st.integers(1, 2))):
        path = draw(st.sampled_from(list(places(document))))
        if not path:
            return copy.deepcopy(draw(ODD))
        holder = document
        for key in path[:-1]:
            holder = holder[key]
        kind = draw(st.integers(0, 3))
        if kind == 0:
            del holder[path[-1]]
        elif kind == 1 and isinstance(holder, dict):
            holder[draw(st.one_of(st.text(max_size=6), st.just(f"{path[-1]}x")))] = holder.pop(path[-1])
        elif kind == 2 and isinstance(holder, list):
            holder.append(copy.deepcopy(holder[path[-1]]))
        else:
            # a list or dict among them is changed in the next round
            holder[path[-1]] = copy.deepcopy(draw(ODD))
    return document


def of(document, write) -> st.SearchStrategy[bytes]:
    """Files of a damaged document, and damaged files of a document."""
    return st.one_of(damaged_document(document).map(write), damaged_bytes(write(document)))


# ---- what reads it


def reader(name: str, split: str, **beside: bytes):
    """A function that lays a file into a data set's folder and reads the data set."""

    def read(folder: Path, contents: bytes) -> None:
        (folder / split).write_bytes(contents)
        for other, fixed in beside.items():
            (folder / other.replace("__", ".")).write_bytes(fixed)
        for examples in dataset(name).read_files(name, folder).values():
            assert all(isinstance(example.input + example.label, str) for example in examples)

    return read


def file_reader(name: str, read):
    def run(folder: Path, contents: bytes) -> None:
        (folder / name).write_bytes(contents)
        read(folder / name)

    return run


@cache
def database() -> bytes:
    with tempfile.TemporaryDirectory() as folder:
        return write_spider_database(Path(folder) / "concerts.sqlite").read_bytes()


def read_spider(split: str):
    def read(folder: Path, contents: bytes) -> None:
        (folder / "database" / "concerts").mkdir(parents=True)
        (folder / "database" / "concerts" / "concerts.sqlite").write_bytes(database())
        (folder / "tables.json").write_bytes(as_json([CONCERTS]))
        (folder / "dev.json").write_bytes(as_json([QUESTION]))
        (folder / split).write_bytes(contents)
        dataset("spider").read_files("spider", folder)

    return read


def read_faces(folder: Path, contents: bytes) -> None:
    (folder / "img_align_celeba").mkdir(exist_ok=True)
    for name in ("000001.jpg", "000002.jpg"):
        Image.new("RGB", (178, 218)).save(folder / "img_align_celeba" / name)
    (folder / "list_eval_partition.txt").write_text("000001.jpg 0\n000002.jpg 2\n", encoding="utf-8")
    (folder / "list_attr_celeba.txt").write_bytes(contents)
    dataset("celeba").read_miniature("celeba", folder)


def read_results(folder: Path, contents: bytes) -> None:
    (folder / "a.tar.gz").write_bytes(gzip.compress(contents, compresslevel=1))
    unpack(folder / "a.tar.gz", folder / "results")


def read_adapter(name: str):
    def read(folder: Path, contents: bytes) -> None:
        for file, whole in adapter_files().items():
            (folder / file).write_bytes(contents if file == name else whole)
        model = build("Mamba")
        before = {key: tensor.clone() for key, tensor in model.state_dict().items()}
        try:
            storage.load(model, folder)
        except (ValueError, LookupError):
            # a model that an adapter does not fit is as it was
            assert before.keys() == model.state_dict().keys()
            raise

    return read


@cache
def adapter_files() -> dict[str, bytes]:
    model = build("Mamba")
    adapt(model, "lora@out_proj,rank=2")
    with tempfile.TemporaryDirectory() as folder:
        storage.save(model, folder)
        return {path.name: path.read_bytes() for path in Path(folder).iterdir()}


MEMBERS = {f"{CELL}/metrics.json": as_json(METRICS), f"{CELL}/predictions.jsonl": b"{}\n"}
RESULTS = {MANIFEST: manifest_of(MEMBERS), **MEMBERS}
BATCH = {"labels": [0, 9], "data": IMAGE}

PARSERS = {
    "metrics.json": (of(METRICS, as_json), file_reader("metrics.json", read_metrics)),
    "config.yaml": (of(CONFIG, as_yaml), file_reader("config.yaml", Config.load)),
    "exhibit spec": (of(EXHIBIT, as_yaml), file_reader("table08.yaml", Exhibit.load)),
    "manifest": (of({"files": {"x": "0" * 64}}, as_json), file_reader("model.json", read_manifest)),
    "GLUE tsv": (damaged_bytes(GLUE), reader("glue-qnli", "dev.tsv")),
    "GLUE jsonl": (
        of([{"question": "q", "sentence": "s", "label": 1}] * 2, as_lines), reader("glue-qnli", "dev.jsonl")
    ),
    "DART json": (of([dart_entry(0, 2), dart_entry(1, 1)], as_json), reader("dart", "dart-v1.1.1-full-dev.json")),
    "DART xml": (damaged_bytes(XML), reader("dart", "dart-v1.1.1-full-dev.xml")),
    "SAMSum json": (of([CHAT, CHAT], as_json), reader("samsum", "test.json")),
    "SAMSum csv": (damaged_bytes(b'id,dialogue,summary\n1,"A: hi",They greet.\n'), reader("samsum", "test.csv")),
    "Spider questions": (of([QUESTION], as_json), read_spider("dev.json")),
    "Spider tables": (of([CONCERTS], as_json), read_spider("tables.json")),
    "CelebA": (damaged_bytes(FACES), read_faces),
    "CIFAR-10 pickle": (damaged_bytes(pickle.dumps(BATCH, protocol=2)), reader("cifar10", "test_batch")),
    "CIFAR-10 binary": (damaged_bytes(bytes(2 * 3073)), reader("cifar10", "test_batch.bin")),
    "zip of data": (damaged_bytes(as_zip({"QNLI/dev.tsv": GLUE})), reader("glue-qnli", "data.zip")),
    "tar of data": (damaged_bytes(as_tar({"QNLI/dev.tsv": GLUE})), reader("glue-qnli", "data.tar")),
    "archive of results": (damaged_bytes(as_tar(RESULTS)), read_results),
    "adapter_config.json": (
        st.deferred(lambda: of(json.loads(adapter_files()["adapter_config.json"]), as_json)),
        read_adapter("adapter_config.json"),
    ),
    "adapter weights": (
        st.deferred(lambda: damaged_bytes(adapter_files()["adapter_model.safetensors"])),
        read_adapter("adapter_model.safetensors"),
    ),
}  # fmt: skip
TEXTS = 3
"""Tests of texts that are in no file, below."""

EACH = settings(
    max_examples=max(1, INPUTS // (len(PARSERS) + TEXTS)),
    deadline=None,
    derandomize=not NIGHTLY,
    database=None,
    print_blob=True,
    suppress_health_check=list(HealthCheck),
)


@contextlib.contextmanager
def in_time():
    """Raise where an input takes longer than any should."""

    def hangs(*_):
        raise AssertionError(f"an input took more than {SECONDS} s")

    before = signal.signal(signal.SIGALRM, hangs)
    signal.alarm(SECONDS)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def check_words(error: Exception, place: Path | None = None) -> None:
    """An error of a documented type with a sentence, and where a file is read, its path."""
    if isinstance(error, NotPrepared):
        return
    assert type(error) in (ValueError, LookupError), f"{type(error).__name__} is no documented error: {error}"
    assert len(str(error)) > 15
    if place is not None:
        assert str(place) in str(error), f"the file is not named: {error}"


def everything_below(folder: Path) -> dict[str, int]:
    return {str(path.relative_to(folder)): path.lstat().st_mtime_ns for path in folder.rglob("*")}


@pytest.mark.parametrize("kind", PARSERS)
def test_a_file_is_read_or_refused_in_words_that_name_it(kind, tmp_path):
    strategy, read = PARSERS[kind]
    (tmp_path / "beside").mkdir()
    (tmp_path / "beside" / "file").write_bytes(b"untouched")
    before = everything_below(tmp_path)
    count = 0

    @EACH
    @given(strategy)
    def attempt(contents):
        nonlocal count
        count += 1
        folder = tmp_path / f"own{count}"
        folder.mkdir()
        try:
            with in_time():
                read(folder, contents)
        except Exception as error:
            check_words(error, folder)
        finally:
            shutil.rmtree(folder)
        assert everything_below(tmp_path) == before

    attempt()


NAMES = st.sampled_from(
    ["lora", "sdlora_plus", "prompt", "..", "/", "\n", "@", ",", "=", "+", "quick", "dart", "seed0"]
)
PIECES = st.lists(st.one_of(NAMES, st.text(max_size=6), st.sampled_from("@,=+/.-_0123456789e")), max_size=12)


@EACH
@given(st.one_of(PIECES.map("".join), damaged_text("lora@in_proj_x+out_proj,rank=8,alpha=1.5")))
def test_a_method_string_is_parsed_to_itself_or_refused(text):
    with in_time():
        try:
            method = parse_method(text)
        except (ValueError, LookupError) as error:
            check_words(error)
        else:
            assert str(parse_method(str(method))) == str(method)
            assert "/" not in text and not text.startswith(".")


@EACH
@given(st.one_of(PIECES.map("/".join), damaged_text("quick/mamba-130m/lora/dart/seed0")))
def test_a_cell_stays_below_the_results_or_is_refused(text):
    with in_time():
        try:
            cell = Cell.parse(text)
        except (ValueError, LookupError) as error:
            check_words(error)
        else:
            assert str(cell) == text
            root = Path("/results")
            assert (root / cell.path).resolve().is_relative_to(root / cell.scale / "cells")


SQL = [
    *QUESTION["query"].split(),
    "(",
    ")",
    "where",
    "group",
    "by",
    "order",
    "limit",
    "union",
    "in",
    "not",
    "'",
    '"',
    "1",
]
SQL += [
    "join",
    "on",
    "as",
    "t1",
    "t1.name",
    "singer",
    "concert",
    "=",
    "!=",
    ",",
    ";",
    "between",
    "and",
    "having",
    "desc",
]


@EACH
@given(st.lists(st.one_of(st.sampled_from(SQL), st.text(max_size=4)), max_size=40).map(" ".join))
def test_sql_that_a_model_made_is_parsed_or_refused(text):
    with in_time():
        try:
            parse(text, SCHEMA)
        except ValueError as error:
            assert type(error) is ValueError


def keys_of(document) -> list[tuple]:
    return [path for path in places(document) if path and isinstance(path[-1], str)]


@pytest.mark.parametrize("letter", ["x", "_", "doubled", "swapped"])
def test_a_key_with_a_slip_never_starts_a_run(letter, tmp_path):
    """Every key of a configuration and of a spec, the ones inside included."""
    config = CONFIG | {"overrides": [{"match": "*", "set": {"steps": 5, "splits": {"train": "dev"}}}]}
    for name, document, load in (("config.yaml", config, Config.load), ("table08.yaml", EXHIBIT, Exhibit.load)):
        for path in keys_of(document):
            changed = copy.deepcopy(document)
            holder = changed
            for key in path[:-1]:
                holder = holder[key]
            key = path[-1]
            slip = {"x": key + "x", "_": "_" + key, "doubled": key[0] + key, "swapped": key[1::-1] + key[2:]}[letter]
            if slip == key:
                continue
            holder[slip] = holder.pop(key)
            (tmp_path / name).write_bytes(as_yaml(changed))
            with pytest.raises((ValueError, LookupError), match=name):
                load(tmp_path / name)
