"""Checks of summary tables: which rows of the detailed tables their numbers are."""

from __future__ import annotations

from ._checks import check
from .numbers import TASKS, TINY, Counts, Evidence, PrintedNumbers, PrintedRow

DETAILS = {
    "GLUE Avg.": ("table07", "Avg."),
    "DART METEOR": ("table08", "METEOR"),
    "DART BLEU": ("table08", "BLEU"),
    "SAMSum R1": ("table09", "R1"),
    "SAMSum R2": ("table09", "R2"),
    "SAMSum RL": ("table09", "RL"),
    "Spider Acc.": ("table10", "(a) Mamba-1.4B All"),
    "CIFAR-10 Acc.": ("table11", "Accuracy"),
}
"""The table and column that each column of Table 1 sums up."""

LIMIT = 0.5
"""Percent of the parameters that Table 1 allows on language tasks."""


@check
def lora_in_table1(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Rows of Tables 7 to 11 that the LoRA row of Table 1 has its scores from, and better ones on Spider and DART."""
    summary = printed.row("table01", "lora")
    rows = {column: _same(printed, *place, summary[column]) for column, place in DETAILS.items()}
    panel, share = "(a) Mamba-1.4B ", "Params (%)"
    best = _best_within(printed, "table10", panel + "All", panel + share)
    best_dart = _best_within(printed, "table08", "METEOR", share)
    return {
        "glue": next(row.slots for row in rows["GLUE Avg."] if row[share] < LIMIT),
        "dart": rows["DART METEOR"][0].slots,
        "samsum": rows["SAMSum R1"][0].slots,
        "spider": rows["Spider Acc."][0].slots,
        "cifar10": rows["CIFAR-10 Acc."][0].slots,
        "better": best.slots,
        "better_score": best[panel + "All"],
        "better_share": best[panel + share],
        "printed_score": summary["Spider Acc."],
        "better_dart": best_dart.slots,
        "better_meteor": best_dart["METEOR"],
        "better_dart_share": best_dart[share],
        "printed_meteor": summary["DART METEOR"],
    }


@check
def placements_on_spider(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Secs. 1 and 4.2, similar or differing performance: LoRA on one projection of Mamba-1.4B, on Spider."""
    column = "(a) Mamba-1.4B All"
    single = [row for row in _placed(printed, "table10") if _is_single(row)]
    worst, best = (choose(single, key=lambda row: row[column]) for choose in (min, max))
    return {"low": worst[column], "worst": worst.slots, "high": best[column], "best": best.slots}


@check
def placements_of_summaries(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Rows of Tables 7, 14 and 15 that the LoRA rows of Tables 2 and 13 have their scores from."""
    summary = printed.row("table02", "lora")

    def same(row: PrintedRow) -> int:
        return sum(summary[task] == row[task] for task in TASKS)

    best = max(_placed(printed, "table07"), key=same)
    linear = printed.row("table13", "lora_linear")
    pair = linear["Mamba-II-130M DART METEOR"], linear["Mamba-II-130M DART BLEU"]
    return {
        "same": same(best),
        "placement": best.slots,
        "dart": next(row.slots for row in printed.rows("table14") if (row["METEOR"], row["BLEU"]) == pair),
        "spider": _same(printed, "table15", "All", linear["Mamba-II-1.3B Spider Acc."])[0].slots,
    }


@check
def placements_of_dora(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Rows of Tables 8, 10, 17 and 18 that Table 16, the summary of DoRA, has its scores from."""

    def slots(row: str, method: str, column: str, exhibit: str, detail: str) -> str:
        number = printed.row("table16", row)[column]
        # a number with two decimals, here with one
        found = [one for one in printed.rows(exhibit, label=method) if abs(one[detail] - number) <= 0.05 + TINY]
        return " or ".join(one.slots for one in found)

    dart, spider = "Mamba-130M DART BLEU", "Mamba-1.4B Spider Acc."
    best = max((row for row in _placed(printed, "table08") if _is_single(row)), key=lambda row: row["BLEU"])
    return {
        "lora": slots("lora_ssm", "LoRA", spider, "table10", "(a) Mamba-1.4B All"),
        "dora_dart": slots("dora_ssm", "DoRA", dart, "table18", "BLEU"),
        "dora_spider": slots("dora_ssm", "DoRA", spider, "table17", "All"),
        "linear_dart": slots("lora_linear", "LoRA", dart, "table08", "BLEU"),
        "linear_spider": slots("lora_linear", "LoRA", spider, "table10", "(a) Mamba-1.4B All"),
        "better": best.slots,
        "better_score": best["BLEU"],
        "linear_score": printed.row("table16", "lora_linear")[dart],
    }


def _placed(printed: PrintedNumbers, exhibit: str) -> list[PrintedRow]:
    """LoRA's rows of an exhibit that name the linear projections that they are on."""
    return [row for row in printed.rows(exhibit, group="Linear projections", label="LoRA") if row.slots]


def _is_single(row: PrintedRow) -> bool:
    """Whether a row is on one projection."""
    return "+" not in row.slots


def _same(printed: PrintedNumbers, exhibit: str, column: str, number: float) -> list[PrintedRow]:
    """LoRA's rows with a number, or the nearest ones where none has it."""
    rows = [row for row in _placed(printed, exhibit) if column in row]
    nearest = min(abs(row[column] - number) for row in rows)
    return [row for row in rows if abs(row[column] - number) == nearest]


def _best_within(printed: PrintedNumbers, exhibit: str, score: str, share: str) -> PrintedRow:
    """LoRA's best row on the projections within the limit."""
    return max((row for row in _placed(printed, exhibit) if row[share] < LIMIT), key=lambda row: row[score])
