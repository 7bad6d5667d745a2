"""Rows of several documents: every SSM layer and every attention of a model keeps them apart.

transformers hands what tells of documents to its attention, and in some families not to the mixers. So the model reads
it when it is called, and each block takes it along as an argument, from which gradient checkpointing recomputes too.
"""

from __future__ import annotations

import inspect
import threading
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..compat.transformers import find_cache, keep_documents_apart
from .documents import LENGTHS, documents_of
from .mixed_class import Mixin, mix_in, take_out


@dataclass
class _Call:
    """The call of a model that is running, the documents of its rows, and its thread; None within a compiled graph."""

    model: nn.Module | None = None
    documents: Tensor | None = None
    thread: int | None = None


# no threading.local, which torch.compile does not follow
_call = _Call()


def is_read() -> bool:
    """Whether a model that is running has read what its arguments tell of documents."""
    return _call.model is not None


def documents_now() -> Tensor | None:
    """The documents of the rows that a model is running on, [batch, seq_len]; None where every row holds one."""
    return _call.documents


class PackedBlock(Mixin):
    """Mixed into the class of each block: takes the documents along, and tells the mixers and blocks in it.

    Attributes:
        documents: while the block around this one runs, as the model may have come to its end by then.
    """

    documents: Tensor | None = None

    def __call__(self, *args, **kwargs):
        documents = _call.documents if self.documents is None else self.documents
        return super().__call__(*args, **kwargs | ({} if documents is None else {"documents": documents}))

    def forward(self, *args, documents: Tensor | None = None, **kwargs):
        if documents is None:
            return super().forward(*args, **kwargs)
        readers = [module for module in self.modules() if module is not self and hasattr(module, "documents")]
        for reader in readers:
            reader.documents = documents
        try:
            return super().forward(*args, **kwargs)
        finally:
            for reader in readers:
                reader.documents = None


def part_documents(model: nn.Module, core: nn.Module, blocks: list[nn.Module]) -> None:
    """Let a model keep the documents of a row apart. Does nothing when it does already.

    Args:
        model: what is called.
        core: the module in it that holds the blocks, which may be called too.
    """
    for module in (model, core) if blocks else ():
        if not hasattr(module, "reads_documents"):
            module.reads_documents = [
                module.register_forward_pre_hook(_before, with_kwargs=True),
                module.register_forward_hook(_after, always_call=True),
            ]
            if module is core:
                # not of the model around it, which may need the mask for a loss
                module.reads_documents.append(module.register_forward_pre_hook(_part_attention, with_kwargs=True))
    for block in blocks:
        mix_in(block, PackedBlock)


def run_documents_on(model: nn.Module, core: nn.Module, blocks: list[nn.Module]) -> None:
    """Take away what `part_documents` did."""
    for module in (model, core):
        for hook in module.__dict__.pop("reads_documents", ()):
            hook.remove()
    for block in blocks:
        take_out(block, PackedBlock)


def _before(model: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
    thread = None if torch.compiler.is_compiling() else threading.get_ident()
    if _call.model is not None and (thread is None or _call.thread in (None, thread)):
        return None
    given, documents = _read(model, args, kwargs)
    if _call.model is not None:
        if documents is None and _call.documents is None:
            return None
        raise RuntimeError(
            "a model runs on packed rows in another thread; run one at a time, or in processes of their own "
            "(DistributedDataParallel in place of DataParallel)"
        )
    _call.model, _call.documents, _call.thread = model, documents, thread
    if documents is None:
        return None
    return (), {name: value for name, value in given.items() if name not in ("seq_idx", *LENGTHS)}


def _part_attention(core: nn.Module, args: tuple, kwargs: dict) -> tuple[tuple, dict] | None:
    if _call.documents is None:
        return None
    return (), keep_documents_apart(core, _by_name(core, args, kwargs), _call.documents)


def _by_name(model: nn.Module, args: tuple, kwargs: dict) -> dict:
    """The arguments of a call by name."""
    # most calls have one positional argument, and a signature takes as long as a small layer
    names = ("input_ids",) if len(args) < 2 else inspect.signature(model.forward).parameters
    return dict(zip(names, args, strict=False)) | kwargs


def _read(model: nn.Module, args: tuple, kwargs: dict) -> tuple[dict, Tensor | None]:
    """The arguments of a call by name, and what they tell of documents."""
    given = _by_name(model, args, kwargs)
    tokens = next((given[name] for name in ("input_ids", "inputs_embeds") if given.get(name) is not None), None)
    cache = find_cache(given)
    if tokens is None or (cache is not None and torch.compiler.is_compiling()):
        return given, None
    documents = documents_of(given, *tokens.shape[:2])
    if documents is not None and cache is not None:
        raise ValueError(
            "a cache cannot hold several documents of a row; call the model on packed rows without one, and generate "
            "from documents that have a row each"
        )
    return given, documents


def _after(model: nn.Module, args: tuple, output) -> None:
    if _call.model is model:
        _call.model = _call.documents = None
