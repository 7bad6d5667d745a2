"""Measure whether the models of scale real are good enough to compare methods on.

    python benchmarks/real_signal.py --output recorded/real_signal.json     the gates, from the cells that ran
    python benchmarks/real_signal.py --cells                                the files of those cells, for snakemake

Prints for each gate what was measured and what is asked, and ends with 1 where one is missed or could not be measured.
All but one read what `make real` left in results/; LoRA on random weights is run here: the same search of learning
rates, the same seeds. book/small-models.md says what the gates are for.
"""

from __future__ import annotations

import argparse
import json
import sys
from collections import Counter
from collections.abc import Iterable
from functools import cache
from pathlib import Path
from statistics import fmean
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent))

from ssmpeft_lib.plan import paths, search
from ssmpeft_lib.plan.cell import Cell
from ssmpeft_lib.plan.config import Config
from ssmpeft_lib.plan.exhibit import load_exhibits
from ssmpeft_lib.plan.method_string import MethodString
from ssmpeft_lib.plan.results import read_metrics, write_json

ROOT = Path(__file__).resolve().parent.parent
MODEL = "mamba-130m"
GLUE = ("glue-rte", "glue-mrpc", "glue-cola", "glue-sst2", "glue-qnli", "glue-mnli")
DATA = (*GLUE, "dart")
LORA = "lora@linear"

RANDOM = Path("benchmarks") / "random-real"
"""Below the results directory: a results directory whose model has random weights."""


class Scores:
    """Test results by method, data set and seed, of the cells that ran."""

    def __init__(self, found: dict[tuple[str, str], list[dict[str, Any]]]):
        self.found = found

    @classmethod
    def read(cls, results: Path, cells: Iterable[Cell]) -> Scores:
        """Read the metrics of cells; what failed or did not run is left out."""
        found: dict[tuple[str, str], list[dict[str, Any]]] = {}
        for cell in cells:
            path = results / paths.metrics_file(cell)
            metrics = read_metrics(path) if path.exists() else None
            if metrics is not None and metrics["status"] == "ok":
                found.setdefault((cell.method, cell.dataset), []).append(metrics["test"] | {"cell": cell})
        return cls(found)

    def mean(self, method: str, dataset: str, key: str = "score") -> float:
        """Mean over seeds; a KeyError where nothing ran."""
        return fmean(test[key] for test in self.found[method, dataset])

    def among_labels(self, dataset: str) -> tuple[str, float]:
        """The metric of a data set and the unadapted model's mean when it has to say a label word."""
        tests = self.found["pretrained", dataset]
        metric = next(iter(tests[0]["among_labels"]))
        return metric, fmean(test["among_labels"][metric] for test in tests)


@cache
def protocol() -> Config:
    """The configuration of scale real; nothing is read from the data folder, which the scale asks for."""
    return Config.load(ROOT / "workflow" / "configs" / "real.yaml", data_dir=ROOT)


@cache
def prompt(dataset: str) -> str:
    """Prompt tuning as the tables have it for a data set."""
    exhibits = load_exhibits(ROOT / "workflow" / "exhibits", protocol().exhibits)
    own = (cell.method for cell in protocol().every_cell(exhibits) if (cell.model, cell.dataset) == (MODEL, dataset))
    return next(method for method in own if MethodString.parse(method).name == "prompt")


def cells(seeds: range) -> list[Cell]:
    """The cells that the gates read."""
    wanted = [("pretrained", name) for name in GLUE] + [("full", "glue-sst2"), ("full", "dart")]
    wanted += [(method, name) for name in DATA for method in (LORA, prompt(name))]
    return [Cell("real", MODEL, method, name, seed) for method, name in wanted for seed in seeds]


def label_shares(results: Path, dataset: str) -> list[float]:
    """Shares of the labels among the test examples, in percent."""
    cell = Cell("real", MODEL, "pretrained", dataset, 0)
    lines = (results / cell.path / "predictions.jsonl").read_text(encoding="utf-8").splitlines()
    rows = [row for row in map(json.loads, lines) if row["split"] == "test"]
    counts = Counter(row["references"][0] for row in rows)
    return [100 * count / len(rows) for count in counts.values()]


def off_chance(metric: str, score: float, shares: Iterable[float]) -> float:
    """How far a score lies from what answers that ignore the input can get: between the rarest label's share and the
    most frequent one's, and 0 for Matthews' correlation."""
    low, high = (0.0, 0.0) if metric == "matthews" else (min(shares), max(shares))
    return max(low - score, score - high, 0.0)


def gates(
    scores: Scores, random: Scores, about: dict[str, Any], shares: dict[str, list[float]]
) -> list[dict[str, Any]]:
    """Judge every gate.

    Args:
        scores: of the pretrained model.
        random: of the same model with random weights.
        about: model.json of the recorded checkpoint.
        shares: by data set, the shares of its labels.
    Returns:
        for each gate `what`, `value` (None where it could not be measured), `asked`, `met`, and `detail`.
    """
    bits, ngrams = (about.get(key, {}).get("bits_per_byte") for key in ("held_out", "ngrams"))

    def unadapted() -> tuple[float, str]:
        off = {name: off_chance(*scores.among_labels(name), shares[name]) for name in GLUE}
        worst = max(off, key=off.get)
        return off[worst], f"farthest: {worst}, {scores.among_labels(worst)[1]:.1f}"

    def over_prompts() -> tuple[float, str]:
        gains = {name: scores.mean(LORA, name) - scores.mean(prompt(name), name) for name in DATA}
        return fmean(gains.values()), ", ".join(f"{name} {gain:+.1f}" for name, gain in gains.items())

    def over_random() -> tuple[float, str]:
        one, other = scores.mean(LORA, "glue-sst2"), random.mean(LORA, "glue-sst2")
        return one - other, f"{one:.1f} and {other:.1f}"

    asked = (
        (
            "bits per byte below the 5-gram model's, %",
            ">=",
            15,
            lambda: (100 * (1 - bits / ngrams), f"{bits} and {ngrams}"),
        ),
        ("SST-2: full fine-tuning", ">=", 75, lambda: (scores.mean("full", "glue-sst2"), "")),
        ("GLUE: unadapted, off chance", "<=", 5, unadapted),
        ("SST-2: LoRA, pretrained minus random weights", ">=", 8, over_random),
        ("DART: BLEU of full fine-tuning", ">=", 20, lambda: (scores.mean("full", "dart"), "")),
        ("LoRA minus prompt tuning, mean over data sets", ">=", 5, over_prompts),
    )
    return [judged(*gate) for gate in asked]


def judged(what: str, sign: str, bound: float, measure) -> dict[str, Any]:
    """One gate with what was measured."""
    gate = {"what": what, "asked": f"{sign} {bound:g}"}
    try:
        value, detail = measure()
    except (KeyError, TypeError, ZeroDivisionError) as error:
        return gate | {"value": None, "met": False, "detail": f"not measured: nothing of {error}"}
    met = value >= bound if sign == ">=" else value <= bound
    return gate | {"value": round(value, 2), "met": met, "detail": detail}


def run_on_random_weights(results: Path, config: Config) -> list[Cell]:
    """Run LoRA on SST-2 from random weights, at the best of the protocol's learning rates; returns the cells.

    Cells that ran before are not run again.
    """
    from ssmpeft_lib.runs.open import adapt_run, open_run
    from ssmpeft_lib.runs.rate_search import Search

    folder = results / RANDOM
    target = Cell("real", MODEL, LORA, "glue-sst2", search.SEED)
    overrides = config.overrides_for(target)
    planned = [Cell("real", MODEL, LORA, "glue-sst2", seed) for seed in config.seeds]
    missing = [cell for cell in planned if not (folder / paths.metrics_file(cell)).exists()]
    if missing:
        prepare_random(results, folder)
        rate_file = folder / search.folder(target) / "learning_rate.json"
        if not rate_file.exists():
            rates = [float(name) for name in config.lr_search_rates]
            entries = Search(target, folder, overrides).side_by_side(rates)
            rate, why = search.choose(entries)
            write_json(rate_file, {"learning_rate": rate, "why": why, "rates": entries})
    for cell in missing:
        print(f"from random weights: {cell}", flush=True)
        run = open_run(cell, folder, overrides, rate_file)
        adapt_run(run)
        run.train()
        run.score("val"), run.score("test")
        run.save(folder / cell.path)
    return planned


def prepare_random(results: Path, folder: Path) -> None:
    """Write a model with random weights, beside the tokenizer and the data of the pretrained one."""
    import torch
    from transformers import AutoConfig, AutoModelForCausalLM

    from ssmpeft_lib.plan import manifest
    from ssmpeft_lib.plan.atomic import replacing_folder

    for shared in ("tokenizers", "data"):
        link = folder / "real" / shared
        link.parent.mkdir(parents=True, exist_ok=True)
        if not link.exists():
            link.symlink_to((results / "real" / shared).resolve())
    pretrained = results / paths.checkpoint_folder("real", MODEL)
    about = json.loads((pretrained / "model.json").read_text(encoding="utf-8"))
    target = folder / paths.checkpoint_folder("real", MODEL) / "model.json"
    torch.manual_seed(0)
    network = AutoModelForCausalLM.from_config(AutoConfig.from_pretrained(pretrained / about["path"]))
    with replacing_folder(target.with_name(about["path"])) as draft:
        network.save_pretrained(draft)
    kept = {key: about[key] for key in ("model", "path", "eos")}
    manifest.write(target, {**kept, "tokens": 0}, target.with_name(about["path"]).iterdir(), sys.argv)


def main() -> int:
    """Measure, print and write; returns 1 where a gate is not passed."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--results", type=Path, default=ROOT / "results", help="what ran (default: %(default)s)")
    parser.add_argument("--checkpoints", type=Path, default=ROOT / "recorded" / "checkpoints")
    parser.add_argument("--cells", action="store_true", help="print the files of the cells that are read, and stop")
    parser.add_argument("--output", type=Path, help="JSON file to write")
    options = parser.parse_args()
    config = protocol()
    wanted = cells(config.seeds)
    if options.cells:
        print(" ".join(str(Path("results") / paths.metrics_file(cell)) for cell in wanted))
        return 0
    scores = Scores.read(options.results, wanted)
    on_random = run_on_random_weights(options.results, config) if (LORA, "glue-sst2") in scores.found else []
    random = Scores.read(options.results / RANDOM, on_random)
    unadapted = {name for method, name in scores.found if method == "pretrained"}
    shares = {name: label_shares(options.results, name) for name in unadapted}
    about = options.checkpoints / MODEL / "model.json"
    model = json.loads(about.read_text(encoding="utf-8")) if about.exists() else {}
    found = gates(scores, random, model, shares)
    for gate in found:
        value = "not measured" if gate["value"] is None else f"{gate['value']:.2f}"
        said = f"  ({gate['detail']})" if gate["detail"] else ""
        print(f"{gate['what']:48} {value:>12}  {gate['asked']:6} {'met' if gate['met'] else 'MISSED'}{said}")
    if options.output:
        write_json(options.output, {"model": MODEL, "seeds": len(config.seeds), "gates": found})
    return 0 if all(gate["met"] for gate in found) else 1


if __name__ == "__main__":
    sys.exit(main())
