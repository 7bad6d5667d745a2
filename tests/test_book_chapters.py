"""Chapters: notebooks that run whole or not at all, and their pages."""

from __future__ import annotations

import json
from pathlib import Path

import jupytext
import pytest
import yaml
from fake_results import fake_results
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.book.chapter_page import chapter_notebook
from ssmpeft_lib.book.documents import Book
from ssmpeft_lib.book.pages import make_pages
from ssmpeft_lib.plan.snakemake.workflow import Workflow

pytestmark = pytest.mark.slow

TEXT = """---
exhibits: [table08, table99]
---
# A chapter

First words.

```{code-cell} ipython3
:tags: [remove-input]
1 + 1
```

```{code-cell} ipython3
print("shown")
```
"""


@pytest.fixture(scope="module")
def results(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("results")
    fake_results(folder, ("table08",), seeds=1)
    (folder / "chapters").mkdir()
    jupytext.write(jupytext.reads(TEXT, fmt="md:myst"), folder / "chapters" / "theory.ipynb")
    return folder


def test_chapter_links_to_the_exhibits_that_this_book_has(results):
    first = chapter_notebook(Book("quick", results, REPOSITORY / "book"), "theory")["cells"][0]["source"]
    assert first.startswith("# A chapter\n") and first.rstrip().endswith("First words.")
    assert 'href="exhibits/table08.html"' in first and "table99" not in first


def test_code_is_folded_or_removed(results):
    cells = chapter_notebook(Book("quick", results, REPOSITORY / "book"), "theory")["cells"]
    assert [cell["metadata"].get("tags") for cell in cells] == [None, ["remove-input"], ["hide-input"]]


def test_exhibit_links_back_and_contents_have_the_chapters_that_are_there(results):
    source = make_pages("quick", results, REPOSITORY / "book", results / "quick" / "book" / "_toc.yml")
    assert '<a href="../theory.html">A chapter</a>' in (source / "exhibits" / "table08.md").read_text(encoding="utf-8")
    parts = yaml.safe_load((source / "_toc.yml").read_text(encoding="utf-8"))["parts"]
    files = [chapter["file"] for part in parts for chapter in part["chapters"]]
    assert "theory" in files and "regression" not in files
    assert json.loads((source / "theory.ipynb").read_text(encoding="utf-8"))["nbformat"] == 4


def test_every_notebook_but_the_cells_is_a_chapter_and_in_the_contents():
    names = {
        Path(path).stem
        for path in Workflow(
            yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")), REPOSITORY
        ).book.chapters
    }
    contents = (REPOSITORY / "book" / "_toc.yml").read_text(encoding="utf-8")
    assert names and "cell" not in names and all(f"glob: {name}\n" in contents for name in names)


def test_failing_cell_ends_the_command_and_leaves_no_chapter(tmp_path, capsys):
    pytest.importorskip("papermill")
    notebook = tmp_path / "broken.md"
    notebook.write_text(TEXT + "\n```{code-cell} ipython3\n1 / 0\n```\n", encoding="utf-8")
    assert main(["run-chapter", str(notebook), "--output", str(tmp_path / "out" / "broken.ipynb")]) == 1
    assert "ZeroDivisionError" in capsys.readouterr().err
    assert not (tmp_path / "out" / "broken.ipynb").exists()
