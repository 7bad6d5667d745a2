"""A cell: one training run, named by five words. Its text is its identity in specs, paths, logs and links."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import PurePosixPath

from . import registry
from .method_string import MethodString


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
        if len(parts) != 5 or not parts[4].startswith("seed") or not parts[4][4:].isdigit():
            raise ValueError(f"cell {text!r} is not of the form scale/model/method/dataset/seedN")
        return cls(*parts[:4], int(parts[4][4:])).check()

    def check(self) -> Cell:
        """This cell, when every word of it is known.

        Raises:
            LookupError: no such model, method, data set or option.
            ValueError: the method string is malformed, or the model cannot read the data set.
        """
        reads = "text" if "tokenizer" in registry.facts("models", self.model) else "numbers"
        given = registry.facts("data", self.dataset).get("modality", "text")
        # a language model reads the pixels of an image as text
        if reads != ("text" if given == "pixels" else given):
            raise ValueError(f"cell {self}: {self.model} reads {reads}, and {self.dataset} is {given}")
        check_method(self.method)
        return self


def check_method(text: str) -> MethodString:
    """Parse a method string and check that the method and its options exist.

    Raises:
        LookupError: no such method or option.
        ValueError: the text is malformed, or not in its canonical spelling.
    """
    method = MethodString.parse(text)
    known = registry.options(method.name)
    for option in method.options:
        if option not in known:
            raise LookupError(registry.unknown("option", option, known, f"ssmpeft_lib/methods/{method.name}.py"))
    if str(method) != text:
        raise ValueError(f"method {text!r} must be written {str(method)!r}: a cell has one name only")
    return method
