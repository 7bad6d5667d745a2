"""What the formal statements claim, part by part, each with the check that tests it and the verdict that follows."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from .errata import ROUNDING, evidence

Numbers = dict[str, float]


@dataclass(frozen=True)
class Part:
    """One thing that a statement claims.

    Attributes:
        statement, says: what is claimed and where.
        check, number: the check and the number of it that decides.
        holds: whether the claim holds, from that number; by default, if the number is a rounding error.
    """

    statement: str
    says: str
    check: str
    number: str
    holds: Callable[[float], bool] = lambda value: value < ROUNDING

    @property
    def value(self) -> float:
        """The number that decides, to two digits."""
        return evidence(self.check)[self.number]

    @property
    def verdict(self) -> str:
        """`confirmed` or `not confirmed`."""
        return "confirmed" if self.holds(self.value) else "not confirmed"


def differs(value: float) -> bool:
    """For claims that something is not possible."""
    return value > ROUNDING


def at_most(bound: float) -> Callable[[float], bool]:
    """For claims that so many are enough."""
    return lambda needed: needed <= bound


PREFIX, IN_PROJ = "Propositions 1 and 5", "Lemmas 2 and 6"
COUNT, CONTINUOUS = "Lemma 3", "Lemmas 7 and 8"
LAYER, DEEP = "Lemma 9", "Theorems 4 and 10"

PARTS = (
    Part(PREFIX, "Some initial state does what a prefix does", "missing_initial_state", "repaired"),
    Part(PREFIX, "… and it is the printed sum, whatever the frozen start", "missing_initial_state", "printed"),
    Part(PREFIX, "Prefixes shorter than H do not reach every state", "outputs_against_states", "M=3, N=10", differs),
    Part(PREFIX, "… and outputs show it, however short the text", "outputs_against_states", "M=3, N=3", differs),
    Part(PREFIX, "The first half holds for S6", "selective_prefix", "repaired"),
    Part(PREFIX, "… and in a Mamba block", "convolution_before_the_scan", "printed"),
    Part(IN_PROJ, "Tuning W_in gives the parameters that tuning W_S6 gives", "full_row_rank", "D=24"),
    Part(IN_PROJ, "… for all sizes", "full_row_rank", "D=10"),
    Part(IN_PROJ, "… and so the same function", "equal_parameters", "outputs"),
    Part(IN_PROJ, "… in Mamba, with an activation in between", "activation_between", "SiLU"),
    Part(COUNT, "Tuning as many entries as counted makes two channels equal", "removed_state", "repaired"),
    Part(COUNT, "… also if states are removed through the state matrix", "removed_state", "printed"),
    Part(CONTINUOUS, "The same count holds before discretisation", "step_sizes", "repaired"),
    Part(CONTINUOUS, "… also if the step sizes differ", "step_sizes", "printed"),
    Part(CONTINUOUS, "A state whose printed term is zero adds nothing (zero-order hold)", "integrator", "first output"),
    Part(CONTINUOUS, "… (bilinear)", "bilinear_lag_zero", "output"),
    Part(LAYER, "The printed construction equals the target", "last_layer", "printed"),
    Part(LAYER, "… with the last layer's S4 the identity and columns of W set", "last_layer", "repaired"),
    Part(LAYER, "… with ReLU", "linear_activations", "ReLU"),
    Part(DEEP, "Full tuning of the last W is enough, the rest being low-rank", "inner_projections", "printed"),
    Part(DEEP, "… with full tuning at the end of every group", "inner_projections", "repaired"),
    Part(
        DEEP, "6 channels are enough for D = 10, L = 5, L* = 3", "channel_bound", "D=10, L=5, L*=3, needed", at_most(6)
    ),
    Part(DEEP, "Rank 4 is enough for D = 64, L = 4, L* = 1", "rank_of_columns", "D=64, L=4, needed", at_most(4)),
)
"""The bounds of the last two are those that the theorems give for these sizes."""


def rows() -> list[list[str | float]]:
    """Statement, claim, the number that decides, and the verdict, one row each."""
    return [[f"{part.statement}: {part.says}", part.value, part.verdict] for part in PARTS]
