"""The errata of the formal statements: read, checked, and their evidence recomputed."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

import yaml

from ..plan.errata import KINDS
from ..plan.results import write_text
from .checks import CHECKS

ERRATA = Path(__file__).resolve().parent.parent.parent / "workflow" / "errata" / "theory.yaml"
ROUNDING = 1e-9
"""Numbers below this are rounding errors: their size carries no meaning."""


@dataclass(frozen=True)
class Erratum:
    """One entry.

    Attributes:
        id: T-01 and so on, in the order of the paper.
        statement, where: what it is about, and the place in the paper.
        kind: one of `KINDS`.
        title, printed, problem, repair: prose.
        check: name of the function that shows it, or empty; evidence: the numbers it returned.
    """

    id: str
    statement: str
    where: str
    kind: str
    title: str
    printed: str
    problem: str
    repair: str
    check: str = ""
    evidence: dict[str, float] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.kind not in KINDS:
            raise ValueError(f"{ERRATA}: {self.id} has kind {self.kind!r}, expected one of {', '.join(KINDS)}")
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
    """What a check returns, to two digits."""
    return {name: float(f"{value:.2g}") for name, value in CHECKS[check]().items()}


def agrees(recorded: dict[str, float], computed: dict[str, float]) -> bool:
    """Whether two sets of numbers are the same up to 10 %, all rounding errors being equal."""

    def same(a: float, b: float) -> bool:
        return max(abs(a), abs(b)) < ROUNDING or abs(a - b) <= 0.1 * max(abs(a), abs(b))

    return recorded.keys() == computed.keys() and all(same(recorded[name], computed[name]) for name in recorded)


def write_evidence(path: Path = ERRATA) -> None:
    """Recompute all numbers and put them into the file, leaving its prose and comments as they are."""
    text = path.read_text(encoding="utf-8")
    for entry in errata(path):
        if entry.check:
            numbers = ", ".join(f"{_quoted(name)}: {_number(value)}" for name, value in evidence(entry.check).items())
            start = text.index(f"- id: {entry.id}\n")
            before, after = text[:start], text[start:]
            text = before + re.sub(r"^  evidence: .*$", f"  evidence: {{{numbers}}}", after, count=1, flags=re.M)
    write_text(path, text)


def _quoted(name: str) -> str:
    return f'"{name}"' if re.search(r"[^\w ]", name) else name


def _number(value: float) -> str:
    # YAML reads 1e-15 as text and 1.0e-15 as a number
    return re.sub(r"^(-?\d+)e", r"\1.0e", f"{value:g}")
