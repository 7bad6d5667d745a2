"""The warm-up by which SDT and its relatives choose what they train, for any training loop.

A loop of one's own:

    model = ssmpeft_lib.adapt(model, "sdlora,freeze_states=0.75")
    warmup = ssmpeft_lib.begin_warmup(model)
    ...  # some steps with an optimiser over warmup.parameters
    ssmpeft_lib.select(model, warmup)
    ...  # the training, with a new optimiser over the trainable parameters

or in one call, also behind peft's `get_peft_model`, like peft's own data-driven initialisations:

    ssmpeft_lib.initialize_sdt_weights(model, loader)
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Mapping
from itertools import islice

import torch
from torch import nn

from .adapter_set import AdapterSet
from .api import adaptation_of, base_model
from .labels import IGNORED, are_none_learned, which
from .selection.budget import Selection
from .selection.warmup import ADAPTER, Warmup


def begin_warmup(model: nn.Module, adapter: str | None = None) -> Warmup | None:
    """Make an adapted model ready for its method's warm-up.

    Args:
        adapter: whose; None for the only one, or the only active one.
    Returns:
        what to train (`parameters`), to be given to `select`; None when the method selects nothing.
    Raises:
        ValueError: the model is not adapted, or a warm-up is under way.
    """
    found = adaptation_of(model, adapter)
    if any(ADAPTER in module.deltas for module in model.modules() if isinstance(module, AdapterSet)):
        raise ValueError(
            "a warm-up of this model is under way; end it with ssmpeft_lib.select(model, warmup), or with warmup.undo()"
        )
    return found.method.begin_warmup(found.backbone(base_model(model))) if found.method.selects else None


def select(model: nn.Module, warmup: Warmup, adapter: str | None = None) -> dict[str, Selection]:
    """End a warm-up: choose what is trained by what it changed, and give every parameter its old value back.

    Returns:
        for each mixer, the channels and states that are trained from now on.
    """
    found = adaptation_of(model, adapter)
    return found.method.select(found.backbone(base_model(model)), warmup)


def initialize_sdt_weights(
    model: nn.Module,
    batches: Iterable[Mapping[str, torch.Tensor]],
    steps: int = 500,
    learning_rate: float = 1e-3,
    adapter: str | None = None,
) -> dict[str, Selection]:
    """Run the warm-up and select.

    Args:
        model: adapted by a method that selects; trained here in place and reverted (Sec. D.4).
        batches: keyword arguments of the model, tensors, with labels; gone through again when there are fewer than
            `steps`.
        steps: updates of AdamW at a linearly falling rate; the paper takes 500 (250 for RTE).
        adapter: whose; None for the only one, or the only active one.
    Raises:
        ValueError: the method selects nothing, `steps` is below 1, or there is no batch, or one that gives no loss.
        FloatingPointError: the gradient is NaN or infinite; the model is as it was before the warm-up.
    """
    method = adaptation_of(model, adapter).method
    if not method.selects:
        raise ValueError(f"method {method} selects nothing, it needs no warm-up")
    if steps < 1:
        raise ValueError(f"steps={steps} must be at least 1; the paper takes 500")
    warmup = begin_warmup(model, adapter)
    training = model.training
    try:
        steps_done = _train(
            model.train(), warmup.parameters, islice(_again_and_again(batches), steps), learning_rate, steps
        )
        if not steps_done:
            raise ValueError("no batch to warm up on; give batches with labels, such as a DataLoader")
    except BaseException:
        warmup.undo()
        raise
    finally:
        model.train(training)
    return select(model, warmup, adapter)


def _train(
    model: nn.Module, parameters: list[nn.Parameter], batches: Iterable, learning_rate: float, steps: int
) -> int:
    """Take steps on a user's batches, for whoever has a training loop of their own; returns how many there were."""
    optimizer = torch.optim.AdamW(parameters, lr=learning_rate, weight_decay=0.0)
    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, lambda step: 1 - step / steps)
    done = 0
    for batch in batches:
        loss = getattr(model(**_moved(batch, parameters[0].device)), "loss", None)
        if loss is None:
            raise ValueError(f"the model gives no loss for a batch of {', '.join(batch)}; add labels to the batches")
        if not loss.isfinite():
            raise ValueError(_no_number(batch, done, loss))
        loss.backward()
        norm = torch.nn.utils.clip_grad_norm_(parameters, 1.0).item()
        if not math.isfinite(norm):
            raise FloatingPointError(
                f"the norm of the gradient is {norm} at step {done} of the warm-up; lower the learning rate (it is "
                f"{learning_rate:g})"
            )
        optimizer.step()
        optimizer.zero_grad()
        schedule.step()
        done += 1
    return done


def _no_number(batch: Mapping[str, torch.Tensor], index: int, loss: torch.Tensor) -> str:
    """Why a batch has no loss to train on."""
    if are_none_learned(batch):
        return f"batch {index} of the warm-up, {which(batch)}: all labels are {IGNORED}; leave it out"
    return (
        f"the loss of batch {index} of the warm-up is {loss.item()}; lower the learning rate, or see whether the model "
        "gives a number for it without an adapter"
    )


def _moved(batch: Mapping[str, torch.Tensor], device: torch.device) -> dict[str, torch.Tensor]:
    if not isinstance(batch, Mapping):
        raise ValueError(f"a batch is a {type(batch).__name__}; give the model's arguments, such as input_ids, by name")
    for name, value in batch.items():
        if not isinstance(value, torch.Tensor):
            raise ValueError(
                f"{name!r} of a batch is a {type(value).__name__}, not a tensor; leave the column out, or make it one"
            )
    return {name: value.to(device) for name, value in batch.items()}


def _again_and_again(batches: Iterable[Mapping]) -> Iterator[Mapping]:
    empty = False
    while not empty:
        empty = True
        for batch in batches:
            empty = False
            yield batch
