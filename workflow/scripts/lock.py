"""Write requirements.lock and the conda environments from what is installed and what pyproject.toml asks for.

    .venv/bin/python workflow/scripts/lock.py

One list of versions, four files: requirements.lock (pip), environment.yml (conda, everything), and in workflow/envs/
what the cells need (compute.yml) and what rendering needs (book.yml). Conda brings Python, pip brings the rest, so that
both roads end in the same versions.
"""

from __future__ import annotations

import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
EXTRAS = {"compute": ("data", "run"), "book": ("data", "run", "book"), "everything": ("data", "run", "book", "dev")}
PYTHON = "3.11"


def main() -> None:
    """Write the four files."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    pins = {}
    for name, extras in EXTRAS.items():
        wanted = list(project["dependencies"])
        for extra in extras:
            wanted += project["optional-dependencies"][extra]
        pins[name] = closure(wanted)
    lines = [f"{name}=={version}" for name, version in sorted(pins["everything"].items())]
    head = "# Written by workflow/scripts/lock.py. torch is the CPU build where pip is given one (see README).\n"
    (ROOT / "requirements.lock").write_text(head + "\n".join(lines) + "\n", encoding="utf-8")
    write_environment(ROOT / "environment.yml", "ssmpeft", pins["everything"])
    for name in ("compute", "book"):
        write_environment(ROOT / "workflow" / "envs" / f"{name}.yml", f"ssmpeft-{name}", pins[name])


def closure(wanted: list[str]) -> dict[str, str]:
    """Versions of the requirements and of everything that they need, as installed here."""
    found: dict[str, str] = {}
    queue = [Requirement(text) for text in wanted]
    while queue:
        requirement = queue.pop()
        name = canonicalize_name(requirement.name)
        if requirement.marker and not any(requirement.marker.evaluate({"extra": e}) for e in (*requirement.extras, "")):
            continue
        try:
            installed = distribution(name)
        except PackageNotFoundError:
            sys.exit(f"{name} is not installed; install the extras of pyproject.toml first")
        needs = [Requirement(text) for text in installed.requires or []]
        extras = requirement.extras or {""}
        queue += [
            need
            for need in needs
            if canonicalize_name(need.name) not in found
            and (not need.marker or any(need.marker.evaluate({"extra": extra}) for extra in extras))
        ]
        # a local version such as 2.13.0+cpu is a build of the same release
        found[name] = installed.version.partition("+")[0]
    return found


def write_environment(path: Path, name: str, pins: dict[str, str]) -> None:
    """Write a conda environment that pip fills."""
    lines = [f"      - {package}=={version}" for package, version in sorted(pins.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "# Written by workflow/scripts/lock.py.\n"
        f"name: {name}\nchannels:\n  - conda-forge\ndependencies:\n  - python={PYTHON}\n  - pip\n  - pip:\n"
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
