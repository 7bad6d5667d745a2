"""Who may speak of what: three quarters of the contents are kept for the tasks, the pretraining text has the rest.

So what a stand-in is asked about, and what it is to say, never occurs in what it was pretrained on.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import TypeVar
from zlib import crc32

T = TypeVar("T")

START = 2278
"""Seed of the checksum; chosen so that every noun acts, suffers, is in a place and has a quality in either share."""


def kept_for_tasks(*content: object) -> bool:
    """Whether a content, for example who does what to whom, is one that only tasks speak of."""
    return crc32(" ".join(map(str, content)).encode(), START) % 4 > 0


def draw_for(task: bool, draw: Callable[[], T], content: Callable[[T], tuple]) -> T:
    """Draw until the content is one of a task's, or of the pretraining text's."""
    while kept_for_tasks(*content(item := draw())) != task:
        pass
    return item
