"""Where a data set comes from: original files, the hub, or a generated miniature. After reading, all are alike."""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from math import ceil
from pathlib import Path

import numpy as np

from ..plan import manifest, registry
from ..plan.atomic import replacing_folder
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
        return (
            registry.facts("data", self.dataset).get("miniature", self.kind) if self.kind == "miniature" else self.kind
        )

    def read(self) -> Splits:
        """Every official split that the source has.

        Raises:
            ValueError: a file is damaged.
            LookupError: the hub cannot be reached, or nothing was found.
        """
        module = registry.load("data", self.dataset)
        if self.kind == "hub":
            return module.read_hub(self.dataset, self.folder)
        if self.kind == "generated":
            return module.generate(self.dataset)
        read = module.read_files
        if self.kind == "miniature":
            read = getattr(module, "read_miniature", read)
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

    def digest(self) -> str | None:
        """SHA-256 over the names and contents of the source's files; None for the hub, whose rows have to be read.

        Databases are left out: answers are scored with them, but nothing that a model reads comes from them.
        """
        if self.kind == "hub":
            return None
        digest = hashlib.sha256()
        for path in sorted(self.folder.rglob("*")) if self.folder else ():
            if path.is_file() and path.suffix != ".sqlite":
                with path.open("rb") as stream:
                    content = hashlib.file_digest(stream, "sha256").hexdigest()
                digest.update(f"{path.relative_to(self.folder)} {content}\n".encode())
        return digest.hexdigest()


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


def find(dataset: str, scale: str, data_dir: Path | None = None, miniatures: Path | None = None) -> Source:
    """Where a data set is to be read from at a scale.

    Args:
        dataset: its name.
        scale: quick takes the miniature; real takes files; paper takes files if there are any, else the hub.
        data_dir: folder of original files, one folder a data set.
        miniatures: where generated miniatures are kept.
    Raises:
        LookupError: scale real and there are no files; says where they were looked for.
        ValueError: scale quick and `miniatures` is None.
    """
    if registry.facts("data", dataset).get("generated"):
        return Source(dataset, "generated", None)
    if scale == "quick":
        if miniatures is None:
            raise ValueError("scale quick needs a folder to keep generated miniatures in")
        root = miniature(dataset, miniatures)
        return Source(dataset, "miniature", _first(_candidates(dataset, root)) or root)
    if data_dir and not Path(data_dir).expanduser().is_dir():
        raise LookupError(f"data_dir is {data_dir}, and there is no such folder")
    candidates = _candidates(dataset, data_dir) if data_dir else []
    found = _first(candidates)
    if found:
        return Source(dataset, "files", found)
    if scale == "real":
        places = ", ".join(map(str, candidates)) or "no data_dir"
        raise LookupError(f"no files of {dataset} (looked in: {places}); scale real reads original files only")
    return Source(dataset, "hub", None)


def miniature(dataset: str, root: Path, seed: int = 0) -> Path:
    """Data folder with a generated miniature, made on first use. It is made anew when a generator changes, or a file of
    it is damaged.

    Safe when several processes want it at once: one makes it, the others wait.
    """
    from filelock import FileLock

    code = sorted((registry.PACKAGE / "miniature").rglob("*.py"))
    digest = hashlib.sha256(b"".join(path.read_bytes() for path in code))
    folder = Path(root) / f"{dataset}-{seed}-{digest.hexdigest()[:8]}"
    if not manifest.intact(folder):
        folder.parent.mkdir(parents=True, exist_ok=True)
        with FileLock(f"{folder}.lock"):
            if not manifest.intact(folder):
                with replacing_folder(folder) as draft:
                    registry.load("data", dataset).write_miniature(dataset, draft, seed)
                    manifest.write_for_folder(draft)
    return folder


def assign_roles(
    dataset: str, splits: Splits, override: Mapping[str, str | None] | None = None
) -> dict[str, list[Example]]:
    """What a model trains on, is chosen by and is tested on.

    A role that is given the same official split as train, and val when it is given none, gets the fifth of train
    that is cut off, by the rule of the authors' code. Where test and val both are, test gets it, and val gets what the
    rule cuts off the rest, so that no example is in two roles. An example of train with several references becomes one
    example for each.

    Args:
        dataset: its name.
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
    plan = _plan(dataset, override)
    module = registry.load("data", dataset)
    roles = {"train": _take(dataset, splits, plan, "train")}
    for role in _sharing(plan):
        kept, cut = getattr(module, "cut_indices", cut_indices)(len(roles["train"]))
        roles[role] = [roles["train"][i] for i in cut]
        roles["train"] = [roles["train"][i] for i in kept]
    for role in ("val", "test"):
        if role not in roles and plan[role]:
            roles[role] = _take(dataset, splits, plan, role)
    check = getattr(module, "check_scorable", None)
    for role, examples in roles.items():
        if not examples:
            raise ValueError(f"{dataset}: {role} has no example ({plan[role] or plan['train']}); get more of its data")
        if check and role != "train":
            check(role, examples)
    roles["train"] = _one_reference_each(roles["train"])
    return {role: roles[role] for role in ROLES if role in roles}


def describe_roles(dataset: str, override: Mapping[str, str | None] | None = None) -> dict[str, str]:
    """In words, which official split plays which role; names as in `assign_roles`."""
    plan = _plan(dataset, override)
    sharing = _sharing(plan)
    cut, kept = CUTS[registry.facts("data", dataset).get("cut", 0.2)]
    words, left = dict(plan), plan["train"]
    for role in sharing:
        words[role] = f"{cut} of {left}"
        left = f"{kept} of {left}" if left == plan["train"] else f"{kept} of the other {left}"
    words["train"] = left
    return {role: text for role, text in words.items() if text}


def _plan(dataset: str, override: Mapping[str, str | None] | None) -> dict[str, str | None]:
    plan = {**registry.facts("data", dataset)["splits"], **(override or {})}
    if unknown := sorted(set(plan) - set(ROLES)):
        raise ValueError(registry.unknown("role", unknown[0], ROLES, "splits"))
    both = set((plan["val"] or "").split("+")) & set((plan["test"] or "").split("+")) - {""}
    if override and both and plan["val"] != plan["train"]:
        raise ValueError(
            f"{dataset}: val ({plan['val']}) and test ({plan['test']}) share the split {min(both)}, and what is chosen "
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


def _candidates(dataset: str, data_dir: Path) -> list[Path]:
    """Folders that may hold a data set: where its facts say, and the last part of that, whatever the case."""
    wanted = Path(registry.facts("data", dataset)["folder"])
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


def _take(dataset: str, splits: Splits, plan: Mapping[str, str | None], role: str) -> list[Example]:
    names = (plan[role] or "").split("+")
    missing = [name for name in names if name not in splits]
    if missing:
        raise LookupError(
            f"{dataset}: {role} is to be the official split {missing[0]!r}, which was not found "
            f"(found: {', '.join(sorted(splits)) or 'none'}); add its file, or say in config.yaml which split takes "
            f"its place, for example splits: {{{role}: {min(splits, default='dev')}}}"
        )
    if role != "train" and set(names) & set((plan["train"] or "").split("+")):
        raise ValueError(
            f"{dataset}: {role} ({plan[role]}) and train ({plan['train']}) share a split; "
            "give both the same splits to have train cut 4:1, or none in common"
        )
    return [example for name in names for example in splits[name]]


def _one_reference_each(examples: list[Example]) -> list[Example]:
    """Examples with several references once for each of them, in their order."""
    expanded = []
    for example in examples:
        if len(example.references) > 1:
            expanded += [replace(example, label=text, references=(text,)) for text in example.references]
        else:
            expanded.append(example)
    return expanded
