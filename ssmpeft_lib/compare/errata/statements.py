"""Checks of sentences in the text against the tables."""

from __future__ import annotations

from ._checks import check
from .numbers import TASKS, TINY, Counts, Evidence, PrintedNumbers, mean


@check
def six_of_eight(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. 4.2, LoRA on the linear projections is best in six of eight scores: those of Table 3, and ties."""
    linear, ssm, both = (printed.row("table03", row) for row in ("linear", "ssm", "both"))
    best = [column for column in linear.scores if linear[column] > max(ssm[column], both[column])]
    tied = [column for column in linear.scores if linear[column] == max(ssm[column], both[column])]
    return {"best": len(best), "tied": ", ".join(tied)}


@check
def s4_on_cifar10(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 4: how far SDLoRA is ahead of full fine-tuning, which is printed as equal to both forms of LoRA.

    Raises:
        ValueError: those three are no longer printed as equal.
    """
    full, sdlora, *lora = (
        printed.row("table04", row)["Accuracy"] for row in ("full", "sdlora", "lora_projections", "lora_s4")
    )
    if set(lora) != {full}:
        raise ValueError("table04: LoRA and full fine-tuning are no longer printed as equal")
    return {"full": full, "sdlora": sdlora, "points": sdlora - full}


@check
def chance_on_cifar10(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 11: accuracy of the pretrained model against chance among ten classes."""
    return {"chance": 100 / 10, "printed": printed.row("table11", "pretrained")["Accuracy"]}


@check
def sizes(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 6 against App. B: sizes of Spider, CIFAR-10 and DART, and the longest sequence of CIFAR-10."""

    def splits(row: str) -> list[int]:
        return [int(printed.row("table06", row)[split]) for split in ("Train", "Val", "Test")]

    return {
        "spider": ", ".join(f"{size:,}" for size in splits("spider")),
        "cifar10": ", ".join(f"{size:,}" for size in splits("cifar10")),
        "dart": f"{sum(splits('dart')):,}",
        "pixels": f"{24 * 24 * 3:,}",
        "longest": f"{int(printed.row('table06', 'cifar10')['Max. seq. len.']):,}",
    }


@check
def warmup_length(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Secs. D.4 and D.9 and Table 27: length of the warm-up in batches, as a share of DART and of all batches."""
    # Secs. D.4 and D.9; the batch size is that of the released configurations
    batches, subset, all_batches, batch_size = 500, 125, 2500, 4
    train = printed.row("table06", "dart")["Train"]
    return {
        "batches": batches,
        "subset": subset,
        "all_batches": all_batches,
        "batch_size": batch_size,
        "of_dart": 100 * batches * batch_size / train,
        "share": 100 * subset / all_batches,
    }


@check
def tasks_of_table22(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. D.6, SDLoRA is consistently ahead on Mamba-II: the number of GLUE tasks in Table 22."""
    return {"tasks": len(printed.row("table22", "sdlora").scores)}


@check
def prefix_of_table2(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Sec. 4.1: the length of Table 2's prefix, its share, and the states of a channel of the model."""
    share = printed.row("table07", "prefix")["Params (%)"]
    tokens = printed.row("table02", "prefix").method.partition("tokens=")[2].partition(",")[0]
    # d_state of all Mamba-1 checkpoints
    return {"tokens": int(tokens), "share": share, "states": 16}


@check
def mnli_in_table2(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 2: how much of the distance between initial state tuning and prefix-tuning is that on MNLI."""
    state, prefix = (printed.row("table02", row) for row in ("initial_state", "prefix"))
    others = tuple(task for task in TASKS if task != "MNLI")
    return {
        "points": state["Avg."] - prefix["Avg."],
        "mnli": state["MNLI"],
        "mnli_prefix": prefix["MNLI"],
        "mnli_part": (state["MNLI"] - prefix["MNLI"]) / len(TASKS),
        "chance": 100 / 3,
        "others": mean(state, others),
        "others_prefix": mean(prefix, others),
    }


@check
def caption_of_table3(printed: PrintedNumbers, counts: Counts) -> Evidence:
    """Table 3, LoRA on the projections is better than on all modules: the scores in which it is, is not, or ties."""
    linear, both = (printed.row("table03", row) for row in ("linear", "both"))
    margins = {column: linear[column] - both[column] for column in linear.scores}
    return {
        "better": sum(margin > TINY for margin in margins.values()),
        "scores": len(margins),
        "worse": " and ".join(column for column, margin in margins.items() if margin < -TINY),
        "tied": " and ".join(column for column, margin in margins.items() if abs(margin) <= TINY),
    }
