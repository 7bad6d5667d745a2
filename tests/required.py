"""Things that some tests need and not every machine has."""

from __future__ import annotations

import os

import pytest


def missing(name: str, reason: str) -> None:
    """Skip the test or module that needs something, or fail it where SSMPEFT_REQUIRE names it: CI may not skip it."""
    if name in os.environ.get("SSMPEFT_REQUIRE", "").split():
        pytest.fail(f"{reason}; SSMPEFT_REQUIRE says that {name} must be there")
    pytest.skip(reason, allow_module_level=True)
