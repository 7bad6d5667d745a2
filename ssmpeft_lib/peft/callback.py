"""SDT's warm-up as a callback of transformers' Trainer."""

from __future__ import annotations

import warnings

from transformers import TrainerCallback

from ..adapters.api import parameter_groups
from ..adapters.select_by_warmup import initialize_sdt_weights


class SelectBeforeTraining(TrainerCallback):
    """Runs the warm-up on the first batches, selects, reverts, and lets the training start from the beginning.

    Warns when the method gives some parameters another learning rate (SDLoRA+) and the optimiser does not.

    Args:
        steps: updates of the warm-up; the paper takes 500.
        learning_rate: of the warm-up; None for that of the training, as in the paper.
        adapter: whose; None for the only one, or the only active one.
    """

    def __init__(self, steps: int = 500, learning_rate: float | None = None, adapter: str | None = None):
        self.steps = steps
        self.learning_rate = learning_rate
        self.adapter = adapter

    def on_train_begin(self, args, state, control, model=None, optimizer=None, train_dataloader=None, **kwargs):
        """Select, unless the training goes on from a checkpoint, which holds the selection."""
        # a schedule may start at zero, so the rates are those that it starts from
        rates = {group.get("initial_lr", group["lr"]) for group in optimizer.param_groups}
        if len(parameter_groups(model, 1.0)) > 1 and len(rates) == 1:
            warnings.warn(
                "the method trains some parameters at another learning rate, but the optimizer has one for all; "
                "give Trainer optimizers=(torch.optim.AdamW(ssmpeft_lib.parameter_groups(model, rate)), None)",
                stacklevel=2,
            )
        if state.global_step == 0:
            rate = args.learning_rate if self.learning_rate is None else self.learning_rate
            initialize_sdt_weights(model, train_dataloader, self.steps, rate, self.adapter)
