"""Run the library's fast tests with the lowest, the locked and the newest torch, transformers and peft.

    .venv/bin/python workflow/scripts/version_window.py                   the lowest and the newest
    .venv/bin/python workflow/scripts/version_window.py newest-torch      those that are named; --help lists them
    .venv/bin/python workflow/scripts/version_window.py --record          the outcomes go into recorded/versions.json
    .venv/bin/python workflow/scripts/version_window.py lowest --machine old-processor

The window is that of ssmpeft_lib/compat/window.py. A corner is an environment in .venv-windows with the versions that
it is about; whatever else is needed comes from .venv, whose interpreter starts this script. The exit status is 1 if a
test failed.
"""

from __future__ import annotations

import json
import re
import subprocess
import sys
import sysconfig
from pathlib import Path
from typing import Any

from matrix import CORNERS as MACHINES
from matrix import NOT_RUN, WORKERS, Place, Unavailable, in_words, parser_of, run_tests
from packaging.version import Version

from ssmpeft_lib.compat.window import TRIED, tried

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD = ROOT / "recorded" / "versions.json"
LIBRARY = (
    *("contracts", "doctor", "imports", "mixers", "models", "peft", "peft_import", "readme"),
    *("sdt", "stock_peft", "storage", "training"),
)
"""The test files that depend on what these libraries do."""

CORNERS = {
    "lowest": "The lowest versions of the window",
    "locked": "The versions that are locked",
    "newest": "The newest transformers and peft that the registry serves within the window",
    "newest-torch": "The newest torch within its range too; its build at the registry brings CUDA, some 4 GB",
}
WHEN_NAMED = {
    "locked": "`make test` and the machines above run with these versions",
    "newest-torch": "too large a download for every run",
}
"""Corners that are run when they are named, and why not else."""


def main() -> int:
    """Run the corners that are asked for; the exit status."""
    machines = [name for name, corner in MACHINES.items() if corner.variables or name == "plain"]
    parser = parser_of(CORNERS, RECORD, __doc__.partition("\n")[0])
    parser.add_argument("--machine", choices=machines, default="plain", help="a corner of matrix.py to run them in")
    arguments = parser.parse_args()
    failed = []
    for name in arguments.corners or [name for name in CORNERS if name not in WHEN_NAMED]:
        print(f"{name}: {CORNERS[name]} ...", flush=True)
        outcome = run_corner(name, MACHINES[arguments.machine].variables)
        versions = ", ".join(f"{library} {version}" for library, version in outcome["versions"].items())
        print(f"{name} ({versions}): {in_words(outcome)}", flush=True)
        failed += [name] if outcome["failed"] else []
        if arguments.record:
            record(outcome)
    print(f"failed in: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def locked() -> dict[str, str]:
    """Their versions in the lock, where torch stands apart."""
    text = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("requirements*.lock"))
    return {name: re.search(rf"^{name}==([^\s;\\]+)", text, re.MULTILINE)[1] for name in TRIED}


def lowest() -> dict[str, str]:
    """The lower bounds of their ranges."""
    return {
        name: next(part.version for part in requirement.specifier if part.operator == ">=")
        for name, requirement in tried().items()
    }


def wanted(name: str) -> list[str]:
    """What pip is asked for in one corner."""
    if name == "lowest":
        return [f"{library}=={version}" for library, version in lowest().items()]
    free = TRIED if name == "newest-torch" else TRIED[1:]
    return [str(tried()[library]) if library in free else f"{library}=={locked()[library]}" for library in TRIED]


def interpreter(name: str) -> Path:
    """The Python of one corner: an environment that sees .venv's packages behind its own.

    Raises:
        Unavailable: pip cannot install what the corner is about.
    """
    if name == "locked":
        return Path(sys.executable)
    folder = ROOT / ".venv-windows" / name
    python = folder / "bin" / "python"
    if not python.exists():
        subprocess.run([sys.executable, "-m", "venv", "--without-pip", folder], check=True)
        own = folder / "lib" / f"python{sysconfig.get_python_version()}" / "site-packages"
        behind = f"import site; site.addsitedir({sysconfig.get_path('purelib')!r})\n"
        (own / "locked.pth").write_text(behind, encoding="utf-8")
    pip = [sys.executable, "-m", "pip", "--python", python, "install", "--quiet", "--upgrade", *wanted(name)]
    done = subprocess.run(pip, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, encoding="utf-8")
    if done.returncode:
        raise Unavailable(f"pip cannot install {' '.join(wanted(name))}: {done.stderr.strip().splitlines()[-1]}")
    return python


def run_corner(name: str, variables: dict[str, str]) -> dict[str, Any]:
    """Run the library's fast tests in one corner; the outcome is its entry in the record.

    Args:
        name: one of `CORNERS`.
        variables: environment variables of the machine to run them as.
    """
    head = {"corner": name, "what": CORNERS[name], "versions": {}}
    try:
        python = interpreter(name)
    except Unavailable as reason:
        return head | NOT_RUN | {"not_run_because": str(reason)}
    head["versions"] = _versions(python)
    for library, version in head["versions"].items():
        if Version(version) not in tried()[library].specifier:
            raise SystemExit(f"{name}: {library} {version} is outside of {tried()[library]}")
    files = tuple(f"tests/test_{name}.py" for name in LIBRARY)
    return head | run_tests(Place(python=python), (*WORKERS, *files), variables)


def record(outcome: dict[str, Any]) -> None:
    """Put one outcome into the record; those of other corners stay, each with its own commit and date."""
    from ssmpeft_lib.plan.results import write_json
    from ssmpeft_lib.training.provenance import environment

    known = json.loads(RECORD.read_text(encoding="utf-8"))["corners"] if RECORD.exists() else []
    entries = {entry["corner"]: entry for entry in [*map(_left_out, WHEN_NAMED), *known, outcome]}
    write_json(
        RECORD,
        {
            "command": "python workflow/scripts/version_window.py --record",
            "made_by": environment(),
            "tests": f"those of the library: {', '.join(f'tests/test_{name}.py' for name in LIBRARY)}",
            "corners": [entries[name] for name in CORNERS if name in entries],
        },
    )


def _left_out(name: str) -> dict[str, Any]:
    return {
        "corner": name,
        "what": CORNERS[name],
        "versions": {},
        **NOT_RUN,
        "not_run_because": f"{WHEN_NAMED[name]}; `version_window.py {name} --record` runs it",
    }


def _versions(python: Path) -> dict[str, str]:
    code = f"import importlib.metadata as m, json; print(json.dumps({{n: m.version(n) for n in {TRIED}}}))"
    found = json.loads(subprocess.run([python, "-c", code], capture_output=True, encoding="utf-8", check=True).stdout)
    # a local version such as 2.13.0+cpu is a build of the same release
    return {name: version.partition("+")[0] for name, version in found.items()}


if __name__ == "__main__":
    sys.exit(main())
