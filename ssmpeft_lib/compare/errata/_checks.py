"""The checks of errata by name. A check adds itself with the decorator, where its module is imported."""

from __future__ import annotations

from collections.abc import Callable

from .numbers import Counts, Evidence, PrintedNumbers

Check = Callable[[PrintedNumbers, Counts], Evidence]

CHECKS: dict[str, Check] = {}
"""Every check by its function's name, which `check:` of an erratum gives."""


def check(function: Check) -> Check:
    """Register a function that recomputes the evidence of an erratum from printed numbers and counted parameters.

    Raises:
        ValueError: another check has that name.
    """
    if function.__name__ in CHECKS:
        raise ValueError(f"two checks of errata are called {function.__name__!r}")
    CHECKS[function.__name__] = function
    return function
