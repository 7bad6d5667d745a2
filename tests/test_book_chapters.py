"""Chapters: notebooks that run whole or not at all, and their pages."""

from __future__ import annotations

import json
import re
from pathlib import Path
from types import SimpleNamespace

import jupytext
import pytest
import yaml
from fake_results import fake_results
from reference import REPOSITORY

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.adapters.method import build_method
from ssmpeft_lib.book.chapter_page import chapter_notebook
from ssmpeft_lib.book.documents import Book
from ssmpeft_lib.book.pages import make_pages
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.snakemake.book import BookRules
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


def test_a_chapter_on_how_something_is_done_shows_its_code(tmp_path):
    fake_results(tmp_path, ("table08",), seeds=1)
    (tmp_path / "chapters").mkdir()
    text = TEXT.replace("exhibits: [table08, table99]", "code: shown")
    jupytext.write(jupytext.reads(text, fmt="md:myst"), tmp_path / "chapters" / "use.ipynb")
    cells = chapter_notebook(Book("quick", tmp_path, REPOSITORY / "book"), "use")["cells"]
    assert [cell["metadata"].get("tags") for cell in cells] == [None, ["remove-input"], ["shown-code"]]


def test_the_chapter_on_use_runs_and_says_what_the_text_around_it_claims(tmp_path):
    target = tmp_path / "use.ipynb"
    assert main(["run-chapter", str(REPOSITORY / "notebooks" / "use.md"), "--output", str(target)]) == 0
    cells = [cell for cell in json.loads(target.read_text(encoding="utf-8"))["cells"] if cell["cell_type"] == "code"]
    outputs = [output for cell in cells for output in cell["outputs"]]
    assert [output for output in outputs if output.get("name") == "stderr"] == []
    said = "".join("".join(output.get("text", "")) for output in outputs)
    first, last = map(float, re.search(r"loss ([\d.]+) at the start, ([\d.]+) after", said).groups())
    assert last < first / 2
    assert "loaded the same: True\nmerged: MambaForCausalLM, " in said
    assert "left out: peft refuses LoRA on backbone.layers.0.mixer.out_proj" in said
    assert "peft: [PEFT" in said and said.count("healthy: True") == 2
    assert re.search(r"A_log: \d+ of 1024 entries", said)


def test_the_words_for_those_who_come_from_peft_are_methods_here():
    text = (REPOSITORY / "notebooks" / "use.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| .* \| (.*) \|$", text, re.M)[1:]
    strings = [word for row in rows for word in re.findall(r"`([a-z_]+[@,][^`\s]*)`", row)]
    assert len(strings) > 5
    for string in strings:
        build_method(string)


def test_an_edit_of_what_a_chapter_calls_makes_it_anew(monkeypatch):
    rules = BookRules(REPOSITORY)
    digests = {name: rules.code_of_chapter(SimpleNamespace(chapter=name)) for name in ("use", "theory")}
    storage = registry.PACKAGE / "adapters" / "storage.py"
    read = Path.read_bytes
    monkeypatch.setattr(Path, "read_bytes", lambda path: b"edited" if path == storage else read(path))
    assert rules.code_of_chapter(SimpleNamespace(chapter="use")) != digests["use"]
    assert rules.code_of_chapter(SimpleNamespace(chapter="theory")) == digests["theory"]
