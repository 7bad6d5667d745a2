"""The versions of torch, transformers and peft that the library is tried with.

Of transformers and peft these are the ranges in pyproject.toml, read from the installed package: with others, results
may be wrong without an error. pip lets every newer torch in, for its interface is stable and its builds are bound to a
machine's GPU; which were tried is stated here. `workflow/scripts/version_window.py` tries the ends.
"""

from __future__ import annotations

import warnings
from importlib.metadata import PackageNotFoundError, requires, version
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from packaging.requirements import Requirement

PACKAGE = "ssmpeft-lib"
TRIED = ("torch", "transformers", "peft")
TORCH = "torch>=2.13,<2.14"


def installed_version() -> str:
    """This library's version; 0+unknown in a copy that was not installed."""
    try:
        return version(PACKAGE)
    except PackageNotFoundError:
        return "0+unknown"


def tried() -> dict[str, Requirement]:
    """Requirements of the libraries whose internals matter here, by name; empty in a copy that was not installed."""
    # not above: the process that runs SQL imports the library where no other package is
    from packaging.requirements import Requirement

    try:
        stated = [Requirement(text) for text in requires(PACKAGE) or ()]
    except PackageNotFoundError:
        return {}
    ranges = {requirement.name: requirement for requirement in stated if requirement.name in TRIED}
    return ranges | {"torch": Requirement(TORCH)}


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


def warn_changed(library: str, name: str, tried_with: str, instead: str) -> None:
    """Warn that a name inside a library is not what it was when it was tried, and say what happens instead."""
    warnings.warn(
        f"{library} {version(library)}: {name} is not what it was in {library} {tried_with}, the version that was "
        f"tried; {instead}",
        stacklevel=3,
    )


def _sorted(requirement: Requirement) -> str:
    """The range with its lower bound first, as people write it."""
    return ",".join(sorted(map(str, requirement.specifier), reverse=True))
