"""The theory chapter: every cell runs, cells are short, figures are drawn in the page's colours."""

from __future__ import annotations

import json
import re
from xml.etree import ElementTree

import jupytext
import numpy as np
import pytest
from reference import REPOSITORY

from ssmpeft_lib.book.theory import page, plots, slider
from ssmpeft_lib.theory import verdicts
from ssmpeft_lib.theory.errata import errata
from ssmpeft_lib.theory.systems import System

NOTEBOOKS = [REPOSITORY / "notebooks" / f"{name}.md" for name in ("theory", "regression", "practice")]


def code_cells(path):
    return [cell for cell in jupytext.read(path).cells if cell.cell_type == "code"]


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_every_cell_runs(path):
    namespace = {}
    for cell in code_cells(path):
        exec(compile(cell.source, f"{path.name}: {cell.source[:40]}", "exec"), namespace)


@pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)
def test_cells_are_short_and_define_nothing(path):
    for cell in code_cells(path):
        assert len(cell.source.splitlines()) <= 10, cell.source
        assert not re.search(r"^\s*(def|class) ", cell.source, re.M), cell.source


def test_every_erratum_is_in_the_chapter():
    shown = set(re.findall(r'page\.errata_of\("(.+?)"\)', NOTEBOOKS[0].read_text(encoding="utf-8")))
    assert shown == {entry.statement for entry in errata()}


@pytest.mark.parametrize("draw", [plots.conditioning, plots.removed_state, plots.channel_bounds, plots.at_a_glance])
def test_figures_follow_the_page(draw):
    drawing = re.search(r"<svg.*</svg>", draw().data, re.S).group()
    root = ElementTree.fromstring(drawing)
    assert root.get("role") == "img" and root.get("aria-label")
    ids = [element.get("id") for element in root.iter() if element.get("id")]
    assert len(set(ids)) == len(ids) and all("-" in name for name in ids)
    assert not set(page.INK.values()) & set(re.findall(r"#[0-9a-f]{6}", drawing))
    assert "font-family" not in drawing


def test_slider_says_without_script_what_it_shows_with_it():
    system = System(np.array([-0.8, -0.3, 0.4, 0.9]), np.ones(4), np.ones(4))
    text = slider.prefix_slider(system, np.array([1.0, -1.0, 1.5, -0.7]), most=6).data
    data = json.loads(re.search(r"const data = (\[.*?\]);", text, re.S).group(1))
    assert len(data) == 7 and all(len(entry["y"]) == 12 for entry in data)
    rows = re.findall(r'<tr><th scope="row">(\d)</th><td[^>]*>(.*?)</td><td[^>]*>(.*?)</td></tr>', text)
    assert [(entry["outputs"], entry["states"]) for entry in data] == [row[1:] for row in rows]
    drawn = [float(y) for y in re.findall(r'<circle cx="[\d.]+" cy="([\d.]+)"', text)]
    assert drawn == data[4]["y"] and 'max="6" value="4"' in text
    assert "http" not in text


@pytest.mark.parametrize(
    "value, text",
    [
        (0, "0"),
        (0.0, "below 10<sup>\u221212</sup>"),
        (3.0, "3"),
        (0.0213, "0.021"),
        (3e-16, "below 10<sup>\u221212</sup>"),
        (5.2e14, "5.2 × 10<sup>14</sup>"),
    ],
)
def test_numbers(value, text):
    assert page.number(value) == text


def test_cards_escape_what_is_printed():
    shown = page.errata_of(next(entry.statement for entry in errata() if "<" in entry.printed)).data
    assert "&lt;" in shown and '<details class="erratum" id="T-' in shown


def test_the_chapter_opens_with_how_many_parts_hold():
    shown = [verdict for *_, verdict in verdicts.rows()]
    confirmed = shown.count("confirmed")
    assert 0 < confirmed < len(shown)
    assert verdicts.in_words().startswith(f"{confirmed} of {len(shown)} parts come out as printed, and none of the 6 ")
