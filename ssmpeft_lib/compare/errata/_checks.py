"""The checks of errata by name. A check adds itself with the decorator, where its module is imported."""

from __future__ import annotations

from collections.abc import Callable

from ...plan.named import register_in
from .numbers import Counts, Evidence, PrintedNumbers

Check = Callable[[PrintedNumbers, Counts], Evidence]

CHECKS: dict[str, Check] = {}
"""Every check by its function's name, which `check:` of an erratum gives."""

check = register_in(CHECKS, "checks of errata")
"""Register a function that recomputes the evidence of an erratum from printed numbers and counted parameters."""
