"""What is said about the project in several places, each read by another service, agrees with CITATION.cff."""

from __future__ import annotations

import json
import tomllib

import pytest
import yaml
from reference import REPOSITORY

CITATION = yaml.safe_load((REPOSITORY / "CITATION.cff").read_text(encoding="utf-8"))
DESCRIPTIONS = [".zenodo.json", "codemeta.json"]


def described(name: str) -> dict:
    return json.loads((REPOSITORY / name).read_text(encoding="utf-8"))


def test_package_has_the_version_and_licence_of_the_citation():
    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert (project["version"], project["license"]) == (CITATION["version"], CITATION["license"])


@pytest.mark.parametrize("name", DESCRIPTIONS)
def test_descriptions_agree_with_the_citation(name):
    found = described(name)
    assert found.get("title", found.get("name")) == CITATION["title"]
    assert found["description"] == CITATION["abstract"]
    assert found["version"] == CITATION["version"]
    assert found["license"].rpartition("/")[2] == CITATION["license"]
    assert found["keywords"] == CITATION["keywords"]
    assert [who["name"] for who in found.get("creators", found.get("author"))] == [
        who["name"] for who in CITATION["authors"]
    ]


@pytest.mark.parametrize("name", [*DESCRIPTIONS, "CITATION.cff"])
def test_descriptions_name_the_paper(name):
    assert "2410.09016" in (REPOSITORY / name).read_text(encoding="utf-8")


def test_catalogue_of_workflows_is_told_what_this_one_can():
    usage = yaml.safe_load((REPOSITORY / ".snakemake-workflow-catalog.yml").read_text(encoding="utf-8"))["usage"]
    assert usage["software-stack-deployment"]["conda"]
    rules = "".join(path.read_text(encoding="utf-8") for path in (REPOSITORY / "workflow" / "rules").glob("*.smk"))
    assert usage["report"] == ("report(" in rules)


def test_settings_named_in_the_configuration_page_exist():
    page = (REPOSITORY / "config" / "README.md").read_text(encoding="utf-8")
    schema = yaml.safe_load((REPOSITORY / "workflow" / "schemas" / "config.schema.yaml").read_text(encoding="utf-8"))
    for key in ("scale", "exhibits", "only"):
        assert f"| `{key}` |" in page and key in schema["properties"]
