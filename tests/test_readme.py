"""Numbers and commands of the README are those of the repository."""

from __future__ import annotations

import json
import tarfile

import pytest
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


def test_files_of_the_readme_are_there():
    for path in ("workflow/configs/real.yaml", "workflow/profiles/slurm", "book/_static/table08.png", "CITATION.cff"):
        assert path in README and (REPOSITORY / path).exists()
