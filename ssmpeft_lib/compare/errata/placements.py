"""Checks of summary tables: which rows of the detailed tables their numbers are."""

from __future__ import annotations

from collections.abc import Mapping

from .numbers import Counts, Evidence, PrintedNumbers

TASKS = ("RTE", "MRPC", "CoLA", "SST-2", "QNLI", "QQP", "MNLI")
LORA = "Linear projections / LoRA "
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
"""For each column of Table 1 the table and column that it sums up."""

LIMIT = 0.5
"""Percent of the parameters that Table 1 allows on language tasks."""


def lora_in_table1(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Rows of Tables 7 to 11 that the LoRA row of Table 1 has its scores from, and better ones on Spider and DART."""
    summary = printed.row("table01", "Linear projections / LoRA (placement differs by column)")
    slots = {column: _slots(_same(printed, *place, summary[column])) for column, place in DETAILS.items()}
    panel = "(a) Mamba-1.4B "
    spider, share = printed.column("table10", panel + "All"), printed.column("table10", panel + "Params (%)")
    meteor, dart_share = printed.column("table08", "METEOR"), printed.column("table08", "Params (%)")
    best, best_dart = _best_within(spider, share), _best_within(meteor, dart_share)
    return {
        "glue": _within(printed, slots["GLUE Avg."]),
        "dart": slots["DART METEOR"][0],
        "samsum": slots["SAMSum R1"][0],
        "spider": slots["Spider Acc."][0],
        "cifar10": slots["CIFAR-10 Acc."][0],
        "better": best.removeprefix(LORA),
        "better_score": spider[best],
        "better_share": share[best],
        "printed_score": summary["Spider Acc."],
        "better_dart": best_dart.removeprefix(LORA),
        "better_meteor": meteor[best_dart],
        "better_dart_share": dart_share[best_dart],
        "printed_meteor": summary["DART METEOR"],
    }


def placements_on_spider(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Secs. 1 and 4.2, similar or differing performance: LoRA on one projection of Mamba-1.4B, on Spider."""
    spider = {row: number for row, number in printed.column("table10", "(a) Mamba-1.4B All").items() if _is_single(row)}
    worst, best = min(spider, key=spider.__getitem__), max(spider, key=spider.__getitem__)
    return {
        "low": spider[worst],
        "worst": worst.removeprefix(LORA),
        "high": spider[best],
        "best": best.removeprefix(LORA),
    }


def placements_of_summaries(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Rows of Tables 7, 14 and 15 that the LoRA rows of Tables 2 and 13 have their scores from."""
    row = printed.row("table02", "LoRA out_proj")
    same = {
        name: sum(row[task] == other[task] for task in TASKS)
        for name, other in printed.rows["table07"].items()
        if name.startswith(LORA)
    }
    best = max(same, key=same.__getitem__)
    linear = printed.row("table13", "LoRA linear layers")
    pair = linear["Mamba-II-130M DART METEOR"], linear["Mamba-II-130M DART BLEU"]
    dart = [n for n, r in printed.rows["table14"].items() if (r["METEOR"], r["BLEU"]) == pair]
    return {
        "same": same[best],
        "placement": best.removeprefix(LORA),
        "dart": dart[0].removeprefix(LORA),
        "spider": _same(printed, "table15", "All", linear["Mamba-II-1.3B Spider Acc."])[0].removeprefix(LORA),
    }


def placements_of_dora(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Rows of Tables 8, 10, 17 and 18 that Table 16, the summary of DoRA, has its scores from."""

    def slots(row: str, method: str, column: str, exhibit: str, detail: str) -> str:
        number = printed.row("table16", row)[column]
        found = [name for name in _rounding(printed, exhibit, detail, number) if f"/ {method}" in name]
        return " or ".join(name.rpartition(f"{method} ")[2] for name in found)

    dart, spider = "Mamba-130M DART BLEU", "Mamba-1.4B Spider Acc."
    bleu = {row: number for row, number in printed.column("table08", "BLEU").items() if row.startswith(LORA)}
    single = {row: number for row, number in bleu.items() if _is_single(row)}
    best = max(single, key=single.__getitem__)
    return {
        "lora": slots("SSM modules / LoRA", "LoRA", spider, "table10", "(a) Mamba-1.4B All"),
        "dora_dart": slots("SSM modules / DoRA", "DoRA", dart, "table18", "BLEU"),
        "dora_spider": slots("SSM modules / DoRA", "DoRA", spider, "table17", "All"),
        "linear_dart": slots("Linear layers / LoRA", "LoRA", dart, "table08", "BLEU"),
        "linear_spider": slots("Linear layers / LoRA", "LoRA", spider, "table10", "(a) Mamba-1.4B All"),
        "better": best.removeprefix(LORA),
        "better_score": single[best],
        "linear_score": printed.row("table16", "Linear layers / LoRA")[dart],
    }


def _is_single(row: str) -> bool:
    """Whether a row is LoRA on one projection."""
    return row.startswith(LORA) and "+" not in row


def _same(printed: PrintedNumbers, exhibit: str, column: str, number: float) -> list[str]:
    """LoRA's rows with a number, or the nearest ones where none has it."""
    rows = {row: own for row, own in printed.column(exhibit, column).items() if row.startswith(LORA)}
    nearest = min(abs(own - number) for own in rows.values())
    return [row for row, own in rows.items() if abs(own - number) == nearest]


def _rounding(printed: PrintedNumbers, exhibit: str, column: str, number: float) -> list[str]:
    """Rows whose number, to one decimal, a number with two decimals rounds to."""
    return [row for row, own in printed.column(exhibit, column).items() if abs(own - number) <= 0.05 + 1e-9]


def _slots(rows: list[str]) -> list[str]:
    return [row.removeprefix(LORA) for row in rows]


def _best_within(scores: Mapping[str, float], shares: Mapping[str, float]) -> str:
    """LoRA's best row on the projections within the limit."""
    return max((row for row in scores if row.startswith(LORA) and shares[row] < LIMIT), key=scores.__getitem__)


def _within(printed: PrintedNumbers, slots: list[str]) -> str:
    """The one of some placements on GLUE that is within the limit."""
    share = printed.column("table07", "Params (%)")
    return next(slot for slot in slots if share[LORA + slot] < LIMIT)
