"""Effects over all tables: what depends on the same runs counts once, and sizes are the printed numbers'."""

from __future__ import annotations

import pytest
from exhibit_specs import exhibits

from ssmpeft_lib.compare.effects import Effect, contests, effect, noise
from ssmpeft_lib.compare.errata import printed_twice


def point(method: str, value: float | None, metric: str = "test.accuracy", dataset: str = "dart", **more) -> dict:
    printed = None if value is None else {"value": value, "bound": False}
    own = {"model": "m", "method": method, "dataset": dataset, "metric": metric, "better": "higher", "printed": printed}
    return own | more


def document(id: str, *points: dict) -> dict:
    return {"id": id, "rows": [{"points": [one]} for one in points]}


DETAILS = document("detail", point("lora@a", 10), point("lora@b", 14), point("sdlora", 20), point("bitfit", 1))


def test_the_mean_of_one_side_is_taken_off_each_of_the_other():
    found = effect(contests([DETAILS]), ["sdlora*"], ["lora@*"])
    assert found.mean == 8 and found.by_pair == {("m", "dart"): 8}
    assert effect(contests([DETAILS]), ["sdlora*"], ["lora@*"], best=True).mean == 6
    assert effect(contests([DETAILS]), ["dora*"], ["lora@*"]) is None


def test_a_summary_counts_once():
    summary = document("summary", point("lora@a", 10), point("sdlora", 20))
    assert effect(contests([DETAILS, summary]), ["sdlora*"], ["lora@*"]).mean == 8


def test_a_summary_counts_where_the_details_have_one_side_only():
    summary = document("summary", point("lora@a", 10), point("lora@b", 14), point("prefix", 2))
    assert effect(contests([DETAILS, summary]), ["lora@*"], ["prefix*"]).mean == 10


def test_levels_and_averages_count_through_what_they_are_made_of():
    spider = [point(method, value, "test.exec_all") for method, value in (("lora", 50), ("sdlora", 53))]
    levels = [point(method, value, "test.exec_easy") for method, value in (("lora", 10), ("sdlora", 90))]
    assert effect(contests([document("t", *spider, *levels)]), ["sdlora"], ["lora"]).mean == 3
    tasks = [point(method, value, dataset="glue-rte") for method, value in (("lora", 50), ("sdlora", 52))]
    average = [point(method, value, "test.score", "glue") for method, value in (("lora", 0), ("sdlora", 100))]
    found = effect(contests([document("t", *tasks, *average)]), ["sdlora"], ["lora"])
    assert found.by_pair == {("m", "glue"): 2}


def test_costs_bounds_and_shares_are_no_scores():
    memory = [point(method, value, "cost.peak_memory_gb") for method, value in (("lora", 5), ("sdlora", 4))]
    error = [point(method, value, "test.mse", better="lower") for method, value in (("lora", 5), ("sdlora", 4))]
    assert contests([document("t", *memory, *error, point("lora", None))]) == []


def test_beyond_counts_what_is_larger_than_noise():
    assert Effect(1.0, 0.0, 2.0, {("a", "b"): 1.5, ("c", "d"): 1.4, ("e", "f"): -3}).beyond(1.4) == 1


def test_noise_is_what_one_table_prints_of_one_setting():
    assert noise(printed_twice(list(exhibits().values()))) == pytest.approx(1.4)
    apart = [{"exhibit": "a", "value": "1.0"}, {"exhibit": "b", "value": "9.0"}]
    assert noise([{"metric": "test.bleu", "where": apart}]) is None
