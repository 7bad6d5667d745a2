"""Rows of several documents one behind the other (packing, padding-free batches): where each document is in them."""

from __future__ import annotations

from collections.abc import Mapping

import torch
import torch.nn.functional as F
from torch import Tensor

from ..compat.torch import end_graph_unless

LENGTHS = ("cu_seq_lens_q", "cu_seq_lens_k", "cu_seqlens")
PACKING = ("seq_idx", *LENGTHS, "position_ids")
"""The arguments of a model or a mixer that may tell of several documents in a row."""

GAP = (
    "attention_mask has zeros between the tokens of one document, in a row of several; put padding between documents or"
    " around them, or give every document a row of its own"
)
IN_A_GRAPH = (
    "position_ids tell of several documents in a row, beside an attention_mask; a compiled model needs seq_idx to know,"
    " or a call without the mask"
)


def documents_of(arguments: Mapping, batch: int, seq_len: int) -> Tensor | None:
    """Number the documents of each row, as the arguments of a call tell of them.

    A document starts where `seq_idx` [batch, seq_len] changes, where a length `cu_seq_lens_q` and the like
    [documents + 1] ends (they count through all rows), and where `position_ids` [batch, seq_len] do not go on growing.
    Padding, as `attention_mask` [batch, seq_len] has it, gets numbers of its own.

    Returns:
        int32 [batch, seq_len], another number for each document of a row; None where every row holds one.
    Raises:
        ValueError: sizes that do not fit, or a gap in a document.
    """
    numbers, positions = _told(arguments, batch, seq_len)
    if not numbers and positions is None:
        return None
    mask, first = arguments.get("attention_mask"), next(iter(numbers), positions)
    is_masked = isinstance(mask, Tensor) and mask.dim() == 2
    # of a call that goes on, the mask tells of the tokens before it too
    real = mask[:, -seq_len:].to(first.device) != 0 if is_masked else first.new_ones((batch, seq_len), dtype=torch.bool)
    last = F.pad(torch.where(real, torch.arange(seq_len, device=first.device), -1).cummax(1).values, (1, -1), value=-1)
    anew = _starting(numbers, positions, last) & real
    changed = real[:, 1:] != real[:, :-1]
    gap = changed & real[:, 1:] & (last[:, 1:] >= 0) & ~anew[:, 1:]
    if torch.compiler.is_compiling():
        # no value can decide here what is computed, but the graph can end where it would be wrong
        if is_masked and not numbers:
            end_graph_unless(~anew.any(), IN_A_GRAPH)
            return None
        end_graph_unless(~gap.any(), GAP)
    elif not anew.any():
        return None
    elif gap.any():
        raise ValueError(GAP)
    return (anew | F.pad(changed, (1, 0))).cumsum(1, dtype=torch.int32)


def _starting(numbers: list[Tensor], positions: Tensor | None, last: Tensor) -> Tensor:
    """Where a token is of another document than the last one before it, which stands at `last`; -1 for none."""
    before = last.clamp(min=0)
    anew = torch.zeros_like(last, dtype=torch.bool)
    for number in numbers:
        anew = anew | (number != number.gather(1, before))
    if positions is not None:
        anew = anew | (positions <= positions.gather(1, before))
    return anew & (last >= 0)


def _told(arguments: Mapping, batch: int, seq_len: int) -> tuple[list[Tensor], Tensor | None]:
    """What the arguments say: numbers of documents, and positions, each [batch, seq_len]."""
    if seq_len < 2:
        return [], None
    numbers = [_from_lengths(name, arguments[name], batch, seq_len) for name in LENGTHS if _given(arguments, name)]
    if _given(arguments, "seq_idx"):
        numbers.append(_of_each_token("seq_idx", arguments["seq_idx"], batch, seq_len))
    positions = arguments.get("position_ids")
    if positions is not None and positions.dim() == 2:
        return numbers, _of_each_token("position_ids", positions, batch, seq_len)
    return numbers, None


def _given(arguments: Mapping, name: str) -> bool:
    # one document in one row is what there is without saying so
    return arguments.get(name) is not None and (name not in LENGTHS or len(arguments[name]) > 2)


def _of_each_token(name: str, value: Tensor, batch: int, seq_len: int) -> Tensor:
    if value.dim() != 2 or value.shape[1] != seq_len or len(value) not in (1, batch):
        raise ValueError(f"{name} has shape {list(value.shape)}, expected [batch, seq_len] = [{batch}, {seq_len}]")
    return value.expand(batch, -1)


def _from_lengths(name: str, ends: Tensor, batch: int, seq_len: int) -> Tensor:
    """The document of each token, from where documents end in all rows one behind the other."""
    total = batch * seq_len
    if not torch.compiler.is_compiling():
        listed = ends.tolist()
        if ends.dim() != 1 or listed != sorted(listed) or listed[0] != 0 or listed[-1] != total:
            raise ValueError(
                f"{name} is {listed}, expected where documents end, from 0 to {total}, which is batch * seq_len = "
                f"{batch} * {seq_len}"
            )
        if not {*range(0, total, seq_len)} <= {*listed}:
            raise ValueError(f"{name} is {listed}: a document goes over the end of a row of {seq_len} tokens")
    steps = torch.arange(total, device=ends.device)
    return torch.searchsorted(ends[1:].contiguous(), steps, right=True).view(batch, seq_len)
