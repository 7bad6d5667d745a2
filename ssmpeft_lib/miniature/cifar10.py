"""Miniature of CIFAR-10: 32 x 32 pictures of the ten classes drawn from a few shapes, in its pickled batches.

The classes are the original's, drawn so that a person can tell them: a scene, and on it a body in a colour of its own,
shifted and with noise. What matters lies in the middle 24 x 24 pixels, which is what the paper crops to.
"""

from __future__ import annotations

from pathlib import Path
from random import Random

import numpy as np
from PIL import Image, ImageDraw

from .python2_pickle import dumps

TRAIN_BATCHES, BATCH, TEST = 5, 256, 256
"""Five training batches as in the original; the 4:1 cut of their pictures leaves 1024 to train on."""

SCENES = {"sky": (150, 190, 235), "sea": (40, 90, 150), "road": (90, 90, 95), "grass": (60, 120, 55)}
LIGHT = ((245, 240, 225), (250, 215, 120), (240, 190, 190), (215, 235, 250))
DARK = ((70, 30, 30), (30, 30, 70), (45, 45, 45), (30, 60, 40))

NOISE, SHIFT, DIM = 12, 2, 25
"""Spread of the pixels' noise, largest shift in pixels, largest change of brightness of the whole picture."""

# Scene and shapes of each class, on 32 x 32 pixels: kind of shape, coordinates, and whether in the contrasting colour.
CLASSES = {
    "airplane": (
        "sky",
        [
            ("ellipse", (4, 14, 28, 18), False),
            ("polygon", (13, 16, 19, 16, 12, 27, 9, 27), False),
            ("polygon", (13, 16, 19, 16, 12, 5, 9, 5), False),
            ("polygon", (5, 16, 9, 16, 5, 9, 3, 9), False),
        ],
    ),
    "automobile": (
        "road",
        [
            ("rectangle", (4, 16, 28, 22), False),
            ("polygon", (9, 16, 12, 11, 20, 11, 23, 16), False),
            ("ellipse", (6, 19, 12, 25), True),
            ("ellipse", (20, 19, 26, 25), True),
        ],
    ),
    "bird": (
        "sky",
        [
            ("polygon", (4, 8, 16, 19, 13, 21), False),
            ("polygon", (28, 8, 16, 19, 19, 21), False),
            ("ellipse", (13, 16, 19, 23), False),
        ],
    ),
    "cat": (
        "grass",
        [
            ("ellipse", (9, 11, 23, 25), False),
            ("polygon", (9, 16, 9, 5, 15, 12), False),
            ("polygon", (23, 16, 23, 5, 17, 12), False),
            ("rectangle", (12, 16, 13, 18), True),
            ("rectangle", (19, 16, 20, 18), True),
        ],
    ),
    "deer": (
        "grass",
        [
            ("rectangle", (11, 15, 25, 20), False),
            ("rectangle", (11, 20, 12, 28), False),
            ("rectangle", (23, 20, 24, 28), False),
            ("polygon", (8, 10, 13, 10, 14, 17, 11, 17), False),
            ("line", (10, 10, 5, 4), False),
            ("line", (11, 10, 13, 3), False),
            ("line", (8, 7, 9, 3), False),
        ],
    ),
    "dog": (
        "grass",
        [
            ("ellipse", (10, 7, 22, 25), False),
            ("ellipse", (5, 9, 11, 21), True),
            ("ellipse", (21, 9, 27, 21), True),
            ("ellipse", (14, 18, 18, 21), True),
        ],
    ),
    "frog": (
        "grass",
        [
            ("ellipse", (5, 16, 27, 27), False),
            ("ellipse", (7, 11, 13, 17), False),
            ("ellipse", (19, 11, 25, 17), False),
            ("line", (9, 22, 23, 22), True),
        ],
    ),
    "horse": (
        "grass",
        [
            ("ellipse", (9, 12, 27, 20), False),
            ("rectangle", (11, 18, 14, 28), False),
            ("rectangle", (22, 18, 25, 28), False),
            ("polygon", (13, 15, 9, 4, 4, 8, 6, 11, 9, 10, 9, 17), False),
        ],
    ),
    "ship": (
        "sea",
        [
            ("polygon", (4, 20, 28, 20, 24, 27, 8, 27), False),
            ("polygon", (16, 4, 16, 18, 25, 18), False),
            ("polygon", (14, 7, 14, 18, 8, 18), False),
        ],
    ),
    "truck": (
        "road",
        [
            ("rectangle", (4, 6, 19, 22), False),
            ("rectangle", (21, 12, 27, 22), False),
            ("ellipse", (6, 20, 12, 26), True),
            ("ellipse", (20, 20, 26, 26), True),
        ],
    ),
}


def picture(label: int, rng: Random, noise: np.random.Generator) -> np.ndarray:
    """A picture of a class, uint8 [32, 32, 3]."""
    scene, shapes = tuple(CLASSES.values())[label]
    # bodies stand out from their scene: dark before the sky, light elsewhere
    body, contrast = (rng.choice(colours) for colours in ((DARK, LIGHT) if scene == "sky" else (LIGHT, DARK)))
    image = Image.new("RGB", (32, 32), SCENES[scene])
    draw = ImageDraw.Draw(image)
    shift = (rng.randint(-SHIFT, SHIFT), rng.randint(-SHIFT, SHIFT))
    for kind, points, contrasting in shapes:
        place = [value + shift[at % 2] for at, value in enumerate(points)]
        getattr(draw, kind)(place, fill=contrast if contrasting else body)
    pixels = np.asarray(image, np.float32) + rng.randint(-DIM, DIM) + noise.normal(0, NOISE, (32, 32, 3))
    return pixels.clip(0, 255).astype(np.uint8)


def batch(title: str, count: int, rng: Random, noise: np.random.Generator) -> dict[bytes, object]:
    """The contents of one batch file: as many pictures of each class as possible, in random order."""
    labels = rng.sample([number % len(CLASSES) for number in range(count)], count)
    pictures = [picture(label, rng, noise) for label in labels]
    names = list(CLASSES)
    return {
        b"batch_label": title.encode(),
        b"labels": labels,
        # the original's rows hold all red values, then all green, then all blue
        b"data": np.stack(pictures).transpose(0, 3, 1, 2).reshape(count, -1),
        b"filenames": [f"{names[label]}_{number:06}.png".encode() for number, label in enumerate(labels)],
    }


def generators(seed: int) -> tuple[Random, np.random.Generator]:
    """Generators of a seed: one of labels, shapes and colours, one of the pixels' noise."""
    return Random(f"cifar10 {seed}"), np.random.default_rng(seed)


def write(name: str, folder: Path, seed: int = 0) -> None:
    """Write the five training batches, the test batch and `batches.meta`."""
    target = folder / "cifar10" / "cifar-10-batches-py"
    target.mkdir(parents=True, exist_ok=True)
    rng, noise = generators(seed)
    for number in range(1, TRAIN_BATCHES + 1):
        title = f"training batch {number} of {TRAIN_BATCHES}"
        (target / f"data_batch_{number}").write_bytes(dumps(batch(title, BATCH, rng, noise)))
    (target / "test_batch").write_bytes(dumps(batch("testing batch 1 of 1", TEST, rng, noise)))
    meta = {
        b"num_cases_per_batch": BATCH,
        b"label_names": [name.encode() for name in CLASSES],
        b"num_vis": 3072,
    }
    (target / "batches.meta").write_bytes(dumps(meta))
