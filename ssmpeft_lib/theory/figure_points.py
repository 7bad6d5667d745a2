"""The points of Figures 1 and 2, taken from recorded runs of the regression, by the rows of their specs."""

from __future__ import annotations

from collections.abc import Sequence
from statistics import fmean, stdev
from typing import Any

from ..plan.exhibit import Exhibit, load_exhibits
from ..plan.method_string import MethodString
from ..plan.registry import PACKAGE
from .arms import Arm
from .regression import FROZEN
from .regression_claims import Run, best, seeds_of

COLUMNS = {"params.trainable_pct": "share", "test.mse": "fresh_error"}
"""What a run holds for each metric of the specs: the error is that on sequences that were not trained on."""


def arm_of(method: str) -> Arm:
    """The arm that a row's method string means; dimensions are chosen as Algorithm 1 says.

    Raises:
        ValueError: no method of the figures.
    """
    parsed = MethodString.parse(method)
    rank = int(parsed.options.get("rank", 8))
    left = {name: 1 - float(parsed.options.get(f"zero_{name}", 0)) for name in ("channels", "states")}
    sizes = {
        "channels": round(FROZEN["d_model"] * left["channels"]),
        "states": round(FROZEN["d_state"] * left["states"]),
    }
    if parsed.name == "lora":
        if len(parsed.targets) > 1:
            return Arm("lora_s4_proj", rank=rank, s4_rank=rank)
        steps_too = "log_dt" in parsed.options.get("also", "").split(".")
        return Arm("lora_dt_proj" if steps_too else "lora_proj", rank=rank)
    if parsed.name == "sdlora":
        return Arm("sdlora", rank=rank, **sizes)
    if parsed.name == "sdt":
        return Arm("sdt", **sizes)
    if parsed.name == "full":
        return Arm("frozen" if parsed.targets else "full")
    raise ValueError(f"method {method!r} is none of Figures 1 and 2; they have lora, sdlora, sdt and full")


def figures() -> list[Exhibit]:
    """The two figures as exhibits."""
    return load_exhibits(PACKAGE.parent / "workflow" / "exhibits", ["figure1", "figure2"])


def public_points(figures: Sequence[Exhibit]) -> list[tuple[str, float, float]]:
    """The points of the paper's pictures: method of the arm, trained share in percent and error, each once."""
    found = [
        (arm_of(error.method).method, share.printed.value, error.printed.value)
        for figure in figures
        for _, (share, error) in figure.point_rows()
        if error.printed
    ]
    return list(dict.fromkeys(found))


def points(exhibit: Exhibit, runs: Sequence[Run]) -> dict[str, dict[str, dict[str, Any]]]:
    """For each row and column of a figure the `mean`, and of errors, at the best learning rate of each seed, `std` and
    `by_seed`.

    Raises:
        LookupError: a row that there are no runs of.
    """
    found: dict[str, dict[str, dict[str, Any]]] = {}
    for point in exhibit.points:
        arm = arm_of(point.method)
        own = [run for run in runs if all(run[name] == getattr(arm, name) for name in Arm.__dataclass_fields__)]
        if not own:
            raise LookupError(f"{exhibit.path}: row {point.row!r} means {arm}, and there is no run of that")
        if COLUMNS[point.metric] == "share":
            numbers = {"mean": own[0]["share"]}
        else:
            errors = {seed: best(own, COLUMNS[point.metric], seed, (arm.method,)) for seed in seeds_of(own)}
            by_seed = {str(seed): error for seed, error in errors.items()}
            numbers = {"mean": fmean(errors.values()), "std": stdev(errors.values()), "by_seed": by_seed}
        found.setdefault(point.row, {})[point.column] = numbers
    return found
