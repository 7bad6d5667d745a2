"""Building the pages: a warning is an error, and a book that is there stays whole."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from ssmpeft_lib.book.jupyter_book import BookError, make_html

pytestmark = pytest.mark.slow

CONFIG = """
title: Small
author: ""
copyright: ""
only_build_toc_files: false
html: {use_multitoc_numbering: false}
execute: {execute_notebooks: "off"}
"""


@pytest.fixture
def source(tmp_path):
    pytest.importorskip("jupyter_book", reason="Jupyter Book is not installed")
    folder = tmp_path / "book"
    folder.mkdir()
    (folder / "_config.yml").write_text(CONFIG, encoding="utf-8")
    (folder / "_toc.yml").write_text("format: jb-book\nroot: index\n", encoding="utf-8")
    (folder / "index.md").write_text("# Small\n\nOne page.\n", encoding="utf-8")
    return folder


def test_a_warning_is_an_error_and_leaves_the_old_book(source, tmp_path):
    target = tmp_path / "html"
    make_html(source, target)
    (source / "index.md").write_text("# Small\n\n[nowhere](nowhere.md)\n", encoding="utf-8")
    with pytest.raises(BookError, match=r"index\.md.*nowhere"):
        make_html(source, target)
    assert "One page." in (target / "index.html").read_text(encoding="utf-8")
    (source / "index.md").write_text("# Small\n\nAnother page.\n", encoding="utf-8")
    make_html(source, target)
    assert "Another page." in (target / "index.html").read_text(encoding="utf-8")
    assert {path.name for path in tmp_path.iterdir()} == {"book", "html", ".jupyter-book"}


def test_where_jupyter_books_function_is_another_its_command_builds_the_same(source, tmp_path, monkeypatch):
    from jupyter_book import sphinx

    make_html(source, tmp_path / "html")
    monkeypatch.setattr(sphinx, "build_sphinx", lambda source, target: 1)
    with pytest.warns(UserWarning, match=r"jupyter-book [\d.post]+: jupyter_book.sphinx.build_sphinx is not what"):
        make_html(source, tmp_path / "again")
    pages = [(tmp_path / name / "index.html").read_text(encoding="utf-8") for name in ("html", "again")]
    articles = [re.search("<article.*?</article>", page, re.S)[0] for page in pages]
    assert "One page." in articles[0] and articles[0] == articles[1]
    (source / "index.md").write_text("# Small\n\n[nowhere](nowhere.md)\n", encoding="utf-8")
    with pytest.warns(UserWarning), pytest.raises(BookError, match=r"index\.md.*nowhere"):
        make_html(source, tmp_path / "again")


def test_changed_style_sheet_arrives_without_a_changed_page(source, tmp_path):
    (source / "_static").mkdir()
    for colour in ("red", "blue"):
        (source / "_static" / "book.css").write_text(f"p {{ color: {colour} }}", encoding="utf-8")
        make_html(source, tmp_path / "html")
        assert colour in (tmp_path / "html" / "_static" / "book.css").read_text(encoding="utf-8")


def test_what_is_gone_from_the_source_is_gone_from_the_book(source, tmp_path):
    with open(source / "_config.yml", "a", encoding="utf-8") as file:
        file.write("sphinx: {config: {html_extra_path: [_files], exclude_patterns: [_files]}}\n")
    toc = "format: jb-book\nroot: index\nchapters: [{file: runs/own}]\n"
    (source / "_toc.yml").write_text(toc, encoding="utf-8")
    for name, text in {"runs/own.md": "# Own\n\nMine.\n", "_files/runs/own.csv": "a,b", "_files/kept.csv": "c"}.items():
        (source / name).parent.mkdir(parents=True, exist_ok=True)
        (source / name).write_text(text, encoding="utf-8")
    html = make_html(source, tmp_path / "html").parent
    (read,) = (tmp_path / ".jupyter-book").rglob("own.doctree")
    first = read.stat().st_mtime_ns
    assert (html / "runs" / "own.csv").exists()
    (source / "index.md").write_text("# Small\n\nAnother page.\n", encoding="utf-8")
    make_html(source, tmp_path / "html")
    assert read.stat().st_mtime_ns == first, "pages that did not change are not read again"
    (source / "runs" / "own.md").unlink()
    (source / "_files" / "runs" / "own.csv").unlink()
    (source / "_toc.yml").write_text("format: jb-book\nroot: index\n", encoding="utf-8")
    html = make_html(source, tmp_path / "html").parent
    assert not list(html.rglob("own*")) and "Mine" not in (html / "searchindex.js").read_text(encoding="utf-8")
    assert (html / "kept.csv").exists()


def test_pages_name_nothing_that_lies_elsewhere(book):
    loads = re.compile(
        r"""(?:src|data-src|poster)="(https?:[^"]+)"|<link [^>]*href="(https?:[^"]+)"|url\((https?:[^)]+)\)"""
    )
    for path in [*book.rglob("*.html"), book / "_static" / "book.css"]:
        assert not loads.search(path.read_text(encoding="utf-8")), path


def test_equations_are_mathml(book):
    text = (book / "ssm.html").read_text(encoding="utf-8")
    assert text.count("<math") > 10
    assert "MathJax" not in text and "\\[" not in text


def test_fonts_are_there_with_their_licences(book):
    named = re.findall(r'url\("fonts/([^"]+)"\)', (book / "_static" / "book.css").read_text(encoding="utf-8"))
    folder = book / "_static" / "fonts"
    assert named and all((folder / name).exists() for name in named)
    assert list(Path(folder).glob("*LICEN[CS]E*"))
