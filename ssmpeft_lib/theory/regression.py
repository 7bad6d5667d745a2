"""Figures 1 and 2 (Secs. 5.3 and D.3): a four-layer deep S4 is adapted to act as a one-layer one on random sequences.

What the paper leaves open follows the released script: state sizes 16 (frozen) and 8 (target), AdamW with torch's
default weight decay, the smallest training error of the 500 iterations as the result, and, in every method, the
residual D and the bias of the linear layers trained in full, the step sizes too where S4 is adapted. The paper's text
has one sequence that is drawn once; the script draws 4000 new ones in every iteration (`Data`).
"""

from __future__ import annotations

import copy
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import product, repeat

import torch
from torch import Tensor

from ..models.s4 import DeepS4, build
from .arms import METHODS, Arm, equip, select, take_shortcuts, train_ssm
from .side_by_side import SideBySide

FROZEN = {"n_layers": 4, "d_model": 64, "d_state": 16, "init": "random"}
TARGET = {"n_layers": 1, "d_model": 64, "d_state": 8, "init": "random"}
SEQ_LEN = 200
STEPS, WARMUP_STEPS = 500, 20
LEARNING_RATES = (5e-2, 1e-2, 5e-3, 1e-3)


PRINTED_GRID = (
    *(Arm("lora_proj", rank=r) for r in (4, 8, 16)),
    *(Arm("lora_s4_proj", rank=r, s4_rank=s) for r, s in product((4, 8, 16), (2, 4))),
    *(Arm("sdlora", rank=r, channels=c, states=h) for r, c, h in product((4, 8, 16), (8, 16), (4, 8))),
    *(Arm("sdt", channels=c, states=h) for c, h in product((8, 16), (4, 8))),
    Arm("full"),
)
"""The sizes of Sec. D.3, dimensions chosen as Algorithm 1 says."""

BEYOND = tuple(Arm("sdt", channels=c, states=16) for c in (16, 24, 32, 48))
"""SDT beyond the sizes of Sec. D.3, where Figure 2 says that it passes full fine-tuning."""

DRAWN = (Arm("frozen"), *(Arm("sdt", channels=32, states=states) for states in (8, 13)))
"""Further points of the drawn figures: the frozen model, whose residual is trained, and sizes with the shares of SDT's
last two points."""

RELEASED = (
    *(Arm("lora_dt_proj", rank=r) for r in (4, 8, 16)),
    *(replace(arm, rule="released") for arm in (*PRINTED_GRID, *BEYOND) if arm.channels),
)
"""As the released script does it: what it trains under the name of LoRA (S4 + Proj), and its rule with its slips."""

GRID = (*PRINTED_GRID, *BEYOND, *DRAWN, *RELEASED)


def sizes_tried(arms: Sequence[Arm] = PRINTED_GRID) -> list[list[str]]:
    """Methods with their sizes as text, one row each."""
    names = {"rank": "rank", "s4_rank": "rank on S4", "channels": "channels", "states": "states"}
    rows = []
    for method in dict.fromkeys(arm.method for arm in arms):
        mine = [arm for arm in arms if arm.method == method]
        sizes = {words: sorted({getattr(arm, name) for arm in mine}) for name, words in names.items()}
        tried = (f"{words} {', '.join(map(str, values))}" for words, values in sizes.items() if any(values))
        rows.append([METHODS[method], "; ".join(tried) or "all parameters"])
    return rows


@dataclass(frozen=True)
class Data:
    """What is trained on: `sequences` sequences, drawn once, or anew in every iteration.

    The paper's text is `Data(1)`; the released script is `Data(4000, resample=True)`.
    """

    sequences: int = 1
    resample: bool = False


@dataclass(frozen=True)
class Problem:
    """One draw: the frozen model, the target, and sequences with the target's outputs.

    Attributes:
        x, y: to train on, [sequences, seq_len, d_model]; fresh_x, fresh_y: never trained on.
    """

    seed: int
    data: Data
    frozen: DeepS4
    target: DeepS4
    x: Tensor
    y: Tensor
    fresh_x: Tensor
    fresh_y: Tensor

    def batches(self, steps: int) -> Iterator[tuple[Tensor, Tensor]]:
        """Inputs and the target's outputs for each iteration."""
        if not self.data.resample:
            yield from repeat((self.x, self.y), steps)
            return
        generator = torch.Generator().manual_seed(self.seed)
        for _ in range(steps):
            x = torch.randint(10, self.x.shape, generator=generator).float()
            # not around the yield: the caller would run without gradients until it asks for the next batch
            with torch.no_grad():
                y = self.target(x)
            yield x, y


def draw(seed: int, data: Data = Data(), fresh: int = 16) -> Problem:
    """Target, frozen model and integer inputs 0..9 of a seed."""
    with torch.random.fork_rng(devices=[]), torch.no_grad():
        torch.manual_seed(seed)
        target, frozen = build(**TARGET), build(**FROZEN)
        sizes = (data.sequences, fresh)
        x, fresh_x = (torch.randint(10, (count, SEQ_LEN, TARGET["d_model"])).float() for count in sizes)
        return Problem(seed, data, frozen, target, x, target(x), fresh_x, target(fresh_x))


def stacked_batches(problems: Sequence[Problem], steps: int, copies: int = 1) -> Iterator[tuple[Tensor, Tensor]]:
    """The batches of several problems, stacked; each problem `copies` times in a row."""
    for batches in zip(*(problem.batches(steps) for problem in problems), strict=True):
        yield tuple(torch.stack(parts).repeat_interleave(copies, dim=0) for parts in zip(*batches, strict=True))


def warm_up(problems: Sequence[Problem], learning_rate: float) -> list[DeepS4]:
    """Copies of the frozen models after 20 iterations on their S4 modules (Algorithm 1, line 1)."""
    models = [copy.deepcopy(problem.frozen) for problem in problems]
    for model in models:
        train_ssm(model)
    side = SideBySide(models)
    side.train(stacked_batches(problems, WARMUP_STEPS), torch.full((len(models),), learning_rate))
    for index, model in enumerate(models):
        model.load_state_dict({name: tensor[index] for name, tensor in side.parameters.items()})
    return models


def run_arm(
    arm: Arm,
    problems: Sequence[Problem],
    warmed: Sequence[DeepS4] = (),
    rates: Sequence[float] = LEARNING_RATES,
    steps: int = STEPS,
) -> Iterator[dict]:
    """Train one arm at every learning rate on every problem, all side by side; one record for each run.

    Args:
        warmed: the models of the problems after the warm-up; needed for the arms that choose dimensions.
    Yields:
        The arm, seed, learning_rate, number and share (%) of trained parameters, and mean squared errors: `first_error`
        before training, `error`, the smallest in training, which the released script reports, `last_error` on the last
        batch, and `fresh_error` after training on sequences that were not trained on.
    """
    chosen = [select(p.frozen, model, arm) for p, model in zip(problems, warmed, strict=True)] if arm.channels else []
    runs = [(index, rate) for index in range(len(problems)) for rate in rates]
    models = [equip(problems[i].frozen, arm, chosen[i] if chosen else None, problems[i].seed) for i, _ in runs]
    side = SideBySide([take_shortcuts(model, SEQ_LEN) for model in models])
    history = side.train(stacked_batches(problems, steps, len(rates)), torch.tensor([rate for _, rate in runs]))
    with torch.no_grad():
        fresh_x, fresh_y = (
            torch.stack([getattr(problems[i], name) for i, _ in runs]) for name in ("fresh_x", "fresh_y")
        )
        fresh = side.errors(fresh_x, fresh_y)
    best = torch.where(history.isfinite(), history, torch.inf).amin(0)
    errors = {"first_error": history[0], "error": best, "last_error": history[-1], "fresh_error": fresh}
    trained = sum(side.parameters[name][0].numel() for name in side.trainable)
    total = sum(parameter.numel() for parameter in problems[0].frozen.parameters())
    for number, (index, rate) in enumerate(runs):
        sizes = {"learning_rate": rate, "trained": trained, "share": 100 * trained / total}
        values = {name: float(value[number]) for name, value in errors.items()}
        yield {**asdict(problems[index].data), **asdict(arm), "seed": problems[index].seed, **sizes, **values}


def run_grid(
    seeds: Sequence[int], arms: Sequence[Arm] = PRINTED_GRID, data: Data = Data(), steps: int = STEPS
) -> Iterator[dict]:
    """Records of all arms on all seeds."""
    problems = [draw(seed, data) for seed in seeds]
    warmed = {rate: warm_up(problems, rate) for rate in {arm.warmup_rate for arm in arms if arm.channels}}
    for arm in arms:
        yield from run_arm(arm, problems, warmed.get(arm.warmup_rate, ()), steps=steps)
