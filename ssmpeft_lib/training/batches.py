"""Batches of token ids: instruction, input and label in a row, padded on the right; only label tokens are predicted."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn import functional as F


@dataclass(frozen=True)
class Batch:
    """Token ids [batch, seq_len], and for each label token the position that predicts it.

    Causal models need no mask for padding on the right: nothing that is scored comes after it.
    """

    ids: Tensor
    rows: Tensor
    columns: Tensor
    targets: Tensor


def make_batch(inputs: list[np.ndarray], labels: list[np.ndarray], device: torch.device | str = "cpu") -> Batch:
    """Pad and index. `inputs` and `labels` are token ids of each example."""
    lengths = [len(i) + len(l) for i, l in zip(inputs, labels, strict=True)]
    ids = np.zeros((len(inputs), max(lengths)), dtype=np.int64)
    rows, columns = [], []
    for row, (before, label) in enumerate(zip(inputs, labels, strict=True)):
        ids[row, : lengths[row]] = np.concatenate([before, label])
        rows.append(np.full(len(label), row))
        columns.append(np.arange(len(before) - 1, lengths[row] - 1))
    parts = (ids, np.concatenate(rows), np.concatenate(columns), np.concatenate(labels).astype(np.int64))
    return Batch(*(torch.from_numpy(part).to(device) for part in parts))


def label_logits(model: nn.Module, batch: Batch) -> Tensor:
    """Logits at the label positions only, [label tokens, vocabulary]: the vocabulary is the wide part of a small batch."""
    hidden = getattr(model, model.base_model_prefix)(input_ids=batch.ids, use_cache=False).last_hidden_state
    return model.get_output_embeddings()(hidden[batch.rows, batch.columns])


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy over label tokens."""
    return F.cross_entropy(label_logits(model, batch).float(), batch.targets)


def epochs_of_indices(examples: int, batch_size: int, seed: int) -> Iterator[list[np.ndarray]]:
    """For each epoch, the indices of its batches: a permutation that depends on seed and epoch alone, the rest dropped.

    Raises:
        ValueError: fewer examples than a batch holds.
    """
    if examples < batch_size:
        raise ValueError(f"{examples} training examples do not fill a batch of {batch_size}; lower batch_size in an override")
    epoch = 0
    while True:
        order = np.random.default_rng((seed, epoch)).permutation(examples)
        yield [order[i : i + batch_size] for i in range(0, examples - batch_size + 1, batch_size)]
        epoch += 1
