"""Where a data set comes from: original files, the hub, or a generated miniature. After reading, all are alike."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np

from ..plan import registry
from ..plan.atomic import replacing_folder
from . import dataset
from ._task import Example, Splits

ROLES = ("train", "val", "test")

CUTS = {0.2: ("a fifth", "four fifths"), 0.1: ("a tenth", "nine tenths")}
"""Shares of the training data that are cut off, in words, and what is left."""

SHOWN = 5
"""Files that a message names."""

CUT_SEED = 123
"""Seed with which the authors' code cuts a validation set off the training data."""


@dataclass(frozen=True)
class Source:
    """Where one data set is read from.

    Attributes:
        dataset: its name.
        kind: `files`, `hub`, `miniature`, or `generated` for a data set that is the same at every scale.
        folder: where its files lie; None for the hub and for what is generated.
    """

    dataset: str
    kind: str
    folder: Path | None

    @property
    def words(self) -> str:
        """What it is, as a page should say it; a stand-in that is no generated miniature has words of its own."""
        return self.kind == "miniature" and registry.dataset_facts(self.dataset).miniature or self.kind

    def read(self) -> Splits:
        """Every official split that the source has.

        Raises:
            ValueError: a file is damaged.
            LookupError: the hub cannot be reached, or nothing was found.
        """
        found = dataset(self.dataset)
        if self.kind == "hub":
            return found.read_hub(self.dataset, self.folder)
        if self.kind == "generated":
            return found.generate(self.dataset)
        read = found.read_miniature if self.kind == "miniature" else found.read_files
        splits = read(self.dataset, self.folder)
        if not splits:
            there = sorted(str(path.relative_to(self.folder)) for path in self.folder.rglob("*") if path.is_file())
            more = f" and {len(there) - SHOWN:,} more" if len(there) > SHOWN else ""
            raise LookupError(
                f"{self.folder} holds no file of {self.dataset} under a name that is looked for (found: "
                f"{', '.join(there[:SHOWN]) or 'nothing'}{more}); unpack .gz files, and save a folder of "
                "datasets.save_to_disk as Parquet or JSON lines"
            )
        return splits


def parse_splits(text: str) -> dict[str, str | None]:
    """Official splits for roles, from JSON such as {"train": "dev", "val": null}.

    Raises:
        ValueError: the text is not such JSON.
    """
    try:
        splits = json.loads(text)
    except ValueError:
        splits = None
    if not isinstance(splits, dict) or not all(isinstance(value, str | None) for value in splits.values()):
        raise ValueError(f'--splits {text!r} is not JSON such as {{"train": "dev", "val": null}}')
    if unknown := sorted(set(splits) - set(ROLES)):
        raise ValueError(registry.unknown("role", unknown[0], ROLES, "--splits"))
    return splits


def find(name: str, scale: str, data_dir: Path | None = None, miniatures: Path | None = None) -> Source:
    """Find where a data set is to be read from at a scale.

    Args:
        name: of the data set.
        scale: quick takes the miniature; real takes files; paper takes files if there are any, else the hub.
        data_dir: folder of original files, one folder a data set.
        miniatures: where the generated miniature is written.
    Raises:
        LookupError: scale real and there are no files; says where they were looked for.
        ValueError: scale quick and `miniatures` is None.
    """
    if registry.dataset_facts(name).generated:
        return Source(name, "generated", None)
    if scale == "quick":
        if miniatures is None:
            raise ValueError("scale quick needs a folder to keep generated miniatures in")
        root = miniature(name, miniatures)
        return Source(name, "miniature", _first(_candidates(name, root)) or root)
    if data_dir and not Path(data_dir).expanduser().is_dir():
        raise LookupError(f"data_dir is {data_dir}, and there is no such folder")
    candidates = _candidates(name, data_dir) if data_dir else []
    found = _first(candidates)
    if found:
        return Source(name, "files", found)
    if scale == "real":
        places = ", ".join(map(str, candidates)) or "no data_dir"
        raise LookupError(f"no files of {name} (looked in: {places}); scale real reads original files only")
    return Source(name, "hub", None)


def miniature(name: str, root: Path, seed: int = 0) -> Path:
    """Write the generated miniature of a data set; returns the data folder that holds it, `root/<name>`."""
    with replacing_folder(Path(root) / name) as draft:
        dataset(name).write_miniature(name, draft, seed)
    return Path(root) / name


def assign_roles(
    name: str, splits: Splits, override: Mapping[str, str | None] | None = None
) -> dict[str, list[Example]]:
    """What a model trains on, is chosen by and is tested on.

    A role that is given the same official split as train, and val when it is given none, gets the fifth of train
    that is cut off, by the rule of the authors' code. Where test and val both are, test gets it, and val gets what the
    rule cuts off the rest, so that no example is in two roles. An example of train with several references becomes one
    example for each.

    Args:
        name: of the data set.
        splits: official splits, as read.
        override: official split (or several, joined by `+`) for `train`, `val` or `test`, in place of the paper's.
    Returns:
        `train`, `val` and `test`; no `test` where the override says null.
    Raises:
        LookupError: a role needs a split that was not found; says what there is and how to name another. Or an answer
            cannot be scored, as its database is not there.
        ValueError: a role shares some but not all of its splits with train, val and test share one that train does
            not have, or a role has no example.
    """
    plan = _plan(name, override)
    hooks = dataset(name)
    roles = {"train": _take(name, splits, plan, "train")}
    for role in _sharing(plan):
        kept, cut = hooks.cut_indices(len(roles["train"]))
        roles[role] = [roles["train"][i] for i in cut]
        roles["train"] = [roles["train"][i] for i in kept]
    for role in ("val", "test"):
        if role not in roles and plan[role]:
            roles[role] = _take(name, splits, plan, role)
    for role, examples in roles.items():
        if not examples:
            raise ValueError(f"{name}: {role} has no example ({plan[role] or plan['train']}); get more of its data")
        if role != "train":
            hooks.check_scorable(role, examples)
    roles["train"] = _one_reference_each(roles["train"])
    return {role: roles[role] for role in ROLES if role in roles}


def describe_roles(name: str, override: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """Say in words which official split plays which role; names as in `assign_roles`."""
    plan = _plan(name, override)
    sharing = _sharing(plan)
    cut, kept = CUTS[registry.dataset_facts(name).cut]
    words, left = dict(plan), plan["train"]
    for role in sharing:
        words[role] = f"{cut} of {left}"
        left = f"{kept} of {left}" if left == plan["train"] else f"{kept} of the other {left}"
    words["train"] = left
    return {role: text for role, text in words.items() if text}


def _plan(name: str, override: Mapping[str, str | None] | None) -> dict[str, str | None]:
    plan = {**registry.dataset_facts(name).splits, **(override or {})}
    if unknown := sorted(set(plan) - set(ROLES)):
        raise ValueError(registry.unknown("role", unknown[0], ROLES, "splits"))
    both = set((plan["val"] or "").split("+")) & set((plan["test"] or "").split("+")) - {""}
    if override and both and plan["val"] != plan["train"]:
        raise ValueError(
            f"{name}: val ({plan['val']}) and test ({plan['test']}) share the split {min(both)}, and what is chosen "
            "by one would be tested on the same examples; give val null to have it cut off train"
        )
    return plan


def _sharing(plan: Mapping[str, str | None]) -> list[str]:
    """Roles that get what is cut off train, in the order in which it is cut off."""
    return [role for role in ("test", "val") if plan[role] == plan["train"] or (role == "val" and not plan[role])]


def cut_indices(n: int, share: float = 0.2, seed: int = CUT_SEED) -> tuple[np.ndarray, np.ndarray]:
    """Indices kept and indices cut off, by the rule of `datasets.Dataset.train_test_split(share, seed=seed)`."""
    order = np.random.default_rng(seed).permutation(n)
    cut = ceil(share * n)
    return order[cut:], order[:cut]


def _candidates(name: str, data_dir: Path) -> list[Path]:
    """Folders that may hold a data set: where its facts say, and the last part of that, whatever the case."""
    wanted = Path(registry.dataset_facts(name).folder)
    root = Path(data_dir).expanduser()
    paths = [root / wanted, root / wanted.name]
    return [_as_spelt(root, path.relative_to(root).parts) for path in dict.fromkeys(paths)]


def _first(folders: Sequence[Path]) -> Path | None:
    return next((path for path in folders if path.is_dir() and any(path.iterdir())), None)


def _as_spelt(root: Path, parts: Sequence[str]) -> Path:
    for part in parts:
        exact = root / part
        names = [] if exact.exists() or not root.is_dir() else os.listdir(root)
        root = next((root / name for name in sorted(names) if name.lower() == part.lower()), exact)
    return root


def _take(name: str, splits: Splits, plan: Mapping[str, str | None], role: str) -> list[Example]:
    names = (plan[role] or "").split("+")
    missing = [one for one in names if one not in splits]
    if missing:
        raise LookupError(
            f"{name}: {role} is to be the official split {missing[0]!r}, which was not found "
            f"(found: {', '.join(sorted(splits)) or 'none'}); add its file, or say in config.yaml which split takes "
            f"its place, for example splits: {{{role}: {min(splits, default='dev')}}}"
        )
    if role != "train" and set(names) & set((plan["train"] or "").split("+")):
        raise ValueError(
            f"{name}: {role} ({plan[role]}) and train ({plan['train']}) share a split; "
            "give both the same splits to have train cut 4:1, or none in common"
        )
    return [replace(example, origin=f"{one}:{i}") for one in names for i, example in enumerate(splits[one])]


def _one_reference_each(examples: list[Example]) -> list[Example]:
    """Examples with several references once for each of them, in their order."""
    expanded = []
    for example in examples:
        if len(example.references) > 1:
            expanded += [replace(example, label=text, references=(text,)) for text in example.references]
        else:
            expanded.append(example)
    return expanded
