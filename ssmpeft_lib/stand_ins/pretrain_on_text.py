"""Pretraining of a small language model on real text, over hours, in a folder from which it goes on after any stop."""

from __future__ import annotations

import signal
from collections import deque
from collections.abc import Callable, Mapping
from contextlib import contextmanager
from dataclasses import asdict
from datetime import timedelta
from pathlib import Path
from time import monotonic, process_time
from typing import Any

import numpy as np
import torch
from filelock import FileLock, Timeout
from torch import Tensor, nn

from ..plan import registry
from ..plan.atomic import replacing
from . import blocks
from .encoded_text import EncodedText
from .shards import Shards
from .text_recipe import Progress, TextRecipe, parameter_groups

STATE = "state.pt"

SAVE_SECONDS, REPORT_SECONDS = 300, 60

ENTRIES, HELD_OUT_EVERY, HELD_OUT_BATCHES = 200, 5, 12
"""Entries of the history in a run; how many lie between two that have the held-out loss; on how many batches."""


def sizes_and_recipe(model: str) -> tuple[dict[str, Any], TextRecipe]:
    """Look up the sizes that a model has at scale real and how it is pretrained there.

    Raises:
        LookupError: the model's facts have no `real`.
    """
    real = registry.model_facts(model).real
    if real is None:
        known = [name for name in registry.entries("models") if registry.model_facts(name).real]
        raise LookupError(f"{model} has no sizes at scale real; these have: {', '.join(known)}")
    return real.sizes, TextRecipe(**real.recipe)


class TextRun:
    """One model's pretraining in a folder.

    Args:
        model: name such as `mamba-130m`.
        sizes: what its file's `build` takes, but for the vocabulary.
        recipe: how it is trained.
        text, held_out: encoded documents.
        vocabulary: number of tokens of the tokenizer.
        folder: where the state is, and goes.
        report: gets a line about every minute.
    """

    def __init__(
        self,
        model: str,
        sizes: Mapping[str, Any],
        recipe: TextRecipe,
        text: EncodedText,
        held_out: EncodedText,
        vocabulary: int,
        folder: Path,
        report: Callable[[str], None] = print,
    ) -> None:
        self.model, self.recipe, self.text, self.held_out = model, recipe, text, held_out
        self.folder, self.report, self.progress = Path(folder), report, Progress()
        self.sizes = {**sizes, "vocab_size": vocabulary}
        self.shards = Shards(self._build, recipe.shards, getattr(torch, recipe.precision))
        groups = parameter_groups(self.network, recipe.weight_decay)
        self.optimizer = torch.optim.AdamW(groups, lr=0.0, betas=recipe.betas, fused=True)
        self._speed: deque[tuple[float, int]] = deque(maxlen=400)
        self._stopped = False

    @property
    def network(self) -> nn.Module:
        """The model."""
        return self.shards.network

    @property
    def done(self) -> bool:
        """Whether the run is at its end."""
        return self.progress.tokens >= self.recipe.tokens

    def run(self, most_tokens: int | None = None) -> bool:
        """Train to the end, or until SIGTERM or SIGINT, and save.

        Args:
            most_tokens: stop after about so many tokens of the run, as a signal would.
        Returns:
            Whether the end is reached.
        Raises:
            RuntimeError: another process is at work in the folder.
            ValueError: the folder has the state of another recipe, model or text.
        """
        self.folder.mkdir(parents=True, exist_ok=True)
        try:
            with FileLock(self.folder / "lock", timeout=0):
                self.resume()
                if not self.done:
                    with self._signals():
                        self._train(most_tokens or self.recipe.tokens)
        except Timeout as error:
            raise RuntimeError(
                f"another process pretrains {self.model} in {self.folder}; wait for it, or end it first"
            ) from error
        return self.done

    def held_out_loss(self, whole: bool = True) -> float:
        """Mean loss on the held-out documents, in nats a token: on all of them, or on a fixed part of their batches."""
        recipe = self.recipe
        cut = blocks.pieces(self.held_out, recipe.length)
        order = blocks.epoch_order(cut, recipe.batch_tokens, np.random.default_rng(recipe.seed))
        total, counted = 0.0, 0
        for rows in order if whole else order[:HELD_OUT_BATCHES]:
            ids, targets = blocks.batch(self.held_out, rows)
            total += self.shards.loss(ids, targets)
            counted += int((targets != blocks.IGNORED).sum())
        return total / counted

    def resume(self) -> bool:
        """Go to where the folder's state is; say whether there is one."""
        path = self.folder / STATE
        if not path.exists():
            return False
        state = torch.load(path, weights_only=True)
        for name, here in self.identity().items():
            if (there := state["identity"].get(name)) != here:
                raise ValueError(
                    f"{path} is of a run with {name}={there}, this one has {name}={here}; give the run another folder, "
                    f"or the same {name}"
                )
        self.network.load_state_dict(state["network"])
        self.optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["rng"])
        self.progress = Progress(**state["progress"])
        return True

    def save(self) -> None:
        """Write the state; a stop at any moment leaves the old one or the new one."""
        state = {
            "identity": self.identity(),
            "network": self.network.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "rng": torch.get_rng_state(),
            "progress": asdict(self.progress),
        }
        with replacing(self.folder / STATE) as draft:
            torch.save(state, draft)

    def identity(self) -> dict:
        """Where two runs differ in any of these, one cannot go on from the other's state.

        The number of tokens may differ: the learning rate follows the cosine of the new one from there.
        """
        recipe = {
            name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self.recipe).items()
        }
        del recipe["tokens"]
        text = {"text_tokens": len(self.text.tokens), "text_documents": len(self.text.ends)}
        return {"model": self.model, **self.sizes, **recipe, **text}

    def _build(self) -> nn.Module:
        torch.manual_seed(self.recipe.seed)
        special = dict.fromkeys(("eos_token_id", "pad_token_id", "bos_token_id"), 0)
        return registry.load("models", self.model).build(**self.sizes, **special).train()

    def _train(self, most_tokens: int) -> None:
        """Take steps; no `loop.fit`, for they are counted in tokens, end at a signal, and are saved by the clock."""
        recipe, now = self.recipe, self.progress
        batches = blocks.epochs(self.text, recipe.length, recipe.batch_tokens, recipe.seed, now.epoch, now.index)
        clock = saved = reported = monotonic()
        core_clock = process_time()
        while now.tokens < most_tokens and not self.done and not self._stopped:
            now.epoch, now.index, ids, targets = next(batches)
            self._step(ids, targets)
            now.seconds += (moment := monotonic()) - clock
            now.core_seconds += (core_moment := process_time()) - core_clock
            clock, core_clock = moment, core_moment
            if now.tokens * ENTRIES >= recipe.tokens * (len(now.history) + 1):
                self._enter()
                # measuring is not training
                clock, core_clock = monotonic(), process_time()
            if moment - reported > REPORT_SECONDS:
                reported = moment
                self.report(self._line())
            if moment - saved > SAVE_SECONDS:
                saved = moment
                self.save()
        self.save()
        self.report(self._line())

    def _step(self, ids: Tensor, targets: Tensor) -> None:
        now = self.progress
        for group in self.optimizer.param_groups:
            group["lr"] = self.recipe.rate(now.tokens)
        loss = self.shards.gradients(ids, targets)
        norm = nn.utils.clip_grad_norm_(self.network.parameters(), self.recipe.clip).item()
        if not np.isfinite([loss, norm]).all():
            raise FloatingPointError(
                f"the loss of {self.model} is {loss} and the norm of its gradient {norm} at step {now.step}; the state "
                f"in {self.folder} is from before: start anew with a lower learning rate than "
                f"{self.recipe.learning_rate:g}"
            )
        self.optimizer.step()
        self.optimizer.zero_grad(set_to_none=True)
        counted = int((targets != blocks.IGNORED).sum())
        now.step, now.tokens = now.step + 1, now.tokens + counted
        now.loss, now.counted = now.loss + loss * counted, now.counted + counted
        self._speed.append((monotonic(), counted))

    def _enter(self) -> None:
        now = self.progress
        entry = {"step": now.step, "tokens": now.tokens, "seconds": round(now.seconds, 1)}
        entry |= {"loss": round(now.loss / now.counted, 4), "counted": now.counted}
        entry["core_seconds"] = round(now.core_seconds, 2)
        if len(now.history) % HELD_OUT_EVERY == HELD_OUT_EVERY - 1:
            entry["held_out_loss"] = round(self.held_out_loss(whole=False), 4)
        now.history.append(entry)
        now.loss, now.counted, now.core_seconds = 0.0, 0, 0.0

    def _line(self) -> str:
        now, recipe = self.progress, self.recipe
        speed = _tokens_a_second(self._speed)
        left = timedelta(seconds=round((recipe.tokens - now.tokens) / speed)) if speed and not self.done else "no time"
        loss = f"{now.loss / now.counted:.3f}" if now.counted else "-"
        held_out = next((f"{e['held_out_loss']:.3f}" for e in reversed(now.history) if "held_out_loss" in e), "-")
        return (
            f"{self.model}: step {now.step:,}, {now.tokens / 1e6:.2f} of {recipe.tokens / 1e6:g} million tokens, "
            f"loss {loss}, held out {held_out}, rate {recipe.rate(now.tokens):.2e}, {speed:,.0f} tokens/s, {left} left"
        )

    @contextmanager
    def _signals(self):
        """Let SIGTERM and SIGINT end the run behind the step in progress."""

        def stop(*_) -> None:
            self._stopped = True

        before = {kind: signal.signal(kind, stop) for kind in (signal.SIGTERM, signal.SIGINT)}
        try:
            yield
        finally:
            for kind, handler in before.items():
                signal.signal(kind, handler)


def _tokens_a_second(moments: deque[tuple[float, int]]) -> float:
    if len(moments) < 2:
        return 0.0
    return sum(counted for _, counted in list(moments)[1:]) / max(1e-9, moments[-1][0] - moments[0][0])
