"""The book's source as it is put together from made-up results: numbers, holes, links, nothing lost."""

from __future__ import annotations

import csv
import io
import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from fake_results import UNTRUSTED, fake_results
from markupsafe import escape
from reference import REPOSITORY

from ssmpeft_lib.book import links
from ssmpeft_lib.book.exhibit_page import exhibit_csv, exhibit_page
from ssmpeft_lib.book.exhibit_view import cells_with_a_page, exhibit_view
from ssmpeft_lib.book.insert import with_pieces
from ssmpeft_lib.book.notice import Notice
from ssmpeft_lib.book.page import Page, plain, raw
from ssmpeft_lib.book.pages import make_pages
from ssmpeft_lib.book.style_sheet import style_sheet
from ssmpeft_lib.compare.join import exhibit_document
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.exhibit import load_exhibits
from ssmpeft_lib.plan.families import FAMILIES

PROSE = REPOSITORY / "book"
RAN, FAILED, MISSING = "lora@out_proj", "lora@dt_proj", "full@x_proj"


@pytest.fixture(scope="module")
def results(tmp_path_factory):
    folder = tmp_path_factory.mktemp("results")
    failed = [f"{FAILED}/dart/seed{seed}" for seed in (0, 1)] + ["bitfit/dart/seed1"]
    fake_results(folder, ("table08",), seeds=2, failed=failed, missing=[f"{MISSING}/dart"])
    return folder


@pytest.fixture(scope="module")
def pages(results):
    return make_pages("quick", results, PROSE, results / "quick" / "book" / "_toc.yml")


@pytest.fixture(scope="module")
def view(results):
    return exhibit_view(json.loads((results / "quick" / "exhibits" / "table08.json").read_text(encoding="utf-8")))


def row_of(view, method):
    names = [row["points"][0]["method"] for row in view.document["rows"]]
    return view.rows[names.index(method)]


def test_number_has_printed_and_own_and_the_way_to_its_run(view):
    shown = row_of(view, RAN).shown[1]
    assert (shown.printed, shown.hole, shown.some) == ("70.7", "", "")
    assert shown.own and shown.own_spread
    assert shown.href == f"../cells/mamba-130m/{RAN}/dart/seed0.html"


def test_a_miniature_is_compared_with_nothing_printed(view, pages):
    """No difference, no best row, no mark on the axis of the printed numbers, no chart; but the share of full."""
    shown = [one for row in view.rows for one in row.shown if not one.column.share]
    assert any(one.own for one in shown)
    assert not any(one.difference or one.beyond or one.best_own or one.own_at or one.seeds_at for one in shown)
    own, full = (row_of(view, method).shown[1] for method in (RAN, "full"))
    assert own.of_full == f"{100 * own.keys['ours'] / full.keys['ours']:.0f}\u00a0%" and not full.of_full
    text = (pages / "exhibits" / "table08.md").read_text(encoding="utf-8")
    assert "of full" in text and "diff." not in text and "rank correlation" not in text
    assert "Printed against ours" not in text and "Against time and memory" not in text
    assert not re.search(r'class="whose">in miniature', text)


def test_numbers_at_the_papers_scale_are_compared(tmp_path):
    fake_results(tmp_path, ("table08",), scale="paper", seeds=2)
    document = json.loads((tmp_path / "paper" / "exhibits" / "table08.json").read_text(encoding="utf-8"))
    shown = row_of(exhibit_view(document), RAN).shown[1]
    assert shown.difference[0] in "+\u22120" and len(shown.seeds_at) == 2 and not shown.of_full


@pytest.mark.parametrize("method, hole", [(FAILED, "failed"), (MISSING, "not run")])
def test_hole_is_a_word_and_never_a_number(view, pages, method, hole):
    shown = row_of(view, method).shown[1]
    assert (shown.hole, shown.own, shown.difference) == (hole, "", "")
    text = (pages / "exhibits" / "table08.md").read_text(encoding="utf-8")
    line = text[text.index(f'id="{row_of(view, method).anchor}"') :].partition("</tr>")[0]
    assert f">{hole}</span>" in line


def test_value_of_some_seeds_says_of_how_many(view):
    shown = row_of(view, "bitfit").shown[1]
    assert shown.own and shown.some == "1/2" and "failed" in shown.reason


def test_share_is_counted_and_compared_with_the_printed_one(view):
    shown = row_of(view, RAN).shown[0]
    assert (shown.printed, shown.own, shown.matches) == ("0.34", "0.34", True)


def test_best_leaves_out_full_fine_tuning(view):
    best = [(row.name, one.column.label) for row in view.rows for one in row.shown if one.best]
    assert ("Linear projections / LoRA", "METEOR") in best
    assert not any(name == "Everything / Full" for name, _ in best)


def test_every_run_has_a_page_that_leads_back_and_says_how_to_run_it_again(pages, results):
    for path in sorted((results / "quick" / "cells").rglob("metrics.json")):
        cell = Cell.parse(json.loads(path.read_text(encoding="utf-8"))["cell"])
        text = (pages / f"{links.cell_page(cell)}.ipynb").read_text(encoding="utf-8")
        assert "exhibits/table08.html#" in text, cell
        assert f"-- results/{cell.path}/metrics.json" in text, cell
        assert (pages / "_files" / links.cell_page(cell) / "metrics.json").exists()


def test_failed_run_shows_its_error_and_its_notebook_up_to_it(pages):
    notebook = json.loads((pages / f"cells/mamba-130m/{FAILED}/dart/seed0.ipynb").read_text(encoding="utf-8"))
    assert "This run failed" in notebook["cells"][0]["source"]
    assert any(output["output_type"] == "error" for cell in notebook["cells"] for output in cell.get("outputs", []))
    assert "papermill" not in json.dumps(notebook["cells"])


def test_outputs_come_first_and_silent_code_last(pages):
    notebook = json.loads((pages / f"cells/mamba-130m/{RAN}/dart/seed0.ipynb").read_text(encoding="utf-8"))
    code = [cell for cell in notebook["cells"] if cell["cell_type"] == "code"]
    assert all(cell["metadata"]["tags"] == ["hide-input"] for cell in code)
    assert [bool(cell["outputs"]) for cell in code] == [True] * (len(code) - 1) + [False]
    assert notebook["metadata"]["orphan"] is True


def test_answers_of_a_model_stay_text(pages):
    text = (pages / f"cells/mamba-130m/{RAN}/dart/seed0.ipynb").read_text(encoding="utf-8")
    assert "<script>alert" not in text and "&lt;script&gt;alert" in text


@pytest.mark.parametrize(
    "page",
    [
        "index",
        "reading",
        "findings",
        "exhibits",
        "what-ran",
        "runs",
        "runs/table08",
        "exhibits/table08",
        "methods/lora",
    ],
)
def test_page_with_a_number_of_ours_says_which_scale(pages, page):
    assert (pages / f"{page}.md").read_text(encoding="utf-8").count("Miniature scale.") == 1


def test_page_of_a_run_says_which_scale(pages):
    text = (pages / f"cells/mamba-130m/{RAN}/dart/seed0.ipynb").read_text(encoding="utf-8")
    assert text.count("Miniature scale.") == 1 and "A trial of the pipeline" not in text


@pytest.mark.parametrize(
    "checkpoint, steps, says",
    [
        ("mamba-130m", 2, "for 2 steps only"),
        ("mamba-130m", 0, "for 0 steps,"),
        ("mamba-130m", 3000, ""),
        ("mamba-1.4b", 2, ""),
    ],
)
def test_stand_ins_with_too_little_pretraining_are_named(tmp_path, checkpoint, steps, says):
    """Of the checkpoints that a run of this book was made with."""
    (tmp_path / "quick" / "models" / checkpoint).mkdir(parents=True)
    (tmp_path / "quick" / "models" / checkpoint / "model.json").write_text(
        json.dumps({"steps": steps}), encoding="utf-8"
    )
    shown = Notice.of("quick", tmp_path, [Cell.parse("quick/mamba-130m/lora/dart/seed0")]).html()
    assert ("A trial of the pipeline" in shown) == bool(says) and says in shown


def test_scores_of_zero_are_counted(results):
    document = json.loads((results / "quick" / "exhibits" / "table08.json").read_text(encoding="utf-8"))
    scores = [point for row in document["rows"] for point in row["points"] if "mean" in point["ours"]]
    counted = [point for point in scores if point["better"] == "higher"]
    counted[0]["ours"]["mean"] = 0.0
    zeros = exhibit_view(document).zeros
    assert zeros == (1, len(counted)) and len(counted) < len(scores)
    assert f"1 of the {len(counted)} scores of ours here are 0" in Notice("quick").html(zeros=zeros)
    assert "here are 0" not in Notice("quick").html(zeros=(0, 5)) and not Notice("paper").html()


def test_every_finding_of_the_doctor_and_every_missed_share_is_shown(pages):
    text = (pages / "doctor.md").read_text(encoding="utf-8")
    reports = json.loads((REPOSITORY / "recorded" / "doctor.json").read_text(encoding="utf-8"))["reports"]
    assert text.count('data-label="here"') == len(reports) == text.count('data-label="stock peft"')
    assert all(report["ours"]["healthy"] for report in reports)
    assert "refused" in text and "4 of 4 get no gradient" in text
    missed = yaml.safe_load((REPOSITORY / "workflow" / "errata" / "shares.yaml").read_text(encoding="utf-8"))
    assert text.count('data-label="counted"') == len(missed) == 9


def test_every_field_of_the_matrix_of_methods_is_shown(pages):
    text = (pages / "doctor.md").read_text(encoding="utf-8")
    found = json.loads((REPOSITORY / "recorded" / "method_matrix.json").read_text(encoding="utf-8"))
    methods = {entry["method"] for entry in found["entries"]}
    for name in found["fields"]:
        assert text.count(f'<td data-label="{name}">') == len(methods), name
    refused = {f["found"] for e in found["entries"] for f in e["fields"].values() if f["ok"] is None}
    assert refused and all(str(escape(words)) in text for words in refused)


def test_every_line_of_the_kernels_is_shown(pages):
    text = (pages / "kernels.md").read_text(encoding="utf-8")
    lines = json.loads((REPOSITORY / "recorded" / "kernels.json").read_text(encoding="utf-8"))["lines"]
    assert text.count('data-label="ratio"') == len(lines)
    assert text.count(">missed<") == sum(line.get("met") is False for line in lines.values())


def test_csv_has_every_point_with_its_words(results):
    document = json.loads((results / "quick" / "exhibits" / "table08.json").read_text(encoding="utf-8"))
    lines = list(csv.DictReader(io.StringIO(exhibit_csv(document))))
    assert len(lines) == len(document["rows"]) * len(document["columns"])
    by_key = {(line["method"], line["column"]): line for line in lines}
    assert by_key[RAN, "BLEU"]["printed"] == "47.0" and float(by_key[RAN, "BLEU"]["ours"])
    assert by_key[MISSING, "BLEU"]["ours"] == "" and "not run" in by_key[MISSING, "BLEU"]["problems"]
    assert {(line["scale"], line["source"]) for line in lines} == {("quick", document["source"])}


def test_csv_has_a_bound_beside_its_number(results):
    document = json.loads((results / "quick" / "exhibits" / "table08.json").read_text(encoding="utf-8"))
    document["rows"][0]["points"][0]["printed"] |= {"value": 1.0, "bound": True}
    first = next(csv.DictReader(io.StringIO(exhibit_csv(document))))
    assert (first["printed"], first["bound"]) == ("1.0", "<")


def test_second_time_touches_only_what_changed(pages, results):
    before = {path: path.stat().st_mtime_ns for path in pages.rglob("*") if path.is_file()}
    stray = pages / "exhibits" / "table99.md"
    stray.write_text("# gone", encoding="utf-8")
    make_pages("quick", results, PROSE, pages / "_toc.yml")
    after = {path: path.stat().st_mtime_ns for path in pages.rglob("*") if path.is_file()}
    assert not stray.exists() and before.keys() == after.keys()
    assert {path.name for path in before if before[path] != after[path]} == {"_toc.yml"}


def listed(pages):
    """The files that the table of contents names, those below others too."""
    contents = yaml.safe_load((pages / "_toc.yml").read_text(encoding="utf-8"))
    entries = [chapter for part in contents["parts"] for chapter in part["chapters"]]
    return [one["file"] for entry in entries for one in (entry, *entry.get("sections", []))]


def test_contents_name_each_page_that_is_there_once(pages):
    files = listed(pages)
    assert len(set(files)) == len(files) and all((pages / f"{file}.md").exists() for file in files)
    written = {path.relative_to(pages).with_suffix("").as_posix() for path in pages.rglob("*.md")}
    outside = {name for name in written if name.startswith(("runs", "_"))}
    assert written - outside - {"index"} == set(files)


def test_exhibit_of_any_name_is_listed_and_one_that_is_not_chosen_is_not_shown(results, tmp_path):
    joined = results / "quick" / "exhibits" / "table08.json"
    document = json.loads(joined.read_text(encoding="utf-8")) | {"id": "mine", "title": "Mine: two numbers"}
    own = tmp_path / "mine.json"
    own.write_text(json.dumps(document), encoding="utf-8")
    pages = make_pages("quick", results, PROSE, tmp_path / "one" / "_toc.yml", [own])
    assert [file for file in listed(pages) if file.startswith("exhibits/")] == ["exhibits/mine"]
    assert not (pages / "exhibits" / "table08.md").exists()
    pages = make_pages("quick", results, PROSE, tmp_path / "two" / "_toc.yml", [own, joined])
    assert [file for file in listed(pages) if file.startswith("exhibits/")] == ["exhibits/table08", "exhibits/mine"]


def test_book_without_exhibits_has_no_empty_list_of_them(tmp_path):
    fake_results(tmp_path, ())
    pages = make_pages("quick", tmp_path, PROSE, tmp_path / "book" / "_toc.yml", [])
    contents = yaml.safe_load((pages / "_toc.yml").read_text(encoding="utf-8"))
    (entry,) = [entry for part in contents["parts"] for entry in part["chapters"] if entry["file"] == "exhibits"]
    assert "sections" not in entry


def test_what_says_which_methods_there_are_is_asked_for_where_it_is_missing(tmp_path):
    with pytest.raises(FileNotFoundError, match="snakemake --cores all results/catalogue.json"):
        make_pages("quick", tmp_path, PROSE, tmp_path / "book" / "_toc.yml", [])


def test_book_without_any_result_shows_printed_numbers_alone(tmp_path):
    fake_results(tmp_path, ("table08",), seeds=1, missing=[""])
    pages = make_pages("quick", tmp_path, PROSE, tmp_path / "quick" / "book" / "_toc.yml")
    assert "Nothing was run" in (pages / "what-ran.md").read_text(encoding="utf-8")
    assert "not run" in (pages / "exhibits" / "table08.md").read_text(encoding="utf-8")


def test_rendering_never_imports_torch(results):
    code = (
        "import sys; from pathlib import Path; from ssmpeft_lib.book.pages import make_pages;"
        "make_pages('quick', *map(Path, sys.argv[1:]));"
        "sys.exit('torch' in sys.modules)"
    )
    paths = map(str, (results, PROSE, results / "again" / "_toc.yml"))
    assert subprocess.run([sys.executable, "-c", code, *paths], cwd=REPOSITORY).returncode == 0


def test_command_makes_the_pages(results, tmp_path):
    target = tmp_path / "book" / "_toc.yml"
    command = ["make-pages", "--scale", "quick", "--results", str(results), "--output", str(target)]
    ran = subprocess.run(
        [sys.executable, "-m", "ssmpeft_lib", *command], cwd=REPOSITORY, capture_output=True, encoding="utf-8"
    )
    assert ran.returncode == 0, ran.stderr
    assert target.exists()


def test_fence_is_longer_than_any_run_of_backticks_in_it():
    text = raw(f"<p>{UNTRUSTED}</p>")
    assert text.startswith("````{raw} html\n") and text.endswith("\n````")


def test_title_is_shown_as_it_is_written():
    assert plain("a*b* of `out_proj` <i>") == r"a\*b\* of `out_proj` \<i\>"
    assert str(Page("One", orphan=True, search=False)).startswith("---\norphan: true\nnosearch: true\n")


def test_unknown_piece_is_refused_with_its_page():
    with pytest.raises(LookupError, match=r"no piece 'cuonts'.*index\.md.*did you mean 'counts'"):
        with_pieces("```{generated} cuonts\n```\n", None, "index", Path("index.md"))


def test_text_outside_of_pieces_is_left_alone():
    text = "# Title\n\n```python\nx = 1\n```\n"
    assert with_pieces(text, None, "index", Path("index.md")) == text


def test_style_sheet_gives_every_family_its_colours_and_no_hand_written_part_does():
    written = "".join(path.read_text(encoding="utf-8") for path in (PROSE / "style").glob("*.css"))
    made = style_sheet(PROSE)
    for name, family in FAMILIES.items():
        assert made.count(f"--{name}: {family.light};") == made.count(f"--{name}: {family.dark};") == 1
        assert f".f-{name}" in made and f".f-{name}" not in written and f"--{name}:" not in written


def test_a_number_leads_to_no_run_that_is_not_there():
    cells = [f"quick/m/lora/dart/seed{seed}" for seed in (0, 1)]
    known = {"cells": cells, "problems": [f"{cells[0]}: not run", f"{cells[1]}: failed: ValueError: no"]}
    assert cells_with_a_page(known) == [cells[1]] and cells_with_a_page({}) == []


@pytest.mark.parametrize("name", ["figure1", "figure2"])
def test_the_page_of_a_figure_opens_with_it_as_printed_and_as_ours(name):
    """From the numbers that are kept in the repository, at whatever scale the book is made."""
    (figure,) = load_exhibits(REPOSITORY / "workflow" / "exhibits", [name])
    shares = {point.model: {} for point in figure.points}
    for point in figure.points:
        if point.metric == "params.trainable_pct" and point.printed:
            shares[point.model][point.method] = {"trainable_pct": point.printed.value}
    document = exhibit_document(figure, "quick", range(1), Path("nothing"), shares, REPOSITORY / "recorded")
    page = str(exhibit_page(document, "ours", lambda name: None, Notice.of("quick", Path("nothing"), [])))
    titles = re.findall(r'class="title">([^<]+)<', page.partition("<table")[0])
    assert {title.rpartition(", ")[2] for title in titles} == {"printed", "ours"}
