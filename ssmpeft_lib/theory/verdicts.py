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
    """Hold a claim that something is not possible, where the error is no rounding error."""
    return value > ROUNDING


def at_most(bound: float) -> Callable[[float], bool]:
    """Return what holds a claim that so many are enough."""
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
    Part(IN_PROJ, "… or some other W_in does", "other_input_projections", "best found"),
    Part(IN_PROJ, "The lemma holds with the names of Sec. 3", "last_projection", "W_dt,up of Sec. 3"),
    Part(IN_PROJ, "… and with an activation in between, as in Mamba", "activation_between", "SiLU"),
    Part(COUNT, "Tuning as many entries as counted makes two channels equal", "removed_state", "repaired"),
    Part(COUNT, "… also if states are removed through the state matrix", "removed_state", "printed"),
    Part(
        CONTINUOUS,
        "Tuning as many continuous entries as counted makes two channels equal (zero-order hold)",
        "continuous_count",
        "error, ZOH",
    ),
    Part(CONTINUOUS, "… (bilinear)", "continuous_count", "error, bilinear"),
    Part(CONTINUOUS, "… also if the step sizes differ", "step_sizes", "printed"),
    Part(CONTINUOUS, "A state whose printed term is zero adds nothing (zero-order hold)", "integrator", "first output"),
    Part(CONTINUOUS, "… (bilinear)", "bilinear_lag_zero", "output"),
    Part(LAYER, "The printed construction equals the target", "last_layer", "printed"),
    Part(LAYER, "… with the last layer's S4 the identity and columns of W set", "last_layer", "repaired"),
    Part(LAYER, "… with ReLU", "linear_activations", "ReLU"),
    Part(DEEP, "The construction needs one full W, the rest being low-rank", "inner_projections", "printed"),
    Part(DEEP, "… with full tuning at the end of every group", "inner_projections", "repaired"),
    Part(
        DEEP,
        "What may be tuned for D = 64, L = 3, L* = 2 is no less than what targets have",
        "degrees_of_freedom",
        "of targets at least",
        lambda needed: needed <= evidence("degrees_of_freedom")["tuned at most"],
    ),
    Part(
        DEEP,
        "The construction needs 6 channels for D = 10, L = 5, L* = 3",
        "channel_bound",
        "D=10, L=5, L*=3, construction",
        at_most(6),
    ),
    Part(DEEP, "… and rank 4 for D = 64, L = 4, L* = 1", "rank_of_columns", "D=64, L=4, construction", at_most(4)),
)
"""The bounds of the last two are those that the theorems give for these sizes."""


def rows() -> list[list[str | float]]:
    """Statement, claim, the number that decides, and the verdict, one row each."""
    return [[f"{part.statement}: {part.says}", part.value, part.verdict] for part in PARTS]


def in_words() -> str:
    """One sentence: how many parts come out as printed, and how many statements with all of their parts."""
    statements = {part.statement for part in PARTS}
    failing = [part for part in PARTS if part.verdict != "confirmed"]
    whole = statements - {part.statement for part in failing}
    return (
        f"{len(PARTS) - len(failing)} of {len(PARTS)} parts come out as printed, and {len(whole) or 'none'} of the "
        f"{len(statements)} groups of statements as a whole."
    )
