"""What a cell's notebook shows: plain tables and curves, as HTML that the book styles and any notebook can show."""

from __future__ import annotations

import html
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from ..drawing import charts, template
from ..drawing.numbers import NBSP, duration, fixed, grouped, memory

if TYPE_CHECKING:
    from ..data._task import Example
    from .run import Run

SHOWN_ANSWERS = 8
LONGEST, SHOWN_OF_LONGER = 8000, 300
"""A text of more characters, as a series of numbers is, is cut to so many."""


@dataclass(frozen=True)
class Fragment:
    """A piece of HTML that a notebook displays, with a text for readers that show none."""

    markup: str
    text: str

    def _repr_html_(self) -> str:
        return self.markup

    def __repr__(self) -> str:
        return self.text


def identity(run: Run) -> Fragment:
    """The cell's words, its recipe and its data."""
    cell, recipe = run.cell, run.recipe
    length = f"{run.total_steps} steps" if recipe.steps else f"{recipe.epochs} epochs, {run.total_steps} steps"
    sizes = ", ".join(f"{grouped(len(split))} {name}" for name, split in run.problem.splits.items())
    training = f"{length} of {recipe.batch_size}, learning rate {recipe.learning_rate:g}, {recipe.precision}"
    return facts(
        {
            "model": f"{cell.model}: {type(run.model).__name__} with {grouped(parameters(run))} parameters",
            "method": cell.method,
            "data set": f"{cell.dataset}: {run.data.get('source', '')}",
            "examples": sizes,
            **_official_splits(run),
            "training": training if run.total_steps else "nothing is trained",
            "seed": str(cell.seed),
            "scale": cell.scale,
        }
    )


def _official_splits(run: Run) -> dict[str, str]:
    """Which official split is what, an override of them included; nothing for data that have none."""
    splits = run.data.get("splits", {})
    return {"official splits": ", ".join(f"{role}: {words}" for role, words in splits.items())} if splits else {}


def serialised(run: Run, count: int = 2) -> Fragment:
    """Training examples as the model reads them."""
    rows = [run.problem.serialised(i) for i in range(min(count, len(run.problem.splits["train"])))]
    return records(["the model reads", "and learns to say"], rows)


def trained(run: Run) -> Fragment:
    """The trained tensors, those of one layer standing for all layers alike."""
    merged: dict[tuple[str, tuple[int, ...]], int] = {}
    for name, parameter in run.trained.items():
        key = (".".join("*" if part.isdigit() else part for part in name.split(".")), tuple(parameter.shape))
        merged[key] = merged.get(key, 0) + 1
    rows = [[name, " × ".join(map(str, shape)), str(times)] for (name, shape), times in merged.items()]
    if not rows:
        return Fragment("<p>Nothing is trained: the model stays as it is.</p>", "nothing is trained")
    total = sum(parameter.numel() for parameter in run.trained.values())
    share = fixed(100 * total / parameters(run), 2)
    rows.append(["all together", f"{grouped(total)} of {grouped(parameters(run))}, {share}{NBSP}%", ""])
    return table(["tensor", "shape", "times"], rows)


def search(run: Run) -> Fragment:
    """How each learning rate of the search did; nothing where no search was made."""
    if not run.search:
        return Fragment("", "")
    protocol, chosen = run.search["protocol"], run.search["learning_rate"]
    words = (
        f"The learning rate {chosen:g} was chosen among {len(run.search['rates'])} by {protocol['score']} on "
        f"{grouped(protocol['val_examples'])} validation examples, after {grouped(protocol['steps'])} steps on "
        f"{grouped(protocol['train_examples'])} training examples with seed {protocol['seed']}."
    )
    rows = [[f"{rate['learning_rate']:g}", *_outcome(rate)] for rate in run.search["rates"]]
    tried = table(["learning rate", protocol["score"], "training loss", "steps"], rows)
    return Fragment(f"<p>{html.escape(words)}</p>{tried.markup}", f"{words}\n{tried.text}")


def _outcome(rate: dict) -> list[str]:
    if rate["status"] != "ok":
        return [rate["status"], "", str(rate["steps"])]
    return [fixed(rate["score"], 1), f"{rate['train_loss']:.3g}", str(rate["steps"])]


def learning_curve(run: Run) -> Fragment:
    """Training loss and validation score over steps, as two pictures and in words."""
    history = run.progress.history
    if not history:
        return Fragment("<p>Nothing is trained, so there is no curve.</p>", "nothing is trained")
    steps = [entry["step"] for entry in history]
    losses, found = [entry["train_loss"] for entry in history], [entry.get("val_score") for entry in history]
    loss = f"Training loss falls from {losses[0]:.3g} to {losses[-1]:.3g}."
    if losses[-1] > losses[0]:
        loss = f"Training loss rises from {losses[0]:.3g} to {losses[-1]:.3g}."
    loss += _norms(run)
    pictures, words = charts.curve(steps, losses, "training loss", loss), loss
    if None not in found:
        score = f"The best validation score is {max(found):.1f}, at step {run.progress.best_step}."
        pictures += charts.curve(steps, found, "validation score", score, run.progress.best_step)
        words = f"{loss} {score}"
    return Fragment(f"<div class='charts'>{pictures}</div><p>{html.escape(words)}</p>", words)


def _norms(run: Run) -> str:
    """How long gradients were, in words."""
    norms = [entry["grad_norm"] for entry in run.progress.history]
    most, clip = max(entry["max_grad_norm"] for entry in run.progress.history), run.recipe.clip
    clipped = f"; steps are clipped to {clip:g}" if clip else ""
    return f" Gradient norm: {norms[0]:.3g} in the mean at first, {norms[-1]:.3g} at last, {most:.3g} at most{clipped}."


def selection(run: Run) -> Fragment:
    """Which channels and states a warm-up chose, layer by layer; nothing for a method that does not choose."""
    pictures, lines = [], []
    for name, made in run.selection.items():
        entries = [(channel, state) for channel, state in made.trained.nonzero().tolist()]
        channels = sorted({channel for channel, _ in entries})
        said = f"{name}: {len(entries)} entries in {len(channels)} of {made.trained.shape[0]} channels"
        pictures.append(charts.chosen(entries, tuple(made.trained.shape), name, said))
        lines.append(said)
    words = "What the warm-up chose: the entries of A_log that are trained."
    markup = f"<p>{words}</p><div class='charts'>{''.join(pictures)}</div>" if pictures else ""
    return Fragment(markup, "\n".join([words, *lines]) if lines else "")


def scores(run: Run) -> Fragment:
    """Every score of every split, with its interval and the share of the answer that was given most often."""
    if not run.scores:
        return Fragment("<p>Nothing is asked here, and nothing is scored.</p>", "nothing is scored")
    rows, notes = [], []
    for split, found in run.scores.items():
        intervals, frequent = found.get("ci", {}), _most_frequent(found)
        notes += [f"{split}: {note}." for note in dict.fromkeys(found.get("note", {}).values())]
        for name, value in found.items():
            if isinstance(value, int | float) and name not in ("n", "score"):
                low, high = intervals.get(name, (None, None))
                between = "" if low is None else f"{low:.1f} to {high:.1f}"
                rows.append([split, name, fixed(value, 1), between, str(found.get("n", "")), frequent])
                frequent = ""
    shown = table(["split", "score", "value", "95 % interval", "examples", "most frequent answer"], rows)
    said = "".join(f"<p>{html.escape(note)}</p>" for note in notes)
    return Fragment(shown.markup + said, "\n".join([shown.text, *notes]))


def _most_frequent(scores: dict) -> str:
    """The share of the answer that was given most often, and which one that is where there are labels."""
    found = scores.get("answers")
    if not found:
        return ""
    share = f"{fixed(found['most_frequent_pct'], 1)}{NBSP}%"
    return f"{found['most_frequent']!r}, {share}" if "most_frequent" in found else share


def answers(run: Run, split: str = "test") -> Fragment:
    """What the model said to the first examples of a split."""
    if split not in run.answers:
        return Fragment("<p>Nothing is asked here.</p>", "nothing is asked")
    examples = run.problem.examples(split)
    shown = list(zip(run.answers[split], examples, strict=True))[:SHOWN_ANSWERS]
    rows = [
        [_shortened(text) for text in (example.input, answer, " / ".join(expected(example)))]
        for answer, example in shown
    ]
    return records(["input", "answer", "reference"], rows, [answer in expected(example) for answer, example in shown])


def _shortened(text: str) -> str:
    return text if len(text) <= LONGEST else f"{text[:SHOWN_OF_LONGER]} … ({grouped(len(text))} characters)"


def expected(example: Example) -> tuple[str, ...]:
    """What an answer is compared with."""
    return example.references or (example.label,)


def cost(run: Run) -> Fragment:
    """Time, memory and machine."""
    metrics = run.metrics()
    spent, made_by = metrics["cost"], metrics["made_by"]
    steps = max(1, spent["steps"])
    each = f"{1000 * spent['train_seconds'] / steps:.1f}{NBSP}ms a step"
    changed = ", ".join(made_by.get("changed_files", []))
    state = f" with uncommitted changes in {changed}" if changed else ""
    return facts(
        {
            "training": f"{duration(spent['train_seconds'])}, {each}" if spent["steps"] else "none",
            "dimension selection": duration(spent["selection_seconds"]) if "selection_seconds" in spent else "none",
            "scoring": ", ".join(f"{split} {duration(run.timers[split].seconds)}" for split in run.scores) or "none",
            "peak memory": memory(spent["peak_memory_gb"]) if "peak_memory_gb" in spent else "not measured",
            "machine": f"{made_by['device']}, {made_by['threads']} thread(s), scan: {made_by['scan_backend']}",
            "code": f"commit {made_by.get('commit', 'unknown: not a checkout')}{state}",
            "libraries": ", ".join(f"{name} {found}" for name, found in made_by["libraries"].items()),
        }
    )


def parameters(run: Run) -> int:
    """Parameters of the model, a tied embedding once."""
    return sum(parameter.numel() for parameter in run.model.parameters())


def facts(pairs: dict[str, str]) -> Fragment:
    """Names and what they are, one pair a line."""
    return Fragment(template.facts(pairs), "\n".join(f"{name}: {value}" for name, value in pairs.items()))


def table(head: Sequence[str], rows: Sequence[Sequence[str]]) -> Fragment:
    """A table of text; everything is escaped, for answers are text that a model made."""
    return Fragment(template.table(head, rows), "\n".join(" | ".join(row) for row in [head, *rows]))


def records(names: Sequence[str], rows: Sequence[Sequence[str]], same: Sequence[bool] = ()) -> Fragment:
    """Long texts, one under the other: each row a list of its names and values, ticked where `same` says so."""
    pairs = [dict(zip(names, row, strict=True)) for row in rows]
    blocks = [template.record(own, same[index] if same else None) for index, own in enumerate(pairs)]
    lines = [f"{name}: {value}" for own in pairs for name, value in own.items()]
    return Fragment("".join(blocks) or "<p>There are none.</p>", "\n".join(lines))
