"""What `workflow/rules/models.smk` asks: where tokenizers and checkpoints come from."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from .. import paths
from ..config import Config
from .files import data_file, option, tokenizer_files


def recorded_checkpoints(config: Config, root: Path, pattern: str) -> list[Path]:
    """Find files of recorded checkpoints, where the configuration has scale real take them."""
    if config.scale != "real" or config.tokenizer is not None or config.pretraining_steps is not None:
        return []
    return sorted((root.resolve() / "recorded" / "checkpoints").glob(pattern))


class ModelRules:
    """Inputs and arguments of the rules `tokenizer` and `checkpoint`."""

    def __init__(self, config: Config, root: Path):
        self.config = config
        self.root = root

    @property
    def given_tokenizer(self) -> str:
        """A tokenizer given for the stand-ins, or that of the recorded checkpoints, as an argument of a command."""
        given = self.config.tokenizer or next(
            iter(recorded_checkpoints(self.config, self.root, "*/tokenizer.json")), None
        )
        return option("given", [given.resolve()]) if given is not None and self.config.scale == "real" else ""

    @property
    def steps(self) -> str:
        """Steps of the stand-ins' pretraining, as an argument of a command."""
        steps = self.config.pretraining_steps
        return "" if steps is None or self.config.scale == "paper" else f"--steps {steps}"

    def tokenizer(self, wildcards: Any) -> list[str]:
        """The tokenizer of a checkpoint's model; none where the model reads no text."""
        model = paths.model_of(wildcards.checkpoint)
        return tokenizer_files(wildcards.scale, paths.tokenizer_of(wildcards.scale, model))

    def data(self, wildcards: Any) -> list[str]:
        """The data set that a model without a checkpoint elsewhere is pretrained on."""
        model = paths.model_of(wildcards.checkpoint)
        dataset = paths.pretrained_on(model)
        return [] if dataset is None else [data_file(wildcards.scale, dataset, model)]

    def tokenizer_option(self, wildcards: Any, input: Any) -> str:
        """The tokenizer as an option of a command."""
        return option("tokenizer", list(input.tokenizer)[:1])

    def data_option(self, wildcards: Any, input: Any) -> str:
        """The data set as an option of a command."""
        return option("data", [input.data] if isinstance(input.data, str) else input.data)

    def recorded(self, wildcards: Any) -> str:
        """Give a checkpoint that was pretrained on real text, as an argument of a command; nothing where there is none.

        Raises:
            FileNotFoundError: there is none, and the configuration lets no stand-in take its place.
        """
        name = wildcards.checkpoint
        found = recorded_checkpoints(self.config, self.root, f"{name}/model.json")
        if not found and not self.config.stand_ins:
            raise FileNotFoundError(
                f"recorded/checkpoints/{name}/model.json is not there, and `stand_ins: false` lets no stand-in take "
                f"its place; make real-models TEXT=DIR MODELS={name} pretrains it"
            )
        return option("recorded", (path.parent for path in found))
