"""What the formal statements predict for a small trained Mamba, which has what they leave out: convolution and gates.

Two questions, each with an exact part or a control. Does an initial state stand in for a prefix (Propositions 1 and
5), with the convolution's state and without? Does W_in stand in for W_B, W_C and W_dt (Lemmas 2 and 6), and these for
W_in? The second is asked by imitation: one model is trained on a task in one place, another is trained in another
place to give the same predictions.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from ..adapters.api import adapt, parameter_groups
from ..adapters.inputs.starts import Starts
from ..data._encode import load_prepared
from ..data._encoded import Encoded
from ..models import load_checkpoint
from ..plan import paths
from ..training.batches import Batch, epochs_of_indices, label_logits, loss_of, to_batch
from ..training.loop import Trainer, fit
from ..training.recipe import Recipe

SCALE, MODEL, DATASET = "quick", "mamba-130m", "dart"
STEPS, BATCH = 100, 16

STARTS = {
    **{f"prefix of {n}": f"prefix,tokens={n},mlp=false" for n in (1, 4, 16, 64)},
    "initial state": "initial_state",
    "initial state and convolution": "initial_state,conv_state=true",
}
"""What may stand before the first token, with its method."""

PLACES = {"W_in": "in_proj_x", "W_B": "x_proj_B", "W_C": "x_proj_C", "W_dt": "x_proj_dt"}
"""The matrices of Lemma 2 and their slots; W_dt is the one inside x_proj."""

START_RATES, PLACE_RATES = (0.02, 0.05, 0.2, 0.5), (4e-3, 1.2e-2)
TEACHER_RATE = 4e-3

Loss = Callable[[nn.Module, Batch], Tensor]


@dataclass(frozen=True)
class Stage:
    """A trained model and the splits of a task, as the pipeline prepared them."""

    model: nn.Module
    splits: dict[str, Encoded]

    @classmethod
    def open(cls, results: Path) -> Stage:
        """The stand-in of Mamba-130M and the miniature of DART.

        Raises:
            FileNotFoundError: they were not prepared; names the command.
        """
        data = Path(results) / paths.data_file(SCALE, DATASET, paths.tokenizer_of(SCALE, MODEL))
        if not data.exists():
            raise FileNotFoundError(f"{data} is missing; make it with: snakemake --cores all {data}")
        checkpoint = load_checkpoint(MODEL, DATASET, SCALE, results)
        return cls(checkpoint.network, load_prepared(data).splits)

    def adapted(self, method: str, seed: int) -> nn.Module:
        """A copy of the model, adapted."""
        torch.manual_seed(seed)
        return adapt(copy.deepcopy(self.model), method)

    def batches(self, seed: int) -> Iterator[Batch]:
        """Training batches in an order that depends on the seed alone."""
        train = self.splits["train"]
        for epoch in epochs_of_indices(len(train), BATCH, seed):
            for indices in epoch:
                yield to_batch(train.batch(indices))

    def test_batches(self) -> list[Batch]:
        """The test set."""
        test = self.splits["test"]
        return [to_batch(test.batch(indices)) for indices in test.buckets(64)]

    def train(self, model: nn.Module, rate: float, seed: int, loss: Loss = loss_of, steps: int = STEPS) -> nn.Module:
        """Train what a method trains, in place; the rate falls to zero in a straight line."""
        trainer = Trainer(parameter_groups(model, rate), Recipe(learning_rate=rate, precision="fp32"), steps)
        fit(trainer, model, (partial(loss, model, batch) for batch in self.batches(seed)))
        return model.eval()

    @torch.no_grad()
    def mean(self, model: nn.Module, loss: Loss = loss_of) -> float:
        """Mean loss on the test set, over label tokens."""
        model.eval()
        parts = [(loss(model, batch).item(), len(batch.targets)) for batch in self.test_batches()]
        return sum(value * count for value, count in parts) / sum(count for _, count in parts)


def divergence_from(teacher: nn.Module) -> Loss:
    """Mean Kullback-Leibler divergence of a model's predictions from the teacher's, over label tokens."""

    def loss(model: nn.Module, batch: Batch) -> Tensor:
        with torch.no_grad():
            wanted = label_logits(teacher, batch).log_softmax(-1)
        return F.kl_div(label_logits(model, batch).log_softmax(-1), wanted, log_target=True, reduction="batchmean")

    return loss


def run_starts(stage: Stage, seed: int, steps: int = STEPS) -> list[dict[str, Any]]:
    """Train every start on the task at every rate: seed, start, rate, trained numbers and loss on the test set."""
    found = [{"seed": seed, "start": "nothing trained", "rate": 0.0, "trained": 0, "loss": stage.mean(stage.model)}]
    for name, method in STARTS.items():
        for rate in START_RATES:
            model = stage.train(stage.adapted(method, seed), rate, seed, steps=steps)
            found.append({"seed": seed, "start": name, "rate": rate, **_numbers(model), "loss": stage.mean(model)})
    return found


def copied_prefix(stage: Stage, seed: int, tokens: int = 16, steps: int = STEPS) -> dict[str, float]:
    """How far predictions are from those with a trained prefix when only what it leaves behind is put in its place.

    Returns:
        mean divergence on the test set with nothing, the state, the convolution's columns, and both.
    """
    with_prefix = stage.train(stage.adapted(f"prefix,tokens={tokens},mlp=false", seed), 0.05, seed, steps=steps)
    left = [module() for module in with_prefix.modules() if isinstance(module, Starts)]
    found = {}
    for name, keep in {"nothing": (), "state": ("s",), "columns": ("c",), "state and columns": ("s", "c")}.items():
        model = stage.adapted("initial_state,conv_state=true", seed)
        own = [module.deltas["default"] for module in model.modules() if isinstance(module, Starts)]
        with torch.no_grad():
            for start, wanted in zip(own, left, strict=True):
                start.initial_state.copy_(wanted.state[0] * ("s" in keep))
                start.conv_state.copy_(wanted.columns[0] * ("c" in keep))
        found[name] = stage.mean(model, divergence_from(with_prefix))
    return found


def run_imitation(stage: Stage, seed: int, steps: int = STEPS) -> list[dict[str, Any]]:
    """Train one place on the task, then every other place to imitate it.

    Returns:
        for each teacher, student and rate: seed, `loss` of the teacher on the task, `before`, the divergence of the
        pretrained model from the teacher, and `left`, that of the student.
    """
    found = []
    for name, place in PLACES.items():
        teacher = stage.train(stage.adapted(f"full@{place}", seed), TEACHER_RATE, seed, steps=steps)
        far = divergence_from(teacher)
        known = {"seed": seed, "teacher": name, "loss": stage.mean(teacher), "before": stage.mean(stage.model, far)}
        for student, other in PLACES.items():
            for rate in PLACE_RATES if student != name else ():
                # another order of the batches than the teacher's
                model = stage.train(stage.adapted(f"full@{other}", seed), rate, seed + 1000, far, steps)
                found.append({**known, "student": student, "rate": rate, "left": stage.mean(model, far)})
    return found


def _numbers(model: nn.Module) -> dict[str, int]:
    return {"trained": sum(parameter.numel() for parameter in model.parameters() if parameter.requires_grad)}
