"""What is used inside torch that its documentation does not promise: a few names, each with what is done without it.

None changes torch. What a build lacks is said once, when this module is imported; what then stops is running several
versions of a model side by side under `torch.vmap`, with an error, and never a number.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn
from torch.utils import _python_dispatch

from .window import TORCH, warn_changed

TorchDispatchMode = _python_dispatch.TorchDispatchMode
"""Sees every op that a `with` block calls, as torch's notes on extending it describe."""

VMAP_STOPS = "models cannot be run side by side under torch.vmap; set lr_search_together: 1 in config.yaml"


def _find(path: str, otherwise: Callable[..., Any]) -> Callable[..., Any]:
    """A function of torch by its dotted name, or another one, with a warning, where this build has none."""
    found: Any = torch
    for name in path.split("."):
        found = getattr(found, name, None)
    if callable(found):
        return found
    warn_changed("torch", f"torch.{path}", TORCH.removeprefix("torch"), VMAP_STOPS)
    return otherwise


are_transforms_active = _find("_C._are_functorch_transforms_active", lambda: False)
"""Whether `torch.vmap` or another transform of functions is at work. Without it an op sees tensors that it cannot read,
which is an error."""

is_batched = _find("_C._functorch.is_batchedtensor", lambda tensor: False)
"""Whether a tensor stands for several versions under `torch.vmap`."""


def is_wrapper_of_tensors(tensor: Tensor) -> bool:
    """Whether a tensor is of a class that holds others, as quantised and distributed ones are."""
    known = getattr(_python_dispatch, "is_traceable_wrapper_subclass", None)
    # the two methods are the documented protocol of such classes, and what torch's own test looks for
    return known(tensor) if known else hasattr(tensor, "__tensor_flatten__") and hasattr(tensor, "__tensor_unflatten__")


def edits_of(tensor: Tensor) -> object:
    """How often a tensor was changed in place; where torch no longer counts, a value that equals no other one."""
    return tensor._version if hasattr(tensor, "_version") else object()


def end_graph_unless(condition: Tensor, message: str) -> None:
    """Have a compiled graph raise a RuntimeError, when it runs, where a condition of one element does not hold."""
    torch._assert_async(condition, message)


def own_parameter(module: nn.Module, name: str) -> nn.Parameter | None:
    """A parameter of a module itself, whatever the module shows under that name."""
    return module._parameters.get(name)


def own_module(module: nn.Module, name: str) -> nn.Module | None:
    """A direct submodule of a module, or None."""
    return module._modules.get(name)


def has_onednn_linear() -> bool:
    """Whether this build of torch has oneDNN's product."""
    return torch.backends.mkldnn.is_available() and hasattr(torch.ops.mkldnn, "_linear_pointwise")


def onednn_linear(x: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
    """x [..., in] through a linear layer by oneDNN, which `nn.Linear` uses in compiled models only."""
    return torch.ops.mkldnn._linear_pointwise(x, weight, bias, "none", [], "")
