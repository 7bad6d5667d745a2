"""Which code a result was made by: what an edit makes old, what is said of it, and what runs such results again."""

from __future__ import annotations

import re
import subprocess
import sys

import pytest
from fake_results import fake_results
from small_book import snakemake

from ssmpeft_lib.book.documents import Book
from ssmpeft_lib.book.pieces import ran
from ssmpeft_lib.plan import code, registry
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.reading import read_json
from ssmpeft_lib.plan.results import write_json
from ssmpeft_lib.training import provenance

LORA = Cell("quick", "mamba-130m", "lora@out_proj", "dart", 0)
SDLORA = Cell("quick", "mamba-130m", "sdlora", "dart", 0)


@pytest.fixture
def edited(monkeypatch):
    """A function that gives a file of the library another content, as far as digests see."""

    def edit(name: str) -> None:
        sources = dict(code._sources())
        assert registry.PACKAGE / name in sources or name.startswith(code.WITHOUT_NUMBERS)
        sources |= {path: "edited" for path in sources if path == registry.PACKAGE / name}
        monkeypatch.setattr(code, "_sources", lambda: sources)
        forget()

    def forget() -> None:
        code._digests_for.cache_clear()
        code.library_digest.cache_clear()

    yield edit
    forget()


@pytest.mark.parametrize(
    "cell, name, changed",
    [
        (LORA, "methods/lora.py", {"own", "cell", "library"}),
        (LORA, "data/dart.py", {"own", "cell", "library"}),
        (LORA, "models/mamba.py", {"own", "cell", "library"}),
        (LORA, "methods/sdt.py", {"library"}),
        (LORA, "data/glue.py", {"library"}),
        (LORA, "models/jamba.py", {"library"}),
        (LORA, "training/loop.py", {"cell", "library"}),
        (LORA, "mixers/s6.py", {"cell", "library"}),
        (LORA, "metrics/bleu.py", {"cell", "library"}),
        (LORA, "ops/_cpp/scan.cpp", {"cell", "library"}),
        (LORA, "book/pages.py", set()),
        (LORA, "commands/plan.py", set()),
        # its own file imports both
        (SDLORA, "methods/lora.py", {"own", "cell", "library"}),
        (SDLORA, "methods/sdt.py", {"own", "cell", "library"}),
    ],
)
def test_an_edit_makes_results_old_as_far_as_the_code_reaches(edited, cell, name, changed):
    before = code.digests(cell)
    edited(name)
    after = code.digests(cell)
    assert {reach for reach in code.REACHES if after[reach] != before[reach]} == changed
    results = {cell: {"made_by": {"code": before}}}
    assert {reach for reach in code.REACHES if code.of_other_code(results, reach)} == changed


def test_folders_that_make_no_numbers_are_there():
    assert all((registry.PACKAGE / name).is_dir() for name in code.WITHOUT_NUMBERS)


def test_a_result_that_does_not_say_is_of_other_code_and_what_is_not_there_is_of_none():
    assert code.of_other_code({LORA: {"made_by": {}}, SDLORA: None}, "cell") == [LORA]


@pytest.fixture
def results(tmp_path):
    """Results of a small table that are of this code but for one."""
    fake_results(tmp_path / "results", ("table18",), seeds=1)
    paths = sorted(tmp_path.glob("results/quick/cells/*/*/*/*/metrics.json"))
    for path in paths:
        metrics = read_json(path)
        metrics["made_by"]["code"] = code.digests(Cell.parse(metrics["cell"]))
        write_json(path, metrics)
    metrics["made_by"]["code"]["cell"] = "another"
    write_json(paths[-1], metrics)
    return tmp_path, paths


def test_the_page_says_which(results):
    folder, paths = results
    book = Book("quick", folder / "results", registry.PACKAGE.parent / "book")
    said = ran.myst(book, "what-ran")
    assert f"1 of {len(paths)} results were made by other code" in said and "other_code=rerun" in said
    book = Book("quick", folder / "results", registry.PACKAGE.parent / "book", code_reach="own")
    assert "made by other code than that" not in ran.myst(book, "what-ran")


@pytest.mark.slow
def test_the_console_says_how_many_and_one_setting_runs_them_again(results):
    folder, paths = results
    dry = ["-n", "--cores", "1", "--quiet", "all", "--", "cells"]
    kept = snakemake(folder, *dry)
    assert kept.returncode == 0, kept.stdout
    assert "1 of the results that are there were made by other code than this" in kept.stdout
    assert str(paths[-1].relative_to(folder)) in kept.stdout and "--config other_code=rerun" in kept.stdout
    assert "other code" not in snakemake(folder, *dry, code_reach="own").stdout
    again = snakemake(folder, "-n", "--cores", "1", "--quiet", "progress", "--", "cells", other_code="rerun")
    assert again.returncode == 0, again.stdout
    assert "other code" not in again.stdout
    # the others only because what they are made from was never there
    jobs = [job for job in again.stdout.split("rule cell:")[1:] if "Forced execution" in job.split("rule ")[0]]
    assert [re.search(r"output: (\S+),", job)[1] for job in jobs] == [str(paths[-1].relative_to(folder))]


def commit_all(folder):
    for arguments in (["init", "--quiet"], ["add", "."], ["commit", "--quiet", "--message", "first"]):
        identity = ["-c", "user.name=a", "-c", "user.email=a@b"]
        subprocess.run(["git", *identity, *arguments], cwd=folder, check=True)


@pytest.mark.parametrize(
    "name, counts",
    [
        ("ssmpeft_lib/methods/own.py", True),
        ("ssmpeft_lib/methods/ö w\n.py", True),
        ("ssmpeft_lib/__init__.py", True),
        ("notebooks/cell.md", True),
        ("README.md", True),
        ("notes.txt", False),
        ("ssmpeft_lib/left.pyc", False),
    ],
)
def test_a_result_says_which_files_are_not_those_of_its_commit(tmp_path, monkeypatch, name, counts):
    if sys.getfilesystemencoding() != "utf-8" and not name.isascii():
        pytest.skip("the names of files are not UTF-8 in this locale")
    for known in ("ssmpeft_lib/__init__.py", "ssmpeft_lib/methods/lora.py", "README.md"):
        (tmp_path / known).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / known).write_text("known", encoding="utf-8")
    (tmp_path / ".gitignore").write_text("*.pyc\n", encoding="utf-8")
    commit_all(tmp_path)
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "ssmpeft_lib")
    look = provenance.commit.__wrapped__
    assert look()["dirty"] is False and "changed_files" not in look()
    (tmp_path / name).parent.mkdir(exist_ok=True)
    (tmp_path / name).write_text("own", encoding="utf-8")
    assert look()["dirty"] is counts
    assert look().get("changed_files", []) == ([name] if counts else [])


def test_a_library_inside_another_repository_is_not_at_its_commit(tmp_path, monkeypatch):
    (tmp_path / "theirs.py").write_text("theirs", encoding="utf-8")
    commit_all(tmp_path)
    (tmp_path / "ssmpeft_lib").mkdir()
    (tmp_path / "ssmpeft_lib" / "__init__.py").write_text("", encoding="utf-8")
    monkeypatch.setattr(provenance, "PACKAGE", tmp_path / "ssmpeft_lib")
    assert provenance.commit.__wrapped__() == {}
