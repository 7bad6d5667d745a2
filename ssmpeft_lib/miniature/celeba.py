"""Miniature of CelebA: drawn faces as aligned JPEG pictures, with the original's lists of attributes and splits."""

from __future__ import annotations

from pathlib import Path
from random import Random

from .faces import ATTRIBUTES, attributes, face

SIZES = {0: 640, 1: 128, 2: 256}
"""Pictures of each part: 0 training, 1 validation, 2 test."""


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write `img_align_celeba/`, `list_attr_celeba.txt` and `list_eval_partition.txt`."""
    target = folder / "celeba"
    (target / "img_align_celeba").mkdir(parents=True, exist_ok=True)
    rng = Random(f"celeba {seed}")
    parts = [part for part, size in SIZES.items() for _ in range(size)]
    marks, partition = [], []
    for number, part in enumerate(parts, start=1):
        file, has = f"{number:06}.jpg", attributes(rng)
        face(has, rng).save(target / "img_align_celeba" / file, quality=85)
        marks.append(file + "".join(f" {1 if attribute in has else -1:2}" for attribute in ATTRIBUTES))
        partition.append(f"{file} {part}")
    header = [str(len(parts)), " ".join(ATTRIBUTES)]
    (target / "list_attr_celeba.txt").write_text("\n".join(header + marks) + "\n", encoding="utf-8")
    (target / "list_eval_partition.txt").write_text("\n".join(partition) + "\n", encoding="utf-8")
