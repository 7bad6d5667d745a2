"""What `workflow/rules/cells.smk` and `search.smk` ask: what a cell is made from, and what its processes need."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from .. import paths, search
from ..config import Config
from .files import cell_of, data_file, result
from .resources import Needs


class CellRules:
    """Inputs, parameters and resources of the rule `cell`."""

    def __init__(self, config: Config):
        self.config = config
        self.needs = Needs(config.scale, config.job_hours)

    def checkpoint(self, wildcards: Any) -> list[str]:
        """What says that a cell's checkpoint is ready: `model.json`, which is written last; none where it is drawn."""
        if paths.is_drawn(wildcards.model):
            return []
        name = paths.checkpoint_of(wildcards.scale, wildcards.model, wildcards.dataset)
        return [result(paths.checkpoint_folder(wildcards.scale, name) / "model.json")]

    def data(self, wildcards: Any) -> str:
        """The data set of a cell, encoded with the tokenizer of its model."""
        return data_file(wildcards.scale, wildcards.dataset, wildcards.model)

    def learning_rate(self, wildcards: Any) -> list[str]:
        """The file that holds a cell's searched learning rate; none where no search is made for it."""
        cell = cell_of(wildcards)
        if self.config.lr_search == "off" or not search.searched(cell, self.config.overrides_for(cell)):
            return []
        return [result(search.folder(cell) / "learning_rate.json")]

    def overrides(self, wildcards: Any) -> str:
        """The overrides that match a cell, or those of the search for it, as JSON: a change runs it again."""
        return json.dumps(self.config.overrides_for(cell_of(wildcards)), sort_keys=True)

    def threads(self, cores: int | None) -> int:
        """Threads of a cell, of so many cores."""
        return self.needs.threads(cores)

    @property
    def resources(self) -> dict[str, int | Callable[..., int]]:
        """What the rule asks for: memory, minutes and GPUs."""
        return {"mem_mb": self.needs.memory_mb, "runtime": self.needs.minutes, "gpu": self.needs.gpus}


class SearchRules:
    """Inputs and parameters of the rules `search_rates` and `learning_rate`, beside those they share with cells."""

    def __init__(self, config: Config, cells: CellRules):
        self.config = config
        self.cells = cells

    @property
    def resources(self) -> dict[str, int | Callable[..., int]]:
        """What the rule `search_rates` asks for: as a cell, for a shorter time."""
        return self.cells.resources | {"runtime": self.cells.needs.search_minutes}

    def rates(self, wildcards: Any) -> list[str]:
        """The files that hold how each rate of a search did."""
        processes = search.processes(self.config.lr_search_together, self.config.lr_search_rates)
        return [result(search.folder(cell_of(wildcards)) / "rates" / f"{rates}.json") for rates in processes]

    @property
    def to_the_end(self) -> str:
        """Whether the search stops no rate early, as an argument of a command."""
        return "--to-the-end" if self.config.lr_search == "full" else ""
