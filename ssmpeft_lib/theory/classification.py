"""Table 4 (Secs. 5.3 and D.3): an eight-layer deep S4, pretrained on images and adapted to the same ones.

What the paper leaves open follows the released script: AdamW, batches of 64, learning rate 0.01 for pretraining and
0.005 for adapting, a warm-up of one epoch at 0.01, and encoder, decoder and the unused norms trained by every method. The
test accuracy is that of the epoch with the best validation accuracy.
"""

from __future__ import annotations

import copy
from collections.abc import Iterator
from dataclasses import asdict

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from ..models.s4 import MODELS, DeepS4, build
from .arms import Arm, equip, select, train_ssm
from .pixels import Pixels
from .selection import Selection

BATCH = 64
PRETRAIN_EPOCHS, EPOCHS = 50, 5
PRETRAIN_RATE, RATE = 1e-2, 5e-3

ROWS = {
    "LoRA (Proj)": Arm("lora_proj", rank=8),
    "LoRA (S4+Proj)": Arm("lora_s4_proj", rank=2, s4_rank=2),
    "SDLoRA": Arm("sdlora", rank=4, channels=8, states=1, kept_channels=64, kept_states=16, rule="released_images"),
    "SDLoRA, Algorithm 1": Arm("sdlora", rank=4, channels=8, states=1, kept_channels=64, kept_states=16),
    "Full Fine-Tuning": Arm("full"),
}
"""Sizes that give the printed shares 16.00, 15.25 (printed 15.52, with two digits changed places), 11.17 and 100 %."""


def pretrain(data: Pixels, seed: int, epochs: int = PRETRAIN_EPOCHS, **sizes) -> DeepS4:
    """The network of Table 4, or one of other sizes, trained in full; the best epoch's weights."""
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        network = build(**(MODELS["s4-deep"]["config"] | sizes))
    train(network, data, epochs, PRETRAIN_RATE, seed)
    return network


def fine_tune(frozen: DeepS4, arm: Arm, data: Pixels, seed: int, epochs: int = EPOCHS) -> dict:
    """Adapt a copy of the frozen network; the arm, the share of trained parameters (%), and accuracies (%)."""
    model = equip(frozen, arm, choose(frozen, arm, data, seed) if arm.channels else None, seed)
    trained = sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)
    total = sum(parameter.numel() for parameter in frozen.parameters())
    return {**asdict(arm), "share": 100 * trained / total, **train(model, data, epochs, RATE, seed)}


def choose(frozen: DeepS4, arm: Arm, data: Pixels, seed: int) -> list[Selection]:
    """The dimensions of every layer after a warm-up of one epoch on the S4 modules."""
    warmed = copy.deepcopy(frozen)
    train_ssm(warmed)
    optimizer = optimizer_of(warmed, arm.warmup_rate)
    for x, y in batches(*data.train, seed):
        step(warmed, x, y, optimizer)
    return select(frozen, warmed, arm)


def train(model: DeepS4, data: Pixels, epochs: int, rate: float, seed: int) -> dict[str, float]:
    """Train what is trainable and keep the weights of the best epoch.

    Returns:
        `val` and `test`, the accuracies (%) of the epoch with the best validation accuracy.
    """
    optimizer = optimizer_of(model, rate)
    best, weights = {"val": -1.0}, {}
    for epoch in range(epochs):
        for x, y in batches(*data.train, seed + epoch):
            step(model, x, y, optimizer)
        val = accuracy(model, *data.val)
        if val > best["val"]:
            best = {"val": val, "test": accuracy(model, *data.test)}
            weights = copy.deepcopy(model.state_dict())
    model.load_state_dict(weights)
    return best


def optimizer_of(model: DeepS4, rate: float) -> torch.optim.Optimizer:
    return torch.optim.AdamW([parameter for parameter in model.parameters() if parameter.requires_grad], lr=rate)


def step(model: DeepS4, x: Tensor, y: Tensor, optimizer: torch.optim.Optimizer) -> None:
    """One step on the cross entropy."""
    optimizer.zero_grad()
    cross_entropy(model(x), y).backward()
    optimizer.step()


def batches(x: Tensor, y: Tensor, seed: int) -> Iterator[tuple[Tensor, Tensor]]:
    """Shuffled batches of one epoch."""
    order = torch.randperm(len(x), generator=torch.Generator().manual_seed(seed))
    for chosen in order.split(BATCH):
        yield x[chosen], y[chosen]


@torch.no_grad()
def accuracy(model: DeepS4, x: Tensor, y: Tensor) -> float:
    """Share of right answers in percent."""
    right = sum((model(a).argmax(-1) == b).sum() for a, b in zip(x.split(256), y.split(256), strict=True))
    return 100 * float(right) / len(x)


def run_table(data: Pixels, seed: int, pretrain_epochs: int = PRETRAIN_EPOCHS, epochs: int = EPOCHS) -> list[dict]:
    """One run of every row of Table 4, the frozen network first."""
    frozen = pretrain(data, seed, pretrain_epochs)
    start = {"row": "Frozen", "share": 0.0, "val": accuracy(frozen, *data.val), "test": accuracy(frozen, *data.test)}
    rows = ({"row": name, **fine_tune(frozen, arm, data, seed, epochs)} for name, arm in ROWS.items())
    return [{"seed": seed, **row} for row in (start, *rows)]
