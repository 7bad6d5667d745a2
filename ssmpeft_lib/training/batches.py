"""Batches for a causal model: only label tokens are predicted, and only there are logits computed."""

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


def to_batch(arrays: dict[str, np.ndarray], device: torch.device | str = "cpu") -> Batch:
    """From what `Encoded.batch` returns: `labels` are -100 but on label tokens, and not shifted."""
    rows, columns = np.nonzero(arrays["labels"][:, 1:] >= 0)
    targets = arrays["labels"][rows, columns + 1]
    return Batch(*(torch.from_numpy(part).to(device) for part in (arrays["input_ids"], rows, columns, targets)))


def label_logits(model: nn.Module, batch: Batch) -> Tensor:
    """Logits at the label positions only, [label tokens, vocabulary]: in a small batch the vocabulary is what costs."""
    hidden = getattr(model, model.base_model_prefix)(input_ids=batch.ids, use_cache=False).last_hidden_state
    return model.get_output_embeddings()(hidden[batch.rows, batch.columns])


def loss_of(model: nn.Module, batch: Batch) -> Tensor:
    """Mean cross-entropy over label tokens."""
    return F.cross_entropy(label_logits(model, batch).float(), batch.targets)


def batches_an_epoch(examples: int, batch_size: int) -> int:
    """Whole batches in an epoch.

    Raises:
        ValueError: fewer examples than a batch holds.
    """
    if examples < batch_size:
        raise ValueError(
            f"{examples} training examples do not fill a batch of {batch_size}; lower batch_size in an override"
        )
    return examples // batch_size


def epochs_of_indices(examples: int, batch_size: int, seed: int) -> Iterator[list[np.ndarray]]:
    """For each epoch, the indices of its batches: a permutation that depends on seed and epoch alone, the rest dropped.

    Raises:
        ValueError: fewer examples than a batch holds.
    """
    batches_an_epoch(examples, batch_size)
    epoch = 0
    while True:
        order = np.random.default_rng((seed, epoch)).permutation(examples)
        yield [order[i : i + batch_size] for i in range(0, examples - batch_size + 1, batch_size)]
        epoch += 1
