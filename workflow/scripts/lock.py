"""Write the locks and the conda environments from what is installed and what pyproject.toml asks for.

    .venv/bin/python workflow/scripts/lock.py

One list of versions: requirements.lock and requirements-torch.lock (pip), environment.yml (conda, everything), and in
workflow/envs/ what the cells need (compute.yml) and what rendering needs (book.yml). Conda brings Python, pip brings
the rest, so that both roads end in the same versions.

requirements.lock has the hashes of every file of each release on PyPI, which uv looks up: pip takes no other file of
that name, whatever index serves it. torch is apart, for its builds for CPUs come from another index than those for GPUs
and have other hashes: requirements-torch.lock has its version. It is installed last, so that all else that it needs is
there already; a build for GPUs brings NVIDIA's libraries in the versions that it names itself.
"""

from __future__ import annotations

import subprocess
import sys
import tomllib
from importlib.metadata import PackageNotFoundError, distribution
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT = Path(__file__).resolve().parent.parent.parent
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
ENVIRONMENTS = {"compute": "run", "book": "render", "everything": "dev"}
"""For each environment, the extra of pyproject.toml that it has; some extras contain others."""

WITHOUT_CORE = ("render",)
"""Extras that work without what the library's core needs: pages are made where there is no torch."""

COMPILER = "cxx-compiler"
"""conda-forge's, for the environments that run the scan's C++ kernels, which are compiled where they run."""

PYTHON = "3.11"
HEAD = "# Written by workflow/scripts/lock.py, which says why torch is apart.\n"


def main() -> None:
    """Write the five files."""
    pins = {name: closure(requirements(extra)) for name, extra in ENVIRONMENTS.items()}
    everything = dict(pins["everything"])
    torch = everything.pop("torch")
    (ROOT / "requirements.lock").write_text(HEAD + hashed(everything), encoding="utf-8")
    (ROOT / "requirements-torch.lock").write_text(f"{HEAD}torch=={torch}\n", encoding="utf-8")
    write_environment(ROOT / "environment.yml", "ssmpeft", pins["everything"])
    for name in ("compute", "book"):
        write_environment(ROOT / "workflow" / "envs" / f"{name}.yml", f"ssmpeft-{name}", pins[name])


def requirements(extra: str = "") -> list[str]:
    """What the library needs with an extra and the extras that it contains; without one, what its core needs."""
    needed = [] if extra in WITHOUT_CORE else list(PROJECT["dependencies"])
    for text in PROJECT["optional-dependencies"][extra] if extra else ():
        own = Requirement(text)
        needed += requirements(*own.extras) if own.name == PROJECT["name"] else [text]
    return needed


def hashed(pins: dict[str, str]) -> str:
    """Lines for pip, each version with the hashes of its files on PyPI."""
    command = [sys.executable, "-m", "uv", "pip", "compile", "-", "--no-deps", "--generate-hashes"]
    quiet = ["--quiet", "--no-header", "--no-annotate", "--no-config"]
    lines = "\n".join(f"{name}=={version}" for name, version in sorted(pins.items()))
    done = subprocess.run(
        [*command, *quiet], cwd=ROOT, input=lines, stdout=subprocess.PIPE, encoding="utf-8", check=True
    )
    return done.stdout


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
    """Write a conda environment that pip fills; with a compiler where torch is."""
    compiler = f"  - {COMPILER}\n" if "torch" in pins else ""
    lines = [f"      - {package}=={version}" for package, version in sorted(pins.items())]
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(
        "# Written by workflow/scripts/lock.py.\n"
        f"name: {name}\nchannels:\n  - conda-forge\ndependencies:\n  - python={PYTHON}\n{compiler}  - pip\n  - pip:\n"
        + "\n".join(lines)
        + "\n",
        encoding="utf-8",
    )


if __name__ == "__main__":
    main()
