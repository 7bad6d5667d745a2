"""Which of transformers' families adapters act in, found by looking at each model that has a state matrix."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import nn
from transformers import CONFIG_MAPPING, AutoModelForCausalLM

from ..adapters.parts import find_parts
from ..compat.transformers import types_with
from .tiny import SIZES

STATE_MATRIX = "A_log"
"""The parameter by which a model of transformers is known to have state space layers, or what is like them."""


@dataclass(frozen=True)
class Family:
    """A family of transformers' language models.

    Attributes:
        name: transformers' `model_type`.
        model: class of its language model; empty where its default configuration builds none.
        mixers, beside: kinds of SSM mixers, and of what stands beside them; files of ssmpeft_lib/mixers/.
        unknown: class of the layers with a state matrix that no kind of mixer knows; empty where all are known.
        tried: whether the tests and the matrix run on it.
    """

    name: str
    model: str
    mixers: tuple[str, ...] = ()
    beside: tuple[str, ...] = ()
    unknown: str = ""
    tried: bool = False

    @property
    def supported(self) -> bool:
        """Whether adapters act in all of its state space layers."""
        return bool(self.mixers) and not self.unknown

    def __str__(self) -> str:
        if self.supported:
            return f"{', '.join(self.mixers)}" + (f" with {', '.join(self.beside)}" if self.beside else "")
        return f"not supported: no mixer of ssmpeft_lib knows {self.unknown or 'its layers'}"


def families() -> Iterator[Family]:
    """Every family of transformers whose code has a state matrix, by its default sizes and without weights."""
    for name in types_with(STATE_MATRIX):
        try:
            with torch.device("meta"):
                model = AutoModelForCausalLM.from_config(CONFIG_MAPPING[name]())
        except Exception as error:
            # whatever keeps a foreign model from being built is what there is to say
            yield Family(name, "", unknown=f"it, as it is not built by default ({type(error).__name__})")
            continue
        yield family_of(model)


def family_of(model: nn.Module) -> Family:
    """What is known of a transformers model's family."""
    parts = list(find_parts(model))
    known = {part.path for part in parts if part.is_ssm}
    strange = [
        type(module).__name__
        for path, module in model.named_modules()
        if STATE_MATRIX in dict(module.named_parameters(recurse=False)) and path not in known
    ]
    kind = type(model).__name__
    return Family(
        model.config.model_type,
        kind,
        *(
            tuple(sorted({part.kind.__name__.rpartition(".")[2] for part in parts if part.is_ssm == ssm}))
            for ssm in (True, False)
        ),
        unknown=strange[0] if strange else "",
        tried=kind.removesuffix("ForCausalLM") in SIZES,
    )
