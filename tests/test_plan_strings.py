"""Method strings, cells and printed values: what parses, what does not, and that the text is the identity."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.cell import Cell, check_method
from ssmpeft_lib.plan.method_string import MethodString
from ssmpeft_lib.plan.printed import Printed

words = st.from_regex(r"[a-z][a-z0-9_]{0,8}", fullmatch=True)
values = st.one_of(st.booleans(), st.integers(0, 10**6), st.sampled_from([0.5, 0.75, 0.99, 1e-05]))


@given(words, st.lists(words, max_size=3, unique=True), st.dictionaries(words, values, max_size=3))
def test_a_method_string_survives_its_text(name, targets, options):
    method = MethodString(name, tuple(targets), options)
    assert MethodString.parse(str(method)) == method


@pytest.mark.parametrize(
    "text", ["", "LoRA", "lora@", "lora,rank", "lora@a b", "lora,rank=", "lora@@a", "../x", "lora;ls"]
)
def test_a_malformed_method_string_says_what_is_allowed(text):
    with pytest.raises(ValueError, match="not of the form name"):
        MethodString.parse(text)


def test_an_option_given_twice_is_refused():
    with pytest.raises(ValueError, match="option 'rank' twice"):
        MethodString.parse("lora,rank=1,rank=2")


def test_an_unknown_method_is_answered_with_a_suggestion():
    with pytest.raises(LookupError, match=r"no method 'lroa' in ssmpeft_lib/methods/ .*did you mean 'lora'"):
        check_method("lroa@out_proj")


def test_an_unknown_option_is_answered_with_a_suggestion():
    with pytest.raises(LookupError, match=r"no option 'rnak' .*did you mean 'rank'"):
        check_method("lora@out_proj,rnak=4")


def test_a_method_has_one_spelling():
    with pytest.raises(ValueError, match="must be written 'lora,rank=4'"):
        check_method("lora,rank=04")


@pytest.mark.parametrize(
    "text, says",
    [
        ("prefix,mlp=no", "mlp takes a value of type bool, got 'no'"),
        ("prefix,mlp=False", "must be written 'prefix,mlp=false'"),
        ("sdlora_plus,rank=0.5", "rank takes a value of type int, got 0.5"),
        ("lora,alpha=nan", "alpha is nan"),
        ("prompt@out_proj", "prompt acts on no slots"),
    ],
)
def test_what_a_method_does_not_take_is_refused_while_planning(text, says):
    with pytest.raises(ValueError, match=says):
        check_method(text)


METHOD = """
from dataclasses import dataclass
from ..adapters.method import Method

@dataclass(frozen=True)
class Mine(Method):
    count: "list" = None
    {attributes}
"""


@pytest.fixture
def package(tmp_path, monkeypatch):
    """A copy of the folders that planning reads, to add files to."""
    for folder in ("methods", "models", "data"):
        (tmp_path / folder).mkdir()
        for path in (registry.PACKAGE / folder).glob("*.py"):
            (tmp_path / folder / path.name).symlink_to(path)
    monkeypatch.setattr(registry, "PACKAGE", tmp_path)
    cached = [function for function in vars(registry).values() if hasattr(function, "cache_clear")]
    for function in cached:
        function.cache_clear()
    yield tmp_path
    for function in cached:
        function.cache_clear()


@pytest.mark.parametrize(
    "attributes, says",
    [
        (
            "learning_rate = 1e-2",
            "needs a `family`, one of prompt, .*; got None; see .*/methods/lora.py",
        ),
        ("learning_rate = 1e-2; family = 'mine'", "one of prompt, .*; got 'mine'"),
        ("family = 'lora'", "methods/mine.py: the class needs a `learning_rate`, such as 1e-2; got None"),
        ("family = 'lora'; learning_rate = 2 * 1e-2", "learning_rate must be a plain literal"),
    ],
)
def test_a_method_file_that_is_not_complete_is_refused_while_planning(attributes, says, package):
    (package / "methods" / "mine.py").write_text(METHOD.format(attributes=attributes), encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        Cell.parse("quick/mamba-130m/mine/glue-rte/seed0")


def test_a_complete_method_file_is_found(package):
    attributes = "family: ClassVar[str] = 'lora'; learning_rate: ClassVar[float] = 1e-2"
    (package / "methods" / "mine.py").write_text(METHOD.format(attributes=attributes), encoding="utf-8")
    assert Cell.parse("quick/mamba-130m/mine/glue-rte/seed0").method == "mine"
    assert registry.options("mine") == {"count"}
    with pytest.raises(ValueError, match="mine.py: option count is of type 'list', which a method string cannot spell"):
        check_method("mine,count=3")


@pytest.mark.parametrize(
    "file, text, says",
    [
        (
            "models/mine.py",
            "MODELS = {'mine': {}}",
            "models/mine.py: build is missing .*see .*models/mamba.py",
        ),
        ("models/mine.py", "from .mamba import build", "models/mine.py: MODELS is missing"),
        ("data/mine.py", "DATASETS = {'mine': {}}", "data/mine.py: task is missing .*see ssmpeft_lib/data/dart.py"),
    ],
)
def test_a_model_or_data_file_that_is_not_complete_is_refused_while_planning(file, text, says, package):
    (package / file).write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        Cell.parse("quick/mamba-130m/lora/glue-rte/seed0")


MODEL = "def build(**sizes): pass\nMODELS = {'mine': {'config': {}, 'stand_in': {}, %s}}"
DATA = (
    "def task(name): pass\nread_files = write_miniature = task\nDATASETS = {'mine': {'train': 1, 'val': 1, 'test': 1,"
    "'max_seq_len': 9, 'epochs': 1, 'batch_size': 1, 'splits': {'train': 'train', 'val': None, 'test': 'test'}, %s}}"
)


@pytest.mark.parametrize(
    "file, text, says",
    [
        ("data", DATA % "'epoch': 3", r"no key 'epoch' in .*data/mine.py: DATASETS\['mine'\].*did you mean 'epochs'"),
        ("data", DATA % "'cut': 'a fifth'", "cut must be a number, got 'a fifth'"),
        ("data", DATA % "'modality': 'txt'", "no modality 'txt'.*did you mean 'text'"),
        ("data", DATA % "'splits': {'train': 'a'}", r"splits must say what train, val and test are, got \['train'\]"),
        ("data", DATA % "'generated': True", "data/mine.py: generate is missing; .*data/__init__.py says what it is"),
        ("models", MODEL % "'tokeniser': 'a/b'", "no key 'tokeniser'.*did you mean 'tokenizer'"),
        ("models", MODEL % "'real': {'turn': 1}", r"MODELS\['mine'\]: real: sizes is missing"),
        ("models", MODEL % "'hub': None", "hub must be a word, got None"),
        ("models", MODEL.replace("'config': {},", "") % "'hub': 'a/b'", "config is missing"),
    ],
)
def test_facts_that_nothing_reads_or_that_are_missing_are_refused_while_planning(file, text, says, package):
    (package / file / "mine.py").write_text(text, encoding="utf-8")
    with pytest.raises(ValueError, match=says):
        Cell.parse("quick/mamba-130m/lora/glue-rte/seed0")


FAMILY = "FAMILIES = {'mine': {'label': 'Mine', 'light': '#123456', 'dark': '#abcdef', %s}}\n"


def test_a_method_brings_a_family_of_its_own(package):
    attributes = "family = 'mine'; learning_rate = 1e-2"
    path = package / "methods" / "mine.py"
    path.write_text(FAMILY % "'mark': '<path/>'" + METHOD.format(attributes=attributes), encoding="utf-8")
    assert Cell.parse("quick/mamba-130m/mine/glue-rte/seed0").method == "mine"
    assert registry.families()["mine"].mark == "<path/>" and registry.family_labels()["mine"] == "Mine"


def test_a_family_that_is_not_complete_is_refused(package):
    text = METHOD.format(attributes="family = 'mine'; learning_rate = 1e-2")
    (package / "methods" / "mine.py").write_text(FAMILY % "'shape': ''" + text, encoding="utf-8")
    with pytest.raises(ValueError, match=r"no key 'shape' in .*methods/mine.py: FAMILIES\['mine'\]"):
        Cell.parse("quick/mamba-130m/lora/glue-rte/seed0")


def test_a_cell_survives_its_text_and_names_its_folder():
    cell = Cell("quick", "mamba-130m", "lora@out_proj", "glue-rte", 2)
    assert Cell.parse(str(cell)) == cell
    assert str(cell.path) == "quick/cells/mamba-130m/lora@out_proj/glue-rte/seed2"


@pytest.mark.parametrize(
    "text", ["quick/mamba-130m/lora/glue-rte", "quick/mamba-130m/lora/glue-rte/seedx", "a/b/c/d/e/f"]
)
def test_a_malformed_cell_is_refused(text):
    with pytest.raises(ValueError, match="not of the form scale/model"):
        Cell.parse(text)


@pytest.mark.parametrize(
    "text, value, std, bound, mark",
    [
        (64.6, 64.6, None, False, ""),
        ("64.6±0.2", 64.6, 0.2, False, ""),
        ("<0.4", 0.4, None, True, ""),
        ("80.5~", 80.5, None, False, "cut"),
        ("87.7?", 87.7, None, False, "reconstructed"),
        (".3178", 0.3178, None, False, ""),
    ],
)
def test_printed_values(text, value, std, bound, mark):
    printed = Printed.parse(text)
    assert (printed.value, printed.std, printed.bound, printed.mark) == (value, std, bound, mark)


@pytest.mark.parametrize("text", ["", "n/a", True, "64.6 +- 1", "1.2.3"])
def test_what_is_no_printed_value_is_refused(text):
    with pytest.raises(ValueError, match="neither a number"):
        Printed.parse(text)
