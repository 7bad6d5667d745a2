"""Sparse deltas: chosen entries of a slot are trained or silenced, the others cannot move (SDT, Sec. 5)."""

from __future__ import annotations

import math
import warnings
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..compat.torch import edits_of, is_batched
from .deltas import Delta


@dataclass
class StandIn:
    """A choice that stands in for one by a warm-up; shared by the deltas of an adapter, of which one warns for all."""

    warned: bool = False


class Sparse(Delta):
    """Trains chosen entries of a block.

    The counts are fixed from the start, so that an adapter can be counted and loaded before its entries are known.

    Args:
        shape: (rows, columns) of the block.
        count: number of trained entries.
    """

    how = "the chosen entries"

    def __init__(self, shape: tuple[int, int], count: int):
        super().__init__()
        self.shape = tuple(shape)
        self.values = nn.Parameter(torch.zeros(count))
        self.register_buffer("indices", torch.arange(count))
        self._stand_in: StandIn | None = None
        self._columns: tuple | None = None

    def __getstate__(self) -> dict:
        # a copy counts the changes of its indices anew, so that what was computed from them would pass for new
        return super().__getstate__() | {"_columns": None}

    def choose(self, mask: Tensor, stand_in: StandIn | None = None) -> None:
        """Fix the trained entries: those where `mask` [rows, columns] is True, in row-major order.

        Args:
            stand_in: given when they only stand in for those that a warm-up will choose.
        Raises:
            ValueError: the mask does not choose as many entries as the delta holds.
        """
        _fill(self.indices, mask)
        self._stand_in = stand_in

    def settle(self) -> None:
        """Take the entries as they are for chosen, as after loading them."""
        self._stand_in = None

    def _load_from_state_dict(self, *args, **kwargs) -> None:
        super()._load_from_state_dict(*args, **kwargs)
        self.settle()

    def change(self, block: Tensor) -> Tensor:
        self._warn()
        flat = self.values.new_zeros(math.prod(self.shape))
        return flat.index_put((self.indices,), self.values).view(self.shape)

    def factors(self, x: Tensor) -> tuple[Tensor, Tensor]:
        if is_batched(self.indices) or torch.compiler.is_compiling():
            # versions with choices of their own, which `unique` cannot tell apart, and graphs, in which how many
            # columns there are may not depend on values
            return x.to(self.values.dtype), self.change(x)
        self._warn()
        rows, columns, position = self._places()
        up = self.values.new_zeros(self.shape[0], len(columns)).index_put((rows, position), self.values)
        return x[..., columns].to(self.values.dtype), up

    @property
    def indices_in_range(self) -> bool:
        """Whether every index is one of the block's entries."""
        indices = torch.cat([buffer for name, buffer in self.named_buffers() if name.endswith("indices")])
        return bool(((indices >= 0) & (indices < math.prod(self.shape))).all())

    @property
    def chooses_once(self) -> bool:
        """Whether no index is there twice."""
        buffers = [buffer for name, buffer in self.named_buffers() if name.endswith("indices")]
        return all(len(buffer.unique()) == len(buffer) for buffer in buffers)

    @property
    def is_placeholder(self) -> bool:
        """Whether the entries still are those that stand in for a choice, and no others were chosen or loaded."""
        return self._stand_in is not None

    def _places(self) -> tuple[Tensor, Tensor, Tensor]:
        """Row of each entry, the columns that hold entries, and each entry's position among those."""
        if not _unchanged(self._columns, self.indices):
            columns, position = self.indices.remainder(self.shape[1]).unique(return_inverse=True)
            rows = self.indices.div(self.shape[1], rounding_mode="floor")
            self._columns = self.indices, edits_of(self.indices), (rows, columns, position)
        return self._columns[2]

    def _warn(self) -> None:
        if self._stand_in is None or self._stand_in.warned or not self.training:
            return
        if self.values.requires_grad and torch.is_grad_enabled():
            self._stand_in.warned = True
            _warn_of_stand_ins()


@torch.compiler.assume_constant_result
def _warn_of_stand_ins() -> bool:
    """Warn; torch.compile does so when it traces."""
    warnings.warn(
        "training entries that no warm-up has selected: those of largest frozen magnitude stand in; "
        "call ssmpeft_lib.initialize_sdt_weights (or begin_warmup and select) before training",
        stacklevel=3,
    )
    return True


class SparseOrSilent(Sparse):
    """Trains chosen entries of a block and sets others to the value that silences them (Algorithm 1, lines 3-7).

    Args:
        silent: number of silenced entries.
        value: what they are set to, for example 0 in C, or 10 in A_log.
    """

    how = "the chosen entries, others silenced"
    on_output = False
    additive = False

    def __init__(self, shape: tuple[int, int], count: int, silent: int, value: float):
        super().__init__(shape, count)
        self.register_buffer("silent_indices", torch.arange(silent))
        self.register_buffer("silences", torch.tensor(False))
        self.value = value

    def silence(self, mask: Tensor, stand_in: StandIn | None = None) -> None:
        """Fix the silenced entries: those where `mask` [rows, columns] is True.

        Args:
            stand_in: given when they only stand in for those that a warm-up will choose; then they stay as they are.
        """
        _fill(self.silent_indices, mask)
        self.silences.fill_(stand_in is None)

    def change(self, block: Tensor) -> Tensor:
        change = super().change(block).flatten()
        here = self.silent_indices
        silenced = self.silences * (self.value - block.flatten()[here])
        return change.index_put((here,), silenced.to(change.dtype)).view(self.shape)


def _unchanged(remembered: tuple | None, indices: Tensor) -> bool:
    """Whether indices are those that were remembered, with the values that they had then."""
    return remembered is not None and remembered[0] is indices and remembered[1] == edits_of(indices)


def _fill(indices: Tensor, mask: Tensor) -> None:
    chosen = mask.flatten().nonzero().flatten()
    if len(chosen) != len(indices):
        raise ValueError(f"the mask chooses {len(chosen)} entries, the adapter holds {len(indices)}")
    indices.copy_(chosen)
