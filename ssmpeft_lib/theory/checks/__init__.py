"""The numbers behind the errata: for each, the printed statement fails and the repaired one holds.

Every check draws its own seeded instance and returns named numbers; `workflow/errata/theory.yaml` records them.
Errors are largest absolute differences in float64, so that an exact statement shows about 1e-15.
"""

from __future__ import annotations

# a module's checks are known once it is imported
from . import deep, essential, prefix, projections, released, selection  # noqa: F401
from ._shared import CHECKS as CHECKS
