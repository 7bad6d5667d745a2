"""Where everything lies below the results directory. No other module builds such a path."""

from __future__ import annotations

from pathlib import Path, PurePosixPath

from . import registry
from .cell import Cell

STAND_IN_TOKENIZER = "stand-in"
METRICS = "metrics.json"
"""What a cell has to say, in its folder."""

CHECKPOINT = "checkpoint.pt"
"""In a cell's folder while it is trained: where a stopped run goes on."""

NO_TOKENIZER = "none"
"""Stands in paths for the tokenizer of a model that reads no text."""

OWNER_ENDS = "--"
"""Stands in paths between owner and name of a repository on the hub, as in the hub's own cache: no name has it."""


def tokenizer_of(scale: str, model: str) -> str:
    """Name of a model's tokenizer; the small stand-ins share one."""
    own = registry.model_facts(model).tokenizer
    if not own:
        return NO_TOKENIZER
    return own.replace("/", OWNER_ENDS) if scale == "paper" else STAND_IN_TOKENIZER


def tokenizer_on_hub(tokenizer: str) -> str:
    """The repository on the hub that a tokenizer of scale paper is from, by its name in paths."""
    return tokenizer.replace(OWNER_ENDS, "/")


def checkpoint_of(scale: str, model: str, dataset: str) -> str:
    """Name of the checkpoint that a data set is run on: a stand-in for images was pretrained on pixels."""
    if pretrained_on(model):
        return model
    modality = registry.dataset_facts(dataset).modality
    return model if scale == "paper" or modality == "text" else f"{model}-{modality}"


def pretrained_on(model: str) -> str | None:
    """The data set that a model is pretrained on here, at every scale, where it is; it has no checkpoint elsewhere."""
    return registry.model_facts(model).pretrained_on


def is_drawn(model: str) -> bool:
    """Whether a model has random weights that the seed of a cell decides: it has no checkpoint."""
    return registry.model_facts(model).drawn


def model_of(checkpoint: str) -> str:
    """The model that a checkpoint is one of: its name, less the modality of an image stand-in."""
    return checkpoint if checkpoint in registry.entries("models") else checkpoint.rpartition("-")[0]


def checkpoint_folder(scale: str, checkpoint: str) -> PurePosixPath:
    """Folder of a checkpoint; `model.json` in it is written last."""
    return PurePosixPath(scale, "models", checkpoint)


def tokenizer_file(scale: str, tokenizer: str) -> PurePosixPath:
    """A tokenizer's tokenizer.json."""
    return PurePosixPath(scale, "tokenizers", tokenizer, "tokenizer.json")


def tokenizer_manifest(scale: str, tokenizer: str) -> PurePosixPath:
    """The checksum of a tokenizer, beside it."""
    return tokenizer_file(scale, tokenizer).with_name("manifest.json")


def prepared(scale: str, model: str, dataset: str) -> list[PurePosixPath]:
    """The manifests of all that was prepared for a model's cells on a data set; each needs only those before it."""
    tokenizer = tokenizer_of(scale, model)
    first = [] if tokenizer == NO_TOKENIZER else [tokenizer_manifest(scale, tokenizer)]
    folder = checkpoint_folder(scale, checkpoint_of(scale, model, dataset))
    last = [] if is_drawn(model) else [folder / "model.json"]
    return [*first, data_file(scale, dataset, tokenizer), *last]


def data_file(scale: str, dataset: str, tokenizer: str) -> PurePosixPath:
    """What says where a data set's token ids lie, with their sizes and lengths."""
    return PurePosixPath(scale, "data", tokenizer, f"{dataset}.json")


def metrics_file(cell: Cell) -> PurePosixPath:
    """The result of a cell."""
    return PurePosixPath(cell.path, METRICS)


def all_metrics(results: Path, scale: str = "*") -> list[Path]:
    """The results of all cells of a scale, or of every scale, that are there."""
    return sorted(results.glob(f"{scale}/cells/*/*/*/*/{METRICS}"))
