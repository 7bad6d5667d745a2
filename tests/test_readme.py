"""Numbers and commands of the README are those of the repository."""

from __future__ import annotations

import json
import re
import tarfile

import pytest
import torch
from families import build
from reference import REPOSITORY
from transformers import AutoModelForCausalLM

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
    with tarfile.open(REPOSITORY / "recorded" / "real.tar.gz") as archive:
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


@pytest.mark.filterwarnings("error:training entries that no warm-up", "error:the method trains some parameters")
def test_snippets_of_the_readme_run_one_behind_the_other(monkeypatch, tmp_path, capsys):
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(AutoModelForCausalLM, "from_pretrained", lambda name: build("Mamba"))
    everything = {}
    for snippet in re.findall(r"^```python\n(.*?)^```", README, re.DOTALL | re.MULTILINE):
        exec(snippet, everything)
        merged, plain = everything["model"].state_dict(), build("Mamba").state_dict()
        assert merged.keys() == plain.keys()
        assert not all(torch.equal(tensor.cpu(), plain[name]) for name, tensor in merged.items())
    assert "every tensor trains" in capsys.readouterr().out


def test_files_of_the_readme_are_there():
    for path in ("workflow/configs/real.yaml", "profiles/slurm", "book/_static/table08.png", "CITATION.cff"):
        assert path in README and (REPOSITORY / path).exists()
