"""The errata of the formal statements: read, checked, and their evidence recomputed."""

from __future__ import annotations

import math
import re
from dataclasses import dataclass, field
from functools import cache
from numbers import Integral
from pathlib import Path

import yaml

from ..plan.atomic import write_text
from ..plan.errata import BELOW, KINDS, ROUNDING, WEIGHTS, written
from ..plan.registry import PACKAGE
from .checks import CHECKS

ERRATA = PACKAGE.parent / "workflow" / "errata" / "theory.yaml"


@dataclass(frozen=True)
class Erratum:
    """One entry.

    Attributes:
        id: T-01 and so on, in the order of the paper.
        statement, where: what it is about, and the place in the paper.
        kind: one of `KINDS`; weight: one of `WEIGHTS`.
        title, printed, problem, repair: prose.
        check: name of the function that shows it, or empty; evidence: the numbers it returned, as `written`.
    """

    id: str
    statement: str
    where: str
    kind: str
    weight: str
    title: str
    printed: str
    problem: str
    repair: str
    check: str = ""
    evidence: dict[str, float | str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        for name, known in (("kind", KINDS), ("weight", WEIGHTS)):
            if (given := getattr(self, name)) not in known:
                raise ValueError(f"{ERRATA}: {self.id} has {name} {given!r}, expected one of {', '.join(known)}")
        if self.check and self.check not in CHECKS:
            raise ValueError(f"{ERRATA}: {self.id} names the check {self.check!r} (have: {', '.join(CHECKS)})")


def errata(path: Path = ERRATA) -> list[Erratum]:
    """All entries, in the order of the paper.

    Raises:
        ValueError: an entry with a wrong kind, check or key.
    """
    try:
        return [Erratum(**entry) for entry in yaml.safe_load(path.read_text(encoding="utf-8"))]
    except TypeError as error:
        raise ValueError(f"{path}: {error}") from None


@cache
def evidence(check: str) -> dict[str, float]:
    """What a check returns, to two digits; counts stay whole numbers."""
    found = CHECKS[check]().items()
    return {name: (int if isinstance(value, Integral) else float)(float(f"{value:.2g}")) for name, value in found}


def agrees(recorded: dict[str, float | str], computed: dict[str, float]) -> bool:
    """Whether numbers as `written` are those computed, up to one in the second digit; rounding errors are all equal."""

    def same(a: float | str, b: float | str) -> bool:
        if isinstance(a, str) or isinstance(b, str):
            return a == b
        # two digits of a number may round either way
        return abs(a - b) <= 1.001 * 10.0 ** (math.floor(math.log10(max(abs(a), abs(b), ROUNDING))) - 1)

    wanted = {name: written(value) for name, value in computed.items()}
    return recorded.keys() == wanted.keys() and all(same(recorded[name], wanted[name]) for name in wanted)


def write_evidence(path: Path = ERRATA) -> None:
    """Recompute all numbers and put those that changed into the file, leaving its prose and comments as they are."""
    text = path.read_text(encoding="utf-8")
    for entry in errata(path):
        if entry.check and not agrees(entry.evidence, evidence(entry.check)):
            numbers = ", ".join(f"{_quoted(name)}: {_number(value)}" for name, value in evidence(entry.check).items())
            start = text.index(f"- id: {entry.id}\n")
            before, after = text[:start], text[start:]
            text = before + re.sub(r"^  evidence: .*$", f"  evidence: {{{numbers}}}", after, count=1, flags=re.M)
    write_text(path, text)


def _quoted(name: str) -> str:
    return f'"{name}"' if re.search(r"[^\w ]", name) else name


def _number(value: float) -> str:
    if isinstance(written(value), str):
        return BELOW
    # YAML reads 1e-15 as text and 1.0e-15 as a number
    return re.sub(r"^(-?\d+)e", r"\1.0e", f"{value:g}")
