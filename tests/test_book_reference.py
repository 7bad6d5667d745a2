"""The reference in the book: every public name, with what its docstring says and nothing that breaks the page."""

from __future__ import annotations

import re
from types import SimpleNamespace

import pytest

import ssmpeft_lib
from ssmpeft_lib import ops
from ssmpeft_lib.book.pieces import reference
from ssmpeft_lib.commands.pipeline._reference import PLACES, describe_library


@pytest.fixture(scope="module")
def described():
    return describe_library()


@pytest.fixture(scope="module")
def text(described):
    return reference.myst(SimpleNamespace(catalogue={"reference": described}), "api")


def test_every_public_name_is_there_with_its_parameters(described, text):
    for module, names in (("ssmpeft_lib", ssmpeft_lib.__all__), ("ssmpeft_lib.ops", ops.__all__)):
        for name in names:
            assert re.search(rf"^`+{{py:(function|class)}} {re.escape(module)}\.{name}\(", text, re.M), name
    assert "ssmpeft_lib.adapt(model, method)\n" in text
    assert "{py:method} adapt(backbone)" in text, "without self"
    assert [module["name"] for module in described] == list(PLACES)


def test_every_public_name_says_in_a_sentence_what_it_does(described):
    members = [member for module in described for member in module["members"]]
    silent = [one["name"] for one in members if not re.match(r"[A-Z`].{15,}?[.:]( |$)", one["docstring"], re.S)]
    assert members and silent == []


def test_sections_of_docstrings_are_fields_and_code_stays_code(text):
    assert ":param method: a method string such as `sdlora,freeze_channels=0.99,freeze_states=0.75`" in text
    assert re.search(r"^:returns: the same model", text, re.M) and re.search(r"^:raises LookupError: ", text, re.M)
    assert not re.search(r"^(Args|Returns|Raises|Attributes):$", text, re.M)


def test_without_a_description_the_page_says_how_it_is_made():
    assert reference.myst(SimpleNamespace(catalogue={}), "api") == ""
