"""The drawings of Figures 1 and 2: fronts of error against trained parameters, in the colours of the methods."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import pandas
import seaborn
from IPython.display import HTML
from matplotlib.axes import Axes
from matplotlib.ticker import FixedLocator, LogLocator, NullLocator

from ...compare.regression_claims import Comparison, claims, front
from ...compare.regression_runs import Run, best, seeds_of
from .page import INK, figure, table
from .plots import drawing

LOOKS = {
    "LoRA (Proj)": {"color": INK["lora"], "marker": "o", "linestyle": "--"},
    "LoRA on S4": {"color": INK["lora"], "marker": "o", "linestyle": "-"},
    "LoRA (S4+Proj)": {"color": INK["lora"], "marker": "o", "linestyle": ":"},
    "SDLoRA": {"color": INK["sdlora"], "marker": "s", "linestyle": "-"},
    "SDT": {"color": INK["sdlora"], "marker": "s", "linestyle": "--", "markerfacecolor": INK["page"]},
    "Full": {"color": INK["full"], "marker": "o", "linestyle": "none", "markerfacecolor": INK["page"]},
}
"""The methods that are drawn, by the labels of the figures' rows."""

SHARES = (7, 10, 15, 20, 30, 50, 100)

READ_TO = 0.02
"""How exactly errors were read off the paper's pictures; one that was read as zero is drawn here."""

PublicPoint = tuple[str, float, float]


def fronts(runs: Sequence[Run], metric: str, name: str, labels: Sequence[str] = tuple(LOOKS)) -> HTML:
    """Error of each method, relative to the model before training, against the largest share that it may train.

    Lines are medians over seeds, bands reach from the best to the worst seed.
    """
    frozen = np.array([min(r["first_error"] for r in runs if r["seed"] == seed) for seed in seeds_of(runs)])
    with drawing(4.6) as (fig, ax):
        for label in (label for label in labels if any(r["label"] == label for r in runs)):
            points = front(runs, metric, label)
            errors = np.array(list(points.values())) / frozen
            _draw(ax, label, list(points), errors)
        _axes(ax)
        ax.set_title("Error, relative to the untrained model", loc="left", fontsize=13)
        _legend(ax)
        return figure(fig, name, "Error against the share of trained parameters, one line for each method")


def beside_the_public_points(runs: Sequence[Run], metric: str, public: Sequence[PublicPoint], name: str) -> HTML:
    """Error of each method relative to the frozen model, the points of the paper's pictures beside our fronts.

    Args:
        public: label, share and error of each point of the pictures, the frozen model's among them.
        name: of the drawing.
    """
    ours = np.array([best(runs, metric, seed, ("Frozen",)) for seed in seeds_of(runs)])
    (drawn,) = (error for label, _, error in public if label == "Frozen")
    with drawing(4.6) as (fig, ax):
        for label in (label for label in LOOKS if any(point[0] == label for point in public)):
            points = front(runs, metric, label)
            _draw(ax, label, list(points), np.array(list(points.values())) / ours)
            marks = [(share, max(error, READ_TO) / drawn) for known, share, error in public if known == label]
            ax.plot(*zip(*marks, strict=True), markersize=10, alpha=0.6, **LOOKS[label] | {"linestyle": "none"})
        _axes(ax)
        ax.set_title("Error, relative to the frozen model; large marks: the paper", loc="left", fontsize=13)
        _legend(ax)
        return figure(fig, name, "Error against the share of trained parameters: our fronts and the paper's points")


def _legend(ax: Axes) -> None:
    """Write the names of the lines outside of the drawing, where no mark is taken for one of theirs."""
    handles, labels = ax.get_legend_handles_labels()
    if ax.get_legend():
        ax.get_legend().remove()
    ax.figure.legend(
        handles, labels, loc="outside lower left", ncols=3, frameon=False, fontsize=12, labelcolor=INK["ink-2"]
    )


def _axes(ax: Axes) -> None:
    ax.set(xscale="log", yscale="log", xlabel="largest share of parameters trained, %", ylabel="error, relative")
    ax.yaxis.set_major_locator(LogLocator(subs=(1.0, 2.0, 5.0)))
    ax.yaxis.set_major_formatter("{x:g}")
    ax.yaxis.set_minor_locator(NullLocator())
    ax.xaxis.set_major_locator(FixedLocator(SHARES))
    ax.xaxis.set_minor_locator(NullLocator())
    ax.set_xticks(SHARES, [str(share) for share in SHARES])


def _draw(ax: Axes, label: str, shares: list[float], errors: np.ndarray) -> None:
    """Draw the median over seeds and, around it, all of them; errors [shares, seeds]."""
    band = {"alpha": 0.1, "lw": 0} if len(shares) > 1 else {"lw": 1}
    seaborn.lineplot(
        pandas.DataFrame(errors.T, columns=shares).melt(var_name="share", value_name="error"),
        x="share",
        y="error",
        estimator="median",
        errorbar=("pi", 100),
        err_style="band" if len(shares) > 1 else "bars",
        err_kws=band,
        lw=1.6,
        markersize=6,
        markeredgecolor=LOOKS[label]["color"],
        label=label,
        ax=ax,
        **LOOKS[label],
    )


def claims_table(runs: Sequence[Run], metric: str) -> HTML:
    """Each claim of the paper with the ratio of errors that tests it and what follows."""
    rows = [[claim, _ratio(result), _seeds(result), VERDICTS[result.verdict]] for claim, result in claims(runs, metric)]
    return table(["claim", "ratio of errors (95 % interval)", "seeds below 1", "verdict"], rows)


VERDICTS = {"better": "confirmed", "worse": "not confirmed", "unclear": "unclear"}


def _ratio(result: Comparison) -> str:
    return f"{result.mean:.2f} ({result.low:.2f} to {result.high:.2f})"


def _seeds(result: Comparison) -> str:
    return f"{sum(ratio < 1 for ratio in result.ratios)} of {len(result.ratios)}"
