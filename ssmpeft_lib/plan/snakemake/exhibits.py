"""What `workflow/rules/exhibits.smk` asks: the cells of tables and figures, and where their numbers lie."""

from __future__ import annotations

from functools import cached_property
from pathlib import Path
from typing import Any

from .. import left_out, paths, registry
from ..cell import Cell
from ..code import digest, of_other_code
from ..config import Config
from ..exhibit import Exhibit, cells_of, load_exhibits
from ..results import read_metrics
from .files import metrics_file, result
from .models import recorded_checkpoints


class ExhibitRules:
    """Inputs of the rules `shares`, `exhibit` and `errata`, and the cells that the exhibits come to."""

    def __init__(self, config: Config, root: Path):
        self.config = config
        self.root = root
        self.folder = root / "workflow" / "exhibits"

    @cached_property
    def chosen(self) -> list[Exhibit]:
        """The exhibits that the configuration chooses, by default all."""
        return load_exhibits(self.folder, self.config.exhibits)

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell that the configuration wants; with `cells: existing` those that have a result."""
        return self._wanted(self.config.every_cell(self.chosen))

    @property
    def files(self) -> list[str]:
        """The chosen exhibits, joined with the results of their cells."""
        return [result(f"{self.config.scale}/exhibits/{exhibit.id}.json") for exhibit in self.chosen]

    @property
    def metrics_files(self) -> list[str]:
        """The results of all cells."""
        return [metrics_file(cell) for cell in self.cells]

    @property
    def specs(self) -> list[Path]:
        """Every spec, chosen or not: the errata compare all tables."""
        return sorted(self.folder.glob("*.yaml"))

    def code_of_shares(self, wildcards: Any) -> str:
        """Digest of the code that parameters are counted by and that the book describes."""
        modules = [(folder, name) for folder in ("methods", "models", "mixers") for name in registry.files(folder)]
        public = [tuple(place.split(".")) for place in registry.literal("", "__init__", "HOME").values()]
        return digest([("adapters", "count"), ("methods", "_catalogue"), ("ops", "__init__"), *public, *modules])

    def spec(self, wildcards: Any) -> list[Path]:
        """The spec of an exhibit, and those of the chosen exhibits that its claims span beside it."""
        return [exhibit.path for exhibit in self._with_spanned(wildcards)]

    def metrics(self, wildcards: Any) -> list[str]:
        """The results that feed an exhibit."""
        config = self.config
        cells = cells_of(self._with_spanned(wildcards), config.scale, config.seeds)
        return [metrics_file(cell) for cell in self._wanted(cells)]

    def recorded(self, wildcards: Any) -> list[Path]:
        """The numbers of an exhibit that no cell makes and that are kept in the repository, if there are any."""
        return list((self.root / "recorded" / "exhibits").glob(f"{wildcards.exhibit}.json"))

    def small_models(self, wildcards: Any) -> list[str]:
        """What says that the recorded runs of scale real are unpacked; none where there are none, or they are run."""
        there = (self.root / "recorded" / "real.tar.gz").exists()
        return [result("recorded/unpacked")] if there and wildcards.scale != "real" else []

    @cached_property
    def of_other_code(self) -> list[str]:
        """The results of wanted cells that were made by other code than the present one."""
        there = {cell: Path(metrics_file(cell)) for cell in self.cells}
        results = {cell: read_metrics(path) for cell, path in there.items() if path.exists()}
        return [str(there[cell]) for cell in of_other_code(results, self.config.code_reach)]

    def number_of_other_code(self, wildcards: Any) -> int:
        """How many results a book shows that other code has made: a parameter, so that its pages say so."""
        return len(self.of_other_code) if self.config.other_code == "report" else 0

    def other_code_message(self) -> str:
        """What to say of results that are kept though other code has made them; empty where there are none."""
        found = self.of_other_code
        if not found or self.config.other_code != "report":
            return ""
        return (
            f"{len(found):,} of the results that are there were made by other code than this, such as {found[0]}. They "
            "are kept; to run them again: the same command with --config other_code=rerun"
        )

    def unmatched_globs(self) -> list[str]:
        """What to say of globs in config.yaml that match no cell of any exhibit, chosen or not."""
        if not self.config.overrides and self.config.only == ["*"]:
            return []
        every = self.chosen if self.config.exhibits == "all" else load_exhibits(self.folder)
        return list(self.config.unmatched_globs(self.config.every_cell(every)))

    def left_out(self) -> list[str]:
        """What to say where the settings, each valid, leave no cell to run."""
        every = self.chosen if self.config.only == ["*"] else load_exhibits(self.folder)
        found = list(left_out.messages(self.config, self.chosen, every))
        if self.cells or found:
            return found
        if not self.config.run_cells:
            return [f"cells: existing runs nothing, and there is no result in results/{self.config.scale}/cells/"]
        return ["nothing is left to run: stand_ins: false, and recorded/checkpoints/ has none of the models"]

    def _with_spanned(self, wildcards: Any) -> list[Exhibit]:
        asked = next(exhibit for exhibit in self.chosen if exhibit.id == wildcards.exhibit)
        return [asked, *(exhibit for exhibit in self.chosen if exhibit.id in asked.spans)]

    def _wanted(self, cells: list[Cell]) -> list[Cell]:
        cells = [cell for cell in cells if self.config.wants(cell) and self._has_model(cell)]
        return cells if self.config.run_cells else [cell for cell in cells if Path(metrics_file(cell)).exists()]

    def _has_model(self, cell: Cell) -> bool:
        """Whether a cell may run on the model that it would get: on a stand-in only where the configuration lets it."""
        if self.config.stand_ins:
            return True
        checkpoint = paths.checkpoint_of(cell.scale, cell.model, cell.dataset)
        return bool(recorded_checkpoints(self.config, self.root, f"{checkpoint}/model.json"))
