"""What comes of pretraining on text: the n-gram model beside it, the checkpoint, and `make real-models`."""

from __future__ import annotations

import json
import math
import subprocess
import sys
from collections import Counter, defaultdict
from types import SimpleNamespace

import numpy as np
import pytest
import torch
import yaml
from reference import REPOSITORY
from safetensors.torch import load_file

from ssmpeft_lib.__main__ import main
from ssmpeft_lib.models import load_checkpoint
from ssmpeft_lib.plan import registry
from ssmpeft_lib.plan.snakemake.workflow import Workflow
from ssmpeft_lib.stand_ins.encoded_text import EncodedText, encode_held_out, encode_training, train_tokenizer
from ssmpeft_lib.stand_ins.floor import products_alone
from ssmpeft_lib.stand_ins.ngrams import KneserNey
from ssmpeft_lib.stand_ins.pretrain_on_text import TextRun
from ssmpeft_lib.stand_ins.text_checkpoint import write_checkpoint
from ssmpeft_lib.stand_ins.text_recipe import TextRecipe

LOADED_WITHOUT_US = """
import json, sys, torch
from transformers import AutoModelForCausalLM, AutoTokenizer
model = AutoModelForCausalLM.from_pretrained(sys.argv[1])
tokenizer = AutoTokenizer.from_pretrained(sys.argv[1])
assert not any(name.startswith("ssmpeft_lib") for name in sys.modules)
ids = tokenizer("The old house ### by the sea", return_tensors="pt").input_ids
with torch.no_grad():
    logits = model.float()(input_ids=ids).logits[0, -1]
print(json.dumps({"ids": ids[0].tolist(), "logits": logits.tolist(), "dtype": str(model.config.dtype)}))
"""


@pytest.fixture
def text(tmp_path):
    """A small folder of text."""
    folder = tmp_path / "text"
    folder.mkdir()
    words = "the old house by the sea stood and she did not answer but walked on".split()
    generator = np.random.default_rng(0)
    for name, count in (("a.txt", 80), ("valid.txt", 4)):
        documents = (" ".join(generator.choice(words, 50)) + "\n<|endoftext|>\n" for _ in range(count))
        (folder / name).write_text("".join(documents), encoding="utf-8")
    (folder / "README.md").write_text("# Whose text this is\n", encoding="utf-8")
    return folder


# n-grams


def by_definition(tokens: list[int], vocabulary: int, order: int):
    """Modified Kneser-Ney, word by word as Chen and Goodman (1998) write it."""
    grams = {n: Counter(tuple(tokens[i : i + n]) for i in range(len(tokens) - n + 1)) for n in range(1, order + 1)}
    counts = {order: grams[order]}
    for n in range(1, order):
        counts[n] = Counter(gram[1:] for gram in grams[n + 1])
    discounts, followers = {}, {}
    for n, table in counts.items():
        n1, n2, n3, n4 = (sum(c == k for c in table.values()) for k in (1, 2, 3, 4))
        discounts[n] = {1: 0.5, 2: 1.0, 3: 1.5}
        if n1 and n2 and n3 and n4:
            y = n1 / (n1 + 2 * n2)
            discounts[n] = {1: 1 - 2 * y * n2 / n1, 2: 2 - 3 * y * n3 / n2, 3: 3 - 4 * y * n4 / n3}
        followers[n] = defaultdict(list)
        for gram, count in table.items():
            followers[n][gram[:-1]].append(count)

    def probability(context: tuple[int, ...], token: int) -> float:
        n = len(context) + 1
        shorter = 1 / vocabulary if n == 1 else probability(context[1:], token)
        seen = followers[n].get(context)
        if not seen:
            return shorter
        d, count = discounts[n], counts[n][(*context, token)]
        held_back = sum(d[min(c, 3)] for c in seen)
        return (count - d[min(count, 3)] if count else 0) / sum(seen) + held_back / sum(seen) * shorter

    return probability


def test_ngrams_are_modified_kneser_ney():
    generator = np.random.default_rng(0)
    tokens = generator.integers(0, 6, 3000) ** 2 % 7
    model, expected = KneserNey(tokens, 7, order=4), by_definition(tokens.tolist(), 7, 4)
    probe = np.concatenate([generator.integers(0, 7, 300), tokens[:50]])
    found = model.probabilities(probe)
    for place in range(len(probe)):
        context = tuple(probe[max(0, place - 3) : place].tolist())
        assert found[place] == pytest.approx(expected(context, int(probe[place])), rel=1e-9)


@pytest.mark.parametrize("context", [[], [1], [4, 1, 0], [5, 6, 3], [3, 3, 3]])
def test_ngram_probabilities_sum_to_one(context):
    tokens = np.random.default_rng(1).integers(0, 6, 500) ** 2 % 7
    model = KneserNey(tokens, 8, order=4)
    assert sum(model.probabilities(np.array([*context, token]))[-1] for token in range(8)) == pytest.approx(1)


def test_bits_count_all_tokens_but_the_first_of_each_document():
    tokens = np.array([0, 1, 2, 0, 0, 2, 1, 1, 0], dtype=np.uint16)
    text = EncodedText(tokens, np.array([4, 9]), size=5)
    model = KneserNey(np.tile(tokens, 30), 3, order=3)
    found = model.probabilities(tokens)
    assert model.bits(text) == pytest.approx(-np.log2(found[[1, 2, 3, 5, 6, 7, 8]]).sum())


def test_too_short_a_text_is_refused():
    with pytest.raises(ValueError, match="4 tokens are too few for an n-gram model of order 5"):
        KneserNey(np.arange(4), 8)


# checkpoints


@pytest.mark.parametrize("model", sorted(n for n in registry.entries("models") if registry.model_facts(n).real))
def test_a_checkpoint_loads_without_this_library(tmp_path, text, model):
    tokenizer = train_tokenizer(text, 300)
    recipe = TextRecipe(tokens=3000, batch_tokens=512, length=128)
    sizes = registry.model_facts(model).stand_in | {"tie_word_embeddings": True}
    run = TextRun(
        model, sizes, recipe, encode_training(text, tokenizer), encode_held_out(text, tokenizer),
        tokenizer.get_vocab_size(), tmp_path / "state", report=lambda line: None,
    )  # fmt: skip
    ngrams = {"order": 5, "bits_per_byte": 2.0}
    with pytest.raises(ValueError, match="0 of 3,000 tokens; run pretrain-on-text again"):
        write_checkpoint(run, tokenizer, ngrams, text, tmp_path / "out")
    run.run()
    write_checkpoint(run, tokenizer, ngrams, text, tmp_path / "out")
    about = json.loads((tmp_path / "out" / "model.json").read_text(encoding="utf-8"))
    held_out = about["held_out"]
    tokens = len(run.held_out.tokens) - held_out["documents"]
    assert held_out["bits_per_byte"] == pytest.approx(
        held_out["loss"] * tokens / math.log(2) / held_out["bytes"], rel=1e-3
    )
    assert 0 < about["speed"]["training"] < about["speed"]["products_alone"]
    card = (tmp_path / "out" / "README.md").read_text(encoding="utf-8")
    assert f"{held_out['bits_per_byte']:.3f}" in card
    assert "[TEXT.md](TEXT.md)" in card
    assert (tmp_path / "out" / "TEXT.md").read_text(encoding="utf-8") == "# Whose text this is\n"
    ran = subprocess.run(
        [sys.executable, "-c", LOADED_WITHOUT_US, str(tmp_path / "out")],
        capture_output=True, encoding="utf-8", check=True, cwd=tmp_path,
    )  # fmt: skip
    loaded = json.loads(ran.stdout)
    ids = torch.tensor([loaded["ids"]])
    assert loaded["dtype"] == "torch.bfloat16"
    assert loaded["ids"] == tokenizer.encode("The old house ### by the sea").ids
    with torch.no_grad():
        ours = run.network.float()(input_ids=ids).logits[0, -1]
    torch.testing.assert_close(torch.tensor(loaded["logits"]), ours, rtol=1e-3, atol=1e-3)


@pytest.fixture
def recorded(tmp_path, text):
    """A recorded checkpoint in a repository's place for them, and the tokenizer that scale real made of it."""
    folder = tmp_path / "recorded" / "checkpoints" / "mamba-130m"
    tokenizer = train_tokenizer(text, 300)
    recipe = TextRecipe(tokens=1000, batch_tokens=512, length=128)
    encoded = encode_training(text, tokenizer), encode_held_out(text, tokenizer)
    sizes = {"hidden_size": 16, "num_hidden_layers": 2}
    run = TextRun("mamba-130m", sizes, recipe, *encoded, tokenizer.get_vocab_size(), tmp_path / "state", report=str)
    run.run()
    write_checkpoint(run, tokenizer, {"order": 5, "bits_per_byte": 2.0}, text, folder)
    given = tmp_path / "results" / "real" / "tokenizers" / "stand-in" / "tokenizer.json"
    assert not main(
        ["prepare-tokenizer", "real", "stand-in", "--given", str(folder / "tokenizer.json"), "--output", str(given)]
    )
    return folder, given


def test_scale_real_takes_a_recorded_checkpoint(tmp_path, recorded):
    folder, tokenizer = recorded
    output = tmp_path / "results" / "real" / "models" / "mamba-130m" / "model.json"
    taking = ["prepare-model", "real", "mamba-130m", "--recorded", str(folder), "--tokenizer", str(tokenizer)]
    assert not main([*taking, "--output", str(output)])
    loaded = load_checkpoint("mamba-130m", "glue-rte", "real", tmp_path / "results")
    stored = load_file(folder / "model.safetensors")
    for name, parameter in loaded.network.named_parameters():
        assert parameter.dtype == torch.float32
        assert torch.equal(parameter, stored[name].float())
    assert loaded.eos == 0


def test_a_recorded_checkpoint_of_another_model_or_tokenizer_is_refused(tmp_path, recorded, capsys):
    folder, tokenizer = recorded
    output = ["--output", str(tmp_path / "model.json"), "--recorded", str(folder)]
    assert main(["prepare-model", "real", "mamba2-130m", "--tokenizer", str(tokenizer), *output]) == 1
    assert "is a checkpoint of mamba-130m, not of mamba2-130m" in capsys.readouterr().err
    (folder / "tokenizer.json").write_text("{}", encoding="utf-8")
    assert main(["prepare-model", "real", "mamba-130m", "--tokenizer", str(tokenizer), *output]) == 1
    assert "was trained with its own tokenizer.json" in capsys.readouterr().err


def test_the_workflow_takes_recorded_checkpoints_at_scale_real_only(tmp_path):
    folder = tmp_path / "recorded" / "checkpoints" / "mamba-130m"
    folder.mkdir(parents=True)
    for name in ("model.json", "tokenizer.json"):
        (folder / name).write_text("{}", encoding="utf-8")
    config = yaml.safe_load((REPOSITORY / "config.yaml").read_text(encoding="utf-8")) | {"data_dir": str(tmp_path)}

    def sources(checkpoint="mamba-130m", **change):
        plan = Workflow(config | change, tmp_path)
        return plan.models.recorded(SimpleNamespace(checkpoint=checkpoint)), plan.models.given_tokenizer

    assert sources(scale="real") == (f"--recorded {folder}", f"--given {folder}/tokenizer.json")
    assert sources("mamba2-130m", scale="real")[0] == ""
    assert sources("mamba-130m-pixels", scale="real")[0] == ""
    assert sources(scale="quick") == ("", "")
    assert sources(scale="real", pretraining_steps=3) == ("", "")
    given = tmp_path / "own.json"
    given.touch()
    assert sources(scale="real", tokenizer=str(given)) == ("", f"--given {given}")


def test_products_alone_are_those_of_the_step():
    calls = []

    class Counted:
        network = torch.nn.Linear(64, 32, bias=False)

        def backward(self, ids, targets):
            x = torch.ones(16, 64, requires_grad=True)
            (self.network(x) ** 2).sum().backward()
            calls.append(1)

    assert products_alone(Counted(), None, None) > 0
    assert len(calls) == 1


# the whole


@pytest.mark.slow
def test_make_real_models(tmp_path, text):
    command = [
        sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "workflow" / "real_models.smk"), "--cores", "2",
        "--quiet", "rules", "--config", f"text={text}", "tokens=9000", "models=mamba-130m",
    ]  # fmt: skip
    done = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode == 0, done.stderr
    assert "tokens/s" in done.stdout + done.stderr
    folder = tmp_path / "results" / "real-models" / "checkpoints" / "mamba-130m"
    assert json.loads((folder / "model.json").read_text(encoding="utf-8"))["tokens"] >= 9000
    again = subprocess.run(command, cwd=tmp_path, capture_output=True, encoding="utf-8", check=True)
    assert "Nothing to be done" in again.stdout + again.stderr


@pytest.mark.parametrize(
    ("config", "words"),
    [
        (["models=mamba-7b", "text=."], "mamba-7b: not among those of scale real"),
        ([], "no text: make real-models TEXT=DIR"),
    ],
)
def test_make_real_models_says_what_is_wrong(tmp_path, config, words):
    command = [sys.executable, "-m", "snakemake", "-s", str(REPOSITORY / "workflow" / "real_models.smk"), "-n"]
    config = ["--config", *config] if config else []
    done = subprocess.run([*command, *config], cwd=tmp_path, capture_output=True, encoding="utf-8", check=False)
    assert done.returncode != 0
    assert words in done.stdout + done.stderr
