"""Differences between methods over all tables, in points, with what depends on the same runs counted once.

A comparison is made within one table, between two sets of methods on one model and one data set. A table that mostly
repeats the numbers of others, as a summary does, counts only where those do not have both sides. Levels of a score
count through their total, an average over data sets through its members, and several metrics of one data set through
their mean.
"""

from __future__ import annotations

import random
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from fnmatch import fnmatchcase
from statistics import fmean
from typing import Any

from ..plan import registry
from .values import interval

DRAWS = 10_000

TOTAL = "exec_all"
"""The score of all questions of Spider, whose levels are the other scores that begin alike."""


@dataclass(frozen=True)
class Contest:
    """The printed scores of one table on one model and one data set.

    Attributes:
        exhibit, model, dataset: where; the data set may be a group of them.
        scores: by method, and within it by data set and metric.
        repeats: whether most of them stand in larger tables as well.
    """

    exhibit: str
    model: str
    dataset: str
    scores: Mapping[str, Mapping[tuple[str, str], float]]
    repeats: bool = False

    def methods(self, globs: Iterable[str]) -> list[str]:
        """The methods that one of some globs over method strings matches."""
        return [method for method in self.scores if any(fnmatchcase(method, glob) for glob in globs)]

    def differences(self, ahead: Iterable[str], behind: Iterable[str], best: bool = False) -> list[float]:
        """Return each method of `ahead` minus the mean of the others or their `best`, on average over metrics."""
        others = self.methods(behind)
        found = []
        for method in set(self.methods(ahead)) - set(others):
            own = self.scores[method]
            margins = []
            for key in own:
                values = [self.scores[other][key] for other in others if key in self.scores[other]]
                if values:
                    margins.append(own[key] - (max(values) if best else fmean(values)))
            if margins:
                found.append(fmean(margins))
        return sorted(found)


@dataclass(frozen=True)
class Effect:
    """A mean difference in points.

    Attributes:
        mean: over pairs of a model and a data set, with equal weight.
        low, high: 95 % of the means of as many pairs, drawn with replacement.
        by_pair: the difference of each pair.
    """

    mean: float
    low: float
    high: float
    by_pair: Mapping[tuple[str, str], float]

    def beyond(self, noise: float) -> int:
        """Count the pairs whose difference is larger than some noise."""
        return sum(difference > noise for difference in self.by_pair.values())


def contests(documents: Iterable[Mapping[str, Any]]) -> list[Contest]:
    """Every contest of the joined exhibits, the larger of two that share numbers being no repetition."""
    groups = {member: name for name, members in registry.groups().items() for member in members}
    printed: dict[tuple[str, str, str], list[dict[str, Any]]] = defaultdict(list)
    for document in documents:
        points = [point for row in document["rows"] for point in row["points"] if _is_score(point)]
        for point in points:
            if not _is_summed_up(point, points):
                dataset = groups.get(point["dataset"], point["dataset"])
                printed[document["id"], point["model"], dataset].append(point)
    found, used = [], set()
    for (exhibit, model, dataset), points in sorted(printed.items(), key=lambda item: (-len(item[1]), item[0])):
        scores: dict[str, dict[tuple[str, str], float]] = defaultdict(dict)
        for point in points:
            scores[point["method"]][point["dataset"], point["metric"]] = point["printed"]["value"]
        keys = {(model, point["method"], point["dataset"], point["metric"]) for point in points}
        found.append(Contest(exhibit, model, dataset, dict(scores), repeats=2 * len(keys & used) > len(keys)))
        used |= keys
    return sorted(found, key=lambda contest: (contest.exhibit, contest.model, contest.dataset))


def effect(
    contests: Iterable[Contest], ahead: Sequence[str], behind: Sequence[str], best: bool = False
) -> Effect | None:
    """Measure by how many points some methods are ahead of others, each side a list of globs.

    Returns None where no table has both sides.
    """
    pairs: dict[tuple[str, str], list[float]] = defaultdict(list)
    for contest in sorted(contests, key=lambda contest: contest.repeats):
        known = pairs.get((contest.model, contest.dataset))
        differences = contest.differences(ahead, behind, best)
        if differences and not (contest.repeats and known):
            pairs[contest.model, contest.dataset].append(fmean(differences))
    by_pair = {pair: fmean(differences) for pair, differences in pairs.items()}
    if not by_pair:
        return None
    chance, differences = random.Random(0), sorted(by_pair.values())
    means = [fmean(chance.choices(differences, k=len(differences))) for _ in range(DRAWS)]
    low, high = interval(means)
    return Effect(fmean(by_pair.values()), low, high, by_pair)


def noise(printed_twice: Iterable[Mapping[str, Any]]) -> float | None:
    """The largest difference that one table prints between two runs of one setting; None where none has two."""
    found = []
    for entry in printed_twice:
        by_exhibit: dict[str, list[float]] = defaultdict(list)
        for place in entry["where"]:
            by_exhibit[place["exhibit"]].append(float(place["value"].rstrip("~?")))
        if not _is_level(entry["metric"]):
            found += [max(values) - min(values) for values in by_exhibit.values() if len(values) > 1]
    return max(found, default=None)


def _is_score(point: Mapping[str, Any]) -> bool:
    printed = point["printed"]
    measured = point["metric"].startswith(("val.", "test.")) and point["better"] == "higher"
    return measured and bool(printed) and not printed["bound"]


def _is_level(metric: str) -> bool:
    name = metric.rpartition(".")[2]
    return name.startswith("exec_") and name != TOTAL


def _is_summed_up(point: Mapping[str, Any], points: Iterable[Mapping[str, Any]]) -> bool:
    """Whether it counts through another number of its row: a level through the total, an average by its members."""
    if _is_level(point["metric"]):
        return True
    members = registry.groups().get(point["dataset"], ())
    same = (other for other in points if (other["model"], other["method"]) == (point["model"], point["method"]))
    return any(other["dataset"] in members for other in same)
