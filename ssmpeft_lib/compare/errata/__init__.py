"""Errata of the paper's tables: read, and filled with numbers that are recomputed from the specs."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

from ...plan import registry
from ...plan.errata import WEIGHTS
from ...plan.exhibit import Exhibit
from ...plan.schema import check_against_schema

# a module's checks are known once it is imported
from . import averages, figures, placements, shares, splits, statements  # noqa: F401
from ._checks import CHECKS
from .numbers import Counts, Evidence, PrintedNumbers, Unavailable

ERRATA = registry.PACKAGE.parent / "workflow" / "errata" / "tables.yaml"


@dataclass(frozen=True)
class Erratum:
    """One entry.

    Attributes:
        id: E-01 and so on, its stable name.
        exhibits: ids of the tables that it is about; none if it is about the text alone.
        where: place in the paper.
        title: in a few words.
        printed, right: what the paper says and what is so; text: the evidence. All three have places in braces for
            the numbers of the check.
        weight: one of `WEIGHTS`, by what depends on it.
        kind: error, gap or remark.
        check: name of the function that recomputes the evidence, or empty where the text has no numbers.
        counts: models and methods whose parameters the check needs.
        quotes: numbers that the paper gives in its prose.
    """

    id: str
    exhibits: list[str]
    where: str
    title: str
    printed: str
    right: str
    text: str
    weight: str
    kind: str = "error"
    check: str = ""
    counts: list[dict[str, str]] = field(default_factory=list)
    quotes: dict[str, str] = field(default_factory=dict)

    def evidence(self, printed: PrintedNumbers, counts: Counts) -> Evidence:
        """The numbers of the text, by name; those that were quoted and those that are recomputed."""
        return self.quotes | (CHECKS[self.check](printed, counts) if self.check else {})


def load_errata(path: Path = ERRATA) -> list[Erratum]:
    """All entries.

    Raises:
        ValueError: the file does not follow its schema.
        LookupError: an entry names a check that there is none of.
    """
    entries = yaml.safe_load(path.read_text(encoding="utf-8"))
    check_against_schema(entries, "errata", path)
    for entry in entries:
        if entry.get("check", "") not in ("", *CHECKS):
            raise LookupError(registry.unknown("check", entry["check"], CHECKS, f"{path}: {entry['id']}"))
    return [Erratum(**entry) for entry in entries]


def errata_of_tables(exhibits: list[Exhibit], counts: Mapping[str, Mapping[str, Mapping]]) -> list[dict[str, Any]]:
    """The entries as pages show them: their facts, with the numbers of `evidence` in their sentences.

    Those that weigh most come first, in the order of `WEIGHTS`, and among them the order of the file stays. One whose
    numbers are not there, because its table is not or a method cannot be counted, is left out, and the log says so.

    Args:
        exhibits: all tables.
        counts: counted parameters by model and method, as `python -m ssmpeft_lib shares` writes them.
    """
    printed, counted = PrintedNumbers(exhibits), Counts(counts)
    order = list(WEIGHTS)
    found = []
    for erratum in sorted(load_errata(), key=lambda one: order.index(one.weight)):
        try:
            found.append(_filled(erratum, printed, counted))
        except Unavailable as error:
            logging.warning("%s is left out: %s", erratum.id, error)
    return found


def _filled(erratum: Erratum, printed: PrintedNumbers, counts: Counts) -> dict[str, Any]:
    evidence = erratum.evidence(printed, counts)
    facts = {name: getattr(erratum, name) for name in ("id", "kind", "weight", "exhibits", "where", "title")}
    sentences = {name: getattr(erratum, name).format(**evidence) for name in ("printed", "right", "text")}
    return facts | sentences | {"evidence": evidence}


def printed_twice(exhibits: list[Exhibit]) -> list[dict[str, Any]]:
    """Quantities that are printed with two values which cannot be roundings of one, with every place of each."""
    found = []
    for points in PrintedNumbers(exhibits).twice:
        where = [
            {"exhibit": point.exhibit, "row": point.row, "column": point.column, "value": point.printed.text}
            for point in points
        ]
        names = zip(("model", "method", "dataset", "metric"), points[0].key, strict=True)
        found.append({**dict(names), "where": where})
    return found
