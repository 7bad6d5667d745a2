"""The drawings of the theory chapter, in ink: filled marks hold, open ones fail."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

import matplotlib
import numpy as np
import seaborn
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from ...plan.errata import BELOW, ROUNDING
from ...theory import deep, prefix
from ...theory.errata import errata
from ...theory.essential import count_parameters, tuned
from ...theory.selection import Selection
from ...theory.systems import System
from .page import INK, figure

STYLE = {
    "text.color": INK["ink"],
    "axes.labelcolor": INK["ink-2"],
    "axes.edgecolor": INK["ink-3"],
    "xtick.color": INK["ink-3"],
    "ytick.color": INK["ink-3"],
    "xtick.labelcolor": INK["ink-2"],
    "ytick.labelcolor": INK["ink-2"],
    "axes.spines.top": False,
    "axes.spines.right": False,
    "axes.grid": True,
    "axes.grid.axis": "y",
    "grid.color": INK["rule"],
    "axes.axisbelow": True,
}
HOLDS = {"marker": "o", "color": INK["ink"], "linestyle": "none", "markersize": 6}
FAILS = {**HOLDS, "markerfacecolor": INK["page"], "markeredgewidth": 1.5}


@contextmanager
def drawing(height: float = 3.6) -> Iterator[tuple[Figure, Axes]]:
    """A figure in the chapter's style, about as wide as its text."""
    with seaborn.axes_style("ticks"), seaborn.plotting_context("notebook"), matplotlib.rc_context(STYLE):
        fig = Figure(figsize=(7.2, height), layout="constrained")
        yield fig, fig.subplots()


def spectra(H: int) -> dict[str, np.ndarray]:
    """Transitions of four kinds of channel with H states."""
    return {
        "real, evenly spaced": np.linspace(0.2, 0.95, H),
        "real, Chebyshev points": np.cos(np.pi * (np.arange(H) + 0.5) / H),
        "complex, S4D-Lin": np.exp(0.1 * (-0.5 + 1j * np.pi * np.arange(H))),
        "complex, roots of unity": np.exp(2j * np.pi * np.arange(H) / H),
    }


def limit_of_float64(kind: int, tolerance: float = 1 / 3, most: int = 64) -> int | None:
    """The first number of states at which rounding can change a prefix by `tolerance`; None up to `most`.

    The bound is the condition number times the machine epsilon, for a prefix that is turned into a state and back. The
    error of one prefix would be another on every processor.
    """
    eps = np.finfo(float).eps
    lost = (H for H in range(2, most + 1) if prefix.condition_number(list(spectra(H).values())[kind]) * eps > tolerance)
    return next(lost, None)


def conditioning(most: int = 32) -> HTML:
    """Condition number of the matrix of eq. (7) against the number of states."""
    labels = [(11, 3e11, "right"), (24.5, 3e6, "left"), (21.6, 1e13, "left"), (32, 8, "right")]
    with drawing(4.4) as (fig, ax):
        sizes = np.arange(2, most + 1)
        for name, style, (x, y, side) in zip(spectra(2), ("-", "--", "-.", ":"), labels, strict=True):
            values = [min(prefix.condition_number(spectra(H)[name]), 1 / np.finfo(float).eps) for H in sizes]
            ax.semilogy(sizes, values, style, color=INK["ink"], lw=1.6)
            ax.text(x, y, name, ha=side, va="center")
        ax.axhline(1 / np.finfo(float).eps, color=INK["ink-3"], lw=0.8, dashes=(2, 3))
        ax.text(2, 8e15, "1 / eps: float64 has no digit left", color=INK["ink-2"])
        ax.set(ylim=(0.5, 1e18), xlabel="states of the channel, H")
        ax.set_title("Condition number", loc="left", fontsize=13)
        return figure(fig, "conditioning", "Condition number of the Vandermonde matrix against the number of states")


def removed_state(seed: int = 0) -> HTML:
    """Kernels of a target and of the tuned channel, with redundant states removed through C and through A."""
    rng = np.random.default_rng(seed)
    frozen, target = System.random(rng, 4), System.random(rng, 2)
    count, lags = count_parameters(frozen, target), np.arange(10)
    with drawing(3.2) as (fig, ax):
        ax.plot(lags, target.kernel(10), color=INK["ink-3"], lw=1.2)
        for part, style in (("C", HOLDS), ("A", {**FAILS, "markersize": 10})):
            ax.plot(lags, tuned(frozen, target, count, part).kernel(10), **style)
        first = tuned(frozen, target, count, "A").kernel(1)[0]
        ax.annotate("removed through A: lag 0 is left", (0, first), (12, -4), textcoords="offset points")
        ax.set(xlabel="lag", xticks=lags)
        ax.set_title("Kernel: target (line), states removed through C (filled), A (open)", loc="left", fontsize=13)
        return figure(fig, "removed-state", "Kernels agree at all lags but 0, where removal through A leaves a gap")


def channel_bounds(D: int = 64, L_target: int = 3, most: int = 16) -> HTML:
    """Channels a layer that Theorem 4 grants and that its construction needs, against the number of layers."""
    sizes = np.arange(L_target, most + 1)
    with drawing(3.2) as (fig, ax):
        for bounds, style in ((deep.construction_bounds, HOLDS), (deep.printed_bounds, FAILS)):
            ax.plot(sizes, [bounds(D, int(L), L_target)["channels"] for L in sizes], **style)
        ax.set(xlabel="layers of the frozen model, L", ylim=(0, D + 4))
        title = f"Channels for D = {D}, L* = {L_target}: construction (filled), printed (open)"
        ax.set_title(title, loc="left", fontsize=13)
        return figure(
            fig,
            "channel-bounds",
            "Where L* does not divide L, the printed bound is mostly below that of the construction",
        )


def chosen_channels(selections: dict[str, Selection], d_model: int) -> HTML:
    """Which channels each rule trains, one row a rule."""
    with drawing(0.9 + 0.45 * len(selections)) as (fig, ax):
        for row, selection in enumerate(selections.values()):
            ax.plot(range(d_model), [row] * d_model, "|", color=INK["rule"], markersize=8)
            ax.plot(selection.usable_channels, [row] * len(selection.usable_channels), **FAILS)
            ax.plot(selection.update_channels, [row] * len(selection.update_channels), **HOLDS)
        ax.set(yticks=range(len(selections)), ylim=(len(selections) - 0.5, -0.5), xlabel="channel")
        ax.set_yticklabels(list(selections))
        ax.grid(False)
        return figure(fig, "chosen-channels", "Channels that each rule keeps (open) and trains (filled)")


def at_a_glance() -> HTML:
    """Error of every statement that can be run: as printed, and repaired."""
    entries = [e for e in errata() if e.kind != "wording" and {"printed", "repaired"} <= e.evidence.keys()]
    entries = [e for e in entries if e.check != "group_size"]
    with drawing(0.9 + 0.48 * len(entries)) as (fig, ax):
        for row, entry in enumerate(entries):
            values = [max(_size(entry.evidence[name]), ROUNDING) for name in ("repaired", "printed")]
            ax.plot(values, [row, row], color=INK["rule"], lw=1)
            ax.plot(values[0], row, **HOLDS)
            ax.plot(values[1], row, **FAILS)
            ax.text(ROUNDING, row - 0.28, f"{entry.id}  {entry.title}", fontsize=11.5)
        ax.set(xscale="log", xlim=(ROUNDING / 2, 1e3), yticks=[], ylim=(len(entries) - 0.5, -0.8))
        ax.set_xlabel("largest error in float64; filled: repaired (left edge: below 1e-12), open: as printed")
        ax.spines["left"].set_visible(False)
        return figure(fig, "at-a-glance", "Errors as printed, between 0.01 and 100, and repaired, below 1e-12")


def _size(number: float | str) -> float:
    return 0.0 if number == BELOW else number
