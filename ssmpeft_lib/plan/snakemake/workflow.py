"""The plan of one configuration, as the Snakefile sees it: one part for each rule file, and what all rules share."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from .. import search
from ..cell import SCALES
from ..config import Config
from ..method_string import PATTERN
from ..results import RESULTS_VERSION
from .book import BookRules
from .cells import CellRules, SearchRules
from .data import DataRules
from .exhibits import ExhibitRules
from .models import ModelRules

WORD = r"[A-Za-z0-9][A-Za-z0-9._-]*"

WILDCARDS = {
    **dict.fromkeys(("model", "checkpoint", "tokenizer", "dataset", "exhibit", "chapter"), WORD),
    "scale": "|".join(SCALES),
    "method": PATTERN,
    "seed": r"\d+",
    "rates": search.RATES_PATTERN,
}


class Workflow:
    """The plan of one configuration.

    Attributes:
        models, data, cells, search, exhibits, book: what the rule file of that name asks for.
        version: of what cells compute: a parameter of rules, so that raising it runs them again.

    Args:
        config: contents of config.yaml.
        root: the repository, which holds specs, notebooks and the library; the working directory may be another.
        conda: whether rules run in conda environments, where `python` is the environment's.
        on_cluster: whether jobs are handed to a cluster, which may run several of them as one.
    """

    version = RESULTS_VERSION

    def __init__(self, config: Mapping[str, Any], root: Path, conda: bool = False, on_cluster: bool = False):
        self.config = Config.check(config, root / "config.yaml")
        self.root, self.conda, self.on_cluster = root, conda, on_cluster
        self.models = ModelRules(self.config, root)
        self.data = DataRules(self.config)
        self.cells = CellRules(self.config)
        self.search = SearchRules(self.config, self.cells)
        self.exhibits = ExhibitRules(self.config, root)
        self.book = BookRules(root)

    @property
    def scale(self) -> str:
        """The configuration's scale: `quick`, `real` or `paper`."""
        return self.config.scale

    @property
    def needs_network(self) -> bool:
        """Whether models and data come from the hub: their rules then run where Snakemake runs, for the nodes of a
        cluster are often offline."""
        return self.scale == "paper"

    def group(self, name: str) -> str | None:
        """Group of small jobs that a cluster runs as one job; none at scale paper, where each is worth a slot.

        None either where there is no cluster: Snakemake looks at the whole group of a job whenever one before it ends.
        """
        return name if self.on_cluster and self.scale != "paper" else None

    @property
    def shell_prefix(self) -> str:
        """What stands before each rule's command: two shell functions.

        `ssmpeft` is the library's commands, started warm and ended after some hours where the configuration says so;
        `python` is the one that runs this, unless a rule has an environment of its own.
        """
        client = shlex.quote(str(self.root.resolve() / "ssmpeft_lib" / "execute" / "forkserver" / "client.py"))
        settings = "" if self.config.warm_kernels else "SSMPEFT_WARM=0 "
        settings += f"SSMPEFT_CELL_HOURS={self.config.cell_hours} " if self.config.cell_hours else ""
        python = "" if self.conda else f'python() {{ {shlex.quote(sys.executable)} "$@"; }}; '
        prefix = f'set -euo pipefail; {python}ssmpeft() {{ {settings}python -S -E {client} "$@"; }}; '
        # snakemake formats it
        return prefix.replace("{", "{{").replace("}", "}}")
