"""Things that some tests need and not every machine has."""

from __future__ import annotations

import locale
import os

import pytest

torch_compiles = pytest.mark.skipif(
    locale.getpreferredencoding(False).lower().replace("-", "") != "utf8",
    reason="torch.compile reads torch's own sources in the encoding of the locale, which is not UTF-8 here",
)
"""The mark of tests that compile, or have torch check that an operator can be compiled."""


def missing(name: str, reason: str) -> None:
    """Skip the test or module that needs something, or fail it where SSMPEFT_REQUIRE names it: CI may not skip it."""
    if name in os.environ.get("SSMPEFT_REQUIRE", "").split():
        pytest.fail(f"{reason}; SSMPEFT_REQUIRE says that {name} must be there")
    pytest.skip(reason, allow_module_level=True)
