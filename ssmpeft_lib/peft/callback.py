"""SDT's warm-up as a callback of transformers' Trainer."""

from __future__ import annotations

from transformers import TrainerCallback

from ..warmup import initialize_sdt_weights


class SelectBeforeTraining(TrainerCallback):
    """Runs the warm-up on the first batches, selects, reverts, and lets the training start from the beginning.

    Args:
        steps: updates of the warm-up; the paper takes 500.
        learning_rate: of the warm-up; None for that of the training, as in the paper.
    """

    def __init__(self, steps: int = 500, learning_rate: float | None = None):
        self.steps = steps
        self.learning_rate = learning_rate

    def on_train_begin(self, args, state, control, model=None, train_dataloader=None, **kwargs):
        """Select, unless the training goes on from a checkpoint, which holds the selection."""
        if state.global_step == 0:
            rate = args.learning_rate if self.learning_rate is None else self.learning_rate
            initialize_sdt_weights(model, train_dataloader, self.steps, rate)
