"""Errata as pages and chapters show them: what is printed, what is right, and the evidence on demand."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from markupsafe import Markup

from ..plan.errata import BELOW, KINDS, written
from .environment import prose, render

KINDS_OF_TABLES = {"error": "", "gap": "something is not said", "remark": "a remark"}


def errata_html(entries: list[dict[str, Any]]) -> str:
    """A list of errata, each as `of_tables` or `of_theory` gives it."""
    return render("errata.html", errata=entries)


def of_tables(erratum: dict[str, Any], link: Callable[[str], str | None]) -> dict[str, Any]:
    """An erratum of the tables and the text, from results/errata.json."""
    own = {key: erratum[key] for key in ("id", "title", "where")}
    said = {key: prose(erratum[key], link) for key in ("printed", "right")}
    more = {"evidence": prose(erratum["text"], link)}
    if tables := ", ".join(_name(exhibit) for exhibit in erratum["exhibits"]):
        more["about"] = prose(tables, link)
    return own | said | {"kind": KINDS_OF_TABLES[erratum["kind"]], "more": more}


def of_theory(erratum: dict[str, Any]) -> dict[str, Any]:
    """An erratum of the formal statements, as workflow/errata/theory.yaml has it."""
    own = {key: erratum[key] for key in ("id", "title", "printed")}
    more = {"problem": erratum["problem"], "statement": erratum["statement"]}
    if erratum.get("check"):
        found = Markup(", ").join(
            Markup("{} {}").format(name.replace("_", " "), number(value)) for name, value in erratum["evidence"].items()
        )
        more["checked"] = Markup("{} (<code>{}</code>)").format(found, erratum["check"])
    return own | {"where": erratum["where"], "right": erratum["repair"], "kind": KINDS[erratum["kind"]], "more": more}


def number(value: float | str) -> Markup:
    """Two digits; a rounding error, whose digits differ from machine to machine, is said to be one."""
    if written(value) == BELOW:
        return Markup(BELOW.replace("1e-12", "10<sup>\u221212</sup>"))
    if value == int(value) and abs(value) < 1e4:
        return Markup(int(value))
    mantissa, _, power = f"{value:.2g}".replace("-", "\u2212").partition("e")
    exponent = int(power.replace("\u2212", "-")) if power else 0
    return Markup(f"{mantissa} × 10<sup>{exponent}</sup>".replace("-", "\u2212") if power else mantissa)


def _name(exhibit: str) -> str:
    kind = exhibit.rstrip("0123456789")
    return f"{kind.capitalize()} {int(exhibit.removeprefix(kind))}"
