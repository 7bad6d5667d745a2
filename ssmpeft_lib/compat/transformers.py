"""The names under which transformers hands the cache around: `cache` since 5.24, one of two others before."""

from __future__ import annotations

import inspect

from torch import nn

NAMES = ("cache", "cache_params", "past_key_values")
"""The newest first: its outputs answer to the older ones too, with a warning."""


def cache_keyword(model: nn.Module) -> str:
    """Name of the cache among the arguments and in the output of a transformers model.

    Raises:
        TypeError: the model's forward takes no cache under any of the known names.
    """
    arguments = inspect.signature(model.forward).parameters
    for name in NAMES:
        if name in arguments:
            return name
    raise TypeError(f"{type(model).__name__}.forward takes no cache: none of {', '.join(NAMES)} is an argument of it")


def find_cache(arguments: dict):
    """The cache among the keyword arguments of a call, or None."""
    return next((arguments[name] for name in NAMES if arguments.get(name) is not None), None)


def take_cache(arguments: dict):
    """The same, and take it out of the arguments under all of its names."""
    cache = find_cache(arguments)
    for name in NAMES:
        arguments.pop(name, None)
    return cache
