"""The doctor on the small stand-ins of the paper's models, with this library's adapters and with peft's own."""

from __future__ import annotations

import logging
import warnings
from collections.abc import Iterator

import torch
import transformers
from torch import nn

from ..adapters.api import adapt
from ..adapters.method import Method, method_class
from ..plan import registry
from .examination import doctor
from .named import configuration
from .report import Check, Report
from .stock import adapt_with_stock_peft
from .tiny import tiny_like

SURVEY = {
    "mamba-130m": ("in_proj", "x_proj", "dt_proj", "out_proj", "conv1d", "linear+ssm", "in_proj+A_log"),
    "mamba2-130m": ("in_proj", "out_proj", "conv1d", "linear+ssm"),
    "jamba-tiny-319m": ("in_proj", "x_proj", "dt_proj", "out_proj", "conv1d", "linear+ssm", "in_proj+A_log"),
}
"""Where the survey puts LoRA; prompt and prefix come on top, and other methods of this library alone."""

TOKENS = {"vocab_size": 64}


def examine(model: str, method: str, stock_peft: bool = False) -> Report:
    """Examine a method on a model's stand-in with random weights.

    Args:
        model: a name such as `mamba-130m`, a folder or config.json of transformers, or a family such as `bamba`.
        method: a method string.
        stock_peft: adapt with peft's own tuner instead.
    Raises:
        LookupError: no such model, method, option or slot.
        ValueError: an option has a value that it does not take.
    """
    # that no fused kernel is installed is what the report is about
    transformers.logging.set_verbosity_error()
    network = build(model)
    if not stock_peft:
        return doctor(adapt(network, method))
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            adapted = adapt_with_stock_peft(network, method)
    except (ValueError, TypeError, NotImplementedError) as error:
        from peft import __version__

        reason = " ".join(str(error).split())[:160]
        return Report(type(network).__name__, method, f"peft {__version__}", 0, {"adapted": Check(False, reason)})
    return doctor(adapted)


def survey() -> Iterator[dict]:
    """The findings on every method of the survey, this library's beside peft's."""
    for model, targets in SURVEY.items():
        methods = [f"lora@{target}" for target in targets]
        for method in [*methods, "dora@in_proj", "prompt,tokens=8", "prefix,tokens=8,hidden=16"]:
            ours, theirs = examine(model, method), examine(model, method, stock_peft=True)
            yield {"model": model, "method": method, "ours": ours.as_dict(), "stock": theirs.as_dict()}
        for method in ("bitfit", "initial_state", "full@ssm", "sdlora", "sddora"):
            yield {"model": model, "method": method, "ours": examine(model, method).as_dict(), "stock": None}
        for method in [name for name in registry.files("methods") if method_class(name).published]:
            try:
                ours = examine(model, method).as_dict()
            except ValueError as refused:
                # a method that has no meaning on these mixers, and says so
                logging.info("%s %s: %s", model, method, refused)
                continue
            in_peft = method_class(method).stock_peft is not Method.stock_peft
            stock = examine(model, method, stock_peft=True).as_dict() if in_peft else None
            yield {"model": model, "method": method, "ours": ours, "stock": stock}


def build(model: str) -> nn.Module:
    """A stand-in with random weights, always the same, and a small vocabulary.

    Raises:
        LookupError: there is no such model, or adapters do not act in its family.
        ValueError: it is no language model, or its configuration cannot be read.
    """
    if model not in registry.entries("models"):
        return tiny_like(configuration(model))
    if registry.model_facts(model).reads != "text":
        raise ValueError(
            f"{model} reads no text; the doctor examines language models of transformers, such as mamba-130m"
        )
    sizes = registry.model_facts(model).stand_in
    with torch.random.fork_rng():
        torch.manual_seed(0)
        network = registry.load("models", model).build(**(sizes | TOKENS))
    return network.eval()
