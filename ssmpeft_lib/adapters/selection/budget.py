"""Which channels and states are trained, and which are silenced (Algorithm 1 and its released form)."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor


@dataclass(frozen=True)
class Budget:
    """How many channels are trained and silenced, and how many states of a channel.

    Attributes:
        channels, states: trained.
        silent_channels, silent_states: silenced; the rest is frozen as it is.
    """

    channels: int
    states: int
    silent_channels: int = 0
    silent_states: int = 0

    @classmethod
    def of(
        cls,
        shape: tuple[int, int],
        freeze_channels: float,
        freeze_states: float,
        zero_channels: float = 0.0,
        zero_states: float = 0.0,
    ) -> Budget:
        """The counts for a model of `shape` (channels, states).

        A fraction in [0, 1) is rounded as the released code does, with Python's `round`; an int is a count.

        Raises:
            ValueError: a fraction outside [0, 1), or nothing is left to train.
        """
        channels, silent_channels = _counts("channels", shape[0], freeze_channels, zero_channels)
        states, silent_states = _counts("states", shape[1], freeze_states, zero_states)
        return cls(channels, states, silent_channels, silent_states)


@dataclass(frozen=True)
class Selection:
    """What a budget is spent on.

    Attributes:
        channels: trained, by falling change, int64 [n].
        states: trained ones of each of these, by falling change, int64 [n, k].
        silent_channels: by falling rank, int64 [m].
        trained, silent: the entries, bool [channels, states].
    """

    channels: Tensor
    states: Tensor
    silent_channels: Tensor
    trained: Tensor
    silent: Tensor

    @property
    def columns(self) -> Tensor:
        """All entries of the trained channels, bool [channels, states]."""
        return self.trained.any(dim=1, keepdim=True).expand_as(self.trained)


def select(scores: Tensor, budget: Budget, magnitude: Tensor | None = None, silence_kept: bool = False) -> Selection:
    """Spend a budget on what a warm-up changed most.

    Ties, also those of infinities, go to the dimension that comes first.

    Args:
        scores: squared change of each entry, [channels, states].
        magnitude: what decides which dimensions are silenced, the smallest first; None for the scores.
        silence_kept: whether to silence states of every channel that is kept, not of the trained ones only.
    """
    weight = scores if magnitude is None else magnitude.square()
    by_weight = descending(weight.sum(1))
    kept = len(by_weight) - budget.silent_channels
    usable = torch.zeros(len(scores), dtype=torch.bool, device=scores.device)
    usable[by_weight[:kept]] = True
    channels = descending(scores.sum(1), usable)[: budget.channels]

    silent_states = torch.zeros_like(usable[:, None].expand_as(scores))
    if budget.silent_states:
        last = descending(weight)[:, scores.shape[1] - budget.silent_states :]
        silent_states = silent_states.scatter(1, last, True)
    states = descending(scores, ~silent_states)[channels, : budget.states]

    trained = torch.zeros_like(silent_states)
    trained[channels[:, None], states] = True
    kept_channels = usable if silence_kept else trained.any(1)
    silent = torch.where(usable[:, None], silent_states & kept_channels[:, None], True)
    return Selection(channels, states, by_weight[kept:], trained, silent)


def descending(scores: Tensor, among: Tensor | None = None) -> Tensor:
    """Indices along the last dimension by falling score; those outside `among` come last. Ties keep their order."""
    order = torch.argsort(scores, dim=-1, descending=True, stable=True)
    if among is None:
        return order
    outside = torch.argsort((~among).gather(-1, order).to(torch.int8), dim=-1, stable=True)
    return order.gather(-1, outside)


def _counts(what: str, total: int, freeze: float, zero: float) -> tuple[int, int]:
    frozen, silent = (_count(f"{verb}_{what}", share, total) for verb, share in (("freeze", freeze), ("zero", zero)))
    trained = total - frozen - silent
    if trained < 1:
        raise ValueError(
            f"freeze_{what}={freeze} and zero_{what}={zero} of {total} {what} leave none to train; "
            f"together they may take at most {total - 1} (a fraction of {(total - 1) / total:.4g})"
        )
    return trained, silent


def _count(name: str, share: float, total: int) -> int:
    if isinstance(share, int):
        if share < 0:
            raise ValueError(f"{name}={share} must be a count of at least 0, or a fraction in [0, 1)")
        return share
    if not 0 <= share < 1:
        raise ValueError(f"{name}={share} must be a fraction in [0, 1), or a whole number of {name.split('_')[1]}")
    return int(round(total * share))
