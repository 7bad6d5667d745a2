"""What planning has to know of a data set and of a model: the keys of the literals in their files.

A file of `ssmpeft_lib/data/` lists its data sets in `DATASETS`, a file of `ssmpeft_lib/models/` its models in `MODELS`:
for each name a dict literal, whose keys are the fields of the class here. They are read without running the file, so
that planning imports nothing heavy; a key that is no field is refused then.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import MISSING, dataclass, field, fields
from types import UnionType
from typing import Any, TypeVar, get_args, get_origin, get_type_hints

from .unknown import unknown

Facts = TypeVar("Facts")

MODALITIES = ("text", "pixels", "numbers", "series")
RECORDABLE = ("answers", "labels", "texts")


@dataclass(frozen=True)
class DatasetFacts:
    """What is known of a data set before it is read.

    Attributes:
        train, val, test: how many examples each role has in the paper, or in the original files.
        max_seq_len: longest input plus longest label of the training examples, in tokens, as Table 6 prints it.
        epochs, batch_size: of the paper's training.
        splits: for `train`, `val` and `test` the official split that plays the role, or several joined by `+`; `val`
            of None is cut off the training examples.
        folder: where its files lie below `data_dir`; None for a data set that has none.
        modality: what an example is: `text`, `pixels` (of an image, which language models read as text), `numbers` (a
            series, with a class) or `series` (a series, with a series as the answer).
        generated: whether the module generates it at every scale (`generate`), so that no file is read.
        resampled: whether each step of training draws new examples (`drawn`).
        cut: share of the training examples that are cut off where `val` is None.
        recordable: what of its results may be passed on: `texts`, all; `labels`, the model's answers and the labels
            that they are compared with; or `answers` alone.
        selection_steps: length of the warm-up of methods that select; None for the recipe's own.
        recipe: numbers of the recipe that hold at every scale.
        miniature: what stands in at scale quick, in words, where that is no generated miniature.
        miniature_recipe: numbers of the recipe of the miniature, where it takes others than those of its kind.
    """

    train: int
    val: int
    test: int
    max_seq_len: int
    epochs: int
    batch_size: int
    splits: Mapping[str, str | None]
    folder: str | None = None
    modality: str = "text"
    generated: bool = False
    resampled: bool = False
    cut: float = 0.2
    recordable: str = "answers"
    selection_steps: int | None = None
    recipe: Mapping[str, Any] = field(default_factory=dict)
    miniature: str = ""
    miniature_recipe: Mapping[str, Any] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if sorted(self.splits) != ["test", "train", "val"]:
            raise ValueError(f"splits must say what train, val and test are, got {sorted(self.splits)}")
        _check_choice("modality", self.modality, MODALITIES)
        _check_choice("recordable", self.recordable, RECORDABLE)

    @property
    def sizes(self) -> dict[str, int]:
        """How many examples each role has in the original."""
        return {"train": self.train, "val": self.val, "test": self.test}


@dataclass(frozen=True)
class RealText:
    """A small model of the same architecture that `make real-models` pretrains on real text.

    Attributes:
        turn: when it is pretrained; those of lower turns come first.
        sizes: arguments of `build`.
        recipe: numbers of `TextRecipe` (ssmpeft_lib/stand_ins/text_recipe.py) other than its own.
    """

    turn: int
    sizes: Mapping[str, Any]
    recipe: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class ModelFacts:
    """What is known of a model before it is built.

    Attributes:
        config: arguments of `build` for the model of the paper, by which parameters are counted.
        stand_in: arguments of `build` for its small stand-in.
        hub: owner and name of its checkpoint on the Hugging Face hub.
        tokenizer: owner and name of the repository on the hub that has its tokenizer.json; empty for a model that
            reads no text.
        reads: the modality of the data sets that it can be run on: `text`, `numbers` or `series`.
        bits: how it is loaded at scale paper, where it is quantised: `load`, 4 or 8, and `keep`, the modules that stay
            as they are.
        pretraining_steps: of the stand-in, where it takes another number than usual.
        pretrained_on: the data set that the pipeline pretrains it on at every scale, where it has no checkpoint
            elsewhere.
        real: the model that is pretrained on real text, where there is one.
        drawn: whether each seed of a cell draws its weights (`draw` of the model's file), so that it has no checkpoint.
        target: arguments of `build` for the model whose outputs it learns, where it is drawn together with one.
        share_of: what the share of trained parameters is taken of: the `adapted` model, or the `base` without adapters.
    """

    config: Mapping[str, Any]
    stand_in: Mapping[str, Any]
    hub: str = ""
    tokenizer: str = ""
    reads: str = "text"
    bits: Mapping[str, Any] | None = None
    pretraining_steps: int | None = None
    pretrained_on: str | None = None
    real: RealText | None = None
    drawn: bool = False
    target: Mapping[str, Any] | None = None
    share_of: str = "adapted"

    def __post_init__(self) -> None:
        _check_choice("reads", self.reads, ("text", "numbers", "series"))
        _check_choice("share_of", self.share_of, ("adapted", "base"))
        if bool(self.tokenizer) != (self.reads == "text"):
            raise ValueError(f"a model has a tokenizer where it reads text; this one reads {self.reads}")


def read_facts(kind: type[Facts], given: Any, where: str) -> Facts:
    """Facts from the literal that lists them.

    Args:
        where: the file and the name, for messages.
    Raises:
        ValueError: a key is missing, unknown (says which one may be meant), or has a value of another type.
    """
    types = get_type_hints(kind)
    if not isinstance(given, dict):
        raise ValueError(f"{where} must be a dict with {', '.join(types)}; got {given!r}")
    for key, value in given.items():
        if key not in types:
            raise ValueError(unknown("key", str(key), types, where))
        if not _fits(value, types[key]):
            raise ValueError(f"{where}: {key} must be {_described(types[key])}, got {value!r}")
    needed = [one.name for one in fields(kind) if one.default is MISSING and one.default_factory is MISSING]
    if missing := [name for name in needed if name not in given]:
        raise ValueError(f"{where}: {missing[0]} is missing (needed: {', '.join(needed)})")
    inner = {key: _dataclass_in(types[key]) for key in given}
    values = {
        key: read_facts(inner[key], value, f"{where}: {key}") if inner[key] and value is not None else value
        for key, value in given.items()
    }
    try:
        return kind(**values)
    except ValueError as error:
        raise ValueError(f"{where}: {error}") from None


def _check_choice(key: str, value: str, allowed: tuple[str, ...]) -> None:
    if value not in allowed:
        raise ValueError(unknown(key, value, allowed, "what is allowed"))


def _members(annotation: Any) -> tuple:
    return get_args(annotation) if isinstance(annotation, UnionType) else (annotation,)


def _dataclass_in(annotation: Any) -> type | None:
    return next((one for one in _members(annotation) if hasattr(one, "__dataclass_fields__")), None)


def _fits(value: Any, annotation: Any) -> bool:
    """Whether a literal is of an annotated type, as far as its outermost layer says."""
    for one in _members(annotation):
        plain = get_origin(one) or one
        if plain is Mapping or _dataclass_in(one):
            plain = dict
        if type(value) is plain or (plain is float and type(value) is int):
            return True
    return False


def _described(annotation: Any) -> str:
    plain = [get_origin(one) or one for one in _members(annotation)]
    names = {Mapping: "a dict", int: "a whole number", float: "a number", str: "a word", bool: "True or False"}
    return " or ".join("None" if one is type(None) else names.get(one, "a dict") for one in plain)
