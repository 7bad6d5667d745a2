"""Checks of the points of Figures 1 and 2."""

from __future__ import annotations

from statistics import fmean

from ._checks import check
from .numbers import Counts, Evidence, PrintedNumbers

LAYERS, CHANNELS = 4, 64
"""Size of the frozen model (Sec. 5.3)."""

SHARE, ERROR = "Params (%)", "Error"
RANKS = (4, 8, 16)


@check
def frozen_in_the_figures(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """The share at which the frozen model is drawn, against that of one number for each channel of every layer."""
    row = printed.row("figure1", "frozen")
    return {"printed": row[SHARE], "error": row[ERROR], "vector": _share_of_a_vector(printed)}


@check
def lora_on_s4_in_figure1(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """How far LoRA (S4+Proj) lies to the right of LoRA (Proj), against what a low-rank update of S4 would add."""
    projections = _shares(printed, "projections")
    both = _shares(printed, "both")
    vector = _share_of_a_vector(printed)
    states, parts, rank = 16, 4, 2
    return {
        "shift": fmean(right - left for left, right in zip(projections, both, strict=True)),
        "vector": vector,
        "rank": rank,
        # the two real matrices and a complex one, [channels, states] each, as products of two factors
        "update": vector * parts * rank * (CHANNELS + states) / CHANNELS,
    }


def _shares(printed: PrintedNumbers, row: str) -> list[float]:
    return [printed.row("figure1", f"{row}_{rank}")[SHARE] for rank in RANKS]


def _share_of_a_vector(printed: PrintedNumbers) -> float:
    """Share of a vector of one number for each channel in every layer, by what LoRA's rank adds to its share."""
    shares = _shares(printed, "projections")
    vectors = 2 * (RANKS[-1] - RANKS[0])
    return (shares[-1] - shares[0]) / vectors
