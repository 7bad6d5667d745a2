"""Several versions of what is trained, over one frozen model, in one forward.

Each version computes what it would compute alone, to rounding: they see the same batch and the same dropout. Wherever
versions do not differ yet, as in front of the first adapter, the model computes once for all of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext

import torch
from torch import Tensor, nn
from torch.func import functional_call, vmap
from torch.nn import functional as F
from torch.overrides import TorchFunctionMode


class NotTogether(RuntimeError):
    """The model or a delta does something that `torch.vmap` cannot do for several versions at once."""


class Together:
    """A model with several versions of some of its tensors.

    Args:
        model: adapted; its own parameters stay as they are.
    """

    def __init__(self, model: nn.Module):
        self._caller = _Caller(model)

    def losses(self, loss: Callable[[], Tensor], versions: Sequence[Mapping[str, Tensor]]) -> Tensor:
        """The loss of each version, [versions].

        Args:
            loss: computes the loss of the model on a batch.
            versions: parameters and buffers by their names in the model; the same names in all.
        Raises:
            NotTogether: the versions have to be run one by one.
        """
        stacked = {f"model.{name}": torch.stack([version[name] for version in versions]) for name in versions[0]}
        try:
            with _autocast(next(iter(stacked.values())).device.type):
                return vmap(lambda tensors: functional_call(self._caller, tensors, (loss,)), randomness="same")(stacked)
        except (RuntimeError, NotImplementedError) as error:
            raise NotTogether(str(error).strip().split("\n")[0]) from error


class _Caller(nn.Module):
    """Lets `functional_call` exchange a model's tensors around any function of the model."""

    def __init__(self, model: nn.Module):
        super().__init__()
        self.model = model

    def forward(self, function: Callable[[], Tensor]) -> Tensor:
        return function()


def _autocast(device: str) -> AbstractContextManager:
    """Where autocast is on: its rule for products, which `torch.vmap` hides from it."""
    return _Products(torch.get_autocast_dtype(device)) if torch.is_autocast_enabled(device) else nullcontext()


class _Products(TorchFunctionMode):
    """Takes products of float32 tensors in a narrower type."""

    FUNCTIONS = (F.linear, torch.matmul, Tensor.matmul, Tensor.__matmul__, torch.bmm, torch.mm)

    def __init__(self, dtype: torch.dtype):
        super().__init__()
        self._dtype = dtype

    def __torch_function__(self, function, types, args=(), kwargs=None):
        if function in self.FUNCTIONS:
            args = [self._narrow(arg) for arg in args]
        return function(*args, **(kwargs or {}))

    def _narrow(self, arg):
        single = isinstance(arg, Tensor) and arg.dtype == torch.float32
        return arg.to(self._dtype) if single else arg
