"""What turns a metric module into a metric of the library `evaluate`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import evaluate
from datasets import Features, Value
from datasets import Sequence as ListOf

from ..data._task import Example
from ._scoring import load

STRING = Value("string")


class LoadableMetric(evaluate.Metric):
    """A metric of `evaluate`. `compute` also takes `variant`, and gives percentages.

    Attributes:
        module: name of the metric module.
        references: what a reference looks like; several forms are allowed.
    """

    module: ClassVar[str] = ""
    references: ClassVar[tuple[Any, ...]] = (STRING,)

    def _info(self) -> evaluate.MetricInfo:
        metric = load(self.module)
        return evaluate.MetricInfo(
            description=metric.__doc__,
            citation="",
            inputs_description="\n".join(f"variant {name!r}: {text}" for name, text in metric.VARIANTS.items()),
            features=[Features({"predictions": STRING, "references": form}) for form in self.references],
        )

    def _compute(
        self, predictions: Sequence[str], references: Sequence[Any], variant: str | None = None
    ) -> dict[str, float]:
        return self.scores(predictions, references, variant)

    def scores(
        self, predictions: Sequence[str], references: Sequence[Any], variant: str | None, **options: Any
    ) -> dict[str, float]:
        """What the metric module says of predictions, in its first variant where none is named."""
        examples, chosen = [self.example(reference) for reference in references], {"variant": variant}
        return load(self.module).score(predictions, examples, **(chosen if variant is not None else {}), **options)

    def example(self, reference: Any) -> Example:
        """What a reference is to the metric module."""
        return Example("", reference, (reference,))


class LabelMetric(LoadableMetric):
    """A metric of classifications. `compute` also takes `labels`, the label words."""

    def _compute(
        self,
        predictions: Sequence[str],
        references: Sequence[str],
        variant: str | None = None,
        labels: Sequence[str] = (),
    ) -> dict[str, float]:
        if isinstance(labels, str):
            raise TypeError(f"labels={labels!r} is one text; give a list of label words, such as ['yes', 'no']")
        return self.scores(predictions, references, variant, labels=labels)


class TextMetric(LoadableMetric):
    """A metric of texts with one reference or several."""

    references = (ListOf(STRING), STRING)

    def example(self, reference: str | list[str]) -> Example:
        """A reference may be a text or a list of texts."""
        texts = (reference,) if isinstance(reference, str) else tuple(reference)
        return Example("", texts[0], texts)


class QueryMetric(LoadableMetric):
    """A metric of SQL: a reference is a query, the path of its database, its level (or `unknown`) and pairs of columns.

    A pair is a column and the one that stands for it, as foreign keys join them; only the variant `upstream` asks.
    """

    references = ({"query": STRING, "database": STRING, "hardness": STRING, "same_column": ListOf(ListOf(STRING))},)

    def example(self, reference: dict[str, Any]) -> Example:
        """A Spider question of which only the answer is known."""
        info = {**reference, "same_column": dict(reference["same_column"])}
        return Example("", reference["query"], (reference["query"],), info)


class GroupedMetric(LoadableMetric):
    """A metric of several answers at once: a reference has the right ones and the first letter of each one's group."""

    references = ({"answer": STRING, "levels": STRING},)

    def example(self, reference: dict[str, str]) -> Example:
        """Answers with spaces between, and as many letters."""
        return Example("", reference["answer"], (reference["answer"],), {"levels": reference["levels"]})
