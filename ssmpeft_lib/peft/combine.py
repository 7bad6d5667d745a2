"""Weighted sums of adapters as an adapter of their own."""

from __future__ import annotations

from copy import deepcopy
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

import torch
from torch import nn

from ..adapters.adapter_set import AdapterSet
from ..adapters.attach import Adapted
from ..adapters.deltas import Delta, Dense, LowRank
from ..adapters.method import Method
from ..adapters.sparse import Sparse
from .export import nearest

if TYPE_CHECKING:
    from .tuner import SSMPeftModel

RULES = ("cat", "svd")


@dataclass(frozen=True)
class Combination:
    """A weighted sum of adapters.

    Attributes:
        adapters, weights: whose changes are added, and how often each.
        rule: `cat` for the sum itself, `svd` for the nearest change of rank `rank`.
        rank: of the result of `svd`; None for the largest rank of the adapters.
    """

    adapters: tuple[str, ...]
    weights: tuple[float, ...]
    rule: str = "cat"
    rank: int | None = None


def combine(tuner: SSMPeftModel, wanted: Combination, name: str) -> None:
    """Add the adapter `name` to a tuner's model: the weighted sum of others.

    Raises:
        ValueError: there is no such adapter or rule, or the changes cannot be added up.
    """
    if name in tuner.peft_config:
        raise ValueError(f"the model has an adapter {name!r} already; give the sum another name")
    _check(tuner, wanted)
    methods = [tuner.model.ssmpeft[adapter].method for adapter in wanted.adapters]
    method = _summed(methods, wanted)
    config = deepcopy(tuner.peft_config[wanted.adapters[0]])
    config.method = method.spelled_out()
    tuner.peft_config[name] = config
    try:
        tuner.inject_adapter(tuner.model, name)
        for carrier in tuner.model.modules():
            if isinstance(carrier, AdapterSet) and name in carrier.deltas:
                _fill(carrier, wanted, name)
    except Exception:
        if name in tuner.model.ssmpeft:
            tuner.delete_adapter(name)
        tuner.peft_config.pop(name, None)
        raise


def _check(tuner: SSMPeftModel, wanted: Combination) -> None:
    if wanted.rule not in RULES:
        raise ValueError(
            f"combination_type={wanted.rule!r}: allowed are cat, the exact sum, and svd, the nearest change of a rank"
        )
    if len(wanted.adapters) != len(wanted.weights) or not wanted.adapters:
        raise ValueError(f"{len(wanted.weights)} weights for {len(wanted.adapters)} adapters; give one for each")
    for adapter in wanted.adapters:
        if adapter not in tuner.peft_config:
            raise ValueError(f"no adapter {adapter!r} on this model (have: {', '.join(tuner.peft_config)})")
        if tuner.peft_config[adapter].modules_to_save:
            raise ValueError(f"adapter {adapter!r} has modules that peft trains whole, which are not added up")


def _summed(methods: list[Method], wanted: Combination) -> Method:
    """The method of the sum: that of all of them, with a rank that holds it."""
    first, total = methods[0], {}
    if hasattr(first, "rank"):
        ranks = [getattr(method, "rank", 0) for method in methods]
        rank = sum(ranks) if wanted.rule == "cat" else wanted.rank or max(ranks)
        # the factors hold the weights and scales
        scale = {"rank": rank, "alpha": float(rank), "rslora": False}
        total = {option: value for option, value in scale.items() if hasattr(first, option)}
    if getattr(first, "rank_ssm", 0):
        total["rank_ssm"] = (
            sum(method.rank_ssm or method.rank for method in methods) if wanted.rule == "cat" else total["rank"]
        )
    for method in methods:
        if _without_scale(method, total) != _without_scale(first, total):
            raise ValueError(
                f"{first} and {method} differ in more than rank, alpha and dropout, so that their sum is of no method; "
                "merge one into the model and train the other on that"
            )
    return replace(first, **total)


def _without_scale(method: Method, scale: dict[str, Any]) -> Method:
    scale = scale | ({"dropout": 0.0} if hasattr(method, "dropout") else {})
    try:
        return replace(method, **scale)
    except TypeError:
        return method


def _fill(carrier: AdapterSet, wanted: Combination, name: str) -> None:
    if not isinstance(carrier, Adapted):
        raise ValueError("a learned state, prefix or prompt is no change of a weight and is not added up")
    for slot, delta in carrier.deltas[name].items():
        _add_up(slot, delta, [carrier.deltas[adapter][slot] for adapter in wanted.adapters], wanted)


@torch.no_grad()
def _add_up(slot: str, into: Delta, parts: list[Delta], wanted: Combination) -> None:
    """Let a delta change the weight by the weighted sum of what others change it by."""
    pairs = list(zip(wanted.weights, parts, strict=True))
    if type(into) is LowRank and wanted.rule == "cat":
        into.lora_A.copy_(torch.cat([part.lora_A for part in parts], dim=-2))
        into.lora_B.copy_(torch.cat([weight * part.scaling * part.lora_B for weight, part in pairs], dim=-1))
    elif type(into) is LowRank and into.lora_A.dim() == 2:
        total = sum(weight * part.change(None) for weight, part in pairs)
        (down, up), _ = nearest(total, into.lora_A.shape[0])
        into.lora_A.zero_()[: len(down)] = down
        into.lora_B.zero_()[:, : len(down)] = up
    elif type(into) is Dense:
        into.delta.copy_(sum(weight * part.delta for weight, part in pairs))
    elif type(into) is Sparse and all(torch.equal(part.indices, parts[0].indices) for part in parts):
        into.indices.copy_(parts[0].indices)
        into.values.copy_(sum(weight * part.values for weight, part in pairs))
        into.settle()
    else:
        raise ValueError(f"what is trained of {slot} ({_why(into)}) cannot be added up; merge the adapters one by one")


def _why(delta: nn.Module) -> str:
    if isinstance(delta, Sparse):
        return "other entries in each adapter"
    return getattr(delta, "how", type(delta).__name__)
