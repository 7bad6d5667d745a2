"""What the book says about methods and slots is what the code does."""

from __future__ import annotations

import importlib
import json
import re

import pytest
import yaml
from bs4 import BeautifulSoup
from fake_results import fake_results
from reference import REPOSITORY

import ssmpeft_lib
from ssmpeft_lib.adapters.method import method_class
from ssmpeft_lib.book import block
from ssmpeft_lib.book.method_facts import acting
from ssmpeft_lib.book.method_use import examples
from ssmpeft_lib.book.pages import make_pages
from ssmpeft_lib.compare.join import exhibit_document, family_of
from ssmpeft_lib.methods._catalogue import catalogue
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.exhibit import load_exhibits
from ssmpeft_lib.plan.method_string import MethodString
from ssmpeft_lib.plan.results import write_json


@pytest.fixture(scope="module")
def counted():
    from ssmpeft_lib.adapters.count import params

    return {"mamba-130m": {name: params("mamba-130m", name) for name in registry.files("methods")}}


@pytest.fixture(scope="module")
def said():
    return catalogue()


def test_catalogue_has_the_slots_and_groups_of_the_mixer(said):
    module = importlib.import_module("ssmpeft_lib.mixers.s6")
    assert list(said["slots"]) == list(module.SLOTS)
    assert said["groups"] == {name: list(members) for name, members in module.GROUPS.items()}
    for name, spec in module.SLOTS.items():
        found = said["slots"][name]
        assert (found["channel_axis"], found["state_axis"]) == (spec.channel_axis, spec.state_axis)


def test_every_slot_is_described_once(said):
    described = yaml.safe_load((REPOSITORY / "book" / "slots.yml").read_text(encoding="utf-8"))
    assert set(described) == set(said["slots"]) | set(block.LEARNED)


def test_drawing_shows_every_slot_of_mamba(said):
    only_elsewhere = {"in_proj_bias", "out_proj_bias", "ssm_norm_dt", "ssm_norm_B", "ssm_norm_C", "norm_f"}
    assert set(block.SLOTS) == set(said["slots"]) - only_elsewhere | set(block.LEARNED)


def test_every_method_has_a_family_a_title_and_a_sentence(said):
    for name in registry.files("methods"):
        assert family_of(name) in registry.families(), name
        assert said["methods"][name]["title"] and said["methods"][name]["summary"], name


@pytest.mark.parametrize("name", ["sdlora", "sddora", "sdlora_plus", "sdt"])
def test_family_follows_the_class_not_the_order_of_imports(name):
    assert family_of(name) == "sdlora"


def test_methods_that_came_after_the_paper_are_in_none_of_its_exhibits(said):
    later = {name for name, method in said["methods"].items() if method["published"]}
    exhibits = load_exhibits(REPOSITORY / "workflow" / "exhibits")
    compared = {MethodString.parse(point.method).name for exhibit in exhibits for point in exhibit.points}
    assert later and compared and not later & compared
    assert all(re.fullmatch(r"\d{4}\.\d{5}", said["methods"][name]["published"]["arxiv"]) for name in later)


def test_every_method_is_in_one_of_the_two_tables(tmp_path, said):
    fake_results(tmp_path, ("table20",), seeds=1)
    pages = make_pages("quick", tmp_path, REPOSITORY / "book", tmp_path / "book" / "_toc.yml")
    paper, _, later = (pages / "methods.md").read_text(encoding="utf-8").partition("## After the paper")
    for name, method in said["methods"].items():
        here, there = (later, paper) if method["published"] else (paper, later)
        assert f'methods/{name}.html">{method["title"]}</a>' in here, name
        assert f'methods/{name}.html">{method["title"]}</a>' not in there, name


def test_options_are_those_that_the_method_takes(said):
    for name in registry.files("methods"):
        shown = {option["name"] for option in said["methods"][name]["options"]} - {"targets"}
        assert shown == registry.options(name), name
        assert all(option["text"] for option in said["methods"][name]["options"] if option["name"] != "targets"), name


def test_options_come_with_their_defaults_and_what_is_said_behind_them(said):
    options = {option["name"]: option for option in said["methods"]["sdlora_plus"]["options"]}
    assert options["rank"]["default"] == str(method_class("lora")().rank)
    assert options["ratio"]["text"] != options["rank"]["text"]
    assert "tokens" in {option["name"] for option in said["methods"]["prompt"]["options"]}


def test_method_pages_say_what_is_trained(counted):
    trained = counted["mamba-130m"]
    assert set(trained["bitfit"]["slots"]) == {"conv1d_bias", "dt_proj_bias"}
    assert set(trained["sdlora"]["slots"]) == {"x_proj_B", "x_proj_C", "A_log", "out_proj"}
    assert trained["pretrained"]["slots"] == {}
    for name, found in trained.items():
        assert sum(one["parameters"] for one in found["slots"].values()) == found["trainable"], name
        assert all(" " in one["how"] for one in found["slots"].values()), name


def test_marks_of_the_drawing_come_from_the_counts(counted, said):
    families = acting(counted, said["slots"])
    assert families["soft_prompt"] == ("prompt",)
    assert families["A_log"] == ("sdlora", "full", "state")
    assert families["conv1d_bias"] == ("bias", "full")


def test_results_of_a_method_are_tables_of_its_rows_with_the_heads_of_the_exhibits(tmp_path):
    fake_results(tmp_path, ("table18", "table20", "table25"), seeds=1)
    pages = make_pages("quick", tmp_path, REPOSITORY / "book", tmp_path / "book" / "_toc.yml")
    text = (pages / "methods" / "lora.md").read_text(encoding="utf-8")
    parts = BeautifulSoup(text, "html.parser").select("details.rows-of")
    # Table 18 is of DoRA
    headings = [part.select_one("summary").get_text().partition(":")[0].strip() for part in parts]
    assert headings == ["Table 20", "Table 25"]
    for part in parts:
        for table in part.select("table.exhibit"):
            heads = [head.get_text(" ", strip=True) for head in table.select("thead tr:last-child > *")]
            rows = table.select("tbody tr[data-family]")
            assert rows and all(len(row.select(":scope > *")) == len(heads) for row in rows)
            assert {row["data-family"] for row in rows} == {"lora"}
        # nothing that looks as if it sorted, and no address twice on the page
        assert not part.select("button") and not part.select("tr[id]")
        href = part.select_one(".files a")["href"]
        exhibit, _, anchor = href.removeprefix("../").partition(".html#")
        assert f'id="{anchor}"' in (pages / f"{exhibit}.md").read_text(encoding="utf-8")
    assert "GB" in parts[1].get_text() and len(parts[0].select("table")) > 1
    links = {link["href"] for part in parts for link in part.select("td a")}
    assert links and all(link.startswith(("../cells/", "../runs/")) for link in links)


@pytest.mark.parametrize("name", registry.files("methods"))
def test_the_examples_of_every_method_run(name, said, monkeypatch):
    """On a small model with random weights in place of the hub's."""
    import torch
    import transformers
    from families import build, ids

    monkeypatch.setattr(
        transformers.AutoModelForCausalLM, "from_pretrained", lambda where: build("Mamba", hidden_size=64)
    )
    found = examples(name, said["methods"][name]["options"])
    assert (found == {}) == (name == "pretrained")
    for code in found.values():
        known = {"batches": [{"input_ids": ids(), "labels": ids()}]}
        exec(compile(code, name, "exec"), known)
        model = known["model"]
        optimizer = known.get("optimizer") or torch.optim.AdamW(ssmpeft_lib.parameter_groups(model, 1e-3))
        model(**known["batches"][0]).loss.backward()
        optimizer.step()
        if said["methods"][name]["options"] and "," in code:
            assert str(ssmpeft_lib.adaptation_of(model).method).partition("@")[0].partition(",")[0] == name
        assert ("callbacks" in known or "initialize" in code) == method_class(name).selects


def raising(*given):
    raise NameError("name 'slot' is not defined, <see> `here`")


def test_a_method_that_cannot_be_counted_or_imported_is_a_hole_and_the_others_are_there(monkeypatch, tmp_path):
    """Whatever its code raises, the book is made, and says what went wrong."""
    from ssmpeft_lib.adapters import count
    from ssmpeft_lib.commands.pipeline.shares import count_parameters
    from ssmpeft_lib.methods import _catalogue

    counts, import_method = count.params, _catalogue.method_class
    (table,) = fake_results(tmp_path, ("table18",), seeds=1)
    monkeypatch.setattr(count, "params", lambda model, name: (raising if "dora" in name else counts)(model, name))
    monkeypatch.setattr(_catalogue, "method_class", lambda name: (raising if name == "dora" else import_method)(name))
    wanted = {(point.model, point.method) for point in table.points} | {("mamba-130m", "lora"), ("mamba-130m", "dora")}
    shares = count_parameters(wanted)
    said = "NameError: name 'slot' is not defined, <see> `here`"
    assert shares["mamba-130m"]["dora"] == {"problem": said} and shares["mamba-130m"]["lora"]["trainable"] > 0
    write_json(tmp_path / "shares.json", shares)
    write_json(tmp_path / "catalogue.json", _catalogue.catalogue())
    document = exhibit_document(table, "quick", range(1), tmp_path, shares)
    problems = [problem for row in document["rows"] for problem in row["points"][0]["ours"]["problems"]]
    assert problems and set(problems) == {f"not counted: {said}"}
    write_json(tmp_path / "quick" / "exhibits" / "table18.json", document)
    pages = make_pages("quick", tmp_path, REPOSITORY / "book", tmp_path / "book" / "_toc.yml")
    page = (pages / "methods" / "dora.md").read_text(encoding="utf-8")
    assert "NameError: name &#39;slot&#39; is not defined, &lt;see&gt;" in page
    assert "dora.py` cannot be imported: NameError" in json.dumps(_catalogue.catalogue()["methods"]["dora"])
    assert "Trainable share" in (pages / "methods" / "lora.md").read_text(encoding="utf-8")
