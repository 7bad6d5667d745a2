"""What the paper prints in one place of a table, as text with its uncertainty, and as a number."""

from __future__ import annotations

import re
from dataclasses import dataclass

_FORM = re.compile(r"^(?P<bound><?)\s*(?P<value>\d+\.?\d*|\.\d+)(?:±(?P<std>\d*\.?\d+~?))?(?P<mark>[~?]?)$")


@dataclass(frozen=True)
class Printed:
    """One printed number.

    Attributes:
        text: as written in the spec.
        value: the number; for a bound such as `<0.4`, the bound.
        std: the printed spread, or None.
        bound: True for `<value`.
        mark: `cut` when trailing digits are lost and do not follow from other numbers (`80.~`), `reconstructed` when
            the number, or its last digits, were lost and were computed from others (`87.7?`), else empty.
    """

    text: str
    value: float
    std: float | None = None
    bound: bool = False
    mark: str = ""

    def lost(self, digits: int) -> float:
        """How far above `value` the printed number may lie, not included, where `digits` decimals were printed: 0 but
        for a cut number whose lost digits do not follow from others."""
        known = len(self.text.rstrip("~").partition(".")[2])
        return 10.0**-known if self.mark == "cut" and known < digits else 0.0

    @classmethod
    def parse(cls, entry: float | str) -> Printed:
        """Read a spec's entry: a number, or text such as `64.6±0.2`, `<0.4`, `64.6~` (cut), `87.7?` (reconstructed).

        Raises:
            ValueError: the entry is neither.
        """
        text = str(entry).strip()
        match = _FORM.match(text)
        if isinstance(entry, bool) or not match:
            raise ValueError(f"printed value {entry!r} is neither a number nor like 64.6±0.2, <0.4, 64.6~ or 87.7?")
        std = match["std"]
        return cls(
            text=text,
            value=float(match["value"]),
            std=float(std.rstrip("~")) if std else None,
            bound=bool(match["bound"]),
            mark={"~": "cut", "?": "reconstructed"}.get(match["mark"], ""),
        )
