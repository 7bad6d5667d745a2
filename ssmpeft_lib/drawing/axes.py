"""Scales of charts: where a value lies between two pixels, and which round values are marked."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass


@dataclass(frozen=True)
class Scale:
    """A linear or logarithmic axis.

    Attributes:
        low, high: the values at its ends.
        start, end: where these lie, in the drawing's units.
        log: whether equal distances are equal factors.
        ticks: the values that are marked.
    """

    low: float
    high: float
    start: float
    end: float
    log: bool = False
    ticks: tuple[float, ...] = ()

    def __call__(self, value: float) -> float:
        """Position of a value; one beyond the ends lies at the end."""
        place = (self._shape(value) - self._shape(self.low)) / (self._shape(self.high) - self._shape(self.low))
        return self.start + min(1.0, max(0.0, place)) * (self.end - self.start)

    def _shape(self, value: float) -> float:
        return math.log10(max(value, self.low)) if self.log else value


def linear(values: Iterable[float], start: float, end: float, marks: int = 4) -> Scale:
    """A linear scale with round ends that holds every value, with about `marks` steps."""
    values = list(values)
    low, high = min(values), max(values)
    step = round_step((high - low or abs(high) or 1) / marks)
    first, last = math.floor(low / step), math.ceil(high / step)
    last += first == last
    ticks = tuple(round(i * step, 10) for i in range(first, last + 1))
    return Scale(ticks[0], ticks[-1], start, end, ticks=ticks)


def logarithmic(values: Iterable[float], start: float, end: float) -> Scale:
    """A logarithmic scale over whole decades that holds every positive value.

    Raises:
        ValueError: no value is positive.
    """
    positive = [value for value in values if value > 0]
    if not positive:
        raise ValueError("a logarithmic axis needs a positive value")
    first, last = math.floor(math.log10(min(positive))), math.ceil(math.log10(max(positive)))
    last += first == last
    return Scale(10.0**first, 10.0**last, start, end, True, tuple(10.0**power for power in range(first, last + 1)))


def round_step(rough: float) -> float:
    """The next of 1, 2, 2.5, 5 times a power of ten."""
    power = 10.0 ** math.floor(math.log10(rough))
    return next(factor * power for factor in (1, 2, 2.5, 5, 10) if factor * power >= rough * 0.999)
