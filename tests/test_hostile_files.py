"""Files that may hold anything, from outside or after an accident: an error in words that names the file."""

from __future__ import annotations

import gzip
import io
import json
import tarfile

import pytest
import yaml
from damages import DAMAGES
from reference import REPOSITORY

from ssmpeft_lib.adapters import storage
from ssmpeft_lib.adapters.deltas import ComplexLowRank, LowRank
from ssmpeft_lib.ops._cpp.build import compiled
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.archive import MANIFEST, unpack
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.config import Config
from ssmpeft_lib.plan.exhibit import Exhibit
from ssmpeft_lib.plan.method_string import MethodString
from ssmpeft_lib.plan.reading import read_json, read_yaml
from ssmpeft_lib.plan.results import describe_failure, read_metrics

CONFIG = (REPOSITORY / "config.yaml").read_text(encoding="utf-8")
EXHIBIT = (REPOSITORY / "workflow/exhibits/table08.yaml").read_text(encoding="utf-8")

BROKEN = {
    "not UTF-8": (b'{"a": "\xff"}', "not UTF-8 at byte 7"),
    "UTF-16": ('{"a": 1}'.encode("utf-16"), "not UTF-8 at byte 0"),
    "cut": (b'{"a": [1,', r"not valid JSON at line 1, column 10"),
    "empty": (b"", "not valid JSON at line 1, column 1"),
    "zeros": (bytes(100), "not valid JSON at line 1"),
    "deep": (b"[" * 100_000 + b"]" * 100_000, "nested too deeply"),
    "a number of 10,000 digits": (b"9" * 10_000, "not valid JSON"),
}


@pytest.mark.parametrize("kind", BROKEN)
@pytest.mark.parametrize("read", [read_json, read_metrics])
def test_json_that_cannot_be_read_is_an_error_that_names_the_file(tmp_path, kind, read):
    contents, message = BROKEN[kind]
    path = tmp_path / "metrics.json"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=rf"metrics.json: {message}"):
        read(path)


@pytest.mark.parametrize("document", ["[]", "1", "null", '"x"', "{}", '{"a": ' + "[" * 500 + "]" * 500 + "}"])
def test_metrics_of_another_shape_are_an_error_that_names_the_file(tmp_path, document):
    path = tmp_path / "metrics.json"
    path.write_text(document, encoding="utf-8")
    with pytest.raises(ValueError, match="metrics.json: "):
        read_metrics(path)


YAML = {
    "empty": (b"", "the file is empty"),
    "comments only": (b"# nothing\n", "the file is empty"),
    "a list": (b"- 1\n", "holds a list, needs a mapping"),
    "not UTF-8": (b"a: \xff\n", "not UTF-8 at byte 3"),
    "a tab": (b"a:\n\t- b\n", "not valid YAML at line 2, column 1"),
    "not closed": (b"a: [1,\nb: 2\n", "not valid YAML at line"),
    "control characters": (b"a: \x00\n", "not valid YAML"),
    "a date that is none": (b"a: 2026-02-31\n", "not valid YAML"),
    "a list as a key": (b"? [a]\n: 1\n", "not valid YAML at line 1, column 3"),
    "deep": (b"a: " + b"[" * 5_000, "nested too deeply"),
    "code": (b"a: !!python/object/apply:os.system [true]\n", "not valid YAML"),
}


@pytest.mark.parametrize("kind", YAML)
@pytest.mark.parametrize("read", [read_yaml, Config.load, Exhibit.load])
def test_yaml_that_cannot_be_read_is_an_error_that_names_the_file(tmp_path, kind, read):
    contents, message = YAML[kind]
    path = tmp_path / "a.yaml"
    path.write_bytes(contents)
    with pytest.raises(ValueError, match=f"a.yaml: {message}"):
        read(path)


@pytest.mark.parametrize("key", ["data_dir", "tokenizer"])
@pytest.mark.parametrize("value", ["a" * 3000, "a\0b", "~nobody-of-that-name/x"])
def test_what_can_be_no_path_is_refused_with_the_key(tmp_path, key, value):
    path = tmp_path / "config.yaml"
    path.write_text(yaml.safe_dump(yaml.safe_load(CONFIG) | {key: value}), encoding="utf-8")
    with pytest.raises(ValueError, match=f"config.yaml: {key} is .*, (which can be no path|and there is nothing)"):
        Config.load(path)


@pytest.mark.parametrize("key", ["1", "null", "yes", "1.5", "2026-01-01"])
def test_keys_that_are_no_words_are_named(tmp_path, key):
    path = tmp_path / "a.yaml"
    for load, text in ((Config.load, CONFIG), (Exhibit.load, EXHIBIT)):
        path.write_text(f"{text}\n? {key}\n: 2\n", encoding="utf-8")
        with pytest.raises(ValueError, match="a.yaml: the key .* is no word; remove it"):
            load(path)
    document = yaml.safe_load(CONFIG) | {"overrides": [{"match": "*", "set": {yaml.safe_load("1"): 2}}]}
    with pytest.raises(ValueError, match="the key 1 under 'overrides.0.set' is no word"):
        Config.check(document)


@pytest.mark.parametrize(
    "text",
    [
        "../mamba-130m/lora/dart/seed0",
        "./mamba-130m/lora/dart/seed0",
        "/mamba-130m/lora/dart/seed0",
        "Quick/mamba-130m/lora/dart/seed0",
        "quick/../lora/dart/seed0",
        "quick/mamba-130m/../dart/seed0",
        "quick/mamba-130m/lora/../seed0",
        "quick/mamba-130m/lora/dart/seed00",
        "quick/mamba-130m/lora/dart/seed01",
        "quick/mamba-130m/lora/dart/seed-1",
        "quick/mamba-130m/lora/dart/seed²",
        "quick/mamba-130m/lora/dart/seed٣",
        "quick/mamba-130m/lora/dart/seed0\n",
        "quick/mamba-130m/lora\n/dart/seed0",
        "quick/mamba-130m/lora/dart/seed" + "9" * 5000,
        "quick/mamba-130m/lora/dart/seed",
        "quick/mamba-130m/lora/dart/seed0/",
    ],
)
def test_a_cell_has_one_name_which_leads_nowhere_else(text):
    with pytest.raises((ValueError, LookupError)):
        Cell.parse(text)


def test_the_path_of_a_parsed_cell_is_its_own():
    cell = Cell.parse("real/mamba-130m/lora/dart/seed10")
    assert str(cell) == "real/mamba-130m/lora/dart/seed10"
    with pytest.raises(ValueError, match="is not of the form"):
        MethodString.parse("lora\n")


@pytest.mark.parametrize(
    "change, message",
    [
        ({"base_class": [1]}, "has 'base_class': \\[1\\], which must be the name of a class"),
        ({"base_class": {"a": 1}}, "has 'base_class'"),
        ({"base_class": 5}, "has 'base_class': 5"),
        ({"vocab_size": ""}, "has 'vocab_size': '', which must be a number of tokens"),
        ({"vocab_size": [64]}, "has 'vocab_size'"),
        ({"method": ["lora"]}, "names no method"),
        ({"method": "lora,rank=1000000000"}, "rank 1000000000 is larger than both sides of the weight"),
        ({"method": "lora,rank=" + "9" * 4000}, "is larger than both sides"),
        ({"method": "prompt,tokens=1000000000"}, "tokens=1000000000 must be at most 65,536"),
        ({"method": "prefix,tokens=1000000000"}, "tokens=1000000000 must be at most 65,536"),
        ({"method": "prefix,hidden=1000000000"}, "hidden=1000000000 must be at most 65,536"),
        ({"method": "state_offset,low_rank=1000000000"}, "larger than the smaller side of the state"),
        ({"method": "../lora"}, "is not of the form"),
        ({"modules_to_save": 5}, "has 'modules_to_save': 5, which must be a list of names"),
        ({"modules_to_save": [1]}, "has 'modules_to_save'"),
        ({"peft_type": ["SSMPEFT"]}, "describes an adapter of type"),
    ],
)
def test_adapter_configurations_of_odd_types_are_refused_in_words(tmp_path, change, message):
    from families import build

    from ssmpeft_lib import adapt

    model = build("Mamba")
    adapt(model, "lora@out_proj,rank=2")
    storage.save(model, tmp_path)
    path = tmp_path / "adapter_config.json"
    document = json.loads(path.read_text(encoding="utf-8")) | change
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises((ValueError, LookupError), match=message):
        storage.load(build("Mamba"), tmp_path)


WHOLE = [
    (method, option)
    for method in registry.entries("methods")
    for option, kind in registry.option_types(method).items()
    if kind == "int" and option != "seed"
]


@pytest.mark.parametrize("method, option", WHOLE)
@pytest.mark.parametrize("value", [-1, 10**9, 10**30])
def test_a_number_of_a_method_that_no_machine_could_hold_is_refused_before_anything_is_allocated(method, option, value):
    from families import build

    from ssmpeft_lib import adapt

    with pytest.raises(ValueError, match=rf"{option}|rank"):
        # which is no projection
        adapt(build("Mamba"), f"{method}{'@A_log' if option == 'rank_ssm' else ''},{option}={value}")


@pytest.mark.parametrize("value", [-1, 10**30])
def test_a_seed_that_no_generator_takes_is_refused(value):
    from families import build

    from ssmpeft_lib import adapt

    with pytest.raises(ValueError, match="seed=.* must be at least 0"):
        adapt(build("Mamba"), f"vera,seed={value}")


def test_a_rank_of_complex_numbers_is_bounded_as_every_rank():
    for kind in (LowRank, ComplexLowRank):
        with pytest.raises(ValueError, match="rank 1000000000 is larger than both sides of the weight, 4 x 8"):
            kind((4, 8 * (1 + (kind is ComplexLowRank))), 10**9, 8.0)


CELL = "quick/cells/mamba-130m/lora/dart/seed0"


def archive_of(path, members, sizes=None):
    """An archive with given members; those with a size in `sizes` are that many zeros."""
    with gzip.open(path, "wb") as zipped, tarfile.open(fileobj=zipped, mode="w") as tar:
        for name, contents in members.items():
            member = tarfile.TarInfo(name)
            member.size = (sizes or {}).get(name, len(contents))
            tar.addfile(member, Zeros() if name in (sizes or {}) else io.BytesIO(contents))


class Zeros:
    def read(self, size):
        return bytes(size)


def manifest_of(*names):
    return json.dumps({"format": 1, "results_version": 2, "files": dict.fromkeys(names, "0" * 64)}).encode()


@pytest.mark.parametrize("name", [MANIFEST, f"{CELL}/metrics.json"])
def test_an_archive_that_unpacks_to_far_more_than_it_is_stops_early(tmp_path, name):
    path = tmp_path / "a.tar.gz"
    archive_of(path, {MANIFEST: manifest_of(f"{CELL}/metrics.json"), f"{CELL}/metrics.json": b""}, {name: 1 << 28})
    with pytest.raises(ValueError, match="unpacks to more than 200 times its size.*nothing was unpacked"):
        unpack(path, tmp_path / "results")
    assert not list((tmp_path / "results").iterdir())


def test_a_long_header_is_not_read_to_its_end(tmp_path):
    path = tmp_path / "a.tar.gz"
    with gzip.open(path, "wb") as zipped:
        member = tarfile.TarInfo("././@PaxHeader")
        member.type, member.size = tarfile.XHDTYPE, 1 << 29
        zipped.write(member.tobuf(tarfile.USTAR_FORMAT))
        for _ in range(1 << 9):
            zipped.write(bytes(1 << 20))
    with pytest.raises(ValueError, match="unpacks to more than|damaged"):
        unpack(path, tmp_path / "results")


def test_a_sparse_member_is_refused_whatever_size_it_claims(tmp_path):
    path, name = tmp_path / "a.tar.gz", f"{CELL}/metrics.json"
    with gzip.open(path, "wb") as zipped:
        with tarfile.open(fileobj=zipped, mode="w") as tar:
            text = manifest_of(name)
            member = tarfile.TarInfo(MANIFEST)
            member.size = len(text)
            tar.addfile(member, io.BytesIO(text))
            sparse = tarfile.TarInfo(name)
            sparse.pax_headers = {
                "GNU.sparse.major": "0",
                "GNU.sparse.minor": "1",
                "GNU.sparse.name": name,
                "GNU.sparse.size": str(200 << 30),
                "GNU.sparse.map": f"0,0,{200 << 30},0",
            }
            tar.format = tarfile.PAX_FORMAT
            tar.addfile(sparse)
    with pytest.raises(ValueError, match="is not a file that the manifest lists"):
        unpack(path, tmp_path / "results")
    assert not list((tmp_path / "results").iterdir())


@pytest.mark.parametrize("damage", ["empty", "cut in half", "a tail of zeros", "one bit flipped", "foreign"])
def test_a_damaged_or_foreign_kernel_is_compiled_anew_and_never_loaded(tmp_path, monkeypatch, damage):
    script, calls = tmp_path / "c++", tmp_path / "c++.log"
    # stands in for the compiler, which takes half a minute: what is tested is when it is called
    to_output = 'while [ "$1" != -o ]; do shift || exit 0; done; echo x > "$2"'
    script.write_text(f'#!/bin/sh\necho call >> "$0.log"\n{to_output}\n', encoding="utf-8")
    script.chmod(0o755)
    monkeypatch.setenv("CXX", str(script))
    monkeypatch.setenv("SSMPEFT_CACHE_DIR", str(tmp_path / "cache"))

    def called():
        return calls.read_text(encoding="utf-8").count("call")

    path = compiled("baseline")
    once = called()
    assert compiled("baseline") == path
    # it is asked for its version each time
    assert called() == once + 1
    whole = path.read_bytes()
    path.write_bytes(b"\x7fELF" if damage == "foreign" else DAMAGES[damage](whole))
    compiled("baseline")
    assert path.read_bytes() == whole and called() == once + 3
    path.with_suffix(".sha256").unlink()
    compiled("baseline")
    assert called() == once + 5


def test_what_a_failed_cell_says_cannot_steer_the_terminal():
    message = "\x1b]0;title\x07\x1b[2J\rok\u202e\x9b31m done"
    error = {"type": "ValueError\x1b[1m", "message": message}
    said = describe_failure({"cell": "quick/mamba-130m/lora/dart/seed0", "error": error})
    assert said.isprintable()
    assert "\\x1b]0;title\\x07" in said and "\\u202e" in said and said.endswith("done")
