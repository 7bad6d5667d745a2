"""Greedy and beam search. Token for token what transformers' `generate` returns with the same settings."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from .decoder import Decoder

NEVER = -1.0e9


@torch.no_grad()
def generate(
    model: nn.Module, prompts: list[list[int]], max_new_tokens: int, eos: int, beams: int = 1
) -> list[list[int]]:
    """Continue prompts.

    Args:
        model: a transformers causal language model, adapted or not, in evaluation mode.
        prompts: token ids of each prompt, of any lengths, none empty.
        max_new_tokens: bound on each answer.
        eos: the token that ends an answer; it is not part of the answer.
        beams: 1 for greedy search; the paper uses 5 (Sec. C.1).
    Returns:
        the answers' token ids.
    Raises:
        ValueError: an empty prompt, or a bound below 1.
        FloatingPointError: the model's logits are NaN or infinite.
    """
    if not all(prompts):
        raise ValueError(f"prompt {next(i for i, p in enumerate(prompts) if not p)} of {len(prompts)} is empty")
    if max_new_tokens < 1 or beams < 1:
        raise ValueError(f"max_new_tokens and beams must be at least 1, got {max_new_tokens} and {beams}")
    if not prompts:
        return []
    decoder = Decoder(model)
    if beams == 1:
        return greedy_search(decoder, prompts, max_new_tokens, eos)
    return beam_search(decoder, prompts, max_new_tokens, eos, beams)


def greedy_search(decoder: Decoder, prompts: list[list[int]], max_new_tokens: int, eos: int) -> list[list[int]]:
    """The likeliest token at each step; a row leaves the batch when it has ended."""
    answers: list[list[int]] = [[] for _ in prompts]
    rows = list(range(len(prompts)))
    tokens = decoder.read(prompts).argmax(-1)
    for length in range(1, max_new_tokens + 1):
        chosen = tokens.tolist()
        going = [i for i, token in enumerate(chosen) if token != eos]
        for i in going:
            answers[rows[i]].append(chosen[i])
        if not going or length == max_new_tokens:
            break
        if len(going) < len(rows):
            kept = torch.tensor(going, device=tokens.device)
            decoder.keep(kept)
            tokens, rows = tokens[kept], [rows[i] for i in going]
        tokens = decoder.step(tokens).argmax(-1)
    return answers


def beam_search(
    decoder: Decoder, prompts: list[list[int]], max_new_tokens: int, eos: int, beams: int
) -> list[list[int]]:
    """The best of `beams` hypotheses by mean log-probability a token (length penalty 1).

    A prompt leaves the batch when no running hypothesis can still overtake its finished ones, so a batch costs what
    its rows need.
    """
    logits = decoder.read(prompts)
    answers: list[list[int]] = [[] for _ in prompts]
    open_prompts = torch.arange(len(prompts), device=logits.device)
    decoder.keep(open_prompts.repeat_interleave(beams))
    running = Beams.start(len(prompts), beams, max_new_tokens, logits.device)
    logits = logits.repeat_interleave(beams, 0)
    for length in range(max_new_tokens):
        source, tokens = running.extend(logits.log_softmax(-1), length, max_new_tokens, eos)
        closed = ~running.improvable(length + 1)
        if length + 1 == max_new_tokens:
            closed = torch.ones_like(closed)
        for i in closed.nonzero().flatten().tolist():
            answers[int(open_prompts[i])] = running.best(i, eos)
        going = (~closed).nonzero().flatten()
        if len(going) == 0:
            break
        open_prompts = open_prompts[going]
        running.keep(going)
        decoder.keep((source[going]).flatten())
        logits = decoder.step(tokens[going].flatten())
    return answers


class Beams:
    """The running and finished hypotheses of a batch: tokens [batch, beams, max_new_tokens], scores [batch, beams]."""

    def __init__(self, tokens: Tensor, scores: Tensor, finished: Tensor, finished_scores: Tensor, is_finished: Tensor):
        self.tokens, self.scores = tokens, scores
        self.finished, self.finished_scores, self.is_finished = finished, finished_scores, is_finished

    @classmethod
    def start(cls, batch: int, beams: int, max_new_tokens: int, device: torch.device) -> Beams:
        """One empty hypothesis a prompt; the others cannot be chosen, so that the first step takes different tokens."""
        tokens = torch.full((batch, beams, max_new_tokens), -1, device=device)
        scores = torch.zeros(batch, beams, device=device)
        scores[:, 1:] = NEVER
        return cls(
            tokens, scores, tokens.clone(), torch.full_like(scores, NEVER), torch.zeros_like(scores, dtype=torch.bool)
        )

    def extend(self, log_probs: Tensor, length: int, max_new_tokens: int, eos: int) -> tuple[Tensor, Tensor]:
        """Take a token in every hypothesis; returns each one's source row and its token, both [batch, beams]."""
        batch, beams = self.scores.shape
        vocabulary = log_probs.shape[-1]
        totals = (log_probs.view(batch, beams, vocabulary) + self.scores[..., None]).view(batch, -1)
        # twice as many candidates as beams, for as many as half of them may end here
        candidate_scores, index = totals.topk(2 * beams)
        source, token = index // vocabulary, index % vocabulary
        candidates = _take(self.tokens, source)
        candidates[:, :, length] = token
        ended = (token == eos) | torch.full_like(token, length + 1 == max_new_tokens, dtype=torch.bool)
        self._finish(candidates, candidate_scores, ended, length)
        self.scores, chosen = (candidate_scores + NEVER * ended).topk(beams)
        self.tokens = _take(candidates, chosen)
        rows = source.gather(1, chosen) + beams * torch.arange(batch, device=source.device)[:, None]
        return rows, token.gather(1, chosen)

    def improvable(self, length: int) -> Tensor:
        """Which prompts have a running hypothesis that may still beat their worst finished one, [batch]."""
        worst = torch.where(self.is_finished.all(1), self.finished_scores.min(1).values, NEVER)
        return self.scores[:, 0] / length > worst

    def best(self, prompt: int, eos: int) -> list[int]:
        """Tokens of the best finished hypothesis of a prompt."""
        tokens = self.finished[prompt, 0].tolist()
        end = next((i for i, token in enumerate(tokens) if token in (eos, -1)), len(tokens))
        return tokens[:end]

    def keep(self, prompts: Tensor) -> None:
        """Go on with these prompts only."""
        for name, tensor in vars(self).items():
            setattr(self, name, tensor[prompts])

    def _finish(self, candidates: Tensor, scores: Tensor, ended: Tensor, length: int) -> None:
        beams = self.scores.shape[1]
        # only the best `beams` candidates may finish; the rest are there to keep the beam full
        finishes = ended & (torch.arange(2 * beams, device=ended.device) < beams)
        new_scores = scores / (length + 1) + NEVER * ~finishes
        scores_here = torch.cat([self.finished_scores, new_scores], 1)
        self.finished_scores, chosen = scores_here.topk(beams)
        self.finished = _take(torch.cat([self.finished, candidates], 1), chosen)
        self.is_finished = torch.cat([self.is_finished, finishes], 1).gather(1, chosen)


def _take(tokens: Tensor, index: Tensor) -> Tensor:
    """Rows of [batch, beams, length] by index [batch, beams]."""
    return tokens.gather(1, index[..., None].expand(-1, -1, tokens.shape[-1]))
