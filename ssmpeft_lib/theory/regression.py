"""Figures 1 and 2 (Secs. 5.3 and D.3): a four-layer deep S4 is adapted to act as a one-layer one on a random sequence.

What the paper leaves open follows the released script: state sizes 16 (frozen) and 8 (target), AdamW with torch's default
weight decay, the smallest training error of the 500 iterations as the result, and, in every method, the residual D and
the bias of the linear layer trained in full, the step sizes too where S4 is adapted. The paper's text has one sequence
that is drawn once; the script draws 4000 new ones in every iteration (`sequences`, `resample`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from itertools import product

import torch
from torch import Tensor

from ssmpeft_lib.models.s4 import DeepS4, build
from ssmpeft_lib.theory.parametrised import FixedKernel, PrunedKernel, add_low_rank, add_sparse
from ssmpeft_lib.theory.selection import SLIPS, Budget, Selection, select_dimensions
from ssmpeft_lib.theory.side_by_side import SideBySide

FROZEN = {"n_layers": 4, "d_model": 64, "d_state": 16, "init": "random"}
TARGET = {"n_layers": 1, "d_model": 64, "d_state": 8, "init": "random"}
SEQ_LEN = 200
STEPS, WARMUP_STEPS = 500, 20
LEARNING_RATES = (5e-2, 1e-2, 5e-3, 1e-3)
RULES = {
    "algorithm_1": {"importance": "transition"},
    "kernel": {"importance": "kernel", "lag": SEQ_LEN // 2},
    "released": {"importance": "kernel", "lag": SEQ_LEN // 2, "slips": SLIPS},
}


@dataclass(frozen=True)
class Arm:
    """One method with its sizes; 0 where it has none.

    Attributes:
        method: `lora_proj`, `lora_s4_proj`, `sdlora`, `sdt` or `full`.
        rank: of LoRA on the linear layers; s4_rank: of LoRA on log_A_real, A_imag and C.
        channels, states: trained and kept in each layer; all others are silenced.
        rule: how dimensions are chosen, a key of `RULES`.
        warmup_rate: learning rate of the warm-up that they are chosen after.
    """

    method: str
    rank: int = 0
    s4_rank: int = 0
    channels: int = 0
    states: int = 0
    rule: str = "algorithm_1"
    warmup_rate: float = 1e-2


PRINTED_GRID = (
    *(Arm("lora_proj", rank=r) for r in (4, 8, 16)),
    *(Arm("lora_s4_proj", rank=r, s4_rank=s) for r, s in product((4, 8, 16), (2, 4))),
    *(Arm("sdlora", rank=r, channels=c, states=h) for r, c, h in product((4, 8, 16), (8, 16), (4, 8))),
    *(Arm("sdt", channels=c, states=h) for c, h in product((8, 16), (4, 8))),
    Arm("full"),
)
"""The sizes of Sec. D.3."""


@dataclass(frozen=True)
class Problem:
    """One draw: the frozen model, the sequence with the target's outputs, and further ones that are never trained on."""

    frozen: DeepS4
    target: DeepS4
    x: Tensor
    y: Tensor
    fresh_x: Tensor
    fresh_y: Tensor


def draw(seed: int, sequences: int = 1, fresh: int = 16) -> Problem:
    """Target, frozen model and integer inputs 0..9 [sequences, 200, 64] of a seed."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        target, frozen = build(**TARGET), build(**FROZEN)
        x, fresh_x = (torch.randint(10, (count, SEQ_LEN, TARGET["d_model"])).float() for count in (sequences, fresh))
        return Problem(frozen, target, x, target(x), fresh_x, target(fresh_x))


def warm_up(problems: Sequence[Problem], learning_rate: float) -> list[DeepS4]:
    """Copies of the frozen models after 20 iterations on their S4 modules (Algorithm 1, line 1)."""
    models = [copy.deepcopy(problem.frozen) for problem in problems]
    for model in models:
        for name, parameter in model.named_parameters():
            parameter.requires_grad_("output_linear" not in name)
    side = SideBySide(models)
    x, y = torch.stack([p.x for p in problems]), torch.stack([p.y for p in problems])
    side.train(x, y, torch.full((len(models),), learning_rate), WARMUP_STEPS)
    for index, model in enumerate(models):
        model.load_state_dict({name: tensor[index] for name, tensor in side.parameters.items()})
    return models


def select(frozen: DeepS4, warmed: DeepS4, arm: Arm) -> list[Selection]:
    """The dimensions of every layer that the arm keeps and trains."""
    budget = Budget(arm.channels, arm.states, arm.channels, arm.states)
    pairs = zip(frozen.layers, warmed.layers, strict=True)
    return [select_dimensions(a.kernel, b.kernel, budget, **RULES[arm.rule]) for a, b in pairs]


def equip(frozen: DeepS4, arm: Arm, selections: list[Selection] | None, seed: int) -> DeepS4:
    """A copy of the frozen model with the arm's parameters trainable and nothing else.

    Raises:
        ValueError: a method that there is none of.
    """
    model = copy.deepcopy(frozen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for index, layer in enumerate(model.layers):
            if arm.method != "full":
                layer.requires_grad_(False)
                layer.D.requires_grad_()
                layer.output_linear.bias.requires_grad_()
            EQUIP[arm.method](layer, arm, selections and selections[index])
    return model


def _lora_proj(layer, arm: Arm, selection: None) -> None:
    add_low_rank(layer.output_linear, "weight", arm.rank, linear=True)
    layer.kernel = FixedKernel(layer.kernel, SEQ_LEN)


def _lora_s4_proj(layer, arm: Arm, selection: None) -> None:
    add_low_rank(layer.output_linear, "weight", arm.rank, linear=True)
    layer.kernel.log_dt.requires_grad_()
    for name in ("log_A_real", "A_imag", "C"):
        add_low_rank(layer.kernel, name, arm.s4_rank)


def _sdlora(layer, arm: Arm, selection: Selection) -> None:
    add_low_rank(layer.output_linear, "weight", arm.rank, linear=True)
    _tune_dimensions(layer, selection)


def _sdt(layer, arm: Arm, selection: Selection) -> None:
    columns = torch.zeros_like(layer.output_linear.weight, dtype=torch.bool)
    columns[:, selection.update_channels] = True
    add_sparse(layer.output_linear, "weight", columns)
    _tune_dimensions(layer, selection)


def _tune_dimensions(layer, selection: Selection) -> None:
    kernel = layer.kernel
    trained = selection.trained(kernel.log_A_real.shape)
    with torch.no_grad():
        kernel.C[selection.silenced(trained.shape)] = 0.0
    kernel.log_dt.requires_grad_()
    for name in ("log_A_real", "A_imag", "C"):
        add_sparse(kernel, name, trained)
    layer.kernel = PrunedKernel(kernel, trained)


EQUIP = {
    "full": lambda layer, arm, selection: None,
    "lora_proj": _lora_proj,
    "lora_s4_proj": _lora_s4_proj,
    "sdlora": _sdlora,
    "sdt": _sdt,
}


def run_arm(
    arm: Arm,
    problems: dict[int, Problem],
    warmed: dict[int, DeepS4],
    rates: Sequence[float] = LEARNING_RATES,
    steps: int = STEPS,
) -> Iterator[dict]:
    """Train one arm at every learning rate on every problem, all side by side; one record for each run.

    Args:
        problems: by seed; warmed: their models after the warm-up, for the arms that choose dimensions.
    Yields:
        The arm, seed, learning_rate, number and share (%) of trained parameters, and mean squared errors: `first_error`
        before training, `error`, the smallest while training, which the paper plots, `last_error` after the last step
        but one, and `fresh_error` on sequences that were not trained on.
    """
    runs = [(seed, rate) for seed in problems for rate in rates]
    chosen = {seed: select(problems[seed].frozen, warmed[seed], arm) if arm.channels else None for seed in problems}
    side = SideBySide([equip(problems[seed].frozen, arm, chosen[seed], seed) for seed, _ in runs])

    def stacked(name: str) -> Tensor:
        return torch.stack([getattr(problems[seed], name) for seed, _ in runs])

    history = side.train(stacked("x"), stacked("y"), torch.tensor([rate for _, rate in runs]), steps)
    with torch.no_grad():
        fresh = side.errors(stacked("fresh_x"), stacked("fresh_y"))
    best = torch.where(history.isfinite(), history, torch.inf).amin(0)
    errors = {"first_error": history[0], "error": best, "last_error": history[-1], "fresh_error": fresh}
    trained = sum(side.parameters[name][0].numel() for name in side.trainable)
    total = sum(parameter.numel() for parameter in problems[runs[0][0]].frozen.parameters())
    for index, (seed, rate) in enumerate(runs):
        record = {
            **asdict(arm),
            "seed": seed,
            "learning_rate": rate,
            "trained": trained,
            "share": 100 * trained / total,
        }
        yield record | {name: float(values[index]) for name, values in errors.items()}


def run_grid(seeds: Sequence[int], arms: Sequence[Arm] = PRINTED_GRID, steps: int = STEPS) -> Iterator[dict]:
    """Records of all arms on all seeds."""
    problems = {seed: draw(seed) for seed in seeds}
    rates = {arm.warmup_rate for arm in arms if arm.channels}
    warmed = {rate: dict(zip(problems, warm_up(list(problems.values()), rate), strict=True)) for rate in rates}
    for arm in arms:
        yield from run_arm(arm, problems, warmed.get(arm.warmup_rate, {}), steps=steps)
