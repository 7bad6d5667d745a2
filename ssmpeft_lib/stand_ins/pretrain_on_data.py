"""Networks that are pretrained on the data that they are adapted to, as the deep S4 of Table 4 is (Sec. D.3)."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from statistics import fmean
from time import perf_counter
from typing import Any

import torch
from torch import nn

from ..data import dataset
from ..data._encode import load_prepared
from ..metrics import score_all
from ..plan import paths, registry
from ..plan.atomic import replacing_folder
from ..plan.pretraining import ON_DATA
from ..training.loop import Trainer, fit, restore, snapshot
from ..training.recipe import Recipe
from ..training.series import SeriesProblem
from .pretrain import WEIGHTS, write_about

EPOCHS = 50
"""Of the paper (Sec. D.3)."""

RECIPE = Recipe(learning_rate=1e-2, batch_size=64, weight_decay=0.01, precision="fp32", eval_batch_size=256)
"""As in the authors' script, but for the linear decay of the learning rate that all runs here have."""


def pretrain_on_data(
    model: str,
    scale: str,
    data: Path,
    folder: Path,
    steps: int | None = None,
    seed: int = 0,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Pretrain a model in full on a prepared data set, keep the best epoch, and write it with `model.json`, last.

    Args:
        model: name such as `s4-deep`.
        scale: decides how many steps.
        data: what `prepare-data` wrote.
        folder: where weights/ and, last, model.json go.
        steps: in place of the scale's.
        command: that makes them again, as a manifest has it.
    Returns:
        what model.json says: sizes, scores, checksums.
    """
    torch.manual_seed(seed)
    prepared = load_prepared(data)
    module = registry.load("models", model)
    on_gpu = scale == "paper" and torch.cuda.is_available()
    network = module.build(**registry.model_facts(model).config).to("cuda" if on_gpu else "cpu")
    normalised = dataset(paths.pretrained_on(model)).normalised
    problem = SeriesProblem(network, prepared.task, prepared.splits, normalised, RECIPE)
    total = ON_DATA.get(scale, EPOCHS * problem.steps_an_epoch) if steps is None else steps
    start = perf_counter()
    history = _train(network, problem, seed, total)
    with replacing_folder(Path(folder) / WEIGHTS) as draft:
        module.save(network, draft)
    about = {
        "model": model,
        "data": prepared.description,
        "parameters": sum(parameter.numel() for parameter in network.parameters()),
        "steps": total,
        "history": history,
        "eos": 0,
    }
    return write_about(Path(folder), network, about, perf_counter() - start, command)


def _train(network: nn.Module, problem: SeriesProblem, seed: int, total_steps: int) -> list[dict[str, float]]:
    weights = dict(network.named_parameters())
    trainer = Trainer([{"params": list(weights.values()), "lr": RECIPE.learning_rate}], RECIPE, total_steps)
    best, history = snapshot(weights), []

    def validate(losses: list[float]) -> None:
        nonlocal best
        score = score_all(problem.task, problem.answers("val"), problem.splits["val"].examples, intervals=False)
        history.append({"step": trainer.step, "train_loss": fmean(losses), "val_score": score["score"]})
        if score["score"] >= max(entry["val_score"] for entry in history):
            best = snapshot(weights)

    fit(trainer, network, problem.losses(seed), every=problem.steps_an_epoch, report=validate)
    restore(weights, best)
    return history
