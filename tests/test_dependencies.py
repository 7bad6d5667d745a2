"""What is imported is declared where it is needed, and nothing else; the wheel is whole and imports with just that."""

from __future__ import annotations

import ast
import os
import re
import runpy
import subprocess
import sys
import venv
import zipfile
from importlib.metadata import distribution, packages_distributions

import pytest
import yaml
from fake_results import fake_results
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name
from reference import REPOSITORY

from ssmpeft_lib.compare.errata import load_errata
from ssmpeft_lib.plan.results import write_json

LOCK = runpy.run_path(str(REPOSITORY / "workflow" / "scripts" / "lock.py"))
ROOMS = {
    "": "adapters checkup compat doctor generation layers methods mixers models ops peft plan".split(),
    "data": "data metrics miniature spider stand_ins training".split(),
    "run": "execute runs".split(),
    "book": "book compare drawing theory".split(),
}
"""For each extra, the folders of the library that need it; it contains those before it. `render` is for some commands
of the last: what they import is tried below."""

ANYWHERE = {
    "plan/snakemake": "book",
    "compat/snakemake.py": "book",
    "compat/jupyter.py": "run",
    "compat/jupyter_book.py": "book",
    "book/chromium.py": "pdf",
    "commands": "book",
}
"""Places within a room that need another extra. Commands import only what the one that is called needs."""

OPTIONAL = {"mamba_ssm", "causal_conv1d", "triton"}
"""Looked for, and done without where they are missing; torch's builds for GPUs bring triton."""

BY_NAME = {
    "axe-playwright-python": "imported by the test that finds it",
    "bitsandbytes": "transformers loads models in 4 and 8 bits with it",
    "lxml": "the parser that Beautiful Soup is told to use",
    "mambapy": "what transformers computes with in some lines of the benchmarks",
    "pytest-random-order": "a plugin of pytest",
    "pytest-xdist": "a plugin of pytest",
    "ruff": "a command",
    "snakefmt": "a command",
    "snakemake-executor-plugin-slurm": "Snakemake finds it by its name",
    "uv": "a command",
}
"""What is declared and imported nowhere, each with the reason."""


def extra_of(path: str) -> str | None:
    """The extra that a file of the library needs; None for those of the top, which import rooms when they are asked."""
    inside = path.removeprefix("ssmpeft_lib/")
    for place, extra in ANYWHERE.items():
        if inside.startswith(place):
            return extra
    return next((extra for extra, rooms in ROOMS.items() if inside.partition("/")[0] in rooms), None)


def third_party(path: str) -> set[str]:
    """Top-level modules that a file imports, beside the standard library's and its own."""
    names = set()
    for node in ast.walk(ast.parse((REPOSITORY / path).read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            names |= {alias.name.partition(".")[0] for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and not node.level:
            names.add(node.module.partition(".")[0])
    # `identity` lies beside client.py, a program that imports no package
    return names - sys.stdlib_module_names - {"ssmpeft_lib", "identity"}


def sources() -> list[str]:
    return sorted(path.relative_to(REPOSITORY).as_posix() for path in (REPOSITORY / "ssmpeft_lib").rglob("*.py"))


def declared(extra: str) -> set[str]:
    """Names of the distributions that pyproject.toml declares for an extra, with those that it contains."""
    return {canonicalize_name(Requirement(text).name) for text in LOCK["requirements"](extra)}


def test_every_file_lies_in_a_known_room():
    assert [path for path in sources() if path.count("/") > 1 and extra_of(path) is None] == []


def test_what_is_imported_is_declared_where_it_is_needed():
    owners = packages_distributions()
    missing = {}
    for path in sources():
        known = declared(extra_of(path) or "")
        for module in third_party(path) - OPTIONAL:
            if not {canonicalize_name(name) for name in owners.get(module, [module])} & known:
                missing[path, module] = extra_of(path)
    assert missing == {}


def test_what_is_declared_is_imported():
    owners = packages_distributions()
    modules = set().union(*(third_party(path) for path in sources()))
    for folder in ("tests", "benchmarks", "workflow/scripts", "book/_ext"):
        for path in (REPOSITORY / folder).rglob("*.py"):
            modules |= third_party(path.relative_to(REPOSITORY).as_posix())
    used = {canonicalize_name(name) for module in modules for name in owners.get(module, [module])}
    everything = declared("dev") | declared("gpu")
    assert everything - used - {canonicalize_name(module) for module in modules} == BY_NAME.keys()


def test_pip_finds_nothing_missing():
    done = subprocess.run([sys.executable, "-m", "pip", "check"], capture_output=True, encoding="utf-8")
    assert done.returncode == 0, done.stdout


def test_actions_are_pinned_by_commit_and_may_read_alone_but_for_publishing():
    for path in sorted((REPOSITORY / ".github" / "workflows").glob("*.yml")):
        text = path.read_text(encoding="utf-8")
        assert re.findall(r"uses: (?!\S+@[0-9a-f]{40} # v)\S+", text) == [], path
        assert yaml.safe_load(text)["permissions"] == {"contents": "read"}, path


@pytest.fixture(scope="module")
def wheel(tmp_path_factory):
    folder = tmp_path_factory.mktemp("wheel")
    clone = folder / "clone"
    files = subprocess.run(["git", "ls-files", "-z"], cwd=REPOSITORY, capture_output=True, check=True).stdout
    for name in filter(None, files.decode("utf-8").split("\0")):
        if (REPOSITORY / name).is_file() and (name.startswith("ssmpeft_lib/") or "/" not in name):
            (clone / name).parent.mkdir(parents=True, exist_ok=True)
            (clone / name).write_bytes((REPOSITORY / name).read_bytes())
    build = ["pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "--wheel-dir", str(folder), str(clone)]
    subprocess.run([sys.executable, "-m", *build], check=True)
    return next(folder.glob("*.whl"))


@pytest.mark.slow
def test_the_wheel_has_every_file_of_the_library(wheel):
    done = subprocess.run(["git", "ls-files", "ssmpeft_lib"], cwd=REPOSITORY, stdout=subprocess.PIPE, encoding="utf-8")
    tracked = {name for name in done.stdout.splitlines() if (REPOSITORY / name).is_file()}
    assert tracked - set(zipfile.ZipFile(wheel).namelist()) == set()


@pytest.fixture(scope="module")
def installed(wheel, tmp_path_factory):
    """Makes an environment with the wheel and what an extra declares, as linked from here, and nothing else."""

    def make(extra):
        folder = tmp_path_factory.mktemp(f"env-{extra or 'core'}")
        venv.create(folder, with_pip=False)
        packages = next(folder.glob("lib/python*/site-packages"))
        for name in LOCK["closure"](LOCK["requirements"](extra)):
            for file in distribution(name).files or []:
                target = packages / file
                if ".." not in file.parts and "__pycache__" not in file.parts:
                    target.parent.mkdir(parents=True, exist_ok=True)
                    os.symlink(file.locate(), target)
        zipfile.ZipFile(wheel).extractall(packages)
        return folder / "bin" / "python"

    return make


def run(python, *arguments, cwd):
    environment = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    return subprocess.run(
        [str(python), *arguments], cwd=cwd, env=environment, capture_output=True, encoding="utf-8", errors="replace"
    )


@pytest.mark.slow
@pytest.mark.parametrize("extra", ROOMS)
def test_the_wheel_imports_with_what_is_declared(installed, tmp_path, extra):
    # server.py and client.py of the fork server are programs, `loadable` is for Hugging Face's evaluate
    modules = [
        re.sub(r"/__init__$", "", path.removesuffix(".py")).replace("/", ".")
        for path in sources()
        if extra_of(path) == extra and not third_party(path) & OPTIONAL
        if not any(folder in path for folder in ("/commands/", "/forkserver/", "/loadable/"))
    ]
    code = f"import importlib\nfor name in {modules!r}: importlib.import_module(name)"
    python = installed(extra)
    done = run(python, "-c", code, cwd=tmp_path)
    assert done.returncode == 0, done.stderr[-2000:]
    assert run(python, "-m", "ssmpeft_lib", "--help", cwd=tmp_path).returncode == 0
    # what needs the repository, or another extra, says so
    done = run(python, "-m", "ssmpeft_lib", "plan", cwd=tmp_path)
    assert done.returncode == 1 and "Traceback" not in done.stderr
    assert "clone the repository" in done.stderr or "pip install" in done.stderr, done.stderr


@pytest.mark.slow
def test_what_makes_pages_runs_without_torch(installed, tmp_path):
    """The commands of the rules whose conda environment is that of the book."""
    fake_results(tmp_path, ("table18",), seeds=1)
    needed = [(count["model"], count["method"]) for erratum in load_errata() for count in erratum.counts]
    shares = {model: {method: {"problem": "no torch"} for _, method in needed} for model, _ in needed}
    write_json(tmp_path / "shares.json", shares)
    spec, source = "workflow/exhibits/table18.yaml", tmp_path / "quick" / "book" / "_toc.yml"
    places = ["--shares", tmp_path / "shares.json", "--results", tmp_path]
    commands = {
        "errata": [*places[:2], "--output", tmp_path / "errata.json"],
        "exhibit": [spec, "--scale", "quick", "--seeds", 1, *places, "--output", tmp_path / "table18.json"],
        "make-pages": ["--scale", "quick", "--results", tmp_path, "--output", source],
        "make-html": ["--pages", source, "--output", tmp_path / "html" / "index.html"],
        "make-pdf": ["--help"],
        "unpack": ["recorded/original-files.tar.gz", "--results", tmp_path / "unpacked"],
    }
    rules = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"))
    of_the_book = [rule for rule in re.split(r"^rule ", rules, flags=re.M) if "envs/book.yml" in rule]
    assert {name for rule in of_the_book for name in re.findall(r"ssmpeft ([a-z-]+)", rule)} == commands.keys()
    python = installed("render")
    assert run(python, "-c", "import torch", cwd=tmp_path).returncode != 0
    for name, arguments in commands.items():
        done = run(python, "-m", "ssmpeft_lib", name, *map(str, arguments), cwd=REPOSITORY)
        assert done.returncode == 0, (name, done.stderr[-2000:])
    assert (tmp_path / "html" / "exhibits" / "table18.html").exists()
