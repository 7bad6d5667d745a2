"""Differences in points as pages draw them: a mark and an interval on an axis that a whole table shares."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from ..drawing.numbers import signed


@dataclass(frozen=True)
class EffectAxis:
    """An axis that holds zero and every value that is drawn on it."""

    low: float
    high: float

    @classmethod
    def of(cls, values: Iterable[float]) -> EffectAxis:
        """Make the axis of some values."""
        shown = [0.0, *values]
        return cls(min(shown), max(shown))

    def percent(self, value: float) -> str:
        """Return a value's place, in percent from the left, with room for a mark at either end."""
        return f"{3 + 94 * (value - self.low) / ((self.high - self.low) or 1):.1f}"

    def drawn(self, mean: float, low: float, high: float, note: str = "") -> dict[str, str]:
        """Return what the template `effect.html` draws."""
        interval = f"{signed(low)} to {signed(high)}" if (low, high) != (mean, mean) else ""
        return {
            "text": signed(mean),
            "interval": ", ".join(filter(None, [interval, note])),
            "zero": self.percent(0),
            "at": self.percent(mean),
            "start": self.percent(low),
            "end": self.percent(high),
        }
