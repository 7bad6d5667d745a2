"""Every method on every family in every way that an adapter is used: what works, and what is refused, in its words."""

from __future__ import annotations

import tempfile
import warnings
from collections.abc import Callable, Iterator

import torch
from torch import nn

from ..adapters.api import adapt
from ..adapters.method import build_method
from ..adapters.storage import load, save
from ..plan import registry
from ..plan.method_string import MethodString
from .examination import doctor
from .probes import logits, prepared, relative_difference
from .report import Check, Report
from .tiny import SIZES, tiny

FIELDS = {
    "forward": "starts from what the model computed",
    "train": "every tensor trains, in training as in evaluation, with fused kernels and without",
    "checkpointing": "gradients with gradient checkpointing are those without",
    "bf16": "a step and generation in bfloat16 stay finite",
    "generate": "cached generation equals the full forward",
    "packed": "the documents of a packed row are computed as in rows of their own",
    "save": "loaded equals saved",
    "merge": "merged equals unmerged",
    "peft": "stock peft's PeftModel computes the same from the saved folder",
    "doctor": "the doctor finds nothing",
}
"""The ways, and what is looked at."""

CLOSE = 1e-4
"""Relative difference that rounding may cause in float32 on these small models."""

FITTING = {"rank": 2, "freeze_channels": 0.9, "freeze_states": 0.5}
"""Options whose defaults are for larger models than these, and what stands for them."""

FROM_THE_DOCTOR = {
    "train": ("gradients", "gradients_fused", "training", "training_fused"),
    "generate": ("cached",),
    "packed": ("packed",),
    "merge": ("merged",),
}


def survey(families: tuple[str, ...] = tuple(SIZES), methods: tuple[str, ...] = ()) -> Iterator[dict]:
    """What is found for each family and method, as JSON.

    Args:
        families: prefixes of transformers' classes.
        methods: method strings; every method but the pretrained model, in the size of these models, if none are given.
    """
    for method in methods or [_fitting(name) for name in registry.files("methods") if name != "pretrained"]:
        for family in families:
            checks = fields(family, method)
            found = {name: {"ok": check.ok, "found": check.found} for name, check in checks.items()}
            yield {"family": family, "method": method, "fields": found}


def _fitting(name: str) -> str:
    taken = registry.options(name)
    return str(MethodString(name, (), {option: value for option, value in FITTING.items() if option in taken}))


def fields(family: str, method: str) -> dict[str, Check]:
    """What is found for one method on one family, by the keys of `FIELDS`."""
    with warnings.catch_warnings(), torch.random.fork_rng():
        warnings.simplefilter("ignore")
        torch.manual_seed(0)
        refused = _looked(lambda: _forward(family, method))
        if refused.ok is not True:
            return dict.fromkeys(FIELDS, refused)
        report = doctor(adapt(tiny(family), method))
        others = {
            "checkpointing": _looked(lambda: _checkpointing(family, method)),
            "bf16": _looked(lambda: _bf16(family, method)),
            "save": _looked(lambda: _saved(family, method, _load)),
            "peft": _looked(lambda: _saved(family, method, _load_by_peft)),
            "doctor": Check(report.healthy, "yes" if report.healthy else "finds a fault"),
        }
    of_report = {name: _of(report, keys) for name, keys in FROM_THE_DOCTOR.items()}
    found = {"forward": refused} | of_report | others
    return {name: found[name] for name in FIELDS}


def _looked(look: Callable[[], str]) -> Check:
    """A check that holds where `look` returns no complaint; a refusal in words does not apply, and is quoted."""
    try:
        complaint = look()
    except (ValueError, LookupError) as error:
        return Check(None, f"refused: {error.args[0] if error.args else error}")
    except Exception as error:
        # whatever else is raised is a finding
        return Check(False, f"{type(error).__name__}: {' '.join(str(error).split())[:160]}")
    return Check(not complaint, complaint or "yes")


def _of(report: Report, keys: tuple[str, ...]) -> Check:
    """The worst of some checks of the doctor."""
    checks = [report.checks[key] for key in keys]
    wrong = [check for check in checks if check.ok is False]
    if wrong:
        return Check(False, wrong[0].found)
    return Check(True, "yes") if any(check.ok for check in checks) else Check(None, f"refused: {checks[0].found}")


def _forward(family: str, method: str) -> str:
    found, before = _logits(adapt(tiny(family), method)), _logits(tiny(family))
    if not build_method(method).starts_unchanged:
        return "" if found.isfinite().all() else "not finite"
    return _unlike(found, before)


def _checkpointing(family: str, method: str) -> str:
    gradients = []
    for checkpoints in (False, True):
        torch.manual_seed(0)
        model = prepared(adapt(tiny(family), method)).float().train()
        if checkpoints:
            model.gradient_checkpointing_enable(gradient_checkpointing_kwargs={"use_reentrant": False})
        model(input_ids=_ids(), labels=_ids(), use_cache=False).loss.backward()
        gradients.append([p.grad for p in model.parameters() if p.grad is not None])
    if len(gradients[0]) != len(gradients[1]):
        return f"{len(gradients[1])} tensors get a gradient, without checkpointing {len(gradients[0])}"
    return next(filter(None, map(_unlike, *gradients)), "")


def _bf16(family: str, method: str) -> str:
    model = adapt(tiny(family).bfloat16(), method)
    loss = model.train()(input_ids=_ids(), labels=_ids()).loss
    loss.backward()
    if not (loss.isfinite() and all(p.grad.isfinite().all() for p in model.parameters() if p.grad is not None)):
        return "not finite"
    options = {"attention_mask": torch.ones_like(_ids()), "max_new_tokens": 2, "min_new_tokens": 2, "pad_token_id": 0}
    written = model.eval().generate(_ids(), **options, do_sample=False)
    return "" if written.shape[1] == _ids().shape[1] + 2 else "generates nothing"


def _saved(family: str, method: str, back: Callable[[str, str], nn.Module]) -> str:
    model = prepared(adapt(tiny(family), method)).float()
    with tempfile.TemporaryDirectory() as folder:
        save(model, folder)
        again = back(family, folder)
    return _unlike(_logits(again), _logits(model))


def _load(family: str, folder: str) -> nn.Module:
    return load(tiny(family), folder)


def _load_by_peft(family: str, folder: str) -> nn.Module:
    from peft import PeftModel

    return PeftModel.from_pretrained(tiny(family), folder)


def _ids() -> torch.Tensor:
    return torch.randint(2, 64, (2, 9), generator=torch.Generator().manual_seed(0))


def _logits(model: nn.Module) -> torch.Tensor:
    return logits(model, _ids())


def _unlike(one: torch.Tensor, other: torch.Tensor) -> str:
    """How two tensors differ, in words; empty where it is by rounding."""
    difference = relative_difference(one, other)
    return "" if difference < CLOSE else f"relative difference {difference:.1e}"
