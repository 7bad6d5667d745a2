"""Images as arrays and as text."""

from __future__ import annotations

import io
from typing import Any

import numpy as np

MAX_PIXELS = 10_000_000
"""A larger image is none of the data sets' here; decoding it would take much memory."""

_WORDS = [str(value) for value in range(256)]


def decode(image: Any, name: str, box: tuple[int, int, int, int] | None = None, side: int | None = None) -> np.ndarray:
    """Pixels of an image, uint8 [height, width, 3].

    Args:
        image: contents of a file, what the hub has in its place (`{"bytes": ...}`), or a Pillow image.
        name: of the file or row, for messages.
        box: part of the image to take (left, upper, right, lower).
        side: height and width to bring it to.
    Raises:
        ValueError: not an image, damaged, or larger than `MAX_PIXELS`.
    """
    from PIL import Image

    if isinstance(image, dict):
        image = image["bytes"]
    try:
        opened = Image.open(io.BytesIO(image)) if isinstance(image, bytes) else image
        if opened.width * opened.height > MAX_PIXELS:
            raise ValueError(f"{opened.width} x {opened.height} pixels, and no more than {MAX_PIXELS:,} are read")
        colours = opened.convert("RGB")
    except Exception as error:
        raise ValueError(f"{name}: cannot be read as an image ({error})") from None
    if side is not None:
        colours = colours.resize((side, side), Image.Resampling.BILINEAR, box=box)
    return np.asarray(colours)


def written(pixels: np.ndarray) -> str:
    """Pixels as numbers with spaces between, row by row, each pixel's colours together."""
    return " ".join([_WORDS[value] for value in pixels.ravel().tolist()])


def shrunk(images: np.ndarray, side: int) -> np.ndarray:
    """Grey levels 0 to 9 of blocks, for models too small for whole images: uint8 [n, h, w, 3] to [n, side, side].

    Hardly any takes the stand-ins' tokenizer more than one token.
    """
    n, height, width, _ = images.shape
    blocks = images.reshape(n, side, height // side, side, width // side, 3)
    return (blocks.mean((2, 4, 5)) * 10 // 256).astype(np.uint8)
