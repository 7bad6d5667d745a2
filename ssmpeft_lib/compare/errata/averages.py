"""Checks of averages, totals and roundings."""

from __future__ import annotations

from statistics import fmean

from ._checks import check
from .numbers import TASKS, TINY, Counts, Evidence, PrintedNumbers, PrintedRow, mean

LEVELS = {"Easy": 248, "Medium": 446, "Hard": 174, "Extra": 166}
"""Questions of Spider's development set by level; they add up to the 1034 of Table 6."""


@check
def bitfit(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """BitFit's scores in Table 1 against those in Tables 2, 7 and 10."""
    summary = printed.row("table01", "bitfit")
    return {
        "glue": summary["GLUE Avg."],
        "tasks": mean(printed.row("table07", "bitfit"), TASKS),
        "initial_state": printed.row("table02", "initial_state")["Avg."],
        "spider": summary["Spider Acc."],
        "spider_detailed": printed.row("table10", "bitfit")["(a) Mamba-1.4B All"],
    }


@check
def ssm_modules_on_glue(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """GLUE of LoRA on the SSM modules in Table 3, against the averages of LoRA and of full tuning in Table 7."""
    return {
        "printed": printed.row("table03", "ssm")["Mamba-130M GLUE Avg."],
        "lora": mean(printed.row("table07", "lora_ssm"), TASKS),
        "full": mean(printed.row("table07", "full_ssm"), TASKS),
    }


@check
def prefix_on_rte(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """RTE of prefix-tuning in Tables 2 and 7, and what the caption of Table 2 says of its rows."""
    row = printed.row("table02", "prefix")
    detailed = printed.row("table07", "prefix")
    return {
        "rte": row["RTE"],
        "rte_detailed": detailed["RTE"],
        "average": row["Avg."],
        "average_with": mean(row, TASKS),
        "rows": len(printed.rows("table02")),
        "sst2": printed.row("table02", "initial_state")["SST-2"],
    }


@check
def glue_averages(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Averages of Table 7 that the row's seven tasks do not give."""
    rows = printed.rows("table07")
    # a cell that was reconstructed from its row's average proves nothing
    whole = [row for row in rows if not row.reconstructed]
    # each task and the average are rounded to one decimal, so that they may differ by 0.1
    wrong = [row for row in whole if abs(mean(row, TASKS) - row["Avg."]) > 0.1 + TINY]
    dt_proj, norm = printed.row("table07", "lora_dt_proj"), printed.row("table07", "full_d_norm")
    others = [row["QNLI"] for row in rows if row.id not in (dt_proj.id, "pretrained")]
    return {
        "wrong": len(wrong),
        "rows": len(whole),
        "dt_proj_printed": dt_proj["Avg."],
        "dt_proj": mean(dt_proj, TASKS),
        "norm_printed": norm["Avg."],
        "norm": mean(norm, TASKS),
        "qnli": dt_proj["QNLI"],
        "qnli_others": min(others),
    }


@check
def spider_totals(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Totals of Tables 10, 15 and 17 against the levels, weighted by their numbers of questions."""
    panels = [("table10", "(a) Mamba-1.4B "), ("table10", "(b) Mamba-2.8B "), ("table15", ""), ("table17", "")]
    totals = {
        (exhibit, panel, place): (row[panel + "All"], _weighted(row, panel))
        for exhibit, panel in panels
        for place, row in enumerate(printed.rows(exhibit))
        if not row.reconstructed
    }
    # the levels and the total are rounded to one decimal, so that they may differ by 0.1
    wrong = [pair for pair in totals.values() if abs(pair[0] - pair[1]) > 0.1 + TINY]
    prefix, panel = printed.row("table10", "prefix"), "(a) Mamba-1.4B "
    questions = {level.lower(): count for level, count in LEVELS.items()}
    shown = {"printed": prefix[panel + "All"], "total": _weighted(prefix, panel)}
    return {**questions, "wrong": len(wrong), "rows": len(totals), **shown}


@check
def spreads(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Spread of the total time on Mamba-1.4B in Table 27 against those of its two parts."""
    rows = {"first": "warmup", "second": "choice", "total": "total"}
    return {name: printed.row("table27", row).spread("Mamba-1.4B") for name, row in rows.items()}


@check
def rounded(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """CIFAR-10 of LoRA in Table 1 against Table 11, where it has two decimals."""
    return {
        "printed": printed.row("table01", "lora")["CIFAR-10 Acc."],
        "detailed": printed.row("table11", "lora_in_proj")["Accuracy"],
    }


@check
def sdlora_on_mamba(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. 5.4, SDLoRA outperforms LoRA: the columns of Table 5 in which its best row is ahead."""
    scores = printed.rows("table05")[0].scores
    lora, sdlora = (
        {column: printed.column("table05", column, label=label) for column in scores} for label in ("LoRA", "SDLoRA")
    )
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


def _weighted(row: PrintedRow, panel: str) -> float:
    return sum(count * row[panel + level] for level, count in LEVELS.items()) / sum(LEVELS.values())
