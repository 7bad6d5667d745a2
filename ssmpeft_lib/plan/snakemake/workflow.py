"""What the Snakefile's rules ask: which files a target needs, and what a command line says."""

from __future__ import annotations

import json
import shlex
import sys
from collections.abc import Mapping
from fnmatch import fnmatchcase
from functools import cached_property
from pathlib import Path
from typing import Any

from .. import paths, search
from ..cell import Cell
from ..config import Config
from ..exhibit import Exhibit, cells_of, load_exhibits
from ..method_string import PATTERN
from ..results import RESULTS_VERSION
from .resources import Needs

WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"

WILDCARDS = {
    "scale": "quick|real|paper",
    "model": WORD,
    "checkpoint": WORD,
    "tokenizer": WORD,
    "dataset": WORD,
    "exhibit": WORD,
    "chapter": WORD,
    "method": PATTERN,
    "seed": r"\d+",
    "rates": search.RATES_PATTERN,
}


class Workflow:
    """The plan of one configuration.

    Args:
        config: contents of config.yaml.
        root: the repository, which holds specs, notebooks and the library; the working directory may be another.
        conda: whether rules run in conda environments, where `python` is the environment's.
        on_cluster: whether jobs are handed to a cluster, which may run several of them as one.
    """

    def __init__(self, config: Mapping[str, Any], root: Path, conda: bool = False, on_cluster: bool = False):
        self.config = Config.check(config, root / "config.yaml")
        self.root = root
        self.needs = Needs(self.config.scale)
        self.conda, self.on_cluster = conda, on_cluster

    @property
    def scale(self) -> str:
        """The configuration's scale: `quick`, `real` or `paper`."""
        return self.config.scale

    @cached_property
    def exhibits(self) -> list[Exhibit]:
        """The exhibits that the configuration chooses, by default all."""
        return load_exhibits(self.root / "workflow" / "exhibits", self.config.exhibits)

    @cached_property
    def cells(self) -> list[Cell]:
        """Every cell that the configuration wants; with `cells: existing` those that have a result."""
        return self._to_run(cells_of(self.exhibits, self.scale, self.config.seeds))

    def idle_globs(self) -> list[str]:
        """What to say of globs in config.yaml that match no cell of any exhibit, chosen or not."""
        if not self.config.overrides and self.config.only == ["*"]:
            return []
        chosen_all = self.config.exhibits == "all"
        every = self.exhibits if chosen_all else load_exhibits(self.root / "workflow" / "exhibits")
        return list(self.config.idle_globs(cells_of(every, self.scale, range(1))))

    @property
    def shell_prefix(self) -> str:
        """What stands before each rule's command: `ssmpeft`, the library's commands, started warm where the
        configuration says so, and `python`, the one that runs this unless a rule has an environment of its own."""
        client = shlex.quote(str(self.root.resolve() / "ssmpeft_lib" / "execute" / "forkserver" / "client.py"))
        warm = "" if self.config.warm_kernels else "SSMPEFT_WARM=0 "
        python = "" if self.conda else f'python() {{ {shlex.quote(sys.executable)} "$@"; }}; '
        prefix = f'set -euo pipefail; {python}ssmpeft() {{ {warm}python -S -E {client} "$@"; }}; '
        # snakemake formats it
        return prefix.replace("{", "{{").replace("}", "}}")

    def metrics_files(self) -> list[str]:
        """The results of all cells."""
        return [f"results/{cell.path}/metrics.json" for cell in self.cells]

    def metrics_of(self, wildcards: Any) -> list[str]:
        """The results that feed one exhibit."""
        exhibits = [self._exhibit(wildcards), *self._spanned(wildcards)]
        cells = self._to_run(cells_of(exhibits, self.scale, self.config.seeds))
        return [f"results/{cell.path}/metrics.json" for cell in cells]

    def specs_of(self, wildcards: Any) -> list[Path]:
        """The spec of an exhibit, and those of the chosen exhibits that its claims span beside it."""
        return [exhibit.path for exhibit in (self._exhibit(wildcards), *self._spanned(wildcards))]

    def kept_of(self, wildcards: Any) -> list[Path]:
        """The numbers of an exhibit that no cell makes and that are kept in the repository, if there are any."""
        return list((self.root / "recorded" / "exhibits").glob(f"{wildcards.exhibit}.json"))

    @property
    def specs(self) -> list[Path]:
        """Every spec, chosen or not: the errata compare all tables."""
        return sorted((self.root / "workflow" / "exhibits").glob("*.yaml"))

    def exhibit_files(self) -> list[str]:
        """The chosen exhibits, joined with the results of their cells."""
        return [f"results/{self.scale}/exhibits/{exhibit.id}.json" for exhibit in self.exhibits]

    def checkpoint_of(self, wildcards: Any) -> str:
        """What says that a cell's checkpoint is ready: `model.json`, which is written last."""
        name = paths.checkpoint_of(wildcards.scale, wildcards.model, wildcards.dataset)
        return f"results/{paths.checkpoint_folder(wildcards.scale, name)}/model.json"

    def data_of(self, wildcards: Any) -> str:
        """The data set of a cell, encoded with the tokenizer of its model."""
        tokenizer = paths.tokenizer_of(wildcards.scale, wildcards.model)
        return f"results/{paths.data_file(wildcards.scale, wildcards.dataset, tokenizer)}"

    def tokenizer_of_data(self, wildcards: Any) -> list[str]:
        """The tokenizer that a data set is encoded with; none where it is no text."""
        return self._tokenizer(wildcards.scale, wildcards.tokenizer)

    def tokenizer_of_checkpoint(self, wildcards: Any) -> list[str]:
        """The tokenizer of a checkpoint's model; none where the model reads no text."""
        return self._tokenizer(
            wildcards.scale, paths.tokenizer_of(wildcards.scale, paths.model_of(wildcards.checkpoint))
        )

    def data_of_checkpoint(self, wildcards: Any) -> list[str]:
        """The data set that a model without a checkpoint elsewhere is pretrained on."""
        model = paths.model_of(wildcards.checkpoint)
        dataset = paths.pretrained_on(model)
        if dataset is None:
            return []
        return [f"results/{paths.data_file(wildcards.scale, dataset, paths.tokenizer_of(wildcards.scale, model))}"]

    def prose_files(self) -> list[Path]:
        """What the book is made of beside results."""
        return sorted(path for path in (self.root / "book").rglob("*") if path.is_file())

    def measured_files(self) -> list[Path]:
        """What was measured and is kept in the repository, for the pages that show it."""
        return sorted((self.root / "recorded").glob("*.json"))

    def chapter_files(self) -> list[str]:
        """The executed notebooks that are pages of the book: all notebooks but that of a cell."""
        notebooks = sorted((self.root / "notebooks").glob("*.md"))
        return [f"results/chapters/{path.stem}.ipynb" for path in notebooks if path.stem != "cell"]

    def chapter_sources(self) -> list[Path]:
        """What the chapters are made of beside their text: code, errata and recorded results."""
        package = self.root / "ssmpeft_lib"
        code = [path for folder in ("theory", "book/theory") for path in (package / folder).rglob("*.py")]
        recorded = self.root / "recorded"
        runs = [*(recorded / "regression").glob("*"), *recorded.glob("practice.json")]
        return sorted([*code, *runs, self.root / "workflow" / "errata" / "theory.yaml"])

    @property
    def data_source(self) -> str:
        """Where original files lie, as an argument of a command; a miniature needs none."""
        folder = self.config.data_dir
        return "" if folder is None or self.scale == "quick" else f"--data-dir {shlex.quote(str(folder.resolve()))}"

    @property
    def tokenizer_source(self) -> str:
        """A tokenizer given for the stand-ins, or that of the recorded checkpoints, as an argument of a command."""
        given = self.config.tokenizer or next(iter(self._recorded("*/tokenizer.json")), None)
        return "" if given is None or self.scale != "real" else f"--given {shlex.quote(str(given.resolve()))}"

    def recorded_checkpoint(self, wildcards: Any) -> str:
        """A checkpoint that was pretrained on real text, as an argument of a command; nothing where there is none."""
        found = self._recorded(f"{wildcards.checkpoint}/model.json")
        return "".join(f"--recorded {shlex.quote(str(path.parent))}" for path in found)

    def _recorded(self, pattern: str) -> list[Path]:
        """Files of recorded checkpoints, where the configuration has scale real take them."""
        config = self.config
        if self.scale != "real" or config.tokenizer is not None or config.pretraining_steps is not None:
            return []
        return sorted((self.root.resolve() / "recorded" / "checkpoints").glob(pattern))

    def option(self, name: str, files: Any) -> str:
        """An option of a command line with its file; nothing without one."""
        found = [files] if isinstance(files, str) else list(files)
        return " ".join(f"--{name} {shlex.quote(str(file))}" for file in found)

    def learning_rate_of(self, wildcards: Any) -> list[str]:
        """The file that holds a cell's searched learning rate; none where no search is made for it."""
        cell = _cell(wildcards)
        if self.config.lr_search == "off" or not search.searched(cell, self.config.overrides_for(cell)):
            return []
        return [f"results/{search.folder(cell)}/learning_rate.json"]

    def rates_of(self, wildcards: Any) -> list[str]:
        """The files that hold how each rate of a search did."""
        processes = search.processes(self.config.lr_search_together)
        return [f"results/{search.folder(_searching(wildcards))}/rates/{rates}.json" for rates in processes]

    def overrides_of_search(self, wildcards: Any) -> str:
        """As `overrides_of`, for what is searched for."""
        return json.dumps(self.config.overrides_for(_searching(wildcards)), sort_keys=True)

    @property
    def to_the_end(self) -> str:
        """Whether the search stops no rate early, as an argument of a command."""
        return "--to-the-end" if self.config.lr_search == "full" else ""

    def overrides_of(self, wildcards: Any) -> str:
        """The overrides that match a cell, as JSON: a change runs the cell again."""
        return json.dumps(self.config.overrides_for(_cell(wildcards)), sort_keys=True)

    def splits_of(self, wildcards: Any) -> str:
        """The splits that an override gives a data set, as JSON."""
        for entry in reversed(self.config.overrides):
            if "splits" in entry["set"] and fnmatchcase(wildcards.dataset, entry["match"].rpartition("/")[2]):
                return json.dumps(entry["set"]["splits"], sort_keys=True)
        return "{}"

    @property
    def pretraining(self) -> str:
        """Steps of the stand-ins' pretraining, as an argument of a command."""
        steps = self.config.pretraining_steps
        return "" if steps is None or self.scale == "paper" else f"--steps {steps}"

    @property
    def results_version(self) -> int:
        """Version of what cells compute: a parameter of rules, so that raising it runs them again."""
        return RESULTS_VERSION

    @property
    def online(self) -> bool:
        """Whether models and data come from the hub: their rules then run where Snakemake runs, for the nodes of a
        cluster are often offline."""
        return self.scale == "paper"

    def group(self, name: str) -> str | None:
        """Group of small jobs that a cluster runs as one job; none at scale paper, where each is worth a slot.

        None either where there is no cluster: Snakemake looks at the whole group of a job whenever one before it ends.
        """
        return name if self.on_cluster and self.scale != "paper" else None

    def _tokenizer(self, scale: str, tokenizer: str) -> list[str]:
        """A tokenizer's file and, after it, that with its checksum."""
        if tokenizer == paths.NO_TOKENIZER:
            return []
        files = paths.tokenizer_file(scale, tokenizer), paths.tokenizer_manifest(scale, tokenizer)
        return [f"results/{file}" for file in files]

    def _exhibit(self, wildcards: Any) -> Exhibit:
        return next(exhibit for exhibit in self.exhibits if exhibit.id == wildcards.exhibit)

    def _spanned(self, wildcards: Any) -> list[Exhibit]:
        return [exhibit for exhibit in self.exhibits if exhibit.id in self._exhibit(wildcards).spans]

    def _to_run(self, cells: list[Cell]) -> list[Cell]:
        cells = [cell for cell in cells if self.config.wants(cell)]
        if self.config.run_cells:
            return cells
        return [cell for cell in cells if Path("results", cell.path, "metrics.json").exists()]


def _cell(wildcards: Any) -> Cell:
    return Cell(wildcards.scale, wildcards.model, wildcards.method, wildcards.dataset, int(wildcards.seed))


def _searching(wildcards: Any) -> Cell:
    return Cell(wildcards.scale, wildcards.model, wildcards.method, wildcards.dataset, search.SEED)
