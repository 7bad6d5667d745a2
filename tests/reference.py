"""Where the reference material lies that some tests compare with, and the skip where it is missing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).resolve().parent.parent


def shared(name: str) -> Path:
    """Path of a reference file or folder; skips the test where the reference material is not at hand."""
    root = Path(os.environ.get("SSMPEFT_SHARED", REPOSITORY.parent / "shared"))
    path = root / name
    if not path.exists():
        pytest.skip(f"reference material {name} is not at {root} (set SSMPEFT_SHARED to its folder)")
    return path
