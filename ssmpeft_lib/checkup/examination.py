"""One call that says whether an adapter trains, and whether the model computes the same on every path."""

from __future__ import annotations

import math
import warnings
from collections.abc import Callable

import torch
from torch import Tensor, nn

from ..adapters.api import adaptation_of, base_model
from . import probes
from .report import Check, Report
from .wide import Wide

LIMIT = 1e-6
"""Relative difference of logits that rounding may cause in float64; an adapter that is skipped causes far more."""

ROUNDING = 1e-9
"""A relative difference below this is said without its digits, which would be others on another processor."""


def doctor(model: nn.Module, ids: Tensor | None = None) -> Report:
    """Examine an adapted model: one of this library, or of Hugging Face peft.

    Everything runs on copies, in which the adapter has been moved away from its start; the model stays as it is. They
    are on the CPU and compute in float64, whatever the model does: rounding grows with depth and width, and in float32
    it looks like a fault in a model of ordinary size. The fused training kernels of mamba_ssm are simulated, so that a
    CPU shows what a GPU would do.

    Args:
        model: an adapted language model.
        ids: token ids to run it on, [batch, seq_len]; random ones if not given.
    Returns:
        a `Report`; print it, or take its `as_dict()`.
    Raises:
        ValueError: nothing of the model is trainable, or it is no language model of transformers.
    """
    trainable = [name for name, p in model.named_parameters() if p.requires_grad]
    if not trainable:
        raise ValueError(
            f"{type(model).__name__} has no trainable tensor; adapt it first, or load it with is_trainable"
        )
    if not hasattr(base_model(model), "generate"):
        raise ValueError(
            f"{type(model).__name__} generates no text; the doctor examines language models of transformers"
        )
    ids = (_random_ids(model) if ids is None else ids).cpu()
    moved = probes.prepared(model)
    with warnings.catch_warnings(), Wide():
        warnings.simplefilter("ignore")
        checks = {
            "gradients": _attempt(lambda: _gradients(moved, ids, fused=False)),
            "gradients_fused": _attempt(lambda: _gradients(moved, ids, fused=True)),
            "training": _attempt(lambda: _training(moved, ids, fused=False)),
            "training_fused": _attempt(lambda: _training(moved, ids, fused=True)),
            "merged": _attempt(lambda: _merged(moved, ids, probes.is_quantised(model))),
            "cached": _attempt(lambda: _compared(*probes.continued(moved, ids))),
            "packed": _attempt(lambda: _packed(moved, ids)),
            "precision": _precision(model),
            "layers": _layers(model),
        }
    return Report(type(base_model(model)).__name__, *_adapted_by(model), len(trainable), checks)


def _attempt(look: Callable[[], Check]) -> Check:
    try:
        return look()
    except Exception as error:
        # whatever a foreign adapter raises is a finding
        return Check(False, f"fails: {type(error).__name__}: {' '.join(str(error).split())[:160]}")


def _gradients(model: nn.Module, ids: Tensor, fused: bool) -> Check:
    dead = probes.without_gradient(model, ids, fused)
    total = sum(p.requires_grad for p in model.parameters())
    return Check(not dead, f"{len(dead)} of {total} get no gradient" if dead else "yes", tensors=tuple(dead))


def _training(model: nn.Module, ids: Tensor, fused: bool) -> Check:
    return _compared(probes.logits(model, ids, train=True, fused=fused), probes.logits(model, ids))


def _merged(model: nn.Module, ids: Tensor, quantised: bool) -> Check:
    try:
        merged, foreign = probes.merged(model, ids, quantised)
    except probes.NotMergeable as reason:
        return Check(None, str(reason))
    check = _compared(merged, probes.logits(model, ids))
    if not foreign:
        return check
    found = f"{foreign} tensors are not those of a plain model: saving and loading it loses the adapter"
    return Check(False, found, check.difference)


def _packed(model: nn.Module, ids: Tensor) -> Check:
    if not hasattr(base_model(model), "reads_documents"):
        # no adapter's fault: the models that it was put on do so without one
        return Check(None, "stock models let the documents of a row see each other")
    try:
        return _compared(*probes.packed(model, ids))
    except ValueError as refusal:
        return Check(None, str(refusal).partition(";")[0])


def _precision(model: nn.Module) -> Check:
    lost = probes.small_changes_lost(model)
    found = f"{len(lost)} tensors round changes of less than 1/256 (bfloat16) or 1/2048 (float16) away"
    return Check(not lost, found if lost else "yes", tensors=tuple(lost))


def _layers(model: nn.Module) -> Check:
    touched, total = probes.coverage(model)
    # a prompt lies in front of all of them
    return Check(True if touched else None, f"{touched} of {total}")


def _compared(one: Tensor, other: Tensor) -> Check:
    difference = probes.relative_difference(one, other)
    if not math.isfinite(difference):
        return Check(False, "the outputs are not finite")
    if difference < ROUNDING:
        return Check(True, f"relative difference below {ROUNDING:.0e}")
    return Check(difference < LIMIT, f"relative difference {difference:.1e}", difference)


def _random_ids(model: nn.Module) -> Tensor:
    base = base_model(model)
    return torch.randint(3, base.config.vocab_size, (2, 12), generator=torch.Generator().manual_seed(0))


def _adapted_by(model: nn.Module) -> tuple[str, str]:
    """With what, and by whom."""
    active = getattr(model, "active_adapter", None)
    if getattr(base_model(model), "ssmpeft", None):
        return str(adaptation_of(model, active if isinstance(active, str) else None).method), "ssmpeft_lib"
    if not hasattr(model, "peft_config"):
        return "parameters as they are", "nobody"
    from peft import __version__

    config = model.peft_config[active]
    targets = [*(getattr(config, "target_modules", None) or []), *(getattr(config, "target_parameters", None) or [])]
    return f"{type(config).__name__}({', '.join(sorted(targets))})", f"peft {__version__}"
