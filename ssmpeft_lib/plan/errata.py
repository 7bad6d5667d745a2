"""What errata are called on every page: kinds, weights by what depends on them, and numbers that mean zero."""

from __future__ import annotations

KINDS = {
    "error": "false as printed",
    "gap": "needs a condition or a proof",
    "wording": "symbols",
    "remark": "not wrong, worth knowing",
    "code": "the released code differs",
}
"""The kinds of errata of the formal statements."""

WEIGHTS = {
    "conclusion": "Change a conclusion",
    "number": "Wrong numbers, formulas, missing conditions",
    "wording": "Wording, labels, remarks",
    "code": "Where the released code differs",
}
"""What an erratum changes, the heaviest first, with the headings that errata are listed under."""

ROUNDING = 1e-12
"""Errors below this are rounding errors: their digits differ between processors and carry no meaning."""

BELOW = "below 1e-12"
"""What is written in place of a number below `ROUNDING`."""


def written(value: float | str) -> float | str:
    """A number as the file has it: the same on every machine, so that a rounding error is `BELOW`, without digits."""
    return BELOW if isinstance(value, float) and abs(value) < ROUNDING else value
