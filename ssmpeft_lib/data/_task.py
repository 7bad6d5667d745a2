"""What a data set is to the rest of the library: examples as text, and how a model is asked and scored."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class Example:
    """One example of a data set, as text.

    Attributes:
        input: what the model reads after the task's instruction, with its separators.
        label: what it is trained to say; label words for classification.
        references: what a prediction is scored against; several for DART.
        info: what scoring needs besides, such as a Spider database and its hardness.
        origin: official split and the example's number in it, from 0, such as `dev:17`; empty where it is from none.
    """

    input: str
    label: str
    references: tuple[str, ...] = ()
    info: dict[str, Any] = field(default_factory=dict)
    origin: str = field(default="", compare=False)


@dataclass(frozen=True)
class Task:
    """How a model is asked and how its answers are scored.

    Attributes:
        instruction: text in front of every input (the paper tokenises it apart from the input).
        labels: the label words of a classification, one token each; empty for generation.
        metrics: names of modules in `ssmpeft_lib/metrics/` that score the answers.
        headline: the score that picks the best epoch and enters averages, for example `accuracy`.
        max_new_tokens: bound on a generated answer.
        drop_longer_than: examples of which input and label have more tokens are left out, or None.
    """

    instruction: str
    labels: tuple[str, ...]
    metrics: tuple[str, ...]
    headline: str
    max_new_tokens: int = 1024
    drop_longer_than: int | None = None

    @property
    def generates(self) -> bool:
        """Whether answers are generated text, and not one of a few label words."""
        return not self.labels


Splits = dict[str, list[Example]]
"""Official splits of a data set by name: `train`, `dev`, `test`, and others such as `dev_mismatched`."""
