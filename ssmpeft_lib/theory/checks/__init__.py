"""The numbers behind the errata: for each, the printed statement fails and the repaired one holds.

Every check draws its own seeded instance and returns named numbers; `workflow/errata/theory.yaml` records them.
Errors are largest absolute differences in float64, so that an exact statement shows about 1e-15.
"""

from __future__ import annotations

from collections.abc import Callable

from . import deep, essential, prefix, projections, released, selection
from ._shared import Numbers

CHECKS: dict[str, Callable[[], Numbers]] = {
    name: function
    for module in (prefix, projections, essential, deep, selection, released)
    for name, function in vars(module).items()
    if not name.startswith("_") and getattr(function, "__annotations__", {}).get("return") == "Numbers"
}
"""Every check by name."""
