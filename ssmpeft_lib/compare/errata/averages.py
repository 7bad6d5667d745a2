"""Checks of averages, totals and roundings."""

from __future__ import annotations

from statistics import fmean

from .numbers import TINY, Counts, Evidence, PrintedNumbers, mean

TASKS = ("RTE", "MRPC", "CoLA", "SST-2", "QNLI", "QQP", "MNLI")
LEVELS = {"Easy": 248, "Medium": 446, "Hard": 174, "Extra": 166}
"""Questions of Spider's development set by level; they add up to the 1034 of Table 6."""

BITFIT = "Biases / BitFit conv1d, dt_proj"


def bitfit(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """BitFit's scores in Table 1 against those in Tables 2, 7 and 10."""
    summary = printed.row("table01", BITFIT)
    return {
        "glue": summary["GLUE Avg."],
        "tasks": mean(printed.row("table07", BITFIT), TASKS),
        "initial_state": printed.row("table02", "Initial state tuning")["Avg."],
        "spider": summary["Spider Acc."],
        "spider_detailed": printed.row("table10", BITFIT)["(a) Mamba-1.4B All"],
    }


def ssm_modules_on_glue(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """GLUE of LoRA on the SSM modules in Table 3, against the averages of LoRA and of full tuning in Table 7."""
    return {
        "printed": printed.row("table03", "LoRA SSM modules")["Mamba-130M GLUE Avg."],
        "lora": mean(printed.row("table07", "SSM module (S6) / LoRA"), TASKS),
        "full": mean(printed.row("table07", "SSM module (S6) / Full"), TASKS),
    }


def prefix_on_rte(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """RTE of prefix-tuning in Tables 2 and 7, and what the caption of Table 2 says of its rows."""
    row = printed.row("table02", "Prefix-tuning (1 token, no MLP)")
    detailed = printed.row("table07", "Prompt-based / Prefix-tuning (1 token, no MLP)")
    return {
        "rte": row["RTE"],
        "rte_detailed": detailed["RTE"],
        "average": row["Avg."],
        "average_with": mean(row, TASKS),
        "rows": len(printed.rows["table02"]),
        "sst2": printed.row("table02", "Initial state tuning")["SST-2"],
    }


def glue_averages(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Averages of Table 7 that the row's seven tasks do not give."""
    rows = printed.rows["table07"]
    # a cell that was reconstructed from its row's average proves nothing
    lost = printed.reconstructed_rows("table07")
    computed = {name: mean(row, TASKS) for name, row in rows.items() if name not in lost}
    # each task and the average are rounded to one decimal, so that they may differ by 0.1
    wrong = [name for name, average in computed.items() if abs(average - rows[name]["Avg."]) > 0.1 + TINY]
    dt_proj, norm = "SSM module (S6) / LoRA dt_proj", "Others / Full D + norm"
    others = [row["QNLI"] for name, row in rows.items() if name not in (dt_proj, "Nothing / Pretrained")]
    return {
        "wrong": len(wrong),
        "rows": len(computed),
        "dt_proj_printed": rows[dt_proj]["Avg."],
        "dt_proj": computed[dt_proj],
        "norm_printed": rows[norm]["Avg."],
        "norm": computed[norm],
        "qnli": rows[dt_proj]["QNLI"],
        "qnli_others": min(others),
    }


def spider_totals(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Totals of Tables 10, 15 and 17 against the levels, weighted by their numbers of questions."""
    panels = [("table10", "(a) Mamba-1.4B "), ("table10", "(b) Mamba-2.8B "), ("table15", ""), ("table17", "")]
    totals = {
        (exhibit, panel, name): (row[panel + "All"], _weighted(row, panel))
        for exhibit, panel in panels
        for name, row in printed.rows[exhibit].items()
        if name not in printed.reconstructed_rows(exhibit)
    }
    # the levels and the total are rounded to one decimal, so that they may differ by 0.1
    wrong = {key: pair for key, pair in totals.items() if abs(pair[0] - pair[1]) > 0.1 + TINY}
    prefix = "table10", "(a) Mamba-1.4B ", "Prompt-based / Prefix-tuning (64 tokens; 1 on Mamba-2.8B)"
    questions = {level.lower(): count for level, count in LEVELS.items()}
    shown = {"printed": wrong[prefix][0], "total": wrong[prefix][1]}
    return {**questions, "wrong": len(wrong), "rows": len(totals), **shown}


def spreads(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Spread of the total time on Mamba-1.4B in Table 27 against those of its two parts."""
    spread = {
        point.row: point.printed.std
        for point in printed.points
        if point.exhibit == "table27" and point.column == "Mamba-1.4B" and point.printed.std is not None
    }
    parts = [name for name in spread if name != "Total (seconds)"]
    return {"first": spread[parts[0]], "second": spread[parts[1]], "total": spread["Total (seconds)"]}


def rounded(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """CIFAR-10 of LoRA in Table 1 against Table 11, where it has two decimals."""
    return {
        "printed": printed.row("table01", "Linear projections / LoRA (placement differs by column)")["CIFAR-10 Acc."],
        "detailed": printed.row("table11", "Linear projections / LoRA in_proj_x + in_proj_z")["Accuracy"],
    }


def sdlora_on_mamba(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. 5.4, SDLoRA outperforms LoRA: the columns of Table 5 in which its best row is ahead."""
    scores = [column for column in next(iter(printed.rows["table05"].values())) if "Params" not in column]
    lora, sdlora = ({c: _of_label(printed, "table05", label, c) for c in scores} for label in ("LoRA", "SDLoRA"))
    lost = [column for column in scores if max(lora[column]) >= max(sdlora[column])]
    glue, rouge = "Mamba-130M GLUE Avg., Test", "Mamba-1.4B SAMSum RL, Test"
    return {
        "held": len(scores) - len(lost),
        "columns": len(scores),
        "lost": "; ".join(column.partition(" ")[2] for column in lost),
        "glue_lora": fmean(lora[glue]),
        "glue_sdlora": fmean(sdlora[glue]),
        "rl_lora": fmean(lora[rouge]),
        "rl_sdlora": fmean(sdlora[rouge]),
    }


def _of_label(printed: PrintedNumbers, exhibit: str, label: str, column: str) -> list[float]:
    return [number for row, number in printed.column(exhibit, column).items() if row.split(" ")[0] == label]


def _weighted(row: dict[str, float], panel: str) -> float:
    return sum(count * row[panel + level] for level, count in LEVELS.items()) / sum(LEVELS.values())
