"""The numbers of a run: learning rates by target, steps of the warm-up, and dropout."""

from __future__ import annotations

import re
from dataclasses import fields
from textwrap import dedent

import pytest
import yaml
from reference import REPOSITORY

from ssmpeft_lib.adapters.method import build_method
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.config import Config
from ssmpeft_lib.runs.open import with_dropout
from ssmpeft_lib.training.recipe import Recipe, recipe_for


def recipe(cell: str, **overrides):
    cell = Cell.parse(cell)
    task = registry.load("data", cell.dataset).task(cell.dataset)
    return recipe_for(cell, build_method(cell.method), task, overrides)


def test_the_lowest_rate_of_the_targets_counts():
    whole, state, norms, both = (
        build_method(text).rate() for text in ("full", "full@A_log", "full@norm+norm_f", "full@A_log+in_proj")
    )
    assert whole < state and norms == state
    assert both == whole
    linear, ssm, linear_and_ssm = (build_method(f"lora@{target}").rate() for target in ("linear", "ssm", "linear+ssm"))
    assert linear_and_ssm == linear < ssm


@pytest.mark.parametrize("name", registry.files("methods"))
def test_every_method_has_a_rate(name):
    method = build_method(name)
    assert method.rate() > 0 or method.family == "frozen"


@pytest.mark.parametrize("name", registry.files("methods"))
def test_rates_are_given_for_targets_that_exist(name):
    from ssmpeft_lib.mixers import s6, ssd

    known = {"norm", "norm_f"}
    for mixer in (s6, ssd):
        known |= set(getattr(mixer, "GROUPS", {})) | set(getattr(mixer, "SLOTS", {}))
    assert set(build_method(name).learning_rates) <= known


def test_rte_selects_after_half_the_steps():
    assert recipe("paper/mamba-130m/sdlora/glue-rte/seed0").selection_steps == 250
    assert recipe("paper/mamba-130m/sdlora/glue-mrpc/seed0").selection_steps == 500


def test_a_searched_rate_and_an_override_come_before_the_methods_own():
    assert recipe("quick/mamba-130m/full/dart/seed0", learning_rate=0.5).learning_rate == 0.5


@pytest.mark.parametrize(
    ("text", "scale", "expected"),
    [
        ("lora@linear", "quick", 0.0),
        ("sdlora", "quick", 0.0),
        ("lora@linear,dropout=0.3", "quick", 0.3),
        ("lora@linear", "paper", 0.1),
    ],
)
def test_miniatures_are_trained_without_dropout_unless_the_method_string_says_so(text, scale, expected):
    dropout = recipe(f"{scale}/mamba-130m/{text}/glue-rte/seed0").dropout
    assert with_dropout(build_method(text), dropout, text).dropout == expected


def test_a_method_without_dropout_stays_as_it_is():
    method = build_method("full")
    assert with_dropout(method, 0.0, "full") is method


def test_every_override_that_the_configuration_allows_is_one_of_a_recipe():
    schema = yaml.safe_load((REPOSITORY / "workflow/schemas/config.schema.yaml").read_text(encoding="utf-8"))
    allowed = set(schema["properties"]["overrides"]["items"]["properties"]["set"]["properties"])
    assert allowed - {"splits"} <= {field.name for field in fields(Recipe)}
    comment = (REPOSITORY / "config.yaml").read_text(encoding="utf-8").partition("Keys of `set`:")[2]
    assert all(re.search(rf"\b{key}\b", comment) for key in allowed)


def test_example_of_an_override_in_the_book_is_a_valid_one():
    page = (REPOSITORY / "book" / "limits.md").read_text(encoding="utf-8")
    (example,) = re.findall(r"```yaml\n(.*?)```", page, re.S)
    document = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8"))
    config = Config.check(document | yaml.safe_load(dedent(example)))
    assert config.overrides_for(Cell.parse("quick/mamba-130m/sdlora/dart/seed0")) == {"selection_steps": 50}
    assert config.overrides_for(Cell.parse("quick/mamba-130m/lora/dart/seed0")) == {}
