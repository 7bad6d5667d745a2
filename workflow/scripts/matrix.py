"""Run the fast tests as other machines would: other processors, threads, locales, users, folders, Pythons, orders.

    .venv/bin/python workflow/scripts/matrix.py                      every corner
    .venv/bin/python workflow/scripts/matrix.py openblas-haswell     those that are named; --help lists them
    .venv/bin/python workflow/scripts/matrix.py --record             the outcomes go into recorded/matrix.json

The fast tests are those without the mark `slow`. A corner whose conditions cannot be had here is skipped, and the
record says why. The exit status is 1 if a test failed in any corner.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

ROOT = Path(__file__).resolve().parent.parent.parent
RECORD = ROOT / "recorded" / "matrix.json"
FAST = ("-m", "not slow")
WORKERS = ("-n", "auto", "--dist", "loadfile", "--no-loadscope-reorder")
NUMPY_VECTORS = "AVX512_SPR AVX512_ICL AVX512_SKX AVX512F AVX2 FMA3"


class Unavailable(Exception):
    """A corner cannot be run here; the message says why and what would help."""


@dataclass(frozen=True)
class Place:
    """Where and how pytest is started.

    Attributes:
        folder: the checkout that is tested.
        python: the interpreter, with the library's dependencies.
        prefix: a command in front of it.
        environment: variables besides those of this process.
    """

    folder: Path = ROOT
    python: Path = Path(sys.executable)
    prefix: tuple[str, ...] = ()
    environment: dict[str, str] = field(default_factory=dict)


@dataclass(frozen=True)
class Corner:
    """One way in which a machine may differ.

    Attributes:
        what: a phrase for the page.
        variables: environment variables that make it so.
        options: pytest's, in place of `WORKERS`.
        place: makes what variables cannot: another folder, user or interpreter.
    """

    what: str
    variables: dict[str, str] = field(default_factory=dict)
    options: tuple[str, ...] = WORKERS
    place: Callable[[], Any] = lambda: nullcontext(Place())


@contextmanager
def turkish() -> Iterator[Place]:
    """A locale whose i has a dot as a capital, too."""
    known = subprocess.run(["locale", "-a"], capture_output=True, encoding="utf-8", errors="replace").stdout.lower()
    if "tr_tr.utf8" not in known.replace("-", ""):
        raise Unavailable("the locale is not on this machine; `localedef -i tr_TR -f UTF-8 tr_TR.UTF-8` makes it")
    yield Place()


@contextmanager
def odd_path() -> Iterator[Place]:
    """A clone in a folder with spaces, an apostrophe and umlauts."""
    with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
        yield Place(folder=_clone(Path(folder) / "Müller's own copy"))


@contextmanager
def another_user() -> Iterator[Place]:
    """A user who owns nothing but a clone and a home; only root can become one."""
    if os.geteuid() != 0:
        raise Unavailable("this is a user that is not root already: every other corner is this one")
    if not shutil.which("setpriv"):
        raise Unavailable("setpriv (util-linux) is not on this machine")
    uid = "65534"
    prefix = ("setpriv", f"--reuid={uid}", f"--regid={uid}", "--clear-groups")
    if subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True).returncode:
        # the interpreter lies in a folder of root's own: a user who may read everything, and write nothing else
        prefix = (*prefix, "--inh-caps=+dac_read_search", "--ambient-caps=+dac_read_search")
    if subprocess.run([*prefix, sys.executable, "-c", ""], capture_output=True).returncode:
        raise Unavailable(f"a user that is not root may not read {sys.executable}; use a Python below /usr or /opt")
    with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
        clone, home = _clone(Path(folder) / "clone"), Path(folder) / "home"
        home.mkdir()
        subprocess.run(["chown", "-R", f"{uid}:{uid}", folder], check=True)
        yield Place(folder=clone, prefix=prefix, environment={"HOME": str(home), "USER": "nobody", "TMPDIR": str(home)})


def python(version: str) -> Callable[[], Any]:
    """Another Python, in an environment of its own that is kept in .venv-VERSION."""

    @contextmanager
    def place() -> Iterator[Place]:
        environment = ROOT / f".venv-{version}"
        if not (environment / "bin" / "python").exists():
            interpreter = shutil.which(f"python{version}")
            # a version manager puts a name on the PATH for versions that are not active, too
            if not interpreter or subprocess.run([interpreter, "-c", ""], capture_output=True).returncode:
                raise Unavailable(f"no python{version} on the PATH runs, and {environment.name} does not exist")
            subprocess.run([interpreter, "-m", "venv", environment], check=True)
            pip = [environment / "bin" / "python", "-m", "pip", "install", "--quiet"]
            for options in (
                ("--require-hashes", "--no-deps", "-r", "requirements.lock"),
                ("-r", "requirements-torch.lock"),
                ("--no-deps", "--no-build-isolation", "-e", "."),
            ):
                subprocess.run([*pip, *options], cwd=ROOT, check=True)
        yield Place(python=environment / "bin" / "python")

    return place


CORNERS = {
    "plain": Corner("As this machine is"),
    "aten-default": Corner("torch and the C++ kernels without vector instructions", {"ATEN_CPU_CAPABILITY": "default"}),
    "aten-avx2": Corner("torch and the C++ kernels with AVX2", {"ATEN_CPU_CAPABILITY": "avx2"}),
    "openblas-haswell": Corner("NumPy's OpenBLAS with its kernels for Haswell", {"OPENBLAS_CORETYPE": "Haswell"}),
    "openblas-skylakex": Corner("NumPy's OpenBLAS with its kernels for Skylake-X", {"OPENBLAS_CORETYPE": "SkylakeX"}),
    "old-processor": Corner(
        "torch, oneDNN, MKL, NumPy, OpenBLAS and the C++ kernels as on a processor with SSE4.2",
        {
            "ATEN_CPU_CAPABILITY": "default",
            "MKL_ENABLE_INSTRUCTIONS": "SSE4_2",
            "ONEDNN_MAX_CPU_ISA": "SSE41",
            "OPENBLAS_CORETYPE": "Nehalem",
            "NPY_DISABLE_CPU_FEATURES": NUMPY_VECTORS,
        },
    ),
    "threads-2": Corner("2 threads", {"OMP_NUM_THREADS": "2"}),
    "threads-4": Corner("4 threads", {"OMP_NUM_THREADS": "4"}),
    "locale-c": Corner("A locale that is not UTF-8", {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}),
    "locale-turkish": Corner("The locale tr_TR.UTF-8", {"LC_ALL": "tr_TR.UTF-8"}, place=turkish),
    "ascii-output": Corner("Commands that can print ASCII alone", {"PYTHONIOENCODING": "ascii"}),
    "time-zone": Corner("Another time zone, Asia/Kathmandu", {"TZ": "Asia/Kathmandu"}),
    "another-user": Corner("A user that is not root", place=another_user),
    "odd-path": Corner("A folder with spaces, an apostrophe and umlauts in its name", place=odd_path),
    "random-order": Corner(
        "The tests in a random order, in one process",
        options=("-p", "no:xdist", "--random-order", "--random-order-seed=20261128"),
    ),
    "python-3.12": Corner("Python 3.12", place=python("3.12")),
    "python-3.13": Corner("Python 3.13", place=python("3.13")),
}


def main() -> int:
    """Run the corners that are asked for; the exit status."""
    about = "Run the fast tests (pytest -m 'not slow') as other machines would run them."
    arguments = parser_of({name: corner.what for name, corner in CORNERS.items()}, RECORD, about).parse_args()
    outcomes = {}
    for name in arguments.corners or CORNERS:
        print(f"{name}: {CORNERS[name].what} ...", flush=True)
        outcomes[name] = outcome = run_corner(name)
        print(f"{name}: {in_words(outcome)}", flush=True)
        if arguments.record:
            record(outcome)
    failed = [name for name, outcome in outcomes.items() if outcome["failed"]]
    print(f"{len(outcomes)} corners, failed in: {', '.join(failed) or 'none'}")
    return 1 if failed else 0


def run_corner(name: str) -> dict[str, Any]:
    """Run the fast tests in one corner; the outcome is its entry in the record."""
    corner = CORNERS[name]
    head = {"corner": name, "what": corner.what}
    try:
        with corner.place() as place:
            return head | run_tests(place, corner.options, corner.variables)
    except Unavailable as reason:
        return head | NOT_RUN | {"not_run_because": str(reason)}


NOT_RUN = {"passed": None, "failed": None, "skipped": None, "seconds": None, "skips": {}, "failures": []}


def run_tests(place: Place, options: tuple[str, ...], variables: dict[str, str]) -> dict[str, Any]:
    """Run the fast tests in one place: counts, seconds, reasons of skips, and what failed; its output is on stderr."""
    from ssmpeft_lib.training.provenance import commit

    with tempfile.TemporaryDirectory(prefix="matrix-") as folder:
        os.chmod(folder, 0o777)
        report = Path(folder) / "report.xml"
        command = [*place.prefix, place.python, "-m", "pytest", "-q", *FAST, *options, f"--junitxml={report}"]
        environment = {**os.environ, "PYTHONPATH": str(place.folder), **place.environment, **variables}
        # a reference folder beside the checkout is beside no clone of it
        environment.setdefault("SSMPEFT_SHARED", str(ROOT.parent / "shared"))
        start = time.monotonic()
        done = subprocess.run(
            [*map(str, command), "-p", "no:cacheprovider"],
            cwd=place.folder,
            env=environment,
            capture_output=True,
            encoding="utf-8",
            errors="replace",
        )
        seconds, today = round(time.monotonic() - start, 1), time.strftime("%Y-%m-%d", time.gmtime())
        if done.returncode not in (0, 1) or not report.exists():
            sys.stderr.write(f"{done.stdout[-3000:]}\n{done.stderr[-3000:]}\n")
            ended = {"passed": 0, "failed": 1, "skipped": 0, "failures": [f"pytest ended with {done.returncode}"]}
            return NOT_RUN | ended | {"seconds": seconds, **commit(), "date": today, "not_run_because": None}
        if done.returncode:
            sys.stderr.write(done.stdout[-20000:])
        made = {"seconds": seconds, **commit(), "date": today}
        return NOT_RUN | counts(report) | made | {"not_run_because": None}


def counts(report: Path) -> dict[str, Any]:
    """Numbers of a JUnit report: passed, failed (errors too) and skipped tests, and each reason with its number."""
    passed, failures, skips = 0, [], Counter()
    for case in ElementTree.parse(report).iter("testcase"):  # noqa: S314 - our own pytest wrote it
        outcome = {child.tag: child for child in case}
        if "skipped" in outcome:
            reason = outcome["skipped"].get("message", "")
            # which file of it, and where it was looked for, says nothing on another machine
            skips["reference material is not there" if reason.startswith("reference material ") else reason] += 1
        elif {"failure", "error"} & outcome.keys():
            failures.append(f"{case.get('classname')}::{case.get('name')}")
        else:
            passed += 1
    return {
        "passed": passed,
        "failed": len(failures),
        "skipped": skips.total(),
        "skips": dict(skips.most_common()),
        "failures": sorted(failures),
    }


def record(outcome: dict[str, Any]) -> None:
    """Put one outcome into the record; those of other corners stay, each with its own commit and date."""
    from ssmpeft_lib.plan.results import write_json
    from ssmpeft_lib.training.provenance import environment

    known = json.loads(RECORD.read_text(encoding="utf-8"))["corners"] if RECORD.exists() else []
    entries = {entry["corner"]: entry for entry in known} | {outcome["corner"]: outcome}
    write_json(
        RECORD,
        {
            "command": "python workflow/scripts/matrix.py --record",
            "made_by": environment(),
            "tests": 'the fast ones: pytest -m "not slow"',
            "corners": [entries[name] for name in CORNERS if name in entries],
        },
    )


def _clone(folder: Path) -> Path:
    """What is committed, and what is not yet, in a folder of its own."""
    subprocess.run(["git", "clone", "--quiet", "--no-hardlinks", ROOT, folder], check=True)
    changes = subprocess.run(["git", "diff", "HEAD", "--binary"], cwd=ROOT, capture_output=True, check=True).stdout
    if changes:
        subprocess.run(["git", "apply"], cwd=folder, input=changes, check=True)
    return folder


def in_words(outcome: dict[str, Any]) -> str:
    """Describe one outcome in a line, with a line for each test that failed."""
    if outcome["not_run_because"]:
        return f"not run: {outcome['not_run_because']}"
    text = "{passed} passed, {failed} failed, {skipped} skipped in {seconds:.0f} s".format(**outcome)
    return "\n  ".join([text, *outcome["failures"]])


def parser_of(corners: dict[str, str], recorded: Path, description: str) -> argparse.ArgumentParser:
    """Return a parser of corners' names and --record; its help lists the corners (name to phrase)."""

    def known(name: str) -> str:
        if name not in corners:
            raise argparse.ArgumentTypeError(f"there is no {name} (have: {', '.join(corners)})")
        return name

    parser = argparse.ArgumentParser(
        description=description,
        epilog="corners:\n" + "\n".join(f"  {name:18} {what}" for name, what in corners.items()),
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("corners", nargs="*", metavar="CORNER", type=known, help="default: all that are cheap to have")
    parser.add_argument("--record", action="store_true", help=f"write the outcomes into {recorded.relative_to(ROOT)}")
    return parser


if __name__ == "__main__":
    sys.exit(main())
