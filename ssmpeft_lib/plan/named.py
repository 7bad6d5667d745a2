"""Functions that a document names: each adds itself with a decorator, where its module is imported."""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar

Function = TypeVar("Function", bound=Callable)


def register_in(known: dict[str, Function], what: str) -> Callable[[Function], Function]:
    """Make the decorator that adds functions to a dict, by their names.

    Args:
        known: where they are added.
        what: what several of them are called, for the message.
    Returns:
        the decorator; it raises a ValueError for a second function of one name.
    """

    def register(function: Function) -> Function:
        if function.__name__ in known:
            raise ValueError(f"two {what} are called {function.__name__!r}")
        known[function.__name__] = function
        return function

    return register
