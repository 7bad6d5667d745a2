"""The versions of torch, transformers and peft that the library is tried with: the ranges in pyproject.toml.

They are stated there alone; here they are read from the installed package. `workflow/scripts/version_window.py` tries
the lowest, the locked and the newest versions in them.
"""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, requires, version

from packaging.requirements import Requirement

PACKAGE = "ssmpeft-lib"
TRIED = ("torch", "transformers", "peft")


def tried() -> dict[str, Requirement]:
    """Requirements of the libraries whose internals matter here, by name; empty in a copy that was not installed."""
    try:
        stated = [Requirement(text) for text in requires(PACKAGE) or ()]
    except PackageNotFoundError:
        return {}
    return {requirement.name: requirement for requirement in stated if requirement.name in TRIED}


def outside() -> dict[str, str]:
    """Installed versions that lie outside of the range of their library, by its name."""
    found = {}
    for name, requirement in tried().items():
        try:
            installed = version(name)
        except PackageNotFoundError:
            continue
        # a build such as 2.13.0+cpu is of its release, and one before a release is judged by its number
        if not requirement.specifier.contains(installed, prereleases=True):
            found[name] = installed
    return found


def warn_outside() -> None:
    """Warn when an installed version is none of those that were tried."""
    untried = outside()
    if untried:
        have = ", ".join(f"{name} {installed}" for name, installed in untried.items())
        ranges = [f"{name}{_sorted(tried()[name])}" for name in untried]
        wanted = " ".join(f"'{text}'" for text in ranges)
        warnings.warn(
            f"ssmpeft_lib was not tried with {have}, only with {', '.join(ranges)}; a change there can give other "
            f"results without an error. To get what was tried: pip install {wanted}",
            stacklevel=3,
        )


def _sorted(requirement: Requirement) -> str:
    """The range with its lower bound first, as people write it."""
    return ",".join(sorted(map(str, requirement.specifier), reverse=True))
