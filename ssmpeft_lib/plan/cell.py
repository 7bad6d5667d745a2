"""A cell: one training run, named by five words. Its text is its identity in specs, paths, logs and links."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import PurePosixPath

from . import registry
from .method_string import MethodString

SCALES = ("quick", "real", "paper")

VALUES = {
    "int": ((int,), "a whole number"),
    "float": ((int, float), "a number"),
    "bool": ((bool,), "true or false"),
    "str": ((str,), "a word"),
}
"""For each type of an option: what a method string may hold, and how to say that."""


@dataclass(frozen=True, order=True)
class Cell:
    """One (scale, model, method, dataset, seed)."""

    scale: str
    model: str
    method: str
    dataset: str
    seed: int

    def __str__(self) -> str:
        return f"{self.scale}/{self.model}/{self.method}/{self.dataset}/seed{self.seed}"

    @property
    def path(self) -> PurePosixPath:
        """Folder of the cell's results, below the results directory."""
        return PurePosixPath(self.scale, "cells", self.model, self.method, self.dataset, f"seed{self.seed}")

    @classmethod
    def parse(cls, text: str) -> Cell:
        """Parse the text form, `scale/model/method/dataset/seedN`.

        Raises:
            ValueError: the text is not of that form.
        """
        parts = text.split("/")
        if len(parts) != 5 or not re.fullmatch(r"seed(0|[1-9][0-9]{0,8})", parts[4]):
            raise ValueError(
                f"cell {text!r} is not of the form scale/model/method/dataset/seedN, such as "
                "quick/mamba-130m/lora/dart/seed0"
            )
        return cls(*parts[:4], int(parts[4][4:])).check()

    def check(self) -> Cell:
        """This cell, when every word of it is known.

        Raises:
            LookupError: no such model, method, data set or option.
            ValueError: there is no such scale, the method string is malformed, or the model cannot read the data set.
        """
        if self.scale not in SCALES:
            raise ValueError(f"cell {self}: no scale {self.scale!r} (have: {', '.join(SCALES)})")
        reads = registry.model_facts(self.model).reads
        given = registry.dataset_facts(self.dataset).modality
        # a language model reads the pixels of an image as text
        if reads != ("text" if given == "pixels" else given):
            raise ValueError(f"cell {self}: {self.model} reads {reads}, and {self.dataset} is {given}")
        check_method(self.method)
        return self


def check_method(text: str) -> MethodString:
    """Parse a method string as `parse_method` does; a cell's method must be in its canonical spelling, too.

    Raises:
        LookupError: no such method or option.
        ValueError: as `parse_method`, or the text is not in its canonical spelling.
    """
    method = parse_method(text)
    if str(method) != text:
        raise ValueError(f"method {text!r} must be written {str(method)!r}: a cell has one name only")
    return method


PEFT_WORDS = {
    "r": "rank",
    "lora_alpha": "alpha",
    "lora_dropout": "dropout",
    "target_modules": "a list of slots behind @, as in lora@in_proj+out_proj",
    "target_parameters": "a list of slots behind @, as in lora@A_log",
    "feedforward_modules": "a list of slots behind @, as in ia3@mlp",
    "exclude_modules": "a list of the slots that remain, behind @",
    "modules_to_save": "also",
    "trainable_token_indices": "full@embedding, for all tokens",
    "num_virtual_tokens": "tokens",
    "use_dora": "the method dora",
    "use_rslora": "rslora",
    "init_lora_weights": "pissa, which is true or false,",
    "bias": "the method bitfit, or also=",
    "lora_bias": "the method bitfit, or also=",
    "rank_pattern": "one rank for all slots of an adapter",
    "alpha_pattern": "one alpha for all slots of an adapter",
    "layers_to_transform": "every layer",
    "layers_pattern": "every layer",
}
"""Options of peft's configurations, and how the same is said in a method string, or what there is in its place."""


def in_our_words(option: str) -> str:
    """What stands here for an option of peft's configurations, as a clause; empty for any other word."""
    return f"what peft calls {option} is {PEFT_WORDS[option]} here" if option in PEFT_WORDS else ""


def parse_method(text: str) -> MethodString:
    """Parse a method string and check it with the method's file: the options and their types, and the targets.

    Raises:
        LookupError: no such method or option.
        ValueError: the text is malformed, an option has a value that it does not take, or targets are named for a
            method that acts on no slots.
    """
    method = MethodString.parse(text)
    types = registry.option_types(method.name)
    for option, value in method.options.items():
        if option not in types:
            message = registry.unknown("option", option, types, f"ssmpeft_lib/methods/{method.name}.py")
            raise LookupError("; ".join(filter(None, [message, in_our_words(option)])))
        _check_type(method.name, option, value, types[option])
    if method.targets and not registry.class_literal("methods", method.name, "acts_on_slots", True):
        plain = MethodString(method.name, (), method.options)
        raise ValueError(f"method {text!r}: {method.name} acts on no slots and takes no targets; write {str(plain)!r}")
    return method


def _check_type(method: str, option: str, value: object, annotation: str) -> None:
    kinds = [VALUES[name] for name in annotation.split(" | ") if name in VALUES]
    if not kinds:
        raise ValueError(
            f"ssmpeft_lib/methods/{method}.py: option {option} is of type {annotation}, which a method string cannot "
            f"spell; allowed are {', '.join(VALUES)}"
        )
    if not any(type(value) in types for types, _ in kinds):
        words = " or ".join(words for _, words in kinds)
        raise ValueError(
            f"method {method!r}: option {option} takes a value of type {annotation}, got {value!r}; allowed: {words}"
        )
