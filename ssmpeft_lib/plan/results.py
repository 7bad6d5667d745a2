"""The contract between what computes and what renders: metrics.json, whole or not there at all."""

from __future__ import annotations

import json
import math
import unicodedata
from pathlib import Path
from typing import Any

from .atomic import write_text
from .reading import read_json
from .schema import check_against_schema

RESULTS_VERSION = 2
"""Raised by whoever changes what a cell computes; cells of another version are run again."""

FORGET = "To run them again: python -m ssmpeft_lib forget-failed, then the same command as before."
"""What to do about cells that failed."""


class MissingMetric(LookupError):
    """A metrics.json has no value at a dotted path."""


def write_json(path: Path, document: Any) -> None:
    """Write JSON so that `path` holds the old contents or the new ones, never a part.

    Raises:
        ValueError: the document holds NaN or infinity, which JSON has no word for.
    """
    write_text(path, json.dumps(document, indent=1, ensure_ascii=False, allow_nan=False) + "\n")


def write_metrics(path: Path, metrics: dict[str, Any]) -> None:
    """Check a cell's results against the contract and write them.

    Raises:
        ValueError: a key that the contract does not know, a missing one, or a number that is not finite.
    """
    _refuse_nan(metrics, path)
    check_against_schema(metrics, "metrics", path)
    write_json(path, metrics)


def read_metrics(path: Path) -> dict[str, Any]:
    """Read and check a cell's results.

    Raises:
        ValueError: the file is not JSON or does not follow the contract; says how to make it again.
    """
    path = Path(path)
    metrics = read_json(path)
    check_against_schema(metrics, "metrics", path)
    return metrics


def describe_failure(metrics: dict[str, Any]) -> str:
    """A failed cell in a line."""
    return printable(f"failed: {metrics['cell']}: {metrics['error']['type']}: {metrics['error']['message']}")


def printable(text: str) -> str:
    """A text with what could steer a terminal (escapes, carriage returns, changes of direction) written out."""
    return "".join(
        letter
        if letter in "\n\t" or unicodedata.category(letter) not in ("Cc", "Cf", "Cs", "Co")
        else letter.encode("unicode_escape").decode()
        for letter in text
    )


def value_at(metrics: dict[str, Any], dotted: str) -> float:
    """The number at a dotted path such as `test.bleu`.

    Raises:
        MissingMetric: there is none; a missing metric is absent, never 0.
    """
    found: Any = metrics
    for part in dotted.split("."):
        if not isinstance(found, dict) or part not in found:
            raise MissingMetric(f"no {dotted!r} in the results of {metrics['cell']}")
        found = found[part]
    return found


def _refuse_nan(document: Any, path: Path | str, at: str = "") -> None:
    if isinstance(document, float) and not math.isfinite(document):
        raise ValueError(f"{path}: {at} is {document}; a metric that could not be computed must be left out")
    items = (
        document.items() if isinstance(document, dict) else enumerate(document) if isinstance(document, list) else ()
    )
    for key, value in items:
        _refuse_nan(value, path, f"{at}.{key}".lstrip("."))
