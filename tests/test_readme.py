"""Numbers and commands of the README are those of the repository."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest
from families import build
from reference import REPOSITORY

from ssmpeft_lib.plan.registry import files

README = (REPOSITORY / "README.md").read_text(encoding="utf-8")

METHODS = {
    "full": "full",
    "LoRA on the linear projections": "lora@linear",
    "LoRA on the SSM module": "lora@ssm",
    "BitFit": "bitfit",
    "prompt tuning": "prompt",
}
COLUMNS = (("dart", "bleu"), ("dart", "meteor"), ("glue-qnli", "accuracy"))


def recorded() -> dict[tuple[str, str], dict]:
    """Test scores of the recorded run on original files, by method (without options) and data set."""
    found = {}
    with tarfile.open(REPOSITORY / "recorded" / "original-files.tar.gz") as archive:
        for member in archive.getmembers():
            if member.name.endswith("metrics.json"):
                metrics = json.load(archive.extractfile(member))
                _, _, method, dataset, _ = metrics["cell"].split("/")
                found[method.partition(",")[0], dataset] = metrics["test"]
    return found


def test_scores_on_original_files_are_the_recorded_ones():
    scores = recorded()
    for name, method in METHODS.items():
        shown = [f"{scores[method, dataset][metric]:.1f}" for dataset, metric in COLUMNS]
        assert f"| {name} | {' | '.join(shown)} |" in README


@pytest.mark.parametrize("command", ["doctor", "params", "plan", "pack", "unpack"])
def test_commands_of_the_readme_are_there(command):
    assert f"-m ssmpeft_lib {command}" in README.replace("\n", " ") and command in files("commands")


SNIPPETS = re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE)
HUB_NAME = "state-spaces/mamba-130m-hf"

COMPARED = """
plain = AutoModelForCausalLM.from_pretrained(base).state_dict()
merged = model.state_dict()
assert merged.keys() == plain.keys(), "the merged model is no plain one"
assert not all(torch.equal(tensor.cpu(), plain[name]) for name, tensor in merged.items()), "nothing was trained"
"""


@pytest.fixture(scope="module")
def hub(tmp_path_factory) -> Path:
    """A folder as the hub's client keeps it, in which a tiny model has the name of the README's."""
    home = tmp_path_factory.mktemp("huggingface")
    repository, commit = home / "hub" / f"models--{HUB_NAME.replace('/', '--')}", "0" * 40
    build("Mamba").save_pretrained(repository / "snapshots" / commit)
    (repository / "refs").mkdir()
    (repository / "refs" / "main").write_text(commit, encoding="utf-8")
    return home


def run_as_a_reader(code: str, hub: Path, cwd: Path) -> str:
    """What a fresh interpreter prints, with warnings of ours as errors. Nothing is patched."""
    ours = ("training entries that no warm-up", "the method trains some parameters", "the methods of ssmpeft_lib")
    options = [option for text in ours for option in ("-W", f"error:{text}")]
    done = subprocess.run(
        [sys.executable, *options, "-c", code],
        env=os.environ | {"HF_HOME": str(hub), "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(REPOSITORY)},
        cwd=cwd,
        capture_output=True,
        encoding="utf-8",
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_the_readme_has_the_snippets_that_are_tested():
    assert len(SNIPPETS) == 2 and f'base = "{HUB_NAME}"' in SNIPPETS[0]


def test_snippets_of_the_readme_run_one_behind_the_other(hub, tmp_path):
    said = run_as_a_reader("".join(f"{snippet}\n{COMPARED}" for snippet in SNIPPETS), hub, tmp_path)
    assert "ok     every tensor trains" in said and "WRONG" not in said, said


def test_the_snippet_of_the_landing_page_is_a_part_of_the_tested_one():
    page = (REPOSITORY / "book" / "index.md").read_text(encoding="utf-8")
    (snippet,) = re.findall(r"^```python\n(.*?)^```", page, re.DOTALL | re.MULTILINE)
    lines = iter(SNIPPETS[0].splitlines())
    assert all(line in lines for line in snippet.splitlines())


BEFORE = ("import peft", "import transformers.trainer", "from ssmpeft_lib import SSMPeftConfig")


@pytest.mark.parametrize("before", BEFORE)
def test_the_second_snippet_runs_whatever_was_imported_before(before, hub, tmp_path):
    beginning = SNIPPETS[0].partition("model = ssmpeft_lib.adapt(")[0]
    run_as_a_reader(f"{before}\n{beginning}\n{SNIPPETS[1]}\n{COMPARED}", hub, tmp_path)


def test_files_of_the_readme_are_there():
    for path in ("workflow/configs/original-files.yaml", "profiles/slurm", "book/_static/table08.png", "CITATION.cff"):
        assert path in README and (REPOSITORY / path).exists()
