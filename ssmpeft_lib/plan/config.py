"""config.yaml: how much is run. Every key is explained in the file itself."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from difflib import get_close_matches
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any

from . import search
from .cell import Cell
from .exhibit import Exhibit, cells_of
from .reading import read_yaml
from .registry import PACKAGE, groups
from .schema import SCHEMAS, check_against_schema

CONFIG_FILE = PACKAGE.parent / "config.yaml"
"""That of the clone that the library is used from."""


@dataclass(frozen=True)
class Config:
    """The checked contents of config.yaml."""

    scale: str
    seeds: range
    exhibits: str | list[str]
    only: list[str]
    run_cells: bool
    data_dir: Path | None
    tokenizer: Path | None
    lr_search: str
    lr_search_together: int
    lr_search_rates: tuple[str, ...]
    warm_kernels: bool
    also: list[str] = field(default_factory=list)
    stand_ins: bool = True
    cell_hours: float | None = None
    job_hours: float | None = None
    other_code: str = "report"
    code_reach: str = "cell"
    pretraining_steps: int | None = None
    overrides: list[dict] = field(default_factory=list)

    @classmethod
    def load(cls, path: Path = CONFIG_FILE, scale: str | None = None, data_dir: Path | None = None) -> Config:
        """Read and check a configuration file.

        Args:
            scale, data_dir: instead of those in the file.
        Raises:
            FileNotFoundError: it is not there, or this is no clone of the repository; says what to do.
            ValueError: a key is unknown, missing or of the wrong type; names file, key, value and what is allowed.
        """
        if not SCHEMAS.exists():
            raise FileNotFoundError(
                f"{SCHEMAS.parent} is missing: what is planned is written in the repository, which an installed "
                "library does not hold; clone the repository and run this command in the clone"
            )
        if not Path(path).exists():
            raise FileNotFoundError(f"no configuration at {path}; the repository's own is {CONFIG_FILE}")
        document = read_yaml(path)
        given = {"scale": scale, "data_dir": data_dir and str(data_dir)}
        return cls.check(document | {key: value for key, value in given.items() if value}, path)

    @classmethod
    def check(cls, document: Mapping[str, Any], path: Path | str = CONFIG_FILE) -> Config:
        """Check a configuration that has been read already, as Snakemake does with its `configfile:`."""
        check_against_schema(_spell_off(document), "config", path)
        scale = document["scale"]
        for entry in document.get("overrides") or []:
            before = entry["match"].rpartition("/")[0]
            if "splits" in entry["set"] and before.strip("*/"):
                raise ValueError(
                    f"{path}: overrides: splits are of a data set, for all models and methods: match "
                    f"{entry['match']!r} must be */{entry['match'].rpartition('/')[2]}"
                )
        data_dir, tokenizer = (_existing(document, key, path) for key in ("data_dir", "tokenizer"))
        if scale == "real" and data_dir is None:
            raise ValueError(
                f"{path}: scale 'real' trains on original files and needs data_dir, the folder that holds them"
            )
        return cls(
            scale=scale,
            seeds=range(document["seeds"][scale]),
            exhibits=document["exhibits"],
            only=document.get("only", ["*"]),
            run_cells=document.get("cells", "run") == "run",
            data_dir=data_dir,
            tokenizer=tokenizer,
            lr_search=_spell_off(document).get("lr_search") or ("grid" if scale == "paper" else "off"),
            lr_search_together=document.get("lr_search_together", 1),
            lr_search_rates=tuple(document.get("lr_search_rates") or search.GRID),
            warm_kernels=document.get("warm_kernels", True),
            also=document.get("also") or [],
            stand_ins=document.get("stand_ins", True),
            cell_hours=document.get("cell_hours"),
            job_hours=document.get("job_hours"),
            other_code=document.get("other_code", "report"),
            code_reach=document.get("code_reach", "cell"),
            pretraining_steps=document.get("pretraining_steps"),
            overrides=document.get("overrides") or [],
        )

    def every_cell(self, exhibits: list[Exhibit]) -> list[Cell]:
        """The cells of some exhibits and those of `also`, each once, whether `only` wants them or not.

        Raises:
            LookupError, ValueError: an entry of `also` is no model/method/dataset; says what is wrong with it.
        """
        beside = [
            Cell(self.scale, *name.split("/"), seed).check() for name in self._expanded_also() for seed in self.seeds
        ]
        return sorted({*cells_of(exhibits, self.scale, self.seeds), *beside})

    def _expanded_also(self) -> Iterator[str]:
        """The entries of `also`, those of a group of data sets once for each member."""
        for name in self.also:
            if name.count("/") != 2:
                raise ValueError(f"also: {name!r} is not of the form model/method/dataset, such as mamba-130m/sdt/glue")
            before, dataset = name.rsplit("/", 1)
            for member in groups().get(dataset, (dataset,)):
                yield f"{before}/{member}"

    def overrides_for(self, cell: Cell) -> dict[str, Any]:
        """What the matching overrides set for a cell; later entries win."""
        merged: dict[str, Any] = {}
        for entry in self.overrides:
            if matches(entry["match"], cell):
                merged.update(entry["set"])
        return merged

    def wants(self, cell: Cell) -> bool:
        """Whether `only` lets a cell run."""
        return any(matches(glob, cell) for glob in self.only)

    def unmatched_globs(self, cells: Iterable[Cell]) -> Iterator[str]:
        """For each glob that matches none of some cells, words that say so: it may be misspelt."""
        names = {_name(cell) for cell in cells}
        overrides = (("overrides: match", entry["match"]) for entry in self.overrides)
        for key, glob in (*(("only", glob) for glob in self.only), *overrides):
            if not any(fnmatchcase(name, glob) for name in names):
                near = get_close_matches(glob, names, n=1, cutoff=0)
                meant = f", such as {near[0]}" if near else ""
                yield f"{key}: {glob!r} matches no cell of any exhibit; cells are model/method/dataset{meant}"


def matches(glob: str, cell: Cell) -> bool:
    """Whether a glob over model/method/dataset matches a cell."""
    return fnmatchcase(_name(cell), glob)


def _name(cell: Cell) -> str:
    """What globs are matched with."""
    return f"{cell.model}/{cell.method}/{cell.dataset}"


def _spell_off(document: Mapping[str, Any]) -> dict[str, Any]:
    """YAML reads a bare `off` as false; `lr_search: off` means the word."""
    return {key: "off" if key == "lr_search" and value is False else value for key, value in document.items()}


def _existing(document: Mapping[str, Any], key: str, path: Path | str) -> Path | None:
    if document.get(key) is None:
        return None
    try:
        found = Path(document[key]).expanduser()
        if found.exists():
            return found
    except (OSError, ValueError, RuntimeError) as error:
        # a name that is too long, has a zero in it, or begins with the home of nobody
        raise ValueError(f"{path}: {key} is {document[key][:100]!r}, which can be no path ({error.args[-1]})") from None
    raise ValueError(f"{path}: {key} is {document[key]!r}, and there is nothing at {found.absolute()}")
