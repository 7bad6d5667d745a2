"""The methods of Sec. 5.3 on a deep S4: what each trains, and with which sizes.

As in the released scripts, every method trains the residual D in full, the frozen model included; every other method
trains the bias of the linear layers as well, and the step sizes too where it adapts S4.
"""

from __future__ import annotations

import copy
from dataclasses import dataclass

import torch

from ..mixers.s4d import S4D
from ..models.s4 import DeepS4
from .parametrised import FixedKernel, PrunedKernel, add_low_rank, add_sparse
from .selection import SLIPS, Budget, Selection, select_dimensions

RULES = {
    "algorithm_1": {"importance": "transition"},
    "kernel": {"importance": "kernel", "lag": 100},
    "released": {"importance": "kernel", "lag": 100, "slips": SLIPS},
}
"""Ways to choose dimensions: the paper's, by the kernel, and that of the released script (half of 200 steps)."""


METHODS = {
    "frozen": "Frozen",
    "lora_proj": "LoRA (proj)",
    "lora_s4_proj": "LoRA (S4 + proj)",
    "lora_dt_proj": "LoRA (proj) + step sizes",
    "sdlora": "SDLoRA",
    "sdt": "SDT",
    "full": "Full",
}
"""Every method with its name in the paper."""


@dataclass(frozen=True)
class Arm:
    """One method with its sizes; 0 where it has none.

    Attributes:
        method: a key of `METHODS`.
        rank: of LoRA on the linear layers; s4_rank: of LoRA on log_A_real, A_imag and C.
        channels, states: trained in each layer.
        rule: how dimensions are chosen, a key of `RULES`.
        warmup_rate: learning rate of the warm-up that they are chosen after.
        kept_channels, kept_states: not silenced in each layer; 0 for the trained ones only.
    """

    method: str
    rank: int = 0
    s4_rank: int = 0
    channels: int = 0
    states: int = 0
    rule: str = "algorithm_1"
    warmup_rate: float = 1e-2
    kept_channels: int = 0
    kept_states: int = 0

    @property
    def budget(self) -> Budget:
        """How many dimensions a layer keeps and trains."""
        kept = self.kept_channels or self.channels, self.kept_states or self.states
        return Budget(*kept, self.channels, self.states)


def train_ssm(model: DeepS4) -> None:
    """Make the S4 modules trainable and nothing else, as in a warm-up."""
    model.requires_grad_(False)
    for layer in model.layers:
        layer.kernel.requires_grad_()
        layer.D.requires_grad_()


def select(frozen: DeepS4, warmed: DeepS4, arm: Arm) -> list[Selection]:
    """The dimensions of every layer that the arm keeps and trains."""
    pairs = zip(frozen.layers, warmed.layers, strict=True)
    return [select_dimensions(a.kernel, b.kernel, arm.budget, **RULES[arm.rule]) for a, b in pairs]


def equip(frozen: DeepS4, arm: Arm, selections: list[Selection] | None, seed: int) -> DeepS4:
    """A copy of the frozen model with the arm's parameters trainable; what stands around the layers is as it was.

    Args:
        selections: the dimensions of each layer, for the methods that choose some.
        seed: for the starting values of low-rank factors.
    Raises:
        ValueError: a method that there is none of.
    """
    if arm.method not in EQUIP:
        raise ValueError(f"Arm: method {arm.method!r} is not one of {', '.join(EQUIP)}")
    model = copy.deepcopy(frozen)
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        for index, layer in enumerate(model.layers):
            if arm.method != "full":
                layer.requires_grad_(False)
                layer.D.requires_grad_()
                layer.output_linear.bias.requires_grad_(arm.method != "frozen")
            EQUIP[arm.method](layer, arm, selections and selections[index])
    return model


def _lora_proj(layer: S4D, arm: Arm, selection: None) -> None:
    add_low_rank(layer.output_linear, "weight", arm.rank, linear=True)


def _lora_dt_proj(layer: S4D, arm: Arm, selection: None) -> None:
    _lora_proj(layer, arm, selection)
    layer.kernel.log_dt.requires_grad_()


def _lora_s4_proj(layer: S4D, arm: Arm, selection: None) -> None:
    _lora_dt_proj(layer, arm, selection)
    for name in ("log_A_real", "A_imag", "C"):
        add_low_rank(layer.kernel, name, arm.s4_rank)


def _sdlora(layer: S4D, arm: Arm, selection: Selection) -> None:
    _lora_proj(layer, arm, None)
    _tune_dimensions(layer, selection)


def _sdt(layer: S4D, arm: Arm, selection: Selection) -> None:
    columns = torch.zeros_like(layer.output_linear.weight, dtype=torch.bool)
    columns[:, selection.update_channels] = True
    add_sparse(layer.output_linear, "weight", columns)
    _tune_dimensions(layer, selection)


def _tune_dimensions(layer: S4D, selection: Selection) -> None:
    kernel = layer.kernel
    trained = selection.trained(kernel.log_A_real.shape)
    with torch.no_grad():
        kernel.C[selection.silenced(trained.shape)] = 0.0
    kernel.log_dt.requires_grad_()
    for name in ("log_A_real", "A_imag", "C"):
        add_sparse(kernel, name, trained)


EQUIP = {
    "frozen": lambda layer, arm, selection: None,
    "full": lambda layer, arm, selection: None,
    "lora_proj": _lora_proj,
    "lora_dt_proj": _lora_dt_proj,
    "lora_s4_proj": _lora_s4_proj,
    "sdlora": _sdlora,
    "sdt": _sdt,
}


def take_shortcuts(model: DeepS4, seq_len: int) -> DeepS4:
    """Exchange kernels, in place, where the same outputs cost less: nothing trained, or most of C silenced."""
    for layer in model.layers:
        kernel = layer.kernel
        alive = kernel.C != 0 if kernel.C.dim() == 2 else (kernel.C != 0).any(-1)
        states = alive.sum(1)[alive.any(1)].unique()
        if not any(parameter.requires_grad for parameter in kernel.parameters()):
            layer.kernel = FixedKernel(kernel, seq_len)
        elif not alive.all() and len(states) == 1:
            layer.kernel = PrunedKernel(kernel, alive)
    return model
