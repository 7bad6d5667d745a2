"""CelebA (Liu et al., 2015): 40 yes-or-no attributes of a face, from the image as numbers (Sec. D.5, Table 19).

The paper says that faces are cropped and brought to 32 x 32 pixels, and that three groups of 13, 14 and 13 attributes
are scored. How it asks, where it crops and which attributes a group has it does not say. Here all 40 are one answer of
40 digits; the crop is the middle square of the aligned images that face models commonly take; and the groups are the
attributes in the order of their published accuracies (Liu et al., 2015, Table 1, LNets+ANet), which has its gaps where
13, 14 and 13 cut it: 99-93, 92-84 and 82-66 %.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from . import _hub
from ._files import File, Folder
from ._images import decode, shrunk, written
from ._task import Example, Splits, Task
from ._text import separated

DATASETS = {
    "celeba": {
        "train": 162770, "val": 19867, "test": 19962, "max_seq_len": 3114, "epochs": 5, "batch_size": 4,
        "folder": "celeba", "splits": {"train": "train", "val": "val", "test": "test"}, "modality": "pixels",
        "miniature_recipe": {"steps": 120, "max_new_tokens": 80},
    },
}  # fmt: skip
"""Sizes are those of the official partition. Table 6 has no row for CelebA: epochs are those of CIFAR-10, and the
length is 3072 numbers, the separator, 40 answers and the end."""

ATTRIBUTES = (
    "5_o_Clock_Shadow", "Arched_Eyebrows", "Attractive", "Bags_Under_Eyes", "Bald", "Bangs", "Big_Lips", "Big_Nose",
    "Black_Hair", "Blond_Hair", "Blurry", "Brown_Hair", "Bushy_Eyebrows", "Chubby", "Double_Chin", "Eyeglasses",
    "Goatee", "Gray_Hair", "Heavy_Makeup", "High_Cheekbones", "Male", "Mouth_Slightly_Open", "Mustache", "Narrow_Eyes",
    "No_Beard", "Oval_Face", "Pale_Skin", "Pointy_Nose", "Receding_Hairline", "Rosy_Cheeks", "Sideburns", "Smiling",
    "Straight_Hair", "Wavy_Hair", "Wearing_Earrings", "Wearing_Hat", "Wearing_Lipstick", "Wearing_Necklace",
    "Wearing_Necktie", "Young",
)  # fmt: skip
"""The attributes in the order of the official list, which is the order of the answer."""

EASY = (
    "Eyeglasses", "Wearing_Hat", "Bald", "Male", "Gray_Hair", "Sideburns", "Bangs", "Blond_Hair", "Goatee", "Mustache",
    "No_Beard", "Wearing_Lipstick", "Wearing_Necktie",
)  # fmt: skip
HARD = (
    "Wearing_Earrings", "Attractive", "Narrow_Eyes", "Brown_Hair", "Wavy_Hair", "Arched_Eyebrows", "Bags_Under_Eyes",
    "Big_Nose", "Straight_Hair", "Pointy_Nose", "Wearing_Necklace", "Big_Lips", "Oval_Face",
)  # fmt: skip
LEVELS = "".join("e" if name in EASY else "h" if name in HARD else "m" for name in ATTRIBUTES)
"""The level of each attribute: e, m or h for easy, medium or hard."""

SIDE = 32
FACE = (25, 57, 153, 185)
"""Left, upper, right and lower edge of the face in an aligned image of 178 x 218 pixels."""
MINIATURE_SIDE = 8

PARTITION = {"0": "train", "1": "val", "2": "test"}


def task(name: str) -> Task:
    """How CelebA is asked and scored."""
    asked = ", ".join(name.replace("_", " ") for name in ATTRIBUTES)
    return Task(
        instruction=f"Answer with 1 for yes or 0 for no whether each of these is true of the following face: {asked}: ",
        labels=(),
        metrics=("multilabel",),
        headline="average_accuracy",
        max_new_tokens=128,
    )


def read_files(name: str, folder: Path) -> Splits:
    """The official splits in a folder with `list_attr_celeba`, `list_eval_partition` (.txt or .csv) and the images.

    The images are read from `img_align_celeba/` or from its zip.

    Raises:
        ValueError: a list is damaged, an image is missing or cannot be read; names it.
    """
    return _read(folder, SIDE)


def read_miniature(name: str, folder: Path) -> Splits:
    """Read as `read_files` does, with small grey images."""
    return _read(folder, MINIATURE_SIDE)


def read_hub(name: str, folder: Path | None = None) -> Splits:
    """The official splits from the hub."""
    names = {"valid": "val", "validation": "val"}
    return {
        names.get(split, split): [_example(*_from_row(row, f"{split}: row {i}"), SIDE) for i, row in enumerate(rows, 1)]
        for split, rows in _hub.load("flwrlabs/celeba").items()
    }


def write_miniature(name: str, folder: Path, seed: int) -> None:
    """Write a small generated stand-in in the original's format."""
    from ..miniature import celeba

    celeba.write(name, folder, seed)


def _read(folder: Path, side: int) -> Splits:
    here = Folder(folder)
    lists = [here.find(f"{stem}.txt", f"{stem}.csv") for stem in ("list_attr_celeba", "list_eval_partition")]
    if None in lists:
        return {}
    attributes = dict(_attributes(lists[0]))
    images = {file.name: file for file in here.files if file.name.endswith((".jpg", ".jpeg", ".png"))}
    splits: Splits = {}
    with ThreadPoolExecutor(len(os.sched_getaffinity(0))) as pool:
        for split, names in _partition(lists[1]).items():
            missing = next((name for name in names if name not in images or name not in attributes), None)
            if missing:
                where = "its image" if missing in attributes else f"a line in {lists[0]}"
                raise ValueError(f"{lists[1]}: {missing} is listed in {split}, and {where} is not there")
            splits[split] = list(
                pool.map(lambda name: _example(images[name].read(), attributes[name], str(images[name]), side), names)
            )
    return splits


def _attributes(file: File) -> Iterator[tuple[str, str]]:
    """File names with their answers, from a list of -1 and 1."""
    lines = file.text().replace(",", " ").split("\n")
    header = next((i for i, line in enumerate(lines) if ATTRIBUTES[0] in line), None)
    columns = [] if header is None else [word for word in lines[header].split() if word != "image_id"]
    if sorted(columns) != sorted(ATTRIBUTES):
        raise ValueError(f"{file}: the line that names the 40 attributes of CelebA is missing or another")
    places = [columns.index(name) for name in ATTRIBUTES]
    for number, line in enumerate(lines[header + 1 :], header + 2):
        name, *values = line.split() or [""]
        if name and (len(values) != len(ATTRIBUTES) or not set(values) <= {"-1", "1", "0"}):
            raise ValueError(f"{file}: line {number} must be a file name and 40 values of -1 or 1")
        if name:
            yield name.lower(), _answer(values[place] == "1" for place in places)


def _partition(file: File) -> dict[str, list[str]]:
    splits: dict[str, list[str]] = {}
    for number, line in enumerate(file.text().replace(",", " ").split("\n"), 1):
        words = line.split()
        if not words or words[0] == "image_id":
            continue
        if len(words) != 2 or words[1] not in PARTITION:
            raise ValueError(f"{file}: line {number} must be a file name and 0, 1 or 2")
        splits.setdefault(PARTITION[words[1]], []).append(words[0].lower())
    return splits


def _from_row(row: dict[str, Any], where: str) -> tuple[Any, str, str]:
    return row["image"], _answer(row[name] in (1, True) for name in ATTRIBUTES), where


def _answer(values: Iterable[bool]) -> str:
    return " ".join("1" if value else "0" for value in values)


def _example(image: Any, answer: str, where: str, side: int) -> Example:
    pixels = decode(image, where, FACE, SIDE)
    shown = pixels if side == SIDE else shrunk(pixels[None], side)[0]
    return Example(separated(written(shown)), answer, (answer,), {"levels": LEVELS})
