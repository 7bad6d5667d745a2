"""What a cell's notebook shows: plain tables and one curve, as HTML that the book styles."""

from __future__ import annotations

import html
import io
from dataclasses import dataclass
from typing import Any

from .run import Run
from .tasks import Example

SHOWN_ANSWERS = 8


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
    return table(
        ["", ""],
        [
            ["scale", cell.scale],
            ["model", f"{cell.model} ({type(run.model).__name__}, {number(parameters(run))} parameters)"],
            ["method", cell.method],
            ["data set", f"{cell.dataset}: {run.data.get('source', '')}"],
            ["examples", ", ".join(f"{name} {len(split)}" for name, split in run.problem.splits.items())],
            ["seed", cell.seed],
            [
                "training",
                f"{length} of {recipe.batch_size}, learning rate {recipe.learning_rate:g}, {recipe.precision}",
            ],
        ],
        kind="facts",
    )


def serialised(run: Run, count: int = 2) -> Fragment:
    """Training examples as the model reads them."""
    train = run.problem.splits["train"]
    decode = run.problem.decode
    shown = range(min(count, len(train)))
    rows = [[decode(train.input_ids(i).tolist()), decode(train.label_ids(i).tolist())] for i in shown]
    return table(["input", "label"], rows, kind="examples")


def trained(run: Run) -> Fragment:
    """The trained tensors, those of one layer standing for all layers alike."""
    merged: dict[tuple[str, tuple[int, ...]], int] = {}
    for name, parameter in run.trained.items():
        key = (".".join("*" if part.isdigit() else part for part in name.split(".")), tuple(parameter.shape))
        merged[key] = merged.get(key, 0) + 1
    rows = [[name, " x ".join(map(str, shape)), times] for (name, shape), times in merged.items()]
    total = sum(parameter.numel() for parameter in run.trained.values())
    share = 100 * total / parameters(run)
    rows.append(["all", f"{number(total)} of {number(parameters(run))} ({share:.2f} %)", len(run.trained)])
    return table(["tensor", "shape", "times"], rows, kind="trained")


def learning_curve(run: Run) -> Fragment:
    """Training loss and validation score over steps, as a picture and in words."""
    history = run.progress.history
    if not history:
        return Fragment("<p>Nothing is trained in this cell.</p>", "nothing is trained")
    steps = [entry["step"] for entry in history]
    losses, scores = [entry["train_loss"] for entry in history], [entry["val_score"] for entry in history]
    words = f"Training loss {losses[0]:.3g} to {losses[-1]:.3g}; best validation score {max(scores):.1f} at step {run.progress.best_step}."
    return Fragment(f"{_curve_svg(steps, losses, scores, words)}<p>{html.escape(words)}</p>", words)


def scores(run: Run) -> Fragment:
    """Every score of every split, with its interval."""
    rows = []
    for split, found in run.scores.items():
        intervals = found.get("ci", {})
        for name, value in found.items():
            if isinstance(value, int | float) and name not in ("n", "score"):
                low, high = intervals.get(name, (None, None))
                between = "" if low is None else f"{low:.1f} to {high:.1f}"
                rows.append([split, name, f"{value:.1f}", between, found.get("n", "")])
    return table(["split", "score", "value", "95 % interval", "examples"], rows, kind="scores")


def answers(run: Run, split: str = "test") -> Fragment:
    """What the model said to the first examples of a split."""
    examples = run.problem.splits[split].examples
    rows = [
        [example.input, answer, " / ".join(expected(example)), "yes" if answer in expected(example) else "no"]
        for answer, example in list(zip(run.answers[split], examples, strict=True))[:SHOWN_ANSWERS]
    ]
    return table(["input", "answer", "reference", "same"], rows, kind="answers")


def expected(example: Example) -> tuple[str, ...]:
    """What an answer is compared with."""
    return example.references or (example.label,)


def cost(run: Run) -> Fragment:
    """Time, memory and machine."""
    metrics = run.metrics()
    cost_, made_by = metrics["cost"], metrics["made_by"]
    steps = max(1, cost_["steps"])
    return table(
        ["", ""],
        [
            ["training", f"{cost_['train_seconds']:.2f} s, {1000 * cost_['train_seconds'] / steps:.1f} ms a step"],
            ["scoring", ", ".join(f"{split} {run.seconds[split]:.2f} s" for split in run.seconds)],
            ["peak memory", f"{cost_['peak_memory_mb']:.0f} MB"],
            ["device", f"{made_by['device']}, {made_by['threads']} thread(s), scan: {made_by['scan_backend']}"],
            ["code", f"{made_by.get('commit', 'not a checkout')}{' with changes' if made_by.get('dirty') else ''}"],
            ["libraries", ", ".join(f"{name} {found}" for name, found in made_by["libraries"].items())],
        ],
        kind="facts",
    )


def parameters(run: Run) -> int:
    """Parameters of the model, a tied embedding once."""
    return sum(parameter.numel() for parameter in run.model.parameters())


def table(head: list[str], rows: list[list[Any]], kind: str) -> Fragment:
    """A table of text; everything is escaped, for answers are text that a model made."""
    top = "".join(f"<th scope='col'>{html.escape(cell)}</th>" for cell in head)
    thead = f"<thead><tr>{top}</tr></thead>" if any(head) else ""
    lines = []
    for row in rows:
        first, *rest = (html.escape(str(cell)) for cell in row)
        lines.append(f"<tr><th scope='row'>{first}</th>{''.join(f'<td>{cell}</td>' for cell in rest)}</tr>")
    markup = f"<table class='cell-table {kind}'>{thead}<tbody>{''.join(lines)}</tbody></table>"
    text = "\n".join(" | ".join(str(cell) for cell in row) for row in ([head] if any(head) else []) + rows)
    return Fragment(markup, text)


def number(count: int) -> str:
    """A count with thin spaces between thousands."""
    return f"{count:,}".replace(",", "\u202f")


def _curve_svg(steps: list[int], losses: list[float], scores: list[float], words: str) -> str:
    import matplotlib

    matplotlib.use("svg")
    from matplotlib import pyplot as plt

    with plt.rc_context({"svg.fonttype": "none", "font.size": 10, "svg.hashsalt": "curve"}):
        figure, (left, right) = plt.subplots(1, 2, figsize=(6.4, 2.1), layout="constrained")
        for axes, values, title in ((left, losses, "training loss"), (right, scores, "validation score")):
            axes.plot(steps, values, marker="o", markersize=4, linewidth=1.5, color="#010203")
            axes.set_title(title, loc="left", fontsize=10)
            axes.spines[["top", "right"]].set_visible(False)
            axes.set_xlabel("step", loc="right")
        buffer = io.StringIO()
        figure.savefig(buffer, format="svg", transparent=True, metadata={"Date": None})
        plt.close(figure)
    svg = buffer.getvalue()
    svg = svg[svg.index("<svg") :].replace("#010203", "currentColor").replace("#000000", "currentColor")
    return svg.replace("<svg ", f'<svg class="curve" role="img" aria-label="{html.escape(words)}" ', 1)
