"""Every number that shapes a run, and where it comes from."""

from __future__ import annotations

from dataclasses import asdict, dataclass, replace
from typing import Any

from ..adapters.method import Method
from ..data._task import Task
from ..plan import registry, search
from ..plan.cell import Cell


@dataclass(frozen=True)
class Recipe:
    """How one cell is trained and evaluated.

    Attributes:
        learning_rate: at the start.
        learning_rates: trained side by side, each to the end; the best on validation data is kept. Empty where the run
            has one, `learning_rate`.
        schedule: `linear` decay of the learning rate to zero over the whole run (Sec. C.1), or `constant`.
        batch_size: sequences a step; incomplete batches are dropped.
        epochs: passes over the training set; after each one the validation set is scored.
        steps: in place of epochs, for miniatures; validation is then scored `evaluations` times.
        warmup_steps: of the learning rate; the paper has none.
        selection_steps: of the warm-up that chooses dimensions: 500 in the paper, 250 for RTE (Sec. D.4).
        selection_rate: learning rate of that warm-up; None for the run's own.
        dropout: of the adapters, in place of the method's default; None keeps that.
        precision: fp32, or bf16 for bf16 mixed precision (Sec. C.1).
        clip: bound on the gradient's norm, or None.
        recompute_every: of every so many layers one keeps only its input and is computed again in the backward pass,
            for less memory and more time (1: every layer); None keeps what all layers need.
        train_examples, eval_examples: use only so many, or None for all.
        val_examples: of the validation set, in place of `eval_examples`.
        search_examples: of the training set, those that each rate of the search is tried on; None for 2,000.
        max_new_tokens, beams: of generated answers; the paper has 1024 and 5 (Sec. C.1).
    """

    learning_rate: float
    learning_rates: tuple[float, ...] = ()
    schedule: str = "linear"
    batch_size: int = 4
    epochs: int = 10
    steps: int | None = None
    evaluations: int = 3
    warmup_steps: int = 0
    selection_steps: int = 500
    selection_rate: float | None = None
    dropout: float | None = None
    weight_decay: float = 0.0
    clip: float | None = 1.0
    precision: str = "bf16"
    recompute_every: int | None = None
    train_examples: int | None = None
    eval_examples: int | None = None
    val_examples: int | None = None
    search_examples: int | None = None
    eval_batch_size: int = 16
    max_new_tokens: int = 1024
    beams: int = 5

    def as_dict(self) -> dict[str, Any]:
        """For metrics.json."""
        return asdict(self)


MINIATURE = {
    "labels": {"steps": 150, "batch_size": 16, "max_new_tokens": 1},
    "text": {"steps": 200, "batch_size": 16, "max_new_tokens": 32, "eval_examples": 64},
    "numbers": {"steps": 80, "batch_size": 32},
    "series": {"steps": 40, "batch_size": 1, "eval_examples": 4},
}
"""What a miniature needs to be learned (benchmarks/quick_signal.py measures what comes of it). A data set's facts may
say otherwise under `miniature_recipe`."""


def recipe_for(
    cell: Cell, method: Method, task: Task, overrides: dict[str, Any], searched_rate: float | None = None
) -> Recipe:
    """The recipe of a cell: the scale's defaults, the method's learning rate, the data set's facts, then overrides."""
    facts = registry.dataset_facts(cell.dataset)
    if cell.scale == "paper":
        recipe = Recipe(
            learning_rate=method.rate(),
            batch_size=facts.batch_size,
            epochs=facts.epochs,
            selection_steps=Recipe.selection_steps if facts.selection_steps is None else facts.selection_steps,
            max_new_tokens=task.max_new_tokens,
        )
    else:
        kind = facts.modality if facts.modality in MINIATURE else "text" if task.generates else "labels"
        numbers = MINIATURE[kind] | facts.miniature_recipe
        recipe = Recipe(
            learning_rate=method.rate(),
            warmup_steps=10,
            selection_steps=20,
            # a miniature's few steps learn far less with it
            dropout=0.0,
            precision="fp32",
            eval_batch_size=64,
            beams=1,
            **numbers,
        )
    own = facts.recipe
    # what trains nothing has the rate of zero that says so
    recipe = replace(
        recipe, **{key: value for key, value in own.items() if key != "learning_rate" or recipe.learning_rate}
    )
    if searched_rate is not None:
        recipe = replace(recipe, learning_rate=searched_rate)
    if "learning_rate" in overrides:
        recipe = replace(recipe, learning_rates=())
    return replace(recipe, **{key: value for key, value in overrides.items() if key != "splits"})


def for_search(recipe: Recipe, learning_rate: float) -> Recipe:
    """The recipe with which the search tries a learning rate: one epoch on some of the data (Sec. C.1).

    Those are never more than a run of a given number of steps would see itself.
    """
    most = recipe.search_examples or search.TRAIN_EXAMPLES
    seen = recipe.steps * recipe.batch_size if recipe.steps else most
    return replace(
        recipe,
        learning_rate=learning_rate,
        learning_rates=(),
        epochs=search.EPOCHS,
        steps=None,
        train_examples=min(most, seen, recipe.train_examples or most),
        val_examples=min(search.VAL_EXAMPLES, recipe.val_examples or recipe.eval_examples or search.VAL_EXAMPLES),
    )
