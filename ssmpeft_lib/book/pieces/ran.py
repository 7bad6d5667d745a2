"""What ran: how many cells, by which code, on which machine, what failed, what is stale, what it cost."""

from __future__ import annotations

from collections import Counter, defaultdict
from statistics import fmean

from ...drawing.numbers import duration
from ...plan.results import RESULTS_VERSION
from .. import links
from ..documents import Book
from ..environment import render
from ..page import raw

LONGEST = 10

REACHED = {
    "own": "the files of its method, model and data set",
    "cell": "all that it runs, without the files of other methods, models and data sets",
    "library": "all of the library that makes numbers",
}
"""What counts as the code of a run, by how far it reaches."""


def myst(book: Book, page: str) -> str:
    """Tables of runs; nothing where nothing ran."""
    ran = {cell: metrics for cell, metrics in book.metrics.items() if metrics}
    if not ran:
        return ""
    done = {cell: metrics for cell, metrics in ran.items() if metrics["status"] == "ok"}
    failed = [
        {"cell": cell, "href": links.href(page, links.cell_page(cell)), "error": metrics["error"]}
        for cell, metrics in ran.items()
        if metrics["status"] == "failed"
    ]
    stale = [cell for cell, metrics in ran.items() if metrics["made_by"]["results_version"] != RESULTS_VERSION]
    longest = sorted(done, key=lambda cell: -_seconds(done[cell]))[:LONGEST]
    return raw(
        render(
            "ran.html",
            scale=book.scale,
            planned=len(book.cells),
            done=len(done),
            failed=failed,
            stale=[{"cell": cell, "href": links.href(page, links.cell_page(cell))} for cell in stale],
            version=RESULTS_VERSION,
            other=[{"cell": cell, "href": links.href(page, links.cell_page(cell))} for cell in book.of_other_code],
            reach=REACHED[book.code_reach],
            seconds=sum(map(_seconds, done.values())),
            makers=_makers(ran.values()),
            costs=_costs(done),
            longest=[
                {"cell": cell, "href": links.href(page, links.cell_page(cell)), "seconds": _seconds(done[cell])}
                for cell in longest
            ],
            runs=links.href(page, "runs"),
        )
    )


def _seconds(metrics):
    """Seconds of training, of choosing what is trained, and of scoring."""
    return sum(metrics["cost"].get(f"{part}_seconds", 0) for part in ("train", "selection", "val", "test"))


def _makers(ran):
    """What code on what machine made how many results."""
    groups, times = Counter(), defaultdict(list)
    for metrics in ran:
        made = metrics["made_by"]
        libraries = ", ".join(f"{name} {version}" for name, version in made.get("libraries", {}).items())
        code = made.get("commit", "not a checkout") + _changes(made)
        machine = f"{made['device']}, {made['threads']} thread(s)" if "device" in made else "not said"
        key = (
            code,
            machine,
            f"Python {made['python']}, {libraries}" if "python" in made else "not said",
            made.get("scan_backend", ""),
        )
        groups[key] += 1
        times[key].append(made.get("time", ""))
    return [
        dict(zip(("code", "machine", "libraries", "scan"), key, strict=True))
        | {"count": count, "first": min(times[key]), "last": max(times[key])}
        for key, count in groups.most_common()
    ]


def _changes(made):
    """What differed from the commit; results of earlier versions do not name the files."""
    if not made.get("dirty"):
        return ""
    names = made.get("changed_files", [])
    return " with uncommitted changes" + (f" in {', '.join(names)}" if names else "")


def _costs(done):
    """Mean cost of a run, by model and data set."""
    groups = defaultdict(list)
    for cell, metrics in done.items():
        groups[cell.model, cell.dataset].append(metrics["cost"])
    return [
        {
            "model": model,
            "dataset": dataset,
            "runs": len(costs),
            "train": duration(fmean(cost["train_seconds"] for cost in costs)),
            "scoring": duration(fmean(_seconds({"cost": cost}) - cost["train_seconds"] for cost in costs)),
            "memory": fmean(measured)
            if (measured := [c["peak_memory_gb"] for c in costs if "peak_memory_gb" in c])
            else None,
        }
        for (model, dataset), costs in sorted(groups.items())
    ]


def _mean_memory(costs: list[dict]) -> float | None:
    """Mean of the peak memory, in GB; None where no run measured it."""
    measured = [cost["peak_memory_gb"] for cost in costs if "peak_memory_gb" in cost]
    return fmean(measured) if measured else None
