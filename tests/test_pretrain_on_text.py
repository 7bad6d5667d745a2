"""Pretraining on a folder of text: reading it, batches, the loss of the head, stops and resumptions."""

from __future__ import annotations

import lzma
import os
import signal
from dataclasses import replace

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from ssmpeft_lib.plan import registry
from ssmpeft_lib.stand_ins import blocks, pretrain_on_text
from ssmpeft_lib.stand_ins.encoded_text import EncodedText, encode_held_out, encode_training, train_tokenizer
from ssmpeft_lib.stand_ins.head_loss import head_loss
from ssmpeft_lib.stand_ins.pretrain_on_text import TextRun, sizes_and_recipe
from ssmpeft_lib.stand_ins.text_folder import held_out_documents, training_documents
from ssmpeft_lib.stand_ins.text_recipe import TextRecipe

RECIPE = TextRecipe(tokens=6000, batch_tokens=256, length=64)
SIZES = {"hidden_size": 16, "num_hidden_layers": 2}


def some_text(count: int = 60, seed: int = 0) -> EncodedText:
    generator = np.random.default_rng(seed)
    parts = [
        np.array([0, *generator.integers(1, 60, generator.integers(1, 200)), 0], dtype=np.uint16) for _ in range(count)
    ]
    return EncodedText(np.concatenate(parts), np.cumsum([len(part) for part in parts]), size=1000)


def a_run(folder, recipe=RECIPE, **more) -> TextRun:
    return TextRun("mamba-130m", SIZES, recipe, some_text(), some_text(5, seed=1), 64, folder, **more)


# reading


def test_documents_of_plain_and_compressed_files(tmp_path):
    text = "First title\nIts paragraph.\n<|endoftext|>\nSecond.\n<|endoftext|>\n\n<|endoftext|>\n"
    (tmp_path / "a.txt").write_text(text, encoding="utf-8")
    (tmp_path / "b.txt.xz").write_bytes(lzma.compress("Dritter, größer\r\n<|endoftext|>\r\n".encode()))
    (tmp_path / "valid.txt").write_text("Held out.\n<|endoftext|>\n", encoding="utf-8")
    (tmp_path / "README.md").write_text("no text", encoding="utf-8")
    assert list(training_documents(tmp_path)) == ["First title\nIts paragraph.", "Second.", "Dritter, größer"]
    assert list(held_out_documents(tmp_path)) == ["Held out."]


@pytest.mark.parametrize(
    ("files", "error", "words"),
    [
        ({}, FileNotFoundError, "no text to train on"),
        ({"valid.txt": b"a\n<|endoftext|>\n"}, FileNotFoundError, "no text to train on"),
        ({"a.txt": b"a\nb\n"}, ValueError, "its last 2 lines are not ended by a line <|endoftext|>"),
        ({"a.txt": b"\xff\xfe\n<|endoftext|>\n"}, ValueError, "a.txt cannot be read as UTF-8"),
        ({"a.txt.xz": lzma.compress(b"a\n" * 9999)[:-9]}, ValueError, "a.txt.xz cannot be read"),
        ({"a.txt.xz": b"no xz"}, ValueError, "a.txt.xz cannot be read"),
        ({"a.txt": b"", "a.txt.xz": b""}, ValueError, "remove one of them"),
    ],
)
def test_a_folder_that_does_not_do_says_why(tmp_path, files, error, words):
    for name, content in files.items():
        (tmp_path / name).write_bytes(content)
    with pytest.raises(error, match=words.replace("|", r"\|")):
        list(training_documents(tmp_path))


def test_a_missing_folder_and_missing_held_out_text_say_what_to_do(tmp_path):
    with pytest.raises(FileNotFoundError, match="make real-models TEXT=DIR"):
        list(training_documents(tmp_path / "none"))
    (tmp_path / "a.txt").write_text("a\n<|endoftext|>\n", encoding="utf-8")
    with pytest.raises(FileNotFoundError, match=r"no valid\.txt"):
        list(held_out_documents(tmp_path))


def test_tokens_decode_to_the_text(tmp_path):
    texts = [f"Paragraph {number}.\nAnother — “quoted”.\nEnd." for number in range(40)]
    ended = "".join(f"{text}\n<|endoftext|>\n" for text in texts)
    (tmp_path / "a.txt").write_text(ended, encoding="utf-8")
    (tmp_path / "valid.txt").write_text(ended, encoding="utf-8")
    tokenizer = train_tokenizer(tmp_path, 300)
    held_out, training = encode_held_out(tmp_path, tokenizer), encode_training(tmp_path, tokenizer)
    assert held_out.size == sum(len(text.encode()) for text in texts)
    for index, text in enumerate(texts):
        ids = held_out.document(index).tolist()
        assert ids[0] == ids[-1] == 0
        assert tokenizer.decode(ids[1:-1]) == text
    # some documents have the separator of task inputs between paragraphs
    read = [tokenizer.decode(training.document(index)[1:-1].tolist()) for index in range(len(texts))]
    assert {text.replace("###", "\n") for text in read} == set(texts)
    assert 0 < sum("###" in text for text in read) < len(texts) / 4
    held_out.save(tmp_path / "encoded.npz")
    loaded = EncodedText.load(tmp_path / "encoded.npz")
    assert np.array_equal(loaded.tokens, held_out.tokens)
    assert loaded.size == held_out.size


# batches


def test_every_token_is_predicted_once_an_epoch_from_its_own_document():
    text = some_text()
    owner = np.repeat(np.arange(len(text.ends)), np.diff([0, *text.ends]))
    cut = blocks.pieces(text, 64)
    predicted = []
    for rows in blocks.epoch_order(cut, 256, np.random.default_rng(0)):
        ids, targets = blocks.batch(text, rows)
        assert ids.shape == targets.shape
        assert ids.numel() <= 256
        for row, (start, length) in enumerate(rows):
            assert len(set(owner[start : start + length + 1])) == 1
            assert ids[row, 1:length].tolist() == targets[row, : length - 1].tolist()
            assert (targets[row, length:] == blocks.IGNORED).all()
            predicted.extend(range(start + 1, start + length + 1))
    starts = {0, *text.ends.tolist()}
    assert sorted(predicted) == [place for place in range(len(text.tokens)) if place not in starts]


def test_batches_go_on_from_any_place_and_epochs_differ():
    text = some_text()

    def some(count, **where):
        stream = blocks.epochs(text, 64, 256, seed=3, **where)
        return [next(stream) for _ in range(count)]

    whole = some(200)
    epoch, index = whole[149][:2]
    assert epoch > 0
    for one, other in zip(whole[150:], some(50, epoch=epoch, index=index), strict=True):
        assert one[:2] == other[:2]
        assert torch.equal(one[2], other[2])
    first, second = (
        np.concatenate(blocks.epoch_order(blocks.pieces(text, 64), 256, np.random.default_rng([3, epoch])))
        for epoch in (0, 1)
    )
    assert not np.array_equal(first, second)


def test_little_of_a_batch_is_padding():
    generator = np.random.default_rng(0)
    lengths = generator.integers(30, 3000, 3000)
    text = EncodedText(np.ones(lengths.sum(), dtype=np.uint16), np.cumsum(lengths), size=1)
    order = blocks.epoch_order(blocks.pieces(text, 512), 4096, generator)
    sizes = [len(rows) * blocks.batch(text, rows)[0].shape[1] for rows in order]
    assert (lengths - 1).sum() / sum(sizes) > 0.93


# loss


def test_head_loss_is_the_cross_entropy():
    generator = torch.Generator().manual_seed(0)
    hidden = torch.randn(700, 16, generator=generator, requires_grad=True)
    weight = torch.randn(50, 16, generator=generator, requires_grad=True)
    targets = torch.randint(50, (700,), generator=generator)
    expected = F.cross_entropy(hidden @ weight.t(), targets, reduction="sum")
    wanted = torch.autograd.grad(expected / 7, (hidden, weight))
    for dtype, tolerance in ((torch.float32, 1e-5), (torch.bfloat16, 2e-2)):
        loss = head_loss(hidden, weight, targets, dtype)
        torch.testing.assert_close(loss, expected, rtol=tolerance, atol=0)
        for grad, right in zip(torch.autograd.grad(loss / 7, (hidden, weight)), wanted, strict=True):
            assert (grad - right).abs().max() <= tolerance * right.abs().max()
        with torch.no_grad():
            torch.testing.assert_close(head_loss(hidden, weight, targets, dtype), expected, rtol=tolerance, atol=0)


def test_head_loss_of_an_impossible_token_is_finite():
    hidden = torch.tensor([[300.0]], requires_grad=True)
    loss = head_loss(hidden, torch.tensor([[1.0], [-1.0]]), torch.tensor([1]), torch.float32)
    assert torch.isfinite(loss)
    assert loss > 50


@pytest.mark.parametrize("shards", [2, 3])
def test_shards_compute_the_gradient_of_the_whole_batch(tmp_path, shards):
    one, several = (a_run(tmp_path, replace(RECIPE, shards=count, precision="float32")) for count in (1, shards))
    _, _, ids, targets = next(blocks.epochs(some_text(), 64, 256, seed=0))
    assert one.shards.gradients(ids, targets) == pytest.approx(several.shards.gradients(ids, targets), rel=1e-5)
    for here, there in zip(one.network.parameters(), several.network.parameters(), strict=True):
        torch.testing.assert_close(here.grad, there.grad, rtol=1e-3, atol=1e-6)


# runs


def test_a_run_that_was_stopped_twice_ends_as_one_that_was_not(tmp_path):
    straight, stopped = a_run(tmp_path / "straight"), None
    assert straight.run()
    for tokens in (1500, 4000, None):
        stopped = a_run(tmp_path / "stopped")
        assert stopped.run(tokens) == (tokens is None)
    assert stopped.progress.step == straight.progress.step
    for here, there in zip(straight.network.parameters(), stopped.network.parameters(), strict=True):
        assert torch.equal(here, there)
    losses = [
        [(entry["loss"], entry.get("held_out_loss")) for entry in run.progress.history] for run in (straight, stopped)
    ]
    assert losses[0] == losses[1]
    assert straight.progress.history[-1]["loss"] < straight.progress.history[0]["loss"]


def test_sigterm_saves_and_the_run_goes_on(tmp_path, monkeypatch):
    monkeypatch.setattr(pretrain_on_text, "REPORT_SECONDS", -1)
    lines = []

    def report(line):
        lines.append(line)
        if len(lines) == 3:
            os.kill(os.getpid(), signal.SIGTERM)

    assert not a_run(tmp_path, report=report).run()
    going_on = a_run(tmp_path)
    assert going_on.resume()
    assert going_on.progress.step == 3
    assert "tokens/s" in lines[0]
    assert "held out" in lines[0]


def test_a_half_written_state_is_not_taken(tmp_path):
    a_run(tmp_path).run(500)
    (tmp_path / "state.pt.partial").write_bytes(b"half")
    assert a_run(tmp_path).resume()


def test_a_state_of_another_run_is_refused_but_the_length_may_change(tmp_path):
    a_run(tmp_path).run(500)
    with pytest.raises(ValueError, match=r"learning_rate=0\.003, this one has learning_rate=0\.001"):
        a_run(tmp_path, replace(RECIPE, learning_rate=1e-3)).run()
    shorter = a_run(tmp_path, replace(RECIPE, tokens=1000))
    assert shorter.run()
    assert 1000 <= shorter.progress.tokens < 1300


def test_two_processes_do_not_work_in_one_folder(tmp_path):
    from filelock import FileLock

    with FileLock(tmp_path / "lock"), pytest.raises(RuntimeError, match="another process pretrains mamba-130m"):
        a_run(tmp_path).run()


def test_the_learning_rate_warms_up_and_follows_the_cosine():
    recipe = TextRecipe(tokens=1000, learning_rate=1.0, warmup=0.1, floor=0.1)
    assert recipe.rate(50) == pytest.approx(0.5)
    assert recipe.rate(100) == pytest.approx(1.0)
    assert recipe.rate(550) == pytest.approx(0.55)
    assert recipe.rate(1000) == pytest.approx(0.1)
    assert recipe.rate(1200) == pytest.approx(0.1)


@pytest.mark.parametrize("model", [name for name in registry.entries("models") if registry.model_facts(name).real])
def test_every_model_of_scale_real_trains_on_text(tmp_path, model):
    sizes, recipe = sizes_and_recipe(model)
    recipe = replace(recipe, tokens=300, batch_tokens=128, length=64)
    run = TextRun(model, sizes, recipe, some_text(), some_text(5, seed=1), 64, tmp_path)
    assert run.run()
    assert torch.isfinite(torch.tensor(run.held_out_loss()))
    channels = registry.model_facts(model).real.sizes["hidden_size"] * 2
    assert channels >= 384, "one percent of the channels has to be four or more"
