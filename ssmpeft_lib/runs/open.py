"""From a cell's name to a run. The only module that sees models, methods and data together."""

from __future__ import annotations

import json
import logging
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch
from tokenizers import Tokenizer
from torch import nn

from ..adapters.api import adapt, count
from ..adapters.method import Method, build_method
from ..data import dataset
from ..data._encode import Prepared, load_prepared
from ..metrics import missing
from ..models import LoadedModel, load_checkpoint
from ..plan import code, manifest, paths, registry
from ..plan.cell import Cell
from ..plan.method_string import MethodString
from ..plan.reading import read_json
from ..plan.results import RESULTS_VERSION
from ..training import provenance
from ..training.problem import Problem
from ..training.recipe import Recipe, for_search, recipe_for
from ..training.regression import RegressionProblem
from ..training.series import SeriesProblem
from ..training.text import TextProblem
from .run import Run


def open_run(
    cell: Cell | str,
    results: Path = Path("results"),
    overrides: dict[str, Any] | str = "{}",
    learning_rate: str | Path = "",
    threads: int = 1,
    trying: float | None = None,
) -> Run:
    """Load what a cell needs: its stand-in or checkpoint, its encoded data, its method, its numbers.

    Args:
        cell: the cell or its text.
        results: the results directory, which holds models and encoded data below the scale's name.
        overrides: of the recipe, from config.yaml; a dict, or JSON.
        learning_rate: file that a learning-rate search wrote, or empty.
        threads: of torch, on a CPU.
        trying: a learning rate to try as the search does; None for a run of the whole recipe.
    Raises:
        LookupError: a word of the cell's name is unknown.
        ValueError: the search found no learning rate.
        NotPrepared: the model or the data were not prepared, or are damaged; names the command that makes them.
    """
    cell = Cell.parse(cell) if isinstance(cell, str) else cell.check()
    torch.set_num_threads(threads)
    torch.manual_seed(cell.seed)
    results = Path(results)
    tokenizer = paths.tokenizer_of(cell.scale, cell.model)
    prepared = load_prepared(results / paths.data_file(cell.scale, cell.dataset, tokenizer))
    overrides = json.loads(overrides) if isinstance(overrides, str) else overrides
    search = _found_by_search(Path(learning_rate)) if learning_rate else {}
    method = build_method(cell.method)
    recipe = recipe_for(cell, method, prepared.task, overrides, search.get("learning_rate"))
    if trying is not None:
        recipe = for_search(recipe, trying)
    method = with_dropout(method, recipe.dropout, cell.method)
    checkpoint = load_checkpoint(cell.model, cell.dataset, cell.scale, results, cell.seed)
    problem = _problem(cell, checkpoint, prepared, recipe)
    if cell.scale != "quick":
        for text in missing(prepared.task):
            logging.warning("%s: %s", cell, text)
    inputs = {
        "cell": str(cell),
        "method": method.spelled_out(),
        "recipe": manifest.digest(recipe.as_dict()),
        "data": prepared.digest,
        "base model": checkpoint.digest,
        "code": code.library_digest(),
        "library": manifest.digest(provenance.libraries()),
        "version of results": str(RESULTS_VERSION),
    }
    description = prepared.description
    return Run(
        cell, method, prepared.task, recipe, checkpoint.network, problem, description, search=search, inputs=inputs
    )


def _found_by_search(path: Path) -> dict[str, Any]:
    found = read_json(path)
    if found["learning_rate"] is None:
        raise ValueError(f"{path}: the search found no learning rate: {found['why']}")
    return found


def with_dropout(method: Method, dropout: float | None, text: str) -> Method:
    """The method with the recipe's dropout, if it has a dropout and its text does not say which."""
    if dropout is None or not hasattr(method, "dropout") or "dropout" in MethodString.parse(text).options:
        return method
    return replace(method, dropout=dropout)


def _problem(cell: Cell, checkpoint: LoadedModel, prepared: Prepared, recipe: Recipe) -> Problem:
    """The data set's problem: numbers where its module says how a model reads them, else text."""
    network, task, splits = checkpoint.network, prepared.task, prepared.splits
    hooks, facts = dataset(cell.dataset), registry.dataset_facts(cell.dataset)
    if facts.modality == "numbers":
        return SeriesProblem(network, task, splits, hooks.normalised, recipe)
    if facts.modality == "series":
        drawn = hooks.drawn if facts.resampled else None
        return RegressionProblem(network, checkpoint.target, task, splits, hooks.normalised, recipe, drawn)
    tokenizer = Tokenizer.from_file(str(checkpoint.tokenizer))
    return TextProblem(network, task, splits, tokenizer, checkpoint.eos, recipe)


def adapt_run(run: Run) -> dict[str, int | float]:
    """Attach the method to the run's model; returns what is trained."""
    adapt(run.model, run.method)
    if run.recipe.recompute_every:
        recompute(run.model, run.recipe.recompute_every)
    return count(run.model)


def recompute(model: nn.Module, every_n_layers: int) -> None:
    """Let every n-th layer be computed again in the backward pass, in place of keeping what it needs there.

    Raises:
        ValueError: the model is not one of transformers, or its kind cannot do it.
    """
    enable = getattr(model, "activation_checkpointing_enable", None)
    if enable is None:
        raise ValueError(f"recompute_every: {type(model).__name__} has no layers that can be computed again")
    enable(every_n_layers=every_n_layers)
